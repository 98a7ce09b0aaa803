import Foundation

/// Talks to one payment provider. Every method may be called from many tasks at once.
///
/// What a provider reports crosses as *facts* about its objects, never as commands: the kernel joins the facts of all
/// events, in whatever order they came, into one mirror. So `interpret` must be a pure function of its input.
public protocol PaymentProvider: Sendable {
    /// Opens a hosted checkout. `request.idempotencyKey` is the same on a retry: answer the same session.
    func startCheckout(_ request: CheckoutRequest) async throws -> CheckoutSession

    /// Opens the provider's own page where a customer changes card and plan.
    func openPortal(_ request: PortalRequest) async throws -> PortalSession

    /// Proves that the delivery came from the provider and is fresh, and names its event. Throws `PaymentProviderError.forged`
    /// or `.stale`; the kernel stores nothing then. Uses only `delivery` and the plugin's own secrets.
    func verify(_ delivery: WebhookDelivery) throws -> VerifiedEvent

    /// The facts that a verified event states; empty for a type that does not matter. Pure.
    func interpret(_ event: VerifiedEvent) throws -> [PaymentFact]

    // since 1.1: every requirement below has a default, which answers that it is not supported. A provider says what it can in
    // `capabilities` and the kernel asks for nothing else. What each error means for the caller stands at `PaymentProviderError`.
    //
    // A call that *reads* changes nothing and may be repeated at will. A call that *writes* carries an `idempotencyKey`: whatever
    // happens on the way, one key has one effect, and a repetition with the same request answers what the first did; a subscription as
    // it is now. The same key with another request is `refused`; cancel, resume and pause wish for a state, and may find it.
    //
    // A value means that the provider has carried the call out, an error says whether it has not (`outcome` is `.notDone`) or whether
    // nobody knows (`.unknown`): then the caller repeats it under the same key.

    /// What can be asked of this provider. Constant while it runs.
    var capabilities: Set<PaymentCapability> { get }
    /// Whether `interpret` understands events of this type; nil: it does not say. What is not understood is stored, ignored and
    /// counted. Pure.
    func understands(_ type: String) -> Bool?

    /// Reads one subscription as it is now; ended ones too. `asOf` is never later than what it shows.
    func readSubscription(_ subscription: String) async throws -> SubscriptionFact
    /// Reads what a change would cost. Changes nothing.
    func previewChange(_ change: SubscriptionChange) async throws -> ChangePreview
    /// Writes. Changes tier, price and quantity at once, and answers the subscription as it then is.
    func changeSubscription(_ change: SubscriptionChange) async throws -> SubscriptionFact
    /// Writes. One that is cancelled already, in that way or more, stays as it is and is answered.
    func cancelSubscription(_ cancellation: SubscriptionCancellation) async throws -> SubscriptionFact
    /// Writes. Takes back a cancellation that waits for the period's end, and ends a pause; an ended subscription is `refused`.
    func resumeSubscription(_ resumption: SubscriptionResumption) async throws -> SubscriptionFact
    /// Writes. Collects nothing and promises nothing until it is resumed.
    func pauseSubscription(_ pause: SubscriptionPause) async throws -> SubscriptionFact
    /// Writes. Moves the end of a trial, or ends it now.
    func changeTrial(_ change: TrialChange) async throws -> SubscriptionFact
    /// Reads what a code of a buyer is worth; nil: there is no such code.
    func readCoupon(_ code: String) async throws -> Coupon?
    /// Writes. Sets or removes the coupon of a subscription; it counts from the next invoice.
    func applyCoupon(_ application: CouponApplication) async throws -> SubscriptionFact

    /// Reads a customer's invoices, newest first.
    func listInvoices(_ query: InvoiceQuery) async throws -> ProviderPage<ProviderInvoice>
    func readInvoice(_ invoice: String) async throws -> ProviderInvoice
    /// Reads the address of the invoice's PDF. It may run out: ask anew for each person who wants it. Nil: there is none yet.
    func invoicePDF(_ invoice: String) async throws -> String?
    /// Writes. Gives money back, all that is left of a payment or a part of it.
    func refund(_ request: RefundRequest) async throws -> Refund

    /// Reads every subscription that changed at or after `since`; may list more. Each at most once in one walk through the pages, and
    /// what was there when the walk began is missed by none, whatever is made meanwhile.
    func listSubscriptions(_ request: ChangesRequest) async throws -> ProviderPage<SubscriptionFact>
    /// The same of invoices, as payments that were made, are open or failed.
    func listPayments(_ request: ChangesRequest) async throws -> ProviderPage<InvoiceFact>
    func listRefunds(_ request: ChangesRequest) async throws -> ProviderPage<RefundFact>
    func listDisputes(_ request: ChangesRequest) async throws -> ProviderPage<DisputeFact>
    /// The same of events: what a webhook should have brought. `interpret` takes them as they are; ids are those of the webhooks.
    func listEvents(_ request: ChangesRequest) async throws -> ProviderPage<VerifiedEvent>
    // end of 1.1
}

