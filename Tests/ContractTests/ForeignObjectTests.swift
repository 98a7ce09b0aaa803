import Composition
import Foundation
import HTTPEdge
import PlatformTesting
import Testing
import Vocabulary

/// Every route that takes the id of an object, called by an owner with the ids of another tenant's objects.
@Suite("another tenant's objects")
struct ForeignObjectTests {
    /// What a body must hold to be read at all, by the route's name.
    private static let bodies: [String: JSONValue] = [
        "memberships.change": ["role": "viewer"], "teams.rename": ["name": "Mine"], "api_keys.rotate": [:],
        "webhooks.change": ["description": "x"],
        "webhooks.rotate_secret": [:], "webhooks.test": [:], "webhooks.replay": ["since": "2027-01-01T00:00:00Z"],
        "sessions.release": ["reason": "mine"], "licenses.revoke": ["reason": "mine"],
        "reservations.put": ["seats": 1, "user_ids": []],
        "compliance.decide_access": ["membership_id": "01a00000-0000-7000-8000-000000000000", "decision": "removed"],
        "sso.change_connection": ["label": "Mine", "settings": ["issuer": "https://login.example.com"]],
        "projects.change": ["name": "Mine"], "projects.share": ["level": "write"],
        "uploads.declare": [
            "path": "mine", "content_type": "text/plain", "size_bytes": 0,
            "hash": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ],
        "sso.test_directory": ["user": "ada", "password": "a password of hers"],
    ]

