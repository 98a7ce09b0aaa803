import Foundation
import HookEngine
import Store
import Vocabulary

/// Applies one stored event, exactly once: read what it says, find whose it is, ask `on_payment`, then let mirror, journal, events, mails
/// and jobs change in one transaction. Every step may be lost to a crash and is then done again with the same outcome.
struct PaymentPosting {
    static let kind = "billing.apply_event"
    static let reading = KernelReason("billing.read_event")
    static let planning = KernelReason("billing.keep_plan")
    static let applying = KernelReason("billing.apply_event")
    static let parking = KernelReason("billing.park_event")
    static let mostFacts = 100

    struct Job: Codable { var event: PaymentEvent.ID }

    let parts: BillingParts
    private var store: any Store { parts.floor.store }

    static func job(_ id: PaymentEvent.ID, round: Int, runAt: Timestamp) throws -> NewJob {
        try NewJob(kind, key: "\(id):\(round)", tenant: nil, payload: Job(event: id), runAt: runAt)
    }

    func run(_ delivery: Delivery, _ act: Act) async throws {
        let id = try delivery.decode(Job.self).event
        guard let (event, box) = try await stored(id), event.status == .received else { return }
        let act = Act(actor: .provider(event.provider), requestID: act.requestID, now: act.now)
        let news: PaymentNews
        do {
            news = try await read(event, box)
        } catch let refusal as Refusal {
            return try await finish(event, .refused, refusal.reason, delivery, act)
        } catch {
            return try await later(event, "reading: \(PaymentPosting.label(error))", delivery, act)
        }
        if news.readings.isEmpty { return try await finish(event, .ignored, "it says nothing that matters", delivery, act) }
        switch try await routing(news) {
        case .refused(let reason): return try await finish(event, .refused, reason, delivery, act)
        case .unroutable: return try await finish(event, .refused, "it names no object by which its tenant could be found", delivery, act)
        case .parked where news.isOnlyOfDeclines:
            return try await finish(event, .ignored, "an attempt of nobody who is known was declined", delivery, act)
        case .parked: return try await park(event, news, delivery, act)
        case .routed(let tenant):
            do {
                let plan = try await plan(event, news, tenant, act)
                try await apply(event, news, tenant, plan, delivery, act)
            } catch let failure as HookFailure {
                try await later(event, "\(failure.hook): \(failure.reason)", delivery, act)
            }
        }
    }

    private struct Refusal: Error { let reason: String }
    struct ForeignObject: Error { let kind: RouteAnchor.Kind }

    /// The kind of an error, for the record: what a plugin says in its errors may be personal.
    private static func label(_ error: any Error) -> String { String(describing: type(of: error)) }

    // MARK: - Reading

    private func stored(_ id: PaymentEvent.ID) async throws -> (PaymentEvent, [UInt8])? {
        try await store.kernelRead(PaymentPosting.reading) { db in
            try db.row(InboxTable.find, id).map { (try PaymentEvent($0), try $0.blob(15)) }
        }
    }

    private func read(_ event: PaymentEvent, _ box: [UInt8]) async throws -> PaymentNews {
        let body = try parts.floor.sealer.open(box, context: PaymentInbox.context(event.id))
        let facts: [PaymentFact]
        do {
            if event.type == KnownNews.type {
                facts = try KnownNews.facts(body)
            } else {
                let provider = try await parts.providers.inService(event.provider)
                facts = try await provider.interpretedApart(
                    VerifiedEvent(id: event.event, type: event.type, createdAt: event.occurredAt, body: Data(body)))
            }
        } catch PaymentProviderError.unreachable(let message) {
            throw PaymentProviderError.unreachable(message)
        } catch let error as PaymentProviderError {
            if case .malformed = error { throw Refusal(reason: "it is not what the provider sends") }
            throw Refusal(reason: "the plugin cannot read it")
        }
        guard facts.count <= PaymentPosting.mostFacts else {
            throw Refusal(reason: "it states more than \(PaymentPosting.mostFacts) facts")
        }
        let news = PaymentNews(provider: event.provider, event: event.event, facts: facts)
        if let fault = news.fault { throw Refusal(reason: fault) }
        return news
    }

    // MARK: - Routing

    private func routing(_ news: PaymentNews) async throws -> PaymentRouting {
        try await store.kernelRead(PaymentPosting.reading) { db in try PaymentPosting.routing(news, db) }
    }

    private static func routing(_ news: PaymentNews, _ db: any KernelScope) throws -> PaymentRouting {
        try PaymentRouting.find(news) { anchor in
            try db.row(InboxTable.route, news.provider, anchor.kind.rawValue, anchor.object).map { try $0.id(0) }
        }
    }

