import Store

/// Every statement of the room. Tenant scope.
enum ContractTable {
    private static let columns = "id, tier, version, terms, starts_at, ends_at, made_at"
    static let insert = SQL(
        "catalog.insert_contract",
        """
        INSERT INTO catalog_contract (tenant_id, id, tier, version, terms, starts_at, ends_at, made_at)
        VALUES ($1, $2, $3, 1, $4, $5, $6, $7)
        """)
    static let write = SQL(
        "catalog.write_contract",
        """
        UPDATE catalog_contract SET version = $2, terms = $3, starts_at = $4, ends_at = $5, made_at = $6
        WHERE id = $1 AND version = $2 - 1 RETURNING id
        """)
    static let insertVersion = SQL(
        "catalog.insert_contract_version",
        """
        INSERT INTO catalog_contract_version (tenant_id, contract_id, version, terms, starts_at, ends_at, reason, made_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """)
    static let find = SQL("catalog.find_contract", "SELECT \(columns) FROM catalog_contract WHERE id = $1")
    /// All of a tenant's; there are at most `Contracts.most`.
    static let list = SQL("catalog.list_contracts", "SELECT \(columns) FROM catalog_contract ORDER BY id DESC")
    static let versions = SQL(
        "catalog.list_contract_versions",
        """
        SELECT version, terms, starts_at, ends_at, reason, made_at FROM catalog_contract_version
        WHERE contract_id = $1 ORDER BY version DESC LIMIT 100
        """)
    static let inForce = SQL(
        "catalog.contracts_in_force",
        "SELECT tier, terms FROM catalog_contract WHERE starts_at <= $1 AND (ends_at IS NULL OR ends_at > $1) ORDER BY id")

    static let all = [insert, write, insertVersion, find, list, versions, inForce]
}
