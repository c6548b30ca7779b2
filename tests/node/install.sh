#!/usr/bin/env bash
# Installs the npm packages that FOLDER/package-lock.json pins (integrity hashes checked) into TARGET/node_modules.
# No install scripts are run, and no peers are added: what is needed is named.
# usage: tests/node/install.sh TARGET FOLDER
set -euo pipefail
target=$1 folder=$2
node=$(cd "$(dirname "$0")/../../.build/node/bin" && pwd)

echo "Setting up $target with npm from $folder/package-lock.json ..." >&2
rm -rf "$target"
mkdir -p "$target"
cp "$folder/package.json" "$folder/package-lock.json" "$folder/.npmrc" "$target"
PATH=$node:$PATH npm --prefix "$target" ci --silent
touch "$target/.installed"
