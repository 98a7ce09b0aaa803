import Foundation
import PlatformTesting
import Store
import Tenancy
import Testing
import Vocabulary

@testable import Composition
@testable import Offboarding

/// How long records stay: nothing without a kind, nothing gone before its end, nothing there after it, and each can be explained.
@Suite("retention")
struct RetentionTests {
    typealias Firm = PeopleTests.Firm
    static let path = "/api/v1/retention"
    static let admin = "/api/v1/admin/retention"

    // MARK: - The table

    @Test("every table of the schema is in one kind of record, and every kind names tables, settings and jobs that there are")
    func schema() async throws {
        let platform = try await TestPlatform.open()
        let texts = try PlatformRegister.migrations().map(\.sql) + OwnSchema.migrations.map(\.sql) + [OwnSchema.createMigrationTable]
        var tables: Set<String> = []
        for text in texts {
            for match in text.matches(of: #/CREATE TABLE (?:IF NOT EXISTS )?(\w+) \(/#) { tables.insert(String(match.1)) }
        }
        // What a migration renames at once is known by its later name.
        for text in texts {
            for match in text.matches(of: #/ALTER TABLE (\w+) RENAME TO (\w+)/#) {
                tables.remove(String(match.1))
                tables.insert(String(match.2))
            }
        }
        #expect(tables.count > 100)
        let kinds = RetentionTable.kinds
        let named = kinds.flatMap(\.tables)
        #expect(Set(named).count == named.count, "a table in two kinds")
        #expect(tables.subtracting(named).isEmpty, "nobody says how long these stay: \(tables.subtracting(named).sorted())")
        #expect(Set(named).subtracting(tables).isEmpty, "\(Set(named).subtracting(tables).sorted())")
        #expect(Set(kinds.map(\.name)).count == kinds.count && kinds.allSatisfy { !$0.duties.isEmpty })
        let settings = Set(PlatformRegister.settings.map(\.path))
        #expect(Set(kinds.flatMap(\.duties).flatMap(\.length.settings)).isSubset(of: settings))
        let jobs = Set((platform.platform.rooms.jobs + platform.platform.upkeep.storeJobs()).map(\.kind))
        for kind in kinds {
            if let job = kind.job, job.isJob { #expect(jobs.contains(job.name), "\(kind.name): \(job.name)") }
            let isTimed = kind.duties.contains { $0.length.lifetime == nil }
            #expect(isTimed == (kind.job != nil), "\(kind.name): what has an end has somebody who enforces it")
            #expect(kind.tables.isEmpty || !isTimed || kind.probe != nil, "\(kind.name): one record of it can be explained")
        }
        let grown = Set(PlatformRegister.settings.map(\.path).filter { $0.contains("retention") })
        let said = Set(kinds.flatMap(\.duties).flatMap(\.length.settings))
        #expect(grown.subtracting(said) == ["offboarding.retention_days"], "of a whole tenant: told where it leaves")
        await platform.close()
    }

    @Test("the question for one record is put to the store for each kind, and a record that is not there is not found")
    func probes() async throws {
        let firm = try await Firm()
        let tenant = try #require(TenantID(await firm.owner.call("GET", "/api/v1/orgs/current")["id"]?.string ?? ""))
        for kind in RetentionTable.kinds {
            guard let probe = kind.probe else { continue }
            let id = probe.keys.map { key in
                switch key.form {
                case .id: UUID().uuidString.lowercased()
                case .number: "9"
                case .text: "nothing"
                case .digest: String(repeating: "0", count: 64)
                }
            }.joined(separator: ":")
            await #expect(throws: CommonProblems.notFound, "\(kind.name)") {
                _ = try await firm.platform.platform.rooms.retention.explain(kind.name, id, tenant: tenant)
            }
        }
        await firm.platform.close()
    }

    // MARK: - Each job

    /// Kinds with a job that another test moves over their end.
    static let elsewhere: [String: String] = [
        "audit_log": "below, and StoreTests/JournalRetentionTests", "audit_log_checks": "StoreTests/JournalTests",
        "jobs": "StoreTests/JobTests",
        "repeated_answers": "StoreTests/JobTests",
        "invoices": "below", "uploads": "ProjectsTests", "export_contents": "ContractTests/ExportTests",
        "compliance_runs": "ComplianceTests/RunTests, also under a hold", "nodes": "ContractTests/NodeTests",
        "decisions": "HookEngineTests",
    ]

    @Test("each job takes what is over its end, not a minute before, and nothing that a legal hold binds until that is lifted")
    func jobs() async throws {
        let platform = try await TestPlatform.open(yaml: PeopleTests.quiet)
        let (free, bound) = (try await Customer.member(platform), try await Customer.member(platform, "grace@example.com"))
        try await platform.platform.begin()
        try await platform.runDue()
        let end = platform.clock.now() + .days(10)
        let (one, other) = (
            try await Planted(platform, free, end: end), try await Planted(platform, bound, end: end)
        )
        let covered = Set(one.seeds.map(\.kind)).union(Self.elsewhere.keys)
        let timed = Set(RetentionTable.kinds.filter { $0.job != nil }.map(\.name))
        #expect(timed == covered, "\(timed.symmetricDifference(covered).sorted())")
        func look(_ moment: Timestamp) async throws {
            platform.clock.advance(by: moment - platform.clock.now())
            // Leases that end make this one due; these have not ended by themselves.
            try await platform.platform.ground.store.kernel(KernelReason("test.seed")) { db in
                let act = Act(actor: .system("test"), requestID: "look", now: moment)
                try db.enqueue(
                    NewJob("seats.purge_history", key: "test:\(moment.microseconds)", tenant: nil, payload: [String](), runAt: moment), act)
            }
            try await platform.runDue()
        }
        let act = Act(actor: .system("test"), requestID: "hold", now: platform.clock.now())
        let offboarding = platform.platform.rooms.offboarding
        let hold = try await offboarding.hold(other.tenant, reason: "A court asked for it.", by: UserID(UUID()), act)

        try await look(end - .minutes(1))
        let before = try await one.left()
        #expect(Set(before.keys) == Set(one.seeds.map(\.kind)), "gone too early: \(Set(one.seeds.map(\.kind)).subtracting(before.keys))")
        for (kind, verdict) in before {
            #expect(verdict.until == .at(end), "\(kind): \(verdict)")
            #expect(verdict.takenAt.map { $0 >= end && $0 <= end + .days(1) } == true, "\(kind): \(verdict)")
        }

        try await look(end + .hours(25))
        let late = try await one.left().keys.sorted()
        #expect(late == [], "still there")
        let held = try await other.left()
        let binding = Set(RetentionTable.kinds.filter(\.isBoundByHolds).map(\.name))
        #expect(Set(held.keys) == Set(other.seeds.map(\.kind)).intersection(binding))
        #expect(held.values.allSatisfy { $0.isHeld && $0.takenAt == nil })

        try await offboarding.lift(
            hold, on: other.tenant, by: UserID(UUID()), Act(actor: .system("test"), requestID: "lift", now: platform.clock.now()))
        try await look(end + .hours(50))
        let rest = try await other.left().keys.sorted()
        #expect(rest == [], "still there")
        #expect(try await platform.isJournalIntact())
        await platform.close()
    }

    // MARK: - What outlives its tenant

    @Test("a tenant with a longer duty keeps its audit log for as long, others lose theirs in time, and both can be explained")
    func auditLog() async throws {
        let platform = try await TestPlatform.open(yaml: PeopleTests.quiet)
        let (free, bound) = (try await Customer.member(platform), try await Customer.member(platform, "grace@example.com"))
        try await platform.platform.begin()
        let rooms = platform.platform.rooms
        let act = Act(actor: .system("test"), requestID: "duty", now: platform.clock.now())
        var first: [TenantID: String] = [:]
        for who in [free, bound] {
            let tenant = try #require(TenantID(await who.call("GET", "/api/v1/orgs/current")["id"]?.string ?? ""))
            first[tenant] = try await platform.platform.ground.store.kernelRead(KernelReason("test.first")) { db in
                let row = try #require(
                    try db.row(
                        SQL("test.first", "SELECT segment, seq FROM journal_entry_all WHERE tenant_id = $1 ORDER BY at, seq LIMIT 1"),
                        tenant))
                return "\(try row.uuid(0).uuidString.lowercased()):\(try row.int(1))"
            }
            if who.token == bound.token {
                _ = try await rooms.retention.oblige(
                    tenant, "audit_log", days: 2_192, why: "HIPAA, 45 CFR 164.316 (b)(2)(i): six years.", act)
                let verdict = try await rooms.retention.explain("audit_log", first[tenant] ?? "", tenant: tenant).verdict
                #expect(verdict.reasons[verdict.longest].ground == "tenant_duty" && verdict.reasons.count == 2, "\(verdict)")
            }
        }
        for _ in 0..<2 {
            platform.clock.advance(by: .hours(1))
            try await platform.runDue()
        }
        for (days, kept) in [(730 as Int64, 2), (5, 1), (1_460, 0)] {
            platform.clock.advance(by: .days(days))
            try await platform.runDue()
            var left = 0
            for (tenant, id) in first {
                do {
                    _ = try await rooms.retention.explain("audit_log", id, tenant: tenant)
                    left += 1
                } catch let problem as Problem where problem.code == CommonProblems.notFound.code {}
            }
            #expect(left == kept, "after \(days) days more")
        }
        #expect(try await platform.isJournalIntact())
        await platform.close()
    }

