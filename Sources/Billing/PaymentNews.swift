import Catalog
import Vocabulary

/// What one verified event of a provider says, before anything is known of its tenant.
package struct PaymentNews: Sendable, Hashable {
    package let provider: String
    /// The provider's id of the event.
    package let event: String
    package let facts: [PaymentFact]
    package init(provider: String, event: String, facts: [PaymentFact]) {
        self.provider = provider
        self.event = event
        self.facts = facts
    }

    var readings: [FactReading] { facts.compactMap(FactReading.init) }

    /// The question that `on_payment` is asked; nil for news that only completes the picture.
    package var type: PaymentEventType? {
        let found = Set(readings.compactMap(\.type))
        return PaymentEventType.allCases.first(where: found.contains)
    }

    /// The subscription that the news is about, where it names one.
    package var subscription: String? { readings.compactMap(\.subscription).min() }

    /// What the mail of this news is about: two events that announce one thing share it.
    package var subject: String {
        let first = readings.min { ($0.weight, $0.subject ?? "") < ($1.weight, $1.subject ?? "") }
        return "\(provider):\(first?.subject ?? "event:\(event)")"
    }

    /// How the dispute that it tells of ended.
    package var disputeOutcome: DisputeOutcome? {
        facts.lazy.compactMap { fact in
            guard case .dispute(let fact) = fact else { return nil }
            return DisputeOutcome(status: fact.status)
        }.first
    }

    package var amount: Money? { readings.compactMap(\.amount).first }

    /// What is known of the provider's objects from this news and the plan made for it, and from nothing else.
    /// `ownReferences` are references of checkouts that this house opened, `intended` what each session of its own offered.
    package func mirror(directives: PaymentDirectives, ownReferences: Set<String>, intended: [String: Offer]) -> Mirror {
        var mirror = Mirror()
        for fact in facts {
            switch fact {
            case .checkout(let fact): mirror.checkouts.join([fact.session: CheckoutState(fact, directives, intended[fact.session])])
            case .invoice(let fact): mirror.invoices.join([fact.invoice: InvoiceState(fact, directives, event: event)])
            case .subscription(let fact):
                let isOurs = fact.reference.map(ownReferences.contains) ?? false
                mirror.subscriptions.join([fact.subscription: SubscriptionState(fact, isFromCheckout: isOurs)])
            case .refund(let fact): mirror.refunds.join([fact.refund: ReversalState(.init(fact))])
            case .dispute(let fact): mirror.disputes.join([fact.dispute: ReversalState(.init(fact))])
            case .decline: continue
            @unknown default: continue
            }
            if let reading = FactReading(fact), let subscription = reading.subscription {
                mirror.subscriptions.join([subscription: SubscriptionState(ruledBy: directives, reading)])
            }
        }
        return mirror
    }
}

/// The types of `on_payment`, the most telling first.
package enum PaymentEventType: String, Sendable, Hashable, Codable, CaseIterable {
    case disputeOpened = "dispute_opened"
    /// Won, lost or withdrawn.
    case disputeClosed = "dispute_closed"
    case refundCreated = "refund_created"
    case checkoutCompleted = "checkout_completed"
    case paymentSucceeded = "payment_succeeded"
    case paymentFailed = "payment_failed"
    case subscriptionCancelled = "subscription_cancelled"
    case subscriptionUpdated = "subscription_updated"
}

/// One fact, reduced to what routing and asking need. Nil for a kind of fact that this house does not know.
struct FactReading {
    var type: PaymentEventType?
    var session: String?
    var reference: String?
    var subscription: String?
    var customer: String?
    var invoice: String?
    var payment: String?
    var amount: Money?
    var asOf: Timestamp
    /// What a mail about it is about; nil: the event alone.
    var subject: String?
    /// Whose subject names an event of several facts: the smallest.
    var weight: Int
    var isCheckout: Bool { session != nil }
    var endsSubscription: Bool { type == .subscriptionCancelled }

