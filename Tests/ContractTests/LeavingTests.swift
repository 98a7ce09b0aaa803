import Foundation
import Identity
import PlatformTesting
import RoomTesting
import Signing
import Store
import Tenancy
import Testing
import Vocabulary

@testable import Composition
@testable import Offboarding

/// A tenant that leaves, over a whole platform: what holds of it while it goes, when it comes back, and when it is gone.
@Suite("leaving")
struct LeavingTests {
    typealias Firm = PeopleTests.Firm
    static let path = "/api/v1/offboarding"

    // MARK: - Nobody is forgotten

    /// Tables with a tenant_id that no purge empties, each with its reason.
    static let stays: [String: String] = [
        "tenant_all": "its id is never given again; the name in it is overwritten",
        "tenant_directory": "the same",
        "billing_invoice_all": "tax law; forgotten by its own statement when the years are over",
        "billing_reversal_all": "the same",
        "offboarding_all": "the proof of the deletion", "offboarding_step_all": "the same", "offboarding_link": "leads to it",
        "journal_segment_all": "the audit log, as long as its retention asks", "journal_entry_all": "the same",
        "journal_checkpoint_all": "the same", "journal_mark_all": "the same", "journal_begin_all": "the same",
        "store_job": "forgotten by the platform's own step",
        "tenant_keep": "a duty to keep the audit log or invoices for longer outlives the purge, as they do; a hold's is gone before it",
    ]

    @Test("every table with a tenant in it is emptied by a room's step, or stays for a reason that stands here")
    func schema() async throws {
        let platform = try await TestPlatform.open()
        let tables = try Self.tables()
        #expect(tables.count > 50)
        let purged = Set(
            platform.platform.rooms.closureSteps.flatMap(\.tables))
        let forgotten = tables.subtracting(purged).subtracting(Self.stays.keys)
        #expect(forgotten.isEmpty, "nobody purges \(forgotten.sorted())")
        #expect(purged.isDisjoint(with: Self.stays.keys) && Set(Self.stays.keys).isSubset(of: tables))
        await platform.close()
    }

    /// Every table with a tenant in it.
    static func tables() throws -> Set<String> {
        let texts = try PlatformRegister.migrations().map(\.sql) + OwnSchema.migrations.map(\.sql)
        var tables: Set<String> = []
        for text in texts {
            for match in text.matches(of: #/(?s)CREATE TABLE (\w+) \((.*?)\n\s*\)/#) {
                let name = String(match.1) == "payment_route_by_any" ? "payment_route" : String(match.1)
                if match.2.contains(" tenant_id BLOB") { tables.insert(name) }
            }
        }
        return tables
    }

    // MARK: - A life

    private func leave(_ firm: Firm, _ when: String = "now") async throws -> TestPlatform.Answer {
        let asked = await firm.owner.call("POST", Self.path, ["reason": "other", "feedback": "canary-feedback", "when": .string(when)])
        guard asked.status == 201 else { throw Unexpected(what: "leave", answer: asked) }
        return asked
    }

