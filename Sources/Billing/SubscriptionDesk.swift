import Catalog
import HookEngine
import Store
import Vocabulary

/// What a customer wants a subscription to become; what is not named stays.
package struct ChangeOrder: Sendable, Hashable {
    package var subscription: SubscriptionID?
    package var tier: String?
    package var interval: BillingInterval?
    package var quantity: Int?
    /// Of the preview that was shown.
    package var prorationAt: Timestamp?
    /// What the preview said is due now: another amount is not agreed to.
    package var dueNowMinor: Int64?
    package init(
        subscription: SubscriptionID? = nil, tier: String? = nil, interval: BillingInterval? = nil, quantity: Int? = nil,
        prorationAt: Timestamp? = nil, dueNowMinor: Int64? = nil
    ) {
        self.subscription = subscription
        self.tier = tier
        self.interval = interval
        self.quantity = quantity
        self.prorationAt = prorationAt
        self.dueNowMinor = dueNowMinor
    }
}

/// What a change costs and when it holds, before anybody agreed to it.
package struct ChangeQuote: Sendable, Hashable {
    package enum When: String, Sendable, CaseIterable { case now, periodEnd = "period_end" }
    package let subscription: SubscriptionID
    package let from: OnTierChange.Offer
    package let to: OnTierChange.Offer
    package let when: When
    /// From when on it holds.
    package let at: Timestamp
    /// Charged at once; negative: a credit for the next invoice. Nil: the provider does not say beforehand.
    package let dueNow: Money?
    package let prorated: Money?
    package let lines: [InvoiceLine]
    /// To be given back with the change, so that what was shown is what is charged.
    package let prorationAt: Timestamp?
    /// Each period from then on.
    package let nextAmount: Money
}

/// What came of an operation, and where the subscription stands now.
package struct OperationAnswer: Sendable {
    package let operation: BillingOperation
    package let subscription: SubscriptionView?
}

/// Changes a subscription from this side: previews, upgrades now, downgrades at the period's end, cancels, resumes, pauses.
struct SubscriptionDesk {
    /// How old a preview may be that a change refers to.
    static let previewLife = Duration.hours(1)
    /// How far a provider's clock may be ahead.
    static let clockSlack = Duration.minutes(5)

    let parts: BillingParts
    private var store: any Store { parts.floor.store }

    /// One subscription as it stands.
    struct Held: Sendable {
        let row: SubscriptionRow
        let latest: SubscriptionFact
        let standing: Standing
        let offer: Offer
        /// As the tenant has it.
        let catalog: TenantCatalog
        let failedPayments: Int
        let customerAgeDays: Int
        /// How many units wait to be asked for.
        let wish: QuantityWish?
    }

    /// For whom a policy is asked.
    struct Asker: Sendable {
        let tenant: TenantID
        let role: String
        init(tenant: TenantID, role: String) {
            self.tenant = tenant
            self.role = role
        }
        init(_ caller: Principal) { self.init(tenant: caller.tenant, role: caller.role) }
    }

    // MARK: - Change

    func quote(_ order: ChangeOrder, _ caller: Principal, _ act: Act) async throws -> ChangeQuote {
        try await plan(order, Asker(caller), act, prices: true).quote
    }

    /// At once; what waits to be asked for is taken along where the order names no quantity.
    func change(_ order: ChangeOrder, _ caller: Principal, _ act: Act) async throws -> BillingOperation {
        let plan = try await plan(order, Asker(caller), act, prices: order.dueNowMinor != nil)
        if let agreed = order.dueNowMinor, agreed != plan.quote.dueNow?.amountMinor {
            throw BillingProblems.amountChanged.with(plan.quote.dueNow.map { ["due_now": $0.json] } ?? [:])
        }
        return try await perform(plan, caller.tenant, act) { [held = plan.held] db, _ in
            guard order.quantity == nil else { return }
            // What waited is taken along as it was planned.
            guard try QuantityWishBooks(db: db, act: act).waiting(held.row.id)?.revision == held.wish?.revision else {
                throw QuantityWishBooks.Moved()
            }
        }
    }

    /// - Parameter check: as at `OperationDesk.perform`.
    func perform(
        _ plan: Planned, _ tenant: TenantID, _ act: Act,
        check: @escaping @Sendable (any TenantScope, BillingOperation.ID) throws -> Void
    ) async throws -> BillingOperation {
        let to = plan.quote.to
        return try await OperationDesk(parts: parts).perform(
            .change(plan.change), at: plan.held.row.provider, tenant: tenant,
            details: [
                "subscription": .string(plan.held.row.id.description), "tier": .string(to.tier), "quantity": .int(Int64(to.quantity)),
                "interval": .string(to.interval.rawValue), "when": .string(plan.quote.when.rawValue),
            ], decision: plan.decision, act, check: check)
    }

