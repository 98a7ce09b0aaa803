import PluginKit
import RoomTesting
import Store
import Vocabulary

@testable import Billing

/// The objects of a provider of kit 1.1, its keys and its lists; answers get lost as a test says.
final class FakeDesk: Sendable {
    enum Loss: Sendable, CaseIterable {
        case none
        /// The provider did it and the answer is lost.
        case answer
        /// It never heard of it.
        case question
        case refusal
        case limited
    }
    struct State: Sendable {
        var now = day(0)
        var subscriptions: [String: SubscriptionFact] = [:]
        var invoices: [String: ProviderInvoice] = [:]
        var refunds: [RefundFact] = []
        var disputes: [DisputeFact] = []
        var events: [VerifiedEvent] = []
        var coupons: [String: Coupon] = [:]
        var losses: [Loss] = []
        /// What each key did, and with what request.
        var deeds: [String: (request: String, refund: Refund?)] = [:]
        /// How often something was really done, by what.
        var effects: [String: Int] = [:]
        var forgetsKeys = false
        var capabilities = PaymentCapability.all.subtracting([.listEvents])
    }
    let state = Guarded(State())

    func lose(_ losses: Loss...) { state.with { $0.losses = losses } }

    /// One write under a key: at most once, whatever becomes of the answer.
    func write<Value>(
        _ key: String, _ request: String, _ effect: String, _ work: (inout State) throws -> Refund?,
        _ answer: (State, Refund?) throws -> Value
    ) throws -> Value {
        try state.with { state in
            let loss = state.losses.isEmpty ? Loss.none : state.losses.removeFirst()
            switch loss {
            case .question: throw PaymentProviderError.unreachable("connection refused")
            case .refusal: throw PaymentProviderError.refused(code: "not_today", message: "no")
            case .limited: throw PaymentProviderError.rateLimited(retryAfter: .seconds(7))
            case .none, .answer: break
            }
            var made: Refund?
            if let deed = state.deeds[key], !state.forgetsKeys {
                guard deed.request == request else { throw PaymentProviderError.refused(code: "key_reused", message: "other request") }
                made = deed.refund
            } else {
                // Each deed at a second of its own, as providers' clocks tell them apart.
                state.now = state.now + .seconds(1)
                made = try work(&state)
                state.effects[effect, default: 0] += 1
                state.deeds[key] = (request, made)
            }
            if loss == .answer { throw PaymentProviderError.unreachable("timed out") }
            return try answer(state, made)
        }
    }

    func change(_ id: String, _ key: String, _ request: String, _ effect: String, _ work: (inout SubscriptionFact) throws -> Void) throws
        -> SubscriptionFact
    {
        try write(key, request, effect) { state in
            guard var fact = state.subscriptions[id] else { throw PaymentProviderError.refused(code: "no_such", message: "subscription") }
            try work(&fact)
            fact.asOf = state.now
            state.subscriptions[id] = fact
            return nil
        } _: { state, _ in
            try Self.read(id, state)
        }
    }

    static func read(_ id: String, _ state: State) throws -> SubscriptionFact {
        guard var fact = state.subscriptions[id] else { throw PaymentProviderError.refused(code: "no_such", message: "subscription") }
        fact.asOf = state.now
        return fact
    }
}

extension FakeProvider {
    var capabilities: Set<PaymentCapability> { desk.state.with { $0.capabilities } }
    func understands(_ type: String) -> Bool? { nil }

    func readSubscription(_ subscription: String) async throws -> SubscriptionFact {
        try desk.state.with { try FakeDesk.read(subscription, $0) }
    }
    func previewChange(_ change: SubscriptionChange) async throws -> ChangePreview {
        desk.state.with { state in
            let old = Int64(state.subscriptions[change.subscription]?.quantity ?? 0)
            let usd = change.unitPrice.currency
            let due = Money(amountMinor: change.unitPrice.amountMinor * (Int64(change.quantity) - old) / 2, currency: usd)
            let line = InvoiceLine(
                summary: "Remaining time", quantity: change.quantity, amount: due, periodStart: nil, periodEnd: nil, isProration: true)
            return ChangePreview(total: due, prorated: due, lines: [line], prorationAt: change.prorationAt ?? state.now)
        }
    }
    func changeSubscription(_ change: SubscriptionChange) async throws -> SubscriptionFact {
        let request = "\(change.tier)|\(change.quantity)|\(change.interval)|\(change.unitPrice)|\(change.proration)"
        return try desk.change(change.subscription, change.idempotencyKey, request, "change") { fact in
            fact.quantity = change.quantity
            fact.providerPrice = change.providerPrice
            fact.tier = change.tier
            fact.interval = change.interval
        }
    }
    func cancelSubscription(_ cancellation: SubscriptionCancellation) async throws -> SubscriptionFact {
        let now = desk.state.with { $0.now }
        return try desk.change(cancellation.subscription, cancellation.idempotencyKey, "\(cancellation.when)", "cancel") { fact in
            switch cancellation.when {
            case .now: (fact.status, fact.endedAt) = (.cancelled, now)
            default: fact.cancelsAt = fact.periodEnd
            }
        }
    }
    func resumeSubscription(_ resumption: SubscriptionResumption) async throws -> SubscriptionFact {
        try desk.change(resumption.subscription, resumption.idempotencyKey, "resume", "resume") { fact in
            guard fact.status != .cancelled else { throw PaymentProviderError.refused(code: "ended", message: "it has ended") }
            fact.cancelsAt = nil
            if fact.status == .paused { fact.status = .active }
        }
    }
    func pauseSubscription(_ pause: SubscriptionPause) async throws -> SubscriptionFact {
        try desk.change(pause.subscription, pause.idempotencyKey, "pause", "pause") { $0.status = .paused }
    }
    func readCoupon(_ code: String) async throws -> Coupon? {
        try desk.state.with { state in
            if !state.losses.isEmpty, state.losses.removeFirst() != .none { throw PaymentProviderError.unreachable("timed out") }
            return state.coupons[code]
        }
    }
    func readInvoice(_ invoice: String) async throws -> ProviderInvoice {
        try desk.state.with { state in
            guard let found = state.invoices[invoice] else { throw PaymentProviderError.refused(code: "no_such", message: "invoice") }
            return found
        }
    }
    func refund(_ request: RefundRequest) async throws -> Refund {
        let said = "\(request.payment)|\(String(describing: request.amount))|\(request.reason)"
        return try desk.write(request.idempotencyKey, said, "refund") { state in
            let fact = RefundFact(
                refund: "re_\(state.refunds.count + 1)", payment: request.payment, customer: nil, subscription: nil,
                amount: request.amount, reason: request.reason.rawValue, asOf: state.now)
            state.refunds.append(fact)
            return Refund(fact: fact, status: .succeeded)
        } _: { _, made in
            guard let made else { throw PaymentProviderError.malformed("no refund") }
            return made
        }
    }