    @Test("ends everybody's access before it answers, comes back whole on day 29, leaves again, and is gone with a proof")
    func life() async throws {
        let firm = try await Firm()
        let platform = firm.platform
        let member = try await firm.member("grace@example.com", "developer")
        let tenant = TenantID(await firm.owner.call("GET", "/api/v1/orgs/current")["id"]?.string ?? "")
        let key = await firm.owner.call("POST", "/api/v1/api-keys", ["name": "canary-key", "permissions": ["licenses:read"]])
        let secret = key["secret"]?.string ?? key["key"]?.string ?? ""
        #expect(await platform.call("GET", "/api/v1/licenses", token: secret).status == 200, "\(key.text)")
        let project = await firm.owner.call("POST", "/api/v1/projects", ["name": "canary-project"])
        #expect(project.status == 201, "\(project.text)")
        let asked = try await leave(firm)
        #expect(asked["state"] == "leaving" || asked["state"] == "retained", "\(asked.text)")

        // In the first second.
        #expect(await member.call("GET", "/api/v1/licenses").status == 401)
        #expect(await platform.call("GET", "/api/v1/licenses", token: secret).status == 401)
        for target in ["/api/v1/licenses", "/api/v1/memberships", "/api/v1/users/me", "/api/v1/webhooks", "/api/v1/auth/sessions"] {
            let answer = await firm.owner.call("GET", target)
            #expect(answer.status == 403 && answer["error"] == "tenant_leaving", "\(target): \(answer.text)")
        }
        let login = await platform.call(
            "POST", "/api/v1/auth/login", ["email": "grace@example.com", "password": .string(Customer.password)])
        #expect(login["access_token"] == nil, "\(login.text)")

        try await platform.runDue()
        let kept = await firm.owner.call("GET", Self.path)
        let address = kept["export"]?["url"]?.string?.replacing("http://127.0.0.1", with: "") ?? ""
        #expect(kept["export"]?["state"] == "ready" && address.hasPrefix("/api/v1/exports/archive?token="), "\(kept.text)")
        #expect(await platform.call("GET", address).status == 200)
        #expect(try await mails(platform, "Your organisation has left: take your export") == 1)
        #expect(kept["state"] == "retained" && kept["steps"]?.array?.allSatisfy { $0["done_at"]?.string != nil } == true, "\(kept.text)")
        #expect(await firm.owner.call("POST", Self.path, ["reason": "other"])["error"] == "offboarding_open")

        platform.clock.advance(by: .days(29))
        try await platform.runDue()
        let owner = try await firm.signIn("ada@example.com")
        #expect(await owner.call("POST", "\(Self.path)/reactivate").status == 200)
        try await platform.runDue()
        #expect(await owner.call("GET", Self.path)["state"] == "reactivated")
        #expect(await owner.call("GET", "/api/v1/licenses")["licenses"]?.array?.first?["status"] == "active")
        #expect(await owner.call("GET", "/api/v1/memberships")["memberships"]?.array?.count == 2)
        _ = try await firm.signIn("grace@example.com")

        platform.clock.advance(by: .seconds(1))
        let again = await owner.call("POST", Self.path, ["reason": "no_need", "when": "now"])
        #expect(again.status == 201 && again["offer"] == .null, "\(again.text)")
        try await platform.runDue()
        platform.clock.advance(by: .days(31))
        try await platform.runDue()
        #expect(try await mails(platform, "Your organisation is deleted") == 1)
        let link = try platform.mailToken(to: "ada@example.com")
        let proof = await platform.call("GET", "\(Self.path)/proof?token=\(link)")
        #expect(proof["state"] == "purged" && proof["export"] == .null, "\(proof.text)")
        #expect(await platform.call("GET", address)["error"] == "export_over")
        try verify(proof, platform)
        let page = await platform.call("GET", "\(Self.path)/proof/page?token=\(link)")
        #expect(page.status == 200 && page.text.contains("Your organisation is deleted") && page.text.contains("purge:identity"))
        #expect(await platform.call("GET", "\(Self.path)/proof/page?token=x")["error"] == "offboarding_link_over")
        let over = await platform.call("POST", "/api/v1/auth/login", ["email": "ada@example.com", "password": .string(Customer.password)])
        #expect(over.status == 401)
        let words = ["ada@example.com", "grace@example.com", "Lovelace", "Analytical", "canary"]
        #expect(try await platform.traces(of: words, butMailsTo: "ada@example.com") == [])
        let id = try #require(tenant)
        for table in platform.platform.rooms.closureSteps.flatMap(\.tables) {
            let left = try await platform.platform.ground.store.kernelRead(KernelReason("test.left")) { db in
                try db.row(SQL("test.left.\(table)", "SELECT count(*) FROM \(table) WHERE tenant_id = $1"), id)?.int(0)
            }
            #expect(left == 0, "\(table)")
        }
        let actions = try await platform.journalActions()
        #expect(actions.filter { $0.hasPrefix("offboarding.purged") }.count == 1 && actions.contains { $0.hasPrefix("user.erased") })
        #expect(try await platform.isJournalIntact())
        await platform.close()
    }