    struct Planned: Sendable {
        let held: Held
        let change: SubscriptionChange
        let quote: ChangeQuote
        let decision: DecisionID
    }

    func plan(_ order: ChangeOrder, _ asker: Asker, _ act: Act, prices: Bool) async throws -> Planned {
        try CardNumber.refuse(["tier": order.tier])
        let held = try await held(order.subscription, asker.tenant, act.now)
        guard held.standing.state == .active || held.standing.state == .grace, held.standing.cancelsAt == nil else {
            throw BillingProblems.stateWrong.with(["status": .string(held.standing.state.rawValue)])
        }
        let (tier, interval, price) = try target(order, held)
        let quantity = order.quantity ?? held.wish?.quantity ?? held.latest.quantity
        guard quantity >= 1 else { throw CommonProblems.invalid("quantity", "must be 1 or more") }
        guard quantity <= tier.maxQuantity else {
            throw BillingProblems.quantityTooLarge.with(["max_quantity": .int(Int64(tier.maxQuantity))])
        }
        let when = try when(held, tier: tier.id.name, interval, quantity)
        let before = OnTierChange.Offer(
            tier: held.offer.tier, quantity: held.latest.quantity, interval: held.offer.interval,
            price: held.catalog[held.offer.tier]?.prices[held.offer.interval] ?? Money(amountMinor: 0, currency: price.currency))
        var after = OnTierChange.Offer(tier: tier.id.name, quantity: quantity, interval: interval, price: price)
        let verdict = try await ask(held, before, after, isUpgrade: when == .now, asker, act)
        var priceName = parts.prices.name(provider: held.row.provider, tier: tier.id, interval: interval)
        // Nor does the provider's own price know what was agreed with one tenant.
        if held.catalog.hasOwnPrice(tier.id, interval) { priceName = nil }
        if let discount = verdict.terms.discountBasisPoints, discount > 0 {
            after.price.amountMinor = SubscriptionDesk.discounted(price.amountMinor, basisPoints: discount)
            // The provider's own price knows no discount.
            priceName = nil
        }
        if let moment = order.prorationAt, moment > act.now + SubscriptionDesk.clockSlack || moment < act.now - SubscriptionDesk.previewLife
        {
            throw BillingProblems.previewOver
        }
        let change = SubscriptionChange(
            subscription: held.row.object, tier: after.tier, interval: interval, quantity: quantity, unitPrice: after.price,
            providerPrice: priceName, proration: when == .now ? .invoiceNow : .none, prorationAt: when == .now ? order.prorationAt : nil,
            idempotencyKey: "")
        let quote = try await quote(change, held, before, after, when, prices: prices, of: asker.tenant, act)
        var agreed = change
        agreed.prorationAt = when == .now ? quote.prorationAt ?? order.prorationAt : nil
        return Planned(held: held, change: agreed, quote: quote, decision: verdict.decision)
    }

    /// What is left of a price, rounded to the customer's advantage.
    static func discounted(_ minor: Int64, basisPoints: Int) -> Int64 {
        let whole = minor.multipliedFullWidth(by: Int64(max(0, 10_000 - basisPoints)))
        return Int64(10_000).dividingFullWidth(whole).quotient
    }

    private func target(_ order: ChangeOrder, _ held: Held) throws(Problem) -> (Tier, BillingInterval, Money) {
        guard let tier = held.catalog[order.tier ?? held.offer.tier] else { throw CatalogProblems.unknownTier }
        let interval = order.interval ?? held.offer.interval
        if tier.isHidden, tier.id.name != held.offer.tier, !held.catalog.isAgreed(tier.id) { throw BillingProblems.tierNotOffered }
        if tier.isByContract { throw BillingProblems.tierByContract }
        if tier.isFree { throw BillingProblems.tierIsFree }
        guard let price = tier.prices[interval] else { throw BillingProblems.noSuchPrice }
        return (tier, interval, price)
    }

