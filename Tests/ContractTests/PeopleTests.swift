import Foundation
import PlatformTesting
import Testing
import Vocabulary

/// Members of a tenant as people live it: invited, raised, running out of time, leaving.
@Suite("people of a tenant")
struct PeopleTests {
    private static func code(_ answer: TestPlatform.Answer) -> String { "\(answer.status) \(answer["error"]?.string ?? "")" }

    // MARK: Invitations

    @Test("an invitation makes a member once, of a new account with a password, of an existing one by the token alone")
    func invitations() async throws {
        let firm = try await Firm()
        let other = try await Customer.member(firm.platform, "grace@example.com")
        firm.platform.clock.advance(by: .seconds(1))
        let newcomer = await firm.owner.call("POST", "/api/v1/invitations", Firm.body("new@example.com", "developer"))
        let known = await firm.owner.call("POST", "/api/v1/invitations", Firm.body("grace@example.com", "developer"))
        #expect(newcomer.status == 201 && known.status == 201)
        func shape(_ answer: TestPlatform.Answer) -> [String] { (answer.json.object ?? [:]).keys.sorted() }
        #expect(shape(newcomer) == shape(known), "an inviter cannot tell who has an account")
        try await firm.platform.runDue()
        let link = try firm.platform.mailToken(to: "new@example.com")
        let seen = await firm.platform.call("POST", "/api/v1/invitations/look", ["token": .string(link)])
        #expect(seen["organization"] == "Analytical Engines" && seen["has_account"] == false && seen["role"] == "developer")
        #expect(Self.code(await firm.platform.call("POST", "/api/v1/invitations/accept", ["token": .string(link)])) == "422 account_needed")
        #expect(
            Self.code(await firm.platform.call("POST", "/api/v1/invitations/accept", Self.answer(link, "short"))) == "422 password_weak")
        #expect(await firm.platform.call("POST", "/api/v1/invitations/accept", Self.answer(link)).status == 200)
        #expect(Self.code(await firm.platform.call("POST", "/api/v1/invitations/accept", Self.answer(link))) == "400 link_invalid")
        #expect(await firm.platform.call("GET", "/invitation?token=\(link)").status == 400)

