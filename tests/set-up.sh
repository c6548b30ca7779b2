#!/usr/bin/env bash
# Makes one virtual environment and installs pinned requirements (hashes checked) into it.
# usage: tests/set-up.sh VENV REQUIREMENTS.txt
set -euo pipefail
venv=$1 requirements=$2

# The function's runtime is python3.13, so that one first; 3.12 is the oldest that the code runs on.
candidates() {
    if [ -n "${PYTHON:-}" ]; then echo "$PYTHON"; return; fi
    printf '%s\n' python3.13 python3.14 python3.12 python3
    ls -d "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[2-9]*/bin/python3 2>/dev/null | sort -t. -k2 || true
}
suits() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1; }

python=
best=
while read -r candidate; do
    suits "$candidate" || continue
    [ -n "$python" ] || python=$candidate
    if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2>/dev/null; then best=$candidate; break; fi
done < <(candidates)
python=${best:-$python}
if [ -z "$python" ]; then
    echo "S3 Hydration needs Python 3.12 or newer with its venv module (3.13 is the function's runtime)." >&2
    echo "Found: $(python3 --version 2>&1 || echo 'no python3 at all')." >&2
    echo "Install one (Debian: apt-get install python3-venv, or pyenv install 3.13), or name it: make PYTHON=/path/to/python3.13 ..." >&2
    exit 1
fi

echo "Setting up $venv with $("$python" --version) from $requirements ..." >&2
rm -rf "$venv"
"$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$requirements" 2> >(grep -v '^WARNING: Location' >&2)
touch "$venv/.installed"
