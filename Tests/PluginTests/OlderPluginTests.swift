import Foundation
import PluginHost
import PluginKit
import Testing

/// The fixture as it was with kit 1.0, made out of today's sources: without what stands between `// since 1.…` and `// end of 1.…`, and
/// with the note and the manifest of then.
private enum OlderFixture {
    static let folder: URL? = {
        // One that somebody really built then.
        if let given = ProcessInfo.processInfo.environment["CODITECT_OLDER_PLUGIN"] { return URL(fileURLWithPath: given) }
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let place = FileManager.default.temporaryDirectory.appendingPathComponent(
            "coditect-older-\(ProcessInfo.processInfo.processIdentifier)")
        do {
            for part in ["plugins/sdk", "Tests/Fixtures/misbehaving-plugin"] {
                for (name, text) in try sources(root.appendingPathComponent(part)) {
                    let file = place.appendingPathComponent("\(part)/\(name)")
                    try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                    try Data(older(text).utf8).write(to: file)
                }
            }
        } catch { return nil }
        let out = place.appendingPathComponent("out")
        let build = Process()
        build.executableURL = URL(fileURLWithPath: "/bin/sh")
        build.arguments = [
            root.appendingPathComponent("Scripts/build-plugins.sh").path, "debug", out.path,
            place.appendingPathComponent("Tests/Fixtures/misbehaving-plugin").path,
        ]
        build.environment = ProcessInfo.processInfo.environment.merging(["CODITECT_PLUGIN_SCRATCH": place.path + "/scratch"]) { $1 }
        guard (try? build.run()) != nil else { return nil }
        build.waitUntilExit()
        return build.terminationStatus == 0 ? out.appendingPathComponent("misbehaving") : nil
    }()

    /// The texts of a package, without what was built.
    private static func sources(_ package: URL) throws -> [(String, String)] {
        try FileManager.default.subpathsOfDirectory(atPath: package.path)
            .filter { !$0.hasPrefix(".build") && ($0.hasSuffix(".swift") || $0.hasSuffix(".json")) }
            .map { ($0, String(decoding: try Data(contentsOf: package.appendingPathComponent($0)), as: UTF8.self)) }
    }
    private static func older(_ text: String) -> String {
        var isNew = false
        let kept = text.split(separator: "\n", omittingEmptySubsequences: false).filter { line in
            let words = line.drop { $0 == " " }
            if words.hasPrefix("// since 1.") { isNew = true }
            defer { if words.hasPrefix("// end of 1.") { isNew = false } }
            return !isNew
        }
        return kept.joined(separator: "\n").replacing("\"kit\": \"1.2\"", with: "\"kit\": \"1.0\"")
            .replacing("0x5443_4554, 0, 1, 2, 6", with: "0x5443_4554, 0, 1, 0, 6")
    }
}

@Suite struct OlderPluginTests {
    @Test(
        "a plugin that was built with kit 1.0 goes on working, and of what came later it says that it cannot",
        arguments: PluginIsolation.allCases)
    func older(_ isolation: PluginIsolation) async throws {
        let folder = try #require(OlderFixture.folder, "the older fixture does not build")
        let bench = try Bench(isolation)
        try FileManager.default.copyItem(at: folder, to: bench.directory.appendingPathComponent("misbehaving"))
        let host = bench.host()
        let report = await host.load()
        #expect(report.loaded.map(\.manifest.kit.description) == ["1.0"], "\(report.refused.map(\.reason))")
        let provider = try #require(host.paymentProvider("misbehaving"))
        #expect(try await provider.startCheckout(checkout("pro")).id == "cs_ref_1")
        await #expect(throws: PaymentProviderError.refused(code: "no", message: "Not today.")) {
            _ = try await provider.startCheckout(checkout("refuses"))
        }
        #expect(
            try await provider.openPortal(PortalRequest(customer: "cus_1", returnURL: "https://x.test/")).url == "https://pay.test/cus_1")
        #expect(provider.capabilities == [.customerPortal, .trials] && provider.understands("tomorrow") == nil)
        await #expect(throws: PaymentProviderError.notSupported(.subscriptionRead)) { _ = try await provider.readSubscription("sub_1") }
        await #expect(throws: PaymentProviderError.notSupported(.listEvents)) {
            _ = try await provider.listEvents(ChangesRequest(since: bench.clock.now()))
        }
        let refund = RefundRequest(payment: "pi_1", amount: nil, reason: .duplicate, idempotencyKey: "k")
        await #expect(throws: PaymentProviderError.notSupported(.refunds)) { _ = try await provider.refund(refund) }
        await host.stop()
    }
}
