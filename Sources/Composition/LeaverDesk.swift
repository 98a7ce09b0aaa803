import Offboarding
import Projects
import Provisioning
import Vocabulary

/// What a member who leaves has in the rooms, as Offboarding asks for it.
struct LeaverDesk: LeaverEstate {
    let provisioning: Provisioning
    let projects: Projects

    func hasWorkstation(_ user: UserID, in tenant: TenantID) async throws -> Bool {
        guard let one = try await provisioning.own(user, tenant)?.workstation else { return false }
        return one.state != .deleted && one.wish != .gone
    }
    func sleep(_ user: UserID, in tenant: TenantID, _ act: Act) async throws -> Bool {
        try await provisioning.review(tenant, act)
        return try await provisioning.own(user, tenant)?.workstation.isAsleep ?? true
    }
    func review(_ tenant: TenantID, _ act: Act) async throws { try await provisioning.review(tenant, act) }
    func unshare(_ member: MembershipID, in tenant: TenantID, _ act: Act) async throws {
        try await projects.unshare(member, in: tenant, act)
    }
}
