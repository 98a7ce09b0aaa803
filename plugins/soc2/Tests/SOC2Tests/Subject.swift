import Foundation
import PluginKit
import PluginKitTesting
import Testing

@testable import SOC2

struct Subject: ComplianceFrameworkSubject {
    func framework() async throws -> any ComplianceFramework {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../plugin.json")
        let bench = try PluginBench(manifest: file, at: ComplianceSamples.now)
        guard let framework = try await PluginBench.made(SOC2(), bench.context()).complianceFramework else {
            throw PluginRefusal("no framework")
        }
        return framework
    }
    /// What was published with 1.0.0, in the order of the standard.
    var published: [String]? {
        [
            "CC1.1", "CC1.2", "CC1.3", "CC1.4", "CC1.5", "CC2.1", "CC2.2", "CC2.3", "CC3.1", "CC3.2", "CC3.3", "CC3.4", "CC4.1", "CC4.2",
            "CC5.1", "CC5.2", "CC5.3", "CC6.1", "CC6.1-K", "CC6.2", "CC6.3", "CC6.4", "CC6.5", "CC6.6", "CC6.7", "CC6.8", "CC7.1", "CC7.2",
            "CC7.3", "CC7.4", "CC7.5", "CC8.1", "CC9.1", "CC9.2",
        ]
    }
}