    @Test("an invoice stays with its customer, and of one that left until the law is done with it")
    func invoices() async throws {
        let firm = try await Firm()
        let platform = firm.platform
        try await platform.platform.begin()
        let tenant = try #require(TenantID(await firm.owner.call("GET", "/api/v1/orgs/current")["id"]?.string ?? ""))
        let (invoice, issued) = (UUID(), platform.clock.now() - .days(3_620))
        let sql = SQL(
            "test.invoice",
            "INSERT INTO billing_invoice_all (tenant_id, id, provider, object, facts, issued_at) VALUES ($1, $2, 'x', 'x', '{}', $3)")
        try await platform.platform.ground.store.kernel(KernelReason("test.seed")) { db in try db.run(sql, tenant, invoice, issued) }
        let rooms = platform.platform.rooms
        func verdict() async throws -> RetentionVerdict {
            try await rooms.retention.explain("invoices", invoice.uuidString.lowercased(), tenant: tenant).verdict
        }
        #expect(try await verdict().until == .open("until the tenant is purged"))
        #expect(
            await firm.owner.call("POST", "/api/v1/offboarding", ["reason": "other", "when": "now"]).status == 201)
        try await platform.runDue()
        platform.clock.advance(by: .days(31))
        try await platform.runDue()
        #expect(try await rooms.tenancy.tenant(tenant)?.status == .purged)
        #expect(try await verdict().until == .at(issued + .days(3_660)))
        platform.clock.advance(by: .days(12))
        try await platform.runDue()
        await #expect(throws: CommonProblems.notFound) { _ = try await verdict() }
        await platform.close()
    }

    // MARK: - Who may ask

    @Test("staff reads the table, explains any record and obliges a tenant; a tenant's administrators see what is their own")
    func routes() async throws {
        let stage = try await ImpersonationTests.Stage()
        let (firm, root) = (stage.firm, stage.root)
        let table = await root.call("GET", Self.admin)
        let news = try #require(table["kinds"]?.array?.first { $0["kind"] == "payment_events" })
        #expect(news["duties"]?.array?.first?["seconds"] == 2_592_000 && news["by"] == "billing.purge_events", "\(news)")
        #expect(table["kinds"]?.array?.count == RetentionTable.kinds.count)
        let own = await firm.owner.call("GET", Self.path)
        #expect(own["kinds"]?.array?.allSatisfy { $0["whose"] == "tenant" } == true && own["kept_longer"]?.array?.isEmpty == true)
        let developer = try await firm.member("dev@example.com", "developer")
        for path in [Self.path, "\(Self.path)/explain?kind=licenses&id=x", Self.admin, "\(Self.admin)/explain?kind=licenses&id=x"] {
            #expect(await developer.call("GET", path).status == 403, "\(path)")
        }
        #expect(await firm.owner.call("GET", Self.admin).status == 403)

        let license = try #require(await firm.owner.call("GET", "/api/v1/licenses")["licenses"]?.array?.first?["id"]?.string)
        let mine = await firm.owner.call("GET", "\(Self.path)/explain?kind=licenses&id=\(license)")
        #expect(mine["reasons"]?.array?.first?["open"] == "until the tenant is purged" && mine["stays_until"] == .null, "\(mine.text)")
        let stranger = try await Customer.member(firm.platform, "eve@example.com")
        #expect(await stranger.call("GET", "\(Self.path)/explain?kind=licenses&id=\(license)").status == 404)
        #expect(await stranger.call("GET", "\(Self.path)/explain?kind=accounts&id=\(license)")["error"] == "retention_kind_unknown")
        for (query, code) in [
            ("kind=licenses&id=\(license)", "retention_tenant_missing"), ("kind=nothing&id=x", "retention_kind_unknown"),
            ("kind=consents&id=x", "retention_not_by_record"), ("kind=licenses&id=x&tenant=\(stage.tenant)", "not_found"),
            ("kind=licenses", "validation_failed"),
        ] {
            let answer = await root.call("GET", "\(Self.admin)/explain?\(query)")
            #expect(answer["error"]?.string == code, "\(query): \(answer.text)")
        }
        try await duties(stage, license)
        await firm.platform.close()
    }

    private func duties(_ stage: ImpersonationTests.Stage, _ license: String) async throws {
        let (firm, root) = (stage.firm, stage.root)
        let path = "\(Self.admin)/\(stage.tenant)/duties"
        let duty: JSONValue = ["kind": "audit_log", "days": 2_192, "why": "HIPAA asks for six years."]
        let obliged = await root.call("POST", path, duty, key: "once")
        #expect(obliged.status == 201 && obliged["kept_longer"]?.array?.count == 1, "\(obliged.text)")
        #expect(await root.call("POST", path, duty, key: "once")["kept_longer"]?.array?.count == 1, "asked twice, obliged once")
        #expect(
            await root.call("POST", path, ["kind": "sessions", "days": 1, "why": "No law asks for it."])["error"]
                == "retention_not_lengthened")
        #expect(await root.call("POST", path, ["kind": "audit_log", "days": 0, "why": "No law asks for it."]).status == 422)
        #expect(await firm.owner.call("POST", path, duty).status == 403)
        #expect(await firm.owner.call("GET", Self.path)["kept_longer"]?.array?.first?["days"] == 2_192)
        let hold = await root.call("POST", "/api/v1/admin/offboarding/\(stage.tenant)/holds", ["reason": "A court asked for it."])
        let held = await firm.owner.call("GET", "\(Self.path)/explain?kind=licenses&id=\(license)")
        #expect(held["is_held"] == true && held["reasons"]?.array?.first?["ground"] == "legal_hold", "\(held.text)")
        let holdID = hold["holds"]?.array?.first?["id"]?.string ?? ""
        #expect(await root.call("DELETE", "\(path)/\(holdID)").status == 404, "a hold is lifted where it was placed")
        #expect(await root.call("POST", "/api/v1/admin/offboarding/\(stage.tenant)/holds/\(holdID)/lift").status == 200)
        #expect(await firm.owner.call("GET", "\(Self.path)/explain?kind=licenses&id=\(license)")["is_held"] == false)
        let id = obliged["kept_longer"]?.array?.first?["id"]?.string ?? ""
        #expect(await root.call("DELETE", "\(path)/\(id)")["kept_longer"]?.array?.isEmpty == true)
        #expect(await root.call("DELETE", "\(path)/\(id)").status == 404)
        let actions = try await firm.platform.journalActions()
        #expect(actions.contains { $0.hasPrefix("retention.obliged") } && actions.contains { $0.hasPrefix("retention.released") })
    }

    @Test("a hold that a program from before placed or lifted is seen by the jobs after the next start")
    func mended() async throws {
        let firm = try await Firm()
        let rooms = firm.platform.platform.rooms
        let tenant = try #require(TenantID(await firm.owner.call("GET", "/api/v1/orgs/current")["id"]?.string ?? ""))
        let act = Act(actor: .system("test"), requestID: "hold", now: firm.now)
        let hold = try await rooms.offboarding.hold(tenant, reason: "A court asked for it.", by: UserID(UUID()), act)
        let store = firm.platform.platform.ground.store
        try await store.kernel(KernelReason("test.older")) { db in try db.run(KeepTable.drop, tenant, hold) }
        #expect(try await rooms.retention.keeps(of: tenant).isEmpty)
        try await rooms.offboarding.start(act)
        #expect(try await rooms.retention.keeps(of: tenant).count == 1)
        try await rooms.offboarding.lift(hold, on: tenant, by: UserID(UUID()), act)
        try await store.kernel(KernelReason("test.older")) { db in
            try db.run(KeepTable.insert, tenant, hold, TenantKeep.everything, nil as Int?, "A court asked for it.", act.now)
        }
        try await rooms.offboarding.start(act)
        #expect(try await rooms.retention.keeps(of: tenant).isEmpty)
        await firm.platform.close()
    }
}
