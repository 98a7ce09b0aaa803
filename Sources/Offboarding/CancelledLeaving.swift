import HookEngine
import Store
import Tenancy
import Vocabulary

/// A tenant whose last subscription was cancelled leaves when what is paid for is over, or when a policy says. It is planned as soon as that is
/// known, called off when something goes on after all, and looked at once more in the transaction that begins it.
extension Offboarding {
    static let reviewJob = "offboarding.review"
    /// How often news may come between while a policy thinks, before the job comes again.
    private static let mostTurns = 5

    struct Review: Codable, Sendable { let tenant: TenantID }

    func reviewJobs() -> [JobHandler] {
        [
            JobHandler(Self.reviewJob) { delivery, act in
                try await review(
                    try delivery.decode(Review.self).tenant, Act(actor: .system("offboarding"), requestID: act.requestID, now: act.now))
            }
        ]
    }
    static func reviewLater(_ key: String, at moment: Timestamp, _ db: any TenantScope, _ act: Act) throws {
        try db.enqueue(
            try NewJob(reviewJob, key: key, tenant: db.tenant, payload: Review(tenant: db.tenant), runAt: moment), act)
    }

    // MARK: - What is known

    func prospect(in db: any TenantScope, now: Timestamp) throws -> LeavingProspect {
        let latest = try db.row(OffboardingTable.latest).map(LeavingTenant.init)
        let outlook = try contract.outlook(in: db, now: now)
        var answer = EndingAnswer()
        if case .ends(let ending) = outlook, let row = try db.row(OffboardingTable.lapse, ending.subscription) {
            answer = EndingAnswer(wentOn: try row.optional(2, row.integer), answered: try row.optional(3, row.integer))
        }
        return LeavingProspect(
            latest: latest, isReturning: try latest.map { try isReturning($0, db) } ?? false, outlook: outlook, answer: answer)
    }

    /// One that came back is back once every room says so.
    func isReturning(_ last: LeavingTenant, _ db: any TenantScope) throws -> Bool {
        guard last.state == .reactivated else { return false }
        return try db.rows(OffboardingTable.steps, last.id).map(LeavingStep.init).contains { $0.phase == .restore && $0.doneAt == nil }
    }

    /// An owner said that the tenant stays, or came back: the end that is known now is answered, and lets nobody leave any more.
    func keepAnswer(_ db: any TenantScope, _ act: Act) throws {
        guard case .ends(let ending) = try contract.outlook(in: db, now: act.now) else { return }
        if try db.row(OffboardingTable.lapse, ending.subscription) == nil {
            // Its news is under way, and newer than this.
            try db.run(OffboardingTable.insertLapse, db.tenant, ending.subscription, Int64(0), Timestamp?.none)
        }
        try db.run(OffboardingTable.answered, ending.subscription, ending.version)
    }

    // MARK: - What follows

    /// Brings what is planned to what is known. However late or often it runs, it ends the same.
    package func review(_ tenant: TenantID, _ act: Act) async throws {
        guard let status = try await tenancy.tenant(tenant)?.status, [.active, .suspended, .closing].contains(status) else { return }
        for _ in 0..<Self.mostTurns {
            let turn = try await store.tenantRead(tenant) { db in try prospect(in: db, now: act.now).turn(now: act.now) }
            switch turn {
            case .nothing: return
            case .plan(let ending): if try await plan(ending, tenant, act) { return }
            default:
                let isSettled = try await store.tenant(tenant, .flushed) { db in
                    let prospect = try prospect(in: db, now: act.now)
                    let turn = prospect.turn(now: act.now)
                    if case .plan = turn { return false }
                    try settle(turn, prospect, db, act)
                    return true
                }
                if isSettled { return }
            }
        }
        throw CommonProblems.unavailable
    }

    /// What needs no policy, in the transaction that looked.
    func settle(_ turn: LeavingProspect.Turn, _ prospect: LeavingProspect, _ db: any TenantScope, _ act: Act) throws {
        switch (turn, prospect.latest) {
        case (.shift(let end), let planned?): try shift(planned, to: end, db, act)
        case (.callOff, let planned?): try callOff(planned, db, act)
        case (.begin, let planned?): try Self.advanceLater(planned.id, db.tenant, at: act.now, after: "review", db, act)
        case (.comeBack, let left?):
            try comeBack(left, db, act)
            try mailOwners(template: "offboarding_called_off", left.id, [:], db, act)
        case (.lookAgain(let time), _):
            let moment = act.now + time
            try Self.reviewLater("again:\(db.tenant):\(moment.seconds / 60)", at: moment, db, act)
            if let planned = prospect.latest, planned.isPlannedByItself, planned.leavesAt <= act.now {
                try Self.advanceLater(planned.id, db.tenant, at: moment, db, act)
            }
        default: break
        }
    }

