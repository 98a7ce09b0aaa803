import Billing
import Foundation
import Synchronization
import Vocabulary

/// A payment provider that lives in the simulation's time, behind the same protocol as every other. It keeps books of its own, renews, tries
/// again, tells by signed webhooks, is away when the script says so, and forgets no key.
final class PretendProvider: PaymentProvider {
    private let books: Mutex<ProviderBooks>
    private let clock: VirtualClock
    private let breaker: Breaker
    private let signature: WebhookSignature
    static let header = "pretend-signature"

    init(manner: ProviderManner, clock: VirtualClock, breaker: Breaker, seed: UInt64) throws {
        var books = ProviderBooks()
        books.manner = manner
        books.outbox.dice = Dice(seed)
        self.books = Mutex(books)
        self.clock = clock
        self.breaker = breaker
        signature = try WebhookSignature(secrets: ["whsec_of_a_provider_that_is_none"])
    }

    let capabilities: Set<PaymentCapability> = [
        .customerPortal, .trials, .subscriptionRead, .subscriptionChange, .changePreview, .cancelNow, .cancelAtPeriodEnd, .resume, .pause,
        .invoices, .refunds, .partialRefunds, .listSubscriptions, .listPayments, .listRefunds, .listDisputes, .listEvents,
    ]
    func understands(_ type: String) -> Bool? { true }

    /// For the simulation itself, which stands on the provider's side of the wire.
    func inBooks<Value: Sendable>(_ work: (inout ProviderBooks, Timestamp) -> Value) -> Value {
        let now = clock.now()
        return books.withLock { work(&$0, now) }
    }

    /// One call from the platform: nobody answers while the provider is away.
    private func asked<Value: Sendable>(_ work: @Sendable (inout ProviderBooks, Timestamp) throws -> Value) async throws -> Value {
        try await breaker.pass(.provider)
        let now = clock.now()
        let result = books.withLock { books -> Result<Value, any Error> in
            guard books.manner.outage(at: now) == nil else {
                return .failure(PaymentProviderError.unreachable("the provider does not answer"))
            }
            return Result { try work(&books, now) }
        }
        try await breaker.pass(.afterProvider)
        return try result.get()
    }

    func startCheckout(_ request: CheckoutRequest) async throws -> CheckoutSession {
        try await asked { books, _ in
            let session = books.open(request)
            return CheckoutSession(id: session.id, url: "https://pay.example/\(session.id)")
        }
    }
    func openPortal(_ request: PortalRequest) async throws -> PortalSession {
        try await asked { _, _ in PortalSession(url: "https://pay.example/portal/\(request.customer)") }
    }

    // MARK: - Webhooks

    /// The header that proves a body.
    func header(_ body: Data) -> String { signature.header(body: body, at: clock.now()) }

    func verify(_ delivery: WebhookDelivery) throws -> VerifiedEvent {
        try signature.verify(header: delivery.headers[Self.header], body: delivery.body, receivedAt: delivery.receivedAt)
        let body = try read(delivery.body)
        return VerifiedEvent(id: body.id, type: body.type, createdAt: body.created, body: delivery.body)
    }
    func interpret(_ event: VerifiedEvent) throws -> [PaymentFact] { try read(event.body).facts }
    private func read(_ body: Data) throws -> ProviderOutbox.Body {
        do { return try JSONDecoder().decode(ProviderOutbox.Body.self, from: body) } catch {
            throw PaymentProviderError.malformed("The body is no event.")
        }
    }

    // MARK: - Subscriptions

    func readSubscription(_ subscription: String) async throws -> SubscriptionFact {
        try await asked { books, now in ProviderBooks.fact(try books.agreement(subscription), asOf: now) }
    }
    func previewChange(_ change: SubscriptionChange) async throws -> ChangePreview {
        try await asked { books, now in
            let old = try books.agreement(change.subscription)
            let moment = change.prorationAt ?? now
            let lines = try ProviderBooks.cost(change, of: old, at: moment)
            func sum(_ lines: [InvoiceLine]) -> Money {
                Money(amountMinor: lines.reduce(0) { $0 + $1.amount.amountMinor }, currency: old.unitPrice.currency)
            }
            return ChangePreview(total: sum(lines), prorated: sum(lines.filter(\.isProration)), lines: lines, prorationAt: moment)
        }
    }
    /// Once for a key.
    private func changed(
        _ id: String, _ key: String, _ work: @escaping @Sendable (inout ProviderBooks, Timestamp) throws -> Void
    ) async throws -> SubscriptionFact {
        try await asked { books, now in
            if books.deeds[key] == nil {
                try work(&books, now)
                books.deeds[key] = id
            }
            return ProviderBooks.fact(try books.agreement(id), asOf: now)
        }
    }
    func changeSubscription(_ change: SubscriptionChange) async throws -> SubscriptionFact {
        try await changed(change.subscription, change.idempotencyKey) { try $0.change(change, now: $1) }
    }
    func cancelSubscription(_ cancellation: SubscriptionCancellation) async throws -> SubscriptionFact {
        try await changed(cancellation.subscription, cancellation.idempotencyKey) { try $0.cancel(cancellation, now: $1) }
    }
    func resumeSubscription(_ resumption: SubscriptionResumption) async throws -> SubscriptionFact {
        try await changed(resumption.subscription, resumption.idempotencyKey) { try $0.resume(resumption.subscription, now: $1) }
    }

