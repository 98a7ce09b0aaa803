#!/bin/sh
# Makes a payment plugin's package out of plugins/template.
#
#   Scripts/new-plugin.sh Acme        makes plugins/acme-payments
set -eu

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
name=${1:-}
case "$name" in
[A-Z]*) ;;
*) name= ;;
esac
if [ -z "$name" ] || [ -n "$(printf '%s' "$name" | tr -d 'A-Za-z')" ]; then
    echo "new-plugin: give a name such as Acme:  Scripts/new-plugin.sh Acme" >&2
    exit 64
fi
lower=$(printf '%s' "$name" | tr '[:upper:]' '[:lower:]')
upper=$(printf '%s' "$name" | tr '[:lower:]' '[:upper:]')
place=$root/plugins/$lower-payments
if [ -e "$place" ]; then
    echo "new-plugin: $place exists" >&2
    exit 73
fi
cd "$root/plugins/template"
find Package.swift plugin.json Sources Tests -type f | while read -r file; do
    target=$place/$(printf '%s' "$file" | sed "s/Template/$name/g")
    mkdir -p "$(dirname "$target")"
    sed "s/Template/$name/g; s/TEMPLATE/$upper/g; s/template/$lower/g" "$file" >"$target"
done
printf '# %s payments\n\nTakes money through %s. Plugin id `%s`, webhook `/webhooks/%s`.\n' "$name" "$name" "$lower" "$lower" >"$place/README.md"
printf 'Made plugins/%s-payments.\n  swift test --package-path plugins/%s-payments\n  Scripts/build-plugins.sh debug OUTDIR\n' "$lower" "$lower"
