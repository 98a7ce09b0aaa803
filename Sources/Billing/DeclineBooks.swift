import Store
import Vocabulary

/// Why collecting failed last, by invoice and by customer, within one transaction. It only answers a question of `on_payment`: no standing derives from it,
/// so that the order of events cannot change what is owed.
struct DeclineBooks {
    let db: any TenantScope
    let provider: String

    /// A decline told apart from its invoice counts for a failure within so long of it, before or after.
    static let reach: Duration = .hours(1)

    /// Keeps what the news tells; an older one changes nothing.
    func keep(_ news: PaymentNews) throws {
        for fact in news.facts {
            guard case .decline(let fact) = fact else { continue }
            for anchor in fact.anchors {
                let key = (anchor.kind.rawValue, anchor.object)
                guard let row = try db.row(BillingTable.decline, db.tenant, provider, key.0, key.1) else {
                    try db.run(BillingTable.insertDecline, db.tenant, provider, key.0, key.1, fact.reason.rawValue, fact.asOf)
                    continue
                }
                if try row.time(1) < fact.asOf {
                    try db.run(BillingTable.updateDecline, db.tenant, provider, key.0, key.1, fact.reason.rawValue, fact.asOf)
                }
            }
        }
    }

    /// Why the failure that the news tells came about: as its invoice says, else as was told apart. Nil where nobody has said yet.
    func reason(of news: PaymentNews) throws -> DeclineReason? {
        for fact in news.facts {
            guard case .invoice(let invoice) = fact, invoice.hasFailed, !invoice.isPaid else { continue }
            if let reason = invoice.declineReason { return reason }
            let anchors = [RouteAnchor(.invoice, invoice.invoice)] + (invoice.customer.map { [RouteAnchor(.customer, $0)] } ?? [])
            for anchor in anchors {
                guard let row = try db.row(BillingTable.decline, db.tenant, provider, anchor.kind.rawValue, anchor.object) else { continue }
                let at = try row.time(1)
                let isNear = at <= invoice.asOf + Self.reach && invoice.asOf <= at + Self.reach
                if isNear { return DeclineReason(rawValue: try row.text(0)) ?? .other }
            }
        }
        return nil
    }
}

extension DeclineFact {
    var anchors: [RouteAnchor] {
        [invoice.map { RouteAnchor(.invoice, $0) }, customer.map { RouteAnchor(.customer, $0) }].compactMap { $0 }
    }
}

extension PaymentNews {
    /// Tells of declined attempts and of nothing else: a card that was tried once and belongs to nobody who is known is no news.
    var isOnlyOfDeclines: Bool {
        !facts.isEmpty && facts.allSatisfy { if case .decline = $0 { true } else { false } }
    }
}
