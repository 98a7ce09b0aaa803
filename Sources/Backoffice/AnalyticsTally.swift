import Billing
import Catalog
import PluginKit
import Tenancy
import Vocabulary

/// From when on, and until when not any more.
package struct AnalyticsWindow: Sendable, Hashable {
    package let from: Timestamp
    package let to: Timestamp
    package init(from: Timestamp, to: Timestamp) {
        self.from = from
        self.to = to
    }
    func holds(_ moment: Timestamp) -> Bool { from <= moment && moment < to }
}

/// What is counted of one tenant.
package struct TenantFacts: Sendable {
    package struct Subscription: Sendable {
        package let standing: Standing
        package let createdAt: Timestamp
        package init(standing: Standing, createdAt: Timestamp) {
            self.standing = standing
            self.createdAt = createdAt
        }
    }
    package let createdAt: Timestamp
    package let subscriptions: [Subscription]
    /// Of licences that may be used now.
    package let seatsSold: Int
    package init(createdAt: Timestamp, subscriptions: [Subscription], seatsSold: Int) {
        self.createdAt = createdAt
        self.subscriptions = subscriptions
        self.seatsSold = seatsSold
    }
}

/// Adds tenants up: a pure fold, the same in whatever order they come. Money stays in whole minor units: a year's price counts a twelfth a
/// month, and twelfths are added before anything is divided.
package struct AnalyticsTally: Sendable, Hashable {
    package var tenants = 0
    package var signUps = 0
    /// Twelfths of minor units a month, by currency and by tier and currency.
    package var monthlyTwelfths: [String: Int128] = [:]
    package var twelfthsByTier: [String: [String: Int128]] = [:]
    package var payingSubscriptions = 0
    /// Paying, at a price that the catalog does not know: by contract.
    package var withoutListPrice = 0
    package var payingAtStart = 0
    package var lost = 0
    package var trialsEnded = 0
    package var trialsConverted = 0
    package var seatsSold = 0

    package init() {}

    /// - Parameter price: the list price of one unit of a tier for an interval; nil where there is none.
    package mutating func count(
        _ tenant: TenantFacts, _ window: AnalyticsWindow, now: Timestamp, price: (String, BillingInterval) -> Money?
    ) {
        tenants += 1
        if window.holds(tenant.createdAt) { signUps += 1 }
        seatsSold += tenant.seatsSold
        let end = min(window.to, now)
        if tenant.subscriptions.contains(where: { $0.pays(at: window.from) }) {
            payingAtStart += 1
            if !tenant.subscriptions.contains(where: { $0.pays(at: end) }) { lost += 1 }
        }
        for subscription in tenant.subscriptions {
            if let ended = subscription.standing.trialEndsAt, window.holds(ended), ended <= now {
                trialsEnded += 1
                if subscription.isPaidBeyond(ended) { trialsConverted += 1 }
            }
            if subscription.pays(at: now) { add(subscription.standing, price) }
        }
    }

    private mutating func add(_ standing: Standing, _ price: (String, BillingInterval) -> Money?) {
        payingSubscriptions += 1
        guard let unit = price(standing.tier, standing.interval) else {
            withoutListPrice += 1
            return
        }
        let twelfths = Int128(unit.amountMinor) * Int128(standing.quantity) * (standing.interval == .year ? 1 : 12)
        monthlyTwelfths[unit.currency.code, default: 0] += twelfths
        twelfthsByTier[standing.tier, default: [:]][unit.currency.code, default: 0] += twelfths
    }

    /// Whole minor units, and the twelfths that are left of one.
    package static func monthly(_ twelfths: Int128) -> (minor: Int64, twelfths: Int64) {
        (Int64(clamping: twelfths / 12), Int64(clamping: twelfths % 12))
    }
    /// In basis points; nil of nothing.
    package static func share(_ part: Int, of whole: Int) -> Int64? { whole == 0 ? nil : Int64(part) * 10_000 / Int64(whole) }
}

extension TenantFacts.Subscription {
    /// Whether it was, is or will be paid for at a moment: granted, past its trial, and not over. What is suspended now pays for nothing.
    func pays(at moment: Timestamp) -> Bool {
        guard standing.isGranted, (standing.trialEndsAt ?? createdAt) <= moment, createdAt <= moment else { return false }
        switch standing.state {
        case .active, .grace: return standing.reason != .trial
        case .cancelled:
            let paid = standing.trialEndsAt.map(isPaidBeyond) ?? true
            return paid && moment < (standing.cancelsAt ?? standing.periodEnd ?? createdAt)
        case .pending, .suspended: return false
        }
    }
    /// Whether something was paid for that lies after the trial.
    func isPaidBeyond(_ trialEnd: Timestamp) -> Bool { standing.isGranted && (standing.periodEnd ?? trialEnd) > trialEnd }
}

/// Lines of comma-separated values (RFC 4180) that no spreadsheet takes for a formula.
package enum CSVText {
    package static func line(_ cells: [String]) -> String { cells.map(cell).joined(separator: ",") + "\r\n" }
    package static func cell(_ text: String) -> String {
        var text = text
        if let first = text.unicodeScalars.first, "=+-@\t\r\n|%".unicodeScalars.contains(first), Int64(text) == nil { text = "'" + text }
        guard text.unicodeScalars.contains(where: { "\",\r\n".unicodeScalars.contains($0) }) else { return text }
        return "\"" + text.replacing("\"", with: "\"\"") + "\""
    }
}
