import Store
import Tenancy
import Vocabulary

/// What the service's parts share inside a transaction.
extension Projects {
    /// A reading that stands in the journal where an auditor, or staff in somebody's place, does it: written before it is answered.
    func audited<Value: Sendable>(
        _ principal: Principal, _ action: String, _ subject: String, _ act: Act,
        _ body: @escaping @Sendable (any TenantScope) throws -> Value
    ) async throws -> Value {
        guard Self.isWatched(principal) else { return try await store.tenantRead(principal.tenant, body) }
        return try await store.tenant(principal.tenant) { db in
            let value = try body(db)
            try db.journal(JournalEntry(action, subject: subject, details: ["role": .string(principal.role)]), act)
            return value
        }
    }
    static func isWatched(_ principal: Principal) -> Bool {
        if case .impersonation = principal.bounds.delegation { return true }
        return principal.role == Role.auditor.rawValue
    }

    /// A writing in a transaction that finds the tenant's row of what it takes. Two that make it at once meet in the schema: the second goes again.
    func counted<Value: Sendable>(
        _ tenant: TenantID, _ body: @escaping @Sendable (any TenantScope) throws -> Value
    ) async throws -> Value {
        let whole: @Sendable (any TenantScope) throws -> Value = { db in
            if try db.row(ProjectTable.usage) == nil { try db.run(ProjectTable.beginUsage, db.tenant) }
            return try body(db)
        }
        do { return try await store.tenant(tenant, whole) } catch StoreFault.conflict(let name, _)
            where name == ProjectTable.beginUsage.name || name == ProjectFileTable.insert.name
        {
            return try await store.tenant(tenant, whole)
        }
    }

    func allowed(_ tenant: TenantID, _ now: Timestamp) async throws -> ProjectAllowance {
        var allowed = try await allowance(tenant, now)
        if allowed.bytes == nil { allowed.bytes = Int64(settings[ProjectSettings.bytes]) }
        return allowed
    }

    static func caller(_ principal: Principal, _ db: any TenantScope) throws -> ProjectCaller {
        ProjectCaller(
            role: Role(rawValue: principal.role), membership: principal.membership, scope: principal.bounds.scope,
            endsAt: principal.bounds.endsAt, teams: try Teams.of(principal.membership, in: db))
    }
    static func reach(_ caller: ProjectCaller, _ project: Project, _ db: any TenantScope, _ now: Timestamp) throws -> ProjectReach {
        caller.reach(project.id, sharedBy: caller.seesAll ? [] : try shares(project.id, db), now: now)
    }

    /// The project, if the caller gets so far in it. Out of reach is not there; a deleted one is there for those who may restore it.
    static func seen(
        _ id: Project.ID, _ principal: Principal, _ needed: ProjectReach, _ db: any TenantScope, _ now: Timestamp
    ) throws -> Seen {
        guard let project = try find(id, db), project.state != .purging else { throw CommonProblems.notFound }
        let reach = try reach(try caller(principal, db), project, db, now)
        guard reach >= .read, project.state.isShown || reach == .full else { throw CommonProblems.notFound }
        guard reach >= needed else { throw ProjectProblems.readOnly }
        return Seen(project: project, reach: reach)
    }

    static func find(_ id: Project.ID, _ db: any TenantScope) throws -> Project? { try db.row(ProjectTable.one, id).map(project) }
    static func shares(_ id: Project.ID, _ db: any TenantScope) throws -> [ProjectShare] {
        try db.rows(ProjectTable.shares, id, mostShares + 1).map { row in
            let target: ProjectShare.Target =
                switch try row.text(0) {
                case "team": .team(try row.id(1))
                case "member": .member(try row.id(1))
                default: .everyone
                }
            return ProjectShare(target, ProjectShare.Level(rawValue: try row.text(2)) ?? .read)
        }
    }
    static func project(_ row: Row) throws -> Project {
        guard let state = Project.State(rawValue: try row.text(3)) else { throw StoreFault.corrupt("a project's state is not known") }
        return Project(
            id: try row.id(0), name: try row.text(1), summary: try row.text(2), state: state, createdBy: try row.id(4),
            createdAt: try row.time(5), changedAt: try row.time(6), purgeAt: try row.optional(7, row.time))
    }
    static func usage(_ row: Row) throws -> ProjectUsage {
        ProjectUsage(
            projects: try row.int(0), storedBytes: try row.integer(1), reservedBytes: try row.integer(2), isClosed: try row.bool(3))
    }

    static func tell(
        _ id: Project.ID, _ step: ProjectChanged.Step, _ db: any TenantScope, _ act: Act, _ details: [String: JSONValue] = [:]
    ) throws {
        try db.journal(JournalEntry("project.\(step.rawValue)", subject: "project:\(id)", details: .object(details)), act)
        try db.emit(ProjectChanged(tenant: db.tenant, project: id, step: step), act)
    }

    static func projectsFull(_ limit: Int64?, _ db: any TenantScope) throws -> Problem {
        if try db.row(ProjectTable.usage).map(usage)?.isClosed == true { return ProjectProblems.closed }
        return ProjectProblems.projectsFull.with(["limit": limit.map { .int($0) } ?? .null])
    }

    /// A text of several lines: printable, bounded, perhaps empty.
    static func text(_ text: String) throws -> String {
        guard text.unicodeScalars.count <= 1_000 else { throw CommonProblems.invalid("summary", "must have at most 1000 characters") }
        let isPrintable = text.unicodeScalars.allSatisfy { scalar in
            switch scalar.properties.generalCategory {
            case .control: scalar == "\n" || scalar == "\t"
            case .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned: false
            default: true
            }
        }
        guard isPrintable else { throw CommonProblems.invalid("summary", "must be printable") }
        return text
    }
}
