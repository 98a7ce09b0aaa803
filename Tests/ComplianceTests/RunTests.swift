import CSQLite
import Foundation
import PluginKit
import RoomTesting
import Signing
import Store
import Testing
import Vocabulary

@testable import Compliance

@Suite("Compliance, from evidence to results")
struct RunTests {
    @Test("a run keeps every answer with its evidence, and since when the outcome is what it is")
    func history() async throws {
        let house = try await House()
        house.desk.says.with { $0 = ["CC1": "fail", "CC2": "pass"] }
        let first = try await house.run()
        #expect(first.passed == 1 && first.failed == 1 && first.notEvaluated == 1 && first.broken == 0)
        let begun = house.test.clock.now()
        house.test.clock.advance(by: .hours(2))
        _ = try await house.run()
        #expect(try await house.result("CC1")?.since == begun)
        house.test.clock.advance(by: .hours(2))
        house.desk.says.with { $0["CC1"] = "pass" }
        let third = try await house.run()
        #expect(try await house.result("CC1")?.since == third.at)
        #expect(try await house.result("CC2")?.since == begun)
        let past = try await house.room.history("CC1", "paper", .tenant(house.tenant), before: nil, limit: 10).past
        #expect(past.map(\.result.outcome) == [.pass, .fail, .fail] && past.last?.run == first.id)
        let older = try await house.room.history("CC1", "paper", .tenant(house.tenant), before: past[1].run, limit: 10).past
        #expect(older.map(\.run) == [first.id])
    }

    @Test("a framework is given what the control declares, and nothing else")
    func declared() async throws {
        let house = try await House()
        _ = try await house.run()
        let asked = house.desk.asked.with { $0 }
        #expect(asked.map { $0.evidence.map(\.kind) } == [[.accessReview], [.auditChain], []])
        #expect(asked.allSatisfy { $0.scope == house.tenant.description && $0.evidence.allSatisfy(\.isIntact) })
    }

    @Test("a framework that fails is told apart from one that cannot judge, and takes no other control along")
    func broken() async throws {
        let house = try await House()
        house.desk.says.with { $0 = ["CC1": "break", "CC2": "pass"] }
        let run = try await house.run()
        #expect(run.passed == 1 && run.notEvaluated == 2 && run.broken == 1)
        let failed = try await house.result("CC1")
        #expect(failed?.saidBy == .failure && failed?.outcome == .notEvaluated && failed?.reason == "The framework failed: it broke.")
        #expect(try await house.result("CC3")?.saidBy == .framework)
        let gaps = try await house.room.gaps("paper", .tenant(house.tenant)).gaps
        #expect(gaps.map(\.control.id) == ["CC1", "CC3"])
        // Mended, it begins anew: to have failed is no outcome of the control.
        house.test.clock.advance(by: .hours(1))
        house.desk.says.with { $0["CC1"] = "open" }
        let next = try await house.run()
        #expect(try await house.result("CC1")?.since == next.at)
    }

    @Test("a source that fails leaves its evidence out, says so in the log, and the run goes on")
    func sourceFails() async throws {
        struct Faulty: EvidenceSource {
            let kind = EvidenceKind.auditChain
            let name = "faulty"
            func facts(_ scope: ComplianceScope, now: Timestamp) async throws -> (any Encodable & Sendable)? {
                throw StoreFault.corrupt("torn")
            }
        }
        struct Huge: EvidenceSource {
            let kind = EvidenceKind.auditChain
            let name = "huge"
            func facts(_ scope: ComplianceScope, now: Timestamp) async throws -> (any Encodable & Sendable)? {
                ["x": String(repeating: "x", count: 70_000)]
            }
        }
        let house = try await House([Faulty(), Huge()])
        #expect(try await house.run().notEvaluated == 3)
        #expect(house.desk.asked.with { $0[1].evidence }.isEmpty)
        #expect(house.lines.with { $0.count { $0.contains("no evidence of audit_chain") } } == 2)
    }

