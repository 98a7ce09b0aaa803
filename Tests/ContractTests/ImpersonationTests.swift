import Foundation
import PlatformTesting
import Testing
import Vocabulary

@testable import Composition

/// Staff in a member's place: for a reason, for a time, seen by the tenant, ended by the first of its causes.
@Suite("impersonation")
struct ImpersonationTests {
    private static func code(_ answer: TestPlatform.Answer) -> String { "\(answer.status) \(answer["error"]?.string ?? "")" }

    /// A customer, and the platform's administrator.
    struct Stage {
        let firm: PeopleTests.Firm
        let root: Customer
        let user: String
        let tenant: String

        init(yaml: String = PeopleTests.quiet) async throws {
            firm = try await PeopleTests.Firm(yaml: yaml)
            let platform = firm.platform
            let act = Act(actor: .system("test"), requestID: "test", now: firm.now)
            let token = try await platform.platform.rooms.identity.firstAdministratorLink(act) ?? ""
            let body: JSONValue = [
                "token": .string(token), "email": "root@example.com", "password": .string(Customer.password), "first_name": "Root",
                "last_name": "Admin",
            ]
            let made = await platform.call("POST", "/api/v1/auth/first-administrator", body)
            guard made.status == 201 else { throw Unexpected(what: "administrator", answer: made) }
            root = try await firm.signIn("root@example.com")
            let me = await firm.owner.call("GET", "/api/v1/users/me")
            user = me["id"]?.string ?? ""
            tenant = me["tenant_id"]?.string ?? ""
        }
        func start(minutes: Int = 30, by staff: Customer? = nil, survives: Bool = false) async throws -> (id: String, staff: Customer) {
            let body: JSONValue = [
                "user_id": .string(user), "tenant_id": .string(tenant), "reason": "ticket 4711: seats are stuck",
                "minutes": .int(Int64(minutes)), "survives_suspension": .bool(survives),
            ]
            let answer = await (staff ?? root).call("POST", "/api/v1/admin/impersonations", body)
            guard let token = answer["access_token"]?.string, let id = answer["id"]?.string else {
                throw Unexpected(what: "impersonate", answer: answer)
            }
            return (id, Customer(platform: firm.platform, token: token))
        }
        /// Staff of its own tenant.
        func staff(_ email: String = "staff@example.com") async throws -> (id: String, signedIn: Customer) {
            let member = try await Customer.member(firm.platform, email)
            let id = await member.call("GET", "/api/v1/users/me")["id"]?.string ?? ""
            let appointed = await root.call("PUT", "/api/v1/admin/users/\(id)/platform-role", ["role": "staff"])
            guard appointed.status == 204 else { throw Unexpected(what: "appoint", answer: appointed) }
            return (id, member)
        }
    }

