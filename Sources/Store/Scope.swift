import Foundation
import Vocabulary

/// Whether what a task reads may lag behind what was committed, by no more than the operator said: then a standby may answer, where there is
/// one. For lists and reports that a person looks at; never for what decides, and never for what is remembered.
package enum ReadLag {
    @TaskLocal package static var isAllowed = false
    package static func allowed<Value>(_ work: () async throws -> Value) async rethrows -> Value {
        try await $isAllowed.withValue(true) { try await work() }
    }
    /// Inside what may lag: this may not.
    package static func refused<Value>(_ work: () async throws -> Value) async rethrows -> Value {
        guard isAllowed else { return try await work() }
        return try await $isAllowed.withValue(false) { try await work() }
    }
}

/// With which writes of tenants a kernel-scope write does not run side by side, where a store runs several: what waits before it looks has
/// nothing to undo. A store of one writer needs none. Around the call of the store alone.
package enum WriteLanes: Sendable {
    /// Beside no other write of this tenant that takes its lane: its tenant-scope writes do.
    case alone(TenantID)
    /// Beside each other, and beside none that is alone.
    case beside([TenantID])

    @TaskLocal package static var wanted: WriteLanes?
    package func take<Value>(_ work: () async throws -> Value) async rethrows -> Value {
        try await Self.$wanted.withValue(self) { try await work() }
    }
}

/// What both scopes can do inside one transaction. A scope ends with its closure; later use throws `StoreFault.scopeEnded`.
package protocol SQLScope: AnyObject {
    /// Runs a statement and gives every row.
    @discardableResult func rows(_ sql: SQL, _ arguments: [any SQLBindable]) throws -> [Row]
    /// Everything that this transaction must leave beside its change.
    var ledger: any ScopeLedger { get }
}

extension SQLScope {
    @discardableResult package func rows(_ sql: SQL, _ arguments: any SQLBindable...) throws -> [Row] { try rows(sql, arguments) }
    /// The first row, or nil.
    package func row(_ sql: SQL, _ arguments: any SQLBindable...) throws -> Row? { try rows(sql, arguments).first }
    /// Runs a statement for its effect. Use RETURNING and `rows` where the number of changed rows matters.
    package func run(_ sql: SQL, _ arguments: any SQLBindable...) throws { _ = try rows(sql, arguments) }

    // The furniture of every transaction: effect and record commit together.

    /// Appends to the journal of `tenant` (its own, in tenant scope).
    package func journal(_ entry: JournalEntry, _ act: Act, tenant: TenantID? = nil) throws {
        try ledger.journal(entry, act, tenant: tenant)
    }
    /// Tells the rooms to the right, after the commit, at least once.
    package func emit<Event: PlatformEvent>(_ event: Event, _ act: Act) throws {
        try ledger.emit(topic: Event.topic, payload: JSONCoding.encode(event), act)
    }
    /// Makes a job due; a job with the same kind and key is left as it is.
    package func enqueue(_ job: NewJob, _ act: Act) throws { try ledger.enqueue(job, act) }
    /// Marks a delivered event or job as done in this very transaction.
    package func settle(_ delivery: Delivery) throws { try ledger.settle(delivery) }
    /// The stored result of this Idempotency-Key, or what `body` does and gives; stored in this transaction.
    /// Throws `CommonProblems.idempotencyKeyReused` if the key came with another request.
    package func once<Result: Codable>(_ act: Act, _ body: () throws -> Result) throws -> Result {
        guard let claim = act.idempotency else { return try body() }
        if let stored = try ledger.recall(claim) { return try JSONCoding.decode(Result.self, stored) }
        let result = try body()
        try ledger.remember(claim, JSONCoding.encode(result), act)
        return result
    }
}

/// Sees and changes one tenant's rows only. Table names mean that tenant's rows.
package protocol TenantScope: SQLScope {
    var tenant: TenantID { get }
}

/// Sees everything: routing, staff pages, sweeps. Tenant tables carry the suffix `_all` here: `seat_lease_all`.
package protocol KernelScope: SQLScope {
    var reason: KernelReason { get }
    /// The same transaction, narrowed to one tenant's rows for the length of `body`.
    func within<Value>(_ tenant: TenantID, _ body: (any TenantScope) throws -> Value) throws -> Value
}

/// Why unscoped code runs; each use is a literal that the reference lists.
package struct KernelReason: Sendable, Hashable {
    package let name: String
    package init(_ name: String) { self.name = name }
}

