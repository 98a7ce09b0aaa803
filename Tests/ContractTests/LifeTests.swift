import Foundation
import PlatformTesting
import Testing
import Vocabulary

@Suite("from sign-up to a seat, in one process")
struct LifeTests {
    @Test("a verified customer holds the free tier, activates a device and takes its one seat")
    func freeLife() async throws {
        let platform = try await TestPlatform.open(yaml: "http: {limits_enabled: false}")
        let ada = try await Customer.member(platform)
        let licenses = await ada.call("GET", "/api/v1/licenses")
        let license = try #require(licenses["licenses"]?.array?.first, "\(licenses.text)")
        #expect(license["tier"] == "free" && license["status"] == "active")
        let id = try #require(license["id"]?.string)
        let detail = await ada.call("GET", "/api/v1/licenses/\(id)")
        let key = try #require(detail["license"]?["key"]?.string, "\(detail.text)")
        let activated = await platform.call("POST", "/api/v1/licenses/activate", ["license_key": .string(key), "hardware_id": "hw-1"])
        #expect(activated.status == 200, "\(activated.text)")
        let other = await platform.call("POST", "/api/v1/licenses/activate", ["license_key": .string(key), "hardware_id": "hw-2"])
        #expect(other.status == 409 && other["error"] == "activation_limit_reached", "\(other.text)")
        let valid = await platform.call("POST", "/api/v1/licenses/validate", ["license_key": .string(key), "hardware_id": "hw-1"])
        #expect(valid["valid"] == true, "\(valid.text)")

        let first = await ada.call("POST", "/api/v1/licenses/acquire", device("hw-1"))
        #expect(first.status == 200 && first["seats_used"] == 1 && first["seats_total"] == 1, "\(first.text)")
        let again = await ada.call("POST", "/api/v1/licenses/acquire", device("hw-1"))
        #expect(again["session_id"] == first["session_id"])
        let refused = await ada.call("POST", "/api/v1/licenses/acquire", device("hw-2"))
        #expect(
            refused.status == 429 && refused["error"] == "no_seats_available" && refused["retry_after"]?.int ?? 0 > 0, "\(refused.text)")

        platform.clock.advance(by: .seconds(361))
        let later = await ada.call("POST", "/api/v1/licenses/acquire", device("hw-2"))
        #expect(later.status == 200, "an expired lease gives its seat back without any sweep: \(later.text)")
        await platform.close()
    }

    @Test("an edited policy lends a seat at the next request; a broken edit changes nothing")
    func overdraft() async throws {
        let policies = FileManager.default.temporaryDirectory.appendingPathComponent("policies-\(UUID().uuidString)")
        try FileManager.default.copyItem(at: TestPlatform.root.appendingPathComponent("policies"), to: policies)
        defer { try? FileManager.default.removeItem(at: policies) }
        let platform = try await TestPlatform.open(yaml: "http: {limits_enabled: false}", policies: policies)
        let ada = try await Customer.member(platform)
        #expect(await ada.call("POST", "/api/v1/licenses/acquire", device("hw-1")).status == 200)
        #expect(await ada.call("POST", "/api/v1/licenses/acquire", device("hw-2")).status == 429)

        let file = policies.appendingPathComponent("init.lua")
        let before = try String(contentsOf: file, encoding: .utf8)
        try before.replacingOccurrences(of: "overdraft_seats = 0", with: "overdraft_seats = 1").write(
            to: file, atomically: true, encoding: .utf8)
        platform.platform.reloadPolicies()
        let lent = await ada.call("POST", "/api/v1/licenses/acquire", device("hw-2"))
        #expect(lent.status == 200 && lent["seats_used"] == 2, "\(lent.text)")
        #expect(await ada.call("POST", "/api/v1/licenses/acquire", device("hw-3")).status == 429)

        try "return {".write(to: file, atomically: true, encoding: .utf8)
        platform.platform.reloadPolicies()
        #expect(await ada.call("POST", "/api/v1/licenses/acquire", device("hw-2")).status == 200, "the set before goes on")
        await platform.close()
    }

    @Test("another company's tiers are an edit, not a build")
    func otherTiers() async throws {
        let policies = FileManager.default.temporaryDirectory.appendingPathComponent("policies-\(UUID().uuidString)")
        try FileManager.default.copyItem(at: TestPlatform.root.appendingPathComponent("policies"), to: policies)
        defer { try? FileManager.default.removeItem(at: policies) }
        let platform = try await TestPlatform.open(policies: policies)
        let file = policies.appendingPathComponent("tiers.lua")
        let before = try String(contentsOf: file, encoding: .utf8)
        let plans = await platform.call("GET", "/api/v1/plans")
        let team = plans["plans"]?.array?.first { $0["id"] == "team" }
        #expect(team?["prices"]?.array?.contains { $0["amount_minor"] == 2_900 } == true, "\(plans.text)")
        try before.replacingOccurrences(of: "2900", with: "3100").write(to: file, atomically: true, encoding: .utf8)
        platform.platform.reloadPolicies()
        let after = await platform.call("GET", "/api/v1/plans")
        #expect(after.text.contains("3100") && !after.text.contains("2900"), "\(after.text)")
        try before.replacingOccurrences(of: "2900", with: "29.5").write(to: file, atomically: true, encoding: .utf8)
        platform.platform.reloadPolicies()
        #expect(await platform.call("GET", "/api/v1/plans").text == after.text, "a fraction of a cent is refused and the old prices stay")
        await platform.close()
    }

    @Test("another tenant's licence, session and lease are not there")
    func otherTenant() async throws {
        let platform = try await TestPlatform.open(yaml: "http: {limits_enabled: false}")
        let ada = try await Customer.member(platform)
        let bob = try await Customer.member(platform, "bob@example.org")
        let license = try #require(await ada.call("GET", "/api/v1/licenses")["licenses"]?.array?.first?["id"]?.string)
        #expect(await bob.call("GET", "/api/v1/licenses/\(license)").status == 404)
        let lease = await ada.call("POST", "/api/v1/licenses/acquire", device("hw-1"))
        let session: JSONValue = ["session_id": lease["session_id"] ?? .null]
        #expect(await bob.call("POST", "/api/v1/licenses/heartbeat", session).status == 404)
        #expect(await bob.call("POST", "/api/v1/licenses/release", session).status == 404)
        #expect(await ada.call("POST", "/api/v1/licenses/heartbeat", session)["status"] == "ok")
        await platform.close()
    }

    @Test("the same Idempotency-Key gives the first answer; with another request it is refused")
    func idempotency() async throws {
        let platform = try await TestPlatform.open(yaml: "http: {limits_enabled: false}")
        let ada = try await Customer.member(platform)
        let first = await ada.call("POST", "/api/v1/licenses/acquire", device("hw-1"), key: "k-1")
        let again = await ada.call("POST", "/api/v1/licenses/acquire", device("hw-1"), key: "k-1")
        #expect(first.status == 200 && again["session_id"] == first["session_id"] && again["expires_at"] == first["expires_at"])
        let other = await ada.call("POST", "/api/v1/licenses/acquire", device("hw-2"), key: "k-1")
        #expect(other.status == 422 && other["error"] == "idempotency_key_reused", "\(other.text)")
        await platform.close()
    }

    private func device(_ id: String) -> JSONValue { ["hardware_id": .string(id), "hostname": "engine", "os": "linux", "version": "1"] }
}
