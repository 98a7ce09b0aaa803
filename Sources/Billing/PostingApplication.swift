import HookEngine
import Store
import Vocabulary

extension PaymentPosting {
    /// One transaction: whoever takes the event out of `received` does everything that follows from it; anybody else does nothing.
    func apply(
        _ event: PaymentEvent, _ news: PaymentNews, _ tenant: TenantID, _ plan: PaymentPlanRecord?, _ delivery: Delivery, _ act: Act
    ) async throws {
        try await parts.floor.store.kernel(PaymentPosting.applying, .flushed) { db in
            let isFirst =
                try db.row(InboxTable.finish, event.id, PaymentEvent.Status.applied.rawValue, tenant, nil as String?, act.now) != nil
            guard isFirst else { return try db.settle(delivery) }
            let found = try CorrectionFinding.of(event.id, db)
            try db.within(tenant) { db in
                let page = try post(event, news, plan, db, act)
                if let found { try CorrectionBooks(parts: parts, db: db, act: act).conclude(found, event, news, page) }
            }
            try PaymentPosting.link(news.links, of: news.provider, to: tenant, db, act)
            try db.settle(delivery)
        }
    }

    /// - Returns: what stood before, and stands now.
    private func post(
        _ event: PaymentEvent, _ news: PaymentNews, _ plan: PaymentPlanRecord?, _ db: any TenantScope, _ act: Act
    ) throws -> MirrorBooks.Page {
        let directives = plan?.directives ?? .none
        let books = MirrorBooks(db: db, provider: news.provider, now: act.now, entropy: parts.floor.entropy)
        let own = try books.own(news)
        let page = try books.page(news.mirror(directives: directives, ownReferences: own.references, intended: own.intended))
        try books.write(page)
        try PaymentTelling(books: books, act: act).tell(page)
        try DeclineBooks(db: db, provider: news.provider).keep(news)
        var standings: [String: (id: SubscriptionID, standing: Standing)] = [:]
        for subscription in page.subscriptions {
            let row = try page.rows[subscription] ?? books.row(of: subscription)
            let facts = page.after.facts(of: subscription)
            standings[subscription] = (row.id, try StandingKeeper(parts, books, act).settle(row, facts, decision: plan?.decision))
        }
        var details: [String: JSONValue] = ["provider": .string(news.provider), "type": .string(news.type?.rawValue ?? event.type)]
        if !directives.refused.isEmpty { details["refused"] = .array(directives.refused.map(JSONValue.string)) }
        try db.journal(
            JournalEntry(
                "payment_event.applied", subject: "payment_event:\(event.id)", details: .object(details), decision: plan?.decision), act)
        let isLeftBehind = try isLeftBehind(news, books)
        try tell(event, news, directives, page.after, news.subscription.flatMap { standings[$0] }, isLeftBehind, act, db)
        return page
    }

    /// The news is of a subscription that has moved on: what happens to it there concerns no owner any more.
    private func isLeftBehind(_ news: PaymentNews, _ books: MirrorBooks) throws -> Bool {
        guard let object = news.subscription,
            let row = try books.db.row(BillingTable.subscriptionByObject, books.db.tenant, news.provider, object)
        else { return false }
        let own = try SubscriptionRow(row)
        guard let line = try Lineage.of(own, books.db) else { return false }
        let standing = Standing.derive(try books.facts(of: own), terms: parts.terms(own.provider), now: books.now)
        let carrier = Lineage.carrier(try line.standings(own, standing, books, parts, now: books.now))
        return carrier.map { $0.row.id != own.id && line.members.firstIndex { $0.id == own.id } ?? 0 < line.members.count - 1 } ?? false
    }

    private func tell(
        _ event: PaymentEvent, _ news: PaymentNews, _ directives: PaymentDirectives, _ mirror: Mirror,
        _ about: (id: SubscriptionID, standing: Standing)?, _ isLeftBehind: Bool, _ act: Act, _ db: any TenantScope
    ) throws {
        let mails = BillingMails(db: db, act: act)
        var values: [String: String] = [:]
        if let standing = about?.standing {
            values["tier"] = parts.catalog[standing.tier]?.name ?? standing.tier
            values["quantity"] = String(standing.quantity)
            if let end = standing.periodEnd { values["period_end"] = end.iso8601 }
            if let end = standing.graceUntil { values["grace_until"] = end.iso8601 }
            if let end = standing.cancelsAt { values["cancels_at"] = end.iso8601 }
        }
        if let amount = news.amount { values["amount"] = amount.display }
        if !news.isStale(in: mirror), !isLeftBehind {
            var isTold = false
            for template in directives.mails { isTold = try mails.send(template, about: news.subject, values) || isTold }
            // Who hears of the failure hears of its end.
            if isTold, news.type == .paymentFailed, let id = about?.id { try mails.mark(.failed, id) }
        }
        for reason in directives.notices {
            try mails.notifyStaff(reason, about: news.subject, ["event": event.id.description, "provider": news.provider])
        }
    }

