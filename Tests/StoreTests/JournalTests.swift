import Foundation
import Store
import Synchronization
import Testing
import Vocabulary

@testable import StoreSQLite

@Suite struct JournalTests {
    static let key = Array("not a real key".utf8)
    static let sign: JournalKeeper.Sign = { message in (keyID: "key-1", bytes: StoreDigest.sha256(key + message)) }
    static func isSigned(_ message: [UInt8], _ keyID: String, _ signature: [UInt8]) -> Bool {
        keyID == "key-1" && signature == StoreDigest.sha256(key + message)
    }

    /// A store whose tenant 1 has two segments (two starts of the process) of six and four entries, the first four and then all but the
    /// last two under a checkpoint.
    struct Book {
        let bench: Bench
        let keeper: JournalKeeper
        var owner: UUID { bench.tenant(1).uuid }

        init() async throws {
            bench = try await Bench()
            keeper = JournalKeeper(store: bench.store)
            try await write(1...4)
            #expect(try await keeper.checkpoint(bench.tenant(1).uuid, now: bench.clock.now(), signer: JournalTests.sign))
            try await write(5...6)
            let second = try bench.another()
            let other = bench.with(second)
            for number in 7...8 { try await JournalTests.write(number, other) }
            #expect(try await keeper.checkpoint(bench.tenant(1).uuid, now: bench.clock.now(), signer: JournalTests.sign))
            for number in 9...10 { try await JournalTests.write(number, other) }
            await second.close()
        }
        func write(_ numbers: ClosedRange<Int>) async throws { for number in numbers { try await JournalTests.write(number, bench) } }

        /// Changes the file behind the store's back, with the triggers out of the way.
        func tamper(_ sql: String) throws {
            let connection = try Connection(file: bench.file, isWriter: true, limits: SQLiteLimits())
            defer { connection.close() }
            for trigger in OwnSchema.triggers { try connection.execute("DROP TRIGGER IF EXISTS \(trigger)") }
            try connection.execute("PRAGMA foreign_keys = OFF")
            try connection.execute(sql)
        }
        func segments() throws -> [String] {
            let connection = try Connection(file: bench.file, isWriter: false, limits: SQLiteLimits())
            defer { connection.close() }
            return try connection.rows(
                SQL("s", "SELECT hex(segment) FROM journal_entry_all GROUP BY segment ORDER BY count(*) DESC"), [], as: .trusted
            )
            .map { "x'" + (try $0.text(0)) + "'" }
        }
        func verify() async throws -> JournalReport { try await keeper.verify(owner, isSigned: JournalTests.isSigned) }
        func lines() async throws -> [String] {
            var lines: [String] = []
            try await keeper.export(owner) { lines.append($0) }
            return lines
        }
    }

    static func write(_ number: Int, _ bench: Bench) async throws {
        let act = Act(
            actor: .user(UserID(bench.uuid(5)), session: AuthSessionID(bench.uuid(6))), requestID: "request-\(number)",
            now: bench.clock.now(),
            address: "192.0.2.\(number)")
        try await bench.store.tenant(bench.tenant(1)) { db in
            try db.journal(
                JournalEntry(
                    "note.added", subject: "note:\(number)", outcome: number % 3 == 0 ? .denied : .success,
                    details: [
                        "text": "läßt \"sich\" \\ \n quälen, \"hash\":\"", "n": .int(Int64(number)), "ratio": .double(Double(number) / 3),
                    ],
                    decision: number % 2 == 0 ? DecisionID(bench.uuid(7)) : nil), act)
        }
    }

    @Test("an untouched journal is intact, in the database and in its export") func intact() async throws {
        let book = try await Book()
        for report in [
            try await book.verify(), JournalLines.verify(try await book.lines(), tenant: book.owner, isSigned: JournalTests.isSigned),
        ] {
            #expect(report.isIntact, "\(report.findings)")
            #expect((report.entries, report.segments, report.checkpoints, report.uncovered) == (10, 2, 2, 2))
        }
        await book.bench.close()
    }

    @Test("a change behind the store's back is named", arguments: tampering) func tampered(_ case: Tampering) async throws {
        let book = try await Book()
        let segments = try book.segments()
        var sql = `case`.sql
        for (index, name) in ["$S1", "$S2"].enumerated() { sql = sql.replacing(name, with: "segment = \(segments[index])") }
        try book.tamper(sql.replacing("$T", with: "tenant_id = x'\(String(repeating: "01", count: 16))'"))
        let report = try await book.verify()
        let first = try #require(report.findings.first)
        #expect((first.kind, first.seq) == (`case`.kind, `case`.seq), "\(report.findings)")
        await book.bench.close()
    }

