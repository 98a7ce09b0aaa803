import Store
import Tenancy
import Vocabulary

package enum ProjectsRoom {
    package static func migrations() throws -> [Migration] { try Migration.all(room: "projects", bundle: .module) }
}

/// What a tenant's tier grants; nil: without limit.
package struct ProjectAllowance: Sendable, Hashable {
    package var projects: Int64?
    package var bytes: Int64?
    package init(projects: Int64?, bytes: Int64?) {
        self.projects = projects
        self.bytes = bytes
    }
}

/// What a tenant has, and what it may have.
package struct ProjectUsage: Sendable, Hashable {
    package var projects = 0
    package var storedBytes: Int64 = 0
    package var reservedBytes: Int64 = 0
    package var isClosed = false
}

/// The file stores at work, as the room asks for them.
package protocol FileShelves: Sendable {
    /// Where new files go; nil while it is not at work.
    var current: (name: String, store: any FileStore)? { get }
    func shelf(_ name: String) -> (any FileStore)?
}

/// Projects, with whom they are shared, and their files.
package struct Projects: Sendable {
    package static let mostShares = 200
    let store: any Store
    let tenancy: Tenancy
    let shelves: any FileShelves
    let sealer: any Sealer
    let entropy: any Entropy
    let settings: Settings
    /// Asked at each use: a larger tier counts at once.
    let allowance: @Sendable (TenantID, Timestamp) async throws -> ProjectAllowance

    package init(
        store: any Store, tenancy: Tenancy, shelves: any FileShelves, sealer: any Sealer, entropy: any Entropy, settings: Settings,
        allowance: @escaping @Sendable (TenantID, Timestamp) async throws -> ProjectAllowance
    ) {
        self.store = store
        self.tenancy = tenancy
        self.shelves = shelves
        self.sealer = sealer
        self.entropy = entropy
        self.settings = settings
        self.allowance = allowance
    }

    /// A project with how far the caller gets in it.
    package struct Seen: Sendable, Hashable {
        package let project: Project
        package let reach: ProjectReach
    }

    // MARK: Reading

    package func list(_ principal: Principal, after: Project.ID?, limit: Int, withDeleted: Bool, _ act: Act) async throws -> [Seen] {
        try await audited(principal, "projects.listed", "tenant:\(principal.tenant)", act) { db in
            let caller = try Self.caller(principal, db)
            let from = after?.uuid.bytes ?? []
            var found: [Project]
            if caller.seesAll {
                found = try db.rows(ProjectTable.page, from, withDeleted ? "deleted" : "active", limit).map(Self.project)
            } else if let scope = caller.scope {
                let ids = Set(scope.compactMap { Project.ID($0) }).filter { id in after.map { $0 < id } ?? true }.sorted()
                found = []
                for id in ids where found.count < limit {
                    guard let project = try Self.find(id, db), project.state.isShown else { continue }
                    if try Self.reach(caller, project, db, act.now) >= .read { found.append(project) }
                }
            } else {
                found = try db.rows(ProjectTable.sharedPage, from, principal.membership, limit).map(Self.project)
            }
            return try found.compactMap { project in
                let reach = try Self.reach(caller, project, db, act.now)
                return reach >= .read ? Seen(project: project, reach: reach) : nil
            }
        }
    }

    package func get(_ id: Project.ID, _ principal: Principal, _ act: Act) async throws -> Seen {
        try await audited(principal, "project.read", "project:\(id)", act) { db in try Self.seen(id, principal, .read, db, act.now) }
    }

    package func shares(_ id: Project.ID, _ principal: Principal, _ act: Act) async throws -> [ProjectShare] {
        try await audited(principal, "project.shares_read", "project:\(id)", act) { db in
            _ = try Self.seen(id, principal, .write, db, act.now)
            return try Self.shares(id, db)
        }
    }

    package func usage(_ principal: Principal, _ act: Act) async throws -> (usage: ProjectUsage, allowance: ProjectAllowance) {
        let allowed = try await allowed(principal.tenant, act.now)
        let usage = try await audited(principal, "projects.usage_read", "tenant:\(principal.tenant)", act) { db in
            try db.row(ProjectTable.usage).map(Self.usage) ?? ProjectUsage()
        }
        return (usage, allowed)
    }

    // MARK: Changing

    package func create(name: String, summary: String, _ principal: Principal, _ act: Act) async throws -> Seen {
        let (name, summary) = (try TenantName.read(name, "name", max: 100), try Self.text(summary))
        let limit = try await allowed(principal.tenant, act.now).projects
        let id = try await counted(principal.tenant) { db in
            try db.once(act) {
                guard try db.row(ProjectTable.takeProject, limit ?? Int64.max) != nil else { throw try Self.projectsFull(limit, db) }
                let id: Project.ID = entropy.id(act.now)
                try db.run(ProjectTable.insert, db.tenant, id, name, summary, principal.user, act.now)
                // Whoever may make projects without having all of them must be able to work in it.
                if try Self.caller(principal, db).reach(id, sharedBy: [], now: act.now) != .full {
                    let own = ProjectShare(.member(principal.membership), .write)
                    try db.run(ProjectTable.share, db.tenant, id, own.target.kind, own.target.bytes, own.level.rawValue, act.now)
                }
                try Self.tell(id, .created, db, act)
                return id
            }
        }
        return try await store.tenantRead(principal.tenant) { db in try Self.seen(id, principal, .read, db, act.now) }
    }

    package func describe(_ id: Project.ID, name: String?, summary: String?, _ principal: Principal, _ act: Act) async throws -> Seen {
        let name = try name.map { try TenantName.read($0, "name", max: 100) }
        let summary = try summary.map(Self.text)
        return try await store.tenant(principal.tenant) { db in
            let project = try Self.seen(id, principal, .write, db, act.now).project
            guard project.state.isShown else { throw ProjectProblems.notActive }
            try db.run(ProjectTable.describe, id, name ?? project.name, summary ?? project.summary, act.now)
            try Self.tell(id, .updated, db, act)
            return try Self.seen(id, principal, .read, db, act.now)
        }
    }

    /// `archive`, `reopen`, `delete` or `restore`, as the declared life names it. Where it has been done already: no error.
    package func move(_ id: Project.ID, _ name: String, _ principal: Principal, _ act: Act) async throws -> Seen {
        guard let way = projectLifecycle.transitions.first(where: { $0.name == name && $0.by.contains(.customer) }),
            let step = ProjectChanged.Step(rawValue: way.past)
        else { throw CommonProblems.notFound }
        let limit = try await allowed(principal.tenant, act.now).projects
        let keep = Duration.days(Int64(settings[ProjectSettings.keepDays]))
        return try await counted(principal.tenant) { db in
            let seen = try Self.seen(id, principal, .write, db, act.now)
            let from = seen.project.state
            if from == way.to { return seen }
            let refusal = ProjectProblems.wrongState.with(["state": .string(from.rawValue)])
            guard way.from.contains(from) else { throw refusal }
            if way.to == .deleted { try db.run(ProjectTable.giveProject) }
            if from == .deleted {
                guard let until = seen.project.purgeAt, act.now < until else { throw refusal }
                guard try db.row(ProjectTable.takeProject, limit ?? Int64.max) != nil else { throw try Self.projectsFull(limit, db) }
            }
            let purgeAt = way.to == .deleted ? act.now + keep : nil
            guard try db.row(ProjectTable.move, id, from.rawValue, way.to.rawValue, purgeAt, act.now) != nil else { throw refusal }
            try Self.tell(id, step, db, act)
            if let purgeAt { try db.enqueue(try Self.sweepJob(db.tenant, cause: "\(id)", at: purgeAt), act) }
            return try Self.seen(id, principal, .read, db, act.now)
        }
    }

    /// Nil: no longer shared with the target.
    package func share(_ id: Project.ID, with target: ProjectShare.Target, _ level: ProjectShare.Level?, _ principal: Principal, _ act: Act)
        async throws -> [ProjectShare]
    {
        try await store.tenant(principal.tenant) { db in
            let project = try Self.seen(id, principal, .write, db, act.now).project
            guard project.state.isShown else { throw ProjectProblems.notActive }
            // Two who share at once must not both find room for one more.
            try db.run(ProjectTable.touch, id, act.now)
            guard let level else {
                guard try db.row(ProjectTable.unshare, id, target.kind, target.bytes) != nil else { throw CommonProblems.notFound }
                return try told(id, target, nil, db, act)
            }
            if try db.row(ProjectTable.shareAgain, id, target.kind, target.bytes, level.rawValue) != nil {
                return try told(id, target, level, db, act)
            }
            switch target {
            case .everyone: break
            case .team(let team): guard try Teams.exists(team, in: db) else { throw CommonProblems.notFound }
            case .member(let member):
                guard let entry = try tenancy.member(member, in: db), entry.membership.isActive(at: act.now) else {
                    throw CommonProblems.notFound
                }
            }
            guard try Self.shares(id, db).count < Self.mostShares else { throw ProjectProblems.tooManyShares }
            try db.run(ProjectTable.share, db.tenant, id, target.kind, target.bytes, level.rawValue, act.now)
            return try told(id, target, level, db, act)
        }
    }
    /// Ends what is shared by name with somebody who is no member any more, so that it does not come back with the member.
    package func unshare(_ member: MembershipID, in tenant: TenantID, _ act: Act) async throws {
        while try await store.tenant(
            tenant,
            { db in
                guard try tenancy.member(member, in: db)?.membership.isActive(at: act.now) != true else { return false }
                let shared: [Project.ID] = try db.rows(ProjectTable.sharedWith, member).map { try $0.id(0) }
                let target = ProjectShare.Target.member(member)
                for id in shared {
                    try db.run(ProjectTable.unshare, id, target.kind, target.bytes)
                    _ = try told(id, target, nil, db, act)
                }
                return !shared.isEmpty
            })
        {}
    }
    private func told(
        _ id: Project.ID, _ target: ProjectShare.Target, _ level: ProjectShare.Level?, _ db: any TenantScope, _ act: Act
    ) throws -> [ProjectShare] {
        try Self.tell(
            id, .shared, db, act, ["target": .string(target.text), "level": level.map { .string($0.rawValue) } ?? .null])
        return try Self.shares(id, db)
    }
}
