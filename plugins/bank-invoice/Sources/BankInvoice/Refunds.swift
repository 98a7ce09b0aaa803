import PluginKit

/// Money that goes back by order, all of it or parts, until nothing is left.
extension Account {
    /// What a part of an invoice that goes back is credited by.
    struct Part: Sendable, Hashable {
        var net: Int64
        /// Between net, VAT and the part itself.
        var rounding: Int64
    }

    /// The net amounts of parts follow the sum of what has gone back, so that all parts together are the invoice's net amount to the cent,
    /// however it is cut. Nil where the part is smaller than the smallest net amount, or where other credit notes left no such part.
    static func part(_ amount: Int64, of bill: Bill, net: Int64, rate: Int) -> Part? {
        guard bill.total > 0, net > 0, amount > 0, amount <= bill.total - bill.credited else { return nil }
        let before = bill.creditedNet ?? share(bill.credited, of: bill.total, net)
        let own = share(bill.credited + amount, of: bill.total, net) - before
        guard own > 0, before + own <= net else { return nil }
        let rounding = amount - own - Invoice.tax(on: own, rate: rate)
        return abs(rounding) <= 2 ? Part(net: own, rounding: rounding) : nil
    }
    /// Rounded half up; the product of two amounts needs more than 64 bits.
    private static func share(_ part: Int64, of whole: Int64, _ value: Int64) -> Int64 {
        let product = part.multipliedFullWidth(by: value)
        let (quotient, remainder) = whole.dividingFullWidth(product)
        return quotient + (remainder >= whole - remainder ? 1 : 0)
    }

    /// Credits a paid invoice, or a part of it, so that its money is owed back. The same order again changes nothing.
    mutating func refund(_ invoice: Invoice, order: RefundOrder, amount: Money?, now: Timestamp) throws {
        guard let place = bills.firstIndex(where: { $0.number == invoice.number }) else {
            throw Misstep("This invoice is settled long ago.")
        }
        let bill = bills[place]
        let orders = bill.refundOrders ?? []
        if let old = orders.first(where: { $0.key == order.key }) {
            guard old.request == order.request else { throw Misstep("This key was used for another refund.") }
            return
        }
        guard !drafts.contains(where: { $0.corrects?.number == invoice.number }) else {
            throw Misstep("A credit note is being written; try again in a moment.", isPassing: true)
        }
        let ordered = orders.reduce(0) { $0 + $1.amount }
        guard bill.credited == ordered else {
            throw Misstep("Of this invoice something was credited at the desk; the rest is decided there.")
        }
        guard bill.isPaid, bill.owed <= ordered, bill.balance == bill.total - (ordered - bill.owed) else {
            throw Misstep("This invoice is not paid exactly; that is decided at the desk.")
        }
        let left = bill.total - bill.credited
        guard left > 0 else { throw Misstep("All of this invoice went back already.") }
        let wanted = amount ?? Money(amountMinor: left, currency: bill.currency)
        guard wanted.currency == bill.currency else { throw Misstep("The invoice is in another currency.") }
        guard (1...left).contains(wanted.amountMinor) else { throw Misstep("The amount is not between 1 and what is left.") }
        guard bill.credits.count < Self.maxCredits else { throw Misstep("This invoice has too many credit notes.") }
        var made = order
        made.amount = wanted.amountMinor
        if wanted.amountMinor == bill.total {
            try credit(invoice, net: nil, now: now)
        } else {
            guard invoice.groups.count == 1, let group = invoice.groups.first,
                let part = Self.part(wanted.amountMinor, of: bill, net: invoice.net, rate: group.vat.rate)
            else { throw Misstep("This part cannot be credited exactly; all of it can, or another part.") }
            try makeRoom()
            let line = BilledLine(name: "Part of \(invoice.lines[0].name)", quantity: 1, unitPrice: part.net, vat: group.vat)
            var draft = credit(bill, lines: [line], isCancellation: false, now: now)
            draft.rounding = part.rounding == 0 ? nil : part.rounding
            drafts.append(draft)
        }
        made.claim = drafts[drafts.count - 1].claim
        bills[place].refundOrders = orders + [made]
    }

    static let maxCredits = 20
}
