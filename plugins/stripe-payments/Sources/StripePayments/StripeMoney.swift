import PluginKit

/// Stripe counts in its own smallest unit, which is the minor unit of ISO 4217 but for three currencies.
enum StripeMoney {
    /// Stripe's amount = ISO minor units × this: ISK and UGX have no minor unit, yet Stripe takes them with two decimals;
    /// MGA has two in ISO 4217, and Stripe takes it with none.
    private static let up: Set<String> = ["ISK", "UGX"]
    private static let down: Set<String> = ["MGA"]
    /// Of the three decimals of these Stripe takes only two: the last digit must be 0.
    private static let rounded: Set<String> = ["BHD", "JOD", "KWD", "OMR", "TND"]

    /// Amounts beyond this are nonsense, not money.
    static let limit: Int64 = 1_000_000_000_000_000

    /// Nil where the amount cannot be said in Stripe's unit.
    static func outgoing(_ money: Money) -> Int64? {
        guard (0...limit).contains(money.amountMinor) else { return nil }
        if up.contains(money.currency.code) { return money.amountMinor * 100 }
        if down.contains(money.currency.code) { return money.amountMinor % 100 == 0 ? money.amountMinor / 100 : nil }
        if rounded.contains(money.currency.code) { return money.amountMinor % 10 == 0 ? money.amountMinor : nil }
        return money.amountMinor
    }

    /// Nil for a null amount, a fraction, an unknown currency or nonsense.
    static func incoming(_ amount: JSONValue?, _ currency: JSONValue?) -> Money? {
        guard let amount = amount?.int, (-limit...limit).contains(amount), let currency = currency?.string.flatMap({ Currency($0) }) else {
            return nil
        }
        if up.contains(currency.code) { return Money(amountMinor: amount / 100, currency: currency) }
        if down.contains(currency.code) { return Money(amountMinor: amount * 100, currency: currency) }
        return Money(amountMinor: amount, currency: currency)
    }
}
