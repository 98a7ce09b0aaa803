import PluginKitTesting
import Testing

@testable import Pkcs11Keys

@Suite(.serialized) struct ConformanceTests {
    @Test("softhsm2 through PKCS#11 passes the conformance kit")
    func conforms() async throws {
        let subject = try Subject()
        let findings = await KeyServiceConformance(subject).run()
        for finding in findings { #expect(finding.holds, "\(finding.check): \(finding.faults.joined(separator: " "))") }
        #expect(findings.count == 20)
        await subject.stop()
    }
}