public struct CheckoutRequest: Sendable, Hashable, Codable {
    /// The kernel's id of this checkout; comes back in `CheckoutFact.reference`.
    public var reference: String
    public var tenant: String
    public var tier: String
    /// What the customer reads on the provider's page; the tier's id where there is none.
    public var productName: String?
    public var interval: BillingInterval
    public var quantity: Int
    public var unitPrice: Money
    /// The provider's own name of the price, where one is configured for the tier and interval.
    public var providerPrice: String?
    /// The provider's customer, where one is known.
    public var customer: String?
    public var customerEmail: String?
    public var trialDays: Int
    public var successURL: String
    public var cancelURL: String
    public var idempotencyKey: String
    // since 1.1
    /// A code that takes something off from the first invoice on; set it after `init`. Only with the capability `coupons`.
    public var coupon: String?
    // end of 1.1

    public init(
        reference: String, tenant: String, tier: String, interval: BillingInterval, quantity: Int, unitPrice: Money, providerPrice: String?,
        customer: String?, customerEmail: String?, trialDays: Int, successURL: String, cancelURL: String, idempotencyKey: String,
        productName: String? = nil
    ) {
        self.productName = productName
        self.reference = reference
        self.tenant = tenant
        self.tier = tier
        self.interval = interval
        self.quantity = quantity
        self.unitPrice = unitPrice
        self.providerPrice = providerPrice
        self.customer = customer
        self.customerEmail = customerEmail
        self.trialDays = trialDays
        self.successURL = successURL
        self.cancelURL = cancelURL
        self.idempotencyKey = idempotencyKey
    }
}

public enum BillingInterval: String, Sendable, Hashable, Codable, CaseIterable { case month, year }

public struct CheckoutSession: Sendable, Hashable, Codable {
    public var id: String
    public var url: String
    public init(id: String, url: String) {
        self.id = id
        self.url = url
    }
}

public struct PortalRequest: Sendable, Hashable, Codable {
    public var customer: String
    public var returnURL: String
    public init(customer: String, returnURL: String) {
        self.customer = customer
        self.returnURL = returnURL
    }
}

public struct PortalSession: Sendable, Hashable, Codable {
    public var url: String
    public init(url: String) { self.url = url }
}

/// One webhook request as it arrived: the body's exact bytes, header names in lower case.
public struct WebhookDelivery: Sendable, Hashable, Codable {
    public var headers: [String: String]
    public var body: Data
    public var receivedAt: Timestamp
    public init(headers: [String: String], body: Data, receivedAt: Timestamp) {
        self.headers = headers
        self.body = body
        self.receivedAt = receivedAt
    }
}

public struct VerifiedEvent: Sendable, Hashable, Codable {
    /// The provider's id of the event: the key of exactly-once.
    public var id: String
    public var type: String
    public var createdAt: Timestamp
    public var body: Data
    public init(id: String, type: String, createdAt: Timestamp, body: Data) {
        self.id = id
        self.type = type
        self.createdAt = createdAt
        self.body = body
    }
}

/// What an event says about one object of the provider. `asOf` is the provider's time of the event.
public enum PaymentFact: Sendable, Hashable, Codable {
    case checkout(CheckoutFact)
    case subscription(SubscriptionFact)
    case invoice(InvoiceFact)
    case refund(RefundFact)
    case dispute(DisputeFact)
    case decline(DeclineFact)
}

/// Why collecting a payment failed, whatever the provider calls it.
public enum DeclineReason: String, Sendable, Hashable, Codable, CaseIterable {
    /// Not enough on the account, or above a limit: the same card may pay another day.
    case insufficientFunds = "insufficient_funds"
    case expiredCard = "expired_card"
    /// A number, code or address that does not fit the card.
    case incorrectDetails = "incorrect_details"
    /// The bank wants the customer to confirm the payment.
    case authenticationRequired = "authentication_required"
    /// Reported lost or stolen, or held to be fraud: the same card will never pay.
    case lostOrStolen = "lost_or_stolen"
    /// The account is closed, or the card cannot be used for this.
    case notAccepted = "not_accepted"
    /// Provider or bank could not be reached or failed: trying again helps.
    case processingError = "processing_error"
    /// The bank says no and does not say why, or says what is in no list.
    case other
}

/// An attempt to collect that failed, told apart from its invoice. It asks nothing by itself: the invoice's own news does.
public struct DeclineFact: Sendable, Hashable, Codable {
    public var payment: String?
    public var invoice: String?
    public var customer: String?
    public var reason: DeclineReason
    public var asOf: Timestamp
    public init(payment: String?, invoice: String?, customer: String?, reason: DeclineReason, asOf: Timestamp) {
        self.payment = payment
        self.invoice = invoice
        self.customer = customer
        self.reason = reason
        self.asOf = asOf
    }
}

