import Foundation
import PlatformTesting
import Testing
import Vocabulary

/// API keys as programs use them: for what they name, never for more than their owner may.
@Suite("API keys")
struct APIKeyTests {
    private static func code(_ answer: TestPlatform.Answer) -> String { "\(answer.status) \(answer["error"]?.string ?? "")" }

    private static func make(
        _ owner: Customer, _ permissions: [String], days: Int? = nil
    ) async throws -> (id: String, key: Customer) {
        var body: [String: JSONValue] = ["name": "ci", "permissions": .array(permissions.map { .string($0) })]
        if let days { body["expires_in_days"] = .int(Int64(days)) }
        let made = await owner.call("POST", "/api/v1/api-keys", .object(body))
        guard let secret = made["secret"]?.string, let id = made["api_key"]?["id"]?.string else {
            throw Unexpected(what: "key", answer: made)
        }
        return (id, Customer(platform: owner.platform, token: secret))
    }

    @Test("a key reaches what it names, and nothing that is a person's own or makes keys")
    func reach() async throws {
        let firm = try await PeopleTests.Firm()
        let (id, key) = try await Self.make(firm.owner, ["team:read"])
        #expect(await key.call("GET", "/api/v1/memberships").status == 200)
        for (method, path, body) in [
            ("GET", "/api/v1/licenses", nil), ("POST", "/api/v1/teams", ["name": "T"] as JSONValue), ("GET", "/api/v1/users/me", nil),
            ("PATCH", "/api/v1/users/me", ["first_name": "Eve"]), ("GET", "/api/v1/auth/sessions", nil),
            ("POST", "/api/v1/auth/password/change", ["current_password": "x", "new_password": "walnut-heron-compass-77"]),
            ("POST", "/api/v1/orgs/current/leave", nil), ("GET", "/api/v1/api-keys", nil), ("DELETE", "/api/v1/api-keys/\(id)", nil),
            ("POST", "/api/v1/licenses/heartbeat", ["session_id": .string(id)]),
        ] as [(String, String, JSONValue?)] {
            #expect(Self.code(await key.call(method, path, body)) == "403 key_out_of_scope", "\(method) \(path)")
        }
        // Never more than its owner has, never what no key can carry.
        let member = try await firm.member("dev@example.com", "developer")
        for wanted in [["billing:write"], ["api_keys:own"], ["*"], [], ["nothing:read"], ["team:read", "staff:billing"]] {
            await #expect(throws: Unexpected.self, "\(wanted)") { _ = try await Self.make(member, wanted) }
        }
        #expect(Self.code(await member.call("DELETE", "/api/v1/api-keys/\(id)")) == "404 not_found")
        #expect(Self.code(await member.call("GET", "/api/v1/orgs/current/api-keys")) == "403 forbidden")
        #expect(await firm.owner.call("GET", "/api/v1/orgs/current/api-keys")["api_keys"]?.array?.count == 1)
        await firm.platform.close()
    }

    @Test("an owner's lowered role lowers the key at once")
    func lowered() async throws {
        let firm = try await PeopleTests.Firm()
        let admin = try await firm.member("adm@example.com", "admin")
        let (_, key) = try await Self.make(admin, ["team:read", "team:manage", "seats:acquire"])
        #expect(await key.call("POST", "/api/v1/teams", ["name": "One"]).status == 201)
        let path = "/api/v1/memberships/\(try await firm.membership("adm@example.com"))"
        #expect(await firm.owner.call("PATCH", path, ["role": "developer"]).status == 200)
        #expect(Self.code(await key.call("POST", "/api/v1/teams", ["name": "Two"])) == "403 forbidden")
        #expect(await key.call("GET", "/api/v1/memberships").status == 200)
        #expect(await firm.owner.call("PATCH", path, ["role": "viewer"]).status == 200)
        #expect(Self.code(await key.call("GET", "/api/v1/memberships")) == "403 forbidden")
        await firm.platform.close()
    }

    @Test("a rotated key overlaps with the one before, which ends to the microsecond")
    func rotation() async throws {
        let firm = try await PeopleTests.Firm()
        let (id, first) = try await Self.make(firm.owner, ["team:read"])
        let rotated = await firm.owner.call("POST", "/api/v1/api-keys/\(id)/rotate", ["overlap_hours": 2])
        let second = Customer(platform: firm.platform, token: try #require(rotated["secret"]?.string, "\(rotated.text)"))
        #expect(await first.call("GET", "/api/v1/memberships").status == 200)
        #expect(await second.call("GET", "/api/v1/memberships").status == 200)
        firm.platform.clock.advance(by: .hours(2) - .microseconds(1))
        #expect(await first.call("GET", "/api/v1/memberships").status == 200)
        firm.platform.clock.advance(by: .microseconds(1))
        #expect(await first.call("GET", "/api/v1/memberships").status == 401)
        #expect(await second.call("GET", "/api/v1/memberships").status == 200)
        // Without an overlap the present one ends at once.
        let third = await firm.owner.call("POST", "/api/v1/api-keys/\(id)/rotate", ["overlap_hours": 0])
        #expect(third.status == 200)
        #expect(await second.call("GET", "/api/v1/memberships").status == 401)
        let listed = await firm.owner.call("GET", "/api/v1/api-keys")
        let shown = try #require(listed["api_keys"]?.array?.first)
        let newest = try #require(third["secret"]?.string)
        #expect(shown["last_used_at"]?.string != nil && !listed.text.contains(newest))
        await firm.platform.close()
    }

    @Test("a key ends with its time, and revoked with its owner's or a manager's word")
    func ends() async throws {
        let firm = try await PeopleTests.Firm()
        let (_, short) = try await Self.make(firm.owner, ["team:read"], days: 1)
        let (id, long) = try await Self.make(firm.owner, ["team:read"], days: 300)
        firm.platform.clock.advance(by: .days(1))
        #expect(await short.call("GET", "/api/v1/memberships").status == 401)
        #expect(await long.call("GET", "/api/v1/memberships").status == 200)
        let owner = try await firm.signIn("ada@example.com")
        #expect(await owner.call("DELETE", "/api/v1/orgs/current/api-keys/\(id)").status == 204)
        #expect(await long.call("GET", "/api/v1/memberships").status == 401)
        #expect(Self.code(await owner.call("DELETE", "/api/v1/api-keys/\(id)")) == "409 api_key_over")
        for bad in ["cok_", "cok_\(String(repeating: "a", count: 52))", long.token + "x", String(long.token.dropLast()) + "!"] {
            #expect(await firm.platform.call("GET", "/api/v1/memberships", token: bad).status == 401)
        }
        await firm.platform.close()
    }

    @Test("what a key does stands in the journal under both names, and its secret stands nowhere")
    func names() async throws {
        let firm = try await PeopleTests.Firm()
        let (id, key) = try await Self.make(firm.owner, ["team:manage"])
        #expect(await key.call("POST", "/api/v1/teams", ["name": "One"]).status == 201)
        let actors = try await firm.platform.journalActors("team.created")
        #expect(actors.count == 1 && actors[0].hasPrefix("key:\(id) for user:"))
        let secret = Data(key.token.dropFirst(13).utf8)
        for file in FileManager.default.enumerator(at: firm.platform.data, includingPropertiesForKeys: nil)?.allObjects ?? [] {
            guard let url = file as? URL, let bytes = try? Data(contentsOf: url) else { continue }
            #expect(bytes.range(of: secret) == nil, "\(url.lastPathComponent)")
        }
        await firm.platform.close()
    }
}
