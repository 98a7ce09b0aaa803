#!/usr/bin/env bash
# Installs what a job needs and this machine lacks, naming it first.  Usage: Scripts/install.sh run|test|fuzz|interop|stress|chaos|bench|release
set -euo pipefail

job=${1:-run}
run=(pkg-config git liblua5.4-dev libssl-dev libargon2-dev libsqlite3-dev libpq-dev libhiredis-dev libxmlsec1-dev libxml2-dev)
case "$job" in
    run) wanted=("${run[@]}") ;;
    test) wanted=("${run[@]}" openssl python3 python3-venv python3-cryptography faketime gcc libc6-dev postgresql redis-server softhsm2 opensc slapd ldap-utils xmlsec1 oathtool) ;;
    fuzz) wanted=("${run[@]}" patch) ;;
    stress) wanted=("${run[@]}" python3 gcc libc6-dev) ;;
    chaos) wanted=("${run[@]}" python3 python3-cryptography gcc libc6-dev postgresql redis-server pgbouncer patroni etcd-server) ;;
    interop)
        wanted=("${run[@]}" patch faketime python3 python3-venv python3-cryptography chromium bash zsh fish postgresql
            pgbouncer haproxy nginx redis-server
            prometheus oathtool exim4-daemon-light
            ldap-utils samba samba-ad-provision samba-dsdb-modules samba-vfs-modules iproute2
            simplesamlphp php-cli php-xml
            glewlwyd lemonldap-ng libgd-securityimage-perl libimage-magick-perl libio-string-perl libstring-random-perl)
        ;;
    bench) wanted=("${run[@]}" python3 openssl wrk nginx libnginx-mod-http-lua lua-cjson lua-nginx-redis lua-resty-core lua-resty-lrucache redis-server
        postgresql python3-venv) ;;
    release) wanted=(binutils patchelf mmdebstrap) ;;
    *) echo "install: unknown job '$job': one of run, test, fuzz, interop, stress, chaos, bench, release" >&2; exit 64 ;;
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
if [[ "$job" =~ ^(bench|test|interop|chaos)$ ]] && [ ! -e /usr/sbin/policy-rc.d ]; then
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
