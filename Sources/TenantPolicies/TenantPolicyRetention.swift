import Store

/// What the room keeps, and how long.
package enum TenantPolicyRetention {
    package static let kinds = [
        RetentionKind(
            "tenant_policies", "A tenant's own policies: the last versions and which is in force", .tenant,
            tables: ["tenant_policy_version_all", "tenant_policy_in_force_all"],
            [.lasting(.tenant, "decisions are replayed with the version that took them")], end: .deleted)
    ]
}
