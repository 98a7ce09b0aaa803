import Foundation
import HookEngine
import Store
import Tenancy
import Vocabulary

/// Single members who leave. Sessions, keys and seats end with the membership, whatever a policy says; what it is asked about is what stays:
/// the workstation and what was shared by name. One job for each takes it on, step by step, as for a tenant.
extension Offboarding {
    static let memberJob = "offboarding.member"
    private static let hearing = KernelReason("offboarding.member_left")
    private static let phases: [MemberLeaving.State: LeavingStep.Phase] = [.leaving: .leave, .purging: .purge]
    /// Events of so long ago were heard of.
    private static let longestUnheard = Duration.days(7)

    struct MemberJob: Codable, Sendable {
        let leaving: MemberLeaving.ID
        let tenant: TenantID
    }

    // MARK: - What others ask

    /// The workstations of former members that stay where they are. Those whose leaving nobody has heard of yet are among them.
    package static func keeps(in db: any TenantScope, tenancy: Tenancy, now: Timestamp) throws -> [WorkstationKeep] {
        let decided = try db.rows(MemberLeavingTable.keeping).map(MemberLeaving.init).map {
            WorkstationKeep(user: $0.user, isOpenToOwners: $0.state == .kept && $0.isHandedOver)
        }
        let unheard = try tenancy.departures(since: now - longestUnheard, until: now, limit: 1_000, in: db).filter {
            try db.row(MemberLeavingTable.isKnown, $0.membership, $0.at) == nil
        }
        return decided + unheard.map { WorkstationKeep(user: $0.user, isOpenToOwners: false) }
    }

    package struct MemberProgress: Sendable {
        package let leaving: MemberLeaving
        package let steps: [LeavingStep]
    }
    /// The newest first, up to one more than `limit`.
    package func memberLeavings(of tenant: TenantID, after: MemberLeaving.ID?, limit: Int) async throws -> [MemberProgress] {
        try await store.tenantRead(tenant) { db in
            try db.rows(MemberLeavingTable.page, after?.uuid.bytes ?? Array(repeating: 0xFF, count: 16), limit + 1)
                .map(MemberLeaving.init)
                .map { MemberProgress(leaving: $0, steps: try db.rows(MemberLeavingTable.steps, $0.id).map(LeavingStep.init)) }
        }
    }

    // MARK: - Hearing of it

    func memberSubscribers() -> [EventSubscriber] {
        [
            EventSubscriber(MemberAccessChanged.self, subscriber: "offboarding") { event, delivery, act in
                try await store.kernel(Self.hearing) { db in
                    try db.within(event.tenant) { db in try hear(event, db, act) }
                    try db.settle(delivery)
                }
            },
            EventSubscriber(MembershipChanged.self, subscriber: "offboarding") { event, delivery, act in
                try await store.kernel(Self.hearing) { db in
                    try db.within(event.tenant) { db in
                        guard let open = try openLeaving(of: event.user, db), try isBack(open, db, act) else { return }
                        try move(open, to: .returned, db, act)
                    }
                    try db.settle(delivery)
                }
            },
        ]
    }
    func memberJobs() -> [JobHandler] {
        [
            JobHandler(Self.memberJob) { delivery, act in
                let job = try delivery.decode(MemberJob.self)
                try await advance(
                    member: job.leaving, job.tenant, Act(actor: .system("offboarding"), requestID: act.requestID, now: act.now))
            }
        ]
    }

    private func openLeaving(of user: UserID, _ db: any TenantScope) throws -> MemberLeaving? {
        try db.row(MemberLeavingTable.openOf, user).map(MemberLeaving.init)
    }
    private func isBack(_ leaving: MemberLeaving, _ db: any TenantScope, _ act: Act) throws -> Bool {
        try tenancy.member(leaving.membership, in: db)?.membership.isActive(at: act.now) ?? false
    }

    private func hear(_ event: MemberAccessChanged, _ db: any TenantScope, _ act: Act) throws {
        guard let cause = MemberLeaving.Cause(rawValue: event.reason), try db.row(MemberLeavingTable.isPurged) == nil,
            let member = try tenancy.member(event.membership, in: db)?.membership, !member.isActive(at: act.now)
        else { return }
        // Came back and left again before anybody looked.
        if let open = try openLeaving(of: event.user, db) { try move(open, to: .returned, db, act) }
        let id: MemberLeaving.ID = floor.entropy.id(act.now)
        try db.run(
            MemberLeavingTable.insert, db.tenant, id, member.id, member.user, member.role.rawValue, cause.rawValue, act.now)
        // Ended in the transaction that told of it.
        try db.run(MemberLeavingTable.insertStep, db.tenant, id, 0, LeavingStep.Phase.leave.rawValue, "end:access", act.now, "[]")
        try db.journal(
            JournalEntry(
                "member_leaving.begun", subject: "membership:\(member.id)",
                details: ["user": .string(member.user.description), "cause": .string(cause.rawValue)]), act)
        try memberLater(id, at: act.now, "", db, act)
    }