    private func verify(_ proof: TestPlatform.Answer, _ platform: TestPlatform) throws {
        let certificate = try #require(proof["certificate"])
        let text = try #require(certificate["certificate"]?.string)
        let signature = Signature(
            keyID: certificate["key_id"]?.string ?? "", bytes: try #require(Base64URL.decode(certificate["signature"]?.string ?? "")))
        let message = Array("coditect:deletion-certificate.v1\0\(text)".utf8)
        #expect(platform.platform.ground.keys.verify(message, signature, .journal))
        #expect(!platform.platform.ground.keys.verify(message.dropLast() + [0], signature, .journal))
        for word in ["audit log", "purge:identity", "purge:tenancy", "scrub"] { #expect(text.contains(word), "\(word)") }
    }

    private func mails(_ platform: TestPlatform, _ subject: String) async throws -> Int {
        let folder = platform.data.appendingPathComponent("mailbox")
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { name in
            (try? String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8).contains("Subject: \(subject)")) == true
        }.count
    }

    // MARK: - What stops it

    @Test("a hold keeps everything until it is lifted, however long the retention is over")
    func hold() async throws {
        let firm = try await Firm()
        let platform = firm.platform
        let rooms = platform.platform.rooms
        _ = try await leave(firm)
        try await platform.runDue()
        let tenant = try #require(try await rooms.offboarding.open(after: nil, limit: 2).first?.tenant)
        let act = Act(actor: .system("test"), requestID: "hold", now: firm.now)
        let hold = try await rooms.offboarding.hold(tenant, reason: "A court asked for it.", by: UserID(UUID()), act)
        platform.clock.advance(by: .days(45))
        try await platform.runDue()
        #expect(try await rooms.offboarding.progress(of: tenant)?.offboarding.state == .retained)
        platform.clock.advance(by: .days(1))
        let later = Act(actor: .system("test"), requestID: "lift", now: firm.now)
        try await rooms.offboarding.lift(hold, on: tenant, by: UserID(UUID()), later)
        await #expect(throws: OffboardingProblems.holdOver) {
            try await rooms.offboarding.lift(hold, on: tenant, by: UserID(UUID()), later)
        }
        try await platform.runDue()
        #expect(try await rooms.offboarding.progress(of: tenant)?.offboarding.state == .purged)
        await platform.close()
    }

    @Test("it is withdrawn until the moment comes, and by nobody but an owner of the tenant")
    func withdraw() async throws {
        let firm = try await Firm()
        let admin = try await firm.member("grace@example.com", "admin")
        #expect(await admin.call("POST", Self.path, ["reason": "other"]).status == 403)
        #expect(await firm.owner.call("GET", Self.path)["error"] == "offboarding_none")
        #expect(await firm.owner.call("POST", Self.path, ["reason": "unpaid"]).status == 422)
        let asked = await firm.owner.call("POST", Self.path, ["reason": "price"], key: "once")
        #expect(await firm.owner.call("POST", Self.path, ["reason": "price"], key: "once")["id"] == asked["id"])
        #expect(await firm.owner.call("POST", "\(Self.path)/offer", ["take": true])["error"] == "offboarding_no_offer")
        #expect(await firm.owner.call("POST", "\(Self.path)/withdraw")["state"] == "withdrawn")
        #expect(await firm.owner.call("POST", "\(Self.path)/withdraw")["error"] == "offboarding_none")
        #expect(await firm.owner.call("POST", "\(Self.path)/reactivate")["error"] == "offboarding_none")
        #expect(await firm.platform.call("GET", "\(Self.path)/proof?token=nonsense")["error"] == "offboarding_link_over")
        firm.platform.clock.advance(by: .days(3))
        try await firm.platform.runDue()
        let owner = try await firm.signIn("ada@example.com")
        #expect(await owner.call("GET", "/api/v1/licenses").status == 200)
        await firm.platform.close()
    }

