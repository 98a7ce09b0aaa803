import Store
import Vocabulary

/// Somebody becomes a member because the tenant's own identity provider says who it is.
extension Tenancy {
    /// Inside the caller's transaction; the caller forgets the standing after the commit. The role is none that needs an end, and never owner.
    package func admit(
        _ user: UserID, to tenant: TenantID, as role: Role, _ membership: MembershipID, origin: String, in db: any KernelScope, _ act: Act
    ) throws {
        precondition(role != .owner && !role.needsEnd, "who is admitted by a provider is neither owner nor a member until a day")
        try db.run(TenantTable.routeMember, user, tenant)
        try db.within(tenant) { db in
            try db.run(
                TenantTable.insertMembership, db.tenant, membership, user, role.rawValue, SQLValue.null, SQLValue.null, origin, act.now)
            try db.journal(
                JournalEntry(
                    "membership.granted", subject: "membership:\(membership)",
                    details: ["user": .string(user.description), "role": .string(role.rawValue), "origin": .string(origin)]), act)
        }
    }
}
