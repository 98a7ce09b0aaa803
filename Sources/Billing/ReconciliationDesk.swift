import Foundation
import Store
import Vocabulary

/// Compares the mirror with each provider, and the licences with the mirror; repairs what differs and says what it did. What a provider tells
/// goes the way of every event; so nothing is repaired twice, and policy has its say.
struct ReconciliationDesk {
    static let kind = "billing.reconcile"
    static let comparing = KernelReason("billing.reconcile")
    /// What changed within so long may still be under way to the licence.
    static let settling = Duration.minutes(5)
    /// What time alone changes is brought about within so long, also where much waits.
    static let reviewing = Duration.hours(1)
    /// How long comparisons are kept.
    static let kept = Duration.days(90)

    struct Job: Codable {
        /// The number of the regular run; nil for one by hand.
        var slot: Int64?
    }

    let parts: BillingParts
    private var store: any Store { parts.floor.store }
    private var limit: Duration { .seconds(Int64(parts.settings[BillingSettings.providerSeconds])) }
    private var length: Int64 { Int64(parts.settings[BillingSettings.reconcileHours]) * 3_600 }

    // MARK: - By time and by hand

    /// Makes the regular run due; the same job however often it is asked for.
    func schedule(_ act: Act) async throws {
        let slot = act.now.seconds / length + 1
        try await store.kernel(ReconciliationDesk.comparing) { db in try db.enqueue(try job(slot), act) }
    }

    private func job(_ slot: Int64) throws -> NewJob {
        try NewJob(
            ReconciliationDesk.kind, key: "\(slot)", tenant: nil, payload: Job(slot: slot), runAt: Timestamp(seconds: slot * length))
    }

    /// For staff: a run as soon as may be.
    func request(_ act: Act) async throws {
        try await store.kernel(ReconciliationDesk.comparing, .flushed) { db in
            try db.enqueue(
                NewJob(
                    ReconciliationDesk.kind, key: "hand:\(act.now.seconds)", tenant: nil, payload: Job(slot: nil), runAt: act.now), act)
            try db.journal(JournalEntry("payments.reconciliation_requested", subject: "platform:billing"), act)
        }
    }

    func run(_ delivery: Delivery, _ act: Act) async throws {
        let job = try delivery.decode(Job.self)
        let act = Act(actor: .system("billing.reconcile"), requestID: act.requestID, now: act.now)
        // What is no provider's is looked for once.
        for (number, name) in await parts.providers.names().enumerated() { try await reconcile(name, act, looksForStrangers: number == 0) }
        try await store.kernel(ReconciliationDesk.comparing) { db in
            try db.settle(delivery)
            if let slot = job.slot { try db.enqueue(try self.job(max(slot, act.now.seconds / length) + 1), act) }
        }
    }

    // MARK: - One provider

    func reconcile(_ name: String, _ act: Act, looksForStrangers: Bool = false) async throws {
        guard let provider = await parts.providers.provider(name) else { return }
        let usual = act.now - .days(Int64(parts.settings[BillingSettings.reconcileDays]))
        // What nobody could compare meanwhile is compared now, however long the provider was away.
        let looked = try await store.kernelRead(ReconciliationDesk.comparing) { db -> Timestamp? in
            guard let row = try db.row(ReconciliationTable.lookedSince, name, act.now - Self.kept) else { return nil }
            return try row.optional(0, row.time)
        }
        let since = min(usual, looked ?? usual)
        let id: Reconciliation.ID = parts.floor.entropy.id(act.now)
        try await store.kernel(ReconciliationDesk.comparing) { db in
            try db.run(ReconciliationTable.begin, id, name, since, try StoredJSON.encode(ReconciliationReport()), act.now)
        }
        let walk = ReconciliationWalk(
            parts: parts, name: name, provider: provider, since: since, limit: limit, act: act, looksForStrangers: looksForStrangers)
        let report = try await walk.compare()
        try await store.kernel(ReconciliationDesk.comparing, .flushed) { db in
            let status: Reconciliation.Status = report.failure == nil ? .done : .failed
            guard try db.row(ReconciliationTable.finish, id, status.rawValue, try StoredJSON.encode(report), act.now) != nil else { return }
            let counts = ["found": Int64(report.found), "foreign": Int64(report.foreign)]
                .merging(report.compared.mapValues { Int64($0) }) { $1 }
            try db.journal(
                JournalEntry(
                    "payments.reconciled", subject: "provider:\(name)", outcome: report.failure == nil ? .success : .failed,
                    details: .object(counts.mapValues { .int($0) })), act)
            guard report.found > 0 else { return }
            try db.emit(
                MailRequested(
                    recipient: .staff, template: BillingMails.staffNotice,
                    values: [
                        "reason": "payments_differed", "provider": name, "found": String(report.found), "reconciliation": id.description,
                    ],
                    key: "billing:reconciled:\(id)"), act)
        }
        parts.floor.note(
            "Payments were compared with \(name)",
            [
                "reconciliation": id.description, "found": String(report.found), "mended": String(report.findings.filter(\.isMended).count),
                "failure": report.failure ?? "",
            ])
    }

    // MARK: - For staff

    func list(after: PageCursor?, limit: Int) async throws -> [Reconciliation] {
        let cursor = after ?? .newest
        return try await store.kernelRead(ReconciliationDesk.comparing) { db in
            try db.rows(ReconciliationTable.list, cursor.at, cursor.id, limit).map(Reconciliation.init)
        }
    }
    func find(_ id: Reconciliation.ID) async throws -> Reconciliation? {
        try await store.kernelRead(ReconciliationDesk.comparing) { try $0.row(ReconciliationTable.find, id).map(Reconciliation.init) }
    }
}
