import Store
import Vocabulary

/// Whether what a tenant bought goes on, by everything that is known at one moment.
package enum BillingOutlook: Sendable, Hashable {
    /// Nothing was ever granted.
    case nothing
    /// Something is in force and has no end.
    case goesOn
    /// Nothing goes on for sure, but something may: a payment is under way, or a subscription is suspended or paused and can come back.
    case waits
    /// Everything that was granted ends, or ended; this is the last of it.
    case ends(BillingEnding)
}

/// The end of the last subscription.
package struct BillingEnding: Sendable, Hashable {
    package let subscription: SubscriptionID
    /// Of the newest snapshot that others were told.
    package let version: Int64
    /// When what is paid for is over.
    package let at: Timestamp
    /// A payment for it is open: it ended for want of money.
    package let isUnpaid: Bool
    /// Why, as whoever cancelled it here said; one of `CancelBody.reasons`.
    package let reason: String?
}

extension Billing {
    /// Read in the caller's own transaction, so that whoever acts on it acts on what holds when it commits.
    package func outlook(in db: any TenantScope, now: Timestamp) throws -> BillingOutlook {
        var outlook = BillingOutlook.nothing
        for row in try db.rows(BillingTable.subscriptions, db.tenant).map(SubscriptionRow.init) {
            outlook = BillingOutlook.joined(outlook, try self.outlook(of: row, in: db, now: now))
        }
        return outlook
    }

    private func outlook(of row: SubscriptionRow, in db: any TenantScope, now: Timestamp) throws -> BillingOutlook {
        let books = MirrorBooks(db: db, provider: row.provider, now: now, entropy: parts.floor.entropy)
        let terms = parts.terms(row.provider)
        let facts = try books.facts(of: row)
        let standing = Standing.derive(facts, terms: terms, now: now)
        // Of those that are one to others, each counts for itself, and they are named by the first.
        let root = try Lineage.of(row, db)?.root ?? row
        switch standing.state {
        case .pending: return .waits
        case .active, .grace: if standing.cancelsAt == nil { return .goesOn }
        case .suspended: if standing.cancelsAt == nil { return .waits }
        case .cancelled: if !standing.isGranted, row.told == nil { return .nothing }
        }
        guard let end = standing.cancelsAt else { return .nothing }
        return .ends(
            BillingEnding(
                subscription: root.id, version: root.version, at: end,
                isUnpaid: Standing.hasOpenFailure(facts, terms: terms, now: now),
                reason: try db.row(OperationTable.cancelReason, db.tenant, row.provider, row.object).flatMap { try $0.optional(0, $0.text) }
            ))
    }
}

extension BillingOutlook {
    /// What holds of two together: whatever goes on, else whatever may, else the later end.
    static func joined(_ left: BillingOutlook, _ right: BillingOutlook) -> BillingOutlook {
        switch (left, right) {
        case (.goesOn, _), (_, .goesOn): .goesOn
        case (.waits, _), (_, .waits): .waits
        case (.nothing, let other), (let other, .nothing): other
        case (.ends(let one), .ends(let other)): .ends(one.at < other.at ? other : one)
        }
    }
}