/// How hard a commit must land. `.written` survives the death of the process, `.flushed` that of the machine.
package enum Durability: Sendable { case written, flushed }

package protocol Store: Sendable {
    /// One write transaction in the tenant's scope. Throwing rolls back. The closure runs on the writer's thread: no waiting in it.
    /// Its only effect is on the database: it runs again when something else undid the transaction that it shared.
    func tenant<Value: Sendable>(
        _ id: TenantID, _ durability: Durability, _ body: @escaping @Sendable (any TenantScope) throws -> Value
    ) async throws -> Value
    /// One consistent snapshot, read only.
    func tenantRead<Value: Sendable>(_ id: TenantID, _ body: @escaping @Sendable (any TenantScope) throws -> Value) async throws -> Value
    func kernel<Value: Sendable>(
        _ reason: KernelReason, _ durability: Durability, _ body: @escaping @Sendable (any KernelScope) throws -> Value
    ) async throws -> Value
    func kernelRead<Value: Sendable>(
        _ reason: KernelReason, _ body: @escaping @Sendable (any KernelScope) throws -> Value
    ) async throws -> Value
    /// Raised after each commit that made a job due. One per store.
    var jobSignal: JobSignal { get }
}

extension Store {
    package func tenant<Value: Sendable>(
        _ id: TenantID, _ body: @escaping @Sendable (any TenantScope) throws -> Value
    ) async throws -> Value { try await tenant(id, .written, body) }
    package func kernel<Value: Sendable>(
        _ reason: KernelReason, _ body: @escaping @Sendable (any KernelScope) throws -> Value
    ) async throws -> Value { try await kernel(reason, .written, body) }

    /// The result that this Idempotency-Key already has, to be looked up before any policy or provider is asked.
    package func recalled<Result: Codable & Sendable>(_ act: Act, as type: Result.Type) async throws -> Result? {
        guard let claim = act.idempotency else { return nil }
        return try await kernelRead(KernelReason("idempotency.recall")) { db in
            try db.ledger.recall(claim).map { try JSONCoding.decode(Result.self, $0) }
        }
    }
}

/// What a driver does for the furniture of `SQLScope`; rooms use the methods of `SQLScope` instead.
package protocol ScopeLedger: JobLedger, JournalLedger {
    func journal(_ entry: JournalEntry, _ act: Act, tenant: TenantID?) throws
    func emit(topic: String, payload: Data, _ act: Act) throws
    func enqueue(_ job: NewJob, _ act: Act) throws
    func settle(_ delivery: Delivery) throws
    func recall(_ claim: IdempotencyClaim) throws -> Data?
    func remember(_ claim: IdempotencyClaim, _ result: Data, _ act: Act) throws
}

/// One line of the audit log: who did what to what, with what outcome. Holds ids, never personal data or secrets.
package struct JournalEntry: Sendable, Hashable, Codable {
    package enum Outcome: String, Codable, Sendable { case success, denied, failed }
    /// `license.issued`, `session.login_failed`: noun and past verb.
    package var action: String
    /// `license:018f…`
    package var subject: String
    package var outcome: Outcome
    package var details: JSONValue
    /// The decision that allowed or refused it, where a policy was asked.
    package var decision: DecisionID?
    package init(_ action: String, subject: String, outcome: Outcome = .success, details: JSONValue = [:], decision: DecisionID? = nil) {
        self.action = action
        self.subject = subject
        self.outcome = outcome
        self.details = details
        self.decision = decision
    }
}

package struct NewJob: Sendable {
    /// `billing.review_standing`
    package var kind: String
    /// A second job of this kind with this key is the same job while the first is not done.
    package var key: String
    package var tenant: TenantID?
    package var payload: Data
    package var runAt: Timestamp
    package init<Payload: Encodable>(_ kind: String, key: String, tenant: TenantID?, payload: Payload, runAt: Timestamp) throws {
        self.kind = kind
        self.key = key
        self.tenant = tenant
        self.payload = try JSONCoding.encode(payload)
        self.runAt = runAt
    }
    /// The same once more, as it was encoded.
    package init(_ kind: String, key: String, tenant: TenantID?, encoded: Data, runAt: Timestamp) {
        self.kind = kind
        self.key = key
        self.tenant = tenant
        payload = encoded
        self.runAt = runAt
    }
}