    /// In nobody's name, as that of a tenant.
    private func memberLater(_ id: MemberLeaving.ID, at moment: Timestamp, _ step: String, _ db: any TenantScope, _ act: Act) throws {
        try db.enqueue(
            try NewJob(
                Self.memberJob, key: "\(id):\(moment.microseconds):\(step)", tenant: nil,
                payload: MemberJob(leaving: id, tenant: db.tenant),
                runAt: moment), act)
    }

    /// Along the declared life only, from the state that was seen.
    private func move(
        _ leaving: MemberLeaving, to: MemberLeaving.State, _ db: any TenantScope, _ act: Act, details: [String: JSONValue] = [:],
        decision: DecisionID? = nil
    ) throws {
        guard let transition = memberLeavingLifecycle.transition(from: leaving.state, to: to),
            try db.row(MemberLeavingTable.move, leaving.id, to.rawValue, leaving.state.rawValue, act.now) != nil
        else { throw OffboardingProblems.stateWrong.with(["state": .string(leaving.state.rawValue)]) }
        try db.journal(
            JournalEntry(
                "member_leaving.\(transition.past)", subject: "membership:\(leaving.membership)", details: .object(details),
                decision: decision), act)
    }

    // MARK: - Step by step

    /// Takes one member's leaving as far as it goes now.
    package func advance(member id: MemberLeaving.ID, _ tenant: TenantID, _ act: Act) async throws {
        while true {
            let seen = try await store.tenantRead(tenant) { db in
                // A tenant that was purged meanwhile took it along.
                try db.row(MemberLeavingTable.find, id).map(MemberLeaving.init).map { leaving in
                    (
                        leaving, try db.rows(MemberLeavingTable.steps, id).map(LeavingStep.init), try isBack(leaving, db, act),
                        try db.row(OffboardingTable.isHeld) != nil
                    )
                }
            }
            guard let (leaving, steps, isBack, isHeld) = seen, !memberLeavingLifecycle.isFinal(leaving.state) else { return }
            if isBack { return try await store.tenant(tenant) { db in try move(leaving, to: .returned, db, act) } }
            if let next = steps.first(where: { $0.doneAt == nil && Self.phases[leaving.state] == $0.phase }) {
                if next.phase == .purge, isHeld { return try await memberWait(leaving, .days(1), tenant, act) }
                guard try await take(next, leaving, tenant, act) else { return try await memberWait(leaving, .minutes(1), tenant, act) }
                try await store.tenant(tenant) { db in try db.run(MemberLeavingTable.finish, id, next.place, act.now) }
                continue
            }
            switch leaving.state {
            case .ended: try await decide(leaving, isHeld: isHeld, tenant, act)
            case .leaving:
                let next: MemberLeaving.State = leaving.keptUntil == nil ? .over : .kept
                try await store.tenant(tenant) { db in try move(leaving, to: next, db, act) }
                // Handed over from here on.
                if next == .kept { try await work().estate.review(tenant, act) }
            case .kept:
                let until = leaving.keptUntil ?? act.now
                guard act.now >= until else { return try await memberWait(leaving, until - act.now, tenant, act) }
                guard try await mayPurge(leaving, isHeld: isHeld, tenant, act) else {
                    return try await memberWait(leaving, .days(1), tenant, act)
                }
            case .purging: try await store.tenant(tenant) { db in try move(leaving, to: .over, db, act) }
            case .over, .returned: return
            }
        }
    }
    private func memberWait(_ leaving: MemberLeaving, _ time: Duration, _ tenant: TenantID, _ act: Act) async throws {
        try await store.tenant(tenant) { db in try memberLater(leaving.id, at: act.now + time, leaving.state.rawValue, db, act) }
    }

    /// False where it is not done yet.
    private func take(_ step: LeavingStep, _ leaving: MemberLeaving, _ tenant: TenantID, _ act: Act) async throws -> Bool {
        let estate = work().estate
        switch step.name {
        case "end:shares": try await estate.unshare(leaving.membership, in: tenant, act)
        case "sleep:workstation": return try await estate.sleep(leaving.user, in: tenant, act)
        case "purge:workstation": try await estate.review(tenant, act)
        default: break  // a step of another program: there is nothing of it here
        }
        return true
    }

