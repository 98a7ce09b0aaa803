import PluginKit

/// The codes that the sandbox knows, and what is left of one on a subscription.
enum Rebates {
    /// Named by what they do: who tries things out reads the code and knows what must happen.
    static func coupon(_ code: String) -> Coupon? {
        switch code.uppercased() {
        case "SANDBOX25": share(code, 2_500, months: nil, "25 % off, for ever")
        case "SANDBOX50ONCE": share(code, 5_000, months: 0, "Half off the first bill")
        case "SANDBOX50X3": share(code, 5_000, months: 3, "Half off for three months")
        case "SANDBOX10USD": amount(code, 1_000, "USD")
        case "SANDBOX10EUR": amount(code, 1_000, "EUR")
        case "SANDBOXUSED": share(code, 2_500, months: nil, "Used up", isValid: false)
        default: nil
        }
    }

    private static func share(_ code: String, _ basisPoints: Int, months: Int?, _ name: String, isValid: Bool = true) -> Coupon {
        Coupon(
            code: code, id: code.uppercased(), name: name, basisPointsOff: basisPoints, amountOff: nil, months: months, validUntil: nil,
            isValid: isValid)
    }
    private static func amount(_ code: String, _ minor: Int64, _ currency: String) -> Coupon? {
        Currency(currency).map {
            Coupon(
                code: code, id: code.uppercased(), name: "10 \(currency) off the first bill", basisPointsOff: nil,
                amountOff: Money(amountMinor: minor, currency: $0), months: 0, validUntil: nil, isValid: true)
        }
    }

    /// The code as something that is taken off a price in this currency.
    static func usable(_ code: String, _ currency: Currency) throws -> Coupon {
        guard let coupon = coupon(code) else {
            throw PaymentProviderError.refused(code: "coupon_unknown", message: "There is no such code.")
        }
        guard coupon.isValid else { throw PaymentProviderError.refused(code: "coupon_used_up", message: "This code was used up.") }
        guard coupon.amountOff.map({ $0.currency == currency }) ?? true else {
            throw PaymentProviderError.refused(code: "coupon_currency", message: "This code is of another currency.")
        }
        return coupon
    }
}

extension Account {
    /// A coupon on a subscription.
    struct Rebate: Codable, Sendable, Hashable {
        var coupon: Coupon
        /// Nil: for ever, or for one bill.
        var until: Timestamp?

        init(_ coupon: Coupon, from start: Timestamp) {
            self.coupon = coupon
            guard let months = coupon.months, months > 0 else { return }
            until = (0..<months).reduce(start) { moment, _ in moment.adding(.month) }
        }
        func counts(_ moment: Timestamp) -> Bool { until.map { moment < $0 } ?? true }

        /// What is taken off a sum, never more than it.
        func off(_ minor: Int64) -> Int64 {
            guard minor > 0 else { return 0 }
            if let share = coupon.basisPointsOff {
                let whole = minor.multipliedFullWidth(by: Int64(share))
                return Int64(10_000).dividingFullWidth(whole).quotient
            }
            return min(minor, coupon.amountOff?.amountMinor ?? 0)
        }
    }

    /// Sets or removes what is taken off the bills to come.
    mutating func apply(_ application: CouponApplication, delay: Duration, now: Timestamp) throws {
        var it = try subscription(application.subscription)
        guard it.status != .cancelled else { throw Misstep("This subscription has ended.") }
        try makeRoom(for: 1)
        it.rebate = try application.code.map { Rebate(try Rebates.usable($0, it.unitPrice.currency), from: now) }
        replace(it)
        tell([.subscription(it)], delay: delay, now: now)
    }
}
