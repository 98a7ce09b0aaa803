import Foundation
import PluginKit

/// What the server asks of an account. Like the steps of `Life`: values and functions, time is passed in.
extension Account {
    /// Does `work` once for a key, and answers what it made; the key with another request is a misstep.
    mutating func once(
        _ key: String, _ request: some Encodable, _ work: (inout Account) throws -> String?
    ) throws -> String? {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        let (name, said) = (Self.digest(Data(key.utf8)), Self.digest(try encoder.encode(request)))
        if let old = deeds?.first(where: { $0.key == name }) {
            guard old.request == said else { throw Misstep("This key was used for another request.") }
            return old.made
        }
        let made = try work(&self)
        deeds = Array(((deeds ?? []) + [Deed(key: name, request: said, made: made)]).suffix(Self.maxDeeds))
        return made
    }
    private static func digest(_ data: Data) -> String { PluginDigest.hex(Array(PluginDigest.sha256(data).prefix(16))) }

    func subscription(_ id: String) throws -> Subscription {
        guard let found = subscriptions.first(where: { $0.id == id }) else { throw Misstep("There is no such subscription.") }
        return found
    }

    // MARK: - Change

    struct CostLine: Hashable {
        var summary: String
        var quantity: Int
        var amount: Int64
        var start: Timestamp
        var end: Timestamp
        var isProration: Bool
    }

    /// What a change costs at a moment: the rest of the period back, the same rest or a whole new period anew. Nothing within a trial.
    static func cost(_ change: SubscriptionChange, of old: Subscription, at moment: Timestamp) throws -> [CostLine] {
        guard (1...1_000_000).contains(change.quantity), (0...100_000_000_000).contains(change.unitPrice.amountMinor) else {
            throw Misstep("Quantity or price is outside what the sandbox takes.")
        }
        guard change.unitPrice.currency == old.unitPrice.currency else { throw Misstep("The subscription is paid in another currency.") }
        guard old.status != .cancelled else { throw Misstep("This subscription has ended.") }
        guard change.proration != .none else { return [] }
        let length = max(1, (old.periodEnd - old.periodStart).wholeSeconds)
        let rest = min(max(0, (old.periodEnd - moment).wholeSeconds), length)
        func part(_ price: Money, _ quantity: Int) -> Int64 {
            guard (old.trialEnd ?? moment) <= moment else { return 0 }
            let whole = (price.amountMinor * Int64(quantity)).multipliedFullWidth(by: rest)
            return length.dividingFullWidth(whole).quotient
        }
        let isSamePeriod = change.interval == old.interval
        let end = isSamePeriod ? old.periodEnd : moment.adding(change.interval)
        let full = change.unitPrice.amountMinor * Int64(change.quantity)
        var lines = [
            CostLine(
                summary: "Unused time of \(old.quantity) × \(old.productName)", quantity: old.quantity,
                amount: -part(old.unitPrice, old.quantity), start: moment, end: old.periodEnd, isProration: true),
            CostLine(
                summary: "\(isSamePeriod ? "Remaining time of " : "")\(change.quantity) × \(change.tier)", quantity: change.quantity,
                amount: isSamePeriod ? part(change.unitPrice, change.quantity) : full, start: moment, end: end, isProration: isSamePeriod),
        ]
        // A share counts for the parts of a period too, for what is given back as for what is charged; an amount for whole bills alone.
        if let rebate = old.rebate, rebate.coupon.basisPointsOff != nil, rebate.coupon.months != 0, rebate.counts(moment) {
            lines += lines.filter { $0.amount != 0 }.map { line in
                let off = rebate.off(abs(line.amount))
                return CostLine(
                    summary: rebate.coupon.name ?? rebate.coupon.code, quantity: 1, amount: line.amount < 0 ? off : -off, start: line.start,
                    end: line.end, isProration: line.isProration)
            }
        }
        return lines
    }

