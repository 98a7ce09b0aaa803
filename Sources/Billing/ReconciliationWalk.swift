import Foundation
import Store
import Vocabulary

/// One walk through everything that a provider lists and everything that is mirrored of it.
struct ReconciliationWalk {
    let parts: BillingParts
    let name: String
    let provider: any PaymentProvider
    let since: Timestamp
    let limit: Duration
    let act: Act
    /// Whether this walk also looks for what is no provider's.
    var looksForStrangers = false
    private var store: any Store { parts.floor.store }
    private var pages: ProviderList { ProviderList(limit: limit) }

    func compare() async throws -> ReconciliationReport {
        var report = ReconciliationReport()
        var seen: Set<String> = []
        do {
            let provider = provider
            try await list(.listEvents, .missedEvent, &report) {
                try await provider.listEvents($0)
            } take: { event, report in
                try await take(event, &report)
            }
            try await list(.listSubscriptions, .subscription, &report) {
                try await provider.listSubscriptions($0)
            } take: { fact, report in
                seen.insert(fact.subscription)
                try await take(.subscription(fact), .subscription, fact.subscription, &report)
            }
            try await list(.listPayments, .payment, &report) {
                try await provider.listPayments($0)
            } take: { fact, report in
                try await take(.invoice(fact), .payment, fact.invoice, &report)
            }
            try await list(.listRefunds, .refund, &report) {
                try await provider.listRefunds($0)
            } take: { fact, report in
                try await take(.refund(fact), .refund, fact.refund, &report)
            }
            try await list(.listDisputes, .dispute, &report) {
                try await provider.listDisputes($0)
            } take: { fact, report in
                try await take(.dispute(fact), .dispute, fact.dispute, &report)
            }
            try await ours(seen, &report)
        } catch let error as PaymentProviderError {
            // What was found until then is mended; the rest waits for the next run.
            report.failure = "the provider: \(Self.label(error))"
            try await ours([], &report, asksProvider: false)
        }
        if looksForStrangers { try await strangers(&report) }
        return report
    }

    private static func label(_ error: PaymentProviderError) -> String {
        switch error {
        case .refused(let code, _): "refused \(code.prefix(100))"
        case .unreachable: "unreachable"
        case .malformed: "malformed answer"
        case .rateLimited: "rate limited"
        case .notSupported(let capability): "cannot \(capability)"
        default: "failed"
        }
    }

    private func list<Item: Sendable>(
        _ capability: PaymentCapability, _ kind: ReconciliationReport.Kind, _ report: inout ReconciliationReport,
        _ ask: @escaping @Sendable (ChangesRequest) async throws -> ProviderPage<Item>,
        take: (Item, inout ReconciliationReport) async throws -> Void
    ) async throws {
        guard provider.capabilities.contains(capability) else { return report.unlisted.append(capability.rawValue) }
        var copy = report
        defer { report = copy }
        try await pages.each(since: since, ask) { items in
            for item in items {
                copy.count(kind)
                try await take(item, &copy)
            }
        }
    }

    // MARK: - What the provider has

    /// A webhook that did not arrive is taken in as if it had; one that did is not touched.
    private func take(_ event: VerifiedEvent, _ report: inout ReconciliationReport) async throws {
        guard PaymentInbox.isForeign(event), provider.understands(event.type) != false else { return }
        // What is old enough to have been forgotten here would only come to life again.
        guard event.createdAt >= since else { return }
        let isKnown = try await store.kernelRead(ReconciliationDesk.comparing) {
            try $0.row(ReconciliationTable.event, name, event.id) != nil
        }
        // The provider's own word for it stays with staff; of one whose webhook may still be under way nobody else need hear.
        let isLate = event.createdAt + ReconciliationDesk.settling < act.now
        let found = isLate ? CorrectionFinding(kind: .missedEvent, what: "event", foundAt: act.now) : nil
        guard !isKnown, case .stored = try await PaymentInbox(parts: parts).store(event, of: name, act, found: found) else { return }
        report.add(.init(kind: .missedEvent, object: event.id, tenant: nil, what: String(event.type.prefix(100)), isMended: true))
    }