    @Test(
        "what a policy offers is answered: refused, it happens as wanted; taken, everybody stays and staff hears what nobody does by itself"
    )
    func offers() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("policies-\(UUID().uuidString)")
        try FileManager.default.copyItem(at: TestPlatform.root.appendingPathComponent("policies"), to: folder)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("init.lua")
        let text = try String(contentsOf: file, encoding: .utf8)
        try text.replacing("\"billing/dunning\",", with: "\"billing/dunning\", \"offboarding/retention-offers\",")
            .write(to: file, atomically: true, encoding: .utf8)
        let platform = try await TestPlatform.open(yaml: PeopleTests.quiet, policies: folder)
        let owner = try await Customer.member(platform)
        let first = await owner.call("POST", Self.path, ["reason": "price", "when": "now"])
        #expect(first["state"] == "offered" && first["offer"]?["kind"] == "downgrade", "\(first.text)")
        #expect(await owner.call("GET", "/api/v1/licenses").status == 200)
        #expect(await owner.call("POST", "\(Self.path)/offer", ["take": true])["state"] == "withdrawn")
        try await platform.runDue()
        platform.clock.advance(by: .seconds(1))
        #expect(await owner.call("POST", Self.path, ["reason": "no_need", "when": "now"])["offer"]?["kind"] == "pause")
        let refused = await owner.call("POST", "\(Self.path)/offer", ["take": false])
        #expect(refused["state"] == "leaving" || refused["state"] == "retained", "\(refused.text)")
        #expect(await owner.call("GET", "/api/v1/licenses")["error"] == "tenant_leaving")
        await platform.close()
    }

    // MARK: - Deaths

    /// Does its work, then dies before that is written down: once for each step.
    struct Dying: ClosureStep {
        let inner: any ClosureStep
        let deaths: Guarded<Set<String>>
        struct Death: Error {}
        var name: String { inner.name }
        var tables: [String] { inner.tables }
        private func die(_ phase: String) throws {
            if deaths.with({ $0.insert("\(phase):\(inner.name)").inserted }) { throw Death() }
        }
        func revoke(_ tenant: TenantID, _ act: Act) async throws {
            try await inner.revoke(tenant, act)
            try die("revoke")
        }
        func restore(_ tenant: TenantID, _ act: Act) async throws {
            try await inner.restore(tenant, act)
            try die("restore")
        }
        func purge(_ tenant: TenantID, _ act: Act) async throws -> [ClosureRemainder] {
            let remainders = try await inner.purge(tenant, act)
            try die("purge")
            return remainders
        }
    }

    /// Gives everything, then dies before that is written down.
    struct DyingSource: ExportSource {
        let inner: any ExportSource
        let deaths: Guarded<Set<String>>
        var name: String { inner.name }
        var given: [String] { inner.given }
        func export(_ tenant: TenantID, to sink: any ExportSink, _ act: Act) async throws {
            try await inner.export(tenant, to: sink, act)
            if deaths.with({ $0.insert("export:\(inner.name)").inserted }) { throw Dying.Death() }
        }
    }

    @Test("whoever dies after any step, before it is written down, ends in the same state")
    func deaths() async throws {
        let firm = try await Firm()
        let platform = firm.platform
        let rooms = platform.platform.rooms
        let deaths = Guarded<Set<String>>([])
        let steps = rooms.closureSteps.map { Dying(inner: $0, deaths: deaths) }
        var frail = rooms.offboarding
        let export = rooms.offboarding.work().export
        let sources = export.sources.map { DyingSource(inner: $0, deaths: deaths) }
        var work = ExportWork(sources: sources, shelves: export.shelves)
        work.share = ArchiveSink.Share(bytes: 4_000, entries: 2)
        let slices = work
        let estate = rooms.offboarding.work().estate
        frail.work = { LeavingWork(steps: steps, export: slices, estate: estate, scrub: { true }) }
        _ = try await firm.member("grace@example.com", "developer")
        let tenant = try #require(TenantID(await firm.owner.call("GET", "/api/v1/orgs/current")["id"]?.string ?? ""))
        func act() -> Act { Act(actor: .system("test"), requestID: "death", now: platform.clock.now()) }
        func drive(to state: LeavingTenant.State) async throws {
            let id = try #require(try await frail.progress(of: tenant)?.offboarding.id)
            for _ in 0..<200 {
                try? await frail.advance(id, tenant, act(), isHurried: false)
                if let now = try await frail.progress(of: tenant), now.offboarding.state == state,
                    now.steps.allSatisfy({ $0.doneAt != nil })
                {
                    return
                }
            }
            Issue.record("never \(state)")
        }
        let wish = Offboarding.Request(reason: .other, feedback: nil, isNow: true)
        _ = try await frail.request(wish, tenant: tenant, by: nil, act())
        try await drive(to: .retained)
        _ = try await frail.reactivate(tenant: tenant, act())
        try await drive(to: .reactivated)
        #expect(await firm.owner.call("GET", "/api/v1/licenses")["licenses"]?.array?.first?["status"] == "active")
        platform.clock.advance(by: .seconds(1))
        _ = try await frail.request(wish, tenant: tenant, by: nil, act())
        deaths.with { $0 = $0.filter { !$0.hasPrefix("revoke") } }
        try await drive(to: .retained)
        let made = try await frail.exports(of: tenant)
        #expect(made.count == 2 && made.allSatisfy { $0.state == .ready && $0.cause == .leaving })
        for one in made { try await ExportTests.check(one, of: tenant, frail, platform) }
        platform.clock.advance(by: .days(31))
        try await drive(to: .purged)
        #expect(deaths.with { $0.count } == steps.count * 3 + sources.count)
        #expect(try await platform.traces(of: ["grace@example.com", "Lovelace", "Analytical"], butMailsTo: "@example.com") == [])
        await platform.close()
    }

    @Test("the README shows the life as it is declared")
    func lifecycle() throws {
        let readme = try String(contentsOf: TestPlatform.root.appendingPathComponent("Sources/Offboarding/README.md"), encoding: .utf8)
        #expect(leavingLifecycle.flaws.isEmpty, "\(leavingLifecycle.flaws)")
        #expect(readme.contains("```mermaid\n\(leavingLifecycle.diagram)\n```"), "expected:\n\(leavingLifecycle.diagram)")
        #expect(readme.contains("\n\(leavingLifecycle.table)\n"), "expected:\n\(leavingLifecycle.table)")
    }
}

extension TestPlatform {
    /// Where these words can still be read: in the clear in any file of the data folder, and in any box that still opens.
    func traces(of words: [String], butMailsTo address: String) async throws -> [String] {
        var found: [String] = []
        let files = FileManager.default.enumerator(at: data, includingPropertiesForKeys: nil)?.compactMap { $0 as? URL } ?? []
        for file in files {
            guard let bytes = FileManager.default.contents(atPath: file.path) else { continue }
            if file.pathExtension == "eml", String(decoding: bytes, as: UTF8.self).contains(address) { continue }
            for word in words where bytes.range(of: Data(word.utf8)) != nil { found.append("\(file.lastPathComponent): \(word)") }
        }
        return found.sorted()
    }

    func isJournalIntact() async throws -> Bool {
        let keeper = JournalKeeper(store: platform.ground.store)
        let keys = platform.ground.keys
        for owner in try await keeper.owners() {
            let report = try await keeper.verify(owner) { keys.verify($0, Signature(keyID: $1, bytes: $2), .journal) }
            if !report.isIntact { return false }
        }
        return true
    }
}
