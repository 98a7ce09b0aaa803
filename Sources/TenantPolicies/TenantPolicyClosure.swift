import Tenancy
import Vocabulary

extension TenantPolicies {
    /// The tenant's own policies are forgotten in memory first, then their texts go.
    package var closure: RoomClosure {
        RoomClosure(
            "tenant_policies", store: store,
            rows: [
                TenantRows("tenant_policy_in_force_all", by: "tenant_id"), TenantRows("tenant_policy_version_all", by: "policy_hash"),
            ],
            clearing: { [self] tenant, _ in
                let revision = try await store.tenantRead(tenant) { db in try Self.inForce(db)?.revision }
                if let revision { runner.put(TenantPolicyChange(tenant: tenant, hash: nil, hooks: [], revision: revision + 1)) }
                return []
            })
    }
}
