import Foundation
import PluginKit
import PluginKitTesting
import Testing

@testable import DeviceDenylist

private let manifest = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../plugin.json")

private struct Subject: PolicyModuleSubject {
    let list = "# stolen in March\nlaptop-7\r\n\nlaptop-9\n"
    let hooks = ["on_seat_request"]

    func module() async throws -> any PolicyModule {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("denylist-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data(list.utf8).write(to: file)
        let bench = try PluginBench(manifest: manifest, at: Timestamp(seconds: 1_800_000_000))
        let instance = try await PluginBench.made(DeviceDenylist(), try bench.context(settings: ["list": .string(file.path)]))
        guard let module = instance.policyModule else { throw PluginRefusal("It provides nothing.") }
        return module
    }
    var questions: [PolicyQuestion] {
        ["laptop-7", "laptop-8", "laptop-9", "# stolen in March", ""].map {
            PolicyQuestion(
                hook: "on_seat_request", input: ["user": ["id": "u", "role": "developer"], "device": ["id": .string($0), "os": "linux"]],
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

@Test("listed devices are refused, comments and other devices are not")
func listed() async throws {
    let module = try await Subject().module()
    let answers = try Subject().questions.map { try module.answer($0) }
    let denied = PolicyReply.deny(reason: "device_listed", retryAfterSeconds: 86_400)
    #expect(answers == [denied, .abstain, denied, .abstain, .abstain])
}

@Test("a long list: each device is found, no other is")
func many() throws {
    let table = try DeviceTable(Data((0..<50_000).map { "device-\($0)" }.joined(separator: "\n").utf8))
    #expect(table.count == 50_000)
    #expect((0..<50_000).allSatisfy { $0 % 97 != 0 || table.contains("device-\($0)") })
    #expect(!(50_000..<51_000).contains { table.contains("device-\($0)") })
}

@Test("a list that cannot be read, or a line that is no handle, is refused with what to do")
func refused() async throws {
    let bench = try PluginBench(manifest: manifest, at: Timestamp(seconds: 1_800_000_000))
    await #expect(throws: PluginRefusal.self) { try await DeviceDenylist().make(try bench.context(settings: ["list": "/nowhere/list"])) }
    #expect(throws: PluginRefusal("Line 2 of the list is longer than 256 bytes; a line holds one handle.")) {
        try DeviceTable(Data(("a\n" + String(repeating: "x", count: 257)).utf8))
    }
}
