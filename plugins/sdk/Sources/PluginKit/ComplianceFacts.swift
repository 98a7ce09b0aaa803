import Foundation

// since 1.2
// The shapes of evidence, all of version 1. On the wire in snake_case. Whoever reads them checks them: counts may be wrong, even negative.

/// The last review of who has what role, and how things stand since.
public struct AccessReviewFacts: Sendable, Hashable, Codable {
    /// Active memberships now; the sum of the three below.
    public var members: Int
    /// Confirmed in the last signed review, with the role that they have now.
    public var confirmed: Int
    /// Joined, or got another role, after that review was begun.
    public var newSince: Int
    /// Were there and were not confirmed.
    public var unreviewed: Int
    /// Removed by that review.
    public var removed: Int
    public var signedOffAt: Timestamp?
    public var review: String?
    /// User id of who signed it off.
    public var reviewer: String?
    public init(
        members: Int, confirmed: Int, newSince: Int, unreviewed: Int, removed: Int, signedOffAt: Timestamp?, review: String?,
        reviewer: String?
    ) {
        self.members = members
        self.confirmed = confirmed
        self.newSince = newSince
        self.unreviewed = unreviewed
        self.removed = removed
        self.signedOffAt = signedOffAt
        self.review = review
        self.reviewer = reviewer
    }
    private enum CodingKeys: String, CodingKey {
        case members, confirmed, unreviewed, removed, review, reviewer
        case newSince = "new_since"
        case signedOffAt = "signed_off_at"
    }
}

/// Who of those with elevated roles proves a second factor.
public struct SecondFactorFacts: Sendable, Hashable, Codable {
    /// Whether this server knows second factors at all.
    public var isSupported: Bool
    /// Which roles were counted as elevated.
    public var roles: [String]
    /// People with such a role.
    public var elevated: Int
    public var withSecondFactor: Int
    public init(isSupported: Bool, roles: [String], elevated: Int, withSecondFactor: Int) {
        self.isSupported = isSupported
        self.roles = roles
        self.elevated = elevated
        self.withSecondFactor = withSecondFactor
    }
    private enum CodingKeys: String, CodingKey {
        case roles, elevated
        case isSupported = "is_supported"
        case withSecondFactor = "with_second_factor"
    }
}

/// What checking the hash chain and signatures of the journal found.
public struct AuditChainFacts: Sendable, Hashable, Codable {
    public var entries: Int
    public var segments: Int
    public var checkpoints: Int
    /// Entries since the last checkpoint.
    public var uncovered: Int
    public var findings: Int
    /// `edited`, `missing`, …
    public var firstFinding: String?
    public var lastCheckpointAt: Timestamp?
    public init(entries: Int, segments: Int, checkpoints: Int, uncovered: Int, findings: Int) {
        self.entries = entries
        self.segments = segments
        self.checkpoints = checkpoints
        self.uncovered = uncovered
        self.findings = findings
    }
    private enum CodingKeys: String, CodingKey {
        case entries, segments, checkpoints, uncovered, findings
        case firstFinding = "first_finding"
        case lastCheckpointAt = "last_checkpoint_at"
    }
}

/// Which policies came into force, by whom, and what they had passed.
public struct PolicyChangeFacts: Sendable, Hashable, Codable {
    public struct Change: Sendable, Hashable, Codable {
        public var at: Timestamp
        /// `user:018f…`, `system:policies`
        public var actor: String
        /// Hash of the set that came into force; empty where they were switched off.
        public var hash: String
        /// Tests and contracts that it had passed before it went live; absent where the journal does not say.
        public var testsPassed: Int?
        public init(at: Timestamp, actor: String, hash: String, testsPassed: Int?) {
            self.at = at
            self.actor = actor
            self.hash = hash
            self.testsPassed = testsPassed
        }
        private enum CodingKeys: String, CodingKey {
            case at, actor, hash
            case testsPassed = "tests_passed"
        }
    }
    /// Hash of the set in force; absent where none is.
    public var inForce: String?
    /// Newest first, at most 200.
    public var changes: [Change]
    /// How many there were in all.
    public var total: Int
    public init(inForce: String?, changes: [Change], total: Int) {
        self.inForce = inForce
        self.changes = changes
        self.total = total
    }
    private enum CodingKeys: String, CodingKey {
        case changes, total
        case inForce = "in_force"
    }
}

/// How long each key that signs has been signing.
public struct KeyAgeFacts: Sendable, Hashable, Codable {
    public struct Key: Sendable, Hashable, Codable {
        public var id: String
        public var purpose: String
        public var algorithm: String
        public var activeSince: Timestamp
        public init(id: String, purpose: String, algorithm: String, activeSince: Timestamp) {
            self.id = id
            self.purpose = purpose
            self.algorithm = algorithm
            self.activeSince = activeSince
        }
        private enum CodingKeys: String, CodingKey {
            case id, purpose, algorithm
            case activeSince = "active_since"
        }
    }
    public var keys: [Key]
    public init(keys: [Key]) { self.keys = keys }
}

/// What those whose membership ended can still use.
public struct LeaverFacts: Sendable, Hashable, Codable {
    public struct Leaver: Sendable, Hashable, Codable {
        public var membership: String
        public var endedAt: Timestamp
        public var sessions: Int
        public var leases: Int
        /// Absent where this server knows none.
        public var apiKeys: Int?
        /// When the last of them was revoked; absent where there was none or one is left.
        public var revokedAt: Timestamp?
        public init(membership: String, endedAt: Timestamp, sessions: Int, leases: Int, apiKeys: Int?, revokedAt: Timestamp?) {
            self.membership = membership
            self.endedAt = endedAt
            self.sessions = sessions
            self.leases = leases
            self.apiKeys = apiKeys
            self.revokedAt = revokedAt
        }
        private enum CodingKeys: String, CodingKey {
            case membership, sessions, leases
            case endedAt = "ended_at"
            case apiKeys = "api_keys"
            case revokedAt = "revoked_at"
        }
    }
    public var since: Timestamp
    /// Memberships that ended since.
    public var ended: Int
    /// Those with something left first, then newest first; at most 200.
    public var leavers: [Leaver]
    /// Of all that ended since: those with a session, lease or key left.
    public var withAccess: Int
    public init(since: Timestamp, ended: Int, leavers: [Leaver], withAccess: Int) {
        self.since = since
        self.ended = ended
        self.leavers = leavers
        self.withAccess = withAccess
    }
    private enum CodingKeys: String, CodingKey {
        case since, ended, leavers
        case withAccess = "with_access"
    }
}
// end of 1.2
