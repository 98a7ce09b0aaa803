import Foundation
import PluginKit

/// What one event states. A pure function of its type, its entity and its time.
///
/// Paddle's events carry the whole entity as it was then, so state is read and not the story: `transaction.updated` of a completed
/// transaction says the same as `transaction.completed`.
struct PaddleEvent {
    let type: String
    let object: PaddleObject
    let asOf: Timestamp

    enum Kind { case subscription, transaction, adjustment }

    /// What each type of event is about; a type that is not here states nothing.
    static let kinds: [String: Kind] = {
        let names: [(Kind, String, [String])] = [
            (
                .subscription, "subscription.",
                ["created", "activated", "updated", "trialing", "past_due", "paused", "resumed", "canceled", "imported"]
            ),
            (
                .transaction, "transaction.",
                ["created", "ready", "billed", "updated", "paid", "completed", "past_due", "payment_failed", "canceled", "revised"]
            ),
            (.adjustment, "adjustment.", ["created", "updated"]),
        ]
        return Dictionary(uniqueKeysWithValues: names.flatMap { kind, prefix, ends in ends.map { (prefix + $0, kind) } })
    }()

    /// Throws `PaymentProviderError.malformed` where an event that matters is not what Paddle sends.
    func facts() throws -> [PaymentFact] {
        guard let kind = Self.kinds[type] else { return [] }
        guard let id = object.id else { throw PaymentProviderError.malformed("The entity of \(type) has no id.") }
        switch kind {
        case .subscription: return try subscription(id)
        case .transaction: return transaction(id)
        case .adjustment: return Self.adjustment(object, asOf: asOf).map { [$0] } ?? []
        }
    }

    // MARK: - Subscription

    private func subscription(_ id: String) throws -> [PaymentFact] {
        guard let status = Self.status(object.status) else { return [] }
        let item = Self.seatItem(object)
        let period = object.child("current_billing_period").period
        let scheduled = object.child("scheduled_change")
        let trial = item?.child("trial_dates").time("ends_at")
        return [
            .subscription(
                SubscriptionFact(
                    subscription: id, customer: object.reference("customer_id"), reference: object.custom("reference"), status: status,
                    providerPrice: item?.child("price").id, tier: object.custom("tier"), quantity: try quantity(item),
                    periodStart: period?.start, periodEnd: period?.end,
                    trialEnd: status == .trialing ? object.time("next_billed_at") ?? trial : trial,
                    cancelsAt: scheduled["action"]?.string == "cancel" ? scheduled.time("effective_at") : nil,
                    endedAt: object.time("canceled_at") ?? (status == .cancelled ? asOf : nil),
                    interval: Self.interval(object.child("billing_cycle")), asOf: asOf))
        ]
    }

    /// The item that stands for seats: the first that recurs.
    static func seatItem(_ object: PaddleObject) -> PaddleObject? {
        let items = object.list("items")
        return items.first { $0["recurring"]?.bool ?? true } ?? items.first
    }
    private func quantity(_ item: PaddleObject?) throws -> Int {
        guard let number = item?["quantity"]?.int else { return 1 }
        guard (0...1_000_000).contains(number) else {
            throw PaymentProviderError.malformed("The quantity of \(type) is no number of seats.")
        }
        return Int(number)
    }
    /// Nil for a status that is not known here: the event then states nothing.
    static func status(_ text: String?) -> SubscriptionStatus? {
        switch text {
        case "trialing": .trialing
        case "active": .active
        case "past_due": .pastDue
        case "paused": .paused
        case "canceled": .cancelled
        default: nil
        }
    }
    static func interval(_ cycle: PaddleObject) -> BillingInterval? {
        switch (cycle["interval"]?.string, cycle["frequency"]?.int) {
        case ("month", 1): .month
        case ("year", 1), ("month", 12): .year
        default: nil
        }
    }

    // MARK: - Transaction: a checkout, and an invoice

    private func transaction(_ id: String) -> [PaymentFact] {
        let origin = object["origin"]?.string ?? "api"
        // Of no money: a card was changed.
        guard origin != "subscription_payment_method_change" else { return [] }
        let isPaid = Self.isPaid(object)
        let subscription = object.reference("subscription_id")
        let customer = object.reference("customer_id")
        var facts: [PaymentFact] = []
        if ["api", "web"].contains(origin), let reference = object.custom("reference") {
            facts.append(
                .checkout(
                    CheckoutFact(
                        session: id, reference: reference, customer: customer, subscription: subscription, isPaid: isPaid,
                        hasFailed: object.status == "canceled", asOf: asOf)))
        }
        let reason = type == "transaction.payment_failed" ? PaddleDecline.reason(object) : nil
        guard isPaid || subscription != nil else {
            // A buyer at the checkout tries again; the reason may matter to a policy.
            if let reason, customer != nil {
                facts.append(.decline(DeclineFact(payment: id, invoice: id, customer: customer, reason: reason, asOf: asOf)))
            }
            return facts
        }
        var invoice = Self.invoice(object, id: id, asOf: asOf)
        // A renewal is owed. A change that could not be charged was not made: nothing is owed by it.
        if type == "transaction.payment_failed", origin == "subscription_recurring", !isPaid { invoice.hasFailed = true }
        if invoice.hasFailed { invoice.declineReason = reason ?? PaddleDecline.reason(object) }
        return facts + [.invoice(invoice)]
    }