    @Test("is not found, by whatever route, and stays as it was")
    func sweep() async throws {
        // Files lie in a plugin; frameworks of others would be everybody's.
        let plugins = FileManager.default.temporaryDirectory.appendingPathComponent("plugins-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: plugins) }
        try FileManager.default.createDirectory(at: plugins, withIntermediateDirectories: true)
        try FileManager.default.copyItem(
            at: TestPlatform.plugins.appendingPathComponent("local-files"), to: plugins.appendingPathComponent("local-files"))
        let firm = try await PeopleTests.Firm(plugins: plugins)
        let platform = firm.platform
        await platform.platform.plugins.load()
        let ids = try await Self.objects(firm)
        let stranger = try await Customer.member(platform, "eve@example.com")
        var asked = 0
        for route in platform.platform.routes where route.path.hasPrefix("/api/v1/") && route.path.contains("{") {
            switch route.access {
            case .permission(let permission):
                // The platform's own are not a tenant's: an owner may not call them at all.
                if ["staff", "plugins", "policies", "platform", "platform_compliance"].contains(
                    String(permission.name.prefix { $0 != ":" }))
                {
                    continue
                }
            case .session: break
            default: continue
            }
            for id in ids[Self.noun(route)] ?? [] {
                var path = ["id", "domain", "framework"].reduce(route.path) { $0.replacing("{\($1)}", with: id) }
                let others = [
                    "membership": ids["memberships"]?.first, "message": "msg_x", "name": "mine", "hash": ids["hash"]?.first,
                    "control": "CC6.1", "target": "everyone",
                ]
                for (name, value) in others {
                    path = path.replacing("{\(name)}", with: value ?? "x")
                }
                var body = Self.bodies[route.name]
                if body == nil, route.request != nil { body = [:] }
                let answer = await stranger.call(route.method.rawValue, path, body)
                #expect(answer.status == 404, "\(route.name): \(answer.status) \(answer.text)")
                asked += 1
            }
            #expect(ids[Self.noun(route)] != nil, "no object for \(route.name): make one in this test")
        }
        #expect(asked >= 25)
        #expect(await firm.memberships().count == 2)
        #expect(await firm.owner.call("GET", "/api/v1/sessions")["sessions"]?.array?.count == 1)
        await platform.close()
    }

    /// `/api/v1/webhooks/{id}/test` → `webhooks`.
    private static func noun(_ route: Route) -> String {
        let parts = route.path.split(separator: "/").map(String.init)
        let place = parts.firstIndex { $0.hasPrefix("{") } ?? 0
        return parts[place] == "{hash}" ? "hash" : parts[place - 1] == "sessions" && parts[place - 2] == "auth" ? "auth" : parts[place - 1]
    }

    /// One of each, of the firm's.
    private static func objects(_ firm: PeopleTests.Firm) async throws -> [String: [String]] {
        let owner = firm.owner
        _ = try await firm.member("dev@example.com", "developer")
        func make(_ path: String, _ body: JSONValue, _ read: (TestPlatform.Answer) -> String?) async throws -> String {
            let answer = await owner.call("POST", path, body)
            guard let id = read(answer) else { throw Unexpected(what: path, answer: answer) }
            return id
        }
        let seat = try await make(
            "/api/v1/licenses/acquire", ["hardware_id": "hw", "hostname": "h", "os": "linux", "version": "1"]
        ) { $0["session_id"]?.string }
        let licence = await owner.call("GET", "/api/v1/licenses")["licenses"]?.array?.first?["id"]?.string
        let rule = "return { id = 'own.rule', api = 1, on_seat_request = function() end }"
        let files: JSONValue = ["init.lua": "return { tenant = { 'own/rule' } }", "own/rule/policy.lua": .string(rule)]
        let project = try await make("/api/v1/projects", ["name": "Engine"]) { $0["id"]?.string }
        let upload = try await make("/api/v1/projects/\(project)/uploads", bodies["uploads.declare"] ?? [:]) { $0["id"]?.string }
        let stored = await owner.call("POST", "/api/v1/projects/\(project)/uploads", bodies["uploads.declare"])
        let address = stored["address"]?["url"]?.string?.replacing("http://127.0.0.1", with: "") ?? ""
        let file = await firm.platform.call("PUT", address, raw: Data())["file"]?["id"]?.string
        let sessions = await owner.call("GET", "/api/v1/auth/sessions")["sessions"]?.array?.compactMap { $0["id"]?.string }
        return [
            "memberships": [try await firm.membership("dev@example.com"), try await firm.membership("ada@example.com")],
            "invitations": [
                try await make("/api/v1/invitations", PeopleTests.Firm.body("x@example.com", "viewer")) { $0["id"]?.string }
            ],
            "teams": [try await make("/api/v1/teams", ["name": "Engines"]) { $0["id"]?.string }],
            "api-keys": [
                try await make("/api/v1/api-keys", ["name": "ci", "permissions": ["team:read"]]) { $0["api_key"]?["id"]?.string }
            ],
            "webhooks": [
                try await make("/api/v1/webhooks", ["url": "https://example.com/hook", "events": ["*"]]) { $0["webhook"]?["id"]?.string }
            ],
            "hash": [try await make("/api/v1/orgs/current/policies", ["files": files]) { $0["policy_hash"]?.string }],
            "projects": [project], "uploads": [upload], "files": [file ?? "no file"], "sessions": [seat], "auth": sessions ?? [],
            "licenses": [licence ?? ""],
            "access-reviews": [try await make("/api/v1/compliance/access-reviews", [:]) { $0["id"]?.string }],
            "domains": [try await make("/api/v1/sso/domains", ["domain": "firm.example.com"]) { $0["domain"]?.string }],
            // Sold, signed in or judged by no plugin here: ids of nobody's.
            "connections": [UUID().uuidString.lowercased()], "links": [UUID().uuidString.lowercased()], "frameworks": ["soc2"],
            "impersonations": [UUID().uuidString.lowercased()], "invoices": [UUID().uuidString.lowercased()],
            "workstations": [UUID().uuidString.lowercased()],
            "data-requests": [try await make("/api/v1/data-requests", ["kind": "access"]) { $0["id"]?.string }],
            // The platform's own mail templates and meters by name: nobody's objects.
            "preview": [], "usage": [],
            "passkeys": [UUID().uuidString.lowercased()],
            "operations": [UUID().uuidString.lowercased()],
            "exports": [try await make("/api/v1/exports", [:]) { $0["id"]?.string }],
        ]
    }
}
