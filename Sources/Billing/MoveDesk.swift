import Catalog
import Store
import Vocabulary

/// Lets a subscription go on at another provider: the new one begins to charge when what is paid to the old one is over, and the old one is
/// cancelled once the new one stands.
struct MoveDesk {
    static let finishing = "billing.finish_move"

    struct Job: Codable {
        let from: SubscriptionID
        let to: SubscriptionID
    }

    /// What a checkout takes over.
    struct Takeover: Sendable {
        let from: SubscriptionID
        let root: SubscriptionID
        let tier: String
        let interval: BillingInterval
        let quantity: Int
        /// Until what is paid to the old provider is over.
        let trialDays: Int
    }

    let parts: BillingParts
    private var store: any Store { parts.floor.store }

    /// - Parameter order: names the new provider; tier and quantity stay as they are, so that nobody gets more before it is paid.
    func takeover(_ order: CheckoutOrder, at name: String, _ tenant: TenantID, _ act: Act) async throws -> Takeover? {
        guard let id = order.replaces else { return nil }
        let parts = parts
        let takeover = try await store.tenantRead(tenant) { db in
            guard let row = try db.row(BillingTable.subscriptionByID, db.tenant, id).map(SubscriptionRow.init) else {
                throw CommonProblems.notFound
            }
            let books = MirrorBooks(db: db, provider: row.provider, now: act.now, entropy: parts.floor.entropy)
            let standing = Standing.derive(try books.facts(of: row), terms: parts.terms(row.provider), now: act.now)
            guard standing.isGranted, standing.state != .cancelled else {
                throw BillingProblems.stateWrong.with(["status": .string(standing.state.rawValue)])
            }
            guard row.provider != name else { throw BillingProblems.moveNowhere }
            guard standing.change == nil else { throw BillingProblems.downgradeWaits }
            guard try db.row(QuantityWishTable.find, db.tenant, row.id).map(QuantityWish.init)?.isOpen != true else {
                throw BillingProblems.quantityWishWaits
            }
            guard order.tier ?? standing.tier == standing.tier, order.quantity == 1 || order.quantity == standing.quantity else {
                throw BillingProblems.moveChanges
            }
            let rest = standing.state == .active ? (standing.periodEnd.map { ($0 - act.now).wholeSeconds } ?? 0) : 0
            let line = try Lineage.of(row, db)
            return Takeover(
                from: row.id, root: line?.root.id ?? row.id, tier: standing.tier, interval: order.interval ?? standing.interval,
                quantity: standing.quantity, trialDays: min(365, max(0, Int((rest + 86_399) / 86_400))))
        }
        let provider = try await parts.providers.inService(name, for: tenant)
        guard takeover.trialDays == 0 || provider.capabilities.contains(.trials) else {
            throw BillingProblems.providerCannot.with(["capability": .string(PaymentCapability.trials.rawValue)])
        }
        return takeover
    }

    // MARK: - The old one

    /// Cancels what was left behind: with its period where it is paid, at once where it is not, so that no later attempt collects.
    func finish(_ delivery: Delivery, _ act: Act) async throws {
        guard let tenant = delivery.tenant else { throw PermanentFailure("a move belongs to a tenant") }
        let job = try delivery.decode(Job.self)
        let act = Act(actor: .system("billing.move"), requestID: act.requestID, now: act.now)
        let parts = parts
        let found = try await store.tenantRead(tenant) { db -> (old: SubscriptionRow, standing: Standing, trialEnd: Timestamp?)? in
            guard let old = try db.row(BillingTable.subscriptionByID, db.tenant, job.from).map(SubscriptionRow.init),
                let new = try db.row(BillingTable.subscriptionByID, db.tenant, job.to).map(SubscriptionRow.init)
            else { return nil }
            let books = MirrorBooks(db: db, provider: old.provider, now: act.now, entropy: parts.floor.entropy)
            let standing = Standing.derive(try books.facts(of: old), terms: parts.terms(old.provider), now: act.now)
            return (old, standing, new.facts.latest?.trialEnd)
        }
        guard let (old, standing, trialEnd) = found, old.facts.ended == nil, old.facts.latest?.cancelsAt == nil else { return }
        let isPaid = standing.state == .active
        if isPaid, let end = standing.periodEnd, let trialEnd, end > trialEnd + .days(1) {
            // The old one was renewed while the new one was being bought.
            try await tell("move_overlaps", old, tenant, act)
        }
        guard let provider = await parts.providers.provider(old.provider, for: tenant) else {
            return try await tell("move_not_finished", old, tenant, act)
        }
        let isAtEnd = isPaid && provider.capabilities.contains(.cancelAtPeriodEnd)
        let wish = SubscriptionCancellation(subscription: old.object, when: isAtEnd ? .periodEnd : .now, idempotencyKey: "")
        guard provider.capabilities.contains(wish.capability) else { return try await tell("move_not_finished", old, tenant, act) }
        do {
            _ = try await OperationDesk(parts: parts).perform(
                .cancel(wish), at: old.provider, tenant: tenant,
                details: [
                    "subscription": .string(old.id.description), "when": .string(wish.when.rawValue),
                    "moved_to": .string(job.to.description),
                ],
                act)
        } catch BillingProblems.operationOpen {
            // Something else is under way with it: afterwards this is looked at again.
            throw RetryLater()
        } catch is Problem {
            try await tell("move_not_finished", old, tenant, act)
        }
    }

    private struct RetryLater: Error {}

    /// A person must look.
    private func tell(_ reason: String, _ old: SubscriptionRow, _ tenant: TenantID, _ act: Act) async throws {
        try await store.tenant(tenant) { db in
            try BillingMails(db: db, act: act).notifyStaff(
                reason, about: "\(old.id)", ["subscription": old.id.description, "provider": old.provider])
        }
    }
}
