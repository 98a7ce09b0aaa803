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
                MigrationTable.record, [migration.room, migration.name, migration.hash, now], as: .trusted)
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
        let applied = try connection.rows(MigrationTable.applied, [], as: .trusted).map(AppliedMigration.init)
        // The one process that has the file both migrates and serves it: an older one serves what a newer one added to.
        return try MigrationLedger(migrations).standing(applied).pending
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
    static let book = SQL("migration.book", "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'store_migration'")
    static let record = SQL(
        "migration.record", "INSERT INTO store_migration (room, name, sha256, applied_at) VALUES ($1, $2, $3, $4)")
    static let brokenKeys = SQL("migration.broken_keys", "SELECT \"table\" FROM pragma_foreign_key_check LIMIT 1")
    /// Triggers first: dropping a view takes its triggers along.
    static let viewsAndTriggers = SQL(
        "migration.views_and_triggers", "SELECT type, name FROM sqlite_schema WHERE type IN ('view', 'trigger') ORDER BY type, name")
}
