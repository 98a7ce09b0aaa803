import Foundation
import Store
import Vocabulary

package enum TenancyRoom {
    package static func migrations() throws -> [Migration] { try Migration.all(room: "tenancy", bundle: .module) }
}

/// Tenants, who belongs to them, and the directory that routes to them.
package struct Tenancy: Sendable {
    let store: any Store
    let sealer: any Sealer
    let entropy: any Entropy
    /// Where new tenants are founded.
    package let region: Tenant.Region
    let standings: FreshCache<StandingKey, MemberStanding>
    /// What is claimed of the directory that regions share; nil where this one is alone.
    package var claims: RegionClaims?

    struct StandingKey: Hashable, Sendable {
        let tenant: TenantID
        let user: UserID
    }

    package init(store: any Store, sealer: any Sealer, entropy: any Entropy, settings: Settings) {
        self.store = store
        self.sealer = sealer
        self.entropy = entropy
        self.region = Tenant.Region(rawValue: settings[TenancySettings.region]) ?? .us
        self.standings = FreshCache(capacity: settings[TenancySettings.memberCache])
    }

    // MARK: Inside a caller's transaction

    package struct Founding: Sendable {
        package var kind: Tenant.Kind
        package var name: String
        package var owner: UserID
        package var origin: String
        package init(kind: Tenant.Kind, name: String, owner: UserID, origin: String) {
            self.kind = kind
            self.name = name
            self.owner = owner
            self.origin = origin
        }
    }

    /// Makes the tenant with its first owner; both or nothing, with the caller's own change.
    package func found(_ new: Founding, in db: any KernelScope, _ act: Act) throws -> (tenant: TenantID, membership: MembershipID) {
        let tenant: TenantID = entropy.id(act.now)
        let membership: MembershipID = entropy.id(act.now)
        let name = try sealer.seal(Array(new.name.utf8), context: Self.nameContext(tenant))
        try db.run(TenantTable.routeTenant, tenant, region.rawValue)
        try claims?.publish(tenant, in: db, act)
        try db.run(TenantTable.routeMember, new.owner, tenant)
        try db.within(tenant) { db in
            try db.run(TenantTable.insertTenant, db.tenant, new.kind.rawValue, region.rawValue, name, act.now)
            try db.run(
                TenantTable.insertMembership, db.tenant, membership, new.owner, Role.owner.rawValue, SQLValue.null, SQLValue.null,
                new.origin,
                act.now)
            try db.run(TenantTable.nameOwner, membership, act.now)
            try db.journal(
                JournalEntry(
                    "tenant.founded", subject: "tenant:\(tenant)",
                    details: ["kind": .string(new.kind.rawValue), "region": .string(region.rawValue)]), act)
            try db.journal(
                JournalEntry(
                    "membership.granted", subject: "membership:\(membership)",
                    details: [
                        "user": .string(new.owner.description), "role": .string(Role.owner.rawValue), "origin": .string(new.origin),
                    ]), act)
        }
        return (tenant, membership)
    }

    /// The user whose canonical mail address has this digest.
    package func user(mailDigest: [UInt8], in db: any KernelScope) throws -> UserID? {
        try db.row(TenantTable.findMail, mailDigest)?.id(0)
    }
    /// Throws `temporarily_unavailable` where the user's claim of the address was given up meanwhile.
    package func route(mailDigest: [UInt8], to user: UserID, in db: any KernelScope, _ act: Act) throws {
        try claims?.confirm(user, in: db, act.now)
        try db.run(TenantTable.routeMail, mailDigest, region.rawValue, user)
    }
    /// Every place of the user that is active now; the oldest tenant first.
    package func places(of user: UserID, in db: any KernelScope, now: Timestamp) throws -> [MemberStanding] {
        try db.rows(TenantTable.tenantsOf, user).compactMap { row in try standing(of: user, in: try row.id(0), db) }
            .filter { $0.isActive(at: now) }
    }
    package func standing(of user: UserID, in tenant: TenantID, _ db: any KernelScope) throws -> MemberStanding? {
        guard let row = try db.row(TenantTable.standing, tenant, user) else { return nil }
        return MemberStanding(
            membership: try Self.membership(row, tenant: tenant), tenantKind: try Self.known(Tenant.Kind(rawValue: try row.text(6))),
            tenantStatus: try Self.known(Tenant.Status(rawValue: try row.text(7))),
            addressRule: try row.optional(8, row.text).map { _ in try AddressRule(row, at: 8) })
    }
    package func owners(of tenant: TenantID, in db: any KernelScope) throws -> [UserID] {
        try db.rows(TenantTable.owners, tenant).map { try $0.id(0) }
    }
    package func tenant(_ id: TenantID, in db: any KernelScope) throws -> Tenant? {
        try db.row(TenantTable.statusOf, id).map { try tenant($0, id) }
    }
    /// The members of one tenant with the owner that it names.
    package func roster(in db: any TenantScope) throws -> Roster {
        guard let row = try db.row(TenantTable.tenant) else { throw CommonProblems.notFound }
        let members = try db.rows(TenantTable.members).map { try Self.membership($0, tenant: db.tenant) }
        return Roster(members: members, anchor: try row.id(5))
    }

    // MARK: By itself

    /// The user's place in the tenant as of now: from memory, and exactly what the store holds.
    package func standing(of user: UserID, in tenant: TenantID) async throws -> MemberStanding? {
        try await standings.value(StandingKey(tenant: tenant, user: user)) {
            try await store.kernelRead(KernelReason("tenancy.standing")) { db in try standing(of: user, in: tenant, db) }
        }
    }

    package func tenant(_ id: TenantID) async throws -> Tenant? {
        try await store.kernelRead(KernelReason("tenancy.tenant")) { db in try tenant(id, in: db) }
    }

    /// The tenants in which the user is active, with the place in each.
    package func tenants(of user: UserID, now: Timestamp) async throws -> [(tenant: Tenant, standing: MemberStanding)] {
        try await store.kernelRead(KernelReason("tenancy.tenants_of_user")) { db in
            try places(of: user, in: db, now: now).compactMap { place in
                try tenant(place.membership.tenant, in: db).map { ($0, place) }
            }
        }
    }

    package func owners(of tenant: TenantID) async throws -> [UserID] {
        try await store.kernelRead(KernelReason("tenancy.owners")) { db in try owners(of: tenant, in: db) }
    }

    /// Changes or ends a membership, by a member of `actor`'s role or, with nil, by the kernel itself.
    package func apply(_ request: Roster.Request, tenant: TenantID, by actor: Role?, _ act: Act) async throws {
        // A commit whose answer was lost must not leave an old standing behind either: forget in both cases.
        let users: [UserID]
        do {
            users = try await store.tenant(tenant) { db in try apply(request, in: db, by: actor, act) }
        } catch {
            standings.forgetAll()
            throw error
        }
        users.forEach { forget($0, in: tenant) }
    }

    /// Inside a caller's transaction: the users whose standing the caller must `forget` after its commit.
    package func apply(_ request: Roster.Request, in db: any TenantScope, by actor: Role?, _ act: Act) throws -> [UserID] {
        try roster(in: db).steps(for: request, by: actor, now: act.now).compactMap { step in try perform(step, in: db, act) }
    }
    /// After a commit that changed the user's membership: the next request reads the store.
    package func forget(_ user: UserID, in tenant: TenantID) { standings.forget(StandingKey(tenant: tenant, user: user)) }
    /// After a commit whose answer was lost.
    package func forgetAll() { standings.forgetAll() }

    /// Gives the user whose membership changed.
    private func perform(_ step: Roster.Step, in db: any TenantScope, _ act: Act) throws -> UserID? {
        switch step {
        case .moveAnchor(let heir):
            try db.run(TenantTable.nameOwner, heir, act.now)
            return nil
        case .write(let member):
            let scope = try member.scope.map { String(decoding: try JSONCoding.encode($0), as: UTF8.self) }
            try db.run(
                TenantTable.writeMembership, member.id, member.role.rawValue, member.standing.rawValue, scope, member.endsAt, act.now)
            try db.journal(
                JournalEntry(
                    member.standing == .ended ? "membership.ended" : "membership.changed", subject: "membership:\(member.id)",
                    details: ["user": .string(member.user.description), "role": .string(member.role.rawValue)]), act)
            try db.emit(MembershipChanged(tenant: db.tenant, user: member.user, membership: member.id), act)
            return member.user
        }
    }

    /// Moves a tenant from one status to another; throws `not_found` unless it is in the first.
    package func move(_ tenant: TenantID, from: Tenant.Status, to: Tenant.Status, _ act: Act) async throws {
        defer { standings.forgetAll() }
        try await store.tenant(tenant) { db in
            guard try !db.rows(TenantTable.setStatus, to.rawValue, act.now, from.rawValue).isEmpty else { throw CommonProblems.notFound }
            try db.journal(
                JournalEntry("tenant.\(to.rawValue)", subject: "tenant:\(tenant)", details: ["from": .string(from.rawValue)]), act)
        }
    }

    // MARK: Rows

    private func tenant(_ row: Row, _ id: TenantID) throws -> Tenant {
        let name = try sealer.open(try row.blob(3), context: Self.nameContext(id))
        return Tenant(
            id: id, kind: try Self.known(Tenant.Kind(rawValue: try row.text(0))),
            region: try Self.known(Tenant.Region(rawValue: try row.text(1))),
            status: try Self.known(Tenant.Status(rawValue: try row.text(2))), name: String(decoding: name, as: UTF8.self),
            createdAt: try row.time(4))
    }
    static func membership(_ row: Row, tenant: TenantID) throws -> Membership {
        Membership(
            id: try row.id(0), tenant: tenant, user: try row.id(1), role: Role(rawValue: try row.text(2)),
            standing: try known(Membership.Standing(rawValue: try row.text(3))),
            scope: try row.optional(4, row.text).map { try JSONCoding.decode([String].self, Data($0.utf8)) },
            endsAt: try row.optional(5, row.time))
    }
    private static func known<Value>(_ value: Value?) throws -> Value {
        guard let value else { throw StoreFault.corrupt("tenancy: a word that this program does not know") }
        return value
    }
    static func nameContext(_ tenant: TenantID) -> String { "tenant.name:\(tenant)" }
}
