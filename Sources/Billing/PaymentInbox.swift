import Foundation
import Store
import Vocabulary

/// Takes a provider's events: proved, stored once, acknowledged. What they say is read later, by a job.
struct PaymentInbox {
    static let receiving = KernelReason("billing.receive_event")
    static let listing = KernelReason("billing.list_events")
    static let replaying = KernelReason("billing.replay_event")
    static let purging = KernelReason("billing.purge_events")
    static let purgeKind = "billing.purge_events"
    static let parkedKind = "billing.review_parked"
    static let mostPurged = 500
    /// Staff finds what an old event came to for so long, though its retention be over.
    static let keptSettled = Duration.days(1)

    struct PurgeJob: Codable { var day: Int64 }

    let parts: BillingParts
    private var store: any Store { parts.floor.store }

    package enum Receipt: Sendable, Hashable {
        case stored(PaymentEvent.ID)
        /// Known already; `isAltered` if it came with another body, of which nothing is kept.
        case repeated(PaymentEvent.ID, isAltered: Bool)
    }

    /// Throws the problem of a delivery that is not proved; otherwise the event is on disk when this returns.
    func receive(_ delivery: WebhookDelivery, provider name: String, _ act: Act) async throws -> Receipt {
        let provider = try await parts.providers.inService(name)
        let event: VerifiedEvent
        do {
            event = try await provider.verifiedApart(delivery)
        } catch {
            throw BillingProblems.ofWebhook(error)
        }
        guard PaymentInbox.isForeign(event) else { throw BillingProblems.webhookMalformed }
        let act = Act(actor: .provider(name), requestID: act.requestID, now: act.now, address: act.address)
        return try await store(event, of: name, act)
    }

    /// Stores a verified event with the job that applies it.
    /// - Parameter found: what a comparison missed of it.
    func store(_ event: VerifiedEvent, of name: String, _ act: Act, found: CorrectionFinding? = nil) async throws -> Receipt {
        let id: PaymentEvent.ID = parts.floor.entropy.id(act.now)
        let box = try parts.floor.sealer.seal([UInt8](event.body), context: PaymentInbox.context(id))
        let digest = parts.floor.sealer.digest([UInt8](event.body), purpose: "payment_event.body")
        return try await store.kernel(PaymentInbox.receiving, .flushed) { db in
            let isNew =
                try db.row(InboxTable.insert, id, name, event.id, event.type, event.createdAt, act.now, box, digest) != nil
            guard isNew else { return try repeated(name, event.id, digest, db, act) }
            try found?.note(id, db)
            try db.enqueue(PaymentPosting.job(id, round: 0, runAt: act.now), act)
            return .stored(id)
        }
    }

    private func repeated(_ provider: String, _ event: String, _ digest: [UInt8], _ db: any KernelScope, _ act: Act) throws -> Receipt {
        guard let row = try db.row(InboxTable.countDelivery, provider, event, digest) else { throw StoreFault.corrupt("payment_event") }
        let id: PaymentEvent.ID = try row.id(0)
        let isAltered = try row.bool(1)
        // Told once: a provider that keeps sending another body must not flood the journal.
        if isAltered, try row.int(2) == 1 {
            try db.journal(
                JournalEntry(
                    "payment_event.altered", subject: "payment_event:\(id)", outcome: .denied, details: ["provider": .string(provider)]),
                act)
        }
        return .repeated(id, isAltered: isAltered)
    }

    /// Named as a provider may name its events, and not as the house names its own.
    static func isForeign(_ event: VerifiedEvent) -> Bool {
        isName(event.id) && isName(event.type) && !KnownNews.isReserved(event.id) && !KnownNews.isReserved(event.type)
    }
    static func context(_ id: PaymentEvent.ID) -> String { "payment_event.body:\(id)" }
    /// Ids and types of providers: printable ASCII without blanks.
    static func isName(_ text: String) -> Bool {
        (1...255).contains(text.utf8.count) && text.utf8.allSatisfy { $0 > 32 && $0 < 127 }
    }

