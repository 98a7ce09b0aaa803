import Foundation
import HookEngine
import PluginHost
import PluginKit
import Testing
import Vocabulary

/// The example of a policy module, built by the script that builds the shipped plugins, in a host.
@Suite struct PolicyModuleTests {
    private static let built: URL = {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let out = FileManager.default.temporaryDirectory.appendingPathComponent(
            "coditect-module-\(ProcessInfo.processInfo.processIdentifier)")
        _ = BuiltFixture.build(["debug", out.path, root.appendingPathComponent("examples/device-denylist").path], root: root)
        return out.appendingPathComponent("device-denylist")
    }()

    private func place(_ bench: Bench, _ list: String) throws {
        let folder = bench.directory.appendingPathComponent("device-denylist")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for name in ["plugin.json", "libDeviceDenylist.so"] {
            try FileManager.default.copyItem(at: Self.built.appendingPathComponent(name), to: folder.appendingPathComponent(name))
        }
        let file = bench.root.appendingPathComponent("list")
        try Data(list.utf8).write(to: file)
        bench.state.withLock { $0.settings["device-denylist"] = ["list": .string(file.path)] }
    }
    private func question(_ device: String) -> ModuleQuestion {
        ModuleQuestion(
            DecisionRecord(
                id: DecisionID(UUID()), time: Timestamp(seconds: 1_800_000_000), hook: "on_seat_request", kind: .decide,
                subject: HookSubject(tenant: nil, tier: "team", requestID: "r", now: Timestamp(seconds: 1_800_000_000)),
                input: .object([("device", .object([("id", .string(device))]))]), answers: [], outcome: .allow, terms: [], decidedBy: nil,
                policyHash: "", seed: 7, fuel: 0, microseconds: 0))
    }

    @Test("a policy module answers the hooks of its manifest, and is gone with its folder", arguments: PluginIsolation.allCases)
    func answers(_ isolation: PluginIsolation) async throws {
        let bench = try Bench(isolation)
        try place(bench, "laptop-7\n")
        let host = bench.host()
        #expect(await host.load().refused == [])
        let module = try #require(host.policyModules("on_seat_request").first)
        #expect(module.id == "device-denylist" && module.build.utf8.count == 12 && module.unfit == nil)
        #expect(host.policyModules("on_payment").isEmpty)
        guard case .deny("device_listed", 86_400) = try module.answer(question("laptop-7")) else {
            Issue.record("a listed device is not refused")
            return
        }
        guard case .abstain = try module.answer(question("laptop-8")) else {
            Issue.record("another device is")
            return
        }
        try FileManager.default.removeItem(at: bench.directory.appendingPathComponent("device-denylist"))
        await host.load()
        #expect(host.policyModules("on_seat_request").isEmpty)
        #expect(throws: ModuleGone.self) { try module.answer(question("laptop-8")) }
    }

    @Test(
        "while the server stops, a module that is no longer there fails its questions instead of being left out",
        arguments: PluginIsolation.allCases)
    func stops(_ isolation: PluginIsolation) async throws {
        let bench = try Bench(isolation)
        try place(bench, "laptop-7\n")
        let host = bench.host()
        await host.load()
        await host.stop()
        #expect(host.policyModules("on_seat_request").map(\.unfit) == ["the server is stopping"])
    }

    @Test(
        "a policy module that is refused keeps its hooks from being answered without it, and says why",
        arguments: PluginIsolation.allCases)
    func unfit(_ isolation: PluginIsolation) async throws {
        let bench = try Bench(isolation)
        try place(bench, "laptop-7\n")
        bench.state.withLock { $0.settings["device-denylist"] = ["list": "/nowhere/list"] }
        let host = bench.host()
        await host.load()
        let module = try #require(host.policyModules("on_seat_request").first)
        #expect(module.unfit?.hasPrefix("the plugin was refused: The list /nowhere/list cannot be read.") == true)

        // What was at work goes on until its new self is fit.
        mend(bench)
        await host.load()
        let fit = try #require(host.policyModules("on_seat_request").first)
        #expect(fit.unfit == nil)
        bench.state.withLock { $0.settings["device-denylist"] = ["list": "/nowhere/list"] }
        await host.load()
        #expect(host.policyModules("on_seat_request").map(\.unfit) == [nil])
    }

    private func mend(_ bench: Bench) {
        bench.state.withLock { $0.settings["device-denylist"] = ["list": .string(bench.root.appendingPathComponent("list").path)] }
    }

    @Test("a manifest names hooks exactly where it names a policy module")
    func manifest() throws {
        func faults(_ kinds: String, _ hooks: String) -> String {
            let text = """
                {"manifest": 1, "id": "x", "name": "X", "version": "1.0.0", "kinds": [\(kinds)], "kit": "1.2", "library": "libX.so"\(hooks)}
                """
            do {
                _ = try PluginManifest(json: Data(text.utf8))
                return ""
            } catch { return "\(error)" }
        }
        #expect(faults("\"policy_module\"", ", \"hooks\": [\"on_seat_request\"]") == "")
        #expect(faults("\"policy_module\"", "") == "plugin.json: hooks is empty: name the hooks that the policy module answers.")
        #expect(
            faults("\"policy_module\"", ", \"hooks\": [\"seat\"]")
                == "plugin.json: hooks names \"seat\"; a hook is named like on_seat_request.")
        #expect(faults("\"payment_provider\"", ", \"hooks\": [\"on_x\"]").contains("hooks is for policy modules only."))
    }
}
