import Foundation
import Store
import Vocabulary

/// A membership and since when it stands.
package struct MemberEntry: Sendable, Hashable {
    package let membership: Membership
    package let since: Timestamp
}

/// What makes a user a member.
package struct Admission: Sendable, Hashable {
    package var user: UserID
    package var role: Role
    package var scope: [String]?
    package var endsAt: Timestamp?
    /// `invitation`, `directory`, `single_sign_on`.
    package var origin: String
    package init(user: UserID, role: Role, scope: [String]?, endsAt: Timestamp?, origin: String) {
        self.user = user
        self.role = role
        self.scope = scope
        self.endsAt = endsAt
        self.origin = origin
    }
}

extension Tenancy {
    /// One membership, active or not; nil for another tenant's.
    package func member(_ id: MembershipID, in db: any TenantScope) throws -> MemberEntry? {
        try db.row(TenantTable.member, id).map { try Self.entry($0, db.tenant) }
    }
    package func member(of user: UserID, in db: any TenantScope) throws -> MemberEntry? {
        try db.row(TenantTable.memberOfUser, user).map { try Self.entry($0, db.tenant) }
    }
    /// Active members in the order of their ids.
    package func members(after: MembershipID?, limit: Int, in db: any TenantScope, now: Timestamp) throws -> [MemberEntry] {
        try db.rows(TenantTable.memberPage, after?.uuid.bytes ?? [], now, limit).map { try Self.entry($0, db.tenant) }
    }
    package func memberCount(in db: any TenantScope, now: Timestamp) throws -> Int {
        try db.row(TenantTable.countMembers, now)?.int(0) ?? 0
    }

    /// Makes the user a member, or a former one a member again; nil where the user is an active one. The caller forgets the standing after
    /// its commit.
    package func admit(_ new: Admission, to tenant: TenantID, in db: any KernelScope, _ act: Act) throws -> Membership? {
        try Roster.check(new.role, endsAt: new.endsAt, scope: new.scope, now: act.now)
        if try db.row(TenantTable.isRouted, new.user, tenant) == nil { try db.run(TenantTable.routeMember, new.user, tenant) }
        return try db.within(tenant) { db in
            let former = try member(of: new.user, in: db)
            if let former, former.membership.isActive(at: act.now) { return nil }
            let id = former?.membership.id ?? entropy.id(act.now)
            let member = Membership(id: id, tenant: tenant, user: new.user, role: new.role, scope: new.scope, endsAt: new.endsAt)
            let scope = try new.scope.map { String(decoding: try JSONCoding.encode($0), as: UTF8.self) }
            if former == nil {
                try db.run(
                    TenantTable.insertMembership, tenant, id, new.user, new.role.rawValue, scope, new.endsAt, new.origin, act.now)
            } else {
                try db.run(
                    TenantTable.writeMembership, id, new.role.rawValue, Membership.Standing.active.rawValue, scope, new.endsAt, act.now)
            }
            try db.journal(
                JournalEntry(
                    "membership.granted", subject: "membership:\(id)",
                    details: [
                        "user": .string(new.user.description), "role": .string(new.role.rawValue), "origin": .string(new.origin),
                        "ends_at": new.endsAt.map { .string($0.iso8601) } ?? .null,
                    ]), act)
            try db.emit(MembershipChanged(tenant: tenant, user: new.user, membership: id), act)
            return member
        }
    }

    /// Gives the tenant another name.
    package func rename(_ tenant: TenantID, to name: String, _ act: Act) async throws {
        let box = try sealer.seal(Array(name.utf8), context: Self.nameContext(tenant))
        try await store.tenant(tenant) { db in
            guard try !db.rows(TenantTable.rename, box, act.now).isEmpty else { throw CommonProblems.notFound }
            try db.journal(JournalEntry("tenant.renamed", subject: "tenant:\(tenant)"), act)
        }
    }

    private static func entry(_ row: Row, _ tenant: TenantID) throws -> MemberEntry {
        MemberEntry(membership: try membership(row, tenant: tenant), since: try row.time(6))
    }
}