public struct CheckoutFact: Sendable, Hashable, Codable {
    public var session: String
    /// `CheckoutRequest.reference`, where the provider kept it.
    public var reference: String?
    public var customer: String?
    public var subscription: String?
    /// False while a delayed payment method has not settled.
    public var isPaid: Bool
    /// True when a delayed payment failed or the session ran out.
    public var hasFailed: Bool
    public var asOf: Timestamp
    public init(
        session: String, reference: String?, customer: String?, subscription: String?, isPaid: Bool, hasFailed: Bool = false,
        asOf: Timestamp
    ) {
        self.session = session
        self.reference = reference
        self.customer = customer
        self.subscription = subscription
        self.isPaid = isPaid
        self.hasFailed = hasFailed
        self.asOf = asOf
    }
}

public enum SubscriptionStatus: String, Sendable, Hashable, Codable, CaseIterable {
    /// The first payment is outstanding.
    case incomplete
    case trialing
    case active
    /// A payment failed and is retried.
    case pastDue = "past_due"
    case paused
    /// Ended for good: no later fact revives it.
    case cancelled
}

public struct SubscriptionFact: Sendable, Hashable, Codable {
    public var subscription: String
    public var customer: String?
    /// `CheckoutRequest.reference`, where the provider keeps it on the subscription.
    public var reference: String?
    public var status: SubscriptionStatus
    /// The provider's name of the price; the kernel maps it to tier and interval.
    public var providerPrice: String?
    /// The tier that the provider keeps in its metadata, where the price is not configured.
    public var tier: String?
    /// How often the price recurs, where the provider says so and it is a month or a year.
    public var interval: BillingInterval?
    public var quantity: Int
    public var periodStart: Timestamp?
    public var periodEnd: Timestamp?
    public var trialEnd: Timestamp?
    /// Set when the subscription will end at this moment.
    public var cancelsAt: Timestamp?
    public var endedAt: Timestamp?
    public var asOf: Timestamp
    public init(
        subscription: String, customer: String?, reference: String?, status: SubscriptionStatus, providerPrice: String?, tier: String?,
        quantity: Int, periodStart: Timestamp?, periodEnd: Timestamp?, trialEnd: Timestamp? = nil, cancelsAt: Timestamp? = nil,
        endedAt: Timestamp? = nil, interval: BillingInterval? = nil, asOf: Timestamp
    ) {
        self.subscription = subscription
        self.customer = customer
        self.reference = reference
        self.interval = interval
        self.status = status
        self.providerPrice = providerPrice
        self.tier = tier
        self.quantity = quantity
        self.periodStart = periodStart
        self.periodEnd = periodEnd
        self.trialEnd = trialEnd
        self.cancelsAt = cancelsAt
        self.endedAt = endedAt
        self.asOf = asOf
    }
}

public struct InvoiceFact: Sendable, Hashable, Codable {
    public var invoice: String
    /// Nil for an invoice that belongs to no subscription: it changes no access.
    public var subscription: String?
    public var customer: String?
    public var isPaid: Bool
    /// True when an attempt to collect failed.
    public var hasFailed: Bool
    public var amount: Money?
    /// The period that this invoice pays for, from its lines.
    public var periodStart: Timestamp?
    public var periodEnd: Timestamp?
    public var nextAttemptAt: Timestamp?
    /// The payment by which it was or is to be paid, where the provider says so: a dispute may name nothing else.
    public var payment: String?
    /// Why the attempt failed, where the provider says so. Set after `init`, whose shape plugins were built against.
    public var declineReason: DeclineReason?
    public var asOf: Timestamp
    public init(
        invoice: String, subscription: String?, customer: String?, isPaid: Bool, hasFailed: Bool, amount: Money?, periodStart: Timestamp?,
        periodEnd: Timestamp?, nextAttemptAt: Timestamp? = nil, asOf: Timestamp, payment: String? = nil
    ) {
        self.payment = payment
        self.invoice = invoice
        self.subscription = subscription
        self.customer = customer
        self.isPaid = isPaid
        self.hasFailed = hasFailed
        self.amount = amount
        self.periodStart = periodStart
        self.periodEnd = periodEnd
        self.nextAttemptAt = nextAttemptAt
        self.asOf = asOf
    }
}

public struct RefundFact: Sendable, Hashable, Codable {
    public var refund: String
    public var payment: String?
    public var customer: String?
    public var subscription: String?
    public var amount: Money?
    public var reason: String?
    public var asOf: Timestamp
    public init(
        refund: String, payment: String?, customer: String?, subscription: String?, amount: Money?, reason: String?, asOf: Timestamp
    ) {
        self.refund = refund
        self.payment = payment
        self.customer = customer
        self.subscription = subscription
        self.amount = amount
        self.reason = reason
        self.asOf = asOf
    }
}

public struct DisputeFact: Sendable, Hashable, Codable {
    public var dispute: String
    public var payment: String?
    public var customer: String?
    public var subscription: String?
    public var amount: Money?
    public var status: String
    public var reason: String?
    public var asOf: Timestamp
    public init(
        dispute: String, payment: String?, customer: String?, subscription: String?, amount: Money?, status: String, reason: String?,
        asOf: Timestamp
    ) {
        self.dispute = dispute
        self.payment = payment
        self.customer = customer
        self.subscription = subscription
        self.amount = amount
        self.status = status
        self.reason = reason
        self.asOf = asOf
    }
}