    /// An upgrade holds now; less waits for the period's end. What is in force counts, not what the provider will bill next.
    private func when(_ held: Held, tier: String, _ interval: BillingInterval, _ quantity: Int) throws(Problem) -> ChangeQuote.When {
        let terms = parts.terms(held.row.provider)
        let target = (tier: tier, quantity: quantity)
        let inForce = (tier: held.standing.tier, quantity: held.standing.quantity)
        if interval != held.offer.interval {
            // Nobody gives back the rest of a year for months.
            guard interval == .year else { throw BillingProblems.intervalShortens }
            guard held.standing.change == nil else { throw BillingProblems.downgradeWaits }
            return .now
        }
        guard target != (tier: held.offer.tier, quantity: held.latest.quantity) else { throw BillingProblems.nothingChanges }
        guard terms.isLess(inForce, than: target) else { return .periodEnd }
        // The provider would charge what is held and paid for once more.
        guard held.standing.change == nil else { throw BillingProblems.downgradeWaits }
        return .now
    }

    private func quote(
        _ change: SubscriptionChange, _ held: Held, _ before: OnTierChange.Offer, _ after: OnTierChange.Offer, _ when: ChangeQuote.When,
        prices: Bool, of tenant: TenantID, _ act: Act
    ) async throws -> ChangeQuote {
        let (total, overflow) = after.price.amountMinor.multipliedReportingOverflow(by: Int64(after.quantity))
        guard !overflow else { throw BillingProblems.quantityTooLarge }
        let nothing = Money(amountMinor: 0, currency: after.price.currency)
        var preview: ChangePreview?
        if prices, when == .now {
            let provider = try await parts.providers.inService(held.row.provider, for: tenant)
            guard provider.capabilities.contains(.changePreview) else {
                throw BillingProblems.providerCannot.with(["capability": .string(PaymentCapability.changePreview.rawValue)])
            }
            do {
                let limit = Duration.seconds(Int64(parts.settings[BillingSettings.providerSeconds]))
                preview = try await CallLimit.within(limit) { try await provider.previewChange(change) }
            } catch { throw BillingProblems.of(error) }
        }
        return ChangeQuote(
            subscription: held.row.id, from: before, to: after, when: when,
            at: when == .now ? act.now : held.latest.periodEnd ?? act.now, dueNow: when == .now ? preview?.total : nothing,
            prorated: when == .now ? preview?.prorated : nothing, lines: preview?.lines ?? [], prorationAt: preview?.prorationAt,
            nextAmount: Money(amountMinor: total, currency: after.price.currency))
    }

    private func ask(
        _ held: Held, _ before: OnTierChange.Offer, _ after: OnTierChange.Offer, isUpgrade: Bool, _ asker: Asker, _ act: Act
    ) async throws -> Verdict<OnTierChange.Terms> {
        let input = OnTierChange.Input(
            tenant: asker.tenant, role: asker.role, from: before, to: after, isUpgrade: isUpgrade,
            seatsUsed: try await parts.access.seatsUsed(asker.tenant, now: act.now), customerAgeDays: held.customerAgeDays,
            failedPayments: held.failedPayments)
        let subject = HookSubject(tenant: asker.tenant, tier: held.offer.tier, requestID: act.requestID, now: act.now)
        let verdict = try await parts.floor.hooks.decide(OnTierChange.self, input, subject)
        if case .deny(let reason, let seconds) = verdict.outcome { throw CommonProblems.denied(reason, retryAfterSeconds: seconds) }
        return verdict
    }

    // MARK: - Cancel, resume, pause

    func cancel(
        _ id: SubscriptionID?, _ when: SubscriptionCancellation.When, reason: String?, _ tenant: TenantID, _ act: Act
    ) async throws -> BillingOperation {
        let desk = OperationDesk(parts: parts)
        if let before = try await desk.repeated(tenant, act) { return before }
        let held = try await held(id, tenant, act.now, [.active, .grace, .suspended])
        let wish = SubscriptionCancellation(subscription: held.row.object, when: when, idempotencyKey: "")
        var details: [String: JSONValue] = ["subscription": .string(held.row.id.description), "when": .string(when.rawValue)]
        if let reason { details["reason"] = .string(reason) }
        return try await desk.perform(.cancel(wish), at: held.row.provider, tenant: tenant, details: details, act)
    }

    func resume(_ id: SubscriptionID?, _ tenant: TenantID, _ act: Act) async throws -> BillingOperation {
        let desk = OperationDesk(parts: parts)
        if let before = try await desk.repeated(tenant, act) { return before }
        let held = try await held(id, tenant, act.now, [.active, .grace, .suspended])
        let wish = SubscriptionResumption(subscription: held.row.object, idempotencyKey: "")
        return try await desk.perform(
            .resume(wish), at: held.row.provider, tenant: tenant, details: ["subscription": .string(held.row.id.description)], act)
    }

