#!/usr/bin/env bash
# Compares the plugin kit's public API with that of its last minor version: what was promised to plugins stays, what is new may come.
#
#   Scripts/check-kit.sh             compare; ends with 65 where something was removed or changed
#   Scripts/check-kit.sh --prove     seed breaking and harmless changes, and show that the first are refused and the second are not
#   Scripts/check-kit.sh --accept    write down the API as it is now, for the minor that PluginNote names: once, when that minor is released
#
# Works offline: the baselines are the interfaces that the compiler wrote, plugins/sdk/api/<version>/PluginKit.swiftinterface.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
scratch=${CODITECT_PLUGIN_SCRATCH:-$root/.build-plugins}
target=$(uname -m)-unknown-linux-gnu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# dump INTERFACE_FOLDER OUT
dump() {
    swift-api-digester -dump-sdk -module PluginKit -I "$1" -o "$2" -sdk / -target "$target" -avoid-location -abi -abort-on-module-fail \
        -module-cache-path "$work/cache" >"$work/said" 2>&1 || { cat "$work/said" >&2; echo "check-kit: $1 cannot be read" >&2; exit 70; }
}
# breaks OLD NEW: prints what a plugin that was built against the old would miss
breaks() {
    swift-api-digester -diagnose-sdk --input-paths "$1" --input-paths "$2" -abi -sdk / -target "$target" -module-cache-path "$work/cache" \
        2>/dev/null >"$work/diagnosed"
    grep -vE "^$|^/[*]|is a new API without '@available'" "$work/diagnosed" || true
}

last=$(ls "$root/plugins/sdk/api" | sort -V | tail -n 1)
baseline=$root/plugins/sdk/api/$last
version=$(sed -n 's|^/// Kit \([0-9.]*\)\. .*|\1|p' "$root/plugins/sdk/Sources/PluginNote/PluginNote.swift")

if [ "${1:-}" = --prove ]; then
    dump "$baseline" "$work/old.json"
    try() {
        mkdir -p "$work/changed"
        python3 - "$baseline/PluginKit.swiftinterface" "$work/changed/PluginKit.swiftinterface" "$2" "$3" <<'PY'
import sys
text = open(sys.argv[1]).read()
assert sys.argv[3] in text, "the seed finds no place: " + sys.argv[3]
open(sys.argv[2], "w").write(text.replace(sys.argv[3], sys.argv[4], 1))
PY
        dump "$work/changed" "$work/new.json"
        found=$(breaks "$work/old.json" "$work/new.json")
        if [ "$1" = refused ] && [ -z "$found" ] || [ "$1" = taken ] && [ -n "$found" ]; then
            echo "check-kit: the seed '$4' should be $1; found: $found" >&2
            exit 1
        fi
        echo "check-kit: $1: $4"
    }
    refused="refused"
    # What is seeded, what becomes of it, and its name.
    try $refused "  public func redacted(_ text: Swift.String) -> Swift.String" "" "a function is gone"
    try $refused "  case stale(Swift.String)" "" "a case of an error is gone"
    try $refused "public func redacted(_ text: Swift.String)" "public func redacted(_ text: Swift.String, fully: Swift.Bool)" "a parameter more"
    try $refused "  func stop() async" "  func stop() async
  func pause() async" "a requirement without a default"
    try taken "  public func redacted(_ text: Swift.String) -> Swift.String" "  public func redacted(_ text: Swift.String) -> Swift.String
  public func counted() -> Swift.Int" "a function more"
    echo "check-kit: 5 passed, 0 failed"
    exit 0
fi

swift build --disable-build-manifest-caching --package-path "$root/plugins/sdk" --scratch-path "$scratch" --product PluginKit >"$work/build" 2>&1 \
    || { cat "$work/build" >&2; exit 70; }
mkdir -p "$work/now"
sed 's/ -package-name [a-z]*//' "$scratch/debug/Modules/PluginKit.swiftinterface" >"$work/now/PluginKit.swiftinterface"
if [ "${1:-}" = --accept ]; then
    mkdir -p "$root/plugins/sdk/api/$version"
    cp "$work/now/PluginKit.swiftinterface" "$root/plugins/sdk/api/$version/"
    echo "check-kit: plugins/sdk/api/$version holds the API of kit $version"
    exit 0
fi
dump "$baseline" "$work/old.json"
dump "$work/now" "$work/new.json"
found=$(breaks "$work/old.json" "$work/new.json")
if [ -n "$found" ]; then
    printf '%s\n' "$found" | sed 's/^/  /' >&2
    echo "check-kit: plugins built with kit $last would miss this. Put it back, and add what is new beside it, a requirement with a default;" >&2
    echo "check-kit: or raise the kit's major in PluginNote, so that the gate refuses those plugins, and run Scripts/check-kit.sh --accept." >&2
    exit 65
fi
echo "check-kit: kit $version keeps all that kit $last promised"
