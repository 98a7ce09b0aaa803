import Access
import Foundation
import HookEngine
import PolicyHost
import Seats
import Tenancy
import Vocabulary

/// Policies without a server: check, test, measure.
package struct PolicyDesk: Sendable {
    let options: PlatformOptions
    var folder: URL { options.policies }
    package init(_ options: PlatformOptions) throws {
        guard FileManager.default.fileExists(atPath: options.policies.path) else {
            throw OperatorProblem("there are no policies in \(options.policies.path); give --policies")
        }
        self.options = options
    }

    package func check() -> [String] {
        PolicyEngine.check(directory: options.policies, definitions: PlatformRegister.hooks, data: PolicyFloor.data).map(\.description)
    }

    package func test() -> (passed: [String], failed: [String], findings: [String]) {
        let (results, findings) = PolicyEngine.test(
            directory: options.policies, definitions: PlatformRegister.hooks, data: PolicyFloor.data)
        let line = { (result: PolicyTestResult) in "\(result.policy): \(result.name)" }
        return (
            results.filter(\.passed).map(line), results.filter { !$0.passed }.map { "\(line($0))  \($0.path):\($0.line): \($0.message)" },
            findings.map(\.description)
        )
    }
}
