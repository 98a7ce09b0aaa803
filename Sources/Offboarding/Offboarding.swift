import Foundation
import HookEngine
import Signing
import Store
import Tenancy
import Vocabulary

package enum OffboardingRoom {
    package static func migrations() throws -> [Migration] { try Migration.all(room: "offboarding", bundle: .module) }
}

/// What a tenant has bought, as far as leaving goes by it; Composition asks Billing.
package protocol LeavingContract: Sendable {
    /// Nil tier: nothing bought. `lapsedSince`: no subscription entitles to anything, since then.
    func standing(_ tenant: TenantID, now: Timestamp) async throws -> ContractStanding
    /// Whether anything goes on, read in the caller's own transaction.
    func outlook(in db: any TenantScope, now: Timestamp) throws -> ContractOutlook
    /// The customer takes the offer and stays. False where a person has to do it.
    func take(_ offer: LeavingTenant.Offer, _ tenant: TenantID, _ act: Act) async throws -> Bool
}
package struct ContractStanding: Sendable, Hashable {
    package var tier: String?
    package var paidUntil: Timestamp?
    package var ageDays: Int
    /// Something was bought, and nothing of it entitles to anything now.
    package var isLapsed: Bool
    /// Something is agreed with the tenant apart from what it buys.
    package var isBound: Bool
    package init(tier: String?, paidUntil: Timestamp?, ageDays: Int, isLapsed: Bool, isBound: Bool = false) {
        self.tier = tier
        self.paidUntil = paidUntil
        self.ageDays = ageDays
        self.isLapsed = isLapsed
        self.isBound = isBound
    }
}

/// What is done with a tenant, handed over by Composition.
package struct LeavingWork: Sendable {
    /// From left to right; purged from right to left.
    package let steps: [any ClosureStep]
    /// Takes what was deleted out of the store's files; false where only its administrator can.
    package let scrub: @Sendable () async throws -> Bool
    package var export: ExportWork
    /// Of single members who leave.
    package let estate: any LeaverEstate
    package init(
        steps: [any ClosureStep], export: ExportWork, estate: any LeaverEstate, scrub: @escaping @Sendable () async throws -> Bool
    ) {
        self.steps = steps
        self.export = export
        self.estate = estate
        self.scrub = scrub
    }
}

