import Foundation
import PluginKit

/// What one event states. A pure function of its type, its object and its time.
struct StripeEvent {
    let type: String
    let object: StripeObject
    let asOf: Timestamp

    enum Kind { case checkout, subscription, invoice, invoicePayment, decline, refund, dispute }

    /// What each type of event is about; a type that is not here states nothing.
    static let kinds: [String: Kind] = {
        let names: [(Kind, String, [String])] = [
            (.checkout, "checkout.session.", ["completed", "async_payment_succeeded", "async_payment_failed", "expired"]),
            (
                .subscription, "customer.subscription.",
                [
                    "created", "updated", "deleted", "paused", "resumed", "trial_will_end", "pending_update_applied",
                    "pending_update_expired",
                ]
            ),
            (
                .invoice, "invoice.",
                [
                    "paid", "payment_succeeded", "payment_failed", "payment_action_required", "finalized", "updated", "overpaid", "overdue",
                    "marked_uncollectible", "voided",
                ]
            ),
            (.invoicePayment, "invoice_payment.", ["paid"]),
            (.decline, "", ["payment_intent.payment_failed", "charge.failed"]),
            (.refund, "", ["charge.refunded", "refund.created", "refund.updated", "charge.refund.updated"]),
            (.dispute, "charge.dispute.", ["created", "updated", "closed", "funds_withdrawn", "funds_reinstated"]),
        ]
        return Dictionary(uniqueKeysWithValues: names.flatMap { kind, prefix, ends in ends.map { (prefix + $0, kind) } })
    }()

    /// Throws `PaymentProviderError.malformed` where an event that matters is not what Stripe sends.
    func facts() throws -> [PaymentFact] {
        switch Self.kinds[type] {
        case .checkout: try checkout()
        case .subscription: try subscription()
        case .invoice: try invoice()
        case .invoicePayment: try invoicePayment()
        case .decline: declined()
        case .refund: try refunds()
        case .dispute: try dispute()
        case nil: []
        }
    }

    private func mustHaveID(_ object: StripeObject, _ what: String) throws -> String {
        guard let id = object.id else { throw PaymentProviderError.malformed("The \(what) of \(type) has no id.") }
        return id
    }

    // MARK: - Checkout

    /// `completed` says only that the form was filled in: a delayed method is paid when the session says so.
    private func checkout() throws -> [PaymentFact] {
        let id = try mustHaveID(object, "session")
        guard object["mode"]?.string ?? "subscription" == "subscription" else { return [] }
        let isPaid: Bool
        if let status = object["payment_status"]?.string {
            isPaid = status == "paid" || status == "no_payment_required"
        } else {
            isPaid = type.hasSuffix(".async_payment_succeeded")
        }
        let isOver = type.hasSuffix(".expired") || object["status"]?.string == "expired"
        let hasFailed = !isPaid && (isOver || type.hasSuffix(".async_payment_failed"))
        return [
            .checkout(
                CheckoutFact(
                    session: id, reference: StripeObject.id(object["client_reference_id"]) ?? object.metadata("reference"),
                    customer: object.reference("customer"), subscription: object.reference("subscription"),
                    isPaid: isPaid, hasFailed: hasFailed, asOf: asOf))
        ]
    }

    // MARK: - Subscription

    private func subscription() throws -> [PaymentFact] {
        let id = try mustHaveID(object, "subscription")
        guard var status = Self.status(type == "customer.subscription.deleted" ? "canceled" : object["status"]?.string) else { return [] }
        // Collection is void: nothing is paid and nothing promised, though the status goes on saying active.
        if object.child("pause_collection")["behavior"]?.string == "void",
            [SubscriptionStatus.active, .trialing, .pastDue].contains(status)
        {
            status = .paused
        }
        let item = Self.seatItem(object)
        let price = item.map { $0["price"]?.object == nil ? $0.child("plan") : $0.child("price") } ?? object.child("plan")
        let periodStart = item?.time("current_period_start") ?? object.time("current_period_start")
        let periodEnd = item?.time("current_period_end") ?? object.time("current_period_end")
        // A cancellation in the portal may set the moment alone, the API the flag alone.
        let cancelsAt = object.time("cancel_at") ?? (object["cancel_at_period_end"]?.bool == true ? periodEnd : nil)
        return [
            .subscription(
                SubscriptionFact(
                    subscription: id, customer: object.reference("customer"), reference: object.metadata("reference"), status: status,
                    providerPrice: price.id, tier: object.metadata("tier"), quantity: try quantity(item),
                    periodStart: periodStart, periodEnd: periodEnd, trialEnd: object.time("trial_end"), cancelsAt: cancelsAt,
                    endedAt: object.time("ended_at") ?? (status == .cancelled ? asOf : nil), interval: Self.interval(price), asOf: asOf))
        ]
    }

