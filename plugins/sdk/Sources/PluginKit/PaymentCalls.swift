// since 1.1
/// One thing that a provider can be asked for. Names of later kits are no mistake.
public struct PaymentCapability: RawRepresentable, Sendable, Hashable, Codable, CustomStringConvertible {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    public var description: String { rawValue }

    /// `openPortal`
    public static let customerPortal = PaymentCapability(rawValue: "customer_portal")
    /// `CheckoutRequest.trialDays` is honoured.
    public static let trials = PaymentCapability(rawValue: "trials")
    public static let subscriptionRead = PaymentCapability(rawValue: "subscription_read")
    public static let subscriptionChange = PaymentCapability(rawValue: "subscription_change")
    public static let changePreview = PaymentCapability(rawValue: "change_preview")
    public static let cancelNow = PaymentCapability(rawValue: "cancel_now")
    public static let cancelAtPeriodEnd = PaymentCapability(rawValue: "cancel_at_period_end")
    public static let resume = PaymentCapability(rawValue: "resume")
    public static let pause = PaymentCapability(rawValue: "pause")
    public static let trialChange = PaymentCapability(rawValue: "trial_change")
    /// `readCoupon`, `applyCoupon` and `CheckoutRequest.coupon`
    public static let coupons = PaymentCapability(rawValue: "coupons")
    /// `listInvoices` and `readInvoice`
    public static let invoices = PaymentCapability(rawValue: "invoices")
    public static let invoicePDF = PaymentCapability(rawValue: "invoice_pdf")
    public static let refunds = PaymentCapability(rawValue: "refunds")
    public static let partialRefunds = PaymentCapability(rawValue: "partial_refunds")
    public static let listSubscriptions = PaymentCapability(rawValue: "list_subscriptions")
    public static let listPayments = PaymentCapability(rawValue: "list_payments")
    public static let listRefunds = PaymentCapability(rawValue: "list_refunds")
    public static let listDisputes = PaymentCapability(rawValue: "list_disputes")
    public static let listEvents = PaymentCapability(rawValue: "list_events")

    /// Every capability of this kit.
    public static let all: Set<PaymentCapability> = [
        customerPortal, trials, subscriptionRead, subscriptionChange, changePreview, cancelNow, cancelAtPeriodEnd, resume, pause,
        trialChange,
        coupons, invoices, invoicePDF, refunds, partialRefunds, listSubscriptions, listPayments, listRefunds, listDisputes, listEvents,
    ]
}

/// What a provider of kit 1.0 has, and one that implements nothing else.
extension PaymentProvider {
    public var capabilities: Set<PaymentCapability> { [.customerPortal, .trials] }
    public func understands(_ type: String) -> Bool? { nil }
    public func readSubscription(_ subscription: String) async throws -> SubscriptionFact {
        throw PaymentProviderError.notSupported(.subscriptionRead)
    }
    public func previewChange(_ change: SubscriptionChange) async throws -> ChangePreview {
        throw PaymentProviderError.notSupported(.changePreview)
    }
    public func changeSubscription(_ change: SubscriptionChange) async throws -> SubscriptionFact {
        throw PaymentProviderError.notSupported(.subscriptionChange)
    }
    public func cancelSubscription(_ cancellation: SubscriptionCancellation) async throws -> SubscriptionFact {
        throw PaymentProviderError.notSupported(cancellation.capability)
    }
    public func resumeSubscription(_ resumption: SubscriptionResumption) async throws -> SubscriptionFact {
        throw PaymentProviderError.notSupported(.resume)
    }
    public func pauseSubscription(_ pause: SubscriptionPause) async throws -> SubscriptionFact {
        throw PaymentProviderError.notSupported(.pause)
    }
    public func changeTrial(_ change: TrialChange) async throws -> SubscriptionFact {
        throw PaymentProviderError.notSupported(.trialChange)
    }
    public func readCoupon(_ code: String) async throws -> Coupon? { throw PaymentProviderError.notSupported(.coupons) }
    public func applyCoupon(_ application: CouponApplication) async throws -> SubscriptionFact {
        throw PaymentProviderError.notSupported(.coupons)
    }
    public func listInvoices(_ query: InvoiceQuery) async throws -> ProviderPage<ProviderInvoice> {
        throw PaymentProviderError.notSupported(.invoices)
    }
    public func readInvoice(_ invoice: String) async throws -> ProviderInvoice { throw PaymentProviderError.notSupported(.invoices) }
    public func invoicePDF(_ invoice: String) async throws -> String? { throw PaymentProviderError.notSupported(.invoicePDF) }
    public func refund(_ request: RefundRequest) async throws -> Refund { throw PaymentProviderError.notSupported(.refunds) }
    public func listSubscriptions(_ request: ChangesRequest) async throws -> ProviderPage<SubscriptionFact> {
        throw PaymentProviderError.notSupported(.listSubscriptions)
    }
    public func listPayments(_ request: ChangesRequest) async throws -> ProviderPage<InvoiceFact> {
        throw PaymentProviderError.notSupported(.listPayments)
    }
    public func listRefunds(_ request: ChangesRequest) async throws -> ProviderPage<RefundFact> {
        throw PaymentProviderError.notSupported(.listRefunds)
    }
    public func listDisputes(_ request: ChangesRequest) async throws -> ProviderPage<DisputeFact> {
        throw PaymentProviderError.notSupported(.listDisputes)
    }
    public func listEvents(_ request: ChangesRequest) async throws -> ProviderPage<VerifiedEvent> {
        throw PaymentProviderError.notSupported(.listEvents)
    }
}

/// Asks for what changed, page by page.
public struct ChangesRequest: Sendable, Hashable, Codable {
    public var since: Timestamp
    /// `ProviderPage.next` of the page before; nil for the first.
    public var cursor: String?
    /// 1 to 100; fewer may come.
    public var limit: Int
    public init(since: Timestamp, cursor: String? = nil, limit: Int = 100) {
        self.since = since
        self.cursor = cursor
        self.limit = limit
    }
}

/// One page of a list; the last has no `next`. A page may be empty and still have one.
public struct ProviderPage<Item: Sendable>: Sendable {
    public var items: [Item]
    /// Opaque, printable ASCII, at most 255 bytes.
    public var next: String?
    public init(items: [Item], next: String?) {
        self.items = items
        self.next = next
    }
}
// end of 1.1