    @Test("the daily look counts the journals that are broken, names their first finding, and goes on to the others")
    func round() async throws {
        let book = try await Book()
        try await book.bench.store.tenant(book.bench.tenant(2)) { [act = book.bench.act] db in
            try db.journal(JournalEntry("x.done", subject: "x"), act)
        }
        let rounds = Mutex<[JournalRound]>([])
        var upkeep = StoreUpkeep(store: book.bench.store, signer: JournalTests.sign)
        let begun = Mutex<[Task<Void, Never>]>([])
        upkeep.proof = JournalProof(isSigned: JournalTests.isSigned) { round in
            begun.withLock { $0.append(Task { await round() }) }
        } tell: { round in
            rounds.withLock { $0.append(round) }
        }
        let runner = JobTests.runner(book.bench, upkeep.storeJobs())
        try await upkeep.schedule(book.bench.act)
        _ = try await runner.runDue()
        for round in begun.withLock({ $0 }) { await round.value }
        try book.tamper("UPDATE journal_entry_all SET actor = 'anonymous' WHERE seq = 3 AND hex(tenant_id) LIKE '01%'")
        book.bench.clock.advance(by: .days(1))
        _ = try await runner.runDue()
        for round in begun.withLock({ $0 }) { await round.value }
        let seen = rounds.withLock { $0 }
        #expect(seen.map(\.broken) == [0, 1] && seen.map(\.journals) == [2, 2] && seen.map(\.entries) == [11, 11], "\(seen)")
        #expect(seen.last?.findings.count == 1 && seen.last?.findings.first?.contains(book.owner.uuidString.lowercased()) == true)
        // Kept: another process tells the same, also one that starts later.
        let now = book.bench.clock.now()
        await book.bench.store.close()
        let later = try book.bench.another()
        let kept = try await later.kernelRead(book.bench.reason) { try $0.ledger.rounds(limit: 9) }
        #expect(kept == [seen[1], seen[0]])
        #expect(kept.first?.at == now && kept.first?.breaks.first?.owner == book.owner)
        #expect(kept.first?.breaks.first?.finding.kind == .edited && kept.first?.breaks.first?.finding.seq == 3)
        #expect(kept.allSatisfy { $0.oldest != nil && $0.oldest! <= $0.newest! && $0.newest! <= $0.at })
        // Not for ever, and not a moment too short.
        let keeper = StoreUpkeep(store: later, signer: JournalTests.sign)
        _ = try await keeper.sweep(now + JournalRound.kept)
        #expect(try await later.kernelRead(book.bench.reason) { try $0.ledger.rounds(limit: 9).map(\.at) } == [now])
        _ = try await keeper.sweep(now + JournalRound.kept + .microseconds(1))
        #expect(try await later.kernelRead(book.bench.reason) { try $0.ledger.rounds(limit: 9) }.isEmpty)
        await book.bench.with(later).close()
    }

    struct Tampering: Sendable, CustomTestStringConvertible {
        let kind: JournalFinding.Kind
        let seq: Int64
        let sql: String
        init(_ kind: JournalFinding.Kind, _ seq: Int64, _ sql: String) {
            self.kind = kind
            self.seq = seq
            self.sql = sql
        }
        var testDescription: String { sql }
    }
    static let tampering: [Tampering] =
        [
            "actor = 'anonymous'", "at = at + 1", "outcome = 'failed'", "details = '{}'", "subject = 'note:99'", "request_id = 'x'",
            "origin = x'00'", "origin = NULL", "decision = x'00000000000000000000000000000000'", "action = 'note.kept'",
            "previous = x'0000000000000000000000000000000000000000000000000000000000000000'",
            "hash = x'0000000000000000000000000000000000000000000000000000000000000000'",
        ].map { Tampering(.edited, 3, "UPDATE journal_entry_all SET \($0) WHERE $T AND $S1 AND seq = 3") } + [
            Tampering(.missing, 3, "DELETE FROM journal_entry_all WHERE $T AND $S1 AND seq = 3"),
            Tampering(.missing, 1, "DELETE FROM journal_entry_all WHERE $T AND $S1 AND seq <= 2"),
            Tampering(
                .reordered, 2,
                """
                UPDATE journal_entry_all SET seq = 90 WHERE $T AND $S1 AND seq = 2; UPDATE journal_entry_all SET seq = 2 WHERE $T AND $S1 AND
                seq = 4; UPDATE journal_entry_all SET seq = 4 WHERE $T AND $S1 AND seq = 90
                """),
            Tampering(.truncated, 6, "DELETE FROM journal_entry_all WHERE $T AND $S1 AND seq > 5"),
            Tampering(.truncated, 1, "DELETE FROM journal_entry_all WHERE $T AND $S2; DELETE FROM journal_segment_all WHERE $T AND $S2"),
            Tampering(.checkpointMissing, 1, "DELETE FROM journal_checkpoint_all WHERE $T AND seq = 1"),
            Tampering(.checkpointSignature, 2, "UPDATE journal_checkpoint_all SET signature = x'00' WHERE $T AND seq = 2"),
            Tampering(.checkpointSignature, 1, "UPDATE journal_checkpoint_all SET key_id = 'other' WHERE $T AND seq = 1"),
            Tampering(
                .checkpointSignature, 2,
                "UPDATE journal_checkpoint_all SET document = replace(document, '\"count\":6', '\"count\":5') WHERE $T AND seq = 2"),
            Tampering(.checkpointBroken, 1, "UPDATE journal_checkpoint_all SET document = document || ' ' WHERE $T AND seq = 1"),
        ]

