import Catalog
import Store
import Vocabulary

/// What a provider holds of one subscription, as far as it was told here.
package struct MirroredAgreement: Sendable {
    package struct Bill: Sendable {
        /// The provider's id.
        package let object: String
        package let state: InvoiceState
    }
    package let provider: String
    package let latest: SubscriptionFact
    package let offer: Offer
    /// As it was bought; where it was not bought here, or became another since, as the catalog says today.
    package let unitPrice: Money
    package let bills: [Bill]
}

extension Billing {
    /// What providers hold for a tenant and have not ended, newest first; without what nobody here can price. For who looks ahead.
    package func agreements(of tenant: TenantID, now: Timestamp) async throws -> [MirroredAgreement] {
        let parts = parts
        return try await parts.floor.store.tenantRead(tenant) { db in
            try db.rows(BillingTable.subscriptions, db.tenant).map(SubscriptionRow.init).compactMap { row in
                let books = MirrorBooks(db: db, provider: row.provider, now: now, entropy: parts.floor.entropy)
                let (facts, terms) = (try books.facts(of: row), parts.terms(row.provider))
                guard let latest = facts.subscription.latest, facts.subscription.ended == nil, latest.status != .cancelled,
                    Standing.derive(facts, terms: terms, now: now).state != .cancelled
                else { return nil }
                let period = latest.periodStart.flatMap { start in latest.periodEnd.map { $0 - start } }
                let offer = terms.offer(
                    price: latest.providerPrice, tier: latest.tier, interval: latest.interval,
                    intended: facts.checkouts.compactMap(\.intended).min(), period: latest.status == .trialing ? nil : period)
                guard let offer else { return nil }
                let bought = try db.rows(BillingTable.pricesBought, db.tenant, row.provider, row.object).compactMap { row -> Money? in
                    guard try row.text(0) == offer.tier, try row.text(1) == offer.interval.rawValue else { return nil }
                    return Currency(try row.text(3)).map { Money(amountMinor: (try? row.integer(2)) ?? 0, currency: $0) }
                }
                guard let price = bought.first ?? terms.catalog[offer.tier]?.prices[offer.interval] else { return nil }
                let bills = try db.rows(BillingTable.invoicesOfSubscription, db.tenant, row.provider, row.object).map {
                    MirroredAgreement.Bill(object: try $0.text(0), state: try StoredJSON.decode(try $0.text(1)))
                }
                return MirroredAgreement(provider: row.provider, latest: latest, offer: offer, unitPrice: price, bills: bills)
            }
        }
    }
}
