import Foundation
import Store
import Testing
import Vocabulary

@testable import StoreSQLite

@Suite("The journal's retention") struct JournalRetentionTests {
    /// Tenant 1's journal: entries 1…4 of day 0 under a checkpoint, 5 and 6 of day 400 under the next, 7 of day 800 under none.
    struct Years {
        let bench: Bench
        let keeper: JournalKeeper
        var owner: UUID { bench.tenant(1).uuid }
        var cutoff: Timestamp { bench.clock.now() - .days(731) }

        init() async throws {
            bench = try await Bench()
            keeper = JournalKeeper(store: bench.store)
            try await write(1...4)
            try await seal()
            bench.clock.advance(by: .days(400))
            try await write(5...6)
            try await seal()
            bench.clock.advance(by: .days(400))
            try await write(7...7)
        }
        func write(_ numbers: ClosedRange<Int>) async throws { for number in numbers { try await JournalTests.write(number, bench) } }
        @discardableResult func seal() async throws -> Bool {
            try await keeper.checkpoint(owner, now: bench.clock.now(), signer: JournalTests.sign)
        }
        @discardableResult func drop() async throws -> Int {
            try await keeper.drop(owner, before: cutoff, now: bench.clock.now(), signer: JournalTests.sign)
        }
        /// As the database says and as its export says.
        func reports() async throws -> [JournalReport] {
            var lines: [String] = []
            try await keeper.export(owner) { lines.append($0) }
            return [
                try await keeper.verify(owner, isSigned: JournalTests.isSigned),
                JournalLines.verify(lines, tenant: owner, isSigned: JournalTests.isSigned),
            ]
        }
        func tamper(_ sql: String) throws {
            let connection = try Connection(file: bench.file, isWriter: true, limits: SQLiteLimits())
            defer { connection.close() }
            for trigger in OwnSchema.triggers { try connection.execute("DROP TRIGGER IF EXISTS \(trigger)") }
            try connection.execute(sql)
        }
        func count(_ text: String) async throws -> Int {
            try await bench.store.kernelRead(bench.reason) { try $0.row(SQL("count", text))?.int(0) ?? -1 }
        }
    }

    @Test("what is too old goes from the front, the rest goes on and verifies, and says after how many entries it begins")
    func dropped() async throws {
        let years = try await Years()
        #expect(try await years.drop() == 1)
        #expect(try await years.count("SELECT min(seq) * 100 + count(*) FROM journal_entry_all") == 503)
        for report in try await years.reports() {
            #expect(report.isIntact, "\(report.findings)")
            #expect((report.entries, report.dropped, report.dropping?.seq, report.checkpoints, report.uncovered) == (3, 4, 3, 3, 1))
        }
        #expect(try await years.drop() == 0, "nothing twice")
        try await years.write(8...9)
        #expect(try await years.seal())
        years.bench.clock.advance(by: .days(400))
        #expect(try await years.drop() == 1)
        for report in try await years.reports() {
            #expect(report.isIntact && (report.entries, report.dropped, report.uncovered) == (3, 6, 0), "\(report)")
        }
        await years.bench.close()
    }

    @Test("what no checkpoint covers stays, however old; so does what stands behind a younger entry")
    func kept() async throws {
        let bench = try await Bench()
        let keeper = JournalKeeper(store: bench.store)
        let owner = bench.tenant(1).uuid
        func drop() async throws -> Int {
            let now = bench.clock.now()
            return try await keeper.drop(owner, before: now - .days(731), now: now, signer: JournalTests.sign)
        }
        for number in 1...2 { try await JournalTests.write(number, bench) }
        #expect(try await keeper.checkpoint(owner, now: bench.clock.now(), signer: JournalTests.sign))
        for number in 3...4 { try await JournalTests.write(number, bench) }
        bench.clock.advance(by: .days(900))
        try await JournalTests.write(5, bench)
        bench.clock.advance(by: .days(-900))
        try await JournalTests.write(6, bench)
        bench.clock.advance(by: .days(900))
        #expect(try await drop() == 1)
        var report = try await keeper.verify(owner, isSigned: JournalTests.isSigned)
        #expect(report.isIntact && (report.entries, report.dropped) == (4, 2), "3 and 4 are under no checkpoint")
        #expect(try await keeper.checkpoint(owner, now: bench.clock.now(), signer: JournalTests.sign))
        #expect(try await drop() == 1)
        report = try await keeper.verify(owner, isSigned: JournalTests.isSigned)
        #expect(report.isIntact && (report.entries, report.dropped) == (2, 4), "6 stands behind the younger 5")
        await bench.close()
    }