    @Test("an export whose lines were edited, dropped or moved is named", arguments: 0..<6) func lines(_ way: Int) async throws {
        let book = try await Book()
        var lines = try await book.lines()
        let expected: (JournalFinding.Kind, Int64)
        // Two checkpoints, then entries 1…6 and 1…4.
        switch way {
        case 0:
            lines[4] = lines[4].replacing("note.added", with: "note.kept_")
            expected = (.edited, 3)
        case 1:
            lines.remove(at: 4)
            expected = (.missing, 3)
        case 2:
            lines.swapAt(4, 5)
            expected = (.reordered, 3)
        case 3:
            lines.removeLast(3)
            expected = (.truncated, 2)
        case 4:
            lines.insert(lines[4], at: 5)
            expected = (.repeated, 3)
        default:
            lines.append("{}")
            expected = (.malformed, 13)
        }
        let report = JournalLines.verify(lines, tenant: book.owner, isSigned: JournalTests.isSigned)
        #expect(report.findings.map(\.kind) == [expected.0] && report.findings.map(\.seq) == [expected.1], "\(report.findings)")
        await book.bench.close()
    }

    @Test("whoever rewrites a whole segment, hashes and all, is given away by the checkpoint") func rewritten() async throws {
        let book = try await Book()
        var forged: [JournalRecord] = []
        var before = JournalRecord.genesis
        let owner = book.owner
        let (records, checkpoints) = try await book.bench.store.kernelRead(book.bench.reason) { db in
            (try db.ledger.journalPage(of: owner, after: .start, limit: 6), try db.ledger.checkpoints(of: owner, after: 0, limit: 10))
        }
        for var record in records {
            if record.seq == 2 { record.actor = "anonymous" }
            record.previous = before
            record.hash = StoreDigest.sha256(record.canonical)
            before = record.hash
            forged.append(record)
        }
        var verifier = JournalVerifier(tenant: book.owner, isSigned: JournalTests.isSigned)
        for checkpoint in checkpoints { verifier.take(checkpoint) }
        for record in forged { verifier.take(record) }
        let first = try #require(verifier.finish().findings.first)
        #expect((first.kind, first.seq) == (.rewritten, 4))
        await book.bench.close()
    }

    @Test("an entry that was replaced with its own right hash is the one named") func replaced() {
        let tenant = JournalRecord.platform
        var records: [JournalRecord] = []
        for seq in Int64(1)...4 {
            var record = JournalRecord(
                tenant: tenant, segment: tenant, seq: seq, previous: records.last?.hash ?? JournalRecord.genesis,
                at: Timestamp(seconds: seq),
                actor: "a", requestID: "r", origin: nil, action: "x", subject: "s", outcome: "success", decision: nil, details: "{}")
            record.hash = StoreDigest.sha256(record.canonical)
            records.append(record)
        }
        records[1].actor = "b"
        records[1].hash = StoreDigest.sha256(records[1].canonical)
        var verifier = JournalVerifier(tenant: tenant) { _, _, _ in true }
        for record in records { verifier.take(record) }
        let findings = verifier.finish().findings
        #expect(findings.map(\.kind) == [.edited] && findings.map(\.seq) == [2], "\(findings)")
    }

