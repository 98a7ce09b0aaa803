import Foundation
import Store
import StoreSQLite
import Vocabulary

/// A real store in a temporary folder, with its clock, entropy, sealer and a runner for what falls due.
package final class TestStore: Sendable {
    package let store: SQLiteStore
    package let clock: ManualClock
    package let entropy: SeededEntropy
    package let sealer: TestSealer
    package let file: URL

    private init(store: SQLiteStore, clock: ManualClock, entropy: SeededEntropy, sealer: TestSealer, file: URL) {
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
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("room-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let file = folder.appendingPathComponent("room.db")
        let entropy = SeededEntropy(seed)
        let sealer = TestSealer()
        let store = try SQLiteStore(file: file, clock: clock, entropy: entropy, sealer: sealer, topics: topics)
        _ = try await store.migrate(migrations)
        return TestStore(store: store, clock: clock, entropy: entropy, sealer: sealer, file: file)
    }

    package static func topics(_ subscribers: [EventSubscriber]) -> [String: [String]] {
        Dictionary(grouping: subscribers, by: \.topic).mapValues { $0.map(\.subscriber) }
    }

    /// Runs everything that is due now, until nothing is.
    @discardableResult
    package func runDue(handlers: [JobHandler] = [], subscribers: [EventSubscriber] = []) async throws -> Int {
        try await JobRunner(store: store, handlers: handlers, subscribers: subscribers, clock: clock, entropy: entropy).runDue()
    }

    /// Somebody doing something now.
    package func act(_ actor: Actor = .system("test"), idempotency: IdempotencyClaim? = nil) -> Act {
        Act(actor: actor, requestID: "test-request", now: clock.now(), address: "192.0.2.1", idempotency: idempotency)
    }
}
