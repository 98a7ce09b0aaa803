import Foundation
import PluginKit

extension Account {
    /// An object as it was when something about it was told.
    enum Told {
        case checkout(Session)
        case subscription(Subscription)
        case invoice(Bill)
        case refund(String, Bill, Money, String)
        case reversal(String, Bill, Int64)
    }

    mutating func tell(_ told: [Told], now: Timestamp) {
        for object in told {
            lastEventAt = max(now, lastEventAt + .microseconds(1))
            let id = "evt_" + name()
            counter += 1
            pending.append(
                PendingWebhook(
                    number: counter, event: id, body: BankEvent.body(of: object, id: id, account: self, created: lastEventAt), due: now))
        }
    }

    /// The webhook to deliver now.
    func webhook(_ now: Timestamp) -> PendingWebhook? {
        pending.filter { $0.due <= now }.min { ($0.due, $0.number) < ($1.due, $1.number) }
    }
    mutating func delivered(_ number: Int) { pending.removeAll { $0.number == number } }
    /// Tries again later, longer each time, and never gives up: what it tells is money.
    mutating func undelivered(_ number: Int, now: Timestamp) {
        guard let place = pending.firstIndex(where: { $0.number == number }) else { return }
        let waits: [Int64] = [1, 2, 5, 15, 60, 300, 900, 3_600]
        pending[place].due = now + .seconds(waits[min(pending[place].attempts, waits.count - 1)])
        pending[place].attempts += 1
    }
}

/// The plugin's webhooks: `{id, type, created, data}`, the object as it was at that moment.
enum BankEvent {
    static let maxBytes = 65_536

    // MARK: - Telling

