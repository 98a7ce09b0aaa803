import Vocabulary

// What crosses the wire, in the words of the contract.

struct CheckoutBody: Decodable {
    let tier: String?
    let interval: BillingInterval?
    let quantity: Int?
    let provider: String?
    let priceID: String?
    let replaces: SubscriptionID?
    enum CodingKeys: String, CodingKey {
        case tier, interval, quantity, provider, replaces
        case priceID = "price_id"
    }
    var order: CheckoutOrder {
        CheckoutOrder(tier: tier, interval: interval, priceID: priceID, quantity: quantity ?? 1, provider: provider, replaces: replaces)
    }
}

struct PortalWire: Encodable { let url: String }

struct WebhookWire: Encodable { let received = true }

struct SubscriptionWire: Encodable {
    struct Change: Encodable {
        let tier: String
        let quantity: Int
        let at: Timestamp
    }
    let id: SubscriptionID
    let provider: String
    let status: String
    let reason: String
    let tier: String
    let interval: BillingInterval
    let quantity: Int
    let seats: Int?
    let periodEnd: Timestamp?
    let graceUntil: Timestamp?
    let cancelsAt: Timestamp?
    let trialEndsAt: Timestamp?
    let change: Change?
    let createdAt: Timestamp

    init(_ view: SubscriptionView) {
        let standing = view.standing
        id = view.id
        provider = view.provider
        status = standing.state.rawValue
        reason = standing.reason.rawValue
        tier = standing.tier
        interval = standing.interval
        quantity = standing.quantity
        seats = view.seats
        periodEnd = standing.periodEnd
        graceUntil = standing.graceUntil
        cancelsAt = standing.cancelsAt
        trialEndsAt = standing.trialEndsAt
        change = standing.change.map { Change(tier: $0.tier, quantity: $0.quantity, at: $0.at) }
        createdAt = view.createdAt
    }

    enum CodingKeys: String, CodingKey {
        case id, provider, status, reason, tier, interval, quantity, seats, change
        case periodEnd = "period_end"
        case graceUntil = "grace_until"
        case cancelsAt = "cancels_at"
        case trialEndsAt = "trial_ends_at"
        case createdAt = "created_at"
    }

    /// Every key is there, null where there is nothing to say.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(id, forKey: .id)
        try container.encode(provider, forKey: .provider)
        try container.encode(status, forKey: .status)
        try container.encode(reason, forKey: .reason)
        try container.encode(tier, forKey: .tier)
        try container.encode(interval, forKey: .interval)
        try container.encode(quantity, forKey: .quantity)
        try container.encode(seats, forKey: .seats)
        try container.encode(periodEnd, forKey: .periodEnd)
        try container.encode(graceUntil, forKey: .graceUntil)
        try container.encode(cancelsAt, forKey: .cancelsAt)
        try container.encode(trialEndsAt, forKey: .trialEndsAt)
        try container.encode(change, forKey: .change)
        try container.encode(createdAt, forKey: .createdAt)
    }
}

struct SubscriptionsWire: Encodable {
    let subscription: SubscriptionWire?
    let subscriptions: [SubscriptionWire]

    enum CodingKeys: String, CodingKey { case subscription, subscriptions }
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(subscription, forKey: .subscription)
        try container.encode(subscriptions, forKey: .subscriptions)
    }
}

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
