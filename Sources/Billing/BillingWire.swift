import Vocabulary

// What crosses the wire, in the words of the contract.

struct CheckoutBody: Decodable {
    let tier: String?
    let interval: BillingInterval?
    let quantity: Int?
    let provider: String?
    let priceID: String?
    let replaces: SubscriptionID?
    let coupon: String?
    enum CodingKeys: String, CodingKey {
        case tier, interval, quantity, provider, replaces, coupon
        case priceID = "price_id"
    }
    var order: CheckoutOrder {
        CheckoutOrder(
            tier: tier, interval: interval, priceID: priceID, quantity: quantity ?? 1, provider: provider, replaces: replaces,
            coupon: coupon)
    }
}

struct PortalWire: Encodable { let url: String }

struct WebhookWire: Encodable { let received = true }

extension InvoiceView {
    var json: JSONValue {
        func time(_ moment: Timestamp?) -> JSONValue { moment.map { .string($0.iso8601) } ?? .null }
        return [
            "id": .string(id.description), "provider": .string(provider), "number": .string(number), "status": .string(status.rawValue),
            "amount": amount.map { ["amount_minor": .int($0.amountMinor), "currency": .string($0.currency.code)] } ?? .null,
            "period_start": time(periodStart), "period_end": time(periodEnd), "paid_at": time(paidAt),
            "next_attempt_at": time(nextAttemptAt),
            "issued_at": time(issuedAt),
        ]
    }
}