        let second = try firm.platform.mailToken(to: "grace@example.com")
        #expect(
            await firm.platform.call("GET", "/invitation?token=\(second)").text.contains("Analytical Engines invites grace@example.com"))
        let accepted = await firm.platform.call("POST", "/api/v1/invitations/accept", ["token": .string(second)])
        let tenant = try #require(accepted["tenant_id"]?.string)
        #expect(accepted.status == 200)
        #expect(
            Set(await firm.memberships().compactMap { $0["email"]?.string }) == ["ada@example.com", "new@example.com", "grace@example.com"])
        // A user of two tenants chooses; the token of the first stays the first's.
        #expect(await other.call("GET", "/api/v1/orgs")["orgs"]?.array?.count == 2)
        let stranger = try await firm.membership("ada@example.com")
        #expect(Self.code(await other.call("DELETE", "/api/v1/memberships/\(stranger)")) == "404 not_found")
        let switched = await other.call("POST", "/api/v1/auth/switch", ["tenant_id": .string(tenant)])
        let there = Customer(platform: firm.platform, token: try #require(switched["access_token"]?.string))
        #expect(await there.call("GET", "/api/v1/orgs/current")["role"] == "developer")
        #expect(await other.call("GET", "/api/v1/orgs/current")["role"] == "owner")
        #expect(
            Self.code(await firm.owner.call("POST", "/api/v1/invitations", Firm.body("grace@example.com", "viewer")))
                == "409 already_member")
        await firm.platform.close()
    }

    @Test("of racing answers to one invitation one makes a member")
    func racingAnswers() async throws {
        let firm = try await Firm()
        let link = try await firm.invite("race@example.com", "developer")
        let platform = firm.platform
        let statuses = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<8 { group.addTask { await platform.call("POST", "/api/v1/invitations/accept", Self.answer(link)).status } }
            return await group.reduce(into: [Int]()) { $0.append($1) }
        }
        #expect(statuses.filter { $0 == 200 }.count == 1, "\(statuses)")
        #expect(statuses.allSatisfy { $0 == 200 || $0 == 400 }, "\(statuses)")
        #expect(await firm.memberships().count == 2)
        await firm.platform.close()
    }

    @Test("a resent link makes the one before worthless; a revoked one and one of seven days are nothing")
    func linkLife() async throws {
        let firm = try await Firm()
        let first = try await firm.invite("late@example.com", "viewer")
        let list = await firm.owner.call("GET", "/api/v1/invitations")
        let path = "/api/v1/invitations/\(try #require(list["invitations"]?.array?.first?["id"]?.string))"
        #expect(
            Self.code(await firm.owner.call("POST", "/api/v1/invitations", Firm.body("LATE@example.com", "viewer")))
                == "409 already_invited")
        #expect(Self.code(await firm.owner.call("POST", "\(path)/resend")) == "429 rate_limited")
        firm.platform.clock.advance(by: .minutes(2))
        #expect(await firm.owner.call("POST", "\(path)/resend").status == 200)
        try await firm.platform.runDue()
        let second = try firm.platform.mailToken(to: "late@example.com")
        #expect(first != second)
        func look(_ token: String) async -> Int {
            await firm.platform.call("POST", "/api/v1/invitations/look", ["token": .string(token)]).status
        }
        #expect(await look(first) == 400)
        #expect(await look(second) == 200)
        firm.platform.clock.advance(by: .days(7) - .microseconds(1))
        #expect(await look(second) == 200)
        firm.platform.clock.advance(by: .microseconds(1))
        #expect(await look(second) == 400)
        let owner = try await firm.signIn("ada@example.com")
        #expect(await owner.call("GET", path)["status"] == "expired")
        #expect(await owner.call("POST", "\(path)/resend").status == 200)
        try await firm.platform.runDue()
        let third = try firm.platform.mailToken(to: "late@example.com")
        #expect(await look(third) == 200)
        #expect(await owner.call("DELETE", path).status == 204)
        #expect(await look(third) == 400)
        #expect(Self.code(await owner.call("DELETE", path)) == "409 invitation_settled")
        #expect(await look("x") == 400)
        #expect(await look(String(third.dropLast()) + (third.hasSuffix("A") ? "B" : "A")) == 400)
        await firm.platform.close()
    }

    @Test("whoever signed up with somebody's address and never proved it loses the account to who is invited there")
    func takenAddress() async throws {
        let firm = try await Firm()
        var form = Customer.form("victim@example.com", "Trap").object ?? [:]
        form["password"] = "planted-otter-lantern-13"
        _ = await firm.platform.call("POST", "/api/v1/auth/signup", .object(form))
        let link = try await firm.invite("victim@example.com", "developer")
        #expect(Self.code(await firm.platform.call("POST", "/api/v1/invitations/accept", ["token": .string(link)])) == "422 account_needed")
        #expect(await firm.platform.call("POST", "/api/v1/invitations/accept", Self.answer(link)).status == 200)
        let planted = await firm.platform.call(
            "POST", "/api/v1/auth/login", ["email": "victim@example.com", "password": "planted-otter-lantern-13"])
        #expect(Self.code(planted) == "401 invalid_credentials")
        _ = try await firm.signIn("victim@example.com")
        await firm.platform.close()
    }

    @Test("a policy that refuses an invitation is heard, and sees no address")
    func refusedByPolicy() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("policies-\(UUID().uuidString)")
        try FileManager.default.copyItem(at: TestPlatform.root.appendingPathComponent("policies"), to: folder)
        defer { try? FileManager.default.removeItem(at: folder) }
        let rule = folder.appendingPathComponent("access/own-domain")
        try FileManager.default.createDirectory(at: rule, withIntermediateDirectories: true)
        let policy = """
            return { id = "access.own-domain", api = 1, summary = "No strangers.", on_invite = function(request)
              if request.invited.email_domain ~= "example.com" and not request.invited.is_own_domain then return deny("outside_domain") end
            end }
            """
        try policy.write(to: rule.appendingPathComponent("policy.lua"), atomically: true, encoding: .utf8)
        let row = """
            return { { name = "refuses a stranger", hook = "on_invite", expect = { outcome = "deny", reason = "outside_domain" }, input = {
              user = { id = "u", role = "owner" }, invited = { email_domain = "evil.example", role = "viewer", is_own_domain = false },
              tenant = { kind = "organization", members = 1, pending_invitations = 0 } } } }
            """
        try row.write(to: rule.appendingPathComponent("policy_test.lua"), atomically: true, encoding: .utf8)
        let list = folder.appendingPathComponent("init.lua")
        let text = try String(contentsOf: list, encoding: .utf8)
        try text.replacing("\"access/role-matrix\",", with: "\"access/role-matrix\", \"access/own-domain\",")
            .write(to: list, atomically: true, encoding: .utf8)
        let records = PaperRecords()
        let platform = try await TestPlatform.open(yaml: Self.quiet, policies: folder, resolver: records)
        let owner = try await Customer.member(platform)
        let refused = await owner.call("POST", "/api/v1/invitations", Firm.body("eve@evil.example", "viewer"))
        #expect(refused.status == 403 && refused["reason"] == "outside_domain", "\(refused.text)")
        #expect(await owner.call("POST", "/api/v1/invitations", Firm.body("eve@example.com", "viewer")).status == 201)
        // A domain is the tenant's own once its record was seen, not when it was named.
        let colleague = Firm.body("bob@engines.test", "viewer")
        let added = await owner.call("POST", "/api/v1/sso/domains", ["domain": "engines.test"])
        #expect(await owner.call("POST", "/api/v1/invitations", colleague)["reason"] == "outside_domain")
        records.all.withLock { $0[added["record_name"]?.string ?? ""] = added["record_value"]?.string }
        #expect(await owner.call("POST", "/api/v1/sso/domains/engines.test/verify").status == 200, "\(added.text)")
        #expect(await owner.call("POST", "/api/v1/invitations", colleague).status == 201)
        await platform.close()
    }

    // MARK: Ranks

    @Test("an admin neither raises itself nor invites above its own role, and gives no role that the product does not know")
    func climbing() async throws {
        let firm = try await Firm()
        let admin = try await firm.member("admin@example.com", "admin")
        let own = try await firm.membership("admin@example.com")
        let owner = try await firm.membership("ada@example.com")
        for (id, role) in [(own, "owner"), (own, "admin"), (owner, "viewer"), (own, "billing_boss")] {
            #expect(Self.code(await admin.call("PATCH", "/api/v1/memberships/\(id)", ["role": .string(role)])) == "403 rank_too_low")
        }
        #expect(Self.code(await admin.call("DELETE", "/api/v1/memberships/\(owner)")) == "403 rank_too_low")
        for role in ["owner", "admin", "billing_boss"] {
            #expect(Self.code(await admin.call("POST", "/api/v1/invitations", Firm.body("x@example.com", role))) == "403 rank_too_low")
        }
        for role in ["platform_admin", "staff"] {
            #expect(
                Self.code(await firm.owner.call("POST", "/api/v1/invitations", Firm.body("x@example.com", role))) == "422 validation_failed"
            )
        }
        #expect(Self.code(await admin.call("POST", "/api/v1/invitations", Firm.body("x@example.com", "auditor"))) == "422 end_required")
        let link = try await firm.invite("dev@example.com", "developer", by: admin)
        // Who is removed takes along the invitations of that hand.
        #expect(await firm.owner.call("DELETE", "/api/v1/memberships/\(own)").status == 204)
        #expect(await admin.call("GET", "/api/v1/memberships").status == 401)
        #expect(Self.code(await firm.platform.call("POST", "/api/v1/invitations/accept", Self.answer(link))) == "400 link_invalid")
        let developer = try await firm.member("dev2@example.com", "developer")
        #expect(await developer.call("GET", "/api/v1/memberships").status == 200)
        #expect(Self.code(await developer.call("POST", "/api/v1/invitations", Firm.body("y@example.com", "viewer"))) == "403 forbidden")
        #expect(Self.code(await developer.call("PATCH", "/api/v1/memberships/\(owner)", ["role": "viewer"])) == "403 forbidden")
        await firm.platform.close()
    }

    @Test("of owners who demote or remove each other at the same time one stays", arguments: [("PATCH", 2), ("DELETE", 3)])
    func racingDemotions(method: String, owners: Int) async throws {
        let firm = try await Firm()
        var people: [(Customer, String)] = [(firm.owner, try await firm.membership("ada@example.com"))]
        for number in 1..<owners {
            let email = "owner\(number)@example.com"
            people.append((try await firm.member(email, "owner"), try await firm.membership(email)))
        }
        await withTaskGroup(of: Void.self) { group in
            for (index, (person, _)) in people.enumerated() {
                let victim = people[(index + 1) % owners].1
                group.addTask {
                    _ = await person.call(method, "/api/v1/memberships/\(victim)", method == "PATCH" ? ["role": "viewer"] : nil)
                    _ = await person.call("POST", "/api/v1/orgs/current/leave")
                }
            }
        }
        var left = 0
        for (person, _) in people where await person.call("GET", "/api/v1/orgs/current")["role"] == "owner" { left += 1 }
        #expect(left >= 1)
        await firm.platform.close()
    }

    @Test("the last owner neither leaves nor is demoted by itself")
    func lastOwner() async throws {
        let firm = try await Firm()
        let own = try await firm.membership("ada@example.com")
        #expect(Self.code(await firm.owner.call("PATCH", "/api/v1/memberships/\(own)", ["role": "viewer"])) == "409 last_owner")
        #expect(Self.code(await firm.owner.call("DELETE", "/api/v1/memberships/\(own)")) == "409 last_owner")
        #expect(Self.code(await firm.owner.call("POST", "/api/v1/orgs/current/leave")) == "409 last_owner")
        let second = try await firm.member("second@example.com", "owner")
        #expect(await firm.owner.call("POST", "/api/v1/orgs/current/leave").status == 204)
        #expect(await firm.owner.call("GET", "/api/v1/orgs/current").status == 401)
        #expect(Self.code(await second.call("POST", "/api/v1/orgs/current/leave")) == "409 last_owner")
        await firm.platform.close()
    }

    // MARK: Ends

    @Test("a contractor's time runs out in the middle of a session that holds a seat: the very next request is refused")
    func contractor() async throws {
        let firm = try await Firm()
        let end = firm.now + .hours(2)
        let contractor = try await firm.member("con@example.com", "contractor", endsAt: end)
        let key = await contractor.call("POST", "/api/v1/api-keys", ["name": "build", "permissions": ["seats:acquire"]])
        let secret = try #require(key["secret"]?.string, "\(key.text)")
        #expect(key["api_key"]?["expires_at"]?.string == end.iso8601)
        let device: JSONValue = ["hardware_id": "hw-1", "hostname": "h", "os": "linux", "version": "1"]
        let seat = await contractor.call("POST", "/api/v1/licenses/acquire", device)
        let session = try #require(seat["session_id"]?.string, "\(seat.text)")
        let loan = await contractor.call(
            "POST", "/api/v1/licenses/borrow", ["session_id": .string(session), "hardware_id": "hw-1", "hours": 3])
        #expect(loan["max_hours"] == 2, "a file would outlive the membership: \(loan.text)")
        func beat(_ token: String) async -> TestPlatform.Answer {
            await firm.platform.call("POST", "/api/v1/licenses/heartbeat", ["session_id": .string(session)], token: token)
        }
        firm.platform.clock.advance(by: .minutes(4))
        while firm.now + .minutes(5) < end {
            #expect(await beat(contractor.token).status == 200)
            firm.platform.clock.advance(by: .minutes(5))
        }
        firm.platform.clock.advance(by: (end - firm.now) - .microseconds(1))
        #expect(await beat(secret).status == 200)
        #expect(await contractor.call("GET", "/api/v1/users/me").status == 200)
        firm.platform.clock.advance(by: .microseconds(1))
        // Nothing has swept.
        for token in [contractor.token, secret] {
            #expect(await beat(token).status == 401)
            #expect(await firm.platform.call("POST", "/api/v1/licenses/acquire", device, token: token).status == 401)
        }
        #expect(await firm.owner.call("GET", "/api/v1/sessions")["sessions"]?.array?.count == 1)
        try await firm.platform.runDue()
        #expect(await firm.owner.call("GET", "/api/v1/sessions")["sessions"]?.array?.isEmpty == true)
        #expect(await firm.memberships().count == 1)
        let again = await firm.platform.call(
            "POST", "/api/v1/auth/login", ["email": "con@example.com", "password": .string(Customer.password)])
        #expect(Self.code(again) == "403 no_active_membership")
        await firm.platform.close()
    }

    @Test("an end that is moved holds from then on; the job of the old one does nothing")
    func movedEnd() async throws {
        let firm = try await Firm()
        let contractor = try await firm.member("con@example.com", "contractor", endsAt: firm.now + .hours(1))
        let path = "/api/v1/memberships/\(try await firm.membership("con@example.com"))"
        let later: JSONValue = ["ends_at": .string((firm.now + .hours(3)).iso8601)]
        #expect(await firm.owner.call("PATCH", path, later).status == 200)
        #expect(Self.code(await firm.owner.call("PATCH", path, ["ends_at": .null])) == "422 end_required")
        firm.platform.clock.advance(by: .hours(2))
        try await firm.platform.runDue()
        #expect(await contractor.call("GET", "/api/v1/users/me").status == 200)
        firm.platform.clock.advance(by: .hours(1))
        #expect(await contractor.call("GET", "/api/v1/users/me").status == 401)
        await firm.platform.close()
    }

    @Test("a removed member's sessions, API keys and seats end with the membership")
    func removed() async throws {
        let firm = try await Firm()
        let member = try await firm.member("dev@example.com", "developer")
        let made = await member.call("POST", "/api/v1/api-keys", ["name": "ci", "permissions": ["seats:acquire", "team:read"]])
        let key = Customer(platform: firm.platform, token: try #require(made["secret"]?.string, "\(made.text)"))
        #expect(await key.call("GET", "/api/v1/memberships").status == 200)
        let device: JSONValue = ["hardware_id": "hw-1", "hostname": "h", "os": "linux", "version": "1"]
        #expect(await key.call("POST", "/api/v1/licenses/acquire", device).status == 200)
        let team = await firm.owner.call("POST", "/api/v1/teams", ["name": "Engines"])
        let teamPath = "/api/v1/teams/\(try #require(team["id"]?.string, "\(team.text)"))"
        let id = try await firm.membership("dev@example.com")
        #expect(await firm.owner.call("PUT", "\(teamPath)/members/\(id)").status == 204)
        #expect(await firm.owner.call("DELETE", "/api/v1/memberships/\(id)").status == 204)
        #expect(await key.call("GET", "/api/v1/memberships").status == 401)
        #expect(await member.call("GET", "/api/v1/users/me").status == 401)
        #expect(await firm.owner.call("GET", "\(teamPath)/members")["membership_ids"]?.array?.isEmpty == true)
        try await firm.platform.runDue()
        #expect(await firm.owner.call("GET", "/api/v1/sessions")["sessions"]?.array?.isEmpty == true)
        #expect(await firm.owner.call("DELETE", teamPath).status == 204)
        // Back by a new invitation: the old key stays dead.
        let link = try await firm.invite("dev@example.com", "developer")
        #expect(await firm.platform.call("POST", "/api/v1/invitations/accept", ["token": .string(link)]).status == 200)
        #expect(await key.call("GET", "/api/v1/memberships").status == 401)
        #expect(try await firm.membership("dev@example.com") == id)
        await firm.platform.close()
    }

    @Test("a deactivated account ends everywhere at once: sessions, keys, seats")
    func deactivated() async throws {
        let firm = try await Firm()
        let member = try await firm.member("dev@example.com", "developer")
        let made = await member.call("POST", "/api/v1/api-keys", ["name": "ci", "permissions": ["seats:acquire"]])
        let key = try #require(made["secret"]?.string)
        let device: JSONValue = ["hardware_id": "hw-1", "hostname": "h", "os": "linux", "version": "1"]
        #expect(await member.call("POST", "/api/v1/licenses/acquire", device).status == 200)
        #expect(await member.call("POST", "/api/v1/users/me/deactivate", ["password": .string(Customer.password)]).status == 204)
        #expect(await firm.platform.call("POST", "/api/v1/licenses/acquire", device, token: key).status == 401)
        try await firm.platform.runDue()
        #expect(await firm.owner.call("GET", "/api/v1/sessions")["sessions"]?.array?.isEmpty == true)
        await firm.platform.close()
    }

    @Test("an auditor writes nothing, sees no more than its role, and every look of it stands in the journal")
    func auditor() async throws {
        let firm = try await Firm()
        let auditor = try await firm.member("audit@example.com", "auditor", endsAt: firm.now + .days(5))
        for path in ["/api/v1/memberships", "/api/v1/licenses", "/api/v1/sessions"] {
            #expect(await auditor.call("GET", path).status == 200, "\(path)")
        }
        let writes: [(String, String, JSONValue?)] = [
            ("POST", "/api/v1/invitations", Firm.body("x@example.com", "viewer")), ("POST", "/api/v1/teams", ["name": "T"]),
            ("PATCH", "/api/v1/orgs/current", ["name": "Mine"]),
            ("POST", "/api/v1/webhooks", ["url": "https://example.com", "events": ["*"]]),
            ("POST", "/api/v1/licenses/acquire", ["hardware_id": "h", "hostname": "h", "os": "l", "version": "1"]),
            ("DELETE", "/api/v1/memberships/\(try await firm.membership("ada@example.com"))", nil),
            ("GET", "/api/v1/invitations", nil), ("GET", "/api/v1/webhooks", nil),
        ]
        for (method, path, body) in writes { #expect(Self.code(await auditor.call(method, path, body)) == "403 forbidden", "\(path)") }
        let seen = try await firm.platform.journalActions()
        // All in one moment of the test's clock, and no order was promised there.
        #expect(
            seen.filter { $0.hasPrefix("permission.used permission:") }.map { $0.dropFirst("permission.used permission:".count) }.sorted()
                == ["licenses:read", "seats:read", "team:read"])
        await firm.platform.close()
    }
}
