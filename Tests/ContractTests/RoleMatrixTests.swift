import Composition
import Foundation
import PlatformTesting
import Testing
import Vocabulary

@Suite("the role matrix")
struct RoleMatrixTests {
    @Test("the committed page is what the server answers, role by permission, by the tenant's state and by time")
    func pageIsCurrent() async throws {
        let platform = try await TestPlatform.open()
        let page = try await platform.platform.roleMatrix().markdown
        let held = try? String(contentsOf: TestPlatform.root.appendingPathComponent("docs/reference/role-matrix.md"), encoding: .utf8)
        #expect(held == page, "docs/reference/role-matrix.md differs: run make docs")
        #expect(!page.contains("| some |"))
        await platform.close()
    }

    @Test("a matrix that is edited while the server runs counts at the next request")
    func liveChange() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("policies-\(UUID().uuidString)")
        try FileManager.default.copyItem(at: TestPlatform.root.appendingPathComponent("policies"), to: folder)
        defer { try? FileManager.default.removeItem(at: folder) }
        let platform = try await TestPlatform.open(yaml: PeopleTests.quiet, policies: folder)
        let owner = try await Customer.member(platform)
        #expect(await owner.call("GET", "/api/v1/webhooks").status == 200)
        let file = folder.appendingPathComponent("roles.lua")
        let text = try String(contentsOf: file, encoding: .utf8)
        let changed = text.replacing("\"offboarding:*\", \"webhooks:*\",", with: "\"offboarding:*\",")
        #expect(changed != text)
        try changed.write(to: file, atomically: true, encoding: .utf8)
        platform.platform.reloadPolicies()
        #expect(await owner.call("GET", "/api/v1/webhooks")["error"] == "forbidden")
        #expect(await owner.call("GET", "/api/v1/memberships").status == 200)
        await platform.close()
    }

    /// What gives access that outlives an impersonation, or ends somebody's, is not here; a permission that is new is not either.
    @Test("what staff may do in a member's place, beside looking, is this and nothing else")
    func impersonated() async throws {
        let platform = try await TestPlatform.open()
        let all = Set(PlatformRegister.permissions(platform.platform.routes).filter { $0.delegates == .all }.map(\.name))
        let own = all.filter { name in
            !["staff", "plugins", "policies", "platform", "platform_compliance"].contains { name.hasPrefix("\($0):") }
        }
        #expect(
            Set(own.filter { !$0.hasSuffix(":read") }) == ["compliance:run", "seats:release", "seats:reserve"], "\(own.sorted())")
        await platform.close()
    }

    @Test("every route says who may call it, and only those that nobody need sign in for are open")
    func everyRouteDeclares() async throws {
        let platform = try await TestPlatform.open()
        let open = platform.platform.routes.filter { $0.access == .open && $0.path.hasPrefix("/api/") }.map(\.name)
        #expect(
            Set(open) == [
                "auth.signup", "auth.resend_verification", "auth.login", "auth.forgot_password", "plans.list", "auth.oauth_providers",
                "auth.sso_discover", "auth.sso_password", "auth.device_authorize", "passkeys.sign_in_options", "auth.oauth_metadata",
                "auth.sso_metadata", "auth.reactivate", "regions.list",
            ], "\(open)")
        for route in platform.platform.routes where route.path.hasPrefix("/api/v1/admin/") && route.access != .operatorOnly {
            guard case .permission(let permission) = route.access else {
                Issue.record("\(route.name) takes no permission")
                continue
            }
            #expect(
                ["staff", "plugins", "policies", "platform", "platform_compliance"].contains(String(permission.name.prefix { $0 != ":" })),
                "\(route.name)")
        }
        await platform.close()
    }
}