    @Test("a long past goes in bounded steps, and a process whose whole segment went writes on where it was")
    func steps() async throws {
        let bench = try await Bench()
        let keeper = JournalKeeper(store: bench.store)
        let owner = bench.tenant(1).uuid
        let act = bench.act
        try await bench.store.tenant(bench.tenant(1)) { db in
            for number in 1...1_200 { try db.journal(JournalEntry("x.done", subject: "\(number)"), act) }
        }
        #expect(try await keeper.checkpoint(owner, now: bench.clock.now(), signer: JournalTests.sign))
        bench.clock.advance(by: .days(1_000))
        let now = bench.clock.now()
        // Two processes at it at once.
        async let one = keeper.drop(owner, before: now - .days(731), now: now, signer: JournalTests.sign)
        async let two = keeper.drop(owner, before: now - .days(731), now: now, signer: JournalTests.sign)
        #expect(try await one + two == 3)
        var report = try await keeper.verify(owner, isSigned: JournalTests.isSigned)
        #expect(report.isIntact && (report.entries, report.dropped, report.checkpoints) == (0, 1_200, 4), "\(report)")
        try await JournalTests.write(1_201, bench)
        #expect(try await keeper.checkpoint(owner, now: now, signer: JournalTests.sign))
        report = try await keeper.verify(owner, isSigned: JournalTests.isSigned)
        #expect(report.isIntact && (report.entries, report.segments, report.dropped) == (1, 1, 1_200), "\(report)")
        await bench.close()
    }

    @Test(
        "whoever cuts the front without the signed statement, or more than it states, or brings back what went, is found",
        arguments: [
            ("DELETE FROM journal_entry_all WHERE seq <= 4", false, .missing, 1),
            ("DELETE FROM journal_entry_all; DELETE FROM journal_segment_all", false, .truncated, 1),
            ("DELETE FROM journal_entry_all WHERE seq <= 5", true, .missing, 5),
            ("DELETE FROM journal_entry_all WHERE seq <= 6", true, .missing, 5),
            ("UPDATE journal_entry_all SET actor = 'anonymous' WHERE seq = 5", true, .edited, 5),
            (
                "UPDATE journal_checkpoint_all SET document = replace(document, '\"count\":4', '\"count\":5') WHERE seq = 3", true,
                .checkpointSignature, 3
            ),
            ("DELETE FROM journal_checkpoint_all WHERE seq = 3", true, .missing, 1),
            (
                """
                INSERT INTO journal_entry_all SELECT tenant_id, segment, 2, previous, at, actor, request_id, origin, action, subject, outcome,
                decision, details, hash FROM journal_entry_all WHERE seq = 5
                """, true, .reordered, 2
            ),
        ] as [(String, Bool, JournalFinding.Kind, Int64)])
    func cut(sql: String, afterDrop: Bool, kind: JournalFinding.Kind, seq: Int64) async throws {
        let years = try await Years()
        if afterDrop { try await years.drop() }
        try years.tamper(sql)
        for report in try await years.reports() {
            let first = try #require(report.findings.first)
            // An export holds the canonical bytes, in which the number cannot be changed apart.
            let isNamed = first.kind == kind || kind == .reordered && first.kind == .edited
            #expect(isNamed && first.seq == seq, "\(report.findings)")
        }
        await years.bench.close()
    }

    @Test("an entry that was dropped and is there all the same is told, true to the byte as it may be")
    func broughtBack() async throws {
        let years = try await Years()
        let owner = years.owner
        let before = try await years.bench.store.kernelRead(years.bench.reason) {
            try $0.ledger.journalPage(of: owner, after: .start, limit: 10)
        }
        try await years.drop()
        let checkpoints = try await years.bench.store.kernelRead(years.bench.reason) {
            try $0.ledger.checkpoints(of: owner, after: 0, limit: 10)
        }
        var verifier = JournalVerifier(tenant: owner, isSigned: JournalTests.isSigned)
        for checkpoint in checkpoints { verifier.take(checkpoint) }
        for record in before { verifier.take(record) }
        let findings = verifier.finish().findings
        #expect(findings.map(\.kind) == [.repeated, .repeated, .repeated, .repeated] && findings.map(\.seq) == [1, 2, 3, 4])
        await years.bench.close()
    }

