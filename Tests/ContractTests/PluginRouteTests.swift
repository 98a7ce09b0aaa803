import Composition
import Foundation
import PlatformTesting
import Testing
import Vocabulary

@Suite("plugins over HTTP")
struct PluginRouteTests {
    static let path = "/api/v1/admin/plugins"

    /// A platform over a plugins folder of its own, with the sandbox in it, and an owner who may change plugins.
    private static func stage(_ folder: URL) async throws -> (TestPlatform, Customer) {
        try FileManager.default.createDirectory(at: folder.appending(path: "plugins"), withIntermediateDirectories: true)
        let (policies, plugins) = (folder.appending(path: "policies"), folder.appending(path: "plugins"))
        try FileManager.default.copyItem(at: TestPlatform.root.appending(path: "policies"), to: policies)
        try FileManager.default.copyItem(at: TestPlatform.plugins.appending(path: "sandbox"), to: plugins.appending(path: "sandbox"))
        // Not what anybody should do, and so refused by the matrix's own tests: an owner who may change the platform's plugins.
        try FileManager.default.removeItem(at: policies.appending(path: "access/role-matrix/policy_test.lua"))
        let roles = policies.appending(path: "roles.lua")
        let text = try String(contentsOf: roles, encoding: .utf8)
            .replacingOccurrences(of: "\"workstations:*\", \"billing:*\"", with: "\"plugins:*\", \"workstations:*\", \"billing:*\"")
        try Data(text.utf8).write(to: roles)
        let platform = try await TestPlatform.open(
            environment: ["SANDBOX_WEBHOOK_SECRET": "whsec_canary_of_this_test"], policies: policies, plugins: plugins)
        await platform.platform.plugins.load()
        return (platform, try await Customer.member(platform))
    }

    /// The sandbox again, as the version that a folder `.next` holds.
    private static func next(_ folder: URL, _ version: String, library: (inout Data) -> Void = { _ in }) throws {
        let place = folder.appending(path: "plugins/sandbox.next")
        try? FileManager.default.removeItem(at: place)
        try FileManager.default.copyItem(at: TestPlatform.plugins.appending(path: "sandbox"), to: place)
        let manifest = place.appending(path: "plugin.json")
        let text = try String(contentsOf: manifest, encoding: .utf8)
        try Data(text.replacingOccurrences(of: "\"version\": \"1.0.0\"", with: "\"version\": \"\(version)\"").utf8).write(to: manifest)
        let file = place.appending(path: "libSandboxPayments.so")
        var bytes = try Data(contentsOf: file)
        library(&bytes)
        try bytes.write(to: file)
    }

    @Test("a plugin is listed, upgraded, promoted, taken back, switched off and on by who may; each is journalled; secrets are names")
    func life() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "plugin-routes-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let (platform, owner) = try await Self.stage(folder)
        let list = await owner.call("GET", Self.path)
        #expect(list.status == 200 && list["plugins"]?.array?.count == 1, "\(list.text)")
        #expect(!list.text.contains("canary"))
        let one = await owner.call("GET", "\(Self.path)/sandbox")
        #expect(one["isolation"] == "in_process" && one["process"] == nil)
        #expect(one["state"] == "at_work" && one["secrets"] == ["SANDBOX_WEBHOOK_SECRET"] && one["settings"]?["webhooks"] == "in_order")
        #expect(await owner.call("GET", "\(Self.path)/nobody")["error"] == "plugin_unknown")
        #expect(await owner.call("POST", "\(Self.path)/nobody/disable")["error"] == "plugin_unknown")
        #expect(await owner.call("POST", "\(Self.path)/sandbox/upgrade", [:])["error"] == "plugin_has_no_candidate")
        #expect(await owner.call("POST", "\(Self.path)/sandbox/promote")["error"] == "plugin_has_no_upgrade")

        try Self.next(folder, "1.0.1")
        #expect(await owner.call("GET", "\(Self.path)/sandbox")["candidate"] == "1.0.1")
        let bad = await owner.call("POST", "\(Self.path)/sandbox/upgrade", ["share_basis_points": 10_001])
        #expect(bad.status == 422 && bad["error"] == "validation_failed")
        let begun = await owner.call("POST", "\(Self.path)/sandbox/upgrade", ["share_basis_points": 2_500])
        #expect(begun.status == 200 && begun["upgrade"]?["standing"] == "canary" && begun["version"] == "1.0.0", "\(begun.text)")
        #expect(begun["upgrade"]?["share_basis_points"] == 2_500 && begun["upgrade"]?["calls"] == 0)
        let promoted = await owner.call("POST", "\(Self.path)/sandbox/promote")
        #expect(promoted["version"] == "1.0.1" && promoted["upgrade"]?["standing"] == "promoted", "\(promoted.text)")
        let back = await owner.call("POST", "\(Self.path)/sandbox/withdraw", ["reason": "too new"])
        #expect(back["version"] == "1.0.0" && back["upgrade"]?["reason"] == "too new", "\(back.text)")

        try Self.next(folder, "1.0.2", library: { $0 = $0.prefix(9_000) })
        let refused = await owner.call("POST", "\(Self.path)/sandbox/upgrade", [:])
        #expect(refused.status == 422 && refused["error"] == "plugin_refused")
        #expect(refused["reason"] == "The library is not usable: it is cut off. Copy the library again, built for this machine.")
        #expect(await owner.call("GET", "\(Self.path)/sandbox")["version"] == "1.0.0")

        let off = await owner.call("POST", "\(Self.path)/sandbox/disable")
        #expect(off["state"] == "disabled")
        // The provider delivers again later: nothing is lost while it is off.
        #expect(await platform.call("POST", "/webhooks/sandbox", raw: Data("{}".utf8)).status == 503)
        #expect(await owner.call("POST", "\(Self.path)/reload")["plugins"]?.array?.first?["state"] == "disabled")
        #expect(await owner.call("POST", "\(Self.path)/sandbox/enable")["state"] == "at_work")
        await platform.close()
    }

    @Test("who may not, may not")
    func forbidden() async throws {
        let platform = try await TestPlatform.open()
        let owner = try await Customer.member(platform)
        for (method, path) in [
            ("GET", Self.path), ("GET", "\(Self.path)/sandbox"), ("POST", "\(Self.path)/reload"), ("POST", "\(Self.path)/sandbox/enable"),
            ("POST", "\(Self.path)/sandbox/disable"), ("POST", "\(Self.path)/sandbox/promote"), ("POST", "\(Self.path)/sandbox/withdraw"),
        ] {
            #expect(await owner.call(method, path).status == 403, "\(method) \(path)")
            #expect(await platform.call(method, path).status == 401, "\(method) \(path)")
        }
        await platform.close()
    }
}
