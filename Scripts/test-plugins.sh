#!/bin/sh
# Runs the kit's tests and every plugin package's own tests, conformance included; then conformance once more with the plugin in a child process.
#
#   Scripts/test-plugins.sh [PACKAGE_FOLDER …]
#
# All packages share the scratch path of Scripts/build-plugins.sh, so that kit and plugins are compiled once; the build plan is made anew for each.
set -eu

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
scratch=${CODITECT_PLUGIN_SCRATCH:-$root/.build-plugins}
if [ $# -eq 0 ]; then
    set -- "$root/plugins/sdk"
    for manifest in "$root"/plugins/*/plugin.json "$root"/plugins/template/*/plugin.json "$root"/examples/*/plugin.json; do
        [ -e "$manifest" ] && set -- "$@" "$(dirname -- "$manifest")"
    done
fi
# Every seeded fault of Scripts/plugin-mutants.sh must still find its place; running them all is that script's work.
"$root/Scripts/plugin-mutants.sh" --check
# The built libraries for the children, and the prison that plugins' tests load (Sources/PluginPrison).
swift build --package-path "$root" --product coditect-prison
swift build --package-path "$root" --product coditect-plugin-child
# The keeper that plugins/local-workstation starts.
swift build --package-path "$root" --product coditect-workstation
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
total=$#
count=0
for package in "$@"; do
    count=$((count + 1))
    printf '[%d/%d] tests of %s\n' "$count" "$total" "$(basename "$package")"
    swift test --disable-build-manifest-caching --package-path "$package" --scratch-path "$scratch" --disable-xctest
    id=$(sed -n 's/^ *"id": *"\([^"]*\)".*/\1/p' "$package/plugin.json" 2>/dev/null | head -n 1)
    [ -n "$id" ] || continue
    # Their work is to open the token's library and files, and to start processes, which no child may: they run in process.
    [ "$id" = pkcs11-keys ] || [ "$id" = local-workstation ] && continue
    library=$(sed -n 's/^ *"library": *"\([^"]*\)".*/\1/p' "$package/plugin.json" | head -n 1)
    "$root/Scripts/build-plugins.sh" debug "$built" "$package" >/dev/null
    printf '[%d/%d] conformance of %s in a child process\n' "$count" "$total" "$(basename "$package")"
    CODITECT_PRISON="$root/.build/debug/libcoditect-prison.so" CODITECT_PRISON_PLUGIN="$built/$id/$library" \
        swift test --disable-build-manifest-caching --package-path "$package" --scratch-path "$scratch" --disable-xctest --skip-build \
        --filter '[Cc]onformance' >"$built/said" 2>&1 || { cat "$built/said"; exit 1; }
    # A filter that finds nothing passes.
    grep -E 'Test run with [1-9]' "$built/said" || { cat "$built/said"; exit 1; }
done