    func pause(_ id: SubscriptionID?, until moment: Timestamp?, _ tenant: TenantID, _ act: Act) async throws -> BillingOperation {
        if let moment, moment <= act.now || moment > act.now + .days(366) {
            throw CommonProblems.invalid("resumes_at", "must lie in the coming year")
        }
        let desk = OperationDesk(parts: parts)
        if let before = try await desk.repeated(tenant, act) { return before }
        let held = try await held(id, tenant, act.now, [.active, .grace])
        let wish = SubscriptionPause(subscription: held.row.object, resumesAt: moment, idempotencyKey: "")
        return try await desk.perform(
            .pause(wish), at: held.row.provider, tenant: tenant, details: ["subscription": .string(held.row.id.description)], act)
    }

    // MARK: - Reading

    /// Whether an order is about the number of units only.
    func isQuantityAlone(_ order: ChangeOrder, _ tenant: TenantID, _ now: Timestamp) async throws -> Bool {
        guard order.quantity != nil else { return false }
        if order.tier == nil, order.interval == nil { return true }
        let offer = try await held(order.subscription, tenant, now).offer
        return order.tier ?? offer.tier == offer.tier && order.interval ?? offer.interval == offer.interval
    }

    /// The subscription of this id, or the one that counts most.
    func held(
        _ id: SubscriptionID?, _ tenant: TenantID, _ now: Timestamp, _ states: Set<Standing.State> = Set(Standing.State.allCases)
    ) async throws -> Held {
        let parts = parts
        return try await store.tenantRead(tenant) { db in
            let rows: [SubscriptionRow]
            if let id {
                guard let row = try db.row(BillingTable.subscriptionByID, db.tenant, id) else { throw CommonProblems.notFound }
                rows = [try SubscriptionRow(row)]
            } else {
                rows = try db.rows(BillingTable.subscriptions, db.tenant).map(SubscriptionRow.init)
            }
            let order: [Standing.State] = [.active, .grace, .suspended, .pending, .cancelled]
            var best: (rank: Int, row: SubscriptionRow, facts: StandingFacts, standing: Standing)?
            for row in rows {
                let books = MirrorBooks(db: db, provider: row.provider, now: now, entropy: parts.floor.entropy)
                let facts = try books.facts(of: row)
                let standing = Standing.derive(facts, terms: parts.terms(row.provider), now: now)
                // What the provider ended lives on here until its paid time is over, but nothing can be asked about it any more.
                let isOver = facts.subscription.ended != nil
                let rank = isOver ? order.count : order.firstIndex(of: standing.state) ?? order.count
                if best.map({ rank < $0.rank }) ?? true { best = (rank, row, facts, standing) }
            }
            guard let best else { throw BillingProblems.nothingBought }
            guard states.contains(best.standing.state), best.standing.state != .pending, best.standing.state != .cancelled,
                best.facts.subscription.ended == nil,
                let latest = best.facts.subscription.latest
            else {
                let status = best.facts.subscription.ended == nil ? best.standing.state : .cancelled
                throw BillingProblems.stateWrong.with(["status": .string(status.rawValue)])
            }
            let period = latest.periodStart.flatMap { start in latest.periodEnd.map { $0 - start } }
            let offer = parts.terms(best.row.provider).offer(
                price: latest.providerPrice, tier: latest.tier, interval: latest.interval,
                intended: best.facts.checkouts.compactMap(\.intended).min(), period: latest.status == .trialing ? nil : period)
            let first = try db.row(BillingTable.firstCheckout, db.tenant).map { try $0.time(0) }
            return Held(
                row: best.row, latest: latest, standing: best.standing,
                offer: offer ?? Offer(tier: best.standing.tier, interval: best.standing.interval),
                catalog: try parts.catalog.inForce(in: db, at: now),
                failedPayments: best.facts.invoices.filter { !$0.isPaid }.map(\.failures.count).reduce(0, +),
                customerAgeDays: first.map { max(0, Int((now - $0).wholeSeconds / 86_400)) } ?? 0,
                wish: try db.row(QuantityWishTable.find, db.tenant, best.row.id).map(QuantityWish.init).flatMap {
                    $0.status == .waiting ? $0 : nil
                })
        }
    }
}

extension Money {
    var json: JSONValue { ["amount_minor": .int(amountMinor), "currency": .string(currency.code)] }
}
