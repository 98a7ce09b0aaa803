import Foundation
import PlatformTesting
import RoomTesting
import Store
import Tenancy
import Testing
import Vocabulary

@testable import Composition
@testable import Offboarding

/// A single member who leaves, over a whole platform: what ends at once, what is kept, and what takes it away.
@Suite("a member who leaves")
struct MemberLeavingTests {
    typealias Firm = PeopleTests.Firm
    static let path = "/api/v1/offboarding/members"

    /// A firm that pays, so that its members have workstations. Nothing makes them here: they wait, and can sleep.
    private func firm(policy settings: String? = nil) async throws -> (Firm, TenantID, URL) {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("policies-\(UUID().uuidString)")
        try FileManager.default.copyItem(at: TestPlatform.root.appendingPathComponent("policies"), to: folder)
        if let settings {
            let file = folder.appendingPathComponent("init.lua")
            let text = try String(contentsOf: file, encoding: .utf8)
            let changed = text.replacing("workstation_days = 7, hand_over = true, notice_days = 0", with: settings)
            #expect(changed != text)
            try changed.write(to: file, atomically: true, encoding: .utf8)
        }
        let firm = try await Firm(policies: folder)
        let tenant = try #require(TenantID(await firm.owner.call("GET", "/api/v1/orgs/current")["id"]?.string ?? ""))
        let now = firm.now
        try await firm.platform.platform.ground.store.tenant(tenant) { db in
            try db.emit(
                StandingChanged(
                    tenant: tenant, subscription: SubscriptionID(UUID()), version: 1, standing: .active, tier: "team", quantity: 5,
                    interval: .month, periodEnd: now + .days(400), graceUntil: nil, cancelsAt: nil),
                Act(actor: .system("test"), requestID: "buy", now: now))
        }
        try await firm.platform.runDue()
        return (firm, tenant, folder)
    }
    private func left(_ firm: Firm) async -> [JSONValue] { await firm.owner.call("GET", Self.path)["members"]?.array ?? [] }
    private func workstation(_ firm: Firm, of user: String) async -> JSONValue? {
        await firm.owner.call("GET", "/api/v1/workstations")["workstations"]?.array?.first { $0["user_id"]?.string == user }
    }
    private func user(_ customer: Customer) async throws -> String {
        try #require(await customer.call("GET", "/api/v1/users/me")["id"]?.string)
    }
    private func mails(_ platform: TestPlatform, _ subject: String) throws -> Int {
        let folder = platform.data.appendingPathComponent("mailbox")
        return try FileManager.default.contentsOfDirectory(atPath: folder.path).count { name in
            try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8).contains("Subject: \(subject)")
        }
    }

    @Test("loses access at once; the workstation is kept for the owners and goes on the eighth day; shares are over")
    func life() async throws {
        let (firm, _, folder) = try await firm()
        defer { try? FileManager.default.removeItem(at: folder) }
        let platform = firm.platform
        let grace = try await firm.member("grace@example.com", "developer")
        try await platform.runDue()
        let person = try await user(grace)
        #expect(await workstation(firm, of: person)?["wish"] == "running")
        let project = await firm.owner.call("POST", "/api/v1/projects", ["name": "Engine"])["id"]?.string ?? ""
        let membership = try await firm.membership("grace@example.com")
        let shares = "/api/v1/projects/\(project)/shares"
        let shared = await firm.owner.call("PUT", "\(shares)/member:\(membership)", ["level": "write"])
        #expect(shared.status == 200, "\(shared.text)")
        #expect(await grace.call("GET", "/api/v1/projects/\(project)").status == 200)

        #expect(await firm.owner.call("DELETE", "/api/v1/memberships/\(membership)").status == 204)
        #expect(await grace.call("GET", "/api/v1/projects/\(project)").status == 401)
        try await platform.runDue()
        let kept = try #require(await left(firm).first)
        #expect(kept["user_id"]?.string == person && kept["state"] == "kept" && kept["cause"] == "removed", "\(kept)")
        #expect(kept["kept_until"]?.string == (firm.now + .days(7)).iso8601 && kept["is_handed_over"] == true)
        #expect(kept["steps"]?.array?.compactMap { $0["step"]?.string } == ["end:access", "end:shares", "sleep:workstation"])
        #expect(kept["steps"]?.array?.allSatisfy { $0["done_at"]?.string != nil } == true)
        #expect(await workstation(firm, of: person)?["state"] == "requested")
        #expect(try mails(platform, "A workstation was handed over to you") == 1)

        platform.clock.advance(by: .days(6))
        try await platform.runDue()
        let week = Firm(platform: platform, owner: try await firm.signIn("ada@example.com"))
        #expect(await left(week).first?["state"] == "kept")
        platform.clock.advance(by: .days(1))
        try await platform.runDue()
        let owner = try await firm.signIn("ada@example.com")
        let later = Firm(platform: platform, owner: owner)
        #expect(await left(later).first?["state"] == "over")
        #expect(await workstation(later, of: person)?["wish"] == "gone")
        let actions = try await platform.journalActions().filter { $0.hasPrefix("member_leaving.") }.map { $0.split(separator: " ")[0] }
        // Within one moment each segment of the journal has an order of its own.
        #expect(
            actions.sorted() == [
                "member_leaving.begun", "member_leaving.decided", "member_leaving.finished", "member_leaving.kept",
                "member_leaving.purging",
            ])
        #expect(try await platform.isJournalIntact())

        // Who comes back is shared nothing that was shared before.
        let back = await owner.call("POST", "/api/v1/invitations", Firm.body("grace@example.com", "developer"))
        #expect(back.status == 201, "\(back.text)")
        try await platform.runDue()
        let link = try platform.mailToken(to: "grace@example.com")
        #expect(await platform.call("POST", "/api/v1/invitations/accept", ["token": .string(link)]).status == 200)
        let again = try await firm.signIn("grace@example.com")
        #expect(await again.call("GET", "/api/v1/projects/\(project)").status == 404)
        await platform.close()
    }

    @Test("who comes back in time has the workstation as it was, and nobody else may open it any more")
    func returning() async throws {
        let (firm, tenant, folder) = try await firm()
        defer { try? FileManager.default.removeItem(at: folder) }
        let platform = firm.platform
        let grace = try await firm.member("grace@example.com", "developer")
        try await platform.runDue()
        let person = try await user(grace)
        let before = await workstation(firm, of: person)?["id"]
        #expect(await grace.call("POST", "/api/v1/orgs/current/leave").status == 204)
        try await platform.runDue()
        #expect(await left(firm).first?["cause"] == "left")
        #expect((await left(firm).first?["state"]) == "kept")
        let rooms = platform.platform.rooms
        let act = Act(actor: .system("test"), requestID: "open", now: firm.now)
        let survey = ProvisioningSurvey(store: rooms.store, licenses: rooms.licenses, tenancy: rooms.tenancy, access: rooms.access)
        let ada = try #require(try await rooms.tenancy.owners(of: tenant).first)
        let graceID = try #require(UserID(person))
        #expect(try await survey.opened(to: ada, in: tenant, act) == [graceID])
        #expect(try await survey.opened(to: graceID, in: tenant, act) == [])
        platform.clock.advance(by: .seconds(1))
        let token = try await firm.invite("grace@example.com", "developer")
        #expect(await platform.call("POST", "/api/v1/invitations/accept", ["token": .string(token)]).status == 200)
        // Before anybody has heard of it.
        #expect(try await survey.opened(to: ada, in: tenant, act) == [])
        try await platform.runDue()
        #expect(await left(firm).first?["state"] == "returned")
        #expect(await workstation(firm, of: person)?["id"] == before)
        #expect((await workstation(firm, of: person)?["wish"]) == "running")
        platform.clock.advance(by: .days(9))
        try await platform.runDue()
        let owner = try await firm.signIn("ada@example.com")
        #expect(await workstation(Firm(platform: platform, owner: owner), of: person)?["wish"] == "running")
        await platform.close()
    }

    @Test("a hold keeps what would be purged, however long the days are over")
    func hold() async throws {
        let (firm, tenant, folder) = try await firm(policy: "workstation_days = 0")
        defer { try? FileManager.default.removeItem(at: folder) }
        let platform = firm.platform
        let rooms = platform.platform.rooms
        let person = try await user(try await firm.member("grace@example.com", "developer"))
        try await platform.runDue()
        func act() -> Act { Act(actor: .system("test"), requestID: "hold-\(platform.clock.now())", now: platform.clock.now()) }
        let hold = try await rooms.offboarding.hold(tenant, reason: "A court asked for it.", by: UserID(UUID()), act())
        #expect(await firm.owner.call("DELETE", "/api/v1/memberships/\(try await firm.membership("grace@example.com"))").status == 204)
        try await platform.runDue()
        platform.clock.advance(by: .days(40))
        try await platform.runDue()
        let first = try #require(try await rooms.offboarding.memberLeavings(of: tenant, after: nil, limit: 5).first)
        #expect(first.leaving.state == .kept && first.leaving.user.description == person && !first.leaving.isHandedOver)
        try await rooms.offboarding.lift(hold, on: tenant, by: UserID(UUID()), act())
        platform.clock.advance(by: .days(1))
        try await platform.runDue()
        #expect(try await rooms.offboarding.memberLeavings(of: tenant, after: nil, limit: 5).first?.leaving.state == .over)
        await platform.close()
    }

    @Test("a policy that fails ends nobody's access later, and takes nothing away")
    func failing() async throws {
        let (firm, tenant, folder) = try await firm(policy: "workstation_days = 0")
        defer { try? FileManager.default.removeItem(at: folder) }
        let platform = firm.platform
        let rule = folder.appendingPathComponent("offboarding/leavers/policy.lua")
        try "return { id = 'offboarding.leavers', api = 1, on_offboard = function(request) error('no') end }"
            .write(to: rule, atomically: true, encoding: .utf8)
        try FileManager.default.removeItem(at: rule.deletingLastPathComponent().appendingPathComponent("policy_test.lua"))
        let order = folder.appendingPathComponent("init.lua")
        let text = try String(contentsOf: order, encoding: .utf8)
        try text.replacing("{ \"offboarding/leavers\", settings = { workstation_days = 0 } }", with: "\"offboarding/leavers\"")
            .write(to: order, atomically: true, encoding: .utf8)
        platform.platform.reloadPolicies()
        let grace = try await firm.member("grace@example.com", "developer")
        try await platform.runDue()
        let person = try await user(grace)
        #expect(await grace.call("POST", "/api/v1/orgs/current/leave").status == 204)
        #expect(await grace.call("GET", "/api/v1/users/me").status == 401)
        try await platform.runDue()
        platform.clock.advance(by: .minutes(20))
        try await platform.runDue()
        #expect(await left(firm).first?["state"] == "ended")
        #expect(await workstation(firm, of: person)?["wish"] == "suspended")
        _ = tenant
        await platform.close()
    }

    @Test("notice is given to who asks, never to who is removed or owns")
    func notice() async throws {
        let (firm, _, folder) = try await firm(policy: "notice_days = 14")
        defer { try? FileManager.default.removeItem(at: folder) }
        let platform = firm.platform
        let grace = try await firm.member("grace@example.com", "developer")
        let asked = await grace.call("POST", "/api/v1/orgs/current/leave")
        let end = firm.now + .days(14)
        #expect(asked.status == 202 && asked["ends_at"]?.string == end.iso8601, "\(asked.text)")
        platform.clock.advance(by: .hours(1))
        #expect(await grace.call("POST", "/api/v1/orgs/current/leave")["ends_at"]?.string == end.iso8601)
        #expect(await grace.call("GET", "/api/v1/users/me").status == 200)
        #expect(await left(firm).isEmpty)
        #expect(await firm.owner.call("POST", "/api/v1/orgs/current/leave")["error"] == "last_owner")
        platform.clock.advance(by: .days(14))
        try await platform.runDue()
        #expect(await grace.call("GET", "/api/v1/users/me").status == 401)
        let owner = try await firm.signIn("ada@example.com")
        let later = Firm(platform: platform, owner: owner)
        #expect(await left(later).first?["cause"] == "over")

        let bob = try await later.member("bob@example.com", "developer")
        #expect(await bob.call("POST", "/api/v1/orgs/current/leave").status == 202)
        #expect(await owner.call("DELETE", "/api/v1/memberships/\(try await later.membership("bob@example.com"))").status == 204)
        #expect(await bob.call("GET", "/api/v1/users/me").status == 401)
        await platform.close()
    }

    @Test("of an erased person nothing is kept, whatever the policy says; who manages members sees it, others do not")
    func erased() async throws {
        let (firm, tenant, folder) = try await firm()
        defer { try? FileManager.default.removeItem(at: folder) }
        let platform = firm.platform
        let person = try await user(try await firm.member("grace@example.com", "developer"))
        try await platform.runDue()
        let id = try #require(UserID(person))
        let act = Act(actor: .system("test"), requestID: "erase", now: firm.now)
        #expect(try await platform.platform.rooms.people.endPlaces(of: id, act) == [])
        try await platform.runDue()
        #expect(await left(firm).first?["cause"] == "erased")
        #expect((await left(firm).first?["state"]) == "over")
        #expect(await workstation(firm, of: person)?["wish"] == "gone")
        let other = try await Customer.member(platform, "eve@example.com")
        #expect(await other.call("GET", Self.path)["members"]?.array == [])
        let developer = try await firm.member("dev@example.com", "developer")
        #expect(await developer.call("GET", Self.path).status == 403)
        #expect(await firm.owner.call("GET", "\(Self.path)?cursor=nonsense").status == 422)
        let given = try await platform.platform.rooms.offboarding.personRecords.give(id, in: [tenant])
        #expect(given["member_leaving"]?.first?["cause"] == "erased")
        await platform.close()
    }

    /// Does what it is to do, then dies before that is written down: once for each act.
    struct Dying: LeaverEstate {
        let inner: any LeaverEstate
        let deaths: Guarded<Set<String>>
        struct Death: Error {}
        private func die(_ act: String) throws { if deaths.with({ $0.insert(act).inserted }) { throw Death() } }
        func hasWorkstation(_ user: UserID, in tenant: TenantID) async throws -> Bool {
            let has = try await inner.hasWorkstation(user, in: tenant)
            try die("look")
            return has
        }
        func sleep(_ user: UserID, in tenant: TenantID, _ act: Act) async throws -> Bool {
            let sleeps = try await inner.sleep(user, in: tenant, act)
            try die("sleep")
            return sleeps
        }
        func review(_ tenant: TenantID, _ act: Act) async throws {
            try await inner.review(tenant, act)
            try die("review at \(act.now.seconds / 86_400)")
        }
        func unshare(_ member: MembershipID, in tenant: TenantID, _ act: Act) async throws {
            try await inner.unshare(member, in: tenant, act)
            try die("unshare")
        }
    }

    @Test("whoever dies after any step, before it is written down, ends in the same state")
    func deaths() async throws {
        let (firm, tenant, folder) = try await firm()
        defer { try? FileManager.default.removeItem(at: folder) }
        let platform = firm.platform
        let rooms = platform.platform.rooms
        let deaths = Guarded<Set<String>>([])
        let usual = rooms.offboarding.work()
        let estate = Dying(inner: usual.estate, deaths: deaths)
        var frail = rooms.offboarding
        frail.work = { LeavingWork(steps: usual.steps, export: usual.export, estate: estate, scrub: { true }) }
        let person = try await user(try await firm.member("grace@example.com", "developer"))
        try await platform.runDue()
        #expect(await firm.owner.call("DELETE", "/api/v1/memberships/\(try await firm.membership("grace@example.com"))").status == 204)
        func act() -> Act { Act(actor: .system("test"), requestID: "death", now: platform.clock.now()) }
        // Only the news travels; the steps are taken by the one who dies.
        let courier = JobRunner(
            store: platform.platform.ground.store, handlers: rooms.jobs.filter { $0.kind != Offboarding.memberJob },
            subscribers: rooms.subscribers, clock: platform.clock, entropy: SeededEntropy(5))
        while try await courier.runDue() > 0 {}
        for state in [MemberLeaving.State.kept, .over] {
            for _ in 0..<20 {
                guard let open = try await frail.memberLeavings(of: tenant, after: nil, limit: 1).first, open.leaving.state != state else {
                    break
                }
                try? await frail.advance(member: open.leaving.id, tenant, act())
            }
            let reached = try await frail.memberLeavings(of: tenant, after: nil, limit: 1).first
            #expect(reached?.leaving.state == state)
            platform.clock.advance(by: .days(8))
        }
        #expect(deaths.with { $0.count } >= 4, "\(deaths.with { $0 })")
        let owner = try await firm.signIn("ada@example.com")
        #expect(await workstation(Firm(platform: platform, owner: owner), of: person)?["wish"] == "gone")
        await platform.close()
    }
}