    private func decide(_ leaving: MemberLeaving, isHeld: Bool, _ tenant: TenantID, _ act: Act) async throws {
        let hasWorkstation = try await work().estate.hasWorkstation(leaving.user, in: tenant)
        let plan =
            leaving.cause == .erased
            ? nil : try await ask(.periodEnd, leaving, hasWorkstation: hasWorkstation, isHeld: isHeld, tenant, act)
        let actions = plan?.actions ?? [PlannedAction("end_shares")]
        let days = actions.first { $0.name == "keep_workstation" }?.fields["days"]?.int ?? 0
        let until = hasWorkstation ? leaving.endedAt + .days(min(max(days, 0), 365)) : nil
        let isHandedOver = until.map { $0 > act.now } == true && actions.contains { $0.name == "hand_over" }
        var names = actions.contains { $0.name == "end_shares" } ? ["end:shares"] : []
        if until != nil { names.append("sleep:workstation") }
        let steps = names
        try await store.tenant(tenant, .flushed) { db in
            try db.run(MemberLeavingTable.decide, leaving.id, until, isHandedOver)
            let details: [String: JSONValue] = [
                "kept_until": until.map { .string($0.iso8601) } ?? .null, "is_handed_over": .bool(isHandedOver),
            ]
            try move(leaving, to: .leaving, db, act, details: details, decision: plan?.decision)
            try insertSteps(steps, .leave, leaving, db)
            if let plan { try carry(plan, leaving, until, db, act) }
        }
    }

    /// False where it waits: a hold stands, or the policy has not said to purge.
    private func mayPurge(_ leaving: MemberLeaving, isHeld: Bool, _ tenant: TenantID, _ act: Act) async throws -> Bool {
        var plan: Plan?
        if leaving.cause != .erased {
            let asked = try await ask(.retentionOver, leaving, hasWorkstation: true, isHeld: isHeld, tenant, act)
            guard !isHeld, asked.actions.contains(where: { $0.name == "purge_data" }) else {
                try await store.tenant(tenant) { db in try carry(asked, leaving, nil, db, act) }
                return false
            }
            plan = asked
        }
        guard !isHeld else { return false }
        let decision = plan?.decision
        return try await store.tenant(tenant, .flushed) { db in
            // Read again: a hold may have been placed while the policy thought.
            guard try db.row(OffboardingTable.isHeld) == nil else { return false }
            try move(leaving, to: .purging, db, act, decision: decision)
            try insertSteps(["purge:workstation"], .purge, leaving, db)
            return true
        }
    }

    private func insertSteps(_ names: [String], _ phase: LeavingStep.Phase, _ leaving: MemberLeaving, _ db: any TenantScope) throws {
        let first = try db.rows(MemberLeavingTable.steps, leaving.id).count
        for (index, name) in names.enumerated() {
            try db.run(MemberLeavingTable.insertStep, db.tenant, leaving.id, first + index, phase.rawValue, name, Timestamp?.none, "[]")
        }
    }

    // MARK: - Asking and telling

    /// A policy that fails lets nothing more happen: access is over all the same, the job comes again, and staff sees it.
    private func ask(
        _ stage: OnOffboard.Stage, _ leaving: MemberLeaving, hasWorkstation: Bool, isHeld: Bool, _ tenant: TenantID, _ act: Act
    ) async throws -> Plan {
        let question = LeaverQuestion(floor: floor, contract: contract, tenant: tenant)
        return try await question.ask(stage, isHeld: isHeld, act) { input in
            (input.user, input.role, input.isLastOwner) = (leaving.user.description, leaving.role, false)
            (input.cause, input.hasWorkstation) = (leaving.cause.rawValue, hasWorkstation)
        }
    }

    /// Mails to the owners and notices to staff, once for each leaving.
    private func carry(_ plan: Plan, _ leaving: MemberLeaving, _ until: Timestamp?, _ db: any TenantScope, _ act: Act) throws {
        for action in plan.actions {
            switch action.name {
            case "send_mail":
                guard let template = action.fields["template"]?.string else { continue }
                var values = ["role": leaving.role]
                if let until { values["until"] = until.iso8601 }
                try db.emit(
                    MailRequested(
                        recipient: .owners(db.tenant), template: template, values: values, key: "\(template):\(leaving.id)"), act)
            case "notify_staff":
                let reason = action.fields["reason"]?.string ?? "offboarding"
                try db.emit(
                    MailRequested(
                        recipient: .staff, template: "staff_notice",
                        values: ["reason": reason, "tenant": db.tenant.description, "membership": leaving.membership.description],
                        key: "staff:\(reason):\(leaving.id)"), act)
            default: continue
            }
        }
    }
}
