import HookEngine
import Store
import Tenancy
import Vocabulary

/// What `on_offboard` is asked about a member of this tenant.
struct LeaverQuestion {
    let floor: RoomFloor
    let contract: any LeavingContract
    let tenant: TenantID

    /// Throws `HookFailure`.
    func ask(_ stage: OnOffboard.Stage, isHeld: Bool, _ act: Act, _ fill: (inout OnOffboard.Input) -> Void) async throws -> Plan {
        let contract = try await contract.standing(tenant, now: act.now)
        var input = OnOffboard.Input(
            subject: "member", stage: stage, user: "", role: "", isLastOwner: false, reason: LeavingTenant.Reason.other.rawValue,
            tier: contract.tier, customerAgeDays: min(contract.ageDays, 100_000), hasLegalHold: isHeld, hasRefusedOffer: false)
        fill(&input)
        let subject = HookSubject(tenant: tenant, tier: contract.tier, requestID: act.requestID, now: act.now, asksTenant: false)
        return try await floor.hooks.plan(OnOffboard.self, input, subject)
    }
}

/// How long a member who asks to leave stays yet. A policy may give notice, never keep anybody: where it fails, or says nothing, the member goes now.
package struct MemberNotice: Sendable {
    let floor: RoomFloor
    let tenancy: Tenancy
    let contract: any LeavingContract
    package init(_ floor: RoomFloor, tenancy: Tenancy, contract: any LeavingContract) {
        self.floor = floor
        self.tenancy = tenancy
        self.contract = contract
    }

    /// Nil: now.
    package func end(of member: Membership, _ act: Act) async throws -> Timestamp? {
        let isHeld = try await floor.store.tenantRead(member.tenant) { db in try db.row(OffboardingTable.isHeld) != nil }
        let owners = try await tenancy.owners(of: member.tenant)
        let question = LeaverQuestion(floor: floor, contract: contract, tenant: member.tenant)
        let plan: Plan
        do {
            plan = try await question.ask(.requested, isHeld: isHeld, act) { input in
                (input.user, input.role) = (member.user.description, member.role.rawValue)
                input.isLastOwner = owners == [member.user]
            }
        } catch is HookFailure { return nil }
        let days = plan.actions.first { $0.name == "end_membership" }?.fields["after_days"]?.int ?? 0
        return days > 0 ? act.now + .days(min(days, 90)) : nil
    }
}
