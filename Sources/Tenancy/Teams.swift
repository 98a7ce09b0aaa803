import Store
import Vocabulary

/// A named group of memberships inside a tenant. It grants nothing by itself.
package struct Team: Sendable, Hashable {
    package typealias ID = TeamID
    package static let mostPerTenant = 200
    package let id: ID
    package let name: String
    package let members: Int
    package let createdAt: Timestamp
}

/// The teams of tenants.
package struct Teams: Sendable {
    private let store: any Store
    private let tenancy: Tenancy
    private let entropy: any Entropy

    package init(store: any Store, tenancy: Tenancy, entropy: any Entropy) {
        self.store = store
        self.tenancy = tenancy
        self.entropy = entropy
    }

    /// In the order of their names.
    package func list(_ tenant: TenantID) async throws -> [Team] {
        try await store.tenantRead(tenant) { db in try db.rows(TeamTable.list, Team.mostPerTenant).map(Self.team) }
    }

    package func create(_ name: String, _ tenant: TenantID, _ act: Act) async throws -> Team {
        try await named {
            try await store.tenant(tenant) { db in
                let id: Team.ID = try db.once(act) {
                    guard try db.row(TeamTable.count)?.int(0) ?? 0 < Team.mostPerTenant else { throw TenancyProblems.tooManyTeams }
                    let id: Team.ID = entropy.id(act.now)
                    try db.run(TeamTable.insert, tenant, id, name, Self.key(name), act.now)
                    try db.journal(JournalEntry("team.created", subject: "team:\(id)"), act)
                    return id
                }
                return try read(id, in: db)
            }
        }
    }

    package func rename(_ id: Team.ID, to name: String, _ tenant: TenantID, _ act: Act) async throws -> Team {
        try await named {
            try await store.tenant(tenant) { db in
                guard try db.row(TeamTable.rename, id, name, Self.key(name)) != nil else { throw CommonProblems.notFound }
                try db.journal(JournalEntry("team.renamed", subject: "team:\(id)"), act)
                return try read(id, in: db)
            }
        }
    }

    package func remove(_ id: Team.ID, _ tenant: TenantID, _ act: Act) async throws {
        try await store.tenant(tenant) { db in
            try db.run(TeamTable.dropMembers, id)
            guard try db.row(TeamTable.remove, id) != nil else { throw CommonProblems.notFound }
            try db.journal(JournalEntry("team.removed", subject: "team:\(id)"), act)
        }
    }

    package func members(of id: Team.ID, _ tenant: TenantID) async throws -> [MembershipID] {
        try await store.tenantRead(tenant) { db in
            _ = try read(id, in: db)
            return try db.rows(TeamTable.members, id).map { try $0.id(0) }
        }
    }

    /// Who is in it already stays in it.
    package func add(_ member: MembershipID, to id: Team.ID, _ tenant: TenantID, _ act: Act) async throws {
        try await store.tenant(tenant) { db in
            _ = try read(id, in: db)
            guard let entry = try tenancy.member(member, in: db), entry.membership.isActive(at: act.now) else {
                throw CommonProblems.notFound
            }
            guard try db.row(TeamTable.holds, id, member) == nil else { return }
            try db.run(TeamTable.addMember, tenant, id, member)
            try journal("team.member_added", id, member, in: db, act)
        }
    }

    package func take(_ member: MembershipID, from id: Team.ID, _ tenant: TenantID, _ act: Act) async throws {
        try await store.tenant(tenant) { db in
            guard try db.row(TeamTable.dropMember, id, member) != nil else { throw CommonProblems.notFound }
            try journal("team.member_removed", id, member, in: db, act)
        }
    }

    /// Inside the transaction that ends the membership.
    package static func leaveAll(_ member: MembershipID, in db: any TenantScope) throws { try db.run(TeamTable.leaveAll, member) }

    /// Inside a transaction of a room that shares something with teams.
    package static func of(_ member: MembershipID, in db: any TenantScope) throws -> Set<Team.ID> {
        Set(try db.rows(TeamTable.ofMember, member, Team.mostPerTenant).map { try $0.id(0) })
    }
    package static func exists(_ id: Team.ID, in db: any TenantScope) throws -> Bool { try db.row(TeamTable.one, id) != nil }

    private func journal(_ action: String, _ id: Team.ID, _ member: MembershipID, in db: any TenantScope, _ act: Act) throws {
        try db.journal(
            JournalEntry(action, subject: "team:\(id)", details: ["membership": .string(member.description)]), act)
    }
    private func read(_ id: Team.ID, in db: any TenantScope) throws -> Team {
        guard let row = try db.row(TeamTable.one, id) else { throw CommonProblems.notFound }
        return try Self.team(row)
    }
    /// The schema's refusal of a second team of the name, in words.
    private func named<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value {
        do { return try await body() } catch StoreFault.conflict(_, let constraint) where constraint.contains("name_key") {
            throw TenancyProblems.teamNameTaken
        }
    }
    private static func key(_ name: String) -> String { name.precomposedStringWithCompatibilityMapping.lowercased() }
    private static func team(_ row: Row) throws -> Team {
        Team(id: try row.id(0), name: try row.text(1), members: try row.int(2), createdAt: try row.time(3))
    }
}

/// Every statement about teams. Tenant scope.
enum TeamTable {
    private static let columns =
        "t.team_id, t.name, (SELECT count(*) FROM team_member m WHERE m.team_id = t.team_id), t.created_at"
    static let list = SQL("tenancy.teams", "SELECT \(columns) FROM team t ORDER BY t.name_key LIMIT $1")
    static let one = SQL("tenancy.team", "SELECT \(columns) FROM team t WHERE t.team_id = $1")
    static let count = SQL("tenancy.count_teams", "SELECT count(*) FROM team")
    static let insert = SQL(
        "tenancy.insert_team", "INSERT INTO team (tenant_id, team_id, name, name_key, created_at) VALUES ($1, $2, $3, $4, $5)")
    static let rename = SQL("tenancy.rename_team", "UPDATE team SET name = $2, name_key = $3 WHERE team_id = $1 RETURNING team_id")
    static let remove = SQL("tenancy.remove_team", "DELETE FROM team WHERE team_id = $1 RETURNING team_id")
    static let members = SQL("tenancy.team_members", "SELECT membership_id FROM team_member WHERE team_id = $1 ORDER BY membership_id")
    static let holds = SQL("tenancy.team_holds", "SELECT 1 FROM team_member WHERE team_id = $1 AND membership_id = $2")
    static let addMember = SQL(
        "tenancy.add_team_member", "INSERT INTO team_member (tenant_id, team_id, membership_id) VALUES ($1, $2, $3)")
    static let dropMember = SQL(
        "tenancy.drop_team_member", "DELETE FROM team_member WHERE team_id = $1 AND membership_id = $2 RETURNING membership_id")
    static let dropMembers = SQL("tenancy.drop_team_members", "DELETE FROM team_member WHERE team_id = $1")
    static let ofMember = SQL(
        "tenancy.teams_of_member", "SELECT team_id FROM team_member WHERE membership_id = $1 ORDER BY team_id LIMIT $2")
    static let leaveAll = SQL("tenancy.leave_teams", "DELETE FROM team_member WHERE membership_id = $1")
}
