import Foundation
import PluginKit
import PluginKitTesting
import Testing

@testable import TemplateCompliance

private let manifest = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../plugin.json")

/// What the conformance kit must know of this framework: how it is made, and which ids were ever published.
private struct Subject: ComplianceFrameworkSubject {
    func framework() async throws -> any ComplianceFramework {
        let bench = try PluginBench(manifest: manifest, at: ComplianceSamples.now)
        guard let framework = try await PluginBench.made(TemplateCompliance(), bench.context()).complianceFramework else {
            throw PluginRefusal("It provides nothing.")
        }
        return framework
    }
    var published: [String]? { ["T-1", "T-2"] }
}

@Suite struct ConformanceTests {
    @Test("the framework passes the public conformance kit")
    func conformance() async {
        let findings = await ComplianceFrameworkConformance(Subject()).run()
        for finding in findings { #expect(finding.holds, "\(finding.check): \(finding.faults.joined(separator: " "))") }
        #expect(findings.count == 17)
    }

    @Test("whoever is excused does not fail the control, one more does")
    func excused() throws {
        func outcome(_ with: Int, excused: Int, isSupported: Bool = true) throws -> ControlOutcome {
            let facts = SecondFactorFacts(isSupported: isSupported, roles: ["owner"], elevated: 5, withSecondFactor: with)
            let piece = try Evidence(
                .secondFactor, scope: ComplianceSamples.scope, source: "sessions", collectedAt: ComplianceSamples.now, facts: facts)
            return try TemplateControls(excused: excused).evaluate(
                ControlQuestion(control: "T-1", scope: ComplianceSamples.scope, now: ComplianceSamples.now, evidence: [piece])
            ).outcome
        }
        #expect(try outcome(5, excused: 0) == .pass && outcome(4, excused: 0) == .fail && outcome(4, excused: 1) == .pass)
        #expect(try outcome(0, excused: 5, isSupported: false) == .fail)
    }
}