    init?(_ fact: PaymentFact) {
        switch fact {
        case .dispute(let fact):
            type = DisputeOutcome(status: fact.status) == nil ? .disputeOpened : .disputeClosed
            (subscription, customer, amount, asOf) = (fact.subscription, fact.customer, fact.amount, fact.asOf)
            payment = fact.payment
            (subject, weight) = ("dispute:\(fact.dispute)", 0)
        case .refund(let fact):
            (type, subscription, customer, amount, asOf) = (.refundCreated, fact.subscription, fact.customer, fact.amount, fact.asOf)
            payment = fact.payment
            (subject, weight) = ("refund:\(fact.refund)", 1)
        case .checkout(let fact):
            (session, reference, subscription) = (fact.session, fact.reference, fact.subscription)
            (customer, asOf, subject, weight) = (fact.customer, fact.asOf, "checkout:\(fact.session)", 2)
            // One that failed asks nothing: its invoice tells of the failed payment, and a session that ran out is no failure.
            type = fact.isPaid ? .checkoutCompleted : nil
        case .invoice(let fact):
            (subscription, customer, amount, asOf) = (fact.subscription, fact.customer, fact.amount, fact.asOf)
            (invoice, payment) = (fact.invoice, fact.payment)
            (subject, weight) = ("invoice:\(fact.invoice)", 3)
            // An invoice of no subscription changes nothing.
            if fact.subscription != nil { type = fact.isPaid ? .paymentSucceeded : fact.hasFailed ? .paymentFailed : nil }
        case .subscription(let fact):
            (subscription, customer, reference, asOf) = (fact.subscription, fact.customer, fact.reference, fact.asOf)
            type = fact.status == .cancelled ? .subscriptionCancelled : .subscriptionUpdated
            // Each change of a subscription is its own news; its end comes once.
            (subject, weight) = (fact.status == .cancelled ? "subscription:\(fact.subscription)" : nil, 4)
        case .decline(let fact):
            // It asks nothing: the invoice's own news does.
            (customer, invoice, payment, asOf) = (fact.customer, fact.invoice, fact.payment, fact.asOf)
            (subject, weight) = (nil, 5)
        @unknown default: return nil
        }
    }
}

extension CheckoutState {
    init(_ fact: CheckoutFact, _ directives: PaymentDirectives, _ intended: Offer?) {
        self.init()
        customer = fact.customer
        subscription = fact.subscription
        isPaid = fact.isPaid
        hasFailed = fact.hasFailed
        isApproved = fact.isPaid && directives.issuesLicense
        self.intended = intended
        since = fact.asOf
    }
}

extension InvoiceState {
    init(_ fact: InvoiceFact, _ directives: PaymentDirectives, event: String) {
        self.init()
        subscription = fact.subscription
        customer = fact.customer
        payment = fact.payment
        isPaid = fact.isPaid
        paidAt = fact.isPaid ? fact.asOf : nil
        if fact.hasFailed, !fact.isPaid {
            firstFailure = Failure(stamp: Stamp(asOf: fact.asOf, event: event), graceDays: directives.graceDays)
            failures = [fact.asOf]
            lastFailure = fact.asOf
        }
        isRenewal = fact.isPaid && directives.renewsLicense
        isRestoring = fact.isPaid && directives.restoresAccess
        amount = fact.amount.map { AmountMark(isPaid: fact.isPaid, asOf: fact.asOf, money: $0) }
        periodStart = fact.periodStart
        periodEnd = fact.periodEnd
        nextAttempt = fact.nextAttemptAt.map { AttemptMark(asOf: fact.asOf, at: $0) }
        since = fact.asOf
    }
}

extension SubscriptionState {
    init(_ fact: SubscriptionFact, isFromCheckout: Bool) {
        self.init()
        var told = fact
        // What the provider's notes call a tier and cannot be one is no tier; the price still speaks.
        told.tier = fact.tier.flatMap(TierID.init)?.name
        latest = told
        customer = fact.customer
        self.isFromCheckout = isFromCheckout
        if fact.status == .cancelled { ended = fact.endedAt ?? fact.asOf }
        if fact.status.grants, let end = fact.periodEnd {
            held = [HeldTerms(periodEnd: end, price: fact.providerPrice, tier: told.tier, quantity: fact.quantity)]
        }
    }

    /// What a plan rules about the subscription that a fact names.
    init(ruledBy directives: PaymentDirectives, _ fact: FactReading) {
        self.init()
        isFromCheckout = fact.isCheckout
        if directives.suspendsLicense {
            suspension = SuspensionMark(asOf: fact.asOf, isSuspended: true)
        } else if directives.restoresAccess {
            suspension = SuspensionMark(asOf: fact.asOf, isSuspended: false)
        }
        switch directives.ending {
        case .now: endedNow = fact.asOf
        // At the provider's own end the period's end holds anyway.
        case .periodEnd: endsAfter = fact.endsSubscription ? nil : fact.asOf
        case nil: break
        }
    }
}

extension ReversalState.Statement {
    init(_ fact: RefundFact) {
        self.init(
            asOf: fact.asOf, customer: fact.customer, subscription: fact.subscription, payment: fact.payment, amount: fact.amount,
            status: nil,
            reason: fact.reason)
    }
    init(_ fact: DisputeFact) {
        self.init(
            asOf: fact.asOf, customer: fact.customer, subscription: fact.subscription, payment: fact.payment, amount: fact.amount,
            status: fact.status, reason: fact.reason)
    }
}
