import Foundation
import PlatformTesting
import Testing
import Vocabulary

@testable import Composition

/// A tenant that lets its people in from its own networks alone, seen from both sides of its wall.
@Suite("allowed networks")
struct AllowedNetworkTests {
    private static let path = "/api/v1/orgs/current/allowed-networks"
    private static let office = "203.0.113.40"
    private static let cafe = "198.51.100.7"
    private static let elsewhere = "403 address_not_allowed"

    private static func code(_ answer: TestPlatform.Answer) -> String { "\(answer.status) \(answer["error"]?.string ?? "")" }

    /// A stage behind a proxy whose word of addresses is believed.
    private static func stage() async throws -> ImpersonationTests.Stage {
        try await ImpersonationTests.Stage(yaml: "http: {limits_enabled: false, trusted_proxies: [127.0.0.1]}")
    }
    private static func call(
        _ who: Customer, _ method: String, _ target: String, _ body: JSONValue? = nil, from address: String
    ) async -> TestPlatform.Answer {
        await who.platform.call(
            method, target, body, token: who.token.isEmpty ? nil : who.token, headers: ["x-forwarded-for": address])
    }
    private static func close(
        _ who: Customer, _ networks: [String] = ["203.0.113.0/24", "2001:db8::/32"], keys: Bool = false
    ) async -> TestPlatform.Answer {
        let body: JSONValue = ["networks": .array(networks.map { .string($0) }), "covers_license_keys": .bool(keys)]
        return await call(who, "PUT", path, body, from: office)
    }