    func listSubscriptions(_ request: ChangesRequest) async throws -> ProviderPage<SubscriptionFact> {
        try page(request) { state in try state.subscriptions.keys.sorted().map { try FakeDesk.read($0, state) } }
    }
    func listPayments(_ request: ChangesRequest) async throws -> ProviderPage<InvoiceFact> {
        try page(request) { state in
            state.invoices.values.sorted { $0.invoice < $1.invoice }.map {
                InvoiceFact(
                    invoice: $0.invoice, subscription: $0.subscription, customer: $0.customer, isPaid: $0.status == .paid, hasFailed: false,
                    amount: $0.total, periodStart: $0.periodStart, periodEnd: $0.periodEnd, asOf: state.now, payment: $0.payment)
            }
        }
    }
    func listRefunds(_ request: ChangesRequest) async throws -> ProviderPage<RefundFact> { try page(request) { $0.refunds } }
    func listDisputes(_ request: ChangesRequest) async throws -> ProviderPage<DisputeFact> { try page(request) { $0.disputes } }
    func listEvents(_ request: ChangesRequest) async throws -> ProviderPage<VerifiedEvent> { try page(request) { $0.events } }

    /// Two items a page, so that every list is walked.
    private func page<Item: Sendable>(
        _ request: ChangesRequest, _ items: (FakeDesk.State) throws -> [Item]
    ) throws -> ProviderPage<Item> {
        try desk.state.with { state in
            if !state.losses.isEmpty, state.losses.removeFirst() != .none { throw PaymentProviderError.unreachable("timed out") }
            let all = try items(state)
            let start = request.cursor.flatMap { Int($0) } ?? 0
            let end = min(all.count, start + 2)
            return ProviderPage(items: Array(all[min(start, end)..<end]), next: end < all.count ? "\(end)" : nil)
        }
    }
}

extension House {
    /// Bought and paid, at the provider and here; the clocks stand at `now`.
    func bought(_ quantity: Int = 3, at now: Timestamp = day(1)) async throws {
        let answer = try await checkout()
        for told in Lives.bought {
            let facts = told.of("x", session: answer.sessionID, reference: reference).facts.map { fact -> PaymentFact in
                guard case .subscription(var fact) = fact else { return fact }
                fact.quantity = quantity
                return .subscription(fact)
            }
            let told = Told(id: told.id, facts: facts)
            for case .subscription(let fact) in told.facts { provider.desk.state.with { $0.subscriptions[fact.subscription] = fact } }
            for case .invoice(let fact) in told.facts {
                let amount = fact.amount ?? Money(amountMinor: 0, currency: Say.usd)
                provider.desk.state.with {
                    $0.invoices[fact.invoice] = ProviderInvoice(
                        invoice: fact.invoice, number: "INV-1", customer: fact.customer, subscription: fact.subscription, status: .paid,
                        total: amount, due: Money(amountMinor: 0, currency: amount.currency), issuedAt: fact.asOf, paidAt: fact.asOf,
                        periodStart: fact.periodStart, periodEnd: fact.periodEnd, lines: [], payment: "pay_1_x")
                }
            }
            try await deliverAndRun(told)
        }
        move(to: now)
    }

    /// Both clocks: the provider's is never ahead.
    func move(to now: Timestamp) {
        if now > clock.now() { clock.advance(by: now - clock.now()) }
        provider.desk.state.with { $0.now = max($0.now, now) }
    }

    var caller: Principal {
        Principal(
            user: House.user, tenant: tenant, membership: MembershipID("01890000-0000-7000-8000-00000000000c")!, session: House.session,
            role: "owner")
    }
    func effects(_ name: String) -> Int { provider.desk.state.with { $0.effects[name] ?? 0 } }
    func onlyInvoice() async throws -> Identifier<InvoiceMark> {
        guard let invoice = try await billing.invoices(of: tenant, after: nil, limit: 10).items.first else {
            throw PermanentFailure("no invoice")
        }
        return invoice.id
    }
}
