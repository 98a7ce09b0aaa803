import Vocabulary

/// What the providers' events have told about one tenant's objects, by the provider's names of them.
package struct Mirror: Joinable, Codable {
    package var checkouts: [String: CheckoutState] = [:]
    package var subscriptions: [String: SubscriptionState] = [:]
    package var invoices: [String: InvoiceState] = [:]
    package var refunds: [String: ReversalState] = [:]
    package var disputes: [String: ReversalState] = [:]
    package init() {}

    package mutating func join(_ other: Mirror) {
        checkouts.join(other.checkouts)
        subscriptions.join(other.subscriptions)
        invoices.join(other.invoices)
        refunds.join(other.refunds)
        disputes.join(other.disputes)
    }
}

/// One checkout session that this house opened.
package struct CheckoutState: Joinable, Codable {
    package var customer: String?
    package var subscription: String?
    /// Absorbing: once paid, a failure told earlier or later means nothing.
    package var isPaid = false
    package var hasFailed = false
    /// A plan let the licence be issued.
    package var isApproved = false
    /// What was offered when the session was opened.
    package var intended: Offer?
    package var since: Timestamp?
    package init() {}

    package mutating func join(_ other: CheckoutState) {
        customer = lesser(customer, other.customer)
        subscription = lesser(subscription, other.subscription)
        isPaid = isPaid || other.isPaid
        hasFailed = hasFailed || other.hasFailed
        isApproved = isApproved || other.isApproved
        intended = lesser(intended, other.intended)
        since = lesser(since, other.since)
    }
}

/// A tier at an interval.
package struct Offer: Hashable, Sendable, Codable, Comparable {
    package var tier: String
    package var interval: BillingInterval
    package init(tier: String, interval: BillingInterval) {
        self.tier = tier
        self.interval = interval
    }
    package static func < (left: Offer, right: Offer) -> Bool {
        (left.tier, left.interval.rawValue) < (right.tier, right.interval.rawValue)
    }
}

package struct InvoiceState: Joinable, Codable {
    package var subscription: String?
    package var customer: String?
    /// By which it was or is to be paid.
    package var payment: String?
    /// Absorbing: a failure told after the payment is old news.
    package var isPaid = false
    package var paidAt: Timestamp?
    package var firstFailure: Failure?
    /// The earliest 16 moments at which collecting failed, in order.
    package var failures: [Timestamp] = []
    package var lastFailure: Timestamp?
    /// A plan let the paid period count.
    package var isRenewal = false
    /// A plan let the payment lift what its failure had brought.
    package var isRestoring = false
    package var amount: AmountMark?
    package var periodStart: Timestamp?
    package var periodEnd: Timestamp?
    package var nextAttempt: AttemptMark?
    package var since: Timestamp?
    package init() {}

    package static let mostFailures = 16

    package mutating func join(_ other: InvoiceState) {
        subscription = lesser(subscription, other.subscription)
        customer = lesser(customer, other.customer)
        payment = lesser(payment, other.payment)
        isPaid = isPaid || other.isPaid
        paidAt = lesser(paidAt, other.paidAt)
        firstFailure = union(firstFailure, other.firstFailure)
        failures = Array(Set(failures).union(other.failures).sorted().prefix(InvoiceState.mostFailures))
        lastFailure = greater(lastFailure, other.lastFailure)
        isRenewal = isRenewal || other.isRenewal
        isRestoring = isRestoring || other.isRestoring
        amount = greater(amount, other.amount)
        periodStart = lesser(periodStart, other.periodStart)
        periodEnd = greater(periodEnd, other.periodEnd)
        nextAttempt = greater(nextAttempt, other.nextAttempt)
        since = lesser(since, other.since)
    }

    /// The first failure to collect, and the grace that the plan of its event gave.
    package struct Failure: Joinable, Codable {
        package var stamp: Stamp
        /// Nil: nobody was asked, the setting holds; 0: the plan gave none.
        package var graceDays: Int?
        package mutating func join(_ other: Failure) {
            if other.stamp < stamp {
                self = other
            } else if other.stamp == stamp {
                graceDays = greater(graceDays, other.graceDays)
            }
        }
    }
    /// The amount as last told; a paid one stands.
    package struct AmountMark: Hashable, Sendable, Codable, Comparable {
        package var isPaid: Bool
        package var asOf: Timestamp
        package var money: Money
        package static func < (left: AmountMark, right: AmountMark) -> Bool {
            var order = Comparison()
            order.by(left.isPaid ? 1 : 0, right.isPaid ? 1 : 0)
            order.by(left.asOf, right.asOf)
            order.by(left.money.amountMinor, right.money.amountMinor)
            order.by(left.money.currency.code, right.money.currency.code)
            return order.isLess ?? false
        }
    }
    package struct AttemptMark: Hashable, Sendable, Codable, Comparable {
        package var asOf: Timestamp
        package var at: Timestamp
        package static func < (left: AttemptMark, right: AttemptMark) -> Bool { (left.asOf, left.at) < (right.asOf, right.at) }
    }
}

/// A refund or a dispute, as last told.
package struct ReversalState: Joinable, Codable {
    package var latest: Statement
    package var since: Timestamp

    package init(_ statement: Statement) {
        latest = statement
        since = statement.asOf
    }
    package mutating func join(_ other: ReversalState) {
        latest = max(latest, other.latest)
        since = min(since, other.since)
    }

    package struct Statement: Hashable, Sendable, Codable, Comparable {
        package var asOf: Timestamp
        package var customer: String?
        package var subscription: String?
        package var payment: String?
        package var amount: Money?
        package var status: String?
        package var reason: String?
        package static func < (left: Statement, right: Statement) -> Bool {
            var order = Comparison()
            order.by(left.asOf, right.asOf)
            order.by(left.status, right.status)
            order.by(left.amount?.amountMinor, right.amount?.amountMinor)
            order.by(left.amount?.currency.code, right.amount?.currency.code)
            order.by(left.reason, right.reason)
            order.by(left.subscription, right.subscription)
            order.by(left.customer, right.customer)
            order.by(left.payment, right.payment)
            return order.isLess ?? false
        }
    }
}
