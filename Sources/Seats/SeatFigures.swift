import Store
import Vocabulary

extension Leases {
    /// What the seats of all tenants come to, for who watches the server. A step for each licence, and one for each lease that ran out since
    /// the last sweep.
    package var figures: [StoreFigure] {
        [
            StoreFigure("license_active_sessions", "Seats whose lease has not run out, of all tenants.") { db, _ in
                let now = try db.row(SeatTable.readTime)?.integer(0) ?? 0
                return [([], try Double(db.row(SeatTable.activeEverywhere, now)?.integer(0) ?? 0))]
            },
            StoreFigure("license_seats_used", "Seats that hold a lease, run out or not, of all tenants.") { db, _ in
                [([], try Double(db.row(SeatTable.usedEverywhere)?.integer(0) ?? 0))]
            },
            StoreFigure("license_seats_waiting", "Who waits in a queue for a seat, of all tenants.") { db, _ in
                [([], try Double(db.row(SeatTable.usedEverywhere)?.integer(1) ?? 0))]
            },
        ]
    }
}