    private func take(
        _ fact: PaymentFact, _ kind: ReconciliationReport.Kind, _ object: String, _ report: inout ReconciliationReport
    ) async throws {
        let news = PaymentNews(provider: name, event: "\(KnownNews.prefix):\(object)", facts: [fact])
        guard news.fault == nil else {
            return report.add(.init(kind: kind, object: object, tenant: nil, what: "impossible", isMended: false))
        }
        let routing = try await store.kernelRead(ReconciliationDesk.comparing) { db in
            try PaymentRouting.find(news) { anchor in
                try db.row(InboxTable.route, name, anchor.kind.rawValue, anchor.object).map { try $0.id(0) }
            }
        }
        guard case .routed(let tenant) = routing else {
            report.foreign += 1
            return
        }
        let drift = try await store.tenantRead(tenant) { db -> (what: String, isUnderWay: Bool)? in
            let books = MirrorBooks(db: db, provider: name, now: act.now, entropy: parts.floor.entropy)
            guard let what = try Self.drift(fact, books) else { return nil }
            let settled = act.now - ReconciliationDesk.settling
            return (what, try fact.askedOf.contains { try db.row(OperationTable.recent, db.tenant, name, $0, settled) != nil })
        }
        guard let (what, isUnderWay) = drift else { return }
        let isNew = try await store.kernel(ReconciliationDesk.comparing, .flushed) { db -> Bool? in
            // What was asked for here a moment ago, and has only not been told yet, is nothing that went wrong.
            let found = isUnderWay ? nil : CorrectionFinding(kind: kind, what: what, foundAt: act.now)
            guard try KnownNews(parts: parts).store(news, tenant, db, act, found: found) else {
                let status = try db.row(ReconciliationTable.event, name, KnownNews.name(news))?.text(1)
                // Nil: it is on its way.
                return status == PaymentEvent.Status.received.rawValue ? nil : false
            }
            try db.journal(
                JournalEntry(
                    "payments.drift_found", subject: "\(kind.rawValue):\(object)",
                    details: ["provider": .string(name), "what": .string(what)]), act, tenant: tenant)
            return true
        }
        guard let isNew else { return }
        let finding = ReconciliationReport.Finding(kind: kind, object: object, tenant: tenant, what: what, isMended: isNew)
        // Known before and still different: what it says was heard, and did not make it so.
        if !isNew { try await handOver(finding, at: .mirror, tenant) }
        report.add(finding)
    }

    /// What no rule can put right is told to whom it concerns all the same.
    private func handOver(_ finding: ReconciliationReport.Finding, at place: Correction.Place, _ tenant: TenantID) async throws {
        try await store.tenant(tenant) { db in
            try CorrectionBooks(parts: parts, db: db, act: act).handOver(finding, of: name, at: place)
        }
    }

    private static func drift(_ fact: PaymentFact, _ books: MirrorBooks) throws -> String? {
        let (db, provider) = (books.db, books.provider)
        func reversal(_ kind: String, _ object: String) throws -> ReversalState? {
            try db.row(BillingTable.reversalByObject, db.tenant, provider, kind, object).map { try StoredJSON.decode(try $0.text(1)) }
        }
        switch fact {
        case .subscription(let fact):
            let row = try db.row(BillingTable.subscriptionByObject, db.tenant, provider, fact.subscription).map(SubscriptionRow.init)
            return Drift.of(fact, row?.facts)
        case .invoice(let fact):
            let known: InvoiceState? = try db.row(BillingTable.invoiceByObject, db.tenant, provider, fact.invoice).map {
                try StoredJSON.decode(try $0.text(1))
            }
            return Drift.of(fact, known)
        case .refund(let fact): return Drift.of(fact, try reversal("refund", fact.refund))
        case .dispute(let fact): return Drift.of(fact, try reversal("dispute", fact.dispute))
        default: return nil
        }
    }

    // MARK: - What is here

    /// Each mirrored subscription: read where the list did not name it, brought up to the time, and its licence compared.
    private func ours(_ seen: Set<String>, _ report: inout ReconciliationReport, asksProvider: Bool = true) async throws {
        let nowhere = [UInt8](repeating: 0, count: 16)
        var place: ([UInt8], [UInt8]) = (nowhere, nowhere)
        let size = 200
        while true {
            let (tenantBytes, idBytes) = place
            let rows = try await store.kernelRead(ReconciliationDesk.comparing) { db in
                try db.rows(ReconciliationTable.subscriptions, tenantBytes, idBytes, size).map { row in
                    (
                        tenant: try row.id(0) as TenantID, id: try row.id(1) as SubscriptionID, provider: try row.text(2),
                        object: try row.text(3), standing: try row.text(4)
                    )
                }
            }
            for row in rows where row.provider == name {
                if asksProvider, provider.capabilities.contains(.subscriptionRead), !seen.contains(row.object),
                    row.standing != Standing.State.cancelled.rawValue
                {
                    let (provider, object) = (provider, row.object)
                    do {
                        let fact = try await CallLimit.within(limit) { try await provider.readSubscription(object) }
                        report.count(.subscription)
                        try await take(.subscription(fact), .subscription, object, &report)
                    } catch PaymentProviderError.refused {
                        let finding = ReconciliationReport.Finding(
                            kind: .subscription, object: object, tenant: row.tenant, what: "not_there", isMended: false)
                        try await handOver(finding, at: .provider, row.tenant)
                        report.add(finding)
                    }
                }
                try await compareAccess(row.id, row.tenant, &report)
            }
            guard rows.count == size, let last = rows.last else { return }
            place = (last.tenant.uuid.bytes, last.id.uuid.bytes)
        }
    }