    @Test("staff sees what the member sees, changes no credentials, keys or memberships, and every act bears both names")
    func bounds() async throws {
        let stage = try await Stage()
        #expect(
            Self.code(
                await stage.firm.owner.call(
                    "POST", "/api/v1/admin/impersonations",
                    [
                        "user_id": .string(stage.user), "tenant_id": .string(stage.tenant), "reason": "because I want to",
                    ])) == "403 forbidden")
        let (id, staff) = try await stage.start()
        #expect(await staff.call("GET", "/api/v1/memberships").status == 200)
        #expect(await staff.call("GET", "/api/v1/users/me")["role"] == "owner")
        for (method, path, body) in [
            ("PATCH", "/api/v1/users/me", ["first_name": "Eve"] as JSONValue),
            ("POST", "/api/v1/auth/password/change", ["current_password": "x", "new_password": "walnut-heron-compass-77"]),
            ("POST", "/api/v1/auth/logout", ["everywhere": true]), ("POST", "/api/v1/auth/switch", ["tenant_id": .string(stage.tenant)]),
            ("POST", "/api/v1/users/me/deactivate", ["password": "x"]), ("POST", "/api/v1/orgs", ["name": "Mine"]),
            ("POST", "/api/v1/api-keys", ["name": "k", "permissions": ["team:read"]]),
            ("POST", "/api/v1/invitations", PeopleTests.Firm.body("eve@example.com", "owner")),
            ("POST", "/api/v1/teams", ["name": "T"]), ("PATCH", "/api/v1/orgs/current", ["name": "Mine"]),
            // What would go on working afterwards: a way out for data, a way in, a key, a seat that goes along, a means of payment.
            ("POST", "/api/v1/webhooks", ["url": "https://example.com/h", "events": ["*"]]),
            ("POST", "/api/v1/sso/domains", ["domain": "eve.example.net"]),
            ("POST", "/api/v1/orgs/current/policies", ["files": ["init.lua": "return {}"]]),
            ("POST", "/api/v1/compliance/access-reviews", [:]), ("POST", "/api/v1/billing/portal", [:]),
            ("POST", "/api/v1/licenses/acquire", ["hardware_id": "hw-9", "hostname": "h", "os": "linux", "version": "1"]),
        ] as [(String, String, JSONValue?)] {
            #expect(Self.code(await staff.call(method, path, body)) == "403 impersonation_limited", "\(method) \(path)")
        }
        // Neither does it lead on to the platform, nor to another impersonation.
        #expect(await staff.call("GET", "/api/v1/policies").status == 403)
        let licence = try #require(await staff.call("GET", "/api/v1/licenses")["licenses"]?.array?.first?["id"]?.string)
        let kept = await staff.call(
            "PUT", "/api/v1/licenses/\(licence)/reservations/desk", ["seats": 1, "user_ids": [.string(stage.user)]])
        #expect(kept.status == 200, "\(kept.text)")
        let actors = try await stage.firm.platform.journalActors("seat.reserved")
        let names = try #require(actors.first)
        #expect(names.hasPrefix("user:") && names.hasSuffix(" for user:\(stage.user)"), "\(actors)")
        // The customer sees it: in the list, in the mail, in the journal, among the sessions.
        let seen = await stage.firm.owner.call("GET", "/api/v1/orgs/current/impersonations")["impersonations"]?.array?.first
        #expect(seen?["id"]?.string == id && seen?["reason"] == "ticket 4711: seats are stuck" && seen?["is_live"] == true)
        #expect(await stage.firm.owner.call("GET", "/api/v1/auth/sessions").text.contains("impersonation"))
        #expect(try await stage.firm.platform.journalActions().filter { $0.hasPrefix("impersonation.started") }.count == 2)
        try await stage.firm.platform.runDue()
        let mails = try FileManager.default.contentsOfDirectory(atPath: stage.firm.platform.data.appendingPathComponent("mailbox").path)
        let texts = try mails.map {
            try String(contentsOf: stage.firm.platform.data.appendingPathComponent("mailbox/\($0)"), encoding: .utf8)
        }
        #expect(texts.contains { $0.contains("Staff acts in your organisation") && $0.contains("<ada@example.com>") })
        await stage.firm.platform.close()
    }

    @Test("its time is its end, to the microsecond; the owner, the member and its staff end it at once")
    func ends() async throws {
        let stage = try await Stage()
        let owner = stage.firm.owner
        let (_, first) = try await stage.start(minutes: 10)
        stage.firm.platform.clock.advance(by: .minutes(10) - .microseconds(1))
        #expect(await first.call("GET", "/api/v1/users/me").status == 200)
        stage.firm.platform.clock.advance(by: .microseconds(1))
        #expect(await first.call("GET", "/api/v1/users/me").status == 401)
        let (second, byOwner) = try await stage.start()
        #expect(await owner.call("DELETE", "/api/v1/orgs/current/impersonations/\(second)").status == 204)
        #expect(await byOwner.call("GET", "/api/v1/users/me").status == 401)
        let (third, byStaff) = try await stage.start()
        #expect(await stage.root.call("DELETE", "/api/v1/admin/impersonations/\(third)").status == 204)
        #expect(await byStaff.call("GET", "/api/v1/users/me").status == 401)
        let (fourth, byMember) = try await stage.start()
        #expect(await owner.call("DELETE", "/api/v1/auth/sessions/\(fourth)").status == 204)
        #expect(await byMember.call("GET", "/api/v1/users/me").status == 401)
        let live = await owner.call("GET", "/api/v1/orgs/current/impersonations")["impersonations"]?.array?.filter { $0["is_live"] == true }
        #expect(live?.isEmpty == true)
        await stage.firm.platform.close()
    }

    @Test("it ends with the staff's session and with the staff's role")
    func staffEnds() async throws {
        let stage = try await Stage()
        let (id, staff) = try await stage.staff()
        let (_, first) = try await stage.start(by: staff)
        #expect(await first.call("GET", "/api/v1/users/me").status == 200)
        #expect(await staff.call("POST", "/api/v1/auth/logout").status == 204)
        #expect(await first.call("GET", "/api/v1/users/me").status == 401)
        let again = try await stage.firm.signIn("staff@example.com")
        let (_, second) = try await stage.start(by: again)
        #expect(await second.call("GET", "/api/v1/users/me").status == 200)
        #expect(await stage.root.call("PUT", "/api/v1/admin/users/\(id)/platform-role", ["role": .null]).status == 204)
        #expect(await second.call("GET", "/api/v1/users/me").status == 401)
        await #expect(throws: Unexpected.self) { _ = try await stage.start(by: again) }
        await stage.firm.platform.close()
    }

    @Test("it ends when the tenant is suspended, unless that was said")
    func suspension() async throws {
        let stage = try await Stage()
        let (_, plain) = try await stage.start()
        let (_, lasting) = try await stage.start(survives: true)
        let tenant = try #require(TenantID(stage.tenant))
        let act = Act(actor: .system("test"), requestID: "test", now: stage.firm.now)
        try await stage.firm.platform.platform.rooms.tenancy.move(tenant, from: .active, to: .suspended, act)
        #expect(await plain.call("GET", "/api/v1/users/me").status == 401)
        #expect(await lasting.call("GET", "/api/v1/users/me").status == 200)
        await stage.firm.platform.close()
    }

    @Test("nobody acts in the place of staff, and a platform role counts in the own tenant alone")
    func protected() async throws {
        let stage = try await Stage()
        let (id, staff) = try await stage.staff()
        let home = await staff.call("GET", "/api/v1/users/me")["tenant_id"]?.string ?? ""
        let body: JSONValue = ["user_id": .string(id), "tenant_id": .string(home), "reason": "I want to be you"]
        #expect(Self.code(await stage.root.call("POST", "/api/v1/admin/impersonations", body)) == "403 cannot_impersonate")
        // An administrator who is invited by a customer is what the customer says, not what the platform says.
        let link = try await stage.firm.invite("root@example.com", "viewer")
        let accepted = await stage.firm.platform.call("POST", "/api/v1/invitations/accept", ["token": .string(link)])
        #expect(accepted.status == 200, "\(accepted.text)")
        let switched = await stage.root.call("POST", "/api/v1/auth/switch", ["tenant_id": .string(stage.tenant)])
        let guest = Customer(platform: stage.firm.platform, token: try #require(switched["access_token"]?.string, "\(switched.text)"))
        #expect(await guest.call("GET", "/api/v1/orgs/current")["role"] == "viewer")
        #expect(Self.code(await guest.call("GET", "/api/v1/memberships")) == "403 forbidden")
        #expect(Self.code(await guest.call("GET", "/api/v1/policies")) == "403 forbidden")
        #expect(await stage.root.call("GET", "/api/v1/policies").status == 200)
        // The last administrator stays; a member of a customer's tenant is not appointed.
        let own = await stage.root.call("GET", "/api/v1/users/me")["id"]?.string ?? ""
        #expect(
            Self.code(await stage.root.call("PUT", "/api/v1/admin/users/\(own)/platform-role", ["role": .null])) == "409 not_appointable")
        #expect(
            Self.code(await stage.root.call("PUT", "/api/v1/admin/users/\(stage.user)/platform-role", ["role": "staff"]))
                == "409 not_appointable")
        #expect(
            Self.code(await staff.call("PUT", "/api/v1/admin/users/\(id)/platform-role", ["role": "platform_admin"])) == "403 forbidden")
        await stage.firm.platform.close()
    }
}
