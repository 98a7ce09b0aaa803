import Foundation
import Store
import Synchronization
import Vocabulary

/// The shared store: one PostgreSQL database, any number of processes. Make it, `migrate` or `begin`, use it, `close` it.
package final class PostgresStore: StoreDriver {
    private let url: String
    private let migrateURL: String
    private let writers: PostgresPool
    private let readers: PostgresPool
    private let schema = PostgresSchemaInForce()
    private let context: LedgerContext
    private let seal: Seal
    private let limits: PostgresLimits
    private let counts = Mutex(StoreStatistics())
    private let replicas = Mutex<PostgresReplicas?>(nil)
    package let jobSignal = JobSignal()

    /// Connects when it is first asked for something. `url`: a libpq connection string or URI of a login like `coditect_serve`;
    /// `migrateURL`: of one like `coditect_migrate`, where this store migrates. `topics`: event topic → rooms that listen to it.
    package init(
        url: String, migrateURL: String? = nil, clock: any Clock, entropy: any Entropy, sealer: any Sealer, topics: [String: [String]],
        limits: PostgresLimits = PostgresLimits()
    ) {
        self.url = url
        self.migrateURL = migrateURL ?? url
        self.limits = limits
        let seal = Seal(sealer)
        self.seal = seal
        let context = LedgerContext(clock: clock, entropy: entropy, sealer: sealer, topics: topics)
        self.context = context
        let schema = schema
        func make() -> PostgresSession { PostgresSession(url: url, seal: seal, context: context, limits: limits, schema: schema) }
        writers = PostgresPool(name: "write", count: limits.writers, limits, make: make)
        readers = PostgresPool(name: "read", count: limits.readers, limits, make: make)
    }

    /// Lets standbys answer reads that may lag; once, before the store is used.
    /// - Parameter urls: as `url`, of a login like `coditect_serve`, one server each.
    package func use(replicas urls: [String], lag: Duration) {
        guard !urls.isEmpty else { return }
        var few = limits
        few.readers = min(3, limits.readers)
        let made = PostgresReplicas(urls, bound: lag, limits: few) { [seal, context, schema] url in
            PostgresSession(url: url, seal: seal, context: context, limits: few, schema: schema)
        }
        replicas.withLock { $0 = made }
    }
    /// What a standby answers to a read that may lag; nil: the primary is asked.
    private func lagging<Value: Sendable>(
        _ scope: PostgresScope, _ body: @escaping @Sendable (PostgresSession) throws -> Value
    ) async throws -> Value? {
        guard ReadLag.isAllowed, let replicas = replicas.withLock({ $0 }) else { return nil }
        return try await replicas.read(
            scope,
            position: {
                try await trusted { try PostgresReplicas.Position($0.rows(PostgresReplicas.primaryPosition, [], as: .kernel).first) }
            }, body)
    }

    deinit {
        replicas.withLock { $0?.stop() }
        readers.stop()
        writers.stop()
    }

    package func close() async {
        await replicas.withLock({ $0 })?.close()
        await readers.close()
        await writers.close()
    }

    /// The server keeps what was deleted until its vacuum, and in its log until that is recycled: both are its administrator's.
    package func scrub() async throws -> Bool { false }

    package var statistics: StoreStatistics {
        var now = counts.withLock { $0 }
        let standbys = replicas.withLock { $0 }
        now.pools = [writers.standing, readers.standing] + (standbys?.pools ?? [])
        now.replicas = standbys?.standings ?? []
        now.waiting = now.pools[0].waiting
        return now
    }

    // MARK: - Schema

    package func migrate(_ migrations: [Migration]) async throws -> [String] {
        let now = context.clock.now()
        let applied = try await asOwner { try $0.up(migrations, now: now) }
        // A login that migrates is not one that serves.
        if migrateURL != url { try await readSchema() }
        return applied
    }

    /// What `migrate` would apply.
    package func pending(_ migrations: [Migration]) async throws -> [String] { try await asOwner { try $0.plan(migrations) }.map(\.path) }

    /// For a process that serves: throws unless the database is as this program's migrations made it, or newer ones that only add; sealed by this platform's secret, and
    /// this login is held by row-level security. Changes nothing.
    package func begin(_ migrations: [Migration]) async throws {
        do { try await trusted { _ = try $0.rows(PostgresLint.login, [], as: .kernel) } } catch StoreFault.outOfScope {
            throw StoreFault.migration("this login may not become \(PostgresRoles.kernel): serve as \(PostgresRoles.serve)")
        }
        let applied: [AppliedMigration] = try await trusted { session in
            let login = try session.rows(PostgresLint.login, [], as: .kernel)
            guard try login.first?.bool(0) == true else {
                throw StoreFault.migration(
                    "this login could step past row-level security (superuser, BYPASSRLS or a member of \(PostgresRoles.owner)): serve as "
                        + "\(PostgresRoles.serve)")
            }
            guard try session.rows(PostgresShape.book, [], as: .kernel).first?.bool(0) == true else { return [] }
            do { return try session.rows(PostgresShape.applied, [], as: .kernel).map(AppliedMigration.init) } catch StoreFault.outOfScope {
                throw StoreFault.migration(
                    "the database is sealed by another platform's secret: check the master key, or run 'coditectd migrate up' with this one"
                )
            }
        }
        let pending = try MigrationLedger(migrations).standing(applied).pending
        guard pending.isEmpty else {
            throw StoreFault.migration(
                "the database lacks \(pending.count) migrations (\(pending[0].path) …): run 'coditectd migrate up' with a login like "
                    + PostgresRoles.migrate)
        }
        try await readSchema()
    }

    private func readSchema() async throws {
        let schema = schema
        try await trusted { session in schema.adopt(try PostgresCatalogue.read { try session.rows($0, $1, as: .kernel) }) }
    }

    /// The driver's own look, in the kernel's scope and without a reason to count.
    private func trusted<Value: Sendable>(_ body: @escaping @Sendable (PostgresSession) throws -> Value) async throws -> Value {
        try await readers.submit(.read, .kernel, body) { _ in }
    }

    private func asOwner<Value: Sendable>(_ body: @escaping @Sendable (PostgresMigrator) throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { [migrateURL, limits, seal] in
                continuation.resume(
                    with: Result {
                        do {
                            return try body(PostgresMigrator(link: try PostgresLink(url: migrateURL, limits: limits), seal: seal))
                        } catch let error as PostgresError {
                            throw error.fault
                        }
                    })
            }
        }
    }

    /// The plan in the engine's words; a statement that writes is planned and never runs.
    package func plan(_ sql: SQL, in tenant: TenantID?) async throws -> [String] {
        let scope: PostgresScope = tenant.map { .tenant($0.uuid.bytes) } ?? .kernel
        let highest = StatementText(sql.postgres).tokens.reduce(0) { highest, token in
            if case .parameter(let name) = token { max(highest, Int(name.dropFirst()) ?? 0) } else { highest }
        }
        let nulls = highest == 0 ? "" : "(\(Array(repeating: "NULL", count: highest).joined(separator: ", ")))"
        return try await readers.submit(.read, scope) { session in
            // A plan for any values, not for these.
            let texts = ["SET LOCAL plan_cache_mode = force_generic_plan", "PREPARE house_plan AS \(sql.postgres)"]
            for text in texts { _ = try session.rows(SQL("plan.prepare", text), [], as: scope) }
            let lines = try session.rows(SQL("plan.explain", "EXPLAIN (COSTS OFF) EXECUTE house_plan\(nulls)"), [], as: scope)
            _ = try session.rows(SQL("plan.end", "DEALLOCATE house_plan"), [], as: scope)
            return try lines.map { try $0.text(0) }
        } done: { _ in
        }
    }

    // MARK: - Transactions

    private func finished(_ durability: Durability?) -> @Sendable (PostgresSession) -> Void {
        { [weak self] session in
            guard let self else { return }
            counts.withLock { counts in
                counts.commits += 1
                counts.closures += 1
                // The server flushes each commit, whatever was asked for.
                counts.flushes += 1
            }
            guard session.hasNewJobs else { return }
            session.hasNewJobs = false
            jobSignal.raise()
        }
    }
    private func count(_ reason: KernelReason) { counts.withLock { $0.reasons[reason.name, default: 0] += 1 } }

    package func tenant<Value: Sendable>(
        _ id: TenantID, _ durability: Durability, _ body: @escaping @Sendable (any TenantScope) throws -> Value
    ) async throws -> Value {
        try await writers.submit(
            .write, .tenant(id.uuid.bytes),
            { [context] session in
                let scope = PostgresTenantScope(session, context, tenant: id)
                defer { scope.end() }
                return try body(scope)
            }, done: finished(durability))
    }

    package func tenantRead<Value: Sendable>(
        _ id: TenantID, _ body: @escaping @Sendable (any TenantScope) throws -> Value
    ) async throws -> Value {
        let work: @Sendable (PostgresSession) throws -> Value = { [context] session in
            let scope = PostgresTenantScope(session, context, tenant: id)
            defer { scope.end() }
            return try body(scope)
        }
        if let value = try await lagging(.tenant(id.uuid.bytes), work) { return value }
        return try await readers.submit(.read, .tenant(id.uuid.bytes), work) { _ in }
    }

    package func kernel<Value: Sendable>(
        _ reason: KernelReason, _ durability: Durability, _ body: @escaping @Sendable (any KernelScope) throws -> Value
    ) async throws -> Value {
        count(reason)
        return try await writers.submit(
            .write, .kernel,
            { [context] session in
                let scope = PostgresKernelScope(session, context, reason: reason)
                defer { scope.end() }
                return try body(scope)
            }, done: finished(durability))
    }

    package func kernelRead<Value: Sendable>(
        _ reason: KernelReason, _ body: @escaping @Sendable (any KernelScope) throws -> Value
    ) async throws -> Value {
        count(reason)
        let work: @Sendable (PostgresSession) throws -> Value = { [context] session in
            let scope = PostgresKernelScope(session, context, reason: reason)
            defer { scope.end() }
            return try body(scope)
        }
        if let value = try await lagging(.kernel, work) { return value }
        return try await readers.submit(.read, .kernel, work) { _ in }
    }
}
