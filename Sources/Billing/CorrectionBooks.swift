import Store
import Vocabulary

/// Writes down, in the transaction that puts it right, what a comparison found in one account. Each finding once; owners are mailed of what
/// changed their access or their money, some minutes later, so that one mail says what one comparison did.
struct CorrectionBooks {
    static let telling = "billing.tell_corrections"
    /// A comparison finds one thing in several lists, and applies them one after the other.
    static let pause = Duration.minutes(10)
    /// How long a correction can be read; the day's round takes what is older away.
    static let kept = Duration.days(400)
    /// So many are told one by one in a mail; all are counted.
    static let mostTold = 5

    struct Job: Codable { let correction: Correction.ID }

    let parts: BillingParts
    let db: any TenantScope
    let act: Act

    /// What was found, before it has an id.
    struct Entry {
        /// The same for the same finding.
        let finding: String
        let provider: String
        let place: Correction.Place
        let kind: ReconciliationReport.Kind
        let what: String
        var done = Correction.Done.corrected
        var subscription: SubscriptionID?
        var before: ToldStanding?
        var shown: ShownLicense?
        var after: ToldStanding?
        var changesAccess = false
        var changesMoney = false
        var amount: Money?
        var foundAt: Timestamp
    }

    func record(_ entry: Entry) throws {
        guard try db.row(CorrectionTable.known, db.tenant, entry.finding) == nil else { return }
        let id: Correction.ID = parts.floor.entropy.id(act.now)
        let before = Correction.Terms(entry.before) ?? Correction.Terms(entry.shown)
        try db.run(
            CorrectionTable.insert, db.tenant, id, entry.finding, entry.provider, entry.place.rawValue, entry.kind.rawValue, entry.what,
            entry.done.rawValue, entry.subscription, try before.map(StoredJSON.encode),
            try Correction.Terms(entry.after).map(StoredJSON.encode), entry.changesAccess ? 1 : 0, entry.changesMoney ? 1 : 0,
            entry.amount?.amountMinor, entry.amount?.currency.code, entry.foundAt, act.now)
        guard entry.changesAccess || entry.changesMoney else { return }
        try db.enqueue(
            NewJob(
                CorrectionBooks.telling, key: "\(id)", tenant: db.tenant, payload: Job(correction: id),
                runAt: act.now + CorrectionBooks.pause),
            act)
    }

    // MARK: - The record here, by the provider

    /// What an applied event put right; nothing where nothing was left to put right.
    func conclude(_ finding: CorrectionFinding, _ event: PaymentEvent, _ news: PaymentNews, _ page: MirrorBooks.Page) throws {
        let terms = parts.terms(news.provider)
        func entitled(_ mirror: Mirror, _ subscription: String) -> ToldStanding? {
            ToldStanding(Standing.derive(mirror.facts(of: subscription), terms: terms, now: act.now))
        }
        let touched = page.subscriptions.first { entitled(page.before, $0) != entitled(page.after, $0) }
        let changesMoney = page.changesMoney
        guard touched != nil || changesMoney || page.changesRecord else { return }
        let about = touched ?? news.subscription ?? page.subscriptions.first
        var entry = Entry(
            finding: "event:\(event.id)", provider: news.provider, place: .mirror, kind: finding.kind, what: finding.what,
            foundAt: finding.foundAt)
        (entry.changesAccess, entry.changesMoney) = (touched != nil, changesMoney)
        if changesMoney { entry.amount = news.amount }
        if let about {
            entry.subscription = try db.row(BillingTable.subscriptionByObject, db.tenant, news.provider, about).map { try $0.id(0) }
        }
        if let touched { (entry.before, entry.after) = (entitled(page.before, touched), entitled(page.after, touched)) }
        try record(entry)
    }

    /// What no rule can put right.
    func handOver(_ finding: ReconciliationReport.Finding, of provider: String, at place: Correction.Place) throws {
        let subscription = try db.row(BillingTable.subscriptionByObject, db.tenant, provider, finding.object).map {
            try $0.id(0) as SubscriptionID
        }
        try record(
            Entry(
                finding: "open:\(finding.kind.rawValue):\(finding.what):\(finding.object)", provider: provider, place: place,
                kind: finding.kind, what: finding.what, done: .staffLooks, subscription: subscription, foundAt: act.now))
    }

    // MARK: - Telling owners

    /// One mail of everything that nobody was mailed of yet. A later job of the same comparison finds nothing left to say.
    func tell() throws {
        let told = try db.rows(CorrectionTable.untold, db.tenant).map(Correction.init).filter { correction in
            try db.row(CorrectionTable.tell, db.tenant, correction.id, act.now) != nil
        }
        guard let first = told.first, let last = told.last else { return }
        var values = ["count": String(told.count), "provider": Set(told.map(\.provider)).sorted().joined(separator: ", ")]
        values["summary"] = told.prefix(CorrectionBooks.mostTold).map(\.words).joined(separator: "; ")
        if told.count > CorrectionBooks.mostTold { values["more"] = String(told.count - CorrectionBooks.mostTold) }
        if let after = told.last(where: { $0.changesAccess && $0.after != nil })?.after {
            (values["tier"], values["quantity"]) = (parts.catalog[after.tier]?.name ?? after.tier, String(after.quantity))
            values["status"] = after.status.rawValue
            if let end = after.periodEnd { values["period_end"] = end.iso8601 }
        }
        try BillingMails(db: db, act: act).send(BillingMails.billingCorrected, about: "\(first.id):\(last.id)", values)
    }
}

/// Mails owners of what was put right, in a transaction of their tenant.
struct CorrectionTelling {
    let parts: BillingParts

    func run(_ delivery: Delivery, _ act: Act) async throws {
        guard let tenant = delivery.tenant else { throw PermanentFailure("a correction belongs to a tenant") }
        let act = Act(actor: .system("billing.reconcile"), requestID: act.requestID, now: act.now)
        try await parts.floor.store.tenant(tenant, .flushed) { db in
            try CorrectionBooks(parts: parts, db: db, act: act).tell()
            try db.settle(delivery)
        }
    }
}

extension MirrorBooks.Page {
    /// A payment, refund or dispute became known, or its amount or outcome is another.
    var changesMoney: Bool {
        let isPaidAnew = after.invoices.contains { object, state in
            guard state.subscription != nil, state.isPaid else { return false }
            let known = before.invoices[object]
            return known?.isPaid != true || known?.amount?.money != state.amount?.money
        }
        let isRefunded = after.refunds.keys.contains { before.refunds[$0] == nil }
        let isDisputed = after.disputes.contains { object, state in before.disputes[object]?.latest.status != state.latest.status }
        return isPaidAnew || isRefunded || isDisputed
    }

    /// Anything but the time of which the provider spoke is another.
    var changesRecord: Bool {
        func settled(_ states: [String: SubscriptionState]) -> [String: SubscriptionState] {
            states.filter { $1.latest != nil }.mapValues { state in
                var state = state
                state.latest?.asOf = .init(microseconds: 0)
                return state
            }
        }
        return before.checkouts != after.checkouts || before.invoices != after.invoices
            || settled(before.subscriptions) != settled(after.subscriptions)
    }
}
