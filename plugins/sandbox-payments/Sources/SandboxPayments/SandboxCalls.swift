import Foundation
import PluginKit

/// The calls of kit 1.1: each reads or changes one account.
extension SandboxProvider {
    private var now: Timestamp { shop.clock.now() }

    /// The account of an object: its id carries the customer's.
    private func owner(_ id: String) throws -> String {
        let parts = id.split(separator: "_", omittingEmptySubsequences: false)
        guard parts.count == 3, Ledger.isID("cus_" + parts[1], "cus_") else { throw Misstep("There is no such object.") }
        return "cus_" + parts[1]
    }
    private func account(of id: String) async throws -> Account {
        guard let account = try await shop.ledger.account(owner(id)) else { throw Misstep("There is no such object.") }
        return account
    }
    /// Changes one subscription once for a key, and answers it as it then is.
    private func changed(
        _ id: String, _ key: String, _ request: some Encodable & Sendable,
        _ work: @escaping @Sendable (inout Account, Timestamp) throws -> Void
    ) async throws -> SubscriptionFact {
        try await told {
            let now = now
            let account = try await shop.ledger.update(owner(id)) { account in
                _ = try account.once(key, request) {
                    try work(&$0, now)
                    return nil
                }
            }
            await courier.call(account.customer)
            return Self.fact(try account.subscription(id), account, now)
        }
    }

    // MARK: - Subscriptions

    func readSubscription(_ subscription: String) async throws -> SubscriptionFact {
        try await told {
            let now = now
            let account = try await account(of: subscription)
            return Self.fact(try account.subscription(subscription), account, now)
        }
    }

    func previewChange(_ change: SubscriptionChange) async throws -> ChangePreview {
        try await told {
            let old = try await account(of: change.subscription).subscription(change.subscription)
            let moment = change.prorationAt ?? now
            let currency = old.unitPrice.currency
            let lines = try Account.cost(change, of: old, at: moment).map {
                InvoiceLine(
                    summary: $0.summary, quantity: $0.quantity, amount: Money(amountMinor: $0.amount, currency: currency),
                    periodStart: $0.start, periodEnd: $0.end, isProration: $0.isProration)
            }
            let prorated = lines.filter(\.isProration).reduce(0) { $0 + $1.amount.amountMinor }
            return ChangePreview(
                total: Money(amountMinor: lines.reduce(0) { $0 + $1.amount.amountMinor }, currency: currency),
                prorated: Money(amountMinor: prorated, currency: currency), lines: lines, prorationAt: moment)
        }
    }

    func changeSubscription(_ change: SubscriptionChange) async throws -> SubscriptionFact {
        try await changed(change.subscription, change.idempotencyKey, change) { [delay] in try $0.change(change, delay: delay, now: $1) }
    }
    func cancelSubscription(_ cancellation: SubscriptionCancellation) async throws -> SubscriptionFact {
        try await changed(cancellation.subscription, cancellation.idempotencyKey, cancellation) { [delay] in
            try $0.cancel(cancellation.subscription, cancellation.when, delay: delay, now: $1)
        }
    }
    func resumeSubscription(_ resumption: SubscriptionResumption) async throws -> SubscriptionFact {
        try await changed(resumption.subscription, resumption.idempotencyKey, resumption) { [delay] in
            try $0.resume(resumption.subscription, delay: delay, now: $1)
        }
    }

    func readCoupon(_ code: String) async throws -> Coupon? { try await told { Rebates.coupon(code) } }
    func applyCoupon(_ application: CouponApplication) async throws -> SubscriptionFact {
        try await changed(application.subscription, application.idempotencyKey, application) { [delay] in
            try $0.apply(application, delay: delay, now: $1)
        }
    }

    private static func fact(_ it: Account.Subscription, _ account: Account, _ asOf: Timestamp) -> SubscriptionFact {
        SubscriptionFact(
            subscription: it.id, customer: account.customer, reference: it.reference, status: it.status, providerPrice: it.providerPrice,
            tier: it.tier, quantity: it.quantity, periodStart: it.periodStart, periodEnd: it.periodEnd, trialEnd: it.trialEnd,
            cancelsAt: it.cancelsAt, endedAt: it.endedAt, interval: it.interval, asOf: asOf)
    }

    // MARK: - Invoices and refunds

    /// A customer has a dozen invoices here at most: one page.
    func listInvoices(_ query: InvoiceQuery) async throws -> ProviderPage<ProviderInvoice> {
        try await told {
            guard let account = try await shop.ledger.account(query.customer) else { return ProviderPage(items: [], next: nil) }
            let wanted = account.invoices.filter { $0.subscription == query.subscription ?? $0.subscription }
            let rest = wanted.reversed().drop { query.cursor != nil && $0.id != query.cursor }.dropFirst(query.cursor == nil ? 0 : 1)
            let page = rest.prefix(min(max(1, query.limit), 100))
            return ProviderPage(items: page.map { Self.invoice($0, account) }, next: page.count < rest.count ? page.last?.id : nil)
        }
    }
    func readInvoice(_ invoice: String) async throws -> ProviderInvoice {
        try await told {
            let account = try await account(of: invoice)
            guard let found = account.invoices.first(where: { $0.id == invoice }) else { throw Misstep("There is no such invoice.") }
            return Self.invoice(found, account)
        }
    }

