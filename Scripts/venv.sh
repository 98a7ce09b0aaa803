#!/usr/bin/env bash
# Makes .venv with the independent peers written in Python, and prints its interpreter.  Usage: Scripts/venv.sh test|interop
set -euo pipefail
cd "$(dirname "$0")/.."

requirements=Tests/Interop/requirements-${1:-test}.txt
stamp=.venv/.installed-${1:-test}
if [ ! -x .venv/bin/python3 ]; then
    echo "venv: creating .venv" >&2
    /usr/bin/python3 -m venv .venv >&2
fi
if ! cmp -s "$requirements" "$stamp"; then
    echo "venv: installing $(grep -cv '^#' "$requirements") packages of $requirements" >&2
    .venv/bin/python3 -m pip install --quiet --disable-pip-version-check -r "$requirements" >&2
    cp "$requirements" "$stamp"
fi
echo "$PWD/.venv/bin/python3"