    func pauseSubscription(_ pause: SubscriptionPause) async throws -> SubscriptionFact {
        try await changed(pause.subscription, pause.idempotencyKey) { try $0.pause(pause, now: $1) }
    }

    // MARK: - Documents and money back

    func listInvoices(_ query: InvoiceQuery) async throws -> ProviderPage<ProviderInvoice> {
        try await asked { books, _ in
            let all = books.bills.filter { $0.customer == query.customer && $0.subscription == query.subscription ?? $0.subscription }
            let rest = all.reversed().drop { query.cursor != nil && $0.id != query.cursor }.dropFirst(query.cursor == nil ? 0 : 1)
            let page = rest.prefix(min(max(1, query.limit), 100))
            return ProviderPage(items: page.map(Self.document), next: page.count < rest.count ? page.last?.id : nil)
        }
    }
    func readInvoice(_ invoice: String) async throws -> ProviderInvoice {
        try await asked { books, _ in Self.document(try books.bill(invoice)) }
    }
    private static func document(_ it: ProviderBooks.Bill) -> ProviderInvoice {
        let line = InvoiceLine(
            summary: it.summary, quantity: nil, amount: it.amount, periodStart: it.periodStart, periodEnd: it.periodEnd,
            isProration: it.isProration)
        return ProviderInvoice(
            invoice: it.id, number: it.id, customer: it.customer, subscription: it.subscription,
            status: it.isPaid ? .paid : it.isVoid ? .void : .open, total: it.amount,
            due: Money(amountMinor: it.isOpen ? it.amount.amountMinor : 0, currency: it.amount.currency), issuedAt: it.issuedAt,
            paidAt: it.paidAt, periodStart: it.periodStart, periodEnd: it.periodEnd, lines: [line], payment: it.id)
    }
    func refund(_ request: RefundRequest) async throws -> Refund {
        try await asked { books, now in
            if let known = books.deeds[request.idempotencyKey], let made = books.repayments.first(where: { $0.id == known }) {
                return Refund(fact: ProviderBooks.fact(made, asOf: now), status: .succeeded)
            }
            let bill = try books.bill(request.payment)
            let left = bill.isPaid ? bill.amount.amountMinor - bill.refunded : 0
            let wanted = request.amount?.amountMinor ?? left
            guard wanted > 0, wanted <= left else { throw PaymentProviderError.refused(code: "too_much", message: "Not so much is left.") }
            let made = books.repay(bill, wanted, reason: request.reason.rawValue, now: now)
            books.deeds[request.idempotencyKey] = made.id
            return Refund(fact: ProviderBooks.fact(made, asOf: now), status: .succeeded)
        }
    }

    // MARK: - Lists

    /// In the order of their making, so that what comes meanwhile moves nothing.
    private func page<Item: Sendable, Fact: Sendable>(
        _ request: ChangesRequest, _ items: [Item], _ changedAt: (Item) -> Timestamp, _ fact: (Item) -> Fact
    ) throws -> ProviderPage<Fact> {
        let start = request.cursor.map { Int($0) ?? -1 } ?? 0
        guard (0...items.count).contains(start) else { throw PaymentProviderError.refused(code: "cursor", message: "No such cursor.") }
        var found: [Fact] = []
        for place in start..<items.count where changedAt(items[place]) >= request.since {
            found.append(fact(items[place]))
            if found.count == min(max(1, request.limit), 100) {
                return ProviderPage(items: found, next: place + 1 < items.count ? "\(place + 1)" : nil)
            }
        }
        return ProviderPage(items: found, next: nil)
    }
    func listSubscriptions(_ request: ChangesRequest) async throws -> ProviderPage<SubscriptionFact> {
        try await asked { books, now in
            try self.page(request, books.agreements, { $0.changedAt }) { ProviderBooks.fact($0, asOf: now) }
        }
    }
    func listPayments(_ request: ChangesRequest) async throws -> ProviderPage<InvoiceFact> {
        try await asked { books, now in
            try self.page(request, books.bills.filter { !$0.isVoid }, { $0.changedAt }) { ProviderBooks.fact($0, asOf: now) }
        }
    }
    func listRefunds(_ request: ChangesRequest) async throws -> ProviderPage<RefundFact> {
        try await asked { books, now in try self.page(request, books.repayments, { $0.at }) { ProviderBooks.fact($0, asOf: now) } }
    }
    func listDisputes(_ request: ChangesRequest) async throws -> ProviderPage<DisputeFact> {
        try await asked { books, now in try self.page(request, books.disputes, { $0.at }) { ProviderBooks.dispute($0, asOf: now) } }
    }
    func listEvents(_ request: ChangesRequest) async throws -> ProviderPage<VerifiedEvent> {
        try await asked { books, _ in
            try self.page(request, books.outbox.events, { $0.createdAt }) {
                VerifiedEvent(id: $0.id, type: $0.type, createdAt: $0.createdAt, body: $0.body)
            }
        }
    }
}

/// The one provider, under the name by which the platform knows it.
struct PretendProviders: PaymentProviders {
    let provider: PretendProvider
    let names: ProviderNames
    func provider(_ name: String) async -> (any PaymentProvider)? { name == names.name ? provider : nil }
    func names() async -> [String] { [names.name] }
    var defaultName: String { names.name }
}

/// How the provider is called; another platform's data brings another name.
final class ProviderNames: Sendable {
    private let held: Mutex<String>
    init(_ name: String) { held = Mutex(name) }
    var name: String { held.withLock { $0 } }
    func change(to name: String) { held.withLock { $0 = name } }
}
