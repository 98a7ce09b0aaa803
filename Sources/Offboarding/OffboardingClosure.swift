import Store
import Tenancy
import Vocabulary

extension Offboarding {
    /// What the room itself knows beside the way out: exports, holds that were lifted, and since when nothing was paid.
    package var closure: RoomClosure {
        RoomClosure(
            "offboarding", store: store,
            rows: [
                TenantRows("tenant_export_piece_all", by: "begins_at"), TenantRows("tenant_export_entry_all", by: "number"),
                TenantRows("tenant_export_all", by: "export_id"), TenantRows("legal_hold_all", by: "hold_id"),
                TenantRows("offboarding_lapse_all", by: "subscription_id"),
            ],
            clearing: { [self] tenant, _ in
                try await clearExports(of: tenant)
                return []
            })
    }

    /// How the tenant left before, and came back; not what staff wrote of it.
    package static func exportSource(store: any Store) -> RowExport {
        RowExport(
            "leaving", store: store,
            [
                RowExport.Kind(
                    "ways-out", "offboarding_all",
                    [
                        ("offboarding_id", .id), ("state", .text), ("reason", .text), ("asked_by", .id), ("offer", .json),
                        ("wanted_at", .time), ("leaves_at", .time), ("retention_days", .integer), ("retained_until", .time),
                        ("asked_at", .time), ("changed_at", .time),
                    ]),
                RowExport.Kind(
                    "steps", "offboarding_step_all", keys: 2,
                    [("offboarding_id", .id), ("place", .integer), ("phase", .text), ("step", .text), ("done_at", .time)]),
                RowExport.Kind(
                    "exports", "tenant_export_all",
                    [
                        ("export_id", .id), ("cause", .text), ("asked_by", .id), ("asked_at", .time), ("made_at", .time),
                        ("expires_at", .time),
                    ]),
            ])
    }
}