    /// False where something else became known while the policy was asked.
    private func plan(_ ending: ContractEnding, _ tenant: TenantID, _ act: Act) async throws -> Bool {
        let standing = try await contract.standing(tenant, now: act.now)
        let plan = try await ask(LeavingQuestion(.requested, ending.reason, .cancelled), standing, tenant, act)
        let when = LeavingWhen(plan)
        guard when != .never else { return true }
        let id: LeavingTenant.ID = floor.entropy.id(act.now)
        let offer = LeavingTenant.Offer(in: plan)
        let wanted = when == .now ? act.now : ending.at
        let leaves = max(wanted, offer == nil ? act.now : act.now + offerTime)
        let isPlanned = try await store.tenant(tenant, .flushed) { db in
            guard try prospect(in: db, now: act.now).turn(now: act.now) == .plan(ending) else { return false }
            let wish = LeavingWish(id: id, reason: ending.reason, cause: .cancelled, offer: offer, wantedAt: wanted, leavesAt: leaves)
            try insert(wish, isEarly: when == .now, db, act)
            try note(
                "offboarding.planned", id,
                ["subscription": .string(ending.subscription.description), "leaves_at": .string(leaves.iso8601)], plan, db, act)
            try tell(.requested, id, until: leaves, db, act)
            try mailPlan(id, leaves, offer, db, act)
            try carry(plan, id, ["leaves_at": leaves.iso8601], db, act)
            try Self.advanceLater(id, tenant, at: leaves, db, act)
            return true
        }
        if isPlanned, leaves <= act.now { await hurry(id, tenant, act) }
        return isPlanned
    }

    private func shift(_ planned: LeavingTenant, to end: Timestamp, _ db: any TenantScope, _ act: Act) throws {
        let offered = planned.state == .offered ? planned.askedAt + offerTime : act.now
        let leaves = max(end, offered, act.now)
        try db.run(OffboardingTable.shift, planned.id, end, leaves, act.now)
        try note("offboarding.moved", planned.id, ["leaves_at": .string(leaves.iso8601)], nil, db, act)
        if leaves > planned.leavesAt + LeavingProspect.slack || leaves + LeavingProspect.slack < planned.leavesAt {
            try tell(.requested, planned.id, until: leaves, db, act)
            try mailPlan(planned.id, leaves, planned.state == .offered ? planned.offer : nil, db, act)
        }
        try Self.advanceLater(planned.id, db.tenant, at: leaves, after: "moved", db, act)
    }

    func callOff(_ planned: LeavingTenant, _ db: any TenantScope, _ act: Act) throws {
        try move(planned.id, planned.state, to: .withdrawn, ["called_off": "something_goes_on"], db, act)
        try db.run(OffboardingTable.callOff, planned.id, act.now)
        try tell(.withdrawn, planned.id, until: nil, db, act)
        try mailOwners(template: "offboarding_called_off", planned.id, [:], db, act)
    }

    var offerTime: Duration { .days(Int64(floor.settings[OffboardingSettings.offerDays])) }

    /// Owners hear what happens when, whatever a policy's plan says: nobody is to be surprised by it.
    private func mailPlan(
        _ id: LeavingTenant.ID, _ leaves: Timestamp, _ offer: LeavingTenant.Offer?, _ db: any TenantScope, _ act: Act
    ) throws {
        let back = leaves + .days(Int64(floor.settings[OffboardingSettings.retentionDays]))
        let values = ["leaves_at": leaves.iso8601, "can_return_until": back.iso8601]
        let about = ":\(leaves.seconds)"
        if offer == nil {
            try mailOwners(template: "offboarding_planned", id, values, about: about, db, act)
        } else {
            try mailOwners(template: "offboarding_offered", id, values, about: about, db, act)
        }
    }
}

/// What `on_offboard` says to a cancelled subscription: where a plan names several, the nearest.
enum LeavingWhen: String, CaseIterable {
    case now
    case periodEnd = "period_end"
    case never

    init(_ plan: Plan) {
        let said = plan.actions.filter { $0.name == "leave" }.compactMap { $0.fields["when"]?.string.flatMap(LeavingWhen.init(rawValue:)) }
        self = Self.allCases.first(where: said.contains) ?? .periodEnd
    }
}

extension LeavingTenant.Offer {
    init?(in plan: Plan) {
        guard let action = plan.actions.first(where: { $0.name == "offer" }) else { return nil }
        self.init(kind: action.fields["kind"]?.string ?? "", discountBasisPoints: action.fields["discount_basis_points"]?.int)
    }
}

/// A way out that is about to be written down.
struct LeavingWish {
    var id: LeavingTenant.ID
    var reason: LeavingTenant.Reason
    var cause: LeavingTenant.Cause
    var offer: LeavingTenant.Offer?
    var wantedAt: Timestamp
    var leavesAt: Timestamp
    var feedback: [UInt8]?
    var askedBy: UserID?
}
