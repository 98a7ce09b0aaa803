import Foundation
import PlatformTesting
import Testing
import Vocabulary

@Suite("licences that are ended by hand")
struct RevocationTests {
    private func device(_ id: String) -> JSONValue { ["hardware_id": .string(id)] }

    /// Whoever opened the link that the server printed at its first start.
    private func administrator(_ platform: TestPlatform) async throws -> Customer {
        let lines = await platform.platform.greeting(address: "http://127.0.0.1:1")
        let line = try #require(lines.first { $0.contains("first-administrator?token=") })
        let token = try #require(line.split(separator: "=").last?.prefix { !$0.isWhitespace })
        let made = await platform.call(
            "POST", "/api/v1/auth/first-administrator",
            [
                "token": .string(String(token)), "email": "root@example.com", "password": .string(Customer.password), "first_name": "Grace",
                "last_name": "Hopper",
            ])
        #expect(made.status < 300, "\(made.text)")
        let login = await platform.call(
            "POST", "/api/v1/auth/login", ["email": "root@example.com", "password": .string(Customer.password)])
        return Customer(platform: platform, token: try #require(login["access_token"]?.string, "\(login.text)"))
    }

    @Test("a revoked licence ends its seats at the next heartbeat, and nothing brings it back")
    func live() async throws {
        let platform = try await TestPlatform.open(yaml: "http: {limits_enabled: false}")
        let ada = try await Customer.member(platform)
        let bob = try await Customer.member(platform, "bob@example.org")
        let id = try #require(await ada.call("GET", "/api/v1/licenses")["licenses"]?.array?.first?["id"]?.string)
        let key = try #require(await ada.call("GET", "/api/v1/licenses/\(id)")["license"]?["key"]?.string)
        let keyed: JSONValue = ["license_key": .string(key), "hardware_id": "hw-1"]
        #expect(await platform.call("POST", "/api/v1/licenses/activate", keyed).status == 200)
        let lease = await ada.call("POST", "/api/v1/licenses/acquire", device("hw-1"))
        let session: JSONValue = ["session_id": lease["session_id"] ?? .null]
        #expect(await ada.call("POST", "/api/v1/licenses/heartbeat", session)["status"] == "ok")

        let path = "/api/v1/licenses/\(id)/revoke"
        #expect(await bob.call("POST", path, ["reason": "envy"]).status == 404)
        #expect(await platform.call("POST", path, ["reason": "x"]).status == 401)
        #expect(await ada.call("POST", path, [:])["error"] == "validation_failed")
        let answer = await ada.call("POST", path, ["reason": "the key leaked"])
        #expect(answer.status == 200 && answer["license"]?["status"] == "revoked", "\(answer.text)")
        #expect(await ada.call("POST", path, ["reason": "again"]).text == answer.text)

        let beat = await ada.call("POST", "/api/v1/licenses/heartbeat", session)
        #expect(beat.status == 403 && beat["error"] == "license_revoked", "\(beat.text)")
        #expect(await ada.call("GET", "/api/v1/sessions")["sessions"] == .array([]))
        #expect(await ada.call("POST", "/api/v1/licenses/acquire", device("hw-1"))["error"] == "license_revoked")
        let checked = await platform.call("POST", "/api/v1/licenses/validate", keyed)
        #expect(checked.status == 200 && checked["valid"] == false && checked["code"] == "revoked", "\(checked.text)")
        #expect(await platform.call("POST", "/api/v1/licenses/activate", keyed)["error"] == "license_revoked")
        // Off the device it can be taken all the same.
        #expect(await platform.call("POST", "/api/v1/licenses/deactivate", keyed).status == 200)
        try await platform.runDue()
        let mails = try FileManager.default.contentsOfDirectory(atPath: platform.data.appendingPathComponent("mailbox").path)
        let texts = mails.compactMap { try? String(contentsOf: platform.data.appendingPathComponent("mailbox/\($0)"), encoding: .utf8) }
        #expect(texts.filter { $0.contains("A licence has ended") && $0.contains("<ada@example.com>") }.count == 1)
        await platform.close()
    }

    @Test("the platform's administrator sees and revokes a tenant's licence; the tenant's owner may not by that way")
    func staff() async throws {
        let platform = try await TestPlatform.open(yaml: "http: {limits_enabled: false}")
        let ada = try await Customer.member(platform)
        let root = try await administrator(platform)
        let tenant = try #require(await ada.call("GET", "/api/v1/orgs/current")["id"]?.string)
        let path = "/api/v1/admin/tenants/\(tenant)/licenses"
        #expect(await ada.call("GET", path)["error"] == "forbidden")
        let listed = await root.call("GET", path)
        let id = try #require(listed["licenses"]?.array?.first?["id"]?.string, "\(listed.text)")
        #expect(await ada.call("POST", "\(path)/\(id)/revoke", ["reason": "x"])["error"] == "forbidden")
        let answer = await root.call("POST", "\(path)/\(id)/revoke", ["reason": "fraud"])
        #expect(answer["license"]?["status"] == "revoked", "\(answer.text)")
        #expect(await ada.call("GET", "/api/v1/licenses")["licenses"]?.array?.first?["status"] == "revoked")
        #expect(await root.call("POST", "\(path)/\(tenant)/revoke", ["reason": "x"]).status == 404)
        await platform.close()
    }
}
