import Catalog
import Foundation
import HookEngine
import Store
import Vocabulary

/// A subscription as its tenant sees it at one moment.
package struct SubscriptionView: Sendable, Hashable {
    package let id: SubscriptionID
    package let provider: String
    /// The provider's name of it.
    let object: String
    package let standing: Standing
    /// Of what is in force; nil for a tier that is gone.
    package let seats: Int?
    package let createdAt: Timestamp
    /// What it was bought with.
    package let coupon: Coupon?
    /// A change of quantity that waits, is under way or was refused lately.
    package let wish: QuantityWish?
}

package struct InvoiceView: Sendable, Hashable {
    package enum Status: String, Sendable, CaseIterable { case paid, failed, open }
    package let id: Identifier<InvoiceMark>
    package let provider: String
    /// The provider's id.
    package let number: String
    package let status: Status
    package let amount: Money?
    package let periodStart: Timestamp?
    package let periodEnd: Timestamp?
    package let paidAt: Timestamp?
    package let nextAttemptAt: Timestamp?
    package let issuedAt: Timestamp
}

/// A piece of a list.
package struct Listing<Item: Sendable>: Sendable {
    package let items: [Item]
    /// Where the next piece begins; nil at the end.
    package let next: PageCursor?
}

/// Payments: checkouts, the inbox of the providers' events, the mirror of their objects, and what they entitle to.
package final class Billing: Sendable {
    let parts: BillingParts
    /// What was agreed with single tenants.
    package var contracts: Contracts {
        Contracts(store: store, catalog: parts.catalog, entropy: parts.floor.entropy, isTenant: parts.floor.isTenant)
    }
    private var store: any Store { parts.floor.store }

    package init(
        _ floor: BillingFloor, catalog: Catalog, prices: ProviderPrices, providers: any PaymentProviders, addresses: any AddressBook,
        access: any LiveAccess, settings: Settings
    ) {
        parts = BillingParts(
            floor: floor, catalog: catalog, prices: prices, providers: providers, addresses: addresses, access: access, settings: settings)
    }

    // MARK: - Buying

    /// A session on the provider's page. The same Idempotency-Key gives the same session, also when the provider's answer was lost.
    package func checkout(_ order: CheckoutOrder, tenant: TenantID, origin: String, _ act: Act) async throws -> CheckoutAnswer {
        try await CheckoutDesk(parts: parts).start(order, tenant: tenant, origin: origin, act)
    }

    /// The provider's page where a customer changes card and plan.
    package func portal(provider: String?, tenant: TenantID, origin: String, _ act: Act) async throws -> String {
        try await CheckoutDesk(parts: parts).portal(provider: provider, tenant: tenant, origin: origin, act)
    }

    // MARK: - Reading

    /// What the tenant may choose from, at its own prices.
    package func catalog(of tenant: TenantID, now: Timestamp) async throws -> TenantCatalog {
        try await store.tenantRead(tenant) { [parts] db in try parts.catalog.inForce(in: db, at: now) }
    }

    /// Newest first, each derived anew: access follows the facts and the time of the question.
    package func subscriptions(of tenant: TenantID, now: Timestamp) async throws -> [SubscriptionView] {
        let parts = parts
        return try await store.tenantRead(tenant) { db in
            let catalog = try parts.catalog.inForce(in: db, at: now)
            let wishes = try db.rows(QuantityWishTable.list, db.tenant).map(QuantityWish.init).filter { $0.isShown(at: now) }
            return try db.rows(BillingTable.subscriptions, db.tenant).map(SubscriptionRow.init).map { row in
                let books = MirrorBooks(db: db, provider: row.provider, now: now, entropy: parts.floor.entropy)
                let terms = parts.terms(row.provider)
                let standing = Standing.derive(try books.facts(of: row), terms: terms, now: now)
                let coupon = try db.row(BillingTable.couponOfSubscription, db.tenant, row.provider, row.object)
                return SubscriptionView(
                    id: row.id, provider: row.provider, object: row.object, standing: standing,
                    seats: catalog[standing.tier]?.seats(quantity: standing.quantity), createdAt: row.createdAt,
                    coupon: try coupon.map { try StoredJSON.decode(try $0.text(0)) }, wish: wishes.first { $0.subscription == row.id })
            }
        }
    }

    /// The one that counts most: what is in force, else what waits, else what was.
    package static func main(_ subscriptions: [SubscriptionView]) -> SubscriptionView? {
        let order: [Standing.State] = [.active, .grace, .suspended, .pending, .cancelled]
        return order.lazy.compactMap { state in subscriptions.first { $0.standing.state == state } }.first
    }

    package func invoices(of tenant: TenantID, after: PageCursor?, limit: Int) async throws -> Listing<InvoiceView> {
        let cursor = after ?? .newest
        let count = min(max(limit, 1), 100)
        let rows = try await store.tenantRead(tenant) { db in
            try db.rows(BillingTable.listInvoices, db.tenant, cursor.at, cursor.id, count + 1).map(InvoiceView.init)
        }
        let items = Array(rows.prefix(count))
        return Listing(items: items, next: rows.count > count ? items.last.map { PageCursor(at: $0.issuedAt, id: $0.id.uuid) } : nil)
    }

    // MARK: - The inbox

    /// Proves and stores one delivery; applying it is a job. Throws the problem of a delivery that is not the provider's.
    package func receive(_ delivery: WebhookDelivery, provider: String, _ act: Act) async throws {
        _ = try await PaymentInbox(parts: parts).receive(delivery, provider: provider, act)
    }

    /// For staff: the inbox, newest first.
    package func events(_ status: PaymentEvent.Status?, after: PageCursor?, limit: Int) async throws -> Listing<PaymentEvent> {
        let count = min(max(limit, 1), 200)
        let items = try await PaymentInbox(parts: parts).events(status, after: after, limit: count)
        return Listing(items: items, next: items.count == count ? items.last.map { PageCursor(at: $0.receivedAt, id: $0.id.uuid) } : nil)
    }

    package func event(_ id: PaymentEvent.ID) async throws -> PaymentEvent? { try await PaymentInbox(parts: parts).event(id) }

    /// For staff: applies an event anew. What it did before does not happen twice.
    package func replay(_ id: PaymentEvent.ID, _ act: Act) async throws { try await PaymentInbox(parts: parts).replay(id, act) }

    /// For staff: lets the licence of a subscription be issued that a plan withheld. Payment must stand all the same.
    package func release(_ id: SubscriptionID, of tenant: TenantID, _ act: Act) async throws {
        let parts = parts
        try await store.tenant(tenant, .flushed) { db in
            guard let row = try db.row(BillingTable.subscriptionByID, db.tenant, id).map(SubscriptionRow.init) else {
                throw CommonProblems.notFound
            }
            let books = MirrorBooks(db: db, provider: row.provider, now: act.now, entropy: parts.floor.entropy)
            var facts = try books.facts(of: row)
            facts.subscription.isReleased = true
            try db.journal(JournalEntry("subscription.released", subject: "subscription:\(id)"), act)
            try StandingKeeper(parts, books, act).settle(row, facts)
        }
    }

    // MARK: - What runs by itself

    package func jobs() -> [JobHandler] {
        let parts = parts
        return [
            JobHandler(PaymentPosting.kind) { try await PaymentPosting(parts: parts).run($0, $1) },
            JobHandler(StandingReview.kind) { try await StandingReview(parts: parts).run($0, $1) },
            JobHandler(PaymentInbox.parkedKind) { try await PaymentInbox(parts: parts).reviewParked($0, $1) },
            JobHandler(OperationDesk.settling) { try await OperationReview(parts: parts).run($0, $1) },
            JobHandler(QuantityWishBooks.carrying) { try await QuantityWishDesk(parts: parts).carryOut($0, $1) },
            JobHandler(MoveDesk.finishing) { try await MoveDesk(parts: parts).finish($0, $1) },
            JobHandler(ReconciliationDesk.kind) { try await ReconciliationDesk(parts: parts).run($0, $1) },
            JobHandler(CorrectionBooks.telling) { try await CorrectionTelling(parts: parts).run($0, $1) },
            JobHandler(PaymentInbox.purgeKind) { try await PaymentInbox(parts: parts).purge($0, $1) },
        ] + contracts.jobs()
    }

    package func subscribers() -> [EventSubscriber] { [] }

    /// Makes the daily purge and the next comparison with the providers due; called at each start, the same jobs all the same.
    package func scheduleDaily(_ act: Act) async throws {
        try await ReconciliationDesk(parts: parts).schedule(act)
        try await store.kernel(PaymentInbox.purging) { db in
            try db.enqueue(try PaymentInbox.purgeJob(day: act.now.seconds / 86_400), act)
        }
    }
}

extension InvoiceView {
    init(_ row: Row) throws {
        let facts: InvoiceState = try StoredJSON.decode(try row.text(4))
        self.init(
            id: try row.id(0), provider: try row.text(1), number: try row.text(2),
            status: facts.status, amount: facts.amount?.money,
            periodStart: facts.periodStart, periodEnd: facts.periodEnd, paidAt: facts.paidAt,
            nextAttemptAt: facts.isPaid ? nil : facts.nextAttempt?.at, issuedAt: try row.time(5))
    }
}

/// What Composition asks of the room.
package enum BillingRoom {
    package static func migrations() throws -> [Migration] { try Migration.all(room: "billing", bundle: .module) }
    package static let hooks: [HookDefinition] = BillingHooks.all
    package static let permissions: [Permission] = BillingPermissions.all
    package static let problems: [Problem] = BillingProblems.all
    package static let settings: [AnySetting] = BillingSettings.all
}
