import Foundation
import Store
import StorePostgres
import StoreSQLite
import Vocabulary

/// A real store, with its clock, entropy, sealer and a runner for what falls due: SQLite in a temporary folder, or a database of its own
/// on this process's PostgreSQL server where `CODITECT_TEST_DATABASE=postgresql` stands in the environment.
package final class TestStore: Sendable {
    package let store: any StoreDriver
    package let clock: ManualClock
    package let entropy: SeededEntropy
    package let sealer: TestSealer
    package let file: URL

    private init(store: any StoreDriver, clock: ManualClock, entropy: SeededEntropy, sealer: TestSealer, file: URL) {
        self.store = store
        self.clock = clock
        self.entropy = entropy
        self.sealer = sealer
        self.file = file
    }
    deinit { try? FileManager.default.removeItem(at: file.deletingLastPathComponent()) }

    /// - Parameter topics: which rooms listen to which topic; `TestStore.topics(subscribers)` makes it.
    package static func make(
        migrations: [Migration], topics: [String: [String]] = [:], clock: ManualClock = ManualClock(), seed: UInt64 = 1
    ) async throws -> TestStore {
        let entropy = SeededEntropy(seed)
        let sealer = TestSealer()
        if PostgresCluster.isWanted {
            let cluster = try PostgresCluster.running()
            let name = try cluster.database(migrations, seal: sealer)
            let store = try await postgres(name, cluster, topics: topics, clock: clock, entropy: entropy, sealer: sealer, migrations)
            return TestStore(store: store, clock: clock, entropy: entropy, sealer: sealer, file: URL(fileURLWithPath: "/nowhere/\(name)"))
        }
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("room-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let file = folder.appendingPathComponent("room.db")
        let store = try SQLiteStore(file: file, clock: clock, entropy: entropy, sealer: sealer, topics: topics)
        _ = try await store.migrate(migrations)
        return TestStore(store: store, clock: clock, entropy: entropy, sealer: sealer, file: file)
    }

    /// A store over the database `name`, as a process that serves has it.
    private static func postgres(
        _ name: String, _ cluster: PostgresCluster, topics: [String: [String]], clock: any Clock, entropy: any Entropy, sealer: any Sealer,
        _ migrations: [Migration]
    ) async throws -> PostgresStore {
        var limits = PostgresLimits()
        (limits.writers, limits.readers) = (2, 2)
        let store = PostgresStore(
            url: cluster.url(name, as: PostgresRoles.serve), migrateURL: cluster.url(name, as: PostgresRoles.migrate), clock: clock,
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
