import Vocabulary

package enum TenantPolicyProblems {
    package static let refused = Problem(
        "tenant_policies_refused", status: 422, title: "The policies cannot be used.",
        hint: "See findings: each names file, line and what would be right. Nothing was kept.")
    package static let moved = Problem(
        "tenant_policies_moved_on", status: 409, title: "Another version is in force than the one to be replaced.",
        hint: "Look at policy_hash, the one in force or empty for none, and name it as replaces.")
    package static let unknown = Problem(
        "tenant_policies_not_kept", status: 404, title: "There is no such version.", hint: "See versions, the newest fifty.")
    package static let inUse = Problem(
        "tenant_policies_in_force", status: 409, title: "This version is in force.", hint: "Put another in force first, or none.")
    package static let switchedOff = Problem(
        "tenant_policies_off", status: 403, title: "Tenants' own policies are switched off on this server.",
        hint: "The operator's setting policies.tenants decides.")
    package static let notContained = Problem(
        "policies_not_contained", status: 503, title: "This server does not run tenants' policies: hostile ones were not contained.",
        hint: "The operator sees in /health/ready what got through.")
    package static let all = [refused, moved, unknown, inUse, switchedOff, notContained]
}
