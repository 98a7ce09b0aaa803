import Store
import Vocabulary

/// A membership that is over.
package struct Departure: Sendable, Hashable {
    package let membership: MembershipID
    package let user: UserID
    /// When it was ended, or ended by itself.
    package let at: Timestamp
}

extension Tenancy {
    /// Who left a tenant from one moment to another.
    package func departures(since: Timestamp, until now: Timestamp, limit: Int, in db: any TenantScope) throws -> [Departure] {
        try db.rows(TenantTable.departed, now, 100_000).compactMap { row -> Departure? in
            let endsAt = try row.optional(3, row.time)
            let changedAt = try row.time(4)
            // One that had ended by itself may be written as ended later.
            let ended = try row.text(2) == "ended" ? min(changedAt, endsAt ?? changedAt) : endsAt ?? changedAt
            return ended >= since ? Departure(membership: try row.id(0), user: try row.id(1), at: ended) : nil
        }.prefix(limit).map { $0 }
    }
}
