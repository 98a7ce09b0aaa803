import Tenancy

extension Contracts {
    /// What was agreed with the tenant, as it holds and as it was changed.
    package var export: RowExport {
        RowExport(
            "contracts", store: store,
            [
                RowExport.Kind(
                    "contracts", "catalog_contract_all",
                    [
                        ("id", .id), ("tier", .text), ("version", .integer), ("terms", .json), ("starts_at", .time), ("ends_at", .time),
                        ("made_at", .time),
                    ]),
                RowExport.Kind(
                    "contract_versions", "catalog_contract_version_all", keys: 2,
                    [
                        ("contract_id", .id), ("version", .integer), ("terms", .json), ("starts_at", .time), ("ends_at", .time),
                        ("reason", .text), ("made_at", .time),
                    ]),
            ])
    }
}
