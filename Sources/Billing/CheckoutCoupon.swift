import Store
import Vocabulary

/// A buyer's code at a checkout. What a code is worth, how often and until when it may be used is the provider's matter; here it is asked
/// before anything is sold, so that a buyer hears of a wrong code before the provider's page.
struct CheckoutCoupon {
    static let mostBytes = 64
    /// Why a code is worth nothing here.
    enum Fault: String, CaseIterable {
        case unknown
        /// Used up, run out or withdrawn.
        case notValid = "not_valid"
        /// An amount in another currency than the price.
        case currency
        var problem: Problem { BillingProblems.couponInvalid.with(["reason": .string(rawValue)]) }
    }

    let provider: any PaymentProvider
    let limit: Duration
    let now: Timestamp

    /// - Parameter price: of one unit.
    func read(_ code: String?, for price: Money) async throws -> Coupon? {
        guard let code else { return nil }
        guard provider.capabilities.contains(.coupons) else { throw BillingProblems.couponNotSupported }
        guard PaymentInbox.isName(code), code.utf8.count <= Self.mostBytes else { throw Fault.unknown.problem }
        let found: Coupon?
        do {
            let provider = provider
            found = try await CallLimit.within(limit) { try await provider.readCoupon(code) }
        } catch { throw Self.problem(of: error) }
        guard var coupon = found else { throw Fault.unknown.problem }
        guard coupon.isValid, coupon.validUntil.map({ $0 > now }) ?? true, coupon.isSound else { throw Fault.notValid.problem }
        if let amount = coupon.amountOff, amount.currency != price.currency { throw Fault.currency.problem }
        // The buyer's own word for it: by that it is asked for, and shown.
        coupon.code = code
        coupon.name = coupon.name.map { String($0.prefix(200)) }
        return coupon
    }

    /// A code that was good and is refused with the checkout, as one that somebody else used up in between.
    static func problem(of error: any Error) -> Problem {
        if case .refused(let code, _)? = error as? PaymentProviderError,
            ["coupon", "promotion_code", "discount"].contains(where: code.lowercased().contains)
        {
            return Fault.notValid.problem
        }
        return BillingProblems.of(error)
    }
}

extension Coupon {
    /// It takes off a share or an amount, one of them, and no more than there is.
    var isSound: Bool {
        (basisPointsOff == nil) != (amountOff == nil) && (1...10_000).contains(basisPointsOff ?? 1) && (amountOff?.amountMinor ?? 1) > 0
            && months ?? 0 >= 0
    }

    /// The least that is left of an amount, however the provider rounds.
    func left(of minor: Int64) -> Int64 {
        if let share = basisPointsOff { return SubscriptionDesk.discounted(minor, basisPoints: share) }
        return max(0, minor - (amountOff?.amountMinor ?? 0))
    }

    var json: JSONValue {
        [
            "code": .string(code), "name": name.map { .string($0) } ?? .null,
            "basis_points_off": basisPointsOff.map { .int(Int64($0)) } ?? .null, "amount_off": amountOff?.json ?? .null,
            "months": months.map { .int(Int64($0)) } ?? .null,
        ]
    }
}
