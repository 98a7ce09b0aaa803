import Composition
import Foundation
import HTTPEdge
import PlatformTesting
import RoomTesting
import Testing
import Vocabulary

@Suite("a tenant's own policies over HTTP")
struct TenantPolicyRouteTests {
    static let path = "/api/v1/orgs/current/policies"
    static func files(_ body: String) -> JSONValue {
        [
            "init.lua": "return { tenant = { 'access/ours' } }",
            "access/ours/policy.lua": .string(
                "return { id = 'access.ours', api = 1,\n on_role_check = function(request)\n \(body)\n end }"),
        ]
    }
    static func upload(_ customer: Customer, _ body: String) async throws -> String {
        let answer = await customer.call("POST", path, ["files": files(body), "note": "as agreed"])
        guard answer.status == 201, let hash = answer["policy_hash"]?.string else { throw Unexpected(what: "upload", answer: answer) }
        return hash
    }

    @Test(
        "narrow what its people may, and nobody else's; survive a restart; are rolled back by hash",
        .enabled(if: !PostgresCluster.isWanted, "starts again from a copy of the data folder"))
    func life() async throws {
        let platform = try await TestPlatform.open()
        let owner = try await Customer.member(platform)
        let stranger = try await Customer.member(platform, "grace@example.com")
        let hash = try await Self.upload(owner, "if request.permission == 'licenses:read' then return deny('audit_week') end")
        #expect(await owner.call("GET", "/api/v1/licenses").status == 200)
        let activated = await owner.call("POST", "\(Self.path)/activate", ["policy_hash": .string(hash), "replaces": ""])
        #expect(activated.status == 200 && activated["policy_hash"]?.string == hash)

        let denied = await owner.call("GET", "/api/v1/licenses")
        #expect(denied.status == 403 && denied["error"] == "policy_denied" && denied["reason"] == "audit_week")
        #expect(await stranger.call("GET", "/api/v1/licenses").status == 200)
        let standing = await owner.call("GET", Self.path)
        #expect(standing["report"]?["denied"] == 1 && standing["versions"]?.array?.first?["in_force"] == true)
        #expect(await stranger.call("GET", Self.path)["versions"]?.array?.isEmpty == true)
        #expect(await stranger.call("GET", "\(Self.path)/\(hash)")["error"] == "tenant_policies_not_kept")
        #expect(await stranger.call("POST", "\(Self.path)/activate", ["policy_hash": .string(hash), "replaces": ""]).status == 404)
        let shown = await owner.call("GET", "\(Self.path)/\(hash)")
        #expect(shown["files"] == Self.files("if request.permission == 'licenses:read' then return deny('audit_week') end"))

        // The same data under a new process.
        await platform.close()
        let copy = platform.data.appendingPathExtension("again")
        try FileManager.default.copyItem(at: platform.data, to: copy)
        let again = try await TestPlatform.open(clock: platform.clock, data: copy)
        let back = Customer(platform: again, token: owner.token)
        #expect(await back.call("GET", "/api/v1/licenses")["reason"] == "audit_week")
        let second = try await Self.upload(back, "return nil")
        let moved = await back.call("POST", "\(Self.path)/activate", ["policy_hash": .string(second), "replaces": ""])
        #expect(moved.status == 409 && moved["policy_hash"]?.string == hash)
        #expect(
            await back.call("POST", "\(Self.path)/activate", ["policy_hash": .string(second), "replaces": .string(hash)]).status == 200)
        #expect(await back.call("GET", "/api/v1/licenses").status == 200)
        #expect(await back.call("DELETE", "\(Self.path)/\(second)")["error"] == "tenant_policies_in_force")
        #expect(await back.call("DELETE", "\(Self.path)/\(hash)").status == 200)
        await again.close()
    }

    @Test("that lock everybody out, fail or spin can be mended by who made them, and by the operator")
    func mended() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "tenant-routes-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.copyItem(at: TestPlatform.root.appending(path: "policies"), to: folder)
        try FileManager.default.removeItem(at: folder.appending(path: "access/role-matrix/policy_test.lua"))
        let roles = folder.appending(path: "roles.lua")
        let text = try String(contentsOf: roles, encoding: .utf8)
            .replacingOccurrences(of: "\"workstations:*\", \"billing:*\"", with: "\"policies:*\", \"workstations:*\", \"billing:*\"")
        try Data(text.utf8).write(to: roles)
        let platform = try await TestPlatform.open(policies: folder)
        let owner = try await Customer.member(platform)
        var current = ""
        for (body, reason) in [
            ("return deny('nobody')", "nobody"), ("while true do end", "policy_failed"), ("error('broken')", "policy_failed"),
        ] {
            let hash = try await Self.upload(owner, body)
            let activated = await owner.call("POST", "\(Self.path)/activate", ["policy_hash": .string(hash), "replaces": .string(current)])
            #expect(activated.status == 200)
            current = hash
            let denied = await owner.call("GET", "/api/v1/licenses")
            #expect(denied.status == 403 && denied["reason"]?.string == reason)
        }
        let failing = await owner.call("GET", Self.path)
        #expect(failing["report"]?["last_failure"]?["message"]?.string == "access/ours/policy.lua:3: broken")
        #expect(await owner.call("POST", "\(Self.path)/deactivate", ["replaces": .string(current)]).status == 200)
        #expect(await owner.call("GET", "/api/v1/licenses").status == 200)

        let hash = try await Self.upload(owner, "if request.permission ~= 'policies:write' then return deny('nobody') end")
        _ = await owner.call("POST", "\(Self.path)/activate", ["policy_hash": .string(hash), "replaces": ""])
        let tenant = await owner.call("GET", "/api/v1/orgs/current")["id"]?.string ?? ""
        let off = await owner.call("POST", "/api/v1/policies/tenants/\(tenant)/switch-off", ["reason": "asked for help"])
        #expect(off.status == 200 && off["status"] == "switched_off")
        #expect(await owner.call("GET", "/api/v1/licenses").status == 200)
        #expect(await owner.call("POST", "/api/v1/policies/tenants/\(tenant)/switch-off", ["reason": "again"]).status == 404)
        await platform.close()
    }

    @Test("that cannot be used are refused with file and line, and a server that contains nothing or wants none takes none")
    func refused() async throws {
        let platform = try await TestPlatform.open()
        let owner = try await Customer.member(platform)
        let bad = await owner.call("POST", Self.path, ["files": Self.files("return request.nothing")])
        #expect(bad.status == 422 && bad["error"] == "tenant_policies_refused")
        #expect(bad["findings"]?.array?.first?.string?.hasPrefix("policies/access/ours/policy.lua:3: request.nothing is not there") == true)
        #expect(await owner.call("POST", Self.path, ["files": ["../../etc/init.lua": ""]]).status == 422)
        #expect(await owner.call("POST", Self.path, ["files": [:]]).status == 422)
        let long = await owner.call("POST", Self.path, ["files": ["init.lua": .string(String(repeating: "-", count: 65_537))]])
        #expect(long.status == 422)
        #expect(await owner.call("POST", "\(Self.path)/activate", ["policy_hash": "zz", "replaces": ""]).status == 422)
        platform.platform.settleContainment(.breached(["weak.lua: done"]))
        #expect(await owner.call("POST", Self.path, ["files": Self.files("return nil")])["error"] == "policies_not_contained")
        await platform.close()

        let off = try await TestPlatform.open(yaml: "policies:\n  tenants: false\n")
        let other = try await Customer.member(off)
        #expect(await other.call("POST", Self.path, ["files": Self.files("return nil")])["error"] == "tenant_policies_off")
        await off.close()
    }
}
