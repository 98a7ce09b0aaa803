import CSQLite
import Store
import Vocabulary

/// Brings the schema up to the migrations of this program, all or nothing. Runs on the writer's connection, alone.
struct Migrator {
    let connection: Connection
    let migrations: [Migration]
    let now: Timestamp

    /// Names applied now, `room/name`, and the schema in force after it.
    func run() throws -> (applied: [String], catalogue: Catalogue) {
        try connection.execute("PRAGMA foreign_keys = OFF")
        defer { try? connection.execute("PRAGMA foreign_keys = ON") }
        try connection.execute("BEGIN IMMEDIATE")
        do {
            let result = try bringUp()
            try connection.execute("COMMIT")
            return result
        } catch {
            if connection.isInTransaction { try? connection.execute("ROLLBACK") }
            throw error
        }
    }

    private func bringUp() throws -> (applied: [String], catalogue: Catalogue) {
        try connection.execute(OwnSchema.createMigrationTable)
        let pending = try pending()
        if !pending.isEmpty { try dropGenerated() }
        for migration in pending {
            do { try connection.execute(migration.sql, as: .migration) } catch {
                throw StoreFault.migration("\(migration.room)/\(migration.name) failed: \(error)")
            }
            _ = try connection.rows(
                MigrationTable.record, [migration.room, migration.name, StoreDigest.sha256(Array(migration.sql.utf8)), now], as: .trusted)
        }
        let catalogue = try Catalogue.read(connection)
        if !pending.isEmpty {
            let findings = SchemaLint.findings(try SchemaShape.read(connection))
            if !findings.isEmpty {
                throw StoreFault.migration("the schema breaks the house's rules:\n" + findings.map(\.sentence).joined(separator: "\n"))
            }
            for row in try connection.rows(MigrationTable.brokenKeys, [], as: .trusted) {
                throw StoreFault.migration("a row of \(try row.text(0)) points to a row that is not there")
            }
            for table in catalogue.tables {
                for statement in TenantViews.statements(table) { try connection.execute(statement) }
            }
        }
        return (pending.map { "\($0.room)/\($0.name)" }, catalogue)
    }

    private func pending() throws -> [Migration] {
        let known = OwnSchema.migrations + migrations
        var hashes: [String: [UInt8]] = [:]
        for migration in known {
            let path = "\(migration.room)/\(migration.name)"
            guard hashes.updateValue(StoreDigest.sha256(Array(migration.sql.utf8)), forKey: path) == nil else {
                throw StoreFault.migration("\(path) is there twice")
            }
        }
        var applied: Set<String> = []
        var newest: [String: String] = [:]
        for row in try connection.rows(MigrationTable.applied, [], as: .trusted) {
            let (room, name) = (try row.text(0), try row.text(1))
            let path = "\(room)/\(name)"
            guard let hash = hashes[path] else {
                throw StoreFault.migration("\(path) was applied to this database and is not part of this program: an older program?")
            }
            guard hash == (try row.blob(2)) else {
                throw StoreFault.migration("\(path) was edited after it was applied: put it back and write a new one")
            }
            applied.insert(path)
            newest[room] = max(newest[room] ?? "", name)
        }
        let pending = known.filter { !applied.contains("\($0.room)/\($0.name)") }
        for migration in pending where migration.name < newest[migration.room] ?? "" {
            throw StoreFault.migration("\(migration.room)/\(migration.name) comes before \(newest[migration.room] ?? ""), which is applied")
        }
        return pending
    }

    /// Rooms' migrations change tables only; views and triggers over them are made anew afterwards.
    private func dropGenerated() throws {
        for row in try connection.rows(MigrationTable.viewsAndTriggers, [], as: .trusted) {
            let (type, name) = (try row.text(0), try row.text(1))
            if OwnSchema.triggers.contains(name) { continue }
            try connection.execute("DROP \(type) IF EXISTS \"\(name)\"")
        }
    }
}

enum MigrationTable {
    static let applied = SQL("migration.applied", "SELECT room, name, sha256 FROM store_migration ORDER BY room, name")
    static let record = SQL(
        "migration.record", "INSERT INTO store_migration (room, name, sha256, applied_at) VALUES ($1, $2, $3, $4)")
    static let brokenKeys = SQL("migration.broken_keys", "SELECT \"table\" FROM pragma_foreign_key_check LIMIT 1")
    /// Triggers first: dropping a view takes its triggers along.
    static let viewsAndTriggers = SQL(
        "migration.views_and_triggers", "SELECT type, name FROM sqlite_schema WHERE type IN ('view', 'trigger') ORDER BY type, name")
}
