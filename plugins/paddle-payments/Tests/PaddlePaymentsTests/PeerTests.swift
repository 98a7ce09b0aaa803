import Foundation
import PluginKit
import PluginKitTesting
import Testing

@testable import PaddlePayments

/// Paddle's official SDK signs and judges; our verifier judges the same cases. And it reads the entities that our tests are made of.
/// `PADDLE_SDK_PYTHON` names an interpreter that has it.
@Suite struct PeerTests {
    static let python: String? = {
        if let given = ProcessInfo.processInfo.environment["PADDLE_SDK_PYTHON"] { return given }
        // Not `standardizedFileURL`: it follows the environment's link to the interpreter outside, which has no packages.
        let own = StandIn.interop.deletingLastPathComponent().deletingLastPathComponent().path + "/.venv/bin/python3"
        return FileManager.default.isExecutableFile(atPath: own) ? own : nil
    }()
    static let absence: Comment = "no Python with Paddle's SDK: set PADDLE_SDK_PYTHON or make .venv"

    struct Case: Decodable {
        var name: String
        var body: Data
        var header: String?
        var expected: Bool?
        var sdk: Bool
    }

    /// What the script prints; nil where the environment lacks the SDK.
    private func told(_ arguments: [String], input: Data = Data()) throws -> String? {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: try #require(Self.python))
        process.arguments = ["-B", StandIn.interop.appendingPathComponent("paddle_signatures.py").path] + arguments
        let (output, given) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardInput = given
        try process.run()
        try given.fileHandleForWriting.write(contentsOf: input)
        try given.fileHandleForWriting.close()
        let text = String(decoding: try output.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        if process.terminationStatus == 3 {
            print("paddle peers: the Python environment has no SDK, skipped")
            return nil
        }
        #expect(process.terminationStatus == 0)
        return text
    }

    @Test(
        "every verdict is the one that it must be, and whatever is taken here the official SDK takes, too",
        .enabled(if: python != nil, absence))
    func verdicts() async throws {
        guard let text = try told(["--print", "--now", "\(moment.seconds)"]) else { return }
        let provider = try await provider(
            PluginBench(manifest: manifestFile, at: moment), secrets: ["pdl_ntfset_interop_new", "pdl_ntfset_interop_old"])
        var taken = 0
        var count = 0
        for line in text.split(separator: "\n") {
            let it = try JSONDecoder().decode(Case.self, from: Data(line.utf8))
            let headers = it.header.map { ["paddle-signature": $0] } ?? [:]
            let isTaken = (try? provider.verify(WebhookDelivery(headers: headers, body: it.body, receivedAt: moment))) != nil
            if let expected = it.expected { #expect(isTaken == expected, "\(it.name)") }
            #expect(!isTaken || it.sdk, "taken here and refused by the SDK: \(it.name) \(it.header ?? "")")
            count += 1
            taken += isTaken ? 1 : 0
        }
        #expect(count > 300 && taken > 10)
    }

    @Test("the official SDK reads every event that these tests are made of", .enabled(if: python != nil, absence))
    func entities() throws {
        let events =
            PaddleSubject().events + [
                event("transaction.ready", Shapes.transaction.with(["status": "ready"])),
                event("adjustment.created", Shapes.adjustment),
                event("adjustment.updated", Shapes.adjustment.with(["action": "chargeback"])),
            ]
        let lines = try events.map { String(decoding: try $0.encoded(), as: UTF8.self) }.joined(separator: "\n")
        guard let text = try told(["--read"], input: Data(lines.utf8)) else { return }
        #expect(text == "\(events.count) read\n")
    }
}
