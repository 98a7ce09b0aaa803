import Vocabulary

extension Migration {
    package var path: String { "\(room)/\(name)" }
    /// Of the text as it was written, whatever engine it runs on.
    package var hash: [UInt8] { StoreDigest.sha256(Array(sql.utf8)) }
    /// Whether a program that does not know the migration of this name cannot serve beside it. All others only add.
    package static func breaks(_ name: String) -> Bool { name.hasSuffix("_breaks") }
}

/// One line of `store_migration`.
package struct AppliedMigration: Sendable {
    package let room: String
    package let name: String
    package let hash: [UInt8]
    /// From a row of room, name, sha256.
    package init(_ row: Row) throws {
        room = try row.text(0)
        name = try row.text(1)
        hash = try row.blob(2)
    }
    package init(room: String, name: String, hash: [UInt8]) {
        self.room = room
        self.name = name
        self.hash = hash
    }
    package var path: String { "\(room)/\(name)" }
}

/// What this program knows of migrations, held against what a database has.
package struct MigrationLedger: Sendable {
    private let known: [Migration]
    package init(_ migrations: [Migration]) { known = OwnSchema.migrations + migrations }

    /// What is missing, in the order in which it is applied. Throws where the database has what this program has not, or has it otherwise:
    /// for whoever changes the schema.
    package func pending(_ rows: [AppliedMigration]) throws -> [Migration] {
        let standing = try standing(rows)
        if let path = standing.ahead.first { throw Self.unknown(path) }
        return standing.pending
    }

    /// Where a database stands to a program.
    package struct Standing: Sendable {
        package let pending: [Migration]
        /// What a newer program applied, `room/name`. It only added, so this one serves beside it: docs/decisions/0026.
        package let ahead: [String]
    }

    /// For whoever serves. Throws where the database has otherwise what this program has, lacks what came before, or has what an older program
    /// cannot live with.
    package func standing(_ rows: [AppliedMigration]) throws -> Standing {
        var hashes: [String: [UInt8]] = [:]
        var last: [String: String] = [:]
        for migration in known {
            guard hashes.updateValue(migration.hash, forKey: migration.path) == nil else {
                throw StoreFault.migration("\(migration.path) is there twice")
            }
            last[migration.room] = max(last[migration.room] ?? "", migration.name)
        }
        var applied: Set<String> = []
        var ahead: [String] = []
        var newest: [String: String] = [:]
        for row in rows {
            newest[row.room] = max(newest[row.room] ?? "", row.name)
            guard let hash = hashes[row.path] else {
                guard row.name > last[row.room] ?? "" else { throw Self.unknown(row.path) }
                guard !Migration.breaks(row.name) else {
                    throw StoreFault.migration(
                        "\(row.path) was applied to this database and changed what this program needs: serve with the program that brought it"
                    )
                }
                ahead.append(row.path)
                continue
            }
            guard hash == row.hash else {
                throw StoreFault.migration("\(row.path) was edited after it was applied: put it back and write a new one")
            }
            applied.insert(row.path)
        }
        let pending = known.filter { !applied.contains($0.path) }
        for migration in pending where migration.name < newest[migration.room] ?? "" {
            throw StoreFault.migration("\(migration.path) comes before \(newest[migration.room] ?? ""), which is applied")
        }
        // Neither is the older of the two.
        if let path = ahead.first, !pending.isEmpty { throw Self.unknown(path) }
        return Standing(pending: pending, ahead: ahead)
    }

    private static func unknown(_ path: String) -> StoreFault {
        .migration("\(path) was applied to this database and is not part of this program: an older program?")
    }
}
