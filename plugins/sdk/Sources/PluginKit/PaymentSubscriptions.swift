// since 1.1
/// When the difference between what was paid and what will hold is charged or credited.
public enum Proration: String, Sendable, Hashable, Codable, CaseIterable {
    /// By an invoice of its own, at once.
    case invoiceNow = "invoice_now"
    /// With the next regular invoice.
    case nextInvoice = "next_invoice"
    /// Not at all.
    case none
}

/// Another tier, interval or quantity for a subscription, all in one.
public struct SubscriptionChange: Sendable, Hashable, Codable {
    public var subscription: String
    public var tier: String
    public var interval: BillingInterval
    public var quantity: Int
    /// For one unit and interval, where the provider knows no price of its own.
    public var unitPrice: Money
    /// The provider's own name of the price, where one is configured for the tier and interval.
    public var providerPrice: String?
    public var proration: Proration
    /// `ChangePreview.prorationAt`: what was shown is what is charged. Nil: now.
    public var prorationAt: Timestamp?
    /// Not looked at by a preview.
    public var idempotencyKey: String

    public init(
        subscription: String, tier: String, interval: BillingInterval, quantity: Int, unitPrice: Money, providerPrice: String?,
        proration: Proration = .invoiceNow, prorationAt: Timestamp? = nil, idempotencyKey: String
    ) {
        self.subscription = subscription
        self.tier = tier
        self.interval = interval
        self.quantity = quantity
        self.unitPrice = unitPrice
        self.providerPrice = providerPrice
        self.proration = proration
        self.prorationAt = prorationAt
        self.idempotencyKey = idempotencyKey
    }
}

/// What a change costs, before anybody agreed to it.
public struct ChangePreview: Sendable, Hashable, Codable {
    /// What the next invoice asks for, at once or at the period's end as `proration` says. Negative: a credit.
    public var total: Money
    /// The part of it that is there because of the change alone.
    public var prorated: Money
    public var lines: [InvoiceLine]
    /// Give it back in `SubscriptionChange.prorationAt`.
    public var prorationAt: Timestamp
    public init(total: Money, prorated: Money, lines: [InvoiceLine], prorationAt: Timestamp) {
        self.total = total
        self.prorated = prorated
        self.lines = lines
        self.prorationAt = prorationAt
    }
}

public struct SubscriptionCancellation: Sendable, Hashable, Codable {
    public enum When: String, Sendable, Hashable, Codable, CaseIterable {
        case now
        case periodEnd = "period_end"
    }
    public var subscription: String
    public var when: When
    public var idempotencyKey: String
    public init(subscription: String, when: When, idempotencyKey: String) {
        self.subscription = subscription
        self.when = when
        self.idempotencyKey = idempotencyKey
    }
    /// What a provider must be able to do for it.
    public var capability: PaymentCapability {
        switch when {
        case .now: .cancelNow
        case .periodEnd: .cancelAtPeriodEnd
        }
    }
}

public struct SubscriptionResumption: Sendable, Hashable, Codable {
    public var subscription: String
    public var idempotencyKey: String
    public init(subscription: String, idempotencyKey: String) {
        self.subscription = subscription
        self.idempotencyKey = idempotencyKey
    }
}

public struct SubscriptionPause: Sendable, Hashable, Codable {
    public var subscription: String
    /// Nil: until somebody resumes it.
    public var resumesAt: Timestamp?
    public var idempotencyKey: String
    public init(subscription: String, resumesAt: Timestamp? = nil, idempotencyKey: String) {
        self.subscription = subscription
        self.resumesAt = resumesAt
        self.idempotencyKey = idempotencyKey
    }
}

public struct TrialChange: Sendable, Hashable, Codable {
    public var subscription: String
    /// Nil: the trial ends now and the first period begins.
    public var endsAt: Timestamp?
    public var idempotencyKey: String
    public init(subscription: String, endsAt: Timestamp?, idempotencyKey: String) {
        self.subscription = subscription
        self.endsAt = endsAt
        self.idempotencyKey = idempotencyKey
    }
}

/// What a code takes off: a share or an amount, never both.
public struct Coupon: Sendable, Hashable, Codable {
    public var code: String
    /// The provider's name of it, which `CouponApplication` and `CheckoutRequest` also take.
    public var id: String
    public var name: String?
    public var basisPointsOff: Int?
    public var amountOff: Money?
    /// How many months it counts; nil: for ever; 0: for one invoice.
    public var months: Int?
    public var validUntil: Timestamp?
    /// False: used up, run out or withdrawn.
    public var isValid: Bool
    public init(
        code: String, id: String, name: String?, basisPointsOff: Int?, amountOff: Money?, months: Int?, validUntil: Timestamp?,
        isValid: Bool
    ) {
        self.code = code
        self.id = id
        self.name = name
        self.basisPointsOff = basisPointsOff
        self.amountOff = amountOff
        self.months = months
        self.validUntil = validUntil
        self.isValid = isValid
    }
}

public struct CouponApplication: Sendable, Hashable, Codable {
    public var subscription: String
    /// A buyer's code; nil removes what is there.
    public var code: String?
    public var idempotencyKey: String
    public init(subscription: String, code: String?, idempotencyKey: String) {
        self.subscription = subscription
        self.code = code
        self.idempotencyKey = idempotencyKey
    }
}
// end of 1.1
