import Foundation
import PluginKit

/// What the server asks and orders of its own accord, beside checkouts and portals.
struct Office: Sendable {
    let shop: Shop
    let cashier: Cashier
    private var register: Register { cashier.register }
    private var ledger: Ledger { shop.ledger }

    // MARK: - Subscriptions

    func read(_ id: String) async throws -> SubscriptionFact {
        let asked = shop.clock.now()
        guard let account = try await ledger.account(try Self.customer(of: id)) else { throw Self.stranger }
        return try Self.fact(id, account, asOf: asked)
    }

    func cancel(_ cancellation: SubscriptionCancellation) async throws -> SubscriptionFact {
        try await change(cancellation.subscription) { account, it, now in
            guard it.status != .cancelled else { return }
            switch cancellation.when {
            case .now:
                try account.makeRoom()
                account.end(it.id, at: now, now: now)
            case .periodEnd: if it.cancelsAt == nil { try account.leave(it.id, true, now: now) }
            @unknown default: throw Misstep("A subscription ends now or with its period.")
            }
        }
    }

    func resume(_ id: String) async throws -> SubscriptionFact {
        try await change(id) { account, it, now in
            // One that has ended is refused where it is tried.
            if it.status == .cancelled || it.cancelsAt != nil { try account.leave(it.id, false, now: now) }
        }
    }

    private func change(
        _ id: String, _ work: @escaping @Sendable (inout Account, Account.Subscription, Timestamp) throws -> Void
    ) async throws -> SubscriptionFact {
        let (customer, now) = (try Self.customer(of: id), shop.clock.now())
        let account = try await ledger.update(customer) { account in
            guard let it = account.subscriptions.first(where: { $0.id == id }) else { throw Self.stranger }
            try work(&account, it, now)
        }
        await shop.call(customer)
        return try Self.fact(id, account, asOf: now)
    }

    private static let stranger = Misstep("There is no such subscription.")