    /// The item that stands for seats: a metered one has no quantity.
    static func seatItem(_ object: StripeObject) -> StripeObject? {
        let items = object.list("items")
        return items.first { $0.child("price").child("recurring")["usage_type"]?.string != "metered" } ?? items.first
    }

    private func quantity(_ item: StripeObject?) throws -> Int {
        guard let number = (item?["quantity"] ?? object["quantity"])?.int else { return 1 }
        guard (0...1_000_000).contains(number) else {
            throw PaymentProviderError.malformed("The quantity of \(type) is no number of seats.")
        }
        return Int(number)
    }

    /// Nil for a status that is not known here: the event then states nothing.
    static func status(_ text: String?) -> SubscriptionStatus? {
        switch text {
        case "incomplete": .incomplete
        case "trialing": .trialing
        case "active": .active
        // Unpaid: retries are over, the subscription is not.
        case "past_due", "unpaid": .pastDue
        case "paused": .paused
        case "canceled", "incomplete_expired": .cancelled
        default: nil
        }
    }

    /// From a price (`recurring`) or an older plan; nil unless it is one month or one year.
    static func interval(_ price: StripeObject) -> BillingInterval? {
        let source = price["recurring"]?.object == nil ? price : price.child("recurring")
        guard let every = source["interval"]?.string else { return nil }
        switch (every, source["interval_count"]?.int ?? 1) {
        case ("month", 1): return .month
        case ("year", 1), ("month", 12): return .year
        default: return nil
        }
    }

    // MARK: - Invoice

    private func invoice() throws -> [PaymentFact] {
        let id = try mustHaveID(object, "invoice")
        let subscription = invoiceSubscription()
        let isPaid = paid()
        let period = period(of: subscription)
        let payments = payments()
        var whole = InvoiceFact(
            invoice: id, subscription: subscription, customer: object.reference("customer"), isPaid: isPaid,
            hasFailed: !isPaid && type == "invoice.payment_failed",
            amount: StripeMoney.incoming(isPaid ? object["amount_paid"] : object["amount_due"], object["currency"]),
            periodStart: period?.start, periodEnd: period?.end, nextAttemptAt: object.time("next_payment_attempt"), asOf: asOf,
            payment: payments.first)
        if whole.hasFailed { whole.declineReason = StripeDecline.reason(ofInvoice: object) }
        // One paid in parts: each of its payments may be disputed.
        return [.invoice(whole)] + payments.dropFirst().map { part(of: id, $0) }
    }

    /// Why an attempt failed stands on the intent and its charge. Older versions name the invoice there; since basil only the customer is named.
    private func declined() -> [PaymentFact] {
        let payment = type == "charge.failed" ? Self.payment(object) ?? object.id : object.id
        let (invoice, customer) = (object.reference("invoice"), object.reference("customer"))
        guard let reason = StripeDecline.reason(of: object), invoice != nil || customer != nil else { return [] }
        return [.decline(DeclineFact(payment: payment, invoice: invoice, customer: customer, reason: reason, asOf: asOf))]
    }

    /// New place first; an invoice made by hand has `parent: null` and belongs to no subscription.
    func invoiceSubscription() -> String? {
        object.child("parent").child("subscription_details").reference("subscription") ?? object.reference("subscription")
    }

    /// Newer versions leave the payments out of an invoice's events and tell of each apart; it names its invoice and nothing else.
    private func invoicePayment() throws -> [PaymentFact] {
        guard let invoice = object.reference("invoice"), let payment = Self.payment(object.child("payment")) else { return [] }
        return [part(of: invoice, payment)]
    }

    /// States only which payment belongs to the invoice; whether that is paid, its own events say.
    private func part(of invoice: String, _ payment: String) -> PaymentFact {
        .invoice(
            InvoiceFact(
                invoice: invoice, subscription: nil, customer: nil, isPaid: false, hasFailed: false, amount: nil, periodStart: nil,
                periodEnd: nil, asOf: asOf, payment: payment))
    }

