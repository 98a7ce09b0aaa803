import Foundation
import HTTPEdge
import HTTPServer
import PolicyHost
import Signing
import Store
import Vocabulary

/// Whether this process should get requests.
final class Readiness: Sendable {
    private let store: any Store
    private let policies: PolicyEngine
    private let keys: KeyRing
    let draining = DrainSwitch()
    private static let probe = SQL("platform.probe", "SELECT 1")

    init(store: any Store, policies: PolicyEngine, keys: KeyRing) {
        self.keys = keys
        self.store = store
        self.policies = policies
    }

    var checks: [HealthCheck] {
        [
            HealthCheck("policies") { [policies] in policies.hash == nil ? "no policies are live" : nil },
            // The operator's own policies go on without it; tenants' wait.
            HealthCheck("policy_containment", isVital: false) { [policies] in
                policies.containment.state.isContained ? nil : policies.containment.state.text
            },
            // What needs no signature goes on without it.
            HealthCheck("keys", isVital: false) { [keys] in
                let faults = await keys.serviceFaults()
                return faults.isEmpty ? nil : faults.map { "\($0.service): \($0.fault)" }.joined(separator: "; ")
            },
            HealthCheck("store") { [store] in
                do {
                    _ = try await store.kernelRead(KernelReason("platform.ready")) { db in try db.row(Self.probe) }
                    return nil
                } catch {
                    return "the store does not answer"
                }
            },
        ]
    }
}
