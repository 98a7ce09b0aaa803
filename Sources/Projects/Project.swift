import Tenancy
import Vocabulary

/// What a tenant's people work on together: a name, whom it is shared with, and files.
package struct Project: Sendable, Hashable {
    package typealias ID = ProjectID
    package enum State: String, Sendable, Hashable, CaseIterable, Codable {
        case active, archived, deleted, purging
        /// Files can be added, changed and removed.
        package var takesFiles: Bool { self == .active }
        /// Seen by those with whom it is shared.
        package var isShown: Bool { self == .active || self == .archived }
    }
    package let id: ID
    package var name: String
    package var summary: String
    package var state: State
    package let createdBy: UserID
    package let createdAt: Timestamp
    package var changedAt: Timestamp
    /// Of a deleted one: from when on it can no longer be restored.
    package var purgeAt: Timestamp?
}

/// With whom a project is shared, and how far.
package struct ProjectShare: Sendable, Hashable {
    package enum Target: Sendable, Hashable {
        /// Every member whose role goes by sharing.
        case everyone
        case team(TeamID)
        case member(MembershipID)

        package var kind: String {
            switch self {
            case .everyone: "everyone"
            case .team: "team"
            case .member: "member"
            }
        }
        var bytes: [UInt8] {
            switch self {
            case .everyone: [UInt8](repeating: 0, count: 16)
            case .team(let id): id.uuid.bytes
            case .member(let id): id.uuid.bytes
            }
        }
        /// `everyone`, `team:018f…`, `member:018f…`.
        package var text: String {
            switch self {
            case .everyone: "everyone"
            case .team(let id): "team:\(id)"
            case .member(let id): "member:\(id)"
            }
        }
        package init?(_ text: String) {
            let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            switch (parts.first, parts.count) {
            case ("everyone", 1): self = .everyone
            case ("team", 2):
                guard let id = TeamID(parts[1]) else { return nil }
                self = .team(id)
            case ("member", 2):
                guard let id = MembershipID(parts[1]) else { return nil }
                self = .member(id)
            default: return nil
            }
        }
    }
    package enum Level: String, Sendable, Hashable, CaseIterable { case read, write }
    package let target: Target
    package let level: Level
    package init(_ target: Target, _ level: Level) {
        self.target = target
        self.level = level
    }
}

/// How far somebody gets in one project.
package enum ProjectReach: Int, Sendable, Hashable, Comparable, CaseIterable {
    case none, read, write
    /// Everything, and saying with whom it is shared; deleted ones too.
    case full
    package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// Who asks, as far as projects need to know.
package struct ProjectCaller: Sendable, Hashable {
    package var role: Role
    package var membership: MembershipID
    /// Project ids that the membership names; nil where it names none.
    package var scope: [String]?
    package var endsAt: Timestamp?
    package var teams: Set<TeamID>
    package init(role: Role, membership: MembershipID, scope: [String]? = nil, endsAt: Timestamp? = nil, teams: Set<TeamID> = []) {
        self.role = role
        self.membership = membership
        self.scope = scope
        self.endsAt = endsAt
        self.teams = teams
    }

    /// SPEC 2: owners and admins everything; contractors write and auditors read what their scope names, and nothing else; viewers read and
    /// everybody else does what a share says. A scope narrows whoever has one.
    package func reach(_ project: Project.ID, sharedBy shares: [ProjectShare], now: Timestamp) -> ProjectReach {
        if let endsAt, endsAt <= now { return .none }
        let isNamed = scope?.contains { $0.lowercased() == project.description }
        if isNamed == false { return .none }
        switch role {
        case .owner, .admin, .platformAdmin: return scope == nil ? .full : .write
        case .staff, .auditor: return role == .staff || isNamed == true ? .read : .none
        case .contractor: return isNamed == true ? .write : .none
        default: break
        }
        let levels = shares.filter { share in
            switch share.target {
            case .everyone: true
            case .team(let id): teams.contains(id)
            case .member(let id): id == membership
            }
        }.map(\.level)
        if levels.contains(.write) { return role == .viewer ? .read : .write }
        return levels.isEmpty ? .none : .read
    }

    /// Whether every project of the tenant is within reach: lists need not look at shares.
    var seesAll: Bool { scope == nil && [.owner, .admin, .platformAdmin, .staff].contains(role) }
}
