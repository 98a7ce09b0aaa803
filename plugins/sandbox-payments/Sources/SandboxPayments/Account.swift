import Foundation
import PluginKit

/// One customer's whole state, kept as one value, so that each step and the webhooks it causes are one write.
struct Account: Codable, Sendable, Hashable {
    var customer: String
    var sessions: [Session] = []
    var subscriptions: [Subscription] = []
    var invoices: [Invoice] = []
    var portals: [Portal] = []
    /// Webhooks that are not delivered yet, in the order of their making.
    var pending: [PendingWebhook] = []
    /// Bank transfers on their way.
    var transfers: [Transfer] = []
    var manner: Manner
    /// Numbers everything that comes after.
    var counter = 0
    /// Every event is later than the one before, so that "newest wins" has one meaning.
    var lastEventAt = Timestamp(microseconds: 0)
    // Optional from here on: accounts that older builds wrote have none of it.
    /// What was asked for under which key, so that a repetition changes nothing.
    var deeds: [Deed]?
    var refunds: [Reversal]?
    var disputes: [Reversal]?

    struct Deed: Codable, Sendable, Hashable {
        /// Digests: a key and a request may be long.
        var key: String
        var request: String
        /// What it made, where it made something.
        var made: String?
    }

    /// Money that went back, or is disputed.
    struct Reversal: Codable, Sendable, Hashable {
        var id: String
        var invoice: String
        var subscription: String
        var amount: Money
        var reason: String
        var at: Timestamp
    }

    struct Session: Codable, Sendable, Hashable {
        enum Status: String, Codable, Sendable { case open, complete, expired }
        var id: String
        var reference: String
        var tier: String
        var productName: String
        var interval: BillingInterval
        var quantity: Int
        var unitPrice: Money
        var providerPrice: String?
        var trialDays: Int
        var successURL: String
        var cancelURL: String
        var status = Status.open
        var isPaid = false
        var hasFailed = false
        var subscription: String?
        var expiresAt: Timestamp
        /// What the buyer's code takes off. Optional: older builds wrote none.
        var coupon: Coupon?

        /// Each bill after a trial, without and with the coupon.
        var total: Money { Money(amountMinor: unitPrice.amountMinor * Int64(quantity), currency: unitPrice.currency) }
        func due(_ now: Timestamp) -> Money {
            let off = coupon.map { Rebate($0, from: now).off(total.amountMinor) } ?? 0
            return Money(amountMinor: total.amountMinor - off, currency: total.currency)
        }
    }

    struct Subscription: Codable, Sendable, Hashable {
        var id: String
        var reference: String
        var tier: String
        var productName: String
        var providerPrice: String?
        var interval: BillingInterval
        var quantity: Int
        var unitPrice: Money
        var status: SubscriptionStatus
        var periodStart: Timestamp
        var periodEnd: Timestamp
        var trialEnd: Timestamp?
        var cancelsAt: Timestamp?
        var endedAt: Timestamp?
        var nextPaymentFails = false
        /// Why it will fail.
        var nextDecline: DeclineReason?
        /// What is taken off its bills.
        var rebate: Rebate?
    }

    struct Invoice: Codable, Sendable, Hashable {
        var id: String
        var subscription: String
        var amount: Money
        var isPaid: Bool
        var hasFailed: Bool
        var isRefunded = false
        var isDisputed = false
        var periodStart: Timestamp
        var periodEnd: Timestamp
        var nextAttemptAt: Timestamp?
        var declineReason: DeclineReason?
        var issuedAt: Timestamp?
        /// What it says instead of the product's name.
        var summary: String?
        var refundedMinor: Int64?
        /// What a coupon took off, and its name: `amount` is what was left to pay.
        var rebateMinor: Int64?
        var rebateName: String?

        var left: Int64 { isRefunded ? 0 : amount.amountMinor - (refundedMinor ?? 0) }
    }

    struct Portal: Codable, Sendable, Hashable {
        var token: String
        var returnURL: String
        var expiresAt: Timestamp
    }

    struct Transfer: Codable, Sendable, Hashable {
        var session: String
        var arrivesAt: Timestamp
        var succeeds: Bool
    }

    struct PendingWebhook: Codable, Sendable, Hashable {
        /// The delivery's own number; a repeated webhook is two of them with one body.
        var number: Int
        var event: String
        var body: String
        var due: Timestamp
        var attempts = 0
    }

    // What one value of the key-value space can hold bounds what a customer can have.
    static let maxPending = 40
    static let maxInvoices = 12
    static let maxSessions = 5
    static let maxSubscriptions = 4
    static let maxPortals = 5
    static let maxDeeds = 40
    static let maxReversals = 24
}

/// How webhooks arrive.
enum Manner: String, Codable, Sendable, CaseIterable {
    case inOrder = "in_order"
    case twice
    case reversed
    case late

    var label: String {
        switch self {
        case .inOrder: "At once and in order"
        case .twice: "Each of them twice"
        case .reversed: "In the wrong order"
        case .late: "Late"
        }
    }
}

/// The test cards and accounts that the page offers. There is no field for a number.
enum Method: String, Codable, Sendable, CaseIterable {
    case cardSucceeds = "card_succeeds"
    case cardDeclined = "card_declined"
    case transferArrives = "transfer_arrives"
    case transferFails = "transfer_fails"

    func label(delay: Duration) -> String {
        switch self {
        case .cardSucceeds: "Card that pays"
        case .cardDeclined: "Card that is declined"
        case .transferArrives: "Bank transfer that arrives after \(delay.wholeSeconds) seconds"
        case .transferFails: "Bank transfer that fails after \(delay.wholeSeconds) seconds"
        }
    }
}