    @Test("binds tokens, API keys, refreshing and signing in from the next request on, and lets everybody sign out")
    func everyWay() async throws {
        let stage = try await Self.stage()
        let (owner, platform) = (stage.firm.owner, stage.firm.platform)
        let nobody = Customer(platform: platform)
        let login: JSONValue = ["email": "ada@example.com", "password": .string(Customer.password)]
        let tokens = await Self.call(nobody, "POST", "/api/v1/auth/login", login, from: Self.cafe)
        let away = Customer(platform: platform, token: try #require(tokens["access_token"]?.string))
        let refresh: JSONValue = ["refresh_token": try #require(tokens["refresh_token"])]
        let made = await Self.call(
            owner, "POST", "/api/v1/api-keys", ["name": "ci", "permissions": ["team:read"]], from: Self.office)
        let key = Customer(platform: platform, token: try #require(made["secret"]?.string))

        let rule = await Self.close(owner)
        #expect(rule.status == 200 && rule["networks"] == ["2001:db8::/32", "203.0.113.0/24"], "\(rule.text)")
        for (who, target) in [(away, "/api/v1/users/me"), (away, "/api/v1/memberships"), (key, "/api/v1/memberships")] {
            #expect(Self.code(await Self.call(who, "GET", target, from: Self.cafe)) == Self.elsewhere)
            #expect(await Self.call(who, "GET", target, from: Self.office).status == 200)
            #expect(await Self.call(who, "GET", target, from: "2001:db8:5::1").status == 200)
        }
        #expect(Self.code(await Self.call(nobody, "POST", "/api/v1/auth/login", login, from: Self.cafe)) == Self.elsewhere)
        #expect(Self.code(await Self.call(nobody, "POST", "/api/v1/auth/refresh", refresh, from: Self.cafe)) == Self.elsewhere)
        // The token was not spent by that.
        #expect(await Self.call(nobody, "POST", "/api/v1/auth/refresh", refresh, from: Self.office).status == 200)
        #expect(await Self.call(nobody, "POST", "/api/v1/auth/login", login, from: Self.office).status == 200)
        let seat: JSONValue = ["hardware_id": "hw", "hostname": "h", "os": "linux", "version": "1"]
        #expect(Self.code(await Self.call(away, "POST", "/api/v1/licenses/acquire", seat, from: Self.cafe)) == Self.elsewhere)
        #expect(await Self.call(away, "POST", "/api/v1/auth/logout", from: Self.cafe).status == 204)
        #expect(try await platform.journalActions().contains { $0.hasPrefix("session.refused ") })
        await platform.close()
    }

    @Test("a heartbeat and a page are kept out too; who names a network in a header that no proxy wrote is not believed")
    func pagesAndLeases() async throws {
        let stage = try await Self.stage()
        let (owner, platform) = (stage.firm.owner, stage.firm.platform)
        let seat: JSONValue = ["hardware_id": "hw", "hostname": "h", "os": "linux", "version": "1"]
        let lease = await Self.call(owner, "POST", "/api/v1/licenses/acquire", seat, from: Self.cafe)
        let beat: JSONValue = ["session_id": try #require(lease["session_id"])]
        #expect(await Self.close(owner).status == 200)
        #expect(Self.code(await Self.call(owner, "POST", "/api/v1/licenses/heartbeat", beat, from: Self.cafe)) == Self.elsewhere)
        #expect(await Self.call(owner, "POST", "/api/v1/licenses/heartbeat", beat, from: Self.office).status == 200)
        // The client's own claim stands left of what the proxy saw.
        let claimed = "\(Self.office), \(Self.cafe)"
        #expect(Self.code(await Self.call(owner, "GET", "/api/v1/users/me", from: claimed)) == Self.elsewhere)
        #expect(Self.code(await Self.call(owner, "GET", "/api/v1/users/me", from: "not an address")) == Self.elsewhere)
        await platform.close()
    }

    @Test("nobody keeps himself out by mistake, no nonsense is kept, and every change stands in the journal")
    func mistakes() async throws {
        let stage = try await Self.stage()
        let owner = stage.firm.owner
        let far: JSONValue = ["networks": ["192.0.2.0/24"]]
        let refused = await Self.call(owner, "PUT", Self.path, far, from: Self.office)
        #expect(Self.code(refused) == "409 allow_list_excludes_you" && refused["address"]?.string == Self.office)
        for nonsense in [["10.0.0.0/33"], ["example.com"], ["10.0.0"], [], ["10.0.0.0/8/8"], ["::ffff:10.0.0.0/104"]] as [JSONValue] {
            #expect(await Self.call(owner, "PUT", Self.path, ["networks": nonsense], from: Self.office).status == 422, "\(nonsense)")
        }
        let many: JSONValue = .array((0..<101).map { .string("10.0.\($0).0/24") })
        #expect(await Self.call(owner, "PUT", Self.path, ["networks": many], from: Self.office).status == 422)
        #expect(await Self.call(owner, "GET", Self.path, from: Self.cafe)["networks"] == .null)

        let confirmed: JSONValue = ["networks": ["192.0.2.9/24", "192.0.2.1/24"], "confirm_exclusion": true]
        let done = await Self.call(owner, "PUT", Self.path, confirmed, from: Self.office)
        #expect(done.status == 200 && done["networks"] == ["192.0.2.0/24"], "one spelling for each: \(done.text)")
        #expect(Self.code(await Self.call(owner, "GET", Self.path, from: Self.office)) == Self.elsewhere)
        #expect(await Self.call(owner, "DELETE", Self.path, from: "192.0.2.200").status == 204)
        #expect(await Self.call(owner, "GET", Self.path, from: Self.office).status == 200)
        let said = try await stage.firm.platform.journalActions().filter { $0.hasPrefix("address_rule.") }
        #expect(said.map { $0.split(separator: " ")[0] } == ["address_rule.set", "address_rule.removed"])
        await stage.firm.platform.close()
    }

    @Test("an admin reads the list and cannot change it; whoever belongs to two tenants gets into the other one")
    func others() async throws {
        let stage = try await Self.stage()
        let (firm, platform) = (stage.firm, stage.firm.platform)
        let admin = try await firm.member("admin@example.com", "admin")
        #expect(await Self.close(firm.owner).status == 200)
        #expect(await Self.call(admin, "GET", Self.path, from: Self.office).status == 200)
        #expect(Self.code(await Self.call(admin, "DELETE", Self.path, from: Self.office)) == "403 forbidden")

        let made = await Self.call(firm.owner, "POST", "/api/v1/orgs", ["name": "Second Firm"], from: Self.office)
        let second = try #require(made["id"]?.string)
        let login: JSONValue = ["email": "ada@example.com", "password": .string(Customer.password)]
        let signedIn = await Self.call(Customer(platform: platform), "POST", "/api/v1/auth/login", login, from: Self.cafe)
        #expect(signedIn["user"]?["tenant_id"]?.string == second, "\(signedIn.text)")
        let there = Customer(platform: platform, token: try #require(signedIn["access_token"]?.string))
        #expect(await Self.call(there, "GET", "/api/v1/users/me", from: Self.cafe).status == 200)
        let back: JSONValue = ["tenant_id": .string(stage.tenant)]
        #expect(Self.code(await Self.call(there, "POST", "/api/v1/auth/switch", back, from: Self.cafe)) == Self.elsewhere)
        await platform.close()
    }

    @Test("staff suspends the list for a time, with a reason that the tenant reads; impersonation passes it")
    func breakGlass() async throws {
        let stage = try await Self.stage()
        let (owner, platform) = (stage.firm.owner, stage.firm.platform)
        #expect(await Self.close(owner).status == 200)
        let lift = "/api/v1/admin/tenants/\(stage.tenant)/allowed-networks/lift"
        let why: JSONValue = ["reason": "ticket 4712: their provider renumbered", "minutes": 30]
        #expect(Self.code(await Self.call(owner, "POST", lift, why, from: Self.office)) == "403 forbidden")
        #expect(Self.code(await Self.call(stage.root, "POST", lift, ["reason": "why"], from: Self.cafe)) == "422 validation_failed")
        let lifted = await Self.call(stage.root, "POST", lift, why, from: Self.cafe)
        #expect(lifted.status == 200, "\(lifted.text)")
        #expect(await Self.call(owner, "GET", Self.path, from: Self.cafe)["lifted_until"] == lifted["lifted_until"])
        platform.clock.advance(by: .seconds(1_799))
        #expect(await Self.call(owner, "GET", Self.path, from: Self.cafe).status == 200)
        platform.clock.advance(by: .seconds(1))
        #expect(Self.code(await Self.call(owner, "GET", Self.path, from: Self.cafe)) == Self.elsewhere, "to the second")
        #expect(await Self.call(stage.root, "POST", lift, why, from: Self.cafe).status == 200)
        #expect(await Self.call(stage.root, "DELETE", lift, from: Self.cafe).status == 204)
        #expect(Self.code(await Self.call(owner, "GET", Self.path, from: Self.cafe)) == Self.elsewhere)
        let stranger = "/api/v1/admin/tenants/\(UUID().uuidString.lowercased())/allowed-networks/lift"
        #expect(await Self.call(stage.root, "POST", stranger, why, from: Self.cafe).status == 404)
        let said = try await platform.journalActions().filter { $0.hasPrefix("address_rule.lifted") }
        #expect(said == Array(repeating: "address_rule.lifted tenant:\(stage.tenant)", count: 4), "the tenant's and the platform's")
        let (_, staff) = try await stage.start()
        #expect(await Self.call(staff, "GET", "/api/v1/memberships", from: Self.cafe).status == 200)
        await platform.close()
    }

    @Test("a licence key alone opens nothing from elsewhere where the list says so")
    func licenseKeys() async throws {
        let stage = try await Self.stage()
        let (owner, platform) = (stage.firm.owner, stage.firm.platform)
        let list = await Self.call(owner, "GET", "/api/v1/licenses", from: Self.office)
        let id = try #require(list["licenses"]?.array?.first?["id"]?.string)
        let full = await Self.call(owner, "GET", "/api/v1/licenses/\(id)", from: Self.office)
        let body: JSONValue = ["license_key": try #require(full["license"]?["key"]), "hardware_id": "hw-1"]
        let nobody = Customer(platform: platform)
        func validate(_ address: String) async -> String? {
            await Self.call(nobody, "POST", "/api/v1/licenses/validate", body, from: address)["code"]?.string
        }
        #expect(await Self.close(owner).status == 200)
        #expect(await validate(Self.cafe) == "not_activated", "the list covers people alone until it says more")
        #expect(await Self.close(owner, keys: true).status == 200)
        #expect(await validate(Self.cafe) == "address_not_allowed")
        #expect(await validate(Self.office) == "not_activated")
        for way in ["activate", "deactivate"] {
            #expect(Self.code(await Self.call(nobody, "POST", "/api/v1/licenses/\(way)", body, from: Self.cafe)) == Self.elsewhere)
        }
        #expect(await Self.call(nobody, "POST", "/api/v1/licenses/activate", body, from: Self.office).status == 200)
        await platform.close()
    }
}
