import Catalog
import Vocabulary

/// What a subscription entitles to at one moment. A pure function of the facts and the time, so access follows the objects' state
/// and not the story of the events.
package struct Standing: Hashable, Sendable {
    package enum State: String, Hashable, Sendable, Codable, CaseIterable {
        /// Nothing is granted yet: unpaid, withheld, or not yet described.
        case pending
        case active
        case grace
        case suspended
        case cancelled
    }
    package enum Reason: String, Hashable, Sendable, Codable {
        case paid, trial
        case notDescribed = "not_described"
        case checkoutOpen = "checkout_open"
        case withheld
        case unpaid
        case unknownPrice = "unknown_price"
        case paymentFailed = "payment_failed"
        case renewalMissing = "renewal_missing"
        case suspendedByPlan = "suspended_by_plan"
        case paused
        case ended
    }
    /// This long before a paid period ends without news of the next one, grace is told, so that no licence runs out for the moment
    /// between the end and the review.
    package static let renewalLead = Duration.minutes(5)

    package struct Change: Hashable, Sendable, Codable {
        package let tier: String
        package let quantity: Int
        package let at: Timestamp
    }

    package var state: State
    package var reason: Reason
    /// What is in force; empty while pending.
    package var tier: String
    package var interval: BillingInterval
    package var quantity: Int
    /// End of what is paid for.
    package var periodEnd: Timestamp?
    package var graceUntil: Timestamp?
    /// From when on the grace counts.
    package var graceSince: Timestamp?
    /// When it ends, or ended.
    package var cancelsAt: Timestamp?
    package var trialEndsAt: Timestamp?
    /// A downgrade that waits for the period's end.
    package var change: Change?
    /// When time alone will next change any of this.
    package var nextReview: Timestamp?
    /// The first payment or a trial stands and a plan approved it: there was, is or may be a licence.
    package var isGranted = false
}

/// Everything that one subscription's standing is derived from.
package struct StandingFacts: Hashable, Sendable {
    package var subscription: SubscriptionState
    package var invoices: [InvoiceState]
    package var checkouts: [CheckoutState]
    package init(subscription: SubscriptionState, invoices: [InvoiceState], checkouts: [CheckoutState]) {
        self.subscription = subscription
        self.invoices = invoices
        self.checkouts = checkouts
    }
}

extension Mirror {
    package func facts(of subscription: String) -> StandingFacts {
        StandingFacts(
            subscription: subscriptions[subscription] ?? SubscriptionState(),
            invoices: invoices.values.filter { $0.subscription == subscription },
            checkouts: checkouts.values.filter { $0.subscription == subscription })
    }
}

/// The terms under which facts are read: the catalog, the provider's prices, the setting of grace.
package struct StandingTerms: Sendable {
    package var provider: String
    package var catalog: TierCatalog
    package var prices: ProviderPrices
    /// Grace where no plan named one: when a renewal is missing.
    package var graceDays: Int
    package init(provider: String, catalog: TierCatalog, prices: ProviderPrices, graceDays: Int) {
        self.provider = provider
        self.catalog = catalog
        self.prices = prices
        self.graceDays = graceDays
    }

    /// What a provider's price stands for: the configured name first, then the tier in the provider's own notes, then what was offered.
    func offer(price: String?, tier: String?, interval: BillingInterval?, intended: Offer?, period: Duration?) -> Offer? {
        if let price, let offer = prices.offer(provider: provider, price: price) {
            return Offer(tier: offer.tier.name, interval: offer.interval)
        }
        guard let tier = tier ?? intended?.tier else { return nil }
        // Half a year tells a yearly period from a monthly one, whatever the month.
        let length = period.map { $0 > .days(180) ? BillingInterval.year : .month }
        return Offer(tier: tier, interval: interval ?? length ?? intended?.interval ?? .month)
    }

    /// Whether `left` is less than `right`: the lower tier, or fewer units of the same.
    func isLess(_ left: (tier: String, quantity: Int), than right: (tier: String, quantity: Int)) -> Bool {
        let ranks = (rank(left.tier), rank(right.tier))
        return ranks.0 == ranks.1 ? left.quantity < right.quantity : ranks.0 < ranks.1
    }
    private func rank(_ tier: String) -> Int { TierID(tier).map(catalog.rank) ?? -1 }
}