    /// A subscription's id holds its customer's: `sub_<customer>_<number>`.
    private static func customer(of subscription: String) throws -> String {
        let parts = subscription.split(separator: "_", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "sub", Ledger.isID("cus_\(parts[1])", "cus_"), Self.number(of: subscription) != nil else {
            throw stranger
        }
        return "cus_\(parts[1])"
    }
    private static func number(of subscription: String) -> Int64? {
        let digits = subscription.utf8.reversed().prefix { $0 != UInt8(ascii: "_") }
        return (1...15).contains(digits.count) ? Digits.value(Array(digits.reversed())) : nil
    }

    private static func fact(_ id: String, _ account: Account, asOf: Timestamp) throws -> SubscriptionFact {
        guard let it = account.subscriptions.first(where: { $0.id == id }),
            case .subscription(let fact)? = try BankEvent.fact(of: .subscription(it), account, asOf: asOf)
        else { throw stranger }
        return fact
    }

    // MARK: - Invoices

    func invoices(_ query: InvoiceQuery) async throws -> ProviderPage<ProviderInvoice> {
        guard let account = try await ledger.account(query.customer) else { return ProviderPage(items: [], next: nil) }
        let bills = account.bills.filter { query.subscription == nil || $0.subscription == query.subscription }
            .sorted { ($0.issued, $0.number) > ($1.issued, $1.number) }
        let begin = query.cursor.flatMap { cursor in bills.firstIndex { $0.number.description == cursor }.map { $0 + 1 } } ?? 0
        let page = bills.dropFirst(begin).prefix(min(100, max(1, query.limit)))
        var items: [ProviderInvoice] = []
        for bill in page { if let item = try await shown(bill, account.customer) { items.append(item) } }
        return ProviderPage(items: items, next: begin + page.count < bills.count ? page.last?.number.description : nil)
    }

    /// By the number, or by the name of a claim that came back.
    func invoice(_ id: String) async throws -> ProviderInvoice {
        let name = id.split(separator: ":", maxSplits: 1).first.map(String.init) ?? ""
        guard let number = DocumentNumber(name), let invoice = try await register.invoice(number), invoice.kind == .invoice,
            let account = try await ledger.account(invoice.customer), let bill = account.bills.first(where: { $0.number == number }),
            id == name || id == bill.claimID, let shown = try await shown(bill, account.customer)
        else { throw Misstep("There is no such invoice.") }
        return shown
    }

    private func shown(_ bill: Account.Bill, _ customer: String) async throws -> ProviderInvoice? {
        guard let invoice = try await register.invoice(bill.number) else { return nil }
        func money(_ minor: Int64) -> Money { Money(amountMinor: minor, currency: bill.currency) }
        var lines = invoice.lines.map {
            InvoiceLine(
                summary: $0.name, quantity: Int($0.quantity), amount: money($0.net), periodStart: bill.periodStart,
                periodEnd: bill.periodEnd,
                isProration: false)
        }
        for group in invoice.groups where group.tax != 0 {
            lines.append(
                InvoiceLine(
                    summary: "VAT \(VATTreatment.percent(group.vat.rate)) %", quantity: nil, amount: money(group.tax), periodStart: nil,
                    periodEnd: nil, isProration: false))
        }
        return ProviderInvoice(
            invoice: bill.claimID, number: bill.number.description, customer: customer, subscription: bill.subscription,
            status: bill.isPaid ? .paid : bill.isCancelled ? .void : .open, total: money(bill.total),
            due: money(bill.isPaid ? 0 : bill.open), issuedAt: bill.issued.start, dueAt: bill.due.start, periodStart: bill.periodStart,
            periodEnd: bill.periodEnd, lines: lines, hostedURL: shop.site.origin() + shop.address(of: bill.number),
            payment: bill.number.description)
    }

    /// A credit note over all of the invoice or a part; the money is owed until the seller's bank has sent it.
    func refund(_ request: RefundRequest) async throws -> Refund {
        guard let number = DocumentNumber(request.payment), let invoice = try await register.invoice(number), invoice.kind == .invoice
        else {
            throw Misstep("There is no such payment.")
        }
        let now = shop.clock.now()
        let said = "\(request.reason.rawValue)|\(request.amount.map { "\($0.amountMinor) \($0.currency.code)" } ?? "all")"
        let order = Account.RefundOrder(key: Self.digest(request.idempotencyKey), request: Self.digest(said), amount: 0, claim: "")
        try await ledger.update(invoice.customer) { try $0.refund(invoice, order: order, amount: request.amount, now: now) }
        let account = try await cashier.finishDrafts(invoice.customer)
        guard let bill = account.bills.first(where: { $0.number == number }),
            let made = bill.refundOrders?.first(where: { $0.key == order.key }), let refund = made.refund
        else {
            throw Misstep("The credit note is not written yet; try again.", isPassing: true)
        }
        let fact = RefundFact(
            refund: refund, payment: request.payment, customer: account.customer, subscription: bill.subscription,
            amount: Money(amountMinor: made.amount, currency: bill.currency), reason: request.reason.rawValue, asOf: now)
        return Refund(fact: fact, status: bill.owed == 0 ? .succeeded : .pending)
    }
    private static func digest(_ text: String) -> String { PluginDigest.hex(Array(PluginDigest.sha256(Data(text.utf8)).prefix(16))) }

    // MARK: - Lists

    func subscriptions(_ request: ChangesRequest) async throws -> ProviderPage<SubscriptionFact> {
        try await walk(request) { account, asked in
            try account.subscriptions.compactMap { it in
                guard case .subscription(let fact)? = try BankEvent.fact(of: .subscription(it), account, asOf: asked) else { return nil }
                return (Self.number(of: it.id) ?? 0, fact)
            }
        }
    }

    func payments(_ request: ChangesRequest) async throws -> ProviderPage<InvoiceFact> {
        try await walk(request) { account, asked in
            try account.bills.compactMap { bill in
                guard case .invoice(let fact)? = try BankEvent.fact(of: .invoice(bill), account, asOf: asked) else { return nil }
                return (Int64(bill.number.year) * 1_000_000 + Int64(bill.number.running), fact)
            }
        }
    }

    /// Accounts one page looks at; most of them may not have changed.
    static let mostLooks = 200

    /// Walks through the accounts by their ids, and in each by a number that an object keeps: what comes between moves nothing.
    private func walk<Fact>(
        _ request: ChangesRequest, _ facts: (Account, Timestamp) throws -> [(order: Int64, fact: Fact)]
    ) async throws -> ProviderPage<Fact> {
        let asked = shop.clock.now()
        let limit = min(100, max(1, request.limit))
        var (after, seen) = try Self.place(request.cursor)
        var items: [Fact] = []
        for _ in 0..<Self.mostLooks {
            // An account that is looked at half is looked at again.
            let name: String
            if let after, seen != nil {
                name = after
            } else {
                let keys = try await ledger.space.keys(prefix: "account/", after: after.map { "account/\($0)" }, limit: 1)
                guard let key = keys.first else { return ProviderPage(items: items, next: nil) }
                name = String(key.dropFirst("account/".count))
            }
            if let account = try await ledger.account(name), account.lastEventAt >= request.since {
                let rest = try facts(account, asked).filter { $0.order > seen ?? -1 }.sorted { $0.order < $1.order }
                let taken = rest.prefix(limit - items.count)
                items += taken.map(\.fact)
                if taken.count < rest.count {
                    return ProviderPage(items: items, next: "\(name).\(taken.last?.order ?? seen ?? -1)")
                }
            }
            (after, seen) = (name, nil)
            if items.count == limit { break }
        }
        return ProviderPage(items: items, next: after)
    }

    private static func place(_ cursor: String?) throws -> (account: String?, seen: Int64?) {
        guard let cursor else { return (nil, nil) }
        let parts = cursor.split(separator: ".", maxSplits: 1).map(String.init)
        guard let name = parts.first, Ledger.isID(name, "cus_"), parts.count == 1 || Int64(parts[1]) != nil else {
            throw Misstep("This is no place in the list.")
        }
        return (name, parts.count == 2 ? Int64(parts[1]) : nil)
    }
}
