import Composition
import Foundation
import PlatformTesting
import Testing
import Vocabulary

@Suite("policies over HTTP")
struct PolicyRouteTests {
    @Test("a set is reloaded and rolled back by who may, each naming what it replaces; a bad one changes nothing")
    func rollback() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "policy-routes-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let policies = folder.appending(path: "policies")
        try FileManager.default.copyItem(at: TestPlatform.root.appending(path: "policies"), to: policies)
        let platform = try await TestPlatform.open(policies: policies)
        let owner = try await Customer.member(platform)
        let refused = await owner.call("GET", "/api/v1/policies")
        #expect(refused.status == 403)

        // Not what anybody should do, and so refused by the matrix's own tests: an owner who may change the platform's policies.
        try FileManager.default.removeItem(at: policies.appending(path: "access/role-matrix/policy_test.lua"))
        let roles = policies.appending(path: "roles.lua")
        var text = try String(contentsOf: roles, encoding: .utf8)
        text = text.replacingOccurrences(of: "\"workstations:*\", \"billing:*\"", with: "\"policies:*\", \"workstations:*\", \"billing:*\"")
        try Data(text.utf8).write(to: roles)
        platform.platform.reloadPolicies()
        let standing = await owner.call("GET", "/api/v1/policies")
        let first = try #require(standing["policy_hash"]?.string, "\(standing.status) \(standing.text)")
        #expect(standing["kept"]?.array?.count == 2)

        let order = policies.appending(path: "init.lua")
        let before = try String(contentsOf: order, encoding: .utf8)
        try Data(before.replacingOccurrences(of: "overdraft_seats = 0", with: "overdraft_seats = 2").utf8).write(to: order)
        let second = try #require(await owner.call("POST", "/api/v1/policies/reload")["policy_hash"]?.string)
        #expect(second != first)

        let moved = await owner.call("POST", "/api/v1/policies/rollback", ["policy_hash": .string(first), "replaces": .string(first)])
        #expect(moved.status == 409 && moved["error"] == "policies_moved_on" && moved["policy_hash"]?.string == second)
        let unknown = await owner.call("POST", "/api/v1/policies/rollback", ["policy_hash": "00000000", "replaces": .string(second)])
        #expect(unknown.status == 404 && unknown["error"] == "policies_not_kept")
        let back = await owner.call("POST", "/api/v1/policies/rollback", ["policy_hash": .string(first), "replaces": .string(second)])
        #expect(back.status == 200 && back["policy_hash"]?.string == first)
        #expect(try String(contentsOf: order, encoding: .utf8) == before)

        try Data("return {\n platform = { \"seats/nothing\" } }".utf8).write(to: order)
        let bad = await owner.call("POST", "/api/v1/policies/reload")
        #expect(bad.status == 422 && bad["error"] == "policies_refused")
        #expect(
            bad["findings"]?.array?.first?.string?.hasPrefix("policies/init.lua:2: there is no policy seats/nothing; there are:") == true)
        #expect(await owner.call("GET", "/api/v1/policies")["policy_hash"]?.string == first)
        await platform.close()
    }
}
