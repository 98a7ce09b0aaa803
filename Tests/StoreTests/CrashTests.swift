import Foundation
import Store
import StoreSQLite
import Testing
import Vocabulary

/// A dying process leaves the file and its log as they stand; opening a copy of both at that moment is what the next start sees.
@Suite struct CrashTests {
    /// What a copy holds: for each step its note, its journal entry and its event's job, all or none.
    static func survivors(_ bench: Bench, in folder: URL) async throws -> (notes: [String], report: JournalReport) {
        let store = try SQLiteStore(
            file: folder.appendingPathComponent("platform.db"), clock: bench.clock, entropy: bench.entropy, sealer: XORSealer(), topics: [:]
        )
        let a = bench.tenant(1)
        let notes = try await store.tenantRead(a) { try $0.rows(SQL("n", "SELECT text FROM note ORDER BY text")).map { try $0.text(0) } }
        let entries = try await store.tenantRead(a) {
            try $0.rows(SQL("e", "SELECT subject FROM journal_entry ORDER BY subject")).map { try $0.text(0) }
        }
        let jobs = try await store.kernelRead(bench.reason) {
            try $0.rows(SQL("j", "SELECT request_id FROM store_job ORDER BY request_id")).map { try $0.text(0) }
        }
        #expect(notes == entries && notes == jobs, "half a step: \(notes) \(entries) \(jobs)")
        let report = try await JournalKeeper(store: store).verify(a.uuid, isSigned: { _, _, _ in true })
        #expect(report.isIntact, "\(report.findings)")
        await store.close()
        try FileManager.default.removeItem(at: folder)
        return (notes, report)
    }
    static func step(_ bench: Bench, _ number: Int) async throws {
        let act = Act(actor: .system("test"), requestID: name(number), now: bench.clock.now())
        try await bench.store.tenant(bench.tenant(1)) { db in
            try db.run(NoteTable.insert, db.tenant, bench.uuid(UInt8(number)), act.requestID)
            try db.journal(JournalEntry("note.added", subject: act.requestID), act)
            try db.emit(Happened(what: act.requestID), act)
        }
    }
    static func name(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
    static func copy(_ bench: Bench, cutLog: Int? = nil) throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("crash-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try FileManager.default.copyItem(at: bench.file, to: folder.appendingPathComponent("platform.db"))
        var log = try Data(contentsOf: bench.folder.appendingPathComponent("platform.db-wal"))
        if let cutLog { log = log.prefix(cutLog) }
        try log.write(to: folder.appendingPathComponent("platform.db-wal"))
        return folder
    }

    @Test("after every answered step, a start on what is in the file finds that step whole") func betweenSteps() async throws {
        let bench = try await Bench(topics: ["test.happened": ["left"]])
        for number in 1...12 {
            try await CrashTests.step(bench, number)
            let found = try await CrashTests.survivors(bench, in: try CrashTests.copy(bench))
            #expect(found.notes == (1...number).map(CrashTests.name))
        }
        await bench.close()
    }

    @Test("wherever the log is cut off, whole steps are found, the first ones") func tornLog() async throws {
        let bench = try await Bench(topics: ["test.happened": ["left"]])
        try await CrashTests.step(bench, 1)
        let start = try Data(contentsOf: bench.folder.appendingPathComponent("platform.db-wal")).count
        for number in 2...30 { try await CrashTests.step(bench, number) }
        let end = try Data(contentsOf: bench.folder.appendingPathComponent("platform.db-wal")).count
        #expect(end > start)
        var seen: Set<Int> = []
        var last = 0
        for cut in stride(from: start, through: end, by: max(1, (end - start) / 30)) {
            let found = try await CrashTests.survivors(bench, in: try CrashTests.copy(bench, cutLog: cut))
            #expect(found.notes == (1...max(1, found.notes.count)).map(CrashTests.name))
            #expect(found.notes.count >= last, "a longer log knows less")
            last = found.notes.count
            seen.insert(last)
        }
        #expect(seen.count > 10)
        await bench.close()
    }

    @Test("an attempt whose process died is made again, and what it had settled is not") func jobs() async throws {
        let bench = try await Bench(topics: ["test.happened": ["left"]])
        for number in 1...2 { try await CrashTests.step(bench, number) }
        let now = bench.clock.now()
        let kind = EventSubscriber.kind(topic: "test.happened", subscriber: "left")
        let claim = JobClaim(kinds: [kind], now: now, leaseUntil: now + .seconds(60), limit: 2, maxAttempts: 5)
        let claimed = try await bench.store.kernel(bench.reason) { try $0.ledger.claim(claim) }
        let first = try #require(claimed.first).delivery
        try await bench.store.kernel(bench.reason) { try $0.settle(first) }
        // The process dies here; another one starts on the same file.
        await bench.store.close()
        let next = bench.with(try bench.another())
        let seen = Tally()
        let runner = JobRunner(
            store: next.store, handlers: [],
            subscribers: [
                EventSubscriber(Happened.self, subscriber: "left") { event, delivery, _ in seen.add("\(event.what) \(delivery.attempt)") }
            ],
            clock: bench.clock, entropy: bench.entropy)
        #expect(try await runner.runDue() == 0, "the dead process still holds its lease")
        bench.clock.advance(by: .seconds(60))
        #expect(try await runner.runDue() == 1)
        #expect(seen.all == ["02 2"])
        await next.close()
    }
}
