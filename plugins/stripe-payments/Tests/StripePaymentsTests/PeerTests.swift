import Foundation
import PluginKit
import PluginKitTesting
import Testing

@testable import StripePayments

/// Stripe's official SDK signs and judges; our verifier judges the same cases. `STRIPE_SDK_PYTHON` names an interpreter that has it.
@Suite struct PeerTests {
    static let python: String? = {
        if let given = ProcessInfo.processInfo.environment["STRIPE_SDK_PYTHON"] { return given }
        // Not `standardizedFileURL`: it follows the environment's link to the interpreter outside, which has no packages.
        let own = script.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path + "/.venv/bin/python3"
        return FileManager.default.isExecutableFile(atPath: own) ? own : nil
    }()
    static let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../../../Tests/Interop/stripe_signatures.py").standardizedFileURL

    struct Case: Decodable {
        var name: String
        var body: Data
        var header: String?
        var expected: Bool?
        var sdk: Bool
    }

    @Test(
        "every verdict is the one that it must be, and whatever is taken here the official SDK takes, too",
        .enabled(if: python != nil, "no Python with Stripe's SDK: set STRIPE_SDK_PYTHON or make .venv"))
    func verdicts() async throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try #require(Self.python))
        process.arguments = [Self.script.path, "--print", "--now", "\(moment.seconds)"]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            // An environment without the package is as good as none.
            return print("stripe signatures: the Python environment has no SDK, skipped")
        }
        let provider = try await provider(
            PluginBench(manifest: manifestFile, at: moment), secrets: ["whsec_interop_new", "whsec_interop_old"])
        var taken = 0
        var count = 0
        for line in text.split(separator: "\n") {
            let it = try JSONDecoder().decode(Case.self, from: Data(line.utf8))
            let headers = it.header.map { ["stripe-signature": $0] } ?? [:]
            let isTaken = (try? provider.verify(WebhookDelivery(headers: headers, body: it.body, receivedAt: moment))) != nil
            if let expected = it.expected { #expect(isTaken == expected, "\(it.name)") }
            #expect(!isTaken || it.sdk, "taken here and refused by the SDK: \(it.name) \(it.header ?? "")")
            count += 1
            taken += isTaken ? 1 : 0
        }
        #expect(count > 400 && taken > 10)
    }
}
