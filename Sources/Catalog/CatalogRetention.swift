import Store

/// What the room keeps, and how long.
package enum CatalogRetention {
    package static let kinds = [
        RetentionKind(
            "contracts", "What was agreed with a tenant apart from its tier, every version", .tenant,
            tables: ["catalog_contract_all", "catalog_contract_version_all"],
            [.lasting(.tenant, "it says what the tenant may use and what it pays")], end: .deleted,
            probe: RetentionProbe("catalog_contract_all", by: "id"))
    ]
}
