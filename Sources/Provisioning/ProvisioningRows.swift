import Foundation
import Store
import Vocabulary

/// What is set up for a tenant.
struct ProvisionHome: Sendable, Hashable {
    var tier: String?
    var isLive = false
    var isClosed = false
    var namespace: String?
    /// Of all workstations together; nil: no limit was set.
    var diskBytes: Int64?
    /// What each member's workstation is like; nil: there are none.
    var size: WorkstationSizing?
    var keyID: APIKeyID?
    var keyOwner: UserID?
    var keyBox: [UInt8]?
    /// 0: not stored.
    var version: Int64 = 0
}

/// What a failed plan puts back.
struct HomeBefore: Codable {
    var tier: String?
    var namespace: String?
    var diskBytes: Int64?
    var size: WorkstationSizing?
    var key: String?
}

package enum PlanMark {}

/// One plan of `on_provision`, worked off step by step.
package struct SetupPlan: Sendable, Hashable {
    package typealias ID = Identifier<PlanMark>
    package enum State: String, LifecycleState { case running, undoing, done, failed }
    package enum Cause: String, Sendable, CaseIterable { case purchased, changed, restored }
    package struct Step: Sendable, Hashable {
        package enum State: String, Sendable, CaseIterable { case waiting, done, failed, undone }
        package let number: Int
        package let action: String
        package let fields: JSONValue
        package let state: State
        package let at: Timestamp?
    }
    package let id: ID
    let tenant: TenantID
    package let cause: Cause
    package let tier: String
    package let state: State
    package let decision: DecisionID
    package let note: String
    let before: String
    package let createdAt: Timestamp
    package let finishedAt: Timestamp?
}

/// The life of a plan.
package let setupPlanLifecycle = Lifecycle<SetupPlan.State>(
    "Provisioning plan", "What is set up for a tenant, as `on_provision` says.", initial: [.running],
    [
        Transition("finish", "done", from: [.running], to: .done, by: [.kernel], why: "every step is done"),
        Transition("undo", "undoing", from: [.running], to: .undoing, by: [.kernel], why: "a step cannot be done"),
        Transition("fail", "failed", from: [.undoing], to: .failed, by: [.kernel], why: "everything that it made is taken back"),
    ])

enum StoredText {
    static func of<Value: Encodable>(_ value: Value) throws -> String { String(decoding: try JSONCoding.encode(value), as: UTF8.self) }
    static func read<Value: Decodable>(_ type: Value.Type, _ text: String) throws -> Value {
        try JSONCoding.decode(type, Data(text.utf8))
    }
    static func known<Value>(_ value: Value?) throws -> Value {
        guard let value else { throw StoreFault.corrupt("provisioning: a word that this program does not know") }
        return value
    }
}

/// The room's rows in one transaction of one tenant.
struct ProvisioningBooks {
    let db: any TenantScope
    let act: Act

    func home() throws -> ProvisionHome? {
        guard let row = try db.row(ProvisioningTable.home) else { return nil }
        return ProvisionHome(
            tier: try row.optional(0, row.text), isLive: try row.bool(1), isClosed: try row.bool(2),
            namespace: try row.optional(3, row.text),
            diskBytes: try row.optional(4, row.integer),
            size: try row.optional(5, row.text).map { try StoredText.read(WorkstationSizing.self, $0) },
            keyID: try row.optional(6) { try row.id($0) }, keyOwner: try row.optional(7) { try row.id($0) },
            keyBox: try row.optional(8, row.blob), version: try row.integer(9))
    }
    func save(_ home: ProvisionHome) throws {
        let size = try home.size.map(StoredText.of)
        if home.version == 0 {
            try db.run(
                ProvisioningTable.found, db.tenant, home.tier, home.isLive, home.isClosed, home.namespace, home.diskBytes, size, home.keyID,
                home.keyOwner, home.keyBox)
        } else {
            let saved = try db.row(
                ProvisioningTable.furnish, home.tier, home.isLive, home.isClosed, home.namespace, home.diskBytes, size, home.keyID,
                home.keyOwner, home.keyBox, home.version)
            guard saved != nil else { throw StoreFault.corrupt("provisioning: a home changed under its own transaction") }
        }
    }