    @Test("an evaluation hardly over is not begun again, and a repeated request has the run that it made")
    func tooSoon() async throws {
        let house = try await House()
        _ = try await house.run()
        await #expect { try await house.run() } throws: { ComplianceProblems.tooSoon ~= $0 }
        house.test.clock.advance(by: .seconds(61))
        let claim = IdempotencyClaim(key: "k", scope: "s", fingerprint: [1])
        let act = house.test.act(idempotency: claim)
        let once = try await house.room.runNow("paper", .tenant(house.tenant), act)
        #expect(try await house.room.runNow("paper", .tenant(house.tenant), act) == once)
        await #expect { try await house.room.runNow("other", .tenant(house.tenant), house.test.act()) } throws: {
            ComplianceProblems.noFramework ~= $0
        }
    }

    @Test("the schedule runs every tenant and the platform, each in a job of its own, and comes again a day later")
    func schedule() async throws {
        let house = try await House()
        let (other, _) = try await House.found(house.tenancy, house.test)
        try await house.room.start(house.test.act())
        house.test.clock.advance(by: .minutes(6))
        try await house.test.runDue(handlers: house.room.jobs())
        for scope in [ComplianceScope.tenant(house.tenant), .tenant(other)] {
            #expect(try await house.room.lastRun("paper", scope)?.cause == .schedule)
        }
        let first = try await house.room.lastRun("paper", .tenant(other))
        house.test.clock.advance(by: .hours(24))
        try await house.test.runDue(handlers: house.room.jobs())
        #expect(try await house.room.lastRun("paper", .tenant(other))?.id != first?.id)
        // Without the plugin there is nothing to run, and nothing to try again.
        house.desk.isThere.with { $0 = false }
        house.test.clock.advance(by: .hours(24))
        try await house.test.runDue(handlers: house.room.jobs())
        #expect(try await house.test.store.kernelRead(KernelReason("test.dead")) { try $0.ledger.deadJobs(limit: 10) }.isEmpty)
    }

    @Test("results older than they are kept go with their run, and no others")
    func retention() async throws {
        let house = try await House(settings: Settings().setting(ComplianceSettings.retentionDays, to: 30))
        let old = try await house.run()
        house.test.clock.advance(by: .days(31))
        try await house.room.order("paper", .tenant(house.tenant), house.test.act())
        try await house.test.runDue(handlers: house.room.jobs())
        let past = try await house.room.history("CC1", "paper", .tenant(house.tenant), before: nil, limit: 10).past
        #expect(past.count == 1 && past[0].run != old.id)
    }

    @Test("a legal hold keeps results beyond their time, for as long as it holds")
    func held() async throws {
        let house = try await House(settings: Settings().setting(ComplianceSettings.retentionDays, to: 30))
        let old = try await house.run()
        let (tenant, hold) = (house.tenant, TenantKeep.ID(UUID()))
        try await house.test.store.kernel(KernelReason("test.hold")) { db in
            try db.run(
                KeepTable.insert, tenant, hold, TenantKeep.everything, nil as Int?, "A court asked for it.", Timestamp(microseconds: 0))
        }
        func runs() async throws -> [ComplianceRun.ID] {
            house.test.clock.advance(by: .days(31))
            try await house.room.order("paper", .tenant(tenant), house.test.act())
            try await house.test.runDue(handlers: house.room.jobs())
            return try await house.room.history("CC1", "paper", .tenant(tenant), before: nil, limit: 10).past.map(\.run)
        }
        let held = try await runs()
        #expect(held.count == 2 && held.contains(old.id))
        try await house.test.store.kernel(KernelReason("test.lift")) { db in try db.run(KeepTable.drop, tenant, hold) }
        let lifted = try await runs()
        #expect(lifted.count == 1 && !lifted.contains(old.id))
    }

    @Test("another tenant sees nothing of it")
    func tenants() async throws {
        let house = try await House()
        let run = try await house.run()
        let (other, _) = try await House.found(house.tenancy, house.test)
        #expect(try await house.room.lastRun("paper", .tenant(other)) == nil)
        await #expect { try await house.room.read(run.id, .tenant(other)) } throws: { CommonProblems.notFound ~= $0 }
        await #expect { try await house.room.export("paper", .tenant(other), house.test.act()) } throws: {
            ComplianceProblems.nothingYet ~= $0
        }
    }

    @Test("an export lists every file with size and hash, under one signature, and is journalled")
    func export() async throws {
        let house = try await House()
        _ = try await house.run()
        let bundle = try await house.room.export("paper", .tenant(house.tenant), house.test.act())
        let manifest = try JSONCoding.decode(JSONValue.self, Data(bundle.manifest.utf8))
        let listed = manifest["files"]?.array ?? []
        #expect(listed.count == bundle.files.count && bundle.files.count == 6)
        for (entry, file) in zip(listed, bundle.files) {
            #expect(entry["name"]?.string == file.name && entry["sha256"]?.string == Hex.encode(Digest.sha256(Array(file.text.utf8))))
            _ = try JSONCoding.decode(JSONValue.self, Data(file.text.utf8))
        }
        let signed = TypedMessage(.complianceExport, Array(bundle.manifest.utf8)).bytes
        #expect(bundle.signature.bytes == Digest.sha256(signed))
        let told = try await house.test.store.kernelRead(KernelReason("test.journal")) {
            try $0.ledger.journalPage(of: house.tenant.uuid, after: .start, limit: 100)
        }
        #expect(told.map(\.action).suffix(2) == ["compliance.evaluated", "compliance.exported"])
    }
}

