import Foundation
import HookEngine
import PlatformTesting
import RoomTesting
import Store
import Synchronization
import Telemetry
import Testing
import Vocabulary

@testable import Composition

@Suite("what the store counts") struct CensusTests {
    @Test("is read when somebody looks, at most once in five seconds, and told to everybody")
    func pace() async throws {
        let bench = try await TestStore.make(migrations: [])
        let reads = Mutex(0)
        let figure = StoreFigure("things", "Things.", labels: ["kind"]) { _, _ in
            reads.withLock { count in
                count += 1
                return [(["a"], Double(count))]
            }
        }
        let census = Census(store: bench.store, figures: [figure], clock: bench.clock) { _ in Issue.record("nothing is wrong") }
        let metrics = Metrics()
        census.add(to: metrics)
        #expect(!metrics.render().contains("things"), "nothing is told before it was read")
        for _ in 0..<3 { await census.refresh() }
        #expect(metrics.render().contains("things{kind=\"a\"} 1\n") && metrics.render().contains("coditect_census_up 1\n"))
        bench.clock.advance(by: .seconds(5))
        await census.refresh()
        #expect(metrics.render().contains("things{kind=\"a\"} 2\n"))
        await bench.store.close()
    }

    @Test("the last look at every journal is told by processes that did not take it, and was none before the first") func journals()
        async throws
    {
        let bench = try await TestStore.make(migrations: [])
        let metrics = Metrics()
        let census = Census(store: bench.store, figures: JournalFigures.all, clock: bench.clock) { _ in Issue.record("nothing is wrong") }
        census.add(to: metrics)
        await census.refresh()
        #expect(!metrics.render().contains("audit_chain"))
        for broken in [1, 0] {
            bench.clock.advance(by: .days(1))
            var round = JournalRound(at: bench.clock.now())
            (round.journals, round.entries, round.broken) = (7, 40, broken)
            try await bench.store.kernel(KernelReason("test.round")) { [round] in try $0.ledger.keep(round) }
            await census.refresh()
            let text = metrics.render()
            #expect(text.contains("audit_chain_broken \(broken)\n") && text.contains("audit_chain_journals 7\n"), "\(text)")
            #expect(text.contains("audit_chain_checked_timestamp_seconds \(round.at.seconds)\n"), "\(text)")
        }
        await bench.store.close()
    }

    @Test("is forgotten when the store does not answer, so that no alert is kept quiet by old numbers")
    func away() async throws {
        let bench = try await TestStore.make(migrations: [])
        let isAway = Mutex(false)
        let figure = StoreFigure("things", "Things.") { _, _ in
            if isAway.withLock({ $0 }) { throw StoreFault.closed }
            return [([], 1)]
        }
        let told = Mutex(0)
        let census = Census(store: bench.store, figures: [figure], clock: bench.clock) { _ in told.withLock { $0 += 1 } }
        let metrics = Metrics()
        census.add(to: metrics)
        await census.refresh()
        isAway.withLock { $0 = true }
        bench.clock.advance(by: .seconds(5))
        await census.refresh()
        let text = metrics.render()
        #expect(!text.contains("things") && text.contains("coditect_census_up 0\n") && told.withLock { $0 } == 1)
        await bench.store.close()
    }
}
