import Store

/// Every SQL statement of the room. Unsuffixed names run in tenant scope, `…_all` in kernel scope.
enum TenantPolicyTable {
    static let insert = SQL(
        "tenant_policies.insert",
        """
        INSERT INTO tenant_policy_version (tenant_id, policy_hash, files, hooks, tests, note, uploaded_at, uploaded_by)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """)
    static let versions = SQL(
        "tenant_policies.versions",
        """
        SELECT policy_hash, hooks, tests, note, uploaded_at, uploaded_by, length(files) FROM tenant_policy_version
        ORDER BY uploaded_at DESC, policy_hash
        """)
    static let version = SQL(
        "tenant_policies.version",
        """
        SELECT policy_hash, hooks, tests, note, uploaded_at, uploaded_by, length(files) FROM tenant_policy_version
        WHERE policy_hash = $1
        """)
    static let files = SQL("tenant_policies.files", "SELECT files FROM tenant_policy_version WHERE policy_hash = $1")
    static let drop = SQL(
        "tenant_policies.drop", "DELETE FROM tenant_policy_version WHERE policy_hash = $1 RETURNING policy_hash")
    static let inForce = SQL("tenant_policies.in_force", "SELECT policy_hash, revision FROM tenant_policy_in_force")
    static let begin = SQL(
        "tenant_policies.begin",
        "INSERT INTO tenant_policy_in_force (tenant_id, policy_hash, revision, changed_at) VALUES ($1, $2, 1, $3)")
    static let change = SQL(
        "tenant_policies.change",
        "UPDATE tenant_policy_in_force SET policy_hash = $1, revision = $2, changed_at = $3 WHERE revision = $4 RETURNING revision")
    static let everywhere = SQL(
        "tenant_policies.everywhere",
        """
        SELECT f.tenant_id, f.policy_hash, f.revision, v.hooks
        FROM tenant_policy_in_force_all f
        JOIN tenant_policy_version_all v ON v.tenant_id = f.tenant_id AND v.policy_hash = f.policy_hash
        WHERE f.tenant_id > $1 ORDER BY f.tenant_id LIMIT $2
        """)
}