    /// `paid` is `completed` before Paddle has worked it up.
    static func isPaid(_ object: PaddleObject) -> Bool { object.status == "paid" || object.status == "completed" }

    static func invoice(_ object: PaddleObject, id: String, asOf: Timestamp) -> InvoiceFact {
        let period = object.child("billing_period").period
        let totals = object.child("details").child("totals")
        let isPaid = isPaid(object)
        return InvoiceFact(
            invoice: id, subscription: object.reference("subscription_id"), customer: object.reference("customer_id"), isPaid: isPaid,
            hasFailed: object.status == "past_due",
            amount: totals.money("grand_total") ?? totals.money("total"), periodStart: period?.start, periodEnd: period?.end, asOf: asOf,
            payment: id)
    }

    // MARK: - Adjustment: money back, by us or by the customer's bank

    /// Nil where nothing went back: a credit, or a refund that Paddle has not approved or has refused.
    static func adjustment(_ object: PaddleObject, asOf: Timestamp) -> PaymentFact? {
        guard let id = object.id, let action = object["action"]?.string else { return nil }
        let payment = object.reference("transaction_id")
        let totals = object.child("totals")
        let amount = totals.money("total") ?? totals.money("total", object["currency_code"]?.string)
        let reason = object["reason"]?.string.map { PaddleRefundReason($0).words }
        switch action {
        case "refund":
            guard object.status == "approved" else { return nil }
            return .refund(
                RefundFact(
                    refund: id, payment: payment, customer: object.reference("customer_id"),
                    subscription: object.reference("subscription_id"),
                    amount: amount, reason: reason, asOf: asOf))
        // A chargeback and its reversal are two adjustments of one dispute: it is named by what was disputed.
        case "chargeback", "chargeback_reverse", "chargeback_warning", "chargeback_warning_reverse":
            return .dispute(
                DisputeFact(
                    dispute: payment.map { "dispute_" + $0 } ?? id, payment: payment, customer: object.reference("customer_id"),
                    subscription: object.reference("subscription_id"), amount: amount, status: action, reason: reason, asOf: asOf))
        default: return nil
        }
    }
}

/// The reason of a refund, and behind it the mark by which its wish is found: adjustments have no field for data of the seller.
struct PaddleRefundReason {
    let words: String
    let mark: String?
    let asked: String?

    init(_ reason: RefundReason, mark: String, asked: String) {
        words = reason.rawValue
        self.mark = mark
        self.asked = asked
    }
    init(_ text: String) {
        let parts = text.split(separator: " ", omittingEmptySubsequences: true)
        if parts.count == 2, parts[1].hasPrefix("["), parts[1].hasSuffix("]") {
            let marks = parts[1].dropFirst().dropLast().split(separator: "/")
            if marks.count == 2 {
                words = String(parts[0])
                mark = String(marks[0])
                asked = String(marks[1])
                return
            }
        }
        words = String(text.prefix(200))
        mark = nil
        asked = nil
    }
    var text: String { "\(words) [\(mark ?? "")/\(asked ?? "")]" }
}

/// Paddle's codes of failed payments in the kit's words.
enum PaddleDecline {
    /// Of the newest attempt that failed; nil where none did.
    static func reason(_ transaction: PaddleObject) -> DeclineReason? {
        let failed = transaction.list("payments").filter { $0["status"]?.string == "error" || $0["error_code"]?.string != nil }
        guard let newest = failed.max(by: { ($0.time("created_at")?.microseconds ?? 0) < ($1.time("created_at")?.microseconds ?? 0) })
        else { return nil }
        switch newest["error_code"]?.string {
        case "not_enough_balance": return .insufficientFunds
        case "expired_card": return .expiredCard
        case "invalid_payment_details": return .incorrectDetails
        case "authentication_failed": return .authenticationRequired
        case "fraud", "blocked_card": return .lostOrStolen
        case "transaction_not_permitted", "prepaid_card_not_supported", "preferred_network_not_supported", "redacted_payment_method",
            "blocked_by_policy":
            return .notAccepted
        case "issuer_unavailable", "psp_error", "system_error": return .processingError
        default: return .other
        }
    }
}
