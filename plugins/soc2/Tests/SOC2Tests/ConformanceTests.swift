import Foundation
import PluginKit
import PluginKitTesting
import Testing

@testable import SOC2

@Suite struct ConformanceTests {
    @Test("soc2 passes the public conformance kit")
    func conformance() async {
        let findings = await ComplianceFrameworkConformance(Subject()).run()
        for finding in findings { #expect(finding.faults == [], "\(finding.check)") }
        #expect(findings.count == 17)
    }

    @Test("stricter rules fail what the shipped ones pass")
    func rules() throws {
        let world = try ComplianceSamples.sound()
        func outcome(_ control: String, _ rules: Rules) throws -> ControlOutcome {
            try CommonCriteria(rules: rules).evaluate(
                ControlQuestion(control: control, scope: ComplianceSamples.scope, now: ComplianceSamples.now, evidence: world)
            ).outcome
        }
        for control in ["CC6.1-K", "CC6.2", "CC6.3"] { #expect(try outcome(control, Rules()) == .pass) }
        #expect(try outcome("CC6.1-K", Rules(keyDays: 99)) == .fail)
        #expect(try outcome("CC6.3", Rules(reviewDays: 19)) == .fail)
    }

    @Test("six criteria are judged and every other one says what is missing")
    func judged() {
        let controls = Controls.all
        #expect(controls.filter { !$0.reads.isEmpty }.map(\.id) == ["CC2.1", "CC6.1", "CC6.1-K", "CC6.2", "CC6.3", "CC8.1"])
        #expect(controls.allSatisfy { $0.reads.isEmpty != $0.missing.isEmpty })
    }

    @Test("the table in docs/explanation/compliance.md has every control that is judged, with its title and evidence, and no other")
    func documented() throws {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "../../../../docs/explanation/compliance.md")
        // A copy of the package alone has no docs beside it.
        guard FileManager.default.fileExists(atPath: file.path) else { return }
        let rows = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").filter { $0.hasPrefix("| CC") }
        let expected = Controls.all.filter { !$0.reads.isEmpty }.map { "| \($0.id) | \($0.title) | `\($0.reads[0].kind.rawValue)` |" }
        #expect(rows.count == expected.count)
        for (row, beginning) in zip(rows, expected) { #expect(row.hasPrefix(beginning), "\(row)") }
    }
}
