import Store
import Vocabulary

/// Finds out what became of an operation of which nobody knows: reads what there is, asks again under the same key while the provider surely
/// knows it, and afterwards believes the provider's lists alone. However often it runs, the wish has its effect once.
struct OperationReview {
    let parts: BillingParts
    private var desk: OperationDesk { OperationDesk(parts: parts) }
    private var limit: Duration { .seconds(Int64(parts.settings[BillingSettings.providerSeconds])) }

    func run(_ delivery: Delivery, _ act: Act) async throws {
        guard let tenant = delivery.tenant else { throw PermanentFailure("an operation belongs to a tenant") }
        let job = try delivery.decode(OperationDesk.Job.self)
        let act = Act(actor: .system("billing.settle"), requestID: act.requestID, now: act.now)
        let operation = try await parts.floor.store.tenantRead(tenant) { try OperationDesk.find(job.operation, $0) }
        guard operation.isOpen else { return }
        // A look of an earlier attempt: the present one has its own.
        guard operation.askedAt + OperationDesk.patience <= act.now || operation.status == .unknown else { return }
        guard let provider = await parts.providers.provider(operation.provider, for: tenant) else {
            _ = try await desk.lost(operation, tenant, act, settling: delivery)
            return
        }
        switch try await outcome(operation, provider, tenant, act) {
        case .done(let effect): _ = try await desk.done(operation, effect, tenant, act)
        case .notDone: _ = try await desk.refused(operation, code: "not_carried_out", isFinal: true, tenant, act)
        case .askAgain: _ = try await desk.askOnceMore(operation, provider, tenant, act, tellsCaller: false)
        case .unknown: _ = try await desk.lost(operation, tenant, act, settling: delivery)
        }
    }

    enum Proof {
        case done(Wish.Effect)
        case notDone
        case unknown
    }
    private enum Outcome {
        case done(Wish.Effect)
        case notDone
        case askAgain
        case unknown
    }

    private func outcome(_ operation: BillingOperation, _ provider: any PaymentProvider, _ tenant: TenantID, _ act: Act) async throws
        -> Outcome
    {
        let isKeyGood = act.now < operation.askedAt + BillingOperation.keyLife
        // One key, one refund: the provider itself knows best. Two refunds of one amount look alike in a list.
        if operation.kind == .refund, isKeyGood { return .askAgain }
        switch try await proof(operation, provider, tenant) {
        case .done(let effect): return .done(effect)
        case .notDone: return isKeyGood ? .askAgain : .notDone
        case .unknown: return .unknown
        case nil: return isKeyGood ? .askAgain : .unknown
        }
    }

    /// What the provider's own books say of it. Nil: it shows none.
    func proof(_ operation: BillingOperation, _ provider: any PaymentProvider, _ tenant: TenantID) async throws -> Proof? {
        switch operation.wish {
        case .refund(let wish):
            guard provider.capabilities.contains(.listRefunds) else { return nil }
            return try await refund(operation, wish, provider, tenant)
        case .change, .cancel, .resume, .pause:
            guard provider.capabilities.contains(.subscriptionRead) else { return nil }
            let object = operation.object
            guard let fact = try? await CallLimit.within(limit, { try await provider.readSubscription(object) }) else { return .unknown }
            return operation.wish.isGranted(by: fact) ? .done(.subscription(fact)) : .notDone
        }
    }

    /// By the provider's list: a refund of this payment and amount that nobody else made.
    private func refund(_ operation: BillingOperation, _ wish: RefundRequest, _ provider: any PaymentProvider, _ tenant: TenantID)
        async throws -> Proof
    {
        let listed: [RefundFact]
        do {
            listed = try await ProviderList(limit: limit).all(since: operation.createdAt - .hours(1)) { try await provider.listRefunds($0) }
        } catch { return .unknown }
        let claimed = try await claimed(operation, tenant)
        let found = listed.filter {
            $0.payment == wish.payment && $0.amount == wish.amount && !claimed.contains($0.refund)
                && $0.asOf >= operation.createdAt - .hours(1)
        }
        if found.isEmpty { return .notDone }
        // Several that look alike: a person must say which.
        guard found.count == 1, let fact = found.first else { return .unknown }
        return .done(.refund(Refund(fact: fact, status: .pending)))
    }

    /// Refunds that other operations made, or that were known before this one began.
    private func claimed(_ operation: BillingOperation, _ tenant: TenantID) async throws -> Set<String> {
        return try await parts.floor.store.tenantRead(tenant) { db in
            var names = Set(
                try db.rows(OperationTable.ofObject, db.tenant, operation.provider, operation.object).map(BillingOperation.init)
                    .compactMap(\.made))
            for row in try db.rows(BillingTable.reversals, db.tenant, operation.provider, "refund") {
                let state: ReversalState = try StoredJSON.decode(try row.text(1))
                if state.since < operation.createdAt { names.insert(try row.text(0)) }
            }
            return names
        }
    }
}

/// Walks through the pages of a provider's list.
struct ProviderList {
    static let mostPages = 1_000
    let limit: Duration

    func each<Item: Sendable>(
        since: Timestamp, _ ask: @escaping @Sendable (ChangesRequest) async throws -> ProviderPage<Item>,
        _ take: ([Item]) async throws -> Void
    ) async throws {
        var cursor: String?
        for _ in 0..<ProviderList.mostPages {
            let request = ChangesRequest(since: since, cursor: cursor)
            let page = try await CallLimit.within(limit) { try await ask(request) }
            try await take(page.items)
            guard let next = page.next, next != cursor else { return }
            cursor = next
        }
    }

    func all<Item: Sendable>(
        since: Timestamp, _ ask: @escaping @Sendable (ChangesRequest) async throws -> ProviderPage<Item>
    ) async throws -> [Item] {
        var items: [Item] = []
        try await each(since: since, ask) { items += $0 }
        return items
    }
}
