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
                TenantRows("offboarding_lapse_all", by: "subscription_id"), TenantRows("member_leaving_step_all", by: "place"),
                TenantRows("member_leaving_all", by: "leaving_id"),
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
                        ("offboarding_id", .id), ("state", .text), ("reason", .text), ("cause", .text), ("asked_by", .id), ("offer", .json),
                        ("wanted_at", .time), ("leaves_at", .time), ("retention_days", .integer), ("retained_until", .time),
                        ("asked_at", .time), ("changed_at", .time), ("called_off_at", .time),
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
                RowExport.Kind(
                    "members", "member_leaving_all",
                    [
                        ("leaving_id", .id), ("membership_id", .id), ("user_id", .id), ("role", .text), ("cause", .text), ("state", .text),
                        ("ended_at", .time), ("kept_until", .time), ("changed_at", .time),
                    ]),
                RowExport.Kind(
                    "member-steps", "member_leaving_step_all", keys: 2,
                    [("leaving_id", .id), ("place", .integer), ("phase", .text), ("step", .text), ("done_at", .time)]),
            ])
    }

    package var personRecords: RoomRecords {
        RoomRecords(
            "leaving", store: store,
            [
                PersonTable(
                    "member_leaving_all", .tenant,
                    shows: ["membership_id", "role", "cause", "state", "ended_at", "kept_until", "changed_at"],
                    .bare("that a member left, and what was done then, must be provable"))
            ])
    }
}