    /// By what the invoice was or is to be paid, the paid ones first: in a list since basil, on the invoice itself before.
    func payments() -> [String] {
        let listed = object.list("payments").filter { $0["status"]?.string != "canceled" }
        let ordered = listed.filter { $0["status"]?.string == "paid" } + listed.filter { $0["status"]?.string != "paid" }
        var found: [String] = []
        for payment in ordered.map({ Self.payment($0.child("payment")) }) + [Self.payment(object)] {
            if let payment, !found.contains(payment) { found.append(payment) }
        }
        return found
    }
    /// Refunds and disputes are named alike: by the intent, and by the charge where there is none.
    static func payment(_ object: StripeObject) -> String? { object.reference("payment_intent") ?? object.reference("charge") }

    /// By the invoice's own state; only where it says none, by the event's name.
    private func paid() -> Bool {
        if let status = object["status"]?.string { return status == "paid" }
        if let flag = object["paid"]?.bool { return flag }
        return type == "invoice.paid" || type == "invoice.payment_succeeded"
    }

    /// What the invoice pays for stands on its lines: `invoice.period_*` is when its items were gathered. Lines of proration count only
    /// where there are no others.
    func period(of subscription: String?) -> (start: Timestamp, end: Timestamp)? {
        struct Line {
            let start: Timestamp
            let end: Timestamp
            let isProration: Bool
        }
        let lines = object.list("lines").compactMap { line -> Line? in
            let period = line.child("period")
            let item = line.child("parent").child("subscription_item_details")
            let extra = line.child("parent").child("invoice_item_details")
            let owner = item.reference("subscription") ?? extra.reference("subscription") ?? line.reference("subscription")
            if let owner, let subscription, owner != subscription { return nil }
            guard let start = period.time("start"), let end = period.time("end"), start < end else { return nil }
            return Line(start: start, end: end, isProration: Self.isProration(line))
        }
        let regular = lines.filter { !$0.isProration }
        guard let last = (regular.isEmpty ? lines : regular).max(by: { $0.end < $1.end }) else { return nil }
        return (last.start, last.end)
    }

    static func isProration(_ line: StripeObject) -> Bool {
        let parent = line.child("parent")
        let places = [parent.child("subscription_item_details"), parent.child("invoice_item_details"), line]
        return places.contains { $0["proration"]?.bool == true }
    }

    // MARK: - Money back

    private func refunds() throws -> [PaymentFact] {
        if object.kind == "refund" || type.hasPrefix("refund.") || type == "charge.refund.updated" {
            return try refund(object, customer: object.reference("customer")).map { [$0] } ?? []
        }
        // A charge: newer versions leave its refunds out and announce each by `refund.created`. Then this event only says how much
        // went back in all, under a name of its own.
        let charge = try mustHaveID(object, "charge")
        let customer = object.reference("customer")
        let listed = object.list("refunds")
        if !listed.isEmpty { return try listed.compactMap { try refund($0, customer: customer) } }
        guard let amount = StripeMoney.incoming(object["amount_refunded"], object["currency"]), amount.amountMinor > 0 else { return [] }
        return [
            .refund(
                RefundFact(
                    refund: "\(charge)/refunded/\(amount.amountMinor)", payment: object.reference("payment_intent") ?? charge,
                    customer: customer,
                    subscription: nil, amount: amount, reason: nil, asOf: asOf))
        ]
    }

    private func refund(_ refund: StripeObject, customer: String?) throws -> PaymentFact? {
        let id = try mustHaveID(refund, "refund")
        if let status = refund["status"]?.string, ["failed", "canceled"].contains(status) { return nil }
        return .refund(
            RefundFact(
                refund: id, payment: Self.payment(refund), customer: customer,
                subscription: nil,
                amount: StripeMoney.incoming(refund["amount"], refund["currency"]), reason: text(refund["reason"]), asOf: asOf))
    }

    private func dispute() throws -> [PaymentFact] {
        let id = try mustHaveID(object, "dispute")
        return [
            .dispute(
                DisputeFact(
                    dispute: id, payment: Self.payment(object), customer: nil,
                    subscription: nil,
                    amount: StripeMoney.incoming(object["amount"], object["currency"]), status: text(object["status"]) ?? "unknown",
                    reason: text(object["reason"]), asOf: asOf))
        ]
    }

    private func text(_ value: JSONValue?) -> String? { value?.string.map { String($0.prefix(200)) } }
}
