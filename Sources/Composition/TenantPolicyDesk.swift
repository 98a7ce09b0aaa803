import Foundation
import HookEngine
import PolicyHost
import Store
import TenantPolicies
import Vocabulary

/// The policy host as the room of tenants' policies sees it.
struct TenantPolicyDesk: TenantPolicyRunner {
    let layer: TenantLayer

    func check(_ files: [String: String], for tenant: TenantID) async throws -> CheckedUpload {
        guard await layer.isContained() else { throw TenantPolicyProblems.notContained }
        let found: CheckedTenantPolicies?
        do throws(PolicyRefusal) {
            found = try await layer.check(try TenantBundle(files), for: tenant)
        } catch {
            throw TenantPolicyProblems.refused.with(["findings": .array(error.findings.map { .string($0.description) })])
        }
        guard let found else { throw CommonProblems.unavailable }
        return CheckedUpload(hash: found.hash.hex, hooks: found.hooks, tests: found.tests)
    }

    func put(_ change: TenantPolicyChange) {
        layer.put(change.hash, hooks: change.hooks, revision: change.revision, for: change.tenant)
    }

    func report(_ tenant: TenantID) -> TenantPolicyReport? {
        layer.health(of: tenant).map { health in
            TenantPolicyReport(
                asked: health.asked, denied: health.denied, failed: health.failed,
                lastFailure: health.lastFailure.map { .init(at: $0.at, decision: $0.decision, hook: $0.hook, message: $0.message) })
        }
    }
}

/// Where the policy host reads a tenant's version: the room's rows.
struct TenantPolicyShelf: TenantPolicySource {
    let room: TenantPolicies
    func files(_ hash: String, of tenant: TenantID) async throws -> [String: String]? { try await room.files(hash, of: tenant) }
}
