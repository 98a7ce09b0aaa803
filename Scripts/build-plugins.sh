#!/bin/sh
# Builds plugin packages and lays each out as the server expects it: OUTDIR/<id>/{plugin.json, lib….so}.
#
#   Scripts/build-plugins.sh [debug|release] OUTDIR [PACKAGE_FOLDER …]
#
# Without package folders: every folder in plugins/ that has a plugin.json; the templates are a step deeper. All packages share one scratch path, so that the kit
# is compiled once; the build plan is made anew for each, because a kept one would be that of the package before. A library that did not change is left alone, hence a running server sees nothing to reload.
set -eu

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
configuration=debug
case "${1:-}" in
debug | release)
    configuration=$1
    shift
    ;;
esac
if [ $# -lt 1 ]; then
    echo "usage: build-plugins.sh [debug|release] OUTDIR [PACKAGE_FOLDER …]" >&2
    exit 64
fi
mkdir -p "$1"
out=$(CDPATH= cd -- "$1" && pwd)
shift
ships= built=
if [ $# -eq 0 ]; then
    ships=yes
    for manifest in "$root"/plugins/*/plugin.json; do
        [ -e "$manifest" ] && set -- "$@" "$(dirname -- "$manifest")"
    done
fi
scratch=${CODITECT_PLUGIN_SCRATCH:-$root/.build-plugins}

# The value of a member that stands on a line of its own in plugin.json.
member() { sed -n "s/^ *\"$2\": *\"\([^\"]*\)\".*/\1/p" "$1/plugin.json" | head -n 1; }

# Copies only what differs, in one step, so that nobody ever reads half a file.
lay() {
    cmp -s "$1" "$2" && return 0
    cp "$1" "$2.part"
    chmod 0644 "$2.part"
    mv "$2.part" "$2"
}

total=$#
count=0
for package in "$@"; do
    count=$((count + 1))
    id=$(member "$package" id)
    library=$(member "$package" library)
    if [ -z "$id" ] || [ -z "$library" ]; then
        echo "build-plugins: $package/plugin.json names no id or no library" >&2
        exit 1
    fi
    product=${library#lib}
    product=${product%.so}
    printf '[%d/%d] plugin %s (%s, %s)\n' "$count" "$total" "$id" "$(basename "$package")" "$configuration"
    log=$scratch/$product.log
    mkdir -p "$scratch" "$out/$id"
    if ! swift build --disable-build-manifest-caching --package-path "$package" --scratch-path "$scratch" -c "$configuration" --product "$product" >"$log" 2>&1; then
        cat "$log" >&2
        echo "build-plugins: $id does not build" >&2
        exit 1
    fi
    lay "$scratch/$configuration/$library" "$out/$id/$library"
    lay "$package/plugin.json" "$out/$id/plugin.json"
    built="$built $(basename "$out")/$id/plugin.json $(basename "$out")/$id/$library"
done
# Beside the programs that they ship with: by this list the server knows its own plugins, which run in its process.
if [ -n "$ships" ] && [ -e "$out/../coditectd" ]; then
    # shellcheck disable=SC2086 -- ids and libraries hold no space
    (cd "$out/.." && sha256sum $built >shipped-plugins.sha256.part && mv shipped-plugins.sha256.part shipped-plugins.sha256)
fi
printf 'Plugins are in %s\n' "$out"
