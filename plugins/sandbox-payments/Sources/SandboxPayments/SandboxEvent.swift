import Foundation
import PluginKit

/// The sandbox's webhooks: `{id, type, created, data}`, the object as it was at that moment.
enum SandboxEvent {
    static let maxBytes = 65_536

    // MARK: - Telling

    static func body(of told: Account.Told, id: String, customer: String, created: Timestamp) -> String {
        let (type, data) = object(told)
        let event: JSONValue = [
            "id": .string(id), "type": .string(type), "created": .string(created.iso8601),
            "data": .object(data.merging(["customer": .string(customer)]) { own, _ in own }),
        ]
        return (try? event.encoded()).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    private static func object(_ told: Account.Told) -> (type: String, data: [String: JSONValue]) {
        switch told {
        case .checkout(let session):
            let type = session.hasFailed ? "checkout.failed" : session.isPaid ? "checkout.paid" : "checkout.waiting"
            return (
                type,
                [
                    "id": .string(session.id), "reference": .string(session.reference), "subscription": text(session.subscription),
                    "paid": .bool(session.isPaid), "failed": .bool(session.hasFailed),
                ]
            )
        case .subscription(let it):
            return (
                it.status == .cancelled ? "subscription.ended" : "subscription.changed",
                [
                    "id": .string(it.id), "reference": .string(it.reference), "status": .string(it.status.rawValue),
                    "price": text(it.providerPrice),
                    "tier": .string(it.tier), "interval": .string(it.interval.rawValue), "quantity": .int(Int64(it.quantity)),
                    "period_start": time(it.periodStart), "period_end": time(it.periodEnd), "trial_end": time(it.trialEnd),
                    "cancels_at": time(it.cancelsAt), "ended_at": time(it.endedAt),
                ]
            )
        case .invoice(let it):
            return (
                it.isPaid ? "invoice.paid" : it.hasFailed ? "invoice.failed" : "invoice.open",
                [
                    "id": .string(it.id), "subscription": .string(it.subscription), "paid": .bool(it.isPaid),
                    "failed": .bool(it.hasFailed && !it.isPaid),
                    "decline_reason": text(it.isPaid ? nil : it.declineReason?.rawValue),
                    "amount_minor": .int(it.amount.amountMinor), "currency": .string(it.amount.currency.code),
                    "period_start": time(it.periodStart),
                    "period_end": time(it.periodEnd), "next_attempt_at": time(it.nextAttemptAt),
                ]
            )
        case .refund(let it): return ("refund.created", reversal(it))
        case .dispute(let it): return ("dispute.opened", reversal(it))
        }
    }

    private static func reversal(_ it: Account.Reversal) -> [String: JSONValue] {
        [
            "id": .string(it.id), "invoice": .string(it.invoice), "subscription": .string(it.subscription),
            "amount_minor": .int(it.amount.amountMinor), "currency": .string(it.amount.currency.code), "reason": .string(it.reason),
        ]
    }
    private static func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
    private static func time(_ value: Timestamp?) -> JSONValue { text(value?.iso8601) }

    // MARK: - Reading

    /// Id, type and time of a webhook whose signature was found good.
    static func verified(_ body: Data) throws -> VerifiedEvent {
        let document = try parse(body)
        guard let id = document["id"]?.string, isName(id), let type = document["type"]?.string, isName(type),
            let created = document["created"]?.string.flatMap({ Timestamp(iso8601: $0) })
        else { throw PaymentProviderError.malformed("The event lacks id, type or time.") }
        return VerifiedEvent(id: id, type: type, createdAt: created, body: body)
    }

    static let known: Set<String> = [
        "checkout.paid", "checkout.waiting", "checkout.failed", "subscription.changed", "subscription.ended", "invoice.paid",
        "invoice.failed",
        "invoice.open", "refund.created", "dispute.opened",
    ]

    static func facts(_ event: VerifiedEvent) throws -> [PaymentFact] {
        guard known.contains(event.type) else { return [] }
        let data = try parse(event.body)["data"] ?? .null
        guard let id = data["id"]?.string, isName(id) else { throw PaymentProviderError.malformed("The object has no id.") }
        let (asOf, customer) = (event.createdAt, name(data["customer"]))
        switch event.type.prefix(while: { $0 != "." }) {
        case "checkout":
            let isPaid = try flag(data, "paid")
            return [
                .checkout(
                    CheckoutFact(
                        session: id, reference: name(data["reference"]), customer: customer, subscription: name(data["subscription"]),
                        isPaid: isPaid,
                        hasFailed: try !isPaid && flag(data, "failed"), asOf: asOf))
            ]
        case "subscription": return [.subscription(try subscription(id, data, customer, asOf))]
        case "invoice":
            let isPaid = try flag(data, "paid")
            var fact = InvoiceFact(
                invoice: id, subscription: name(data["subscription"]), customer: customer, isPaid: isPaid,
                hasFailed: try !isPaid && flag(data, "failed"), amount: money(data), periodStart: moment(data, "period_start"),
                periodEnd: moment(data, "period_end"), nextAttemptAt: moment(data, "next_attempt_at"), asOf: asOf)
            if fact.hasFailed { fact.declineReason = data["decline_reason"]?.string.map { DeclineReason(rawValue: $0) ?? .other } }
            return [.invoice(fact)]
        case "refund":
            return [
                .refund(
                    RefundFact(
                        refund: id, payment: name(data["invoice"]), customer: customer, subscription: name(data["subscription"]),
                        amount: money(data),
                        reason: reason(data) ?? "requested in the sandbox", asOf: asOf))
            ]
        default:
            return [
                .dispute(
                    DisputeFact(
                        dispute: id, payment: name(data["invoice"]), customer: customer, subscription: name(data["subscription"]),
                        amount: money(data), status: "needs_response", reason: reason(data) ?? "opened in the sandbox", asOf: asOf))
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
            periodEnd: moment(data, "period_end"),
            trialEnd: moment(data, "trial_end"), cancelsAt: moment(data, "cancels_at"), endedAt: moment(data, "ended_at"),
            interval: data["interval"]?.string.flatMap { BillingInterval(rawValue: $0) }, asOf: asOf)
    }

    private static func parse(_ body: Data) throws -> JSONValue {
        do { return try JSONValue.parse(body, maxBytes: maxBytes) } catch { throw PaymentProviderError.malformed("\(error)") }
    }
    private static func flag(_ data: JSONValue, _ name: String) throws -> Bool {
        guard let flag = data[name]?.bool else { throw PaymentProviderError.malformed("The object does not say whether it is \(name).") }
        return flag
    }
    private static func reason(_ data: JSONValue) -> String? { data["reason"]?.string.map { String($0.prefix(200)) } }
    private static func name(_ value: JSONValue?) -> String? { value?.string.flatMap { isName($0) ? $0 : nil } }
    private static func isName(_ text: String) -> Bool {
        (1...255).contains(text.utf8.count) && text.utf8.allSatisfy { $0 > 32 && $0 < 127 }
    }
    private static func moment(_ data: JSONValue, _ name: String) -> Timestamp? { data[name]?.string.flatMap { Timestamp(iso8601: $0) } }
    private static func money(_ data: JSONValue) -> Money? {
        guard let amount = data["amount_minor"]?.int, (0...1_000_000_000_000_000).contains(amount),
            let currency = data["currency"]?.string.flatMap({ Currency($0) })
        else { return nil }
        return Money(amountMinor: amount, currency: currency)
    }
}