    private static func invoice(_ it: Account.Invoice, _ account: Account) -> ProviderInvoice {
        let name = account.subscriptions.first { $0.id == it.subscription }?.productName ?? "Subscription"
        let (off, currency) = (it.rebateMinor ?? 0, it.amount.currency)
        var lines = [
            InvoiceLine(
                summary: it.summary ?? name, quantity: nil, amount: Money(amountMinor: it.amount.amountMinor + off, currency: currency),
                periodStart: it.periodStart, periodEnd: it.periodEnd, isProration: it.summary != nil)
        ]
        if off > 0 {
            lines.append(
                InvoiceLine(
                    summary: it.rebateName ?? "Coupon", quantity: nil, amount: Money(amountMinor: -off, currency: currency),
                    periodStart: it.periodStart, periodEnd: it.periodEnd, isProration: false))
        }
        let issuedAt = it.issuedAt ?? it.periodStart
        return ProviderInvoice(
            invoice: it.id, number: it.id, customer: account.customer, subscription: it.subscription, status: it.isPaid ? .paid : .open,
            total: it.amount, due: Money(amountMinor: it.isPaid ? 0 : it.amount.amountMinor, currency: it.amount.currency),
            issuedAt: issuedAt, paidAt: it.isPaid ? issuedAt : nil, periodStart: it.periodStart, periodEnd: it.periodEnd, lines: lines,
            payment: it.id)
    }

    func refund(_ request: RefundRequest) async throws -> Refund {
        try await told {
            let now = now
            let account = try await shop.ledger.update(owner(request.payment)) { [delay] account in
                _ = try account.once(request.idempotencyKey, request) { try $0.refund(request, delay: delay, now: now) }
            }
            await courier.call(account.customer)
            // Done before: nothing is written, and the same refund is found.
            var copy = account
            let made = try copy.once(request.idempotencyKey, request) { _ in nil }
            guard let refund = account.refunds?.first(where: { $0.id == made }) else { throw Misstep("The refund is no longer known.") }
            return Refund(fact: Self.fact(refund, account, now), status: .succeeded)
        }
    }
    private static func fact(_ it: Account.Reversal, _ account: Account, _ asOf: Timestamp) -> RefundFact {
        RefundFact(
            refund: it.id, payment: it.invoice, customer: account.customer, subscription: it.subscription, amount: it.amount,
            reason: it.reason, asOf: asOf)
    }

    // MARK: - Lists

    func listSubscriptions(_ request: ChangesRequest) async throws -> ProviderPage<SubscriptionFact> {
        let now = now
        return try await page(request, { $0.subscriptions.map(\.id) }) { account, id in
            account.subscriptions.first { $0.id == id }.map { Self.fact($0, account, now) }
        }
    }
    func listPayments(_ request: ChangesRequest) async throws -> ProviderPage<InvoiceFact> {
        let now = now
        return try await page(request, { $0.invoices.map(\.id) }) { account, id in
            account.invoices.first { $0.id == id }.map {
                var fact = InvoiceFact(
                    invoice: $0.id, subscription: $0.subscription, customer: account.customer, isPaid: $0.isPaid,
                    hasFailed: $0.hasFailed && !$0.isPaid, amount: $0.amount, periodStart: $0.periodStart, periodEnd: $0.periodEnd,
                    nextAttemptAt: $0.nextAttemptAt, asOf: now)
                if fact.hasFailed { fact.declineReason = $0.declineReason }
                return fact
            }
        }
    }
    func listRefunds(_ request: ChangesRequest) async throws -> ProviderPage<RefundFact> {
        let now = now
        return try await page(request, { ($0.refunds ?? []).map(\.id) }) { account, id in
            account.refunds?.first { $0.id == id }.map { Self.fact($0, account, now) }
        }
    }
    func listDisputes(_ request: ChangesRequest) async throws -> ProviderPage<DisputeFact> {
        let now = now
        return try await page(request, { ($0.disputes ?? []).map(\.id) }) { account, id in
            account.disputes?.first { $0.id == id }.map {
                DisputeFact(
                    dispute: $0.id, payment: $0.invoice, customer: account.customer, subscription: $0.subscription, amount: $0.amount,
                    status: "needs_response", reason: $0.reason, asOf: now)
            }
        }
    }

    /// Account by account in the order of their keys, and within one by the number in the object's id. The cursor is the last object's
    /// place: what is made or goes away meanwhile moves none of the others.
    private func page<Item>(
        _ request: ChangesRequest, _ names: (Account) -> [String], _ read: (Account, String) -> Item?
    ) async throws -> ProviderPage<Item> {
        try await told {
            let limit = min(max(1, request.limit), 100)
            let start = request.cursor?.split(separator: ":").map(String.init) ?? []
            guard request.cursor == nil || (start.count == 2 && Ledger.isID(start[0], "cus_")) else {
                throw Misstep("The cursor is none of ours.")
            }
            var (customer, number) = (start.first, start.last.flatMap(Int.init) ?? -1)
            var items: [Item] = []
            while true {
                // The account of the cursor first, then those behind it.
                if let customer, let account = try await shop.ledger.account(customer) {
                    let rest = names(account).map { (name: $0, number: Self.number($0)) }.filter { $0.number > number }
                    for (name, place) in rest.sorted(by: { $0.number < $1.number }) {
                        if let item = read(account, name) { items.append(item) }
                        if items.count == limit { return ProviderPage(items: items, next: "\(customer):\(place)") }
                    }
                }
                let after = customer.map { "account/\($0)" }
                let next = try await shop.ledger.space.keys(prefix: "account/", after: after, limit: 1)
                guard let key = next.first else { return ProviderPage(items: items, next: nil) }
                (customer, number) = (String(key.dropFirst(8)), -1)
            }
        }
    }
    private static func number(_ id: String) -> Int { id.split(separator: "_").last.flatMap { Int($0) } ?? 0 }
}