    static func body(of told: Account.Told, id: String, account: Account, created: Timestamp) -> String {
        let (type, data) = object(told)
        let event: JSONValue = [
            "id": .string(id), "type": .string(type), "created": .string(created.iso8601),
            "data": .object(data.merging(["customer": .string(account.customer)]) { own, _ in own }),
        ]
        return (try? event.encoded()).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    private static func object(_ told: Account.Told) -> (type: String, data: [String: JSONValue]) {
        switch told {
        case .checkout(let it):
            return (
                it.isPaid ? "checkout.paid" : it.hasFailed ? "checkout.failed" : "checkout.waiting",
                [
                    "id": .string(it.id), "reference": .string(it.reference), "subscription": text(it.subscription),
                    "paid": .bool(it.isPaid), "failed": .bool(it.hasFailed),
                ]
            )
        case .subscription(let it):
            return (
                it.status == .cancelled ? "subscription.ended" : "subscription.changed",
                [
                    "id": .string(it.id), "reference": .string(it.reference), "status": .string(it.status.rawValue),
                    "price": text(it.providerPrice), "tier": .string(it.tier), "interval": .string(it.interval.rawValue),
                    "quantity": .int(Int64(it.quantity)), "period_start": time(it.periodStart), "period_end": time(it.periodEnd),
                    "trial_end": time(it.trialEnd), "cancels_at": time(it.cancelsAt), "ended_at": time(it.endedAt),
                ]
            )
        case .invoice(let it):
            return (
                it.isPaid ? "invoice.paid" : it.overdueSince != nil ? "invoice.overdue" : "invoice.open",
                money(it, it.payable).merging([
                    "id": .string(it.claimID), "paid": .bool(it.isPaid), "failed": .bool(it.overdueSince != nil && !it.isPaid),
                    "period_start": time(it.periodStart), "period_end": time(it.periodEnd),
                ]) { $1 }
            )
        case .refund(let id, let bill, let amount, let why):
            return (
                "refund.owed",
                money(bill, amount.amountMinor).merging([
                    "id": .string(id), "reason": .string(why), "currency": .string(amount.currency.code),
                ]) { $1 }
            )
        case .reversal(let id, let bill, let open):
            return ("transfer.reversed", money(bill, open).merging(["id": .string(id)]) { $1 })
        }
    }

    private static func money(_ bill: Account.Bill, _ minor: Int64) -> [String: JSONValue] {
        [
            "subscription": .string(bill.subscription), "payment": .string(bill.number.description), "amount_minor": .int(minor),
            "currency": .string(bill.currency.code),
        ]
    }
    private static func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
    private static func time(_ value: Timestamp?) -> JSONValue { text(value?.iso8601) }

    static let types: Set<String> = [
        "checkout.paid", "checkout.waiting", "checkout.failed", "subscription.changed", "subscription.ended", "invoice.paid",
        "invoice.overdue", "invoice.open", "refund.owed", "transfer.reversed",
    ]

    /// An object as it is now, in the words of the webhook that would tell of it.
    static func fact(of told: Account.Told, _ account: Account, asOf: Timestamp) throws -> PaymentFact? {
        try facts(verified(Data(body(of: told, id: "evt_read", account: account, created: asOf).utf8))).first
    }

    // MARK: - Reading

    /// Id, type and time of a webhook whose signature was found good.
    static func verified(_ body: Data) throws -> VerifiedEvent {
        let document = try parse(body)
        guard let id = name(document["id"]), let type = name(document["type"]), let created = moment(document, "created") else {
            throw PaymentProviderError.malformed("The event lacks id, type or time.")
        }
        return VerifiedEvent(id: id, type: type, createdAt: created, body: body)
    }

    /// Pure, and about the object as the event shows it.
    static func facts(_ event: VerifiedEvent) throws -> [PaymentFact] {
        guard types.contains(event.type) else { return [] }
        let data = try parse(event.body)["data"] ?? .null
        guard let id = name(data["id"]) else { throw PaymentProviderError.malformed("The object has no id.") }
        let (asOf, customer, subscription) = (event.createdAt, name(data["customer"]), name(data["subscription"]))
        switch event.type.prefix(while: { $0 != "." }) {
        case "checkout":
            let isPaid = try flag(data, "paid")
            return [
                .checkout(
                    CheckoutFact(
                        session: id, reference: name(data["reference"]), customer: customer, subscription: subscription, isPaid: isPaid,
                        hasFailed: try !isPaid && flag(data, "failed"), asOf: asOf))
            ]
        case "subscription": return [.subscription(try self.subscription(id, data, customer, asOf))]
        case "invoice":
            let isPaid = try flag(data, "paid")
            return [
                .invoice(
                    InvoiceFact(
                        invoice: id, subscription: subscription, customer: customer, isPaid: isPaid,
                        hasFailed: try !isPaid && flag(data, "failed"), amount: amount(data), periodStart: moment(data, "period_start"),
                        periodEnd: moment(data, "period_end"), asOf: asOf, payment: name(data["payment"])))
            ]
        case "refund":
            return [
                .refund(
                    RefundFact(
                        refund: id, payment: name(data["payment"]), customer: customer, subscription: subscription, amount: amount(data),
                        reason: data["reason"]?.string.map { String($0.prefix(200)) }, asOf: asOf))
            ]
        default:
            return [
                .dispute(
                    DisputeFact(
                        dispute: id, payment: name(data["payment"]), customer: customer, subscription: subscription, amount: amount(data),
                        status: "lost", reason: "The bank took a transfer back.", asOf: asOf))
            ]
        }
    }

    private static func subscription(_ id: String, _ data: JSONValue, _ customer: String?, _ asOf: Timestamp) throws -> SubscriptionFact {
        guard let status = data["status"]?.string.flatMap({ SubscriptionStatus(rawValue: $0) }), let quantity = data["quantity"]?.int,
            (0...1_000_000).contains(quantity)
        else { throw PaymentProviderError.malformed("The subscription has no known status or no quantity.") }
        return SubscriptionFact(
            subscription: id, customer: customer, reference: name(data["reference"]), status: status, providerPrice: name(data["price"]),
            tier: name(data["tier"]), quantity: Int(quantity), periodStart: moment(data, "period_start"),
            periodEnd: moment(data, "period_end"), trialEnd: moment(data, "trial_end"), cancelsAt: moment(data, "cancels_at"),
            endedAt: moment(data, "ended_at"), interval: data["interval"]?.string.flatMap { BillingInterval(rawValue: $0) }, asOf: asOf)
    }

    private static func parse(_ body: Data) throws -> JSONValue {
        do { return try JSONValue.parse(body, maxBytes: maxBytes) } catch { throw PaymentProviderError.malformed("\(error)") }
    }
    private static func flag(_ data: JSONValue, _ name: String) throws -> Bool {
        guard let flag = data[name]?.bool else { throw PaymentProviderError.malformed("The object does not say whether it is \(name).") }
        return flag
    }
    private static func name(_ value: JSONValue?) -> String? {
        value?.string.flatMap { (1...255).contains($0.utf8.count) && $0.utf8.allSatisfy { $0 > 32 && $0 < 127 } ? $0 : nil }
    }
    private static func moment(_ data: JSONValue, _ name: String) -> Timestamp? { data[name]?.string.flatMap { Timestamp(iso8601: $0) } }
    private static func amount(_ data: JSONValue) -> Money? {
        guard let amount = data["amount_minor"]?.int, (0...Invoice.largest * 2).contains(amount),
            let currency = data["currency"]?.string.flatMap({ Currency($0) })
        else { return nil }
        return Money(amountMinor: amount, currency: currency)
    }
}
