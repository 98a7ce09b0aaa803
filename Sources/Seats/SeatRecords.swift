import Store
import Tenancy
import Vocabulary

extension Leases {
    /// Seats, and when they were held. The name of the machine is sealed under the person's key.
    package func personRecords(store: any Store, sealer: any Sealer) -> RoomRecords {
        RoomRecords(
            "seats", store: store,
            [
                PersonTable(
                    "seat_all", .tenant, shows: ["session_id", "license_id", "acquired_at", "beat_at", "hostname_box", "os", "version"],
                    .bare("a seat that was given back is written over by its next holder")),
                PersonTable(
                    "seat_history_all", .tenant,
                    shows: ["session_id", "license_id", "acquired_at", "ended_at", "end_reason"],
                    .bare("how a licence was used is the tenant's to account for")),
                PersonTable(
                    "seat_wait_all", .tenant, shows: ["license_id", "since"], .bare("a place in a queue ends by itself in minutes")),
                PersonTable(
                    "seat_reservation_member_all", .tenant, shows: ["reservation_id"], .bare("the tenant's list, changed by its managers")),
            ]
        ) { person, _, _, box in
            String(decoding: try sealer.open(box, person: person, context: SQLLeaseLedger.hostnameContext), as: UTF8.self)
        }
    }
}
