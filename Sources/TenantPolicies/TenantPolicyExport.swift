import Tenancy

extension TenantPolicies {
    /// Every version of the tenant's own policies with its texts, and which is in force.
    package var export: RowExport {
        RowExport(
            "policies", store: store,
            [
                RowExport.Kind(
                    "versions", "tenant_policy_version_all",
                    [
                        ("policy_hash", .hex), ("files", .json), ("hooks", .json), ("tests", .integer), ("note", .text),
                        ("uploaded_at", .time), ("uploaded_by", .id),
                    ]),
                RowExport.Kind(
                    "in-force", "tenant_policy_in_force_all",
                    [("tenant_id", .id), ("policy_hash", .hex), ("revision", .integer), ("changed_at", .time)]),
            ])
    }
}