/// Lets tenants leave, come back while everything is kept, and be deleted with a proof. Each step is a row, done once it says when.
package struct Offboarding: Sendable {
    let floor: RoomFloor
    let tenancy: Tenancy
    let contract: any LeavingContract
    package var work: @Sendable () -> LeavingWork

    package init(
        _ floor: RoomFloor, tenancy: Tenancy, contract: any LeavingContract, work: @escaping @Sendable () -> LeavingWork
    ) {
        self.floor = floor
        self.tenancy = tenancy
        self.contract = contract
        self.work = work
    }
    var store: any Store { floor.store }

    /// An offboarding as its owner sees it.
    package struct Progress: Sendable {
        package let offboarding: LeavingTenant
        package let steps: [LeavingStep]
        package let isHeld: Bool
    }

    package func progress(of tenant: TenantID) async throws -> Progress? {
        try await store.tenantRead(tenant) { db in try Self.progress(in: db) }
    }
    static func progress(in db: any TenantScope) throws -> Progress? {
        guard let offboarding = try db.row(OffboardingTable.latest).map(LeavingTenant.init) else { return nil }
        return Progress(
            offboarding: offboarding, steps: try db.rows(OffboardingTable.steps, offboarding.id).map(LeavingStep.init),
            isHeld: try db.row(OffboardingTable.isHeld) != nil)
    }
    static func find(_ id: LeavingTenant.ID, in db: any TenantScope) throws -> LeavingTenant {
        guard let row = try db.row(OffboardingTable.find, id) else { throw CommonProblems.notFound }
        return try LeavingTenant(row)
    }

    // MARK: - Asking to leave

    package struct Request: Sendable {
        package var reason: LeavingTenant.Reason
        package var feedback: String?
        /// Else at the end of what is paid.
        package var isNow: Bool
        var cause = LeavingTenant.Cause.asked
        package init(reason: LeavingTenant.Reason, feedback: String?, isNow: Bool) {
            self.reason = reason
            self.feedback = feedback
            self.isNow = isNow
        }
    }
    private struct Begun: Codable, Sendable { let id: LeavingTenant.ID }

    /// The tenant wants to leave. A policy may offer something to stay first; what is wanted happens all the same unless the offer is taken.
    package func request(_ wish: Request, tenant: TenantID, by user: UserID?, _ act: Act) async throws -> Progress {
        if let known = try await store.recalled(act, as: Begun.self) { return try await shown(known.id, tenant) }
        let contract = try await contract.standing(tenant, now: act.now)
        let plan = try await ask(LeavingQuestion(.requested, wish.reason, wish.cause, user: user), contract, tenant, act)
        let id: LeavingTenant.ID = floor.entropy.id(act.now)
        let wanted = wish.isNow ? act.now : max(act.now, contract.paidUntil ?? act.now)
        let offer = LeavingTenant.Offer(in: plan)
        let leaves = offer == nil ? wanted : max(wanted, act.now + offerTime)
        let box = try wish.feedback.map { try floor.sealer.seal(Array($0.utf8), context: "offboarding.feedback:\(id)") }
        let begun = try await store.kernel(Self.asking, .flushed) { db in
            try db.within(tenant) { db in
                try db.once(act) {
                    if let last = try db.row(OffboardingTable.latest).map(LeavingTenant.init) {
                        if user != nil, last.isPlannedByItself {
                            // What its owners ask for takes the place of what was planned for them.
                            try move(last.id, last.state, to: .withdrawn, ["replaced_by": .string(id.description)], db, act)
                        } else if try !last.state.isOver || isReturning(last, db) {
                            throw OffboardingProblems.alreadyLeaving
                        }
                    }
                    let written = LeavingWish(
                        id: id, reason: wish.reason, cause: wish.cause, offer: offer, wantedAt: wanted, leavesAt: leaves, feedback: box,
                        askedBy: user)
                    try insert(written, isEarly: false, db, act)
                    try note(
                        "offboarding.requested", id,
                        ["reason": .string(wish.reason.rawValue), "leaves_at": .string(leaves.iso8601)], plan, db, act)
                    try tell(.requested, id, until: leaves, db, act)
                    try carry(plan, id, ["leaves_at": leaves.iso8601], db, act)
                    try Self.advanceLater(id, tenant, at: leaves, db, act)
                    return Begun(id: id)
                }
            }
        }
        return try await shown(begun.id, tenant)
    }
    private static let asking = KernelReason("offboarding.request")

    func insert(_ wish: LeavingWish, isEarly: Bool, _ db: any TenantScope, _ act: Act) throws {
        try db.run(
            OffboardingTable.insert, db.tenant, wish.id, (wish.offer == nil ? LeavingTenant.State.scheduled : .offered).rawValue,
            wish.reason.rawValue, wish.feedback, wish.askedBy,
            try wish.offer.map { String(decoding: try JSONCoding.encode($0), as: UTF8.self) }, wish.wantedAt, wish.leavesAt,
            floor.settings[OffboardingSettings.retentionDays], act.now, wish.cause.rawValue, isEarly)
    }

    /// Takes the offer and stays, or refuses it and leaves as wanted.
    package func answer(_ isTaken: Bool, tenant: TenantID, by user: UserID, _ act: Act) async throws -> Progress {
        guard let open = try await progress(of: tenant)?.offboarding, open.state == .offered, let offer = open.offer else {
            throw OffboardingProblems.noOffer
        }
        guard isTaken else {
            let contract = try await contract.standing(tenant, now: act.now)
            let question = LeavingQuestion(.requested, open.reason, open.cause, user: user, hasRefused: true)
            let plan = try await ask(question, contract, tenant, act)
            let leaves = max(open.wantedAt, act.now)
            try await store.tenant(tenant, .flushed) { db in
                try move(open.id, .offered, to: .scheduled, ["offer": .string(offer.kind)], db, act, decision: plan.decision)
                try db.run(OffboardingTable.reschedule, open.id, leaves, act.now)
                try carry(plan, open.id, ["leaves_at": leaves.iso8601], db, act)
                try Self.advanceLater(open.id, tenant, at: leaves, db, act)
            }
            await hurry(open.id, tenant, act)
            return try await shown(open.id, tenant)
        }
        let isDone = try await contract.take(offer, tenant, act)
        try await store.tenant(tenant, .flushed) { db in
            try move(open.id, .offered, to: .withdrawn, ["offer_taken": .string(offer.kind), "by_itself": .bool(isDone)], db, act)
            try keepAnswer(db, act)
            try tell(.withdrawn, open.id, until: nil, db, act)
            if !isDone { try noticeStaff("offer_taken_\(offer.kind)", open.id, db, act) }
        }
        return try await shown(open.id, tenant)
    }

    /// Stays after all, as long as nothing has happened yet.
    package func withdraw(tenant: TenantID, _ act: Act) async throws -> Progress {
        guard let open = try await progress(of: tenant)?.offboarding, !open.state.isOver else { throw OffboardingProblems.notLeaving }
        guard open.state == .offered || open.state == .scheduled else {
            throw OffboardingProblems.stateWrong.with(["state": .string(open.state.rawValue)])
        }
        try await store.tenant(tenant, .flushed) { db in
            try move(open.id, open.state, to: .withdrawn, [:], db, act)
            try keepAnswer(db, act)
            try tell(.withdrawn, open.id, until: nil, db, act)
        }
        return try await shown(open.id, tenant)
    }

    /// Comes back with everything that is kept. What a payment provider ended has to be bought anew.
    package func reactivate(tenant: TenantID, _ act: Act) async throws -> Progress {
        guard let open = try await progress(of: tenant)?.offboarding, open.state != .withdrawn, open.state != .reactivated else {
            throw OffboardingProblems.notLeaving
        }
        guard open.state == .retained else {
            throw OffboardingProblems.stateWrong.with(["state": .string(open.state.rawValue)])
        }
        try await store.tenant(tenant, .flushed) { db in
            try comeBack(open, db, act)
            try keepAnswer(db, act)
        }
        await hurry(open.id, tenant, act)
        return try await shown(open.id, tenant)
    }

    func comeBack(_ left: LeavingTenant, _ db: any TenantScope, _ act: Act) throws {
        try move(left.id, left.state, to: .reactivated, [:], db, act)
        try insertSteps(["open"] + work().steps.map { "restore:\($0.name)" }, .restore, left.id, db)
        try lapseAfresh(db, act)
        try tell(.reactivated, left.id, until: nil, db, act)
        try Self.advanceLater(left.id, db.tenant, at: act.now, db, act)
    }

    func shown(_ id: LeavingTenant.ID, _ tenant: TenantID) async throws -> Progress {
        guard let progress = try await progress(of: tenant) else { throw OffboardingProblems.notLeaving }
        return progress
    }
}