    // MARK: - What is not applied

    func finish(_ event: PaymentEvent, _ status: PaymentEvent.Status, _ reason: String, _ delivery: Delivery, _ act: Act) async throws {
        try await parts.floor.store.kernel(PaymentPosting.applying, .flushed) { db in
            if try db.row(InboxTable.finish, event.id, status.rawValue, event.tenant, reason, act.now) != nil, status == .refused {
                try db.journal(
                    JournalEntry(
                        "payment_event.refused", subject: "payment_event:\(event.id)", outcome: .denied,
                        details: ["provider": .string(event.provider), "type": .string(event.type), "reason": .string(reason)]), act)
                try BillingMails.notifyStaff("event_refused", event, db, act)
            }
            try db.settle(delivery)
        }
    }

    /// Keeps the event queued, however often it fails: first after seconds, at last once an hour. Staff is told at the first time.
    func later(_ event: PaymentEvent, _ reason: String, _ delivery: Delivery, _ act: Act) async throws {
        try await parts.floor.store.kernel(PaymentPosting.applying, .flushed) { db in
            if let row = try db.row(InboxTable.fail, event.id, String(reason.prefix(500))) {
                let failures = try row.int(1)
                let wait = Backoff(first: .seconds(10), cap: .hours(1)).delay(attempt: failures, jitter: 0)
                try db.enqueue(PaymentPosting.job(event.id, round: try row.int(0), runAt: act.now + wait), act)
                if failures == 1 { try BillingMails.notifyStaff("event_waits", event, db, act) }
            }
            try db.settle(delivery)
        }
    }
}

extension PaymentNews {
    /// News of a failure that has been paid meanwhile: nobody wants a mail about it.
    func isStale(in mirror: Mirror) -> Bool {
        guard type == .paymentFailed else { return false }
        return facts.allSatisfy { fact in
            guard case .invoice(let fact) = fact else { return true }
            return fact.isPaid || mirror.invoices[fact.invoice]?.isPaid ?? false
        }
    }

    /// What no provider may say; nil for sound news.
    var fault: String? {
        for fact in facts {
            let names: [String?]
            let times: [Timestamp?]
            var quantity = 1
            switch fact {
            case .checkout(let fact):
                names = [fact.session, fact.reference, fact.customer, fact.subscription]
                times = [fact.asOf]
            case .subscription(let fact):
                names = [fact.subscription, fact.reference, fact.customer, fact.providerPrice]
                times = [fact.asOf, fact.periodStart, fact.periodEnd, fact.trialEnd, fact.cancelsAt, fact.endedAt]
                quantity = fact.quantity
            case .invoice(let fact):
                names = [fact.invoice, fact.subscription, fact.customer, fact.payment]
                times = [fact.asOf, fact.periodStart, fact.periodEnd, fact.nextAttemptAt]
            case .refund(let fact):
                names = [fact.refund, fact.subscription, fact.customer, fact.payment]
                times = [fact.asOf]
            case .dispute(let fact):
                names = [fact.dispute, fact.subscription, fact.customer, fact.payment]
                times = [fact.asOf]
            case .decline(let fact):
                names = [fact.payment, fact.invoice, fact.customer]
                times = [fact.asOf]
            @unknown default: continue
            }
            if names.contains(where: { $0.map { !PaymentInbox.isName($0) } ?? false }) {
                return "a name in it is empty, long or not printable"
            }
            if times.contains(where: { $0.map { !PaymentNews.times.contains($0) } ?? false }) { return "a time in it is impossible" }
            guard (0...1_000_000).contains(quantity) else { return "its quantity is impossible" }
        }
        return nil
    }

    /// From 2000 to 2200: what lies outside is no time of business, and no sum of it may overflow.
    static let times = Timestamp(seconds: 946_684_800)...Timestamp(seconds: 7_258_118_400)
}