extension Standing {
    package static func derive(_ facts: StandingFacts, terms: StandingTerms, now: Timestamp) -> Standing {
        let reading = StandingReading(facts: facts, terms: terms, now: now)
        return reading.standing()
    }

    /// Whether a payment for it failed and is still open.
    static func hasOpenFailure(_ facts: StandingFacts, terms: StandingTerms, now: Timestamp) -> Bool {
        guard let latest = facts.subscription.latest else { return false }
        return StandingReading(facts: facts, terms: terms, now: now).firstOpenFailure(latest) != nil
    }
}

/// One reading of the facts. Each step is a question of SPEC 3, in the order in which an answer settles the rest.
private struct StandingReading {
    let facts: StandingFacts
    let terms: StandingTerms
    let now: Timestamp
    var subscription: SubscriptionState { facts.subscription }

    func standing() -> Standing {
        guard let latest = subscription.latest else { return pending(.notDescribed) }
        guard let offer = offer(latest.providerPrice, latest.tier, latest) else { return pending(.unknownPrice) }
        if let reason = unworthiness(latest) {
            guard let end = subscription.ended ?? subscription.endedNow else { return pending(reason) }
            return Standing(
                state: .cancelled, reason: .ended, tier: offer.tier, interval: offer.interval, quantity: latest.quantity, periodEnd: end,
                cancelsAt: end)
        }
        let paidUntil = paidUntil(latest)
        var standing = Standing(
            state: .active, reason: .paid, tier: offer.tier, interval: offer.interval, quantity: max(0, latest.quantity),
            periodEnd: paidUntil ?? latest.periodEnd ?? latest.asOf, cancelsAt: end(latest, paidUntil), isGranted: true)
        holdBack(&standing, latest)
        if latest.status == .trialing {
            standing.reason = .trial
            standing.trialEndsAt = latest.trialEnd ?? latest.periodEnd
        }
        settle(&standing, latest, paidUntil)
        let renewal = standing.periodEnd.map { $0 - Standing.renewalLead }
        standing.nextReview = [
            standing.graceUntil, renewal, standing.periodEnd, standing.cancelsAt, standing.change?.at, standing.trialEndsAt,
        ].compactMap { $0 }.filter { $0 > now }.min()
        if standing.state == .cancelled { standing.nextReview = nil }
        return standing
    }

    private func pending(_ reason: Standing.Reason) -> Standing {
        let latest = subscription.latest
        return Standing(
            state: .pending, reason: reason, tier: latest?.tier ?? intended?.tier ?? "", interval: intended?.interval ?? .month,
            quantity: max(0, latest?.quantity ?? 0))
    }

    private var intended: Offer? { facts.checkouts.compactMap(\.intended).min() }

    private func offer(_ price: String?, _ tier: String?, _ fact: SubscriptionFact) -> Offer? {
        let period = fact.periodStart.flatMap { start in fact.periodEnd.map { $0 - start } }
        return terms.offer(
            price: price, tier: tier, interval: fact.interval, intended: intended, period: fact.status == .trialing ? nil : period)
    }

    /// Why nothing is granted yet; nil once the first payment or a trial stands.
    private func unworthiness(_ latest: SubscriptionFact) -> Standing.Reason? {
        let paid = facts.checkouts.filter(\.isPaid)
        if subscription.isFromCheckout {
            if paid.isEmpty { return .checkoutOpen }
            return subscription.isReleased || paid.contains(where: \.isApproved) ? nil : .withheld
        }
        return latest.status == .trialing || facts.invoices.contains { $0.isPaid && $0.isRenewal } ? nil : .unpaid
    }

    /// The end of what was paid for. Invoices say it where there are any; else the subscription's own period.
    private func paidUntil(_ latest: SubscriptionFact) -> Timestamp? {
        let invoiced = paidPeriods.map(\.end).max()
        switch latest.status {
        case .trialing: return greater(invoiced, latest.trialEnd ?? latest.periodEnd)
        // Incomplete, yet paid for: the news of the payment overtook the subscription's own.
        case .active, .incomplete: return invoiced ?? latest.periodEnd
        case .paused, .pastDue, .cancelled: return invoiced ?? latest.periodStart
        @unknown default: return invoiced
        }
    }