    @Test("a statement that drops what no earlier checkpoint covers is broken, signed or not")
    func uncovered() async throws {
        let years = try await Years()
        let owner = years.owner
        let (last, page) = try await years.bench.store.kernelRead(years.bench.reason) { db in
            (try db.ledger.lastCheckpoint(of: owner), try db.ledger.journalPage(of: owner, after: .start, limit: 10))
        }
        let checkpoints = try await years.bench.store.kernelRead(years.bench.reason) {
            try $0.ledger.checkpoints(of: owner, after: 0, limit: 10)
        }
        let entry = try #require(page.last)
        #expect(entry.seq == 7)
        let greedy = JournalCheckpoint(
            tenant: owner, seq: 3, at: years.bench.clock.now(), previous: try #require(last).hash, heads: [],
            dropped: [JournalHead(segment: entry.segment, count: 7, hash: entry.hash)])
        #expect(JournalCheckpoint(document: greedy.document) == greedy)
        let signature = try await JournalTests.sign(Array(greedy.document.utf8))
        var verifier = JournalVerifier(tenant: owner, isSigned: JournalTests.isSigned)
        for checkpoint in checkpoints { verifier.take(checkpoint) }
        verifier.take(SignedCheckpoint(seq: 3, document: greedy.document, keyID: signature.keyID, signature: signature.bytes))
        #expect(verifier.finish().findings.first?.kind == .checkpointBroken)
        // Nor does the schema drop it.
        await #expect(throws: StoreFault.self) {
            try await years.bench.store.kernel(years.bench.reason) { try $0.ledger.drop(greedy.dropped, of: owner) }
        }
        #expect(try await years.reports().allSatisfy { $0.isIntact && $0.entries == 7 })
        await years.bench.close()
    }

    @Test("the schema lets nothing go but a covered front, and never puts a beginning back")
    func schema() async throws {
        let years = try await Years()
        try await years.drop()
        for text in [
            "DELETE FROM journal_entry_all WHERE seq = 5", "DELETE FROM journal_entry_all", "DELETE FROM journal_begin_all",
            "UPDATE journal_begin_all SET entry_count = 3", "UPDATE journal_begin_all SET entry_count = 7",
            "INSERT INTO journal_begin_all SELECT tenant_id, segment, 7 FROM journal_segment_all ON CONFLICT DO UPDATE SET entry_count = 7",
            "INSERT OR REPLACE INTO journal_begin_all SELECT tenant_id, segment, 6 FROM journal_segment_all",
        ] {
            let connection = try Connection(file: years.bench.file, isWriter: true, limits: SQLiteLimits())
            #expect(throws: StoreFault.self, "\(text)") { try connection.execute(text) }
            connection.close()
            await #expect(throws: StoreFault.self, "\(text)") {
                try await years.bench.store.kernel(years.bench.reason) { try $0.run(SQL("x", text)) }
            }
        }
        for report in try await years.reports() { #expect(report.isIntact && report.entries == 3) }
        await years.bench.close()
    }

    @Test("the daily round drops what the setting says, once a checkpoint covers it")
    func round() async throws {
        let bench = try await Bench()
        let upkeep = StoreUpkeep(store: bench.store, keepJournal: .days(365), signer: JournalTests.sign)
        let runner = JobTests.runner(bench, upkeep.storeJobs())
        try await JournalTests.write(1, bench)
        try await upkeep.schedule(bench.act)
        _ = try await runner.runDue()
        bench.clock.advance(by: .days(366))
        for _ in 0..<3 { _ = try await runner.runDue() }
        let report = try await JournalKeeper(store: bench.store).verify(bench.tenant(1).uuid, isSigned: JournalTests.isSigned)
        #expect(report.isIntact && (report.entries, report.dropped) == (0, 1), "\(report)")
        await bench.close()
    }
}
