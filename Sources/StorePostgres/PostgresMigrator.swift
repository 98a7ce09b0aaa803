import Foundation
import Store
import Vocabulary

/// Brings a database up to the migrations of this program, all or nothing, as the owner. Runs on a connection of its own.
struct PostgresMigrator {
    let link: PostgresLink
    let seal: Seal

    private static let lock: Int64 = 0x636f_6469_7465_6374
    private static let patience = Duration.minutes(10)
    /// While servers work: how long it waits for one lock, so that those behind it do not wait longer, and how often it begins anew.
    private static let lockPatience = "4s"
    private static let attempts = 40

    private func run(_ text: String, _ values: [SQLValue] = []) throws -> [Row] {
        try link.run([PostgresCommand("migrate", text, values)], within: Self.patience)
    }
    private func run(all commands: [PostgresCommand]) throws {
        for start in stride(from: 0, to: commands.count, by: 100) {
            _ = try link.run(Array(commands[start..<min(start + 100, commands.count)]), within: Self.patience)
        }
    }
    private func rows(_ sql: SQL, _ arguments: [any SQLBindable]) throws -> [Row] { try run(sql.postgres, arguments.map(\.sqlValue)) }

    /// What is missing.
    func plan(_ migrations: [Migration]) throws -> [Migration] {
        do { return try transaction { try pending(migrations) } } catch let error as PostgresError { throw error.fault }
    }

    /// Names applied now.
    func up(_ migrations: [Migration], now: Timestamp) throws -> [String] {
        var attempt = 0
        while true {
            attempt += 1
            do { return try once(migrations, now: now) } catch let error as PostgresError {
                // Whoever works at the moment had locks in another order. Nothing is done yet, so it is all done again.
                guard error.isConflict, attempt < Self.attempts else { throw error.fault }
                usleep(250_000)
            }
        }
    }

    private func once(_ migrations: [Migration], now: Timestamp) throws -> [String] {
        try transaction {
            // One at a time; a second one finds nothing left to do.
            _ = try run("SELECT pg_advisory_xact_lock($1)", [.integer(Self.lock)])
            _ = try run("SET LOCAL lock_timeout = '\(Self.lockPatience)'")
            try run(all: PostgresGuard.foundation(seal))
            // What writes for a tenant ends first, and waits here, not in the middle of its work.
            _ = try run("LOCK TABLE \((0..<PostgresGuard.laneCount).map(PostgresGuard.laneName).joined(separator: ", ")) IN EXCLUSIVE MODE")
            _ = try run("SET LOCAL search_path = \(PostgresGuard.schema)")
            let book = Migration(room: OwnSchema.room, name: "book", sql: OwnSchema.createMigrationTable)
            try run(all: PostgresDialect.statements(book).map { PostgresCommand("migrate", $0) })
            let pending = try pending(migrations)
            for row in try rows(PostgresShape.views, []) { _ = try run("DROP VIEW \(try row.text(0))") }
            // The owner, too, is held by FORCE: what a migration moves it must see.
            for table in try PostgresCatalogue.read(rows).tables { _ = try run("ALTER TABLE \(table.name) NO FORCE ROW LEVEL SECURITY") }
            for migration in pending {
                do {
                    try run(all: PostgresDialect.statements(migration).map { PostgresCommand(migration.path, $0) })
                } catch let error as PostgresError where error.isConflict {
                    throw error
                } catch {
                    throw StoreFault.migration("\(migration.path) failed: \((error as? PostgresError)?.message ?? "\(error)")")
                }
                _ = try rows(PostgresShape.record, [migration.room, migration.name, migration.hash, now])
            }
            let catalogue = try PostgresCatalogue.read(rows)
            try run(all: catalogue.tables.flatMap(PostgresGuard.walls).map { PostgresCommand("guard.walls", $0) })
            try run(all: PostgresGuard.triggers.map { PostgresCommand("guard.triggers", $0) })
            let findings = try PostgresLint.findings(rows)
            guard findings.isEmpty else {
                throw StoreFault.migration("the schema breaks the house's rules:\n" + findings.map(\.sentence).joined(separator: "\n"))
            }
            return pending.map(\.path)
        }
    }

    private func transaction<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            _ = try run("BEGIN ISOLATION LEVEL READ COMMITTED")
            do { _ = try run("SET LOCAL ROLE \(PostgresRoles.owner)") } catch let error as PostgresError where !error.isLost {
                throw StoreFault.migration(
                    "this login cannot become \(PostgresRoles.owner): make the roles first ('coditectd migrate roles') and migrate as "
                        + PostgresRoles.migrate)
            }
            let value = try body()
            try link.commit(within: Self.patience)
            return value
        } catch {
            if link.isAlive, !link.isIdle { _ = try? run("ROLLBACK") }
            if let conflict = error as? PostgresError, conflict.isConflict { throw conflict }
            throw (error as? PostgresError)?.fault ?? error
        }
    }

    private func pending(_ migrations: [Migration]) throws -> [Migration] {
        let hasBook = try rows(PostgresShape.book, []).first?.bool(0) ?? false
        let applied = hasBook ? try rows(PostgresShape.applied, []).map(AppliedMigration.init) : []
        return try MigrationLedger(migrations).pending(applied)
    }
}