    private var paidPeriods: [(start: Timestamp?, end: Timestamp)] {
        facts.invoices.compactMap { invoice in
            guard invoice.isPaid, invoice.isRenewal, let end = invoice.periodEnd else { return nil }
            // What was paid for a time after the provider's end is no part of this subscription's life.
            if let ended = subscription.ended, let start = invoice.periodStart, start > ended { return nil }
            return (invoice.periodStart, end)
        }
    }

    /// When it ends: at once by a plan; else not before what was paid for is over.
    private func end(_ latest: SubscriptionFact, _ paidUntil: Timestamp?) -> Timestamp? {
        var ends: [Timestamp] = []
        if let now = subscription.endedNow { ends.append(now) }
        if let ended = subscription.ended { ends.append(greater(ended, paidPeriods.map(\.end).max()) ?? ended) }
        if subscription.ended == nil, let cancelsAt = latest.cancelsAt {
            ends.append(greater(cancelsAt, paidPeriods.map(\.end).max()) ?? cancelsAt)
        }
        if let moment = subscription.endsAfter {
            let period = paidPeriods.filter { ($0.start ?? moment) <= moment && $0.end > moment }.map(\.end).max()
            ends.append(period ?? max(moment, paidUntil ?? moment))
        }
        return ends.min()
    }

    /// An upgrade holds now; a downgrade waits for the end of the period in which more was held.
    private func holdBack(_ standing: inout Standing, _ latest: SubscriptionFact) {
        guard let periodEnd = latest.periodEnd, now < periodEnd, latest.status != .incomplete else { return }
        let wanted = (tier: standing.tier, quantity: standing.quantity)
        var best = wanted
        for held in subscription.held where held.periodEnd == periodEnd {
            guard let offer = offer(held.price, held.tier, latest) else { continue }
            let other = (tier: offer.tier, quantity: max(0, held.quantity))
            if terms.isLess(best, than: other) { best = other }
        }
        guard best != wanted else { return }
        standing.tier = best.tier
        standing.quantity = best.quantity
        standing.change = Standing.Change(tier: wanted.tier, quantity: wanted.quantity, at: periodEnd)
    }

    private func settle(_ standing: inout Standing, _ latest: SubscriptionFact, _ paidUntil: Timestamp?) {
        func settle(_ state: Standing.State, _ reason: Standing.Reason) {
            standing.state = state
            standing.reason = reason
        }
        func grace(from start: Timestamp, days: Int, _ reason: Standing.Reason) {
            let end = start + .days(Int64(days))
            settle(now < end ? .grace : .suspended, reason)
            if now < end { (standing.graceSince, standing.graceUntil) = (start, end) }
        }
        if let end = standing.cancelsAt, end <= now { return settle(.cancelled, .ended) }
        if subscription.suspension?.isSuspended ?? false { return settle(.suspended, .suspendedByPlan) }
        if latest.status == .paused { return settle(.suspended, .paused) }
        if let failure = firstOpenFailure(latest) {
            return grace(from: failure.stamp.asOf, days: failure.graceDays ?? terms.graceDays, .paymentFailed)
        }
        if let end = paidUntil, end - Standing.renewalLead <= now, standing.cancelsAt.map({ $0 > end }) ?? true {
            return grace(from: end, days: terms.graceDays, .renewalMissing)
        }
        if paidUntil == nil { grace(from: latest.asOf, days: terms.graceDays, .renewalMissing) }
    }

    /// The earliest failure to collect that is neither paid nor overtaken by the provider itself calling the subscription sound.
    func firstOpenFailure(_ latest: SubscriptionFact) -> InvoiceState.Failure? {
        facts.invoices.filter { invoice in
            guard invoice.firstFailure != nil else { return false }
            if invoice.isPaid { return !invoice.isRestoring }
            let isSound = latest.status == .active || latest.status == .trialing
            return !(isSound && latest.asOf > (invoice.lastFailure ?? latest.asOf))
        }.compactMap(\.firstFailure).min { $0.stamp < $1.stamp }
    }
}