    // MARK: - For staff

    /// Newest first. `after` is the last event of the page before.
    func events(_ status: PaymentEvent.Status?, after: PageCursor?, limit: Int) async throws -> [PaymentEvent] {
        let cursor = after ?? .newest
        let count = min(max(limit, 1), 200)
        return try await store.kernelRead(PaymentInbox.listing) { db in
            let rows =
                if let status {
                    try db.rows(InboxTable.listByStatus, status.rawValue, cursor.at, cursor.id, count)
                } else {
                    try db.rows(InboxTable.list, cursor.at, cursor.id, count)
                }
            return try rows.map(PaymentEvent.init)
        }
    }

    func event(_ id: PaymentEvent.ID) async throws -> PaymentEvent? {
        try await store.kernelRead(PaymentInbox.listing) { try $0.row(InboxTable.find, id).map(PaymentEvent.init) }
    }

    /// Makes an event due again, whatever became of it. Its plan, where there is one, stays: nothing that it did happens twice.
    func replay(_ id: PaymentEvent.ID, _ act: Act) async throws {
        try await store.kernel(PaymentInbox.replaying, .flushed) { db in
            guard let row = try db.row(InboxTable.again, id) else { throw CommonProblems.notFound }
            let tenant: TenantID? = try row.optional(1, row.id)
            try db.run(InboxTable.endWait, id)
            try db.enqueue(PaymentPosting.job(id, round: try row.int(0), runAt: act.now), act)
            try db.journal(JournalEntry("payment_event.replayed", subject: "payment_event:\(id)"), act, tenant: tenant)
        }
    }

    // MARK: - By time

    /// Removes what is older than the retention, a bounded piece at a time, and comes back the next day.
    func purge(_ delivery: Delivery, _ act: Act) async throws {
        let job = try delivery.decode(PurgeJob.self)
        try await BillingPurge(parts: parts).run(act)
        try await store.kernel(PaymentInbox.purging) { db in
            try db.settle(delivery)
            let next = max(job.day, act.now.seconds / 86_400) + 1
            try db.enqueue(try PaymentInbox.purgeJob(day: next), act)
        }
    }

    static func purgeJob(day: Int64) throws -> NewJob {
        try NewJob(purgeKind, key: "\(day)", tenant: nil, payload: PurgeJob(day: day), runAt: Timestamp(seconds: day * 86_400))
    }

    /// Tells staff of an event that waited too long for its object.
    func reviewParked(_ delivery: Delivery, _ act: Act) async throws {
        let job = try delivery.decode(PaymentPosting.Job.self)
        try await store.kernel(PaymentPosting.parking) { db in
            if let event = try db.row(InboxTable.find, job.event).map(PaymentEvent.init), event.status == .parked {
                try BillingMails.notifyStaff("event_parked", event, db, act)
            }
            try db.settle(delivery)
        }
    }
}

/// Where a page of a list ended: the time and id of its last item.
package struct PageCursor: Sendable, Hashable {
    package let at: Timestamp
    package let id: UUID
    package init(at: Timestamp, id: UUID) {
        self.at = at
        self.id = id
    }
    static let newest = PageCursor(at: Timestamp(microseconds: .max), id: UUID(bytes: Array(repeating: 0xff, count: 16)))

    /// `<microseconds>-<uuid>`, opaque to callers.
    package var text: String { "\(at.microseconds)-\(id.canonical)" }
    package init?(_ text: String) {
        guard text.utf8.count <= 64, let dash = text.firstIndex(of: "-"), dash != text.startIndex, let at = Int64(text[..<dash]),
            let id = UUID(canonical: text[text.index(after: dash)...])
        else { return nil }
        self.init(at: Timestamp(microseconds: at), id: id)
    }
}
