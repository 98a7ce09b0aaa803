import Vocabulary

/// What is known of one subscription at its provider, and what plans and staff ruled about it.
package struct SubscriptionState: Joinable, Codable {
    /// The newest description, by the provider's time.
    package var latest: SubscriptionFact?
    package var customer: String?
    /// Bought through a checkout of this house: nothing is granted before that checkout is complete.
    package var isFromCheckout = false
    /// The provider ended it. Absorbing: nothing that is told before or after brings it back.
    package var ended: Timestamp?
    /// What was held in which period, so that a downgrade waits for the period's end.
    package var held: [HeldTerms] = []
    package var suspension: SuspensionMark?
    /// A plan ended it at once, as of this moment. Absorbing.
    package var endedNow: Timestamp?
    /// A plan ended it at the end of the period that holds this moment.
    package var endsAfter: Timestamp?
    /// Staff released it though no plan did.
    package var isReleased = false
    package init() {}

    package mutating func join(_ other: SubscriptionState) {
        latest = SubscriptionState.newer(latest, other.latest)
        customer = lesser(customer, other.customer)
        isFromCheckout = isFromCheckout || other.isFromCheckout
        ended = lesser(ended, other.ended)
        held = HeldTerms.joined(held, other.held)
        suspension = greater(suspension, other.suspension)
        endedNow = lesser(endedNow, other.endedNow)
        endsAfter = lesser(endsAfter, other.endsAfter)
        isReleased = isReleased || other.isReleased
    }

    static func newer(_ left: SubscriptionFact?, _ right: SubscriptionFact?) -> SubscriptionFact? {
        guard let left else { return right }
        guard let right else { return left }
        return isOlder(left, than: right) ? right : left
    }

    /// By the provider's time; within one moment by the later stage of life, then by every other field, so that no two differ and are level.
    static func isOlder(_ left: SubscriptionFact, than right: SubscriptionFact) -> Bool {
        var order = Comparison()
        order.by(left.asOf, right.asOf)
        order.by(left.status.stage, right.status.stage)
        order.by(left.periodEnd, right.periodEnd)
        order.by(left.trialEnd, right.trialEnd)
        order.by(left.cancelsAt, right.cancelsAt)
        order.by(left.endedAt, right.endedAt)
        order.by(left.quantity, right.quantity)
        order.by(left.providerPrice, right.providerPrice)
        order.by(left.tier, right.tier)
        order.by(left.interval?.rawValue, right.interval?.rawValue)
        order.by(left.periodStart, right.periodStart)
        order.by(left.reference, right.reference)
        order.by(left.customer, right.customer)
        order.by(left.subscription, right.subscription)
        return order.isLess ?? false
    }

    /// A policy's or a dispute's suspension and its lifting: the later one holds, and within one moment the suspension.
    package struct SuspensionMark: Hashable, Sendable, Codable, Comparable {
        package var asOf: Timestamp
        package var isSuspended: Bool
        package static func < (left: SuspensionMark, right: SuspensionMark) -> Bool {
            left.asOf == right.asOf ? !left.isSuspended && right.isSuspended : left.asOf < right.asOf
        }
    }
}

extension SubscriptionStatus {
    /// How far in its life: what a subscription told of twice within one second has reached.
    var stage: Int {
        switch self {
        case .incomplete: 0
        case .trialing: 1
        case .paused: 2
        case .pastDue: 3
        case .active: 4
        case .cancelled: 5
        @unknown default: -1
        }
    }
    /// The provider regards what is on the subscription as granted.
    var grants: Bool { self == .trialing || self == .active || self == .pastDue }
}

/// The most units of one price that were held in one period.
package struct HeldTerms: Hashable, Sendable, Codable, Comparable {
    package var periodEnd: Timestamp
    package var price: String?
    package var tier: String?
    package var quantity: Int

    package static func < (left: HeldTerms, right: HeldTerms) -> Bool {
        var order = Comparison()
        order.by(left.periodEnd, right.periodEnd)
        order.by(left.price, right.price)
        order.by(left.tier, right.tier)
        order.by(left.quantity, right.quantity)
        return order.isLess ?? false
    }

    /// Periods that ended this long before the newest one are forgotten. The newest end only grows, so forgetting commutes with joining.
    static let memory = Duration.days(800)

    static func joined(_ left: [HeldTerms], _ right: [HeldTerms]) -> [HeldTerms] {
        struct Key: Hashable {
            let periodEnd: Timestamp
            let price: String?
            let tier: String?
        }
        guard let newest = (left + right).map(\.periodEnd).max() else { return [] }
        var most: [Key: Int] = [:]
        for terms in left + right where terms.periodEnd >= newest - memory {
            let key = Key(periodEnd: terms.periodEnd, price: terms.price, tier: terms.tier)
            most[key] = max(most[key] ?? terms.quantity, terms.quantity)
        }
        return most.map { HeldTerms(periodEnd: $0.periodEnd, price: $0.price, tier: $0.tier, quantity: $1) }.sorted()
    }
}
