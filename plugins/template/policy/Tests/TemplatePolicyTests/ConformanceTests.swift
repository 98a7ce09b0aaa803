import Foundation
import PluginKit
import PluginKitTesting
import Testing

@testable import TemplatePolicy

private let manifest = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../plugin.json")

/// What the conformance kit must know of this module: how it is made, and real questions with every kind of answer.
private struct Subject: PolicyModuleSubject {
    var refused = "beos, plan9"
    let hooks = ["on_seat_request"]

    func module() async throws -> any PolicyModule {
        let bench = try PluginBench(manifest: manifest, at: Timestamp(seconds: 1_800_000_000))
        let instance = try await TemplatePolicy().make(try bench.context(settings: ["refused_os": .string(refused)]))
        guard let module = instance.policyModule else { throw PluginRefusal("It provides nothing.") }
        return module
    }
    /// As `coditectd decisions tail --json` shows them on a server.
    var questions: [PolicyQuestion] {
        ["beos", "linux", "plan9", ""].map {
            PolicyQuestion(
                hook: "on_seat_request", input: ["user": ["id": "u", "role": "developer"], "device": ["id": "d", "os": .string($0)]],
                tenant: "t", tier: "team", seed: 7)
        }
    }
}

@Test("the module passes the public conformance kit")
func conformance() async {
    let findings = await PolicyModuleConformance(Subject()).run()
    for finding in findings { #expect(finding.holds, "\(finding.check): \(finding.faults.joined(separator: " "))") }
    #expect(findings.count == 7)
}

@Test("devices of a named system are refused, all others are left to others")
func answers() async throws {
    let module = try await Subject().module()
    let denied = PolicyReply.deny(reason: "system_refused", retryAfterSeconds: 86_400)
    #expect(try Subject().questions.map { try module.answer($0) } == [denied, .abstain, denied, .abstain])
}

@Test("a setting that names no system is refused with what to do")
func refusals() async {
    await #expect(throws: PluginRefusal.self) { try await Subject(refused: "BeOS").module() }
    await #expect(throws: PluginRefusal.self) { try await Subject(refused: "beos, ,plan9").module() }
}