    mutating func change(_ change: SubscriptionChange, delay: Duration, now: Timestamp) throws {
        let old = try subscription(change.subscription)
        let lines = try Self.cost(change, of: old, at: min(change.prorationAt ?? now, now))
        try makeRoom(for: 2)
        var new = old
        new.tier = change.tier
        new.productName = change.tier == old.tier ? old.productName : change.tier
        new.providerPrice = change.providerPrice
        new.unitPrice = change.unitPrice
        new.quantity = change.quantity
        if change.interval != old.interval {
            new.interval = change.interval
            new.periodStart = now
            new.periodEnd = now.adding(change.interval)
        }
        replace(new)
        var told: [Told] = [.subscription(new)]
        // A credit is given by the next bill, which the sandbox writes anew: only what is owed becomes an invoice of its own.
        let owed = lines.reduce(0) { $0 + $1.amount }
        if change.proration == .invoiceNow, owed > 0 {
            // Its coupon stands in the lines already.
            var bare = new
            bare.rebate = nil
            var invoice = bill(&bare, at: now, isPaid: true, hasFailed: false)
            invoice.amount = Money(amountMinor: owed, currency: new.unitPrice.currency)
            invoice.summary = "Change to \(new.quantity) × \(new.productName)"
            invoice.issuedAt = now
            invoices[invoices.count - 1] = invoice
            told.append(.invoice(invoice))
        }
        tell(told, delay: delay, now: now)
    }

    // MARK: - Cancel and resume

    mutating func cancel(_ id: String, _ when: SubscriptionCancellation.When, delay: Duration, now: Timestamp) throws {
        let old = try subscription(id)
        guard old.status != .cancelled, when == .now || old.cancelsAt == nil else { return }
        try take(when == .now ? .endNow : .cancelAtPeriodEnd, on: id, delay: delay, now: now)
    }
    mutating func resume(_ id: String, delay: Duration, now: Timestamp) throws {
        let old = try subscription(id)
        guard old.status != .cancelled else { throw Misstep("This subscription has ended.") }
        if old.cancelsAt != nil { try take(.keep, on: id, delay: delay, now: now) }
    }
    mutating func replace(_ subscription: Subscription) {
        if let place = subscriptions.firstIndex(where: { $0.id == subscription.id }) { subscriptions[place] = subscription }
    }

    // MARK: - Refund

    /// Gives a part of a paid invoice back, or all that is left. Answers the refund's id.
    mutating func refund(_ request: RefundRequest, delay: Duration, now: Timestamp) throws -> String {
        guard let place = invoices.firstIndex(where: { $0.id == request.payment }) else { throw Misstep("There is no such payment.") }
        let invoice = invoices[place]
        guard invoice.isPaid, invoice.left > 0 else { throw Misstep("Nothing is left to refund.") }
        let amount = request.amount ?? Money(amountMinor: invoice.left, currency: invoice.amount.currency)
        guard amount.currency == invoice.amount.currency else { throw Misstep("The payment was made in another currency.") }
        guard (1...invoice.left).contains(amount.amountMinor) else { throw Misstep("The amount is not between 1 and what is left.") }
        try makeRoom(for: 1)
        return giveBack(place, amount.amountMinor, reason: request.reason.rawValue, delay: delay, now: now)
    }

    @discardableResult
    mutating func giveBack(_ place: Int, _ amount: Int64, reason: String, delay: Duration, now: Timestamp) -> String {
        let invoice = invoices[place]
        invoices[place].refundedMinor = (invoice.refundedMinor ?? 0) + amount
        invoices[place].isRefunded = amount == invoice.left
        let refund = Reversal(
            id: "re_" + number(), invoice: invoice.id, subscription: invoice.subscription,
            amount: Money(amountMinor: amount, currency: invoice.amount.currency), reason: reason, at: now)
        refunds = Array(((refunds ?? []) + [refund]).suffix(Self.maxReversals))
        tell([.refund(refund)], delay: delay, now: now)
        return refund.id
    }
}

extension Account.Session {
    /// Whether a repeated request wants the same checkout.
    func asks(theSameAs other: Account.Session) -> Bool {
        reference == other.reference && tier == other.tier && interval == other.interval && quantity == other.quantity
            && unitPrice == other.unitPrice && providerPrice == other.providerPrice && trialDays == other.trialDays
            && successURL == other.successURL && cancelURL == other.cancelURL && coupon?.id == other.coupon?.id
    }
}
