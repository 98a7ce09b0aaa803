import Catalog
import Store
import Vocabulary

/// What a change came to, and where the subscription stands now.
package struct ChangeAnswer: Sendable {
    /// Nil: nothing was asked of the provider. The subscription shows what waits, or that nothing does any more.
    package let operation: BillingOperation?
    package let subscription: SubscriptionView?
}

/// Gathers what is wished of a subscription's quantity within one window, and asks the provider once for all of it.
struct QuantityWishDesk {
    /// How often a plan is made anew because somebody else was quicker.
    static let mostRounds = 4

    let parts: BillingParts
    private var store: any Store { parts.floor.store }
    private var desk: SubscriptionDesk { SubscriptionDesk(parts: parts) }
    private var window: Duration { .seconds(Int64(parts.settings[BillingSettings.quantityWindow])) }

    /// What a repetition of the same call gives: that it was taken.
    private struct Taken: Codable {}

    // MARK: - Wishes

    /// Nil: nothing was asked of the provider, the wish is written down or was taken back.
    func request(_ order: ChangeOrder, _ apply: QuantityWish.Apply?, _ caller: Principal, _ act: Act) async throws -> BillingOperation? {
        if try await store.recalled(act, as: Taken.self) != nil { return nil }
        if let before = try await OperationDesk(parts: parts).repeated(caller.tenant, act) { return before }
        let isAlone = try await desk.isQuantityAlone(order, caller.tenant, act.now)
        let isGathered = try QuantityWish.isGathered(order, apply, isQuantityAlone: isAlone, window: window)
        for _ in 0..<QuantityWishDesk.mostRounds {
            do {
                if isGathered { try await wish(order, caller, act) } else { return try await desk.change(order, caller, act) }
                return nil
            } catch let problem as Problem where problem.code == BillingProblems.nothingChanges.code && isAlone {
                let id = try await desk.held(order.subscription, caller.tenant, act.now).row.id
                guard try await takeBack(id, caller.tenant, act) else { throw problem }
                return nil
            } catch is QuantityWishBooks.Moved { continue }
        }
        throw CommonProblems.unavailable.retry(afterSeconds: 1)
    }

    private func wish(_ order: ChangeOrder, _ caller: Principal, _ act: Act) async throws {
        let plan = try await desk.plan(order, SubscriptionDesk.Asker(caller), act, prices: false)
        let row = plan.held.row
        let provider = try await parts.providers.inService(row.provider, for: caller.tenant)
        guard provider.capabilities.contains(.subscriptionChange) else {
            throw BillingProblems.providerCannot.with(["capability": .string(PaymentCapability.subscriptionChange.rawValue)])
        }
        let (quantity, billed, window) = (plan.quote.to.quantity, plan.held.latest.quantity, window)
        let wisher = QuantityWishBooks.Wisher(user: caller.user, role: caller.role)
        let id: QuantityWish.ID = parts.floor.entropy.id(act.now)
        try await store.tenant(caller.tenant, .flushed) { db in
            _ = try db.once(act) {
                try OperationDesk.refuseOther(than: nil, row.object, row.provider, db)
                let books = QuantityWishBooks(db: db, act: act)
                // Between plan and transaction the provider may have told of another quantity.
                guard let now = try db.row(BillingTable.subscriptionByID, db.tenant, row.id).map(SubscriptionRow.init),
                    now.facts.latest?.quantity == billed
                else { throw QuantityWishBooks.Moved() }
                let waiting = try books.waiting(row.id)
                switch QuantityWish.step(waiting: waiting, wanted: quantity, billed: billed) {
                case .open: try books.open(id, of: row, quantity: quantity, by: wisher, window: window, decision: plan.decision)
                case .renew: if let waiting { try books.renew(waiting, quantity: quantity, by: wisher, decision: plan.decision) }
                case .withdraw: if let waiting { try books.withdraw(waiting) }
                case .nothing: throw BillingProblems.nothingChanges
                }
                return Taken()
            }
        }
    }

    // MARK: - Taking back

    func withdraw(_ subscription: SubscriptionID?, _ tenant: TenantID, _ act: Act) async throws {
        if try await store.recalled(act, as: Taken.self) != nil { return }
        let wished = try await store.tenantRead(tenant) { db -> SubscriptionID? in
            if let subscription {
                guard try db.row(BillingTable.subscriptionByID, db.tenant, subscription) != nil else { throw CommonProblems.notFound }
                return subscription
            }
            return try db.rows(QuantityWishTable.list, db.tenant).map(QuantityWish.init).filter(\.isOpen).max {
                $0.wishedAt < $1.wishedAt
            }?.subscription
        }
        guard let wished, try await takeBack(wished, tenant, act) else { throw BillingProblems.noQuantityWish }
    }

    /// False where nothing waits.
    private func takeBack(_ id: SubscriptionID, _ tenant: TenantID, _ act: Act) async throws -> Bool {
        try await store.tenant(tenant, .flushed) { db in
            let books = QuantityWishBooks(db: db, act: act)
            guard let wish = try books.find(id), wish.isOpen else { return false }
            _ = try db.once(act) {
                // An operation that is under way may have taken it along.
                try OperationDesk.refuseOther(than: nil, wish.object, wish.provider, db)
                try books.withdraw(wish)
                return Taken()
            }
            return true
        }
    }

    // MARK: - Carrying out

    /// Asks the provider for what was wished last, once: wish and operation change hands in one transaction.
    func carryOut(_ delivery: Delivery, _ act: Act) async throws {
        guard let tenant = delivery.tenant else { throw PermanentFailure("a wish belongs to a tenant") }
        let job = try delivery.decode(QuantityWishBooks.Job.self)
        let act = Act(actor: .system("billing.quantity_wish"), requestID: act.requestID, now: act.now)
        for _ in 0..<QuantityWishDesk.mostRounds {
            let found = try await store.tenantRead(tenant) { db in try QuantityWishBooks(db: db, act: act).waiting(job.subscription) }
            // A job of an earlier window, or of a moment that was put off: the present one has its own.
            guard let wish = found, wish.id == job.wish, wish.dueAt <= act.now else { return }
            do { return try await ask(wish, tenant, act) } catch is QuantityWishBooks.Moved { continue }
        }
        throw QuantityWishBooks.Moved()
    }

    private func ask(_ wish: QuantityWish, _ tenant: TenantID, _ act: Act) async throws {
        let order = ChangeOrder(subscription: wish.subscription, quantity: wish.quantity)
        do {
            let plan = try await desk.plan(order, SubscriptionDesk.Asker(tenant: tenant, role: wish.role), act, prices: false)
            _ = try await desk.perform(plan, tenant, act) { db, operation in
                try QuantityWishBooks(db: db, act: act).ask(wish, by: operation)
            }
        } catch let problem as Problem {
            try await store.tenant(tenant, .flushed) { db in
                let books = QuantityWishBooks(db: db, act: act)
                // Where the provider itself said no, that is written down already.
                guard let now = try books.find(wish.subscription), now.id == wish.id, now.status == .waiting else { return }
                guard now.revision == wish.revision else { throw QuantityWishBooks.Moved() }
                switch problem.code {
                // The provider has it so: by its own page, or by news that came late.
                case BillingProblems.nothingChanges.code: try books.finish(now)
                case BillingProblems.operationOpen.code: try books.putOff(now, code: problem.code, pause: nil)
                case _ where problem.status >= 500: try books.putOff(now, code: problem.code, pause: nil)
                default: try books.refuse(now, code: problem.code)
                }
            }
        }
    }
}
