import Store
import Vocabulary

/// Tells others what became known of invoices, refunds and disputes: the difference that an event made, never the event.
struct PaymentTelling {
    let books: MirrorBooks
    let act: Act
    private var db: any TenantScope { books.db }

    /// Called once the page is written.
    func tell(_ page: MirrorBooks.Page) throws {
        for (object, after) in page.after.invoices.sorted(by: { $0.key < $1.key }) where page.before.invoices[object] != after {
            try tell(invoice: object, page.before.invoices[object], after)
        }
        for (object, after) in page.after.refunds.sorted(by: { $0.key < $1.key }) where page.before.refunds[object] == nil {
            try tell(.refundCreated, "refund", object, after)
        }
        for (object, after) in page.after.disputes.sorted(by: { $0.key < $1.key }) {
            guard let before = page.before.disputes[object] else {
                try tell(after.isClosed ? .disputeClosed : .disputeOpened, "dispute", object, after)
                continue
            }
            guard before.latest.status != after.latest.status else { continue }
            try tell(after.isClosed ? .disputeClosed : .disputeUpdated, "dispute", object, after)
        }
    }

    private func tell(invoice object: String, _ before: InvoiceState?, _ after: InvoiceState) throws {
        // An invoice of no subscription changes nothing here.
        guard after.subscription != nil, let row = try db.row(BillingTable.invoiceByObject, db.tenant, books.provider, object) else {
            return
        }
        let id: Identifier<InvoiceMark> = try row.id(0)
        func say(_ step: PaymentTold.Step) throws {
            var told = PaymentTold(tenant: db.tenant, step: step, object: "invoice:\(id)", provider: books.provider)
            told.subscription = try subscription(after.subscription)
            told.amount = after.amount?.money
            told.status = after.status.rawValue
            (told.periodStart, told.periodEnd) = (after.periodStart, after.periodEnd)
            try db.emit(told, act)
        }
        if after.isPaid, before?.isPaid != true { try say(.paymentSucceeded) }
        if !after.isPaid, after.failures.count > before?.failures.count ?? 0 { try say(.paymentFailed) }
        let isSame =
            before?.status == after.status && before?.amount?.money == after.amount?.money && before?.periodEnd == after.periodEnd
            && before?.nextAttempt?.at == after.nextAttempt?.at
        if !isSame { try say(.invoiceUpdated) }
    }

    private func tell(_ step: PaymentTold.Step, _ kind: String, _ object: String, _ state: ReversalState) throws {
        guard let row = try db.row(BillingTable.reversalByObject, db.tenant, books.provider, kind, object) else { return }
        let id: Identifier<InvoiceMark> = try row.id(0)
        var told = PaymentTold(tenant: db.tenant, step: step, object: "\(kind):\(id)", provider: books.provider)
        told.subscription = try subscription(state.latest.subscription)
        told.amount = state.latest.amount
        told.status = state.latest.status
        told.reason = state.latest.reason.map { String($0.prefix(200)) }
        try db.emit(told, act)
    }

    private func subscription(_ object: String?) throws -> SubscriptionID? {
        guard let object else { return nil }
        return try db.row(BillingTable.subscriptionByObject, db.tenant, books.provider, object).map { try $0.id(0) }
    }
}

extension InvoiceState {
    var status: InvoiceView.Status { isPaid ? .paid : firstFailure != nil ? .failed : .open }
}

extension ReversalState {
    /// Whoever won: nothing more is asked of the seller.
    var isClosed: Bool { DisputeOutcome(status: latest.status) != nil }
}

/// How a dispute ended, out of what providers call it.
package enum DisputeOutcome: String, Sendable, Hashable, Codable, CaseIterable {
    case won, lost, withdrawn

    package init?(status: String?) {
        switch status?.lowercased() {
        case "won": self = .won
        case "lost", "charge_refunded": self = .lost
        case "warning_closed", "withdrawn", "closed", "prevented": self = .withdrawn
        default: return nil
        }
    }
}
