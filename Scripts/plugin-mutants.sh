#!/bin/sh
# Seeds faults into a copy of stripe-payments and shows that the conformance kits catch each.
#
#   Scripts/plugin-mutants.sh [--check] [NAME …]
#
# --check: only whether every fault still finds its place in the sources.
set -eu
exec python3 "$(dirname -- "$0")/../Tests/Interop/plugin_mutants.py" "$@"
