import Foundation
import PlatformTesting
import Testing
import Vocabulary

@Suite("What policies are asked at sign-in and invitation")
struct TierQuestionTests {
    @Test("both hooks are told the tenant's tier")
    func tier() async throws {
        let policies = FileManager.default.temporaryDirectory.appendingPathComponent("policies-\(UUID().uuidString)")
        try FileManager.default.copyItem(at: TestPlatform.root.appendingPathComponent("policies"), to: policies)
        defer { try? FileManager.default.removeItem(at: policies) }
        let platform = try await TestPlatform.open(yaml: "http: {limits_enabled: false}", policies: policies)
        let ada = try await Customer.member(platform)
        let invited: JSONValue = ["email": "bob@example.com", "role": "viewer"]
        #expect(await ada.call("POST", "/api/v1/invitations", invited).status == 201)

        let rule = """
            return {
              id = "own.free", api = 1,
              on_login = function(request) if request.tenant.tier == "free" then return deny("free_tier") end end,
              on_invite = function(request) if request.tenant.tier == "free" then return deny("free_tier") end end,
            }
            """
        let folder = policies.appendingPathComponent("own/free")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try rule.write(to: folder.appendingPathComponent("policy.lua"), atomically: true, encoding: .utf8)
        let file = policies.appendingPathComponent("init.lua")
        let before = try String(contentsOf: file, encoding: .utf8)
        try before.replacingOccurrences(of: "platform = {", with: "platform = { \"own/free\",").write(
            to: file, atomically: true, encoding: .utf8)
        platform.platform.reloadPolicies()
        let refused = await ada.call("POST", "/api/v1/invitations", ["email": "eve@example.com", "role": "viewer"])
        #expect(refused.status == 403 && refused["reason"] == "free_tier", "\(refused.text)")
        let login = await platform.call("POST", "/api/v1/auth/login", ["email": "ada@example.com", "password": .string(Customer.password)])
        #expect(login.status == 403 && login["reason"] == "free_tier", "\(login.text)")
        await platform.close()
    }
}
