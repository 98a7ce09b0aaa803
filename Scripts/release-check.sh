#!/usr/bin/env bash
# Tries the packed release in a bare Debian 12 that has no Swift, no headers and only the packages that its README names; needs root, for a root folder.
#
#   Scripts/release-check.sh      after make release
set -euo pipefail
cd "$(dirname "$0")/.."
archive=$(ls -t dist/coditect-*.tar.gz 2>/dev/null | head -n 1 || true)
if [ -z "$archive" ]; then echo "release-check: dist has no archive: make release" >&2; exit 66; fi
if [ "$(id -u)" -ne 0 ]; then echo "release-check: run as root: a bare root folder is made and entered" >&2; exit 77; fi

cp "$archive" "$archive.first"
Scripts/release.sh --packed
cmp "$archive" "$archive.first" || { echo "release-check: two archives of one tree differ: $archive and $archive.first" >&2; exit 65; }
rm "$archive.first"
echo "release-check: two archives of one tree are equal byte for byte"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar -xzf "$archive" -C "$work"
packages=$(sed -n 's/^apt-get install --no-install-recommends //p' "$work"/coditect-*/README.md | tr ' ' ',')
echo "release-check: a bare Debian 12 with $packages"
mmdebstrap --quiet --variant=minbase --include="$packages" bookworm "$work/root"
python3 Tests/Interop/test_release.py "$work"/coditect-*/ "$work/root"
