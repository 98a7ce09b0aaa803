import Store
import Vocabulary

/// Money that went back, as it is known here.
package struct RefundView: Sendable, Hashable {
    package let provider: String
    /// The provider's name of it; nil while nobody knows whether there is one.
    package let refund: String?
    package let amount: Money?
    package let status: BillingOperation.Status
    package let at: Timestamp
}

package struct RefundOrder: Sendable, Hashable {
    package var invoice: Identifier<InvoiceMark>
    /// Nil: all that is left.
    package var amountMinor: Int64?
    package var reason: RefundReason
    /// In the staff member's own words, for the journal.
    package var note: String
    package init(invoice: Identifier<InvoiceMark>, amountMinor: Int64?, reason: RefundReason, note: String) {
        self.invoice = invoice
        self.amountMinor = amountMinor
        self.reason = reason
        self.note = note
    }
}

/// Gives money back, by staff only: never more than was paid, once under retries, with a reason in the tenant's own journal.
struct RefundDesk {
    let parts: BillingParts
    private var store: any Store { parts.floor.store }

    func refund(_ order: RefundOrder, of tenant: TenantID, _ act: Act) async throws -> BillingOperation {
        try CardNumber.refuse(["note": order.note])
        let desk = OperationDesk(parts: parts)
        if let before = try await desk.repeated(tenant, act) { return before }
        let (name, object, facts) = try await invoice(order.invoice, tenant)
        let provider = try await parts.providers.inService(name, for: tenant)
        guard provider.capabilities.contains(.refunds) else {
            throw BillingProblems.providerCannot.with(["capability": .string(PaymentCapability.refunds.rawValue)])
        }
        let (payment, paid) = try await payment(of: object, facts, provider)
        let left = try await store.tenantRead(tenant) { db in paid.amountMinor - (try RefundDesk.givenBack(payment, name, paid, db)) }
        let amount = Money(amountMinor: order.amountMinor ?? left, currency: paid.currency)
        guard amount.amountMinor >= 1, amount.amountMinor <= left else {
            throw BillingProblems.notRefundable.with(["left_minor": .int(max(0, left)), "currency": .string(paid.currency.code)])
        }
        if amount != paid, !provider.capabilities.contains(.partialRefunds) {
            throw BillingProblems.providerCannot.with(["capability": .string(PaymentCapability.partialRefunds.rawValue)])
        }
        let wish = RefundRequest(payment: payment, amount: amount, reason: order.reason, idempotencyKey: "")
        return try await desk.perform(
            .refund(wish), at: name, tenant: tenant,
            details: [
                "invoice": .string(order.invoice.description), "amount_minor": .int(amount.amountMinor),
                "currency": .string(amount.currency.code), "reason": .string(order.reason.rawValue), "note": .string(order.note),
            ], act
        ) { db, _ in
            // Once more where nobody comes in between: two refunds at once are together no more than what was paid.
            guard amount.amountMinor <= paid.amountMinor - (try RefundDesk.givenBack(payment, name, paid, db)) else {
                throw BillingProblems.notRefundable
            }
        }
    }

    private func invoice(_ id: Identifier<InvoiceMark>, _ tenant: TenantID) async throws -> (String, String, InvoiceState) {
        try await store.tenantRead(tenant) { db in
            guard let row = try db.row(BillingTable.invoiceByID, db.tenant, id) else { throw CommonProblems.notFound }
            return (try row.text(1), try row.text(2), try StoredJSON.decode(try row.text(4)))
        }
    }

    /// What the provider calls the payment of an invoice, and what was paid: the lesser of what it says and what is known here.
    private func payment(
        of object: String, _ facts: InvoiceState, _ provider: any PaymentProvider
    ) async throws -> (String, Money) {
        guard facts.isPaid, let known = facts.amount?.money else { throw BillingProblems.notRefundable.with(["left_minor": 0]) }
        guard provider.capabilities.contains(.invoices) else {
            guard let payment = facts.payment else {
                throw BillingProblems.providerCannot.with(["capability": .string(PaymentCapability.invoices.rawValue)])
            }
            return (payment, known)
        }
        let document: ProviderInvoice
        do {
            let limit = Duration.seconds(Int64(parts.settings[BillingSettings.providerSeconds]))
            document = try await CallLimit.within(limit) { try await provider.readInvoice(object) }
        } catch { throw BillingProblems.of(error) }
        guard let payment = document.payment ?? facts.payment, PaymentInbox.isName(payment), document.total.currency == known.currency
        else {
            throw BillingProblems.notRefundable.with(["left_minor": 0])
        }
        let paid = min(known.amountMinor, document.total.amountMinor - document.due.amountMinor)
        return (payment, Money(amountMinor: paid, currency: known.currency))
    }

    /// What is given back of a payment, or may have been: each refund once, by whoever asked for it.
    private static func givenBack(_ payment: String, _ provider: String, _ paid: Money, _ db: any TenantScope) throws -> Int64 {
        var sums: [String: Int64] = [:]
        for row in try db.rows(BillingTable.reversals, db.tenant, provider, "refund") {
            let state: ReversalState = try StoredJSON.decode(try row.text(1))
            guard state.latest.payment == payment else { continue }
            sums[try row.text(0)] = state.latest.amount?.amountMinor ?? paid.amountMinor
        }
        for operation in try db.rows(OperationTable.ofObject, db.tenant, provider, payment).map(BillingOperation.init) {
            guard operation.kind == .refund, operation.status != .refused else { continue }
            sums[operation.made ?? "operation:\(operation.id)"] = operation.amount?.amountMinor ?? paid.amountMinor
        }
        return sums.values.reduce(0) { sum, amount in
            let (total, overflow) = sum.addingReportingOverflow(amount)
            return overflow ? .max : total
        }
    }
}
