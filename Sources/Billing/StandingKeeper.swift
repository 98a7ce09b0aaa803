import Catalog
import HookEngine
import Store
import Vocabulary

/// The floor that the room stands on.
package struct BillingFloor: Sendable {
    package let store: any Store
    package let hooks: any Hooks
    package let sealer: any Sealer
    package let entropy: any Entropy
    /// For the operator's log: ids and counts, nothing of a person.
    package let note: @Sendable (String, [String: String]) -> Void
    /// Whether there is such a tenant: told by whoever keeps them. Where nobody does, staff is believed.
    package var isTenant: @Sendable (TenantID) async throws -> Bool = { _ in true }
    /// Whether everything else of the tenant is purged: what only the law keeps of it goes when the law is done.
    package var hasLeft: @Sendable (TenantID) async throws -> Bool = { _ in false }
    package init(
        store: any Store, hooks: any Hooks, sealer: any Sealer, entropy: any Entropy,
        note: @escaping @Sendable (String, [String: String]) -> Void
    ) {
        self.store = store
        self.hooks = hooks
        self.sealer = sealer
        self.entropy = entropy
        self.note = note
    }
}

/// What every part of the room is built from.
struct BillingParts: Sendable {
    let floor: BillingFloor
    let catalog: Catalog
    let prices: ProviderPrices
    let providers: any PaymentProviders
    let addresses: any AddressBook
    let access: any LiveAccess
    let settings: Settings

    func terms(_ provider: String) -> StandingTerms {
        StandingTerms(provider: provider, catalog: catalog.current, prices: prices, graceDays: settings[BillingSettings.graceDays])
    }
}

/// Brings a subscription's row up to its facts and the time, and tells everybody what changed, in the caller's transaction.
struct StandingKeeper {
    let parts: BillingParts
    let books: MirrorBooks
    let act: Act
    var db: any TenantScope { books.db }

    init(_ parts: BillingParts, _ books: MirrorBooks, _ act: Act) {
        self.parts = parts
        self.books = books
        self.act = act
    }

    @discardableResult
    func settle(_ row: SubscriptionRow, _ facts: StandingFacts, decision: DecisionID? = nil) throws -> Standing {
        let standing = Standing.derive(facts, terms: parts.terms(row.provider), now: act.now)
        if let line = try Lineage.of(row, db) {
            try settle(row, facts, standing, in: line, decision)
            return standing
        }
        var after = row
        after.facts = facts.subscription
        if let told = ToldStanding(standing) {
            after.standing = standing.state
            if told != row.told {
                after.told = told
                after.version += 1
                try db.emit(told.event(db.tenant, row.id, version: after.version), act)
                try journal(row, after, standing, decision)
            }
        } else if row.told == nil {
            // Once told, a standing is not taken back because a price lost its name in the settings.
            after.standing = standing.state
        }
        if after.facts != row.facts || after.standing != row.standing || after.version != row.version {
            try db.run(
                BillingTable.updateSubscription, db.tenant, row.id, try StoredJSON.encode(after.facts), after.standing.rawValue,
                try after.told.map(StoredJSON.encode), after.version, act.now)
        }
        if after.told != nil || standing.state != .pending { try schedule(row, standing) }
        try tell(row, after, standing)
        return standing
    }

    /// Says once more what was said, under the version of `row`: whoever lost it, or has something else, takes it.
    func tellAgain(_ row: SubscriptionRow, _ told: ToldStanding) throws {
        try db.run(
            BillingTable.updateSubscription, db.tenant, row.id, try StoredJSON.encode(row.facts), row.standing.rawValue,
            try StoredJSON.encode(told), row.version, act.now)
        try db.emit(told.event(db.tenant, row.id, version: row.version), act)
    }

    private func journal(_ before: SubscriptionRow, _ after: SubscriptionRow, _ standing: Standing, _ decision: DecisionID?) throws {
        let verb = standingLifecycle.transition(from: before.standing, to: after.standing)?.past ?? "changed"
        var details: [String: JSONValue] = [
            "from": .string(before.standing.rawValue), "to": .string(after.standing.rawValue), "reason": .string(standing.reason.rawValue),
            "tier": .string(standing.tier), "quantity": .int(Int64(standing.quantity)), "version": .int(after.version),
        ]
        if let end = standing.periodEnd { details["period_end"] = .string(end.iso8601) }
        if let end = standing.graceUntil { details["grace_until"] = .string(end.iso8601) }
        if let end = standing.cancelsAt { details["cancels_at"] = .string(end.iso8601) }
        try db.journal(
            JournalEntry("subscription.\(verb)", subject: "subscription:\(before.id)", details: .object(details), decision: decision), act)
    }
}

/// Brings a subscription up to the time. However late or often it runs, it finds what the facts and its own time say.
struct StandingReview {
    static let kind = "billing.review_standing"
    /// How long a suspension must have stood before the tenant is told of it.
    static let suspensionPause = Duration.minutes(10)

    struct Job: Codable {
        let subscription: SubscriptionID
        let tellsSuspension: Bool
        enum CodingKeys: String, CodingKey {
            case subscription
            case tellsSuspension = "tells_suspension"
        }
    }

    let parts: BillingParts

    func run(_ delivery: Delivery, _ act: Act) async throws {
        guard let tenant = delivery.tenant else { throw PermanentFailure("a review names no tenant") }
        let job = try delivery.decode(Job.self)
        try await parts.floor.store.tenant(tenant, .flushed) { db in
            try review(job, db, Act(actor: .system("billing.review"), requestID: act.requestID, now: act.now))
            try db.settle(delivery)
        }
    }

    private func review(_ job: Job, _ db: any TenantScope, _ act: Act) throws {
        guard let row = try db.row(BillingTable.subscriptionByID, db.tenant, job.subscription).map(SubscriptionRow.init) else { return }
        let books = MirrorBooks(db: db, provider: row.provider, now: act.now, entropy: parts.floor.entropy)
        let keeper = StandingKeeper(parts, books, act)
        let standing = try keeper.settle(row, try books.facts(of: row))
        if job.tellsSuspension { try keeper.tellSuspension(row.id, standing) }
    }
}
