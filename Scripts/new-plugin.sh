#!/bin/sh
# Makes a plugin's package in plugins/ out of the template for its kind.
#
#   Scripts/new-plugin.sh payment acme        makes plugins/acme-payments
set -eu

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
if [ $# -ne 2 ]; then
    echo "new-plugin: give a kind and an id:  Scripts/new-plugin.sh payment acme" >&2
    exit 64
fi
program=$root/.build/${CONFIGURATION:-debug}/coditectd
if [ ! -x "$program" ]; then
    echo "new-plugin: $program is not built: make build" >&2
    exit 69
fi
cd "$root/plugins"
exec "$program" plugin new "$1" "$2" --kit .
