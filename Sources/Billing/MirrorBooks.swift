import Store
import Vocabulary

/// The mirror of one tenant at one provider, within one transaction: reads what news touches, joins it, writes back what changed.
struct MirrorBooks {
    let db: any TenantScope
    let provider: String
    let now: Timestamp
    let entropy: any Entropy

    /// What is stored of every object that `news` names, and everything from which the standing of each subscription among them derives.
    struct Page {
        /// As stored.
        var before = Mirror()
        /// With the news joined in.
        var after = Mirror()
        var rows: [String: SubscriptionRow] = [:]
        /// Subscriptions whose facts may have changed.
        var subscriptions: [String] { after.subscriptions.keys.sorted() }
    }

    func page(_ news: Mirror) throws -> Page {
        var page = Page()
        for session in news.checkouts.keys {
            guard let row = try db.row(BillingTable.checkoutBySession, db.tenant, provider, session) else { continue }
            page.before.checkouts[session] = try StoredJSON.decode(try row.text(3))
        }
        for invoice in news.invoices.keys {
            guard let row = try db.row(BillingTable.invoiceByObject, db.tenant, provider, invoice) else { continue }
            page.before.invoices[invoice] = try StoredJSON.decode(try row.text(1))
        }
        page.before.refunds = try reversals("refund", news.refunds.keys)
        page.before.disputes = try reversals("dispute", news.disputes.keys)
        let touched = page.before.joined(news)
        let subscriptions = Set(touched.subscriptions.keys).union(touched.checkouts.values.compactMap(\.subscription))
            .union(touched.invoices.values.compactMap(\.subscription))
        for subscription in subscriptions { try read(subscription, into: &page) }
        page.after = page.before.joined(news)
        for subscription in subscriptions where page.after.subscriptions[subscription] == nil {
            page.after.subscriptions[subscription] = SubscriptionState()
        }
        return page
    }

    private func read(_ subscription: String, into page: inout Page) throws {
        if let row = try db.row(BillingTable.subscriptionByObject, db.tenant, provider, subscription).map(SubscriptionRow.init) {
            page.rows[subscription] = row
            page.before.subscriptions[subscription] = row.facts
        }
        for row in try db.rows(BillingTable.invoicesOfSubscription, db.tenant, provider, subscription) {
            page.before.invoices[try row.text(0)] = try StoredJSON.decode(try row.text(1)) as InvoiceState
        }
        for row in try db.rows(BillingTable.checkoutsOfSubscription, db.tenant, provider, subscription) {
            page.before.checkouts[try row.text(0)] = try StoredJSON.decode(try row.text(1)) as CheckoutState
        }
    }

    private func reversals(_ kind: String, _ objects: some Sequence<String>) throws -> [String: ReversalState] {
        var found: [String: ReversalState] = [:]
        for object in objects {
            guard let row = try db.row(BillingTable.reversalByObject, db.tenant, provider, kind, object) else { continue }
            found[object] = try StoredJSON.decode(try row.text(1))
        }
        return found
    }

    /// The facts of one subscription, for a review.
    func facts(of row: SubscriptionRow) throws -> StandingFacts {
        var page = Page()
        try read(row.object, into: &page)
        return page.before.facts(of: row.object)
    }

    /// Writes every object but the subscriptions, whose rows the standing completes.
    func write(_ page: Page) throws {
        for (session, facts) in page.after.checkouts where page.before.checkouts[session] != facts {
            try db.run(
                BillingTable.updateCheckout, db.tenant, provider, session, try StoredJSON.encode(facts), facts.subscription, now)
        }
        for (object, facts) in page.after.invoices where page.before.invoices[object] != facts {
            let issued = facts.since ?? now
            let text = try StoredJSON.encode(facts)
            if try db.row(BillingTable.updateInvoice, db.tenant, provider, object, text, facts.subscription, issued) == nil {
                let id: Identifier<InvoiceMark> = entropy.id(now)
                try db.run(BillingTable.insertInvoice, db.tenant, id, provider, object, facts.subscription, text, issued)
            }
        }
        try write("refund", page.after.refunds, page.before.refunds)
        try write("dispute", page.after.disputes, page.before.disputes)
    }

    private func write(_ kind: String, _ after: [String: ReversalState], _ before: [String: ReversalState]) throws {
        for (object, facts) in after where before[object] != facts {
            let text = try StoredJSON.encode(facts)
            if try db.row(BillingTable.updateReversal, db.tenant, provider, kind, object, text, facts.since) == nil {
                let id: Identifier<InvoiceMark> = entropy.id(now)
                try db.run(BillingTable.insertReversal, db.tenant, id, provider, kind, object, text, facts.since)
            }
        }
    }

    /// The row of a subscription, made when it is first heard of.
    func row(of subscription: String) throws -> SubscriptionRow {
        if let row = try db.row(BillingTable.subscriptionByObject, db.tenant, provider, subscription) { return try SubscriptionRow(row) }
        let id: SubscriptionID = entropy.id(now)
        try db.run(
            BillingTable.insertSubscription, db.tenant, id, provider, subscription, try StoredJSON.encode(SubscriptionState()), now)
        guard let row = try db.row(BillingTable.subscriptionByID, db.tenant, id) else { throw StoreFault.corrupt("subscription") }
        return try SubscriptionRow(row)
    }

    /// What the sessions named in `news` had offered, and which of its references this house gave out.
    func own(_ news: PaymentNews) throws -> (references: Set<String>, intended: [String: Offer]) {
        var references: Set<String> = []
        var intended: [String: Offer] = [:]
        for reading in news.readings {
            if let session = reading.session, let row = try db.row(BillingTable.checkoutBySession, db.tenant, provider, session) {
                guard let interval = BillingInterval(rawValue: try row.text(2)) else {
                    throw StoreFault.corrupt("billing_checkout.interval")
                }
                intended[session] = Offer(tier: try row.text(1), interval: interval)
            }
            if let reference = reading.reference, try db.row(BillingTable.checkoutByReference, db.tenant, provider, reference) != nil {
                references.insert(reference)
            }
        }
        return (references, intended)
    }
}