    /// Leaves the event until a link of its objects becomes known. If that has just happened, it is due at once.
    private func park(_ event: PaymentEvent, _ news: PaymentNews, _ delivery: Delivery, _ act: Act) async throws {
        let notice = act.now + .hours(Int64(parts.settings[BillingSettings.parkedNoticeHours]))
        try await store.kernel(PaymentPosting.parking, .flushed) { db in
            guard case .parked(let anchors) = try PaymentPosting.routing(news, db) else {
                if let row = try db.row(InboxTable.fail, event.id, "its object has just appeared") {
                    try db.enqueue(PaymentPosting.job(event.id, round: try row.int(0), runAt: act.now), act)
                }
                return try db.settle(delivery)
            }
            guard
                try db.row(
                    InboxTable.finish, event.id, PaymentEvent.Status.parked.rawValue, event.tenant, "its object is not known yet", act.now)
                    != nil
            else { return try db.settle(delivery) }
            for anchor in anchors { try db.run(InboxTable.wait, news.provider, anchor.kind.rawValue, anchor.object, event.id) }
            if news.type == .disputeOpened || news.type == .refundCreated { try BillingMails.notifyStaff("event_parked", event, db, act) }
            try db.enqueue(
                NewJob(PaymentInbox.parkedKind, key: event.id.description, tenant: nil, payload: Job(event: event.id), runAt: notice), act)
            try db.settle(delivery)
        }
    }

    /// Makes known whose the objects are, and wakes what waited for that.
    static func link(_ anchors: [RouteAnchor], of provider: String, to tenant: TenantID, _ db: any KernelScope, _ act: Act) throws {
        for anchor in anchors {
            guard try db.row(InboxTable.addRoute, provider, anchor.kind.rawValue, anchor.object, tenant, act.now) != nil else {
                let owner: TenantID? = try db.row(InboxTable.route, provider, anchor.kind.rawValue, anchor.object).map { try $0.id(0) }
                // A provider that gives one tenant the session of another is broken: nothing of it is kept.
                guard owner == tenant else { throw ForeignObject(kind: anchor.kind) }
                continue
            }
            for row in try db.rows(InboxTable.waiting, provider, anchor.kind.rawValue, anchor.object) {
                let id: PaymentEvent.ID = try row.id(0)
                try db.run(InboxTable.endWait, id)
                guard let woken = try db.row(InboxTable.wake, id) else { continue }
                try db.enqueue(job(id, round: try woken.int(1), runAt: act.now), act)
            }
        }
    }

    // MARK: - Asking

    /// The plan of this event: as it was answered, or asked for now and kept before anything follows from it.
    private func plan(_ event: PaymentEvent, _ news: PaymentNews, _ tenant: TenantID, _ act: Act) async throws -> PaymentPlanRecord? {
        if let plan = event.plan { return plan }
        guard let type = news.type else { return nil }
        let input = try await input(type, news, tenant, act)
        let subject = HookSubject(
            tenant: tenant, tier: input.subscription.flatMap { $0.tier.isEmpty ? nil : $0.tier }, requestID: act.requestID, now: act.now)
        let answer = try await parts.floor.hooks.plan(OnPayment.self, input, subject)
        let directives = PaymentDirectives.checked(
            answer.actions, of: type, defaultGraceDays: parts.settings[BillingSettings.graceDays])
        let record = PaymentPlanRecord(decision: answer.decision, policyHash: answer.policyHash, directives: directives)
        return try await store.kernel(PaymentPosting.planning) { db in
            if try db.row(InboxTable.keepPlan, event.id, try StoredJSON.encode(record), tenant) != nil { return record }
            // Another attempt was faster: its answer stands. An event that is gone is nobody's any more.
            guard let row = try db.row(InboxTable.plan, event.id) else {
                throw StoreFault.leaseLost(kind: PaymentPosting.kind, key: "\(event.id)")
            }
            return try row.optional(0, row.text).map(StoredJSON.decode)
        }
    }

    private func input(_ type: PaymentEventType, _ news: PaymentNews, _ tenant: TenantID, _ act: Act) async throws -> OnPayment.Input {
        try await store.tenant(tenant) { db in
            var input = OnPayment.Input(type: type, provider: news.provider, tenant: tenant, payment: news.amount)
            if type == .paymentFailed { input.declineReason = try DeclineBooks(db: db, provider: news.provider).reason(of: news) }
            if let first = try db.row(BillingTable.firstCheckout, db.tenant) {
                input.customerAgeDays = max(0, Int((act.now - (try first.time(0))).wholeSeconds / 86_400))
            }
            input.disputeOutcome = news.disputeOutcome
            guard let subscription = news.subscription else { return input }
            let books = MirrorBooks(db: db, provider: news.provider, now: act.now, entropy: parts.floor.entropy)
            let own = try books.own(news)
            // The row gives the subscription the id by which policies and records know it.
            let row = try books.row(of: subscription)
            let page = try books.page(news.mirror(directives: .none, ownReferences: own.references, intended: own.intended))
            let facts = page.after.facts(of: subscription)
            let standing = Standing.derive(facts, terms: parts.terms(news.provider), now: act.now)
            input.subscription = OnPayment.Input.Subscription(
                id: row.id.description, tier: standing.tier, interval: standing.interval, status: standing.state,
                quantity: standing.quantity, periodEnd: standing.periodEnd,
                failedPayments: facts.invoices.filter { !$0.isPaid }.map(\.failures.count).reduce(0, +),
                isTrial: standing.reason == .trial)
            return input
        }
    }
}