    @Test("no statement of a room changes the journal, not even by REPLACE") func appendOnly() async throws {
        let book = try await Book()
        for text in [
            "UPDATE journal_entry_all SET actor = 'x'", "DELETE FROM journal_entry_all", "DELETE FROM journal_segment_all",
            "INSERT OR REPLACE INTO journal_entry_all SELECT * FROM journal_entry_all", "UPDATE journal_checkpoint_all SET key_id = 'x'",
            "INSERT INTO journal_mark_all SELECT tenant_id, segment, 9 FROM journal_segment_all",
        ] {
            await #expect(throws: StoreFault.self, "\(text)") {
                try await book.bench.store.kernel(book.bench.reason) { try $0.run(SQL("x", text)) }
            }
            // The driver's own statements meet the triggers.
            let connection = try Connection(file: book.bench.file, isWriter: true, limits: SQLiteLimits())
            if !text.contains("journal_mark") { #expect(throws: StoreFault.self) { try connection.execute(text) } }
            connection.close()
        }
        #expect(try await book.verify().isIntact)
        await book.bench.close()
    }

    @Test("a tenant's scope writes its own journal only, the kernel's goes to the platform's unless it names a tenant")
    func ownership() async throws {
        let bench = try await Bench()
        let (a, b) = (bench.tenant(1), bench.tenant(2))
        let act = bench.act
        await #expect(throws: StoreFault.self) {
            try await bench.store.tenant(a) { try $0.journal(JournalEntry("x.done", subject: "x"), act, tenant: b) }
        }
        try await bench.store.kernel(bench.reason) { db in
            try db.journal(JournalEntry("x.done", subject: "x"), act)
            try db.journal(JournalEntry("x.done", subject: "x"), act, tenant: b)
            try db.within(a) { try $0.journal(JournalEntry("x.done", subject: "x"), act) }
        }
        #expect(try await JournalKeeper(store: bench.store).owners() == [JournalRecord.platform, a.uuid, b.uuid])
        await bench.close()
    }

    @Test("a closure that fails leaves no gap in the chain") func rollback() async throws {
        let bench = try await Bench()
        let a = bench.tenant(1)
        let act = bench.act
        struct Stop: Error {}
        for number in 0..<20 {
            try? await bench.store.tenant(a) { db in
                try db.journal(JournalEntry("x.done", subject: "\(number)"), act)
                if number % 3 == 0 { throw Stop() }
            }
        }
        let report = try await JournalKeeper(store: bench.store).verify(a.uuid, isSigned: JournalTests.isSigned)
        #expect(report.isIntact && report.entries == 13)
        await bench.close()
    }

    @Test("the caller's address is sealed and the platform's own acts have none") func origin() async throws {
        let book = try await Book()
        let owner = book.owner
        let records = try await book.bench.store.kernelRead(book.bench.reason) { db in
            try db.ledger.journalPage(of: owner, after: .start, limit: 1)
        }
        let sealed = try #require(records.first?.origin)
        let plain = try XORSealer().open(sealed, person: UserID(book.bench.uuid(5)), context: "journal.origin")
        #expect(String(decoding: plain, as: UTF8.self) == "192.0.2.1")
        #expect(!(try await book.lines()).joined().contains("192.0.2."))
        await book.bench.close()
    }

    @Test("numbers print as ECMAScript prints them, so that an export reads back to the same bytes") func numbers() throws {
        for (number, text) in [
            (0.0, "0"), (-0.0, "0"), (1, "1"), (-1.5, "-1.5"), (1e21, "1e+21"), (1e20, "100000000000000000000"),
            (123456789012345683968, "123456789012345680000"),
            (1e-6, "0.000001"), (1e-7, "1e-7"), (1.5e-7, "1.5e-7"), (0.1, "0.1"), (1.0 / 3, "0.3333333333333333"),
            (Double.leastNonzeroMagnitude, "5e-324"),
            (1.7976931348623157e308, "1.7976931348623157e+308"), (100, "100"), (1e5, "100000"), (12345.678, "12345.678"),
        ] {
            #expect(try JournalJSON.text(.double(number)) == text)
        }
        #expect(throws: StoreFault.self) { try JournalJSON.text(.double(.nan)) }
        #expect(throws: StoreFault.self) { try JournalJSON.text(.double(.infinity)) }
        #expect(
            try JournalJSON.text(["é": 1, "e": 2, "z": ["b": nil, "a": .bool(true)], "\u{1F600}": "\u{1}\u{7f}/"])
                == "{\"e\":2,\"z\":{\"a\":true,\"b\":null},\"é\":1,\"😀\":\"\\u0001\u{7f}/\"}")
        var deep: JSONValue = 1
        for _ in 0..<40 { deep = [deep] }
        #expect(throws: StoreFault.self) { try JournalJSON.text(deep) }
    }
}
