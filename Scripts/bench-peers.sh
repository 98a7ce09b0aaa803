#!/usr/bin/env bash
# Builds for release and measures the seat service beside two others that do the same job, in one run (about 20 minutes).
set -euo pipefail
cd "$(dirname "$0")/.."
Scripts/build.sh release
neighbours=.venv-peers
requirements=Benchmarks/peers/seats/requirements.txt
if ! cmp -s "$requirements" "$neighbours/.installed"; then
    echo "bench: installing $(wc -l <"$requirements") packages of $requirements"
    /usr/bin/python3 -m venv "$neighbours"
    "$neighbours/bin/python3" -m pip install --quiet --disable-pip-version-check -r "$requirements"
    cp "$requirements" "$neighbours/.installed"
fi
exec python3 -u Benchmarks/seat_peers.py "$PWD/$neighbours/bin/python3"