    /// Licences that let somebody in, and nobody here knows what for: there is no subscription to put them right by, so a person must look.
    private func strangers(_ report: inout ReconciliationReport) async throws {
        let size = 200
        var place: PaidLicense?
        while true {
            let page = try await parts.access.paid(after: place, limit: size)
            let unknown = try await store.kernelRead(ReconciliationDesk.comparing) { db in
                try page.filter { try db.row(ReconciliationTable.subscription, $0.tenant, $0.subscription) == nil }
            }
            for license in unknown {
                report.add(
                    .init(
                        kind: .access, object: license.subscription.description, tenant: license.tenant, what: "subscription_unknown",
                        isMended: false))
            }
            guard page.count == size else { return }
            place = page.last
        }
    }

    /// A licence that is not what its subscription was last said to entitle to is told anew, under a version that wins. Where nothing differs,
    /// the usual case, nothing is written: a run takes the writer only for what it mends.
    private func compareAccess(_ id: SubscriptionID, _ tenant: TenantID, _ report: inout ReconciliationReport) async throws {
        let shown = try await parts.access.licenses(tenant)[id]
        report.count(.access)
        let differs = try await store.tenantRead(tenant) { try look(id, shown, $0, mends: false) }
        guard let differs else { return }
        if differs.kind == .checkoutOpen {
            let finding = try await LostCheckout(parts: parts, name: name, act: act).settle(id, tenant, differs)
            if !finding.isMended { try await handOver(finding, at: .mirror, tenant) }
            return report.add(finding)
        }
        // Looked at again under the writer: what changed meanwhile counts.
        if let finding = try await store.tenant(tenant, { try look(id, shown, $0, mends: true) }) { report.add(finding) }
    }

    private func look(
        _ id: SubscriptionID, _ shown: ShownLicense?, _ db: any TenantScope, mends: Bool
    ) throws -> ReconciliationReport.Finding? {
        guard let row = try db.row(BillingTable.subscriptionByID, db.tenant, id).map(SubscriptionRow.init) else { return nil }
        let books = MirrorBooks(db: db, provider: row.provider, now: act.now, entropy: parts.floor.entropy)
        let facts = try books.facts(of: row)
        if row.createdAt + .hours(1) < act.now, LostCheckout.isLost(facts, parts.terms(row.provider), now: act.now) {
            return .init(
                kind: .checkoutOpen, object: row.object, tenant: db.tenant, what: "paid, and its checkout open", isMended: false)
        }
        guard let told = row.told, row.changedAt + ReconciliationDesk.settling < act.now else { return nil }
        let keeper = StandingKeeper(parts, books, act)
        var (after, what) = (told, told.difference(from: shown, version: row.version))
        if let due = try overdue(row, facts, told, keeper) {
            (after, what) = (due, "overdue")
            if mends { try keeper.settle(row, facts) }
        } else if what != nil, mends {
            var ahead = row
            ahead.version = max(row.version, shown?.version ?? 0) + 1
            try keeper.tellAgain(ahead, told)
        }
        guard let what else { return nil }
        if mends {
            try db.journal(
                JournalEntry("license.drift_found", subject: "subscription:\(id)", details: ["what": .string(what)]), act)
            try CorrectionBooks(parts: parts, db: db, act: act).record(
                .init(
                    finding: "access:\(id):\(row.version):\(shown?.version ?? -1):\(what)", provider: name, place: .access, kind: .access,
                    what: what, subscription: id, shown: shown, after: after,
                    changesAccess: Correction.Terms(shown) != Correction.Terms(after), foundAt: act.now))
        }
        return .init(kind: .access, object: id.description, tenant: db.tenant, what: what, isMended: mends)
    }

    /// What time alone should have changed long ago, and nobody did; nil: nothing.
    private func overdue(
        _ row: SubscriptionRow, _ facts: StandingFacts, _ told: ToldStanding, _ keeper: StandingKeeper
    ) throws -> ToldStanding? {
        guard row.changedAt + ReconciliationDesk.reviewing < act.now else { return nil }
        let now = try keeper.entitles(row, facts, at: act.now)
        guard let now, now != told, try keeper.entitles(row, facts, at: act.now - ReconciliationDesk.reviewing) == now else { return nil }
        return now
    }
}

extension PaymentFact {
    /// The provider's names of what an operation could have been asked of, so that this came of it.
    fileprivate var askedOf: [String] {
        switch self {
        case .subscription(let fact): [fact.subscription]
        case .invoice(let fact): [fact.subscription, fact.payment].compactMap { $0 }
        case .refund(let fact): [fact.subscription, fact.payment].compactMap { $0 }
        default: []
        }
    }
}

extension ToldStanding {
    /// How a licence differs from what it was told; nil where it does not.
    func difference(from shown: ShownLicense?, version: Int64) -> String? {
        guard let shown else { return standing == .active || standing == .grace ? "missing" : nil }
        if shown.isRevoked { return nil }
        if shown.version != version { return "version" }
        if shown.standing != standing { return "standing" }
        if shown.tier != tier || shown.quantity != quantity { return "terms" }
        return shown.periodEnd == periodEnd ? nil : "period_end"
    }
}
