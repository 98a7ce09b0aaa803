#!/usr/bin/env bash
# Installs what a job needs and this machine lacks, naming it first.  Usage: Scripts/install.sh run|test|fuzz|interop|stress|bench
set -euo pipefail

job=${1:-run}
run=(pkg-config git liblua5.4-dev libssl-dev libargon2-dev libsqlite3-dev)
case "$job" in
    run) wanted=("${run[@]}") ;;
    test) wanted=("${run[@]}" openssl python3 python3-venv python3-cryptography faketime gcc libc6-dev) ;;
    fuzz) wanted=("${run[@]}" patch) ;;
    stress) wanted=("${run[@]}" python3 gcc libc6-dev) ;;
    interop) wanted=("${run[@]}" patch python3 python3-venv python3-cryptography chromium bash zsh fish) ;;
    bench) wanted=("${run[@]}" python3 openssl wrk nginx libnginx-mod-http-lua lua-cjson redis-server) ;;
    *) echo "install: unknown job '$job': one of run, test, fuzz, interop, stress, bench" >&2; exit 64 ;;
esac

if ! command -v swift >/dev/null 2>&1; then
    echo "install: Swift 6.3 is missing. Install it from swift.org and put it on PATH, then run this again." >&2
    exit 69
fi

missing=()
for package in "${wanted[@]}"; do
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi

echo "install: missing Debian packages: ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "install: run as root or with sudo:  apt-get install ${missing[*]}" >&2
        exit 77
    fi
    as_root=(sudo)
fi
log=$(mktemp)
guard=
trap 'rm -f "$log"; [ -z "$guard" ] || "${as_root[@]}" rm -f "$guard"' EXIT
# Debian starts a server when it installs one; ours are started by who measures, on loopback.
if [ "$job" = bench ] && [ ! -e /usr/sbin/policy-rc.d ]; then
    guard=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$guard" >/dev/null
    "${as_root[@]}" chmod 755 "$guard"
fi
export DEBIAN_FRONTEND=noninteractive
if ! { "${as_root[@]}" apt-get update && "${as_root[@]}" apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "install: apt-get could not install: ${missing[*]}" >&2
    exit 70
fi
echo "install: done"
