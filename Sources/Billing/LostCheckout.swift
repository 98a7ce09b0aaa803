import Foundation
import Store
import Vocabulary

/// A checkout of which the provider never told that it is complete, though it tells of the subscription and of its paid invoice. Where the
/// two are what the checkout offered, its completion is concluded, and goes the way of every news; else a person must look.
struct LostCheckout {
    let parts: BillingParts
    let name: String
    let act: Act

    static func isLost(_ facts: StandingFacts, _ terms: StandingTerms, now: Timestamp) -> Bool {
        Standing.derive(facts, terms: terms, now: now).reason == .checkoutOpen && facts.subscription.latest?.status.grants ?? false
            && facts.invoices.contains(where: \.isPaid)
    }

    func settle(
        _ id: SubscriptionID, _ tenant: TenantID, _ finding: ReconciliationReport.Finding
    ) async throws -> ReconciliationReport.Finding {
        guard let fact = try await parts.floor.store.tenantRead(tenant, { try completion(of: id, $0) }) else { return finding }
        let news = PaymentNews(provider: name, event: "\(KnownNews.prefix):\(fact.session)", facts: [.checkout(fact)])
        let isNew = try await parts.floor.store.kernel(ReconciliationDesk.comparing, .flushed) { db in
            let found = CorrectionFinding(kind: finding.kind, what: "completed", foundAt: act.now)
            guard try KnownNews(parts: parts).store(news, tenant, db, act, found: found) else { return false }
            try db.journal(
                JournalEntry(
                    "payments.drift_found", subject: "\(ReconciliationReport.Kind.checkoutOpen.rawValue):\(fact.session)",
                    details: ["provider": .string(name), "what": .string(finding.what)]), act, tenant: tenant)
            return true
        }
        // Known before and still open: what it says was heard, and did not make it so.
        return .init(kind: finding.kind, object: finding.object, tenant: tenant, what: finding.what, isMended: isNew)
    }

    /// The completion that the provider should have told; nil where what was paid for is not what the checkout offered. A reference alone buys
    /// nothing: it can be put into a foreign session, which has its own price.
    private func completion(of id: SubscriptionID, _ db: any TenantScope) throws -> CheckoutFact? {
        guard let row = try db.row(BillingTable.subscriptionByID, db.tenant, id).map(SubscriptionRow.init) else { return nil }
        let facts = try MirrorBooks(db: db, provider: name, now: act.now, entropy: parts.floor.entropy).facts(of: row)
        guard let latest = facts.subscription.latest, let reference = latest.reference,
            let offer = try db.row(BillingTable.checkoutOffered, db.tenant, name, reference)
        else { return nil }
        let (session, tier, interval) = (try offer.text(0), try offer.text(1), try offer.text(2))
        let (quantity, unit, currency) = (try offer.integer(3), try offer.integer(4), try offer.text(5))
        let told: CheckoutState = try StoredJSON.decode(try offer.text(6))
        guard told.subscription == nil || told.subscription == row.object, !told.hasFailed else { return nil }
        let terms = parts.terms(name)
        let period = latest.periodStart.flatMap { start in latest.periodEnd.map { $0 - start } }
        let bought = terms.offer(
            price: latest.providerPrice, tier: latest.tier, interval: latest.interval, intended: nil,
            period: latest.status == .trialing ? nil : period)
        let (full, isMany) = unit.multipliedReportingOverflow(by: quantity)
        let coupon: Coupon? = try offer.optional(7, offer.text).map(StoredJSON.decode)
        let due = isMany ? full : coupon?.left(of: full) ?? full
        // Tax on top is more; less is another price, or a code that was entered at the provider: a person must know of it.
        let isPaid = facts.invoices.contains { invoice in
            guard invoice.isPaid, let money = invoice.amount?.money else { return false }
            return money.currency.code == currency && money.amountMinor >= due
        }
        guard isPaid, !isMany, bought?.tier == tier, bought?.interval.rawValue == interval, Int64(latest.quantity) <= quantity else {
            return nil
        }
        return CheckoutFact(
            session: session, reference: reference, customer: latest.customer, subscription: row.object, isPaid: true, asOf: latest.asOf)
    }
}
