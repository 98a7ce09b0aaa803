#!/usr/bin/env bash
# Lays out the client for C: OUTDIR/{include/coditect.h, lib/libcoditect-client.so, …}.
#
#   Scripts/build-c-client.sh [debug|release] OUTDIR [--with-runtime]
#
# The library finds its own neighbours and the Swift toolchain that built it; with --with-runtime the parts of the toolchain that
# it needs are laid beside it, for machines without one.
set -euo pipefail
cd "$(dirname "$0")/.."
configuration=debug
case "${1:-}" in debug | release) configuration=$1; shift ;; esac
out=${1:-}
[ -n "$out" ] || { echo "usage: build-c-client.sh [debug|release] OUTDIR [--with-runtime]" >&2; exit 64; }
swift build -c "$configuration" --product coditect-client
built=$(swift build -c "$configuration" --show-bin-path)
mkdir -p "$out/include" "$out/lib"
install -m 644 Sources/CLicenseClient/include/coditect.h "$out/include/"
install -m 644 "$built/libcoditect-client.so" "$built/libPluginKit.so" "$out/lib/"
if [ "${2:-}" = --with-runtime ]; then
    runtime=$(dirname "$(ldd "$built/libcoditect-client.so" | sed -n 's/.*libswiftCore.so => \([^ ]*\).*/\1/p')")
    ldd "$built/libcoditect-client.so" | awk -v place="$runtime/" 'index($3, place) == 1 { print $3 }' | sort -u | xargs install -m 644 -t "$out/lib"
fi
echo "The client for C is in $out"
