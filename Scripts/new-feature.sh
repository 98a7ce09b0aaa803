#!/usr/bin/env bash
# Makes a furnished room under Sources/NAME with its tests, and says which lines to add to the graph.
set -euo pipefail
cd "$(dirname "$0")/.."
name=${1:-}
if ! [[ $name =~ ^[A-Z][A-Za-z]+$ ]]; then
    echo "new-feature: give a name such as Projects:  make new-feature NAME=Projects" >&2
    exit 64
fi
[ ! -e "Sources/$name" ] || { echo "new-feature: Sources/$name exists" >&2; exit 73; }
lower=$(tr '[:upper:]' '[:lower:]' <<<"$name")
mkdir -p "Sources/$name/Migrations" "Tests/${name}Tests"

write() { cat >"Sources/$name/$1"; }
write "$name.swift" <<SWIFT
import Store
import Vocabulary

/// The room of $lower: what Composition builds and mounts.
package enum ${name}Room {
    package static func migrations() throws -> [Migration] { try Migration.all(room: "$lower", bundle: .module) }
}

/// The service: reads, asks policy, then acts in one transaction.
package struct ${name}: Sendable {
    private let store: any Store
    private let settings: Settings

    package init(store: any Store, settings: Settings) {
        self.store = store
        self.settings = settings
    }
}
SWIFT
write "${name}Table.swift" <<SWIFT
import Store

/// Every SQL statement of the room.
enum ${name}Table {
    static let all: [SQL] = []
}
SWIFT
write "${name}Routes.swift" <<SWIFT
import HTTPEdge
import Vocabulary

extension ${name} {
    /// Wire types and routes, each with its access.
    package func routes() -> [Route] { [] }
}
SWIFT
write "${name}Hooks.swift" <<SWIFT
import HookEngine

/// The room's hook points.
package enum ${name}Hooks {
    package static let all: [HookDefinition] = []
}
SWIFT
write "${name}Problems.swift" <<SWIFT
import Vocabulary

/// Every error that the room can raise.
package enum ${name}Problems {
    package static let all: [Problem] = []
}
SWIFT
write "${name}Settings.swift" <<SWIFT
import Vocabulary

/// Every setting of the room.
package enum ${name}Settings {
    package static let all: [AnySetting] = []
}
SWIFT
write "${name}Permissions.swift" <<SWIFT
import Vocabulary

/// Every permission that the room asks for.
package enum ${name}Permissions {
    package static let all: [Permission] = []
}
SWIFT
touch "Sources/$name/Migrations/.gitkeep"
write README.md <<MD
# $name

| | |
| --- | --- |
| owns | tables: none yet |
| states | none yet |
| emits | nothing yet |
| listens to | nothing yet |
| left neighbours | none |
MD
cat >"Tests/${name}Tests/${name}Tests.swift" <<SWIFT
import Testing

@testable import $name

@Test("the migrations of $lower can be read from the bundle")
func migrationsAreReadable() throws {
    let names = try ${name}Room.migrations().map(\\.name)
    #expect(names == names.sorted())
}
SWIFT
cat <<TEXT
Furnished Sources/$name and Tests/${name}Tests. Add to Package.swift:

    room("$name"),
    tests("${name}Tests", on: ["$name", "RoomTesting"]),

to the features of Tests/ArchitectureTests/ImportGraphTests.swift:

    ("$name", []),

and mount it in Sources/Composition. Then: make room ROOM=$name
TEXT
