#!/usr/bin/env bash
# Builds the programs and the plugins, with visible progress.  Usage: Scripts/build.sh debug|release
set -euo pipefail
cd "$(dirname "$0")/.."
configuration=${1:-debug}

[ -d .build ] || echo "build: the first build takes some minutes (about 10 minutes of one core); later ones take seconds"
for product in coditectd coditect coditect-plugin-child coditect-workstation coditect-prison; do
    echo "build: $product ($configuration)"
    swift build -c "$configuration" --product "$product"
done
Scripts/build-plugins.sh "$configuration" ".build/$configuration/plugins"
