import Foundation
import HookEngine
import PlatformTesting
import RoomTesting
import Synchronization
import Testing
import Vocabulary

@testable import Composition
@testable import Store

@Suite("the processes over one database") struct NodeTests {
    /// Two processes over one store, the second with policies of its own.
    private func pair(_ bench: TestStore, _ second: @escaping @Sendable () -> NodeBook.Standing) -> (NodeBook, NodeBook) {
        func book(_ seed: UInt64, _ standing: @escaping @Sendable () -> NodeBook.Standing) -> NodeBook {
            NodeBook(store: bench.store, clock: bench.clock, entropy: SeededEntropy(seed), ledger: "store", standing: standing)
        }
        return (book(1) { NodeBook.Standing(policies: "aa", plugins: ["sandbox": "1.0.0 ab"], isDraining: false) }, book(2, second))
    }
    private func figures(_ bench: TestStore) async throws -> [String: Double] {
        let now = bench.clock.now()
        return try await bench.store.kernelRead(KernelReason("test.figures")) { db in
            Dictionary(
                uniqueKeysWithValues: try NodeBook.figures.flatMap { figure in try figure.read(db, now).map { ($0.0[0], $0.1) } })
        }
    }

    @Test("each tells of itself, and whoever asks sees in what they differ until they agree") func agree() async throws {
        let bench = try await TestStore.make(migrations: try PlatformRegister.migrations().filter { $0.room == "plugins" })
        let policies = Mutex("bb")
        let (one, two) = pair(bench) {
            NodeBook.Standing(policies: policies.withLock { $0 }, plugins: ["sandbox": "1.0.0 ab"], isDraining: true)
        }
        try await one.beat()
        try await two.beat()
        #expect(try await Set(one.list().map(\.state)) == [.serving, .draining])
        #expect(try await NodeBook.values(of: two.list()) == [.version: 1, .policies: 2, .plugins: 1, .ledger: 1])
        var told = try await figures(bench)
        #expect(told["serving"] == 1 && told["draining"] == 1 && told["away"] == 0 && told["policies"] == 2 && told["plugins"] == 1)
        policies.withLock { $0 = "aa" }
        try await two.beat()
        told = try await figures(bench)
        #expect(told["policies"] == 1)
        #expect(try await one.list().count == 2, "a process has one line, however often it tells")
        await bench.store.close()
    }

    @Test("one that says nothing for a minute is away and has no say, after an hour it is forgotten; who ends in order is gone at once")
    func away() async throws {
        let bench = try await TestStore.make(migrations: try PlatformRegister.migrations().filter { $0.room == "plugins" })
        let (one, two) = pair(bench) { NodeBook.Standing(policies: "bb", plugins: [:], isDraining: false) }
        try await one.beat()
        try await two.beat()
        bench.clock.advance(by: NodeBook.away + .seconds(1))
        try await one.beat()
        var told = try await figures(bench)
        #expect(told["away"] == 1 && told["serving"] == 1 && told["policies"] == 1 && told["plugins"] == 1)
        #expect(try await one.list().map(\.state) == [.serving, .away], "the last seen first")
        bench.clock.advance(by: NodeBook.kept)
        try await one.beat()
        #expect(try await one.list().map(\.id) == [one.id])
        try await one.leave()
        told = try await figures(bench)
        #expect(told["serving"] == 0 && told["version"] == 0)
        try await two.beat()
        try await one.takeOver()
        #expect(try await one.list().isEmpty, "who has the data alone knows that the others are gone")
        await bench.store.close()
    }

    @Test("staff sees what the daily look at every journal found, by route and by command; a customer does not") func checks() async throws
    {
        let stage = try await ImpersonationTests.Stage()
        let platform = stage.firm.platform
        let path = "/api/v1/admin/audit/checks"
        let none = await stage.root.call("GET", path)
        #expect(none.status == 200 && none["checks"]?.array == [], "\(none.text)")
        let store = platform.platform.ground.store
        try await platform.platform.upkeep.schedule(Act(actor: .system("test"), requestID: "test", now: platform.clock.now()))
        let proof = JournalProof(isSigned: { _, _, _ in false })
        let round = try await proof.round(JournalKeeper(store: store), now: platform.clock.now())
        try await store.kernel(KernelReason("test.round")) { try $0.ledger.keep(round) }
        let seen = await stage.root.call("GET", path)
        let check = seen["checks"]?.array?.first
        #expect(check?["checked_at"] == .string(round.at.iso8601) && check?["journals"] == .int(Int64(round.journals)), "\(seen.text)")
        #expect(check?["is_intact"] == .bool(round.isIntact) && check?["entries"]?.int ?? 0 > 0 && round.journals >= 2, "\(seen.text)")
        #expect(check?["oldest_entry_at"]?.string != nil && check?["findings"]?.array?.count == round.breaks.count, "\(seen.text)")
        #expect(await stage.firm.owner.call("GET", path).status == 403)
        await platform.close()
    }

    @Test("staff sees them, a customer does not") func route() async throws {
        let stage = try await ImpersonationTests.Stage()
        let platform = stage.firm.platform
        try await platform.platform.nodes.beat()
        let seen = await stage.root.call("GET", "/api/v1/admin/nodes")
        #expect(seen.status == 200 && seen["differ"]?.array == [], "\(seen.text)")
        let node = seen["nodes"]?.array?.first
        #expect(node?["is_this"] == true && node?["state"] == "serving" && node?["version"] == .string(Release.version), "\(seen.text)")
        #expect(node?["policies"]?.string?.count == 64 && node?["process"]?.int == Int64(getpid()), "\(seen.text)")
        #expect(await stage.firm.owner.call("GET", "/api/v1/admin/nodes").status == 403)
        await platform.close()
    }
}