@Suite("Compliance, the journal as evidence")
struct ChainTests {
    @Test("an intact journal is sealed once and counted; an entry that was changed is a finding")
    func chain() async throws {
        let house = try await House()
        let source = AuditChainEvidence(store: house.test.store, signer: PaperSigner())
        let first = try await house.facts(source, AuditChainFacts.self)
        #expect(first?.findings == 0 && first?.checkpoints == 1 && first?.entries == 2 && first?.uncovered == 0)
        _ = try await house.run()
        let second = try await house.facts(source, AuditChainFacts.self)
        #expect(second?.checkpoints == 1 && second?.entries == 3 && second?.uncovered == 1 && second?.firstFinding == nil)
        struct Disbelief: Signer {
            func sign(_ message: [UInt8], _ purpose: KeyPurpose) async throws -> Signature { Signature(keyID: "x", bytes: []) }
            func verify(_ message: [UInt8], _ signature: Signature, _ purpose: KeyPurpose) -> Bool { false }
        }
        let forged = try await house.facts(AuditChainEvidence(store: house.test.store, signer: Disbelief()), AuditChainFacts.self)
        #expect(forged?.findings == 1 && forged?.firstFinding == "checkpoint_signature")
    }
}

@Suite("Compliance, how rows are found")
struct PlanTests {
    @Test("no statement scans a table")
    func noScans() async throws {
        let house = try await House()
        let hot = [
            ComplianceTable.lastRun, ComplianceTable.run, ComplianceTable.evidence, ComplianceTable.results, ComplianceTable.history,
            ComplianceTable.runs, ComplianceTable.reviews, ComplianceTable.review, ComplianceTable.items, ComplianceTable.decide,
            ComplianceTable.signOff, ComplianceTable.forget,
        ]
        var handle: OpaquePointer?
        #expect(sqlite3_open_v2(house.test.file.path, &handle, SQLITE_OPEN_READONLY, nil) == SQLITE_OK)
        defer { sqlite3_close(handle) }
        for sql in hot {
            var statement: OpaquePointer?
            defer { sqlite3_finalize(statement) }
            // As the views narrow it: to the rows of one tenant.
            var text = sql.text
            text.replace(/\b(compliance_run|compliance_result|compliance_evidence|access_review_item|access_review)\b/) { "\($0.1)_all" }
            text = text.replacingOccurrences(of: " WHERE ", with: " WHERE tenant_id = x'00' AND ")
            text = text.replacingOccurrences(of: "\nWHERE ", with: "\nWHERE tenant_id = x'00' AND ")
            text = text.replacingOccurrences(
                of: "tenant_id = x'00' AND r.", with: "r.tenant_id = x'00' AND n.tenant_id = r.tenant_id AND r.")
            try #require(sqlite3_prepare_v2(handle, "EXPLAIN QUERY PLAN \(text)", -1, &statement, nil) == SQLITE_OK, "\(text)")
            var lines: [String] = []
            while sqlite3_step(statement) == SQLITE_ROW { lines.append(String(cString: sqlite3_column_text(statement, 3))) }
            #expect(!lines.contains { $0.hasPrefix("SCAN") }, "\(sql.name): \(lines)")
        }
    }
}
