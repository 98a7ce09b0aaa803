import Foundation
import Store
import Synchronization
import Vocabulary

/// The embedded store: one file, one writer, many readers. Make it, `migrate`, use it, `close` it.
package final class SQLiteStore: StoreDriver {
    private let writer: Writer
    private let readers: Readers
    private let schema = SchemaInForce()
    private let context: LedgerContext
    private let limits: SQLiteLimits
    private let reasons = Mutex<[String: Int]>([:])
    package let jobSignal = JobSignal()

    /// Opens or creates `file`, readable by its owner alone. `topics`: event topic → rooms that listen to it.
    package init(
        file: URL, clock: any Clock, entropy: any Entropy, sealer: any Sealer, topics: [String: [String]],
        limits: SQLiteLimits = SQLiteLimits()
    ) throws {
        // A folder may be a link; the file itself may not.
        let file = file.deletingLastPathComponent().resolvingSymlinksInPath().appendingPathComponent(file.lastPathComponent)
        self.limits = limits
        _ = SQLiteCopy.make(file)
        context = LedgerContext(clock: clock, entropy: entropy, sealer: sealer, topics: topics)
        let connection = try Connection(file: file, isWriter: true, limits: limits, segment: context.segment())
        schema.catalogue = try Catalogue.read(connection)
        readers = try Readers(file: file, limits: limits, schema: schema)
        writer = Writer(connection: connection, schema: schema, jobSignal: jobSignal)
    }

    /// Applies what is missing, the store's own tables first, all or nothing; answers the names applied, `room/name`.
    /// Throws `StoreFault.migration` if one that was applied is edited or gone, or if a table breaks the rules of `SchemaLint`.
    package func migrate(_ migrations: [Migration]) async throws -> [String] {
        let (schema, clock) = (schema, context.clock)
        return try await writer.submit(.flushed, isExclusive: true) { connection in
            let (applied, catalogue) = try Migrator(connection: connection, migrations: migrations, now: clock.now()).run()
            schema.catalogue = catalogue
            connection.forgetStatements()
            return applied
        }
    }

    package func pending(_ migrations: [Migration]) async throws -> [String] {
        try await readers.submit(kilosteps: .max) { connection in
            guard try connection.rows(MigrationTable.book, [], as: .trusted).first != nil else {
                return try MigrationLedger(migrations).pending([]).map(\.path)
            }
            let applied = try connection.rows(MigrationTable.applied, [], as: .trusted).map(AppliedMigration.init)
            return try MigrationLedger(migrations).pending(applied).map(\.path)
        }
    }

    /// Deleted rows are overwritten in the file as they go (`secure_delete`); the log beside it still has them until it is emptied. Throws
    /// `unavailable` while a reader holds it.
    package func scrub() async throws -> Bool {
        try await writer.submit(.flushed, isExclusive: true) { connection in
            let answer = try connection.rows(Upkeep.emptyLog, [], as: .trusted).first
            guard try answer?.integer(0) == 0 else { throw CommonProblems.unavailable }
            return true
        }
    }

    package var statistics: StoreStatistics {
        var statistics = writer.statistics
        statistics.reasons = reasons.withLock { $0 }
        statistics.pools.append(readers.standing)
        return statistics
    }
    private func count(_ reason: KernelReason) { reasons.withLock { $0[reason.name, default: 0] += 1 } }

    deinit {
        readers.stop()
        writer.stop()
    }

    /// Finishes what is queued and closes the file; later calls throw `StoreFault.closed`.
    package func close() async {
        await readers.close()
        await writer.close()
    }

    /// How the engine would come to the rows, a line for each step: for tests that no hot statement walks a whole table. `tenant` nil means
    /// the kernel's scope.
    package func plan(_ sql: SQL, in tenant: TenantID?) async throws -> [String] {
        try await readers.submit(kilosteps: limits.kernelKilosteps) { connection in
            try connection.plan(sql, as: tenant.map { .tenant($0.uuid.bytes) } ?? .kernel)
        }
    }

    package func tenant<Value: Sendable>(
        _ id: TenantID, _ durability: Durability, _ body: @escaping @Sendable (any TenantScope) throws -> Value
    ) async throws -> Value {
        try await writer.submit(durability, kilosteps: limits.tenantKilosteps) { [context] connection in
            let scope = SQLiteTenantScope(connection, context, tenant: id)
            defer { scope.end() }
            return try body(scope)
        }
    }

    package func tenantRead<Value: Sendable>(
        _ id: TenantID, _ body: @escaping @Sendable (any TenantScope) throws -> Value
    ) async throws -> Value {
        try await readers.submit(kilosteps: limits.tenantKilosteps) { [context] connection in
            let scope = SQLiteTenantScope(connection, context, tenant: id)
            defer { scope.end() }
            return try body(scope)
        }
    }

    package func kernel<Value: Sendable>(
        _ reason: KernelReason, _ durability: Durability, _ body: @escaping @Sendable (any KernelScope) throws -> Value
    ) async throws -> Value {
        count(reason)
        return try await writer.submit(durability, kilosteps: limits.kernelKilosteps) { [context] connection in
            let scope = SQLiteKernelScope(connection, context, reason: reason)
            defer { scope.end() }
            return try body(scope)
        }
    }

    package func kernelRead<Value: Sendable>(
        _ reason: KernelReason, _ body: @escaping @Sendable (any KernelScope) throws -> Value
    ) async throws -> Value {
        count(reason)
        return try await readers.submit(kilosteps: limits.kernelKilosteps) { [context] connection in
            let scope = SQLiteKernelScope(connection, context, reason: reason)
            defer { scope.end() }
            return try body(scope)
        }
    }
}
