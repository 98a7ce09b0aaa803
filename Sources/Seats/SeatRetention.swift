import Store
import Vocabulary

/// What the room keeps, and how long.
package enum SeatRetention {
    package static let kinds = [
        RetentionKind(
            "seat_history", "Leases of seats that are over: whose, from when to when", .tenant, tables: ["seat_history_all"],
            [
                RetentionDuty(
                    .contract, "owners see how their seats are used; 90 days are promised", from: "when it ended", clock: "ended_at",
                    .days(SeatSettings.historyDays))
            ], end: .deleted, job: RetentionJob(SQLLeaseLedger.purgeJob, every: .days(1)),
            probe: RetentionProbe("seat_history_all", by: "session_id")),
        RetentionKind(
            "seats", "Leases that hold, who waits, reservations and counts", .tenant,
            tables: [
                "seat_all", "seat_pool_all", "seat_wait_all", "seat_reservation_all", "seat_reservation_member_all", "seat_beat_tally_all",
                "seat_aboard_all",
            ], [.lasting(.tenant, "it is the state of this moment; a lease that ends moves to the history")], end: .overwritten),
        RetentionKind(
            "ledger_time", "The ledger's own time, and which shared memory counts", .platform, tables: ["seat_ledger_time", "seat_memory"],
            [.lasting(.platform, "one row each, overwritten with every tick", .purpose)], end: .overwritten),
    ]
}
