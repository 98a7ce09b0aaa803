import Store
import Tenancy

extension Leases {
    /// Who had which seat when, and what is reserved for whom.
    package static func export(store: any Store) -> RowExport {
        RowExport(
            "seats", store: store,
            [
                RowExport.Kind(
                    "history", "seat_history_all",
                    [
                        ("session_id", .id), ("license_id", .id), ("user_id", .id), ("acquired_at", .time), ("ended_at", .time),
                        ("end_reason", .text), ("note", .text), ("borrowed_until", .time),
                    ]),
                RowExport.Kind(
                    "held", "seat_all", keys: 2,
                    [
                        ("license_id", .id), ("slot", .integer), ("session_id", .id), ("user_id", .id), ("acquired_at", .time),
                        ("expires_at", .time), ("os", .text), ("version", .text), ("borrowed_until", .time), ("reservation_id", .id),
                    ]),
                RowExport.Kind(
                    "reservations", "seat_reservation_all",
                    [("reservation_id", .id), ("license_id", .id), ("name", .text), ("seats", .integer)]),
                RowExport.Kind(
                    "reservation-members", "seat_reservation_member_all", keys: 2, [("reservation_id", .id), ("user_id", .id)]),
            ])
    }
}
