import Foundation
import Store
import StorePostgres
import StoreSQLite
import Vocabulary

/// A real store, with its clock, entropy, sealer and a runner for what falls due: SQLite in a temporary folder, or a database of its own
/// on this process's PostgreSQL server where `CODITECT_TEST_DATABASE=postgresql` stands in the environment; `pgbouncer`: with a pooler before it.
package final class TestStore: Sendable {
    package let store: any StoreDriver
    package let clock: ManualClock
    package let entropy: SeededEntropy
    package let sealer: TestSealer
    package let file: URL
    private let plan: Plan

    package enum Engine: String, Sendable, CaseIterable {
        case sqlite, postgresql
        /// What the environment asks for.
        package static var wanted: Engine { PostgresCluster.isWanted ? .postgresql : .sqlite }
    }
    /// How the store was made, to make another like it.
    private struct Plan: Sendable {
        let engine: Engine
        let migrations: [Migration]
        let topics: [String: [String]]
    }
    /// The whole database as it stood in one instant.
    package final class Backup: Sendable {
        /// SQLite's file, or what stands for a database.
        fileprivate let place: URL
        private let engine: Engine
        fileprivate init(_ place: URL, _ engine: Engine) {
            self.place = place
            self.engine = engine
        }
        deinit { TestStore.remove(place, engine) }
    }

    private init(
        store: any StoreDriver, clock: ManualClock, entropy: SeededEntropy, sealer: TestSealer, file: URL, plan: Plan
    ) {
        self.store = store
        self.clock = clock
        self.entropy = entropy
        self.sealer = sealer
        self.file = file
        self.plan = plan
    }
    deinit { try? FileManager.default.removeItem(at: file.deletingLastPathComponent()) }

    /// Whether several processes could share it.
    package var isShared: Bool { plan.engine == .postgresql }

    /// - Parameter topics: which rooms listen to which topic; `TestStore.topics(subscribers)` makes it.
    package static func make(
        migrations: [Migration], topics: [String: [String]] = [:], clock: ManualClock = ManualClock(), seed: UInt64 = 1,
        engine: Engine = .wanted
    ) async throws -> TestStore {
        let sealer = TestSealer()
        let file =
            switch engine {
            case .sqlite: try folder().appendingPathComponent("room.db")
            case .postgresql: nowhere(try PostgresCluster.running().database(migrations, seal: sealer))
            }
        let plan = Plan(engine: engine, migrations: migrations, topics: topics)
        return try await open(file, plan, clock, SeededEntropy(seed), sealer)
    }

    private static func folder() throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("room-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return folder
    }
    /// Stands for a database, by its name.
    private static func nowhere(_ database: String) -> URL { URL(fileURLWithPath: "/nowhere/\(database)") }

    private static func open(
        _ file: URL, _ plan: Plan, _ clock: ManualClock, _ entropy: SeededEntropy, _ sealer: TestSealer
    ) async throws -> TestStore {
        let store: any StoreDriver
        switch plan.engine {
        case .sqlite:
            let made = try SQLiteStore(file: file, clock: clock, entropy: entropy, sealer: sealer, topics: plan.topics)
            _ = try await made.migrate(plan.migrations)
            store = made
        case .postgresql:
            store = try await postgres(
                file.lastPathComponent, try PostgresCluster.running(), topics: plan.topics, clock: clock, entropy: entropy, sealer: sealer,
                plan.migrations)
        }
        return TestStore(store: store, clock: clock, entropy: entropy, sealer: sealer, file: file, plan: plan)
    }

    // MARK: - A database that is put back

    /// As `coditectd backup` takes it. Nothing may be under way: on PostgreSQL every connection is cut.
    package func backUp() throws -> Backup {
        switch plan.engine {
        case .sqlite:
            let copy = try Self.folder().appendingPathComponent("backup.db")
            try SQLiteCopy.copy(file, to: copy) { _, _ in }
            return Backup(copy, .sqlite)
        case .postgresql: return Backup(Self.nowhere(try PostgresCluster.running().copy(file.lastPathComponent)), .postgresql)
        }
    }
    /// Another database that begins as `backup` was, beside this one, with the same clock. What a restore does to rows is not done.
    package func restored(_ backup: Backup) async throws -> TestStore {
        let other: URL
        switch plan.engine {
        case .sqlite:
            other = try Self.folder().appendingPathComponent("room.db")
            try FileManager.default.copyItem(at: backup.place, to: other)
        case .postgresql: other = Self.nowhere(try PostgresCluster.running().copy(backup.place.lastPathComponent))
        }
        return try await Self.open(other, plan, clock, entropy, sealer)
    }
    private static func remove(_ file: URL, _ engine: Engine) {
        switch engine {
        case .sqlite: try? FileManager.default.removeItem(at: file.deletingLastPathComponent())
        case .postgresql: try? PostgresCluster.running().drop(file.lastPathComponent)
        }
    }
    /// Nobody needs it any more; nothing is left of it.
    package func discard() async {
        await store.close()
        Self.remove(file, plan.engine)
    }
    /// Every line to the database server is cut; on SQLite there is none.
    package func cut() throws {
        if plan.engine == .postgresql { try PostgresCluster.running().cut(file.lastPathComponent) }
    }

    /// A store over the database `name`, as a process that serves has it.
    private static func postgres(
        _ name: String, _ cluster: PostgresCluster, topics: [String: [String]], clock: any Clock, entropy: any Entropy, sealer: any Sealer,
        _ migrations: [Migration]
    ) async throws -> PostgresStore {
        var limits = PostgresLimits()
        (limits.writers, limits.readers) = (2, 2)
        let store = PostgresStore(
            url: cluster.served(name), migrateURL: cluster.url(name, as: PostgresRoles.migrate), clock: clock,
            entropy: entropy, sealer: sealer, topics: topics, limits: limits)
        try await store.begin(migrations)
        return store
    }

    package static func topics(_ subscribers: [EventSubscriber]) -> [String: [String]] {
        Dictionary(grouping: subscribers, by: \.topic).mapValues { $0.map(\.subscriber) }
    }

    /// Runs everything that is due now, until nothing is.
    @discardableResult
    package func runDue(
        handlers: [JobHandler] = [], subscribers: [EventSubscriber] = [], rules: JobRules = JobRules()
    ) async throws -> Int {
        let runner = JobRunner(
            store: store, handlers: handlers, subscribers: subscribers, clock: clock, entropy: entropy, rules: rules)
        return try await runner.runDue()
    }

    /// Somebody doing something now.
    package func act(_ actor: Actor = .system("test"), idempotency: IdempotencyClaim? = nil) -> Act {
        Act(actor: actor, requestID: "test-request", now: clock.now(), address: "192.0.2.1", idempotency: idempotency)
    }
}