/// One leased attempt at a job or an event.
package struct Delivery: Sendable {
    package let id: UUID
    package let kind: String
    package let key: String
    package let tenant: TenantID?
    package let payload: Data
    /// 1 for the first attempt.
    package let attempt: Int
    /// Whose lease: an attempt that lost its lease settles nothing.
    package let leaseToken: UUID
    package init(id: UUID, kind: String, key: String, tenant: TenantID?, payload: Data, attempt: Int, leaseToken: UUID) {
        self.id = id
        self.kind = kind
        self.key = key
        self.tenant = tenant
        self.payload = payload
        self.attempt = attempt
        self.leaseToken = leaseToken
    }
    package func decode<Payload: Decodable>(_ type: Payload.Type) throws -> Payload { try JSONCoding.decode(type, payload) }
}

/// Does one kind of job. Settle the delivery inside the transaction that holds its effect (`db.settle(delivery)`); a handler that
/// returns without having settled is settled by the runner. Throwing means: again later, with back-off.
package struct JobHandler: Sendable {
    package let kind: String
    package let run: @Sendable (Delivery, Act) async throws -> Void
    package init(_ kind: String, run: @escaping @Sendable (Delivery, Act) async throws -> Void) {
        self.kind = kind
        self.run = run
    }
}

/// Hears of one topic; each subscriber has its own delivery, retried by itself.
package struct EventSubscriber: Sendable {
    package let topic: String
    /// `licensing`: the room that listens.
    package let subscriber: String
    package var run: @Sendable (Delivery, Act) async throws -> Void
    package init<Event: PlatformEvent>(
        _ event: Event.Type, subscriber: String, run: @escaping @Sendable (Event, Delivery, Act) async throws -> Void
    ) {
        self.topic = Event.topic
        self.subscriber = subscriber
        self.run = { delivery, act in try await run(try delivery.decode(Event.self), delivery, act) }
    }
}

/// Throw from a handler when trying again cannot help: the job is kept as dead with this reason and staff is told.
package struct PermanentFailure: Error, Sendable {
    package let reason: String
    package init(_ reason: String) { self.reason = reason }
}

/// JSON as the house stores it: sorted keys, ISO 8601 times, snake_case by the types themselves.
package enum JSONCoding {
    package static func encode<Value: Encodable>(_ value: Value) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(value)
    }
    package static func decode<Value: Decodable>(_ type: Value.Type, _ data: Data) throws -> Value {
        try JSONDecoder().decode(type, from: data)
    }
}

/// Seals personal fields and secrets. The driver and every room get one from Composition.
package protocol Sealer: Sendable {
    /// Authenticated encryption; `context` binds the box to its place: `user.email:<id>`.
    func seal(_ plain: [UInt8], context: String) throws -> [UInt8]
    func open(_ box: [UInt8], context: String) throws -> [UInt8]
    /// Under a key of this person, kept outside the database; destroying that key erases the fields.
    func seal(_ plain: [UInt8], person: UserID, context: String) throws -> [UInt8]
    func open(_ box: [UInt8], person: UserID, context: String) throws -> [UInt8]
    /// Throws away the key of a person who was never stored, so that none is left over. Not for erasing: the id may get a new key.
    func discard(person: UserID) throws
    /// Destroys the person's key for good: what was sealed under it opens nowhere any more, and nothing can be sealed for the person again.
    func destroy(person: UserID) throws
    /// A keyed hash (HMAC-SHA-256) for looking things up without keeping them: mail addresses, licence keys, tokens.
    func digest(_ plain: [UInt8], purpose: String) -> [UInt8]
}

/// One migration file of one room.
package struct Migration: Sendable {
    package let room: String
    /// `0001_create_seat_lease`
    package let name: String
    package let sql: String
    package init(room: String, name: String, sql: String) {
        self.room = room
        self.name = name
        self.sql = sql
    }
    /// Every `NNNN_*.sql` in a room's folder of migrations, in order.
    package static func all(room: String, bundle: Bundle, folder: String = "Migrations") throws -> [Migration] {
        guard let folder = bundle.resourceURL?.appendingPathComponent(folder) else { return [] }
        return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .filter { $0.pathExtension == "sql" }
            .sorted { $0.lastPathComponent < $1.lastPathComponent }
            .map {
                Migration(room: room, name: $0.deletingPathExtension().lastPathComponent, sql: try String(contentsOf: $0, encoding: .utf8))
            }
    }
}
