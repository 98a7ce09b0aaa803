import Foundation
import Store
import StoreSQLite
import Testing
import Vocabulary

@Suite struct StoreTests {
    @Test("what may pass by itself says so, and where nobody knows whether it was done, that") func passing() {
        #expect(StoreFault.overloaded(queue: "write").isPassing && StoreFault.unreachable("away").problem == CommonProblems.unavailable)
        #expect(StoreFault.outcomeUnknown.isPassing && StoreFault.outcomeUnknown.problem.code == "outcome_unknown")
        #expect(StoreFault.outcomeUnknown.problem.status == 503)
        for fault in [StoreFault.closed, .scopeEnded, .corrupt("x"), .budgetExceeded(name: "x")] { #expect(!fault.isPassing, "\(fault)") }
    }

    @Test("a row written in a tenant's scope is read in that scope and in no other") func scoping() async throws {
        let bench = try await Bench()
        let (a, b) = (bench.tenant(1), bench.tenant(2))
        try await bench.addNote(a, 1, "of a")
        try await bench.addNote(b, 1, "of b")
        let seen = try await bench.store.tenantRead(a) { try $0.rows(NoteTable.all).map { try $0.text(0) } }
        #expect(seen == ["of a"])
        let count = try await bench.store.kernelRead(bench.reason) { try $0.row(SQL("count", "SELECT count(*) FROM note_all"))?.int(0) }
        #expect(count == 2)
        await bench.close()
    }

    @Test("effect, journal entry, event and job commit together or not at all") func together() async throws {
        let bench = try await Bench(topics: ["test.happened": ["left", "right"]])
        let a = bench.tenant(1)
        let act = bench.act
        struct Stop: Error {}
        await #expect(throws: Stop.self) {
            try await bench.store.tenant(a) { db in
                try db.run(NoteTable.insert, db.tenant, bench.uuid(1), "lost")
                try db.journal(JournalEntry("note.added", subject: "note:1"), act)
                try db.emit(Happened(what: "x"), act)
                throw Stop()
            }
        }
        try await bench.store.tenant(a) { db in
            try db.run(NoteTable.insert, db.tenant, bench.uuid(1), "kept")
            try db.journal(JournalEntry("note.added", subject: "note:1"), act)
            try db.emit(Happened(what: "x"), act)
        }
        let entries = try await bench.store.tenantRead(a) { try $0.rows(SQL("j", "SELECT seq, action FROM journal_entry")) }
        #expect(try entries.map { try $0.integer(0) } == [1])
        let jobs = try await bench.store.kernelRead(bench.reason) { try $0.rows(SQL("k", "SELECT kind FROM store_job ORDER BY kind")) }
        #expect(try jobs.map { try $0.text(0) } == ["event:test.happened>left", "event:test.happened>right"])
        await bench.close()
    }

    @Test("a delivered event is settled once and its runner finds nothing more to do") func delivery() async throws {
        let bench = try await Bench(topics: ["test.happened": ["left"]])
        let seen = Tally()
        let runner = JobRunner(
            store: bench.store, handlers: [],
            subscribers: [EventSubscriber(Happened.self, subscriber: "left") { event, _, _ in seen.add(event.what) }],
            clock: bench.clock, entropy: bench.entropy)
        let act = bench.act
        try await bench.store.tenant(bench.tenant(1)) { try $0.emit(Happened(what: "x"), act) }
        #expect(try await runner.runDue() == 1)
        #expect(try await runner.runDue() == 0)
        #expect(seen.all == ["x"])
        await bench.close()
    }

    @Test("a repeated Idempotency-Key answers the stored result, with another request it is refused") func idempotency() async throws {
        let bench = try await Bench()
        let a = bench.tenant(1)
        func act(_ fingerprint: UInt8) -> Act {
            Act(
                actor: .anonymous, requestID: "r", now: bench.clock.now(),
                idempotency: IdempotencyClaim(key: "k", scope: "s", fingerprint: [fingerprint]))
        }
        let runs = Tally()
        for _ in 0..<2 {
            let first = act(1)
            let answer = try await bench.store.tenant(a) { db in
                try db.once(first) {
                    runs.add("run")
                    return "answer"
                }
            }
            #expect(answer == "answer")
        }
        #expect(runs.all.count == 1)
        let other = act(2)
        await #expect(throws: Problem.self) { try await bench.store.tenant(a) { db in try db.once(other) { "other" } } }
        bench.clock.advance(by: .hours(24))
        let late = act(2)
        #expect(try await bench.store.tenant(a) { db in try db.once(late) { "new" } } == "new")
        await bench.close()
    }
}
