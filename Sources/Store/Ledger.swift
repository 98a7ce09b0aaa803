import Foundation
import Vocabulary

/// What every ledger of one store shares.
package struct LedgerContext: Sendable {
    package let clock: any Clock
    package let entropy: any Entropy
    package let sealer: any Sealer
    /// Topic → rooms that listen.
    let topics: [String: [String]]

    package init(clock: any Clock, entropy: any Entropy, sealer: any Sealer, topics: [String: [String]]) {
        self.clock = clock
        self.entropy = entropy
        self.sealer = sealer
        self.topics = topics
    }
    /// A name for a new segment of journals.
    package func segment() -> UUID {
        let id: Identifier<Never> = entropy.id(clock.now())
        return id.uuid
    }
}

/// A driver's connection, as the furniture uses it: within the transaction of the scope, by statements of the driver's own.
package protocol LedgerConnection: AnyObject {
    func trusted(_ sql: SQL, _ arguments: [any SQLBindable]) throws -> [Row]
    /// Which segment of each journal this connection writes, and its last entries.
    var segment: UUID { get }
    var heads: JournalHeads { get set }
    /// A job was made due since the last commit.
    var hasNewJobs: Bool { get set }
}

/// The furniture of one scope, in the driver's own statements and in the scope's transaction.
package final class Ledger: ScopeLedger {
    private let connection: any LedgerConnection
    private let context: LedgerContext
    /// Nil in kernel scope.
    let tenant: TenantID?
    package var isOver = false

    package init(_ connection: any LedgerConnection, _ context: LedgerContext, tenant: TenantID?) {
        self.connection = connection
        self.context = context
        self.tenant = tenant
    }

    @discardableResult func rows(_ sql: SQL, _ arguments: any SQLBindable...) throws -> [Row] {
        if isOver { throw StoreFault.scopeEnded }
        return try connection.trusted(sql, arguments)
    }

    func newRound(_ now: Timestamp) -> JournalRound.ID { context.entropy.id(now) }

    // MARK: - Journal

    package func journal(_ entry: JournalEntry, _ act: Act, tenant other: TenantID?) throws {
        if let tenant, let other, other != tenant { throw StoreFault.outOfScope(name: "journal", message: "the journal of another tenant") }
        let owner = (tenant ?? other)?.uuid ?? JournalRecord.platform
        let details = try JournalJSON.text(entry.details)
        guard details.utf8.count <= 65_536 else { throw StoreFault.refused(name: "journal", constraint: "details are longer than 64 KiB") }
        let head = connection.heads[owner]
        if head == nil { try rows(JournalTable.openSegment, owner, connection.segment, act.now) }
        var record = JournalRecord(
            tenant: owner, segment: connection.segment, seq: (head?.seq ?? 0) + 1, previous: head?.hash ?? JournalRecord.genesis,
            at: act.now,
            actor: act.actor.label, requestID: act.requestID, origin: try origin(of: act), action: entry.action, subject: entry.subject,
            outcome: entry.outcome.rawValue, decision: entry.decision?.uuid, details: details)
        record.hash = StoreDigest.sha256(record.canonical)
        try rows(
            JournalTable.append, record.tenant, record.segment, record.seq, record.previous, record.at, record.actor, record.requestID,
            record.origin, record.action, record.subject, record.outcome, record.decision, record.details, record.hash)
        connection.heads.advance(owner, to: JournalHeads.Head(seq: record.seq, hash: record.hash))
    }

    /// The address is personal: sealed for the person who acts, else for the platform.
    private func origin(of act: Act) throws -> [UInt8]? {
        guard let address = act.address else { return nil }
        if case .user(let user, _) = act.actor {
            return try context.sealer.seal(Array(address.utf8), person: user, context: "journal.origin")
        }
        return try context.sealer.seal(Array(address.utf8), context: "journal.origin")
    }

    // MARK: - Events and jobs

    package func emit(topic: String, payload: Data, _ act: Act) throws {
        for subscriber in context.topics[topic] ?? [] {
            let id: Identifier<Never> = context.entropy.id(act.now)
            try insert(id.uuid, EventSubscriber.kind(topic: topic, subscriber: subscriber), id.description, tenant, payload, act.now, act)
        }
    }

    package func enqueue(_ job: NewJob, _ act: Act) throws {
        if let tenant, job.tenant != nil, job.tenant != tenant {
            throw StoreFault.outOfScope(name: "enqueue", message: "a job of another tenant")
        }
        let id: Identifier<Never> = context.entropy.id(act.now)
        try insert(id.uuid, job.kind, job.key, job.tenant, job.payload, job.runAt, act)
    }

    private func insert(_ id: UUID, _ kind: String, _ key: String, _ tenant: TenantID?, _ payload: Data, _ runAt: Timestamp, _ act: Act)
        throws
    {
        try rows(
            JobTable.enqueue, id, kind, key, tenant, payload, runAt, act.requestID, act.now,
            // What is put off is a story of its own: a job that makes the next of its kind would make one trace without an end.
            runAt > act.now ? nil : TraceContext.current?.traceparent)
        connection.hasNewJobs = true
    }

    package func settle(_ delivery: Delivery) throws {
        guard try !rows(JobTable.settle, delivery.id, delivery.leaseToken, context.clock.now()).isEmpty else {
            throw StoreFault.leaseLost(kind: delivery.kind, key: delivery.key)
        }
    }

    func kernelOnly(_ what: String) throws {
        if tenant != nil { throw StoreFault.outOfScope(name: what, message: "only in kernel scope") }
    }

    package func claim(_ claim: JobClaim) throws -> [LeasedJob] {
        try kernelOnly("claim")
        let kinds = claim.kinds.list
        try rows(JobTable.reclaim, claim.now, claim.maxAttempts, kinds)
        let token: Identifier<Never> = context.entropy.id(claim.now)
        return try rows(JobTable.claim, token, claim.leaseUntil, claim.now, kinds, claim.limit)
            .sorted { (try $0.integer(7), try $0.blob(0).hex) < (try $1.integer(7), try $1.blob(0).hex) }
            .map { row in
                LeasedJob(
                    delivery: Delivery(
                        id: try row.uuid(0), kind: try row.text(1), key: try row.text(2), tenant: try row.optional(3, row.id),
                        payload: Data(try row.blob(4)), attempt: try row.int(5), leaseToken: token.uuid), requestID: try row.text(6),
                    trace: try row.optional(8, row.text).flatMap { TraceContext(traceparent: $0) })
            }
    }

    package func takeOver(now: Timestamp, maxAttempts: Int) throws {
        try kernelOnly("takeOver")
        try rows(JobTable.takeOver, now, maxAttempts)
        connection.hasNewJobs = true
    }

    package func postpone(_ delivery: Delivery, until runAt: Timestamp, reason: String) throws -> Bool {
        try kernelOnly("postpone")
        return try !rows(JobTable.postpone, delivery.id, delivery.leaseToken, runAt, reason).isEmpty
    }

    package func bury(_ delivery: Delivery, reason: String, now: Timestamp) throws -> Bool {
        try kernelOnly("bury")
        return try !rows(JobTable.bury, delivery.id, delivery.leaseToken, now, reason).isEmpty
    }

    package func nextDue(kinds: JobKinds) throws -> Timestamp? {
        try kernelOnly("nextDue")
        return try rows(JobTable.nextDue, kinds.list).first.flatMap { try $0.optional(0, $0.time) }
    }

    package func deadJobs(limit: Int) throws -> [DeadJob] {
        try kernelOnly("deadJobs")
        return try rows(JobTable.dead, limit).map { row in
            DeadJob(
                id: try row.uuid(0), kind: try row.text(1), key: try row.text(2), tenant: try row.optional(3, row.id),
                attempts: try row.int(4), reason: try row.optional(5, row.text) ?? "", diedAt: try row.time(6))
        }
    }

    package func backlog() throws -> [JobBacklog] {
        try kernelOnly("backlog")
        return try rows(JobTable.backlog).map { row in
            JobBacklog(
                kind: try row.text(0), due: try row.int(1), leased: try row.int(2), dead: try row.int(3),
                oldestDue: try row.optional(4, row.time))
        }
    }

    package func revive(_ id: UUID, now: Timestamp) throws -> Bool {
        try kernelOnly("revive")
        connection.hasNewJobs = true
        return try !rows(JobTable.revive, id, now).isEmpty
    }

    package func forget(jobsOf tenant: TenantID, limit: Int) throws -> Int {
        try kernelOnly("forget")
        return try rows(JobTable.forgetTenant, tenant, limit).count
    }

    package func sweep(doneBefore: Timestamp, now: Timestamp, limit: Int) throws -> Int {
        try kernelOnly("sweep")
        return try rows(JobTable.purgeDone, doneBefore, limit).count + rows(IdempotencyTable.purge, now, limit).count
    }

    // MARK: - Idempotency

    static let idempotencyLife = Duration.hours(24)

    private func rowKey(_ claim: IdempotencyClaim) -> [UInt8] {
        context.sealer.digest(Array("\(claim.scope.utf8.count):\(claim.scope)\(claim.key)".utf8), purpose: "idempotency.row")
    }

    package func recall(_ claim: IdempotencyClaim) throws -> Data? {
        let id = rowKey(claim)
        guard let row = try rows(IdempotencyTable.find, id, context.clock.now()).first else { return nil }
        guard try row.blob(0) == claim.fingerprint else { throw CommonProblems.idempotencyKeyReused }
        return Data(try KeyedBox(claim, sealer: context.sealer).open(try row.blob(1), bound: id + claim.fingerprint))
    }

    package func remember(_ claim: IdempotencyClaim, _ result: Data, _ act: Act) throws {
        let id = rowKey(claim)
        let box = try KeyedBox(claim, sealer: context.sealer)
            .seal([UInt8](result), bound: id + claim.fingerprint, nonce: context.entropy.bytes(KeyedBox.nonceBytes))
        try rows(IdempotencyTable.keep, id, claim.fingerprint, box, act.now + Ledger.idempotencyLife)
    }
}

extension [UInt8] {
    fileprivate var hex: String { map { $0 < 16 ? "0" + String($0, radix: 16) : String($0, radix: 16) }.joined() }
}
