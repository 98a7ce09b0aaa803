#!/usr/bin/env bash
# Takes `make new-feature` at its word: makes a room in a copy of the tree, adds the lines that it names, builds the room and runs its tests.
# The copy stays in .build-new-feature, so that the next run compiles only what has changed.
set -euo pipefail
cd "$(dirname "$0")/.."
name=Observatories
copy=.build-new-feature/tree
mkdir -p "$copy"
# What an earlier run left is not part of the tree; modification times are kept, so that what did not change is not built again.
find "$copy" -mindepth 1 -maxdepth 1 ! -name .build -exec rm -rf {} +
git ls-files -co --exclude-standard -z | while IFS= read -r -d '' file; do [ -e "$file" ] && printf '%s\0' "$file"; done |
    tar -c --null -T - | tar -x -C "$copy"
[ -e Package.resolved ] && cp -p Package.resolved "$copy/"
cd "$copy"

refused() {
    if make --no-print-directory new-feature NAME="$1" >/dev/null 2>&1; then echo "new-feature: took the name '$1'" >&2; exit 1; fi
}
refused ""
refused "lower"
refused "Not/A/Name"
refused Seats

said=$(make --no-print-directory new-feature NAME="$name")
line() { # the line that begins with $1, as it was said
    local found
    found=$(grep -F "    $1" <<<"$said") || { echo "new-feature: said nothing of $1" >&2; exit 1; }
    printf '%s\n' "$found"
}
insert() { # file, the line after which, the line to add
    grep -qF "$2" "$1" || { echo "new-feature: $1 has no line '$2'" >&2; exit 1; }
    awk -v after="$2" -v added="$3" '{ print } index($0, after) && !done { print added; done = 1 }' "$1" >"$1.part"
    mv "$1.part" "$1"
}
insert Package.swift '    room("Notifications"' "$(line "room(\"$name\")")"
insert Package.swift '    tests("NotificationsTests"' "$(line "tests(\"${name}Tests\"")"
insert Tests/ArchitectureTests/ImportGraphTests.swift '("Notifications", ["Tenancy"]),' "        $(line "(\"$name\"" | sed 's/^ *//')"

swift format lint --strict --recursive Package.swift "Sources/$name" "Tests/${name}Tests"
CODITECT_ROOMS=$name,Architecture swift build --build-tests --quiet
CODITECT_ROOMS=$name,Architecture swift test --skip-build --quiet --filter "^(${name}|Architecture)Tests\\."
echo "new-feature: a room was made, built, tested, and found in order"
