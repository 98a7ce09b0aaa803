#!/bin/sh
# Runs the kit's tests and every plugin package's own tests, conformance included.
#
#   Scripts/test-plugins.sh [PACKAGE_FOLDER …]
#
# All packages share one scratch path, so that the kit is compiled once; the build plan is made anew for each.
set -eu

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
scratch=${CODITECT_PLUGIN_SCRATCH:-$root/.build-plugins}-tests
if [ $# -eq 0 ]; then
    set -- "$root/plugins/sdk"
    for manifest in "$root"/plugins/*/plugin.json "$root"/examples/*/plugin.json; do
        [ -e "$manifest" ] && set -- "$@" "$(dirname -- "$manifest")"
    done
fi
# Every seeded fault of Scripts/plugin-mutants.sh must still find its place; running them all is that script's work.
"$root/Scripts/plugin-mutants.sh" --check
total=$#
count=0
for package in "$@"; do
    count=$((count + 1))
    printf '[%d/%d] tests of %s\n' "$count" "$total" "$(basename "$package")"
    swift test --disable-build-manifest-caching --package-path "$package" --scratch-path "$scratch" --disable-xctest
done