    func plan(_ id: SetupPlan.ID) throws -> SetupPlan? { try db.row(ProvisioningTable.plan, id).map(plan) }
    func latestPlan() throws -> SetupPlan? { try db.row(ProvisioningTable.latest).map(plan) }
    func hasOpenPlan() throws -> Bool { try db.row(ProvisioningTable.open) != nil }
    func steps(of plan: SetupPlan.ID) throws -> [SetupPlan.Step] {
        try db.rows(ProvisioningTable.steps, plan).map { row in
            SetupPlan.Step(
                number: try row.int(0), action: try row.text(1), fields: try StoredText.read(JSONValue.self, try row.text(2)),
                state: try StoredText.known(SetupPlan.Step.State(rawValue: try row.text(3))), at: try row.optional(4, row.time))
        }
    }
    private func plan(_ row: Row) throws -> SetupPlan {
        SetupPlan(
            id: try row.id(0), tenant: db.tenant, cause: try StoredText.known(SetupPlan.Cause(rawValue: try row.text(1))),
            tier: try row.text(2),
            state: try StoredText.known(SetupPlan.State(rawValue: try row.text(3))), decision: try row.id(4), note: try row.text(5),
            before: try row.text(6), createdAt: try row.time(7), finishedAt: try row.optional(8, row.time))
    }

    // MARK: Workstations

    func workstation(_ id: Workstation.ID) throws -> Workstation? { try db.row(ProvisioningTable.one, id).map(workstation) }
    func workstation(of user: UserID) throws -> Workstation? { try db.row(ProvisioningTable.ofUser, user).map(workstation) }
    func workstations(after: Workstation.ID? = nil, limit: Int = 100_000) throws -> [Workstation] {
        try db.rows(ProvisioningTable.page, after?.uuid.bytes ?? [], limit).map(workstation)
    }
    private func workstation(_ row: Row) throws -> Workstation {
        var one = Workstation(
            id: try row.id(0), tenant: db.tenant, user: try row.id(1),
            state: try StoredText.known(Workstation.State(rawValue: try row.text(2))),
            wish: try StoredText.known(Workstation.Wish(rawValue: try row.text(3))),
            size: try StoredText.read(WorkstationSizing.self, try row.text(4)),
            made: try row.optional(5, row.text).map { try StoredText.read(WorkstationSizing.self, $0) },
            work: try row.optional(6, row.text).map { try StoredText.known(Workstation.Work(rawValue: $0)) },
            activeAt: try row.time(15), createdAt: try row.time(19), changedAt: try row.time(20))
        one.beganAt = try row.optional(7, row.time)
        one.step = try row.int(8)
        one.attempt = try row.int(9)
        one.isUnknown = try row.bool(10)
        one.nextAt = try row.optional(11, row.time)
        one.note = try row.text(12)
        one.address = try row.optional(13, row.text)
        one.credential = try row.optional(14, row.text)
        one.turn = try row.integer(16)
        one.busyUntil = try row.time(17)
        one.busyBy = try row.optional(18, row.blob)
        return one
    }

    func request(_ one: Workstation) throws {
        try db.run(
            ProvisioningTable.request, db.tenant, one.id, one.user, one.state.rawValue, one.wish.rawValue, try StoredText.of(one.size),
            one.note, one.createdAt)
        try journal(one, "requested")
        try wake(one)
    }

    /// Writes it, tells the journal of a change of state, and sees to it that its work goes on.
    func save(_ one: Workstation, before: Workstation) throws {
        var one = one
        one.turn += 1
        try write(one)
        if one.state != before.state {
            let past = workstationLifecycle.transition(from: before.state, to: one.state)?.past ?? one.state.rawValue
            try journal(one, past)
        }
        if one.state == .running, before.state != .running { try db.enqueue(try WorkstationDesk.idleJob(one), act) }
        try wake(one)
    }
    func write(_ one: Workstation) throws {
        let saved = try db.row(
            ProvisioningTable.save, one.id, one.state.rawValue, one.wish.rawValue, try StoredText.of(one.size),
            try one.made.map(StoredText.of), one.work?.rawValue, one.beganAt, one.step, one.attempt, one.isUnknown, one.nextAt, one.note,
            one.address, one.credential, one.activeAt, one.turn, one.busyUntil, one.busyBy, one.changedAt)
        guard saved != nil else { throw CommonProblems.notFound }
    }
    private func wake(_ one: Workstation) throws {
        guard one.hasMore else { return }
        try db.enqueue(try WorkstationDesk.job(one, at: max(act.now, one.nextAt ?? act.now)), act)
    }
    private func journal(_ one: Workstation, _ past: String) throws {
        var details: [String: JSONValue] = ["user": .string(one.user.description), "state": .string(one.state.rawValue)]
        if !one.note.isEmpty { details["note"] = .string(one.note) }
        try db.journal(
            JournalEntry(
                "workstation.\(past)", subject: "workstation:\(one.id)", outcome: one.state == .failed ? .failed : .success,
                details: .object(details)), act)
    }
}
