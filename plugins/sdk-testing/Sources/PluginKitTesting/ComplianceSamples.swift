import Foundation
import PluginKit

/// Evidence for tests of compliance frameworks: a world in which all is well, and what can be wrong with it.
public enum ComplianceSamples {
    public static let now = Timestamp(seconds: 1_800_000_000)
    /// The tenant whose evidence it is.
    public static let scope = "0193aaaa-0000-7000-8000-000000000001"
    private static let set = String(repeating: "ab", count: 32)

    /// One piece of every kind.
    public static func sound() throws -> [Evidence] {
        [
            try piece(.accessReview, review()), try piece(.secondFactor, factor()), try piece(.auditChain, chain()),
            try piece(.policyChanges, changes()), try piece(.keyAges, keys()), try piece(.leavers, leavers()),
        ]
    }

    /// What must fail, each in a piece of its own.
    public static func faults() throws -> [(String, Evidence)] {
        [
            (
                "nobody has ever reviewed access",
                try piece(
                    .accessReview,
                    review {
                        $0.signedOffAt = nil; $0.confirmed = 0; $0.unreviewed = 4
                    })
            ),
            ("the last review of access was a year ago", try piece(.accessReview, review { $0.signedOffAt = now - .days(365) })),
            (
                "one member was not reviewed",
                try piece(
                    .accessReview,
                    review {
                        $0.confirmed = 3; $0.unreviewed = 1
                    })
            ),
            (
                "no second factor is known",
                try piece(
                    .secondFactor,
                    factor {
                        $0.isSupported = false; $0.withSecondFactor = 0
                    })
            ),
            ("one administrator has no second factor", try piece(.secondFactor, factor { $0.withSecondFactor = 2 })),
            (
                "one entry of the journal was edited",
                try piece(
                    .auditChain,
                    chain {
                        $0.findings = 1; $0.firstFinding = "edited"
                    })
            ),
            (
                "no checkpoint was ever signed",
                try piece(
                    .auditChain,
                    chain {
                        $0.checkpoints = 0; $0.uncovered = 9; $0.lastCheckpointAt = nil
                    })
            ),
            (
                "the set in force is not the one that was promoted last",
                try piece(.policyChanges, changes { $0.inForce = String(repeating: "cd", count: 32) })
            ),
            ("a set went live without tests", try piece(.policyChanges, changes { $0.changes[0].testsPassed = nil })),
            ("a set that had passed no test went live", try piece(.policyChanges, changes { $0.changes[1].testsPassed = 0 })),
            ("nobody is named for a change", try piece(.policyChanges, changes { $0.changes[0].actor = "" })),
            ("one key signs for three years", try piece(.keyAges, keys { $0.keys[1].activeSince = now - .days(1_100) })),
            (
                "a leaver has a session",
                try piece(
                    .leavers,
                    leavers {
                        $0.leavers[0].sessions = 1; $0.withAccess = 1; $0.leavers[0].revokedAt = nil
                    })
            ),
            (
                "a leaver has a lease",
                try piece(
                    .leavers,
                    leavers {
                        $0.leavers[1].leases = 2; $0.withAccess = 1; $0.leavers[1].revokedAt = nil
                    })
            ),
            (
                "a leaver has an API key",
                try piece(
                    .leavers,
                    leavers {
                        $0.leavers[0].apiKeys = 1; $0.withAccess = 1; $0.leavers[0].revokedAt = nil
                    })
            ),
            (
                "a leaver kept a session for a week",
                try piece(.leavers, leavers { $0.leavers[0].revokedAt = $0.leavers[0].endedAt + .days(7) })
            ),
        ]
    }

    /// What no true evidence says.
    public static func impossible() throws -> [(String, Evidence)] {
        [
            ("the members do not add up", try piece(.accessReview, review { $0.members = 9 })),
            (
                "a count of members is negative",
                try piece(
                    .accessReview,
                    review {
                        $0.newSince = -1; $0.members = 3
                    })
            ),
            ("the review was signed tomorrow", try piece(.accessReview, review { $0.signedOffAt = now + .days(1) })),
            ("more people have a second factor than there are", try piece(.secondFactor, factor { $0.withSecondFactor = 9 })),
            (
                "people are counted below nothing",
                try piece(
                    .secondFactor,
                    factor {
                        $0.elevated = -1; $0.withSecondFactor = -1
                    })
            ),
            (
                "nobody is elevated",
                try piece(
                    .secondFactor,
                    factor {
                        $0.elevated = 0; $0.withSecondFactor = 0
                    })
            ),
            ("findings are negative", try piece(.auditChain, chain { $0.findings = -1 })),
            ("there is a first finding of none", try piece(.auditChain, chain { $0.firstFinding = "edited" })),
            (
                "the journal is empty",
                try piece(
                    .auditChain,
                    chain {
                        $0.entries = 0; $0.segments = 0; $0.uncovered = 0
                    })
            ),
            ("more entries are uncovered than there are", try piece(.auditChain, chain { $0.uncovered = 1_000_000 })),
            ("fewer changes are counted than listed", try piece(.policyChanges, changes { $0.total = 1 })),
            ("a change is of tomorrow", try piece(.policyChanges, changes { $0.changes[0].at = now + .days(1) })),
            ("there is no key", try piece(.keyAges, keys { $0.keys = [] })),
            ("a key signs since tomorrow", try piece(.keyAges, keys { $0.keys[0].activeSince = now + .days(1) })),
            ("a leaver has less than no session", try piece(.leavers, leavers { $0.leavers[0].sessions = -1 })),
            ("a leaver has a lease and nobody is counted to have access", try piece(.leavers, leavers { $0.leavers[1].leases = 2 })),
            ("fewer left than are listed", try piece(.leavers, leavers { $0.ended = 1 })),
            (
                "access was revoked before the end",
                try piece(.leavers, leavers { $0.leavers[0].revokedAt = $0.leavers[0].endedAt - .days(2) })
            ),
        ]
    }

    /// Every member in turn gone and of each other type; nothing; much; very large.
    public static func hostile(_ piece: Evidence) throws -> [(String, Evidence)] {
        let members = piece.facts.object ?? [:]
        var found: [(String, Evidence)] = []
        for facts: JSONValue in [nil, [], "x", 1, true, [:]] { found.append(("facts that are \(facts)", try made(piece, facts: facts))) }
        for (name, value) in members.sorted(by: { $0.key < $1.key }) {
            let others: [JSONValue] = ["", "x", .int(.min), .double(1e300), [], [:], [nil], ["x": 1]]
            for other in others
            where other != value && !(other == [] && value.array != nil) && !(other.string != nil && value.string != nil) {
                found.append(("\(name) of another type", try made(piece, facts: .object(members.merging([name: other]) { $1 }))))
            }
            guard !optional.contains(name) else { continue }
            var fewer = members
            fewer[name] = nil
            found.append(("no \(name)", try made(piece, facts: .object(fewer))))
        }
        var deep: JSONValue = 1
        for _ in 0..<100 { deep = [deep] }
        found.append(("deep facts", try made(piece, facts: deep)))
        found.append(
            (
                "facts too large",
                try made(piece, facts: .object(members.merging(["pad": .string(String(repeating: "x", count: 70_000))]) { $1 }))
            ))
        return found
    }
    /// Members whose absence says something by itself, or nothing.
    private static let optional: Set<String> = [
        "reviewer", "review", "removed", "roles", "first_finding", "in_force", "signed_off_at", "last_checkpoint_at",
    ]

    /// The sound world, none, and each with one fault.
    static func worlds() throws -> [(String, [Evidence])] {
        let sound = try sound()
        return [("where all is well", sound), ("without evidence", [])]
            + (try faults() + impossible()).map { name, piece in ("where \(name)", sound.filter { $0.kind != piece.kind } + [piece]) }
    }

    static func dated(_ piece: Evidence, _ moment: Timestamp) -> Evidence { (try? made(piece, at: moment)) ?? piece }
    static func made(
        _ piece: Evidence, version: Int? = nil, scope: String? = nil, at moment: Timestamp? = nil, facts: JSONValue? = nil
    ) throws -> Evidence {
        try Evidence(
            piece.kind, version: version ?? piece.version, scope: scope ?? piece.scope, source: piece.source,
            collectedAt: moment ?? piece.collectedAt, facts: facts ?? piece.facts)
    }

    // MARK: - The world

    private static func piece<Facts: Encodable>(_ kind: EvidenceKind, _ facts: Facts) throws -> Evidence {
        let isShared = [EvidenceKind.keyAges].contains(kind)
        return try Evidence(
            kind, scope: isShared ? "platform" : scope, source: "conformance", collectedAt: now - .minutes(30), facts: facts)
    }
    private static func changed<Facts>(_ facts: Facts, _ change: (inout Facts) -> Void) -> Facts {
        var copy = facts
        change(&copy)
        return copy
    }
    private static func review(_ change: (inout AccessReviewFacts) -> Void = { _ in }) -> AccessReviewFacts {
        changed(
            AccessReviewFacts(
                members: 5, confirmed: 4, newSince: 1, unreviewed: 0, removed: 1, signedOffAt: now - .days(20),
                review: "0193aaaa-0000-7000-8000-000000000011", reviewer: "0193aaaa-0000-7000-8000-000000000012"), change)
    }
    private static func factor(_ change: (inout SecondFactorFacts) -> Void = { _ in }) -> SecondFactorFacts {
        changed(SecondFactorFacts(isSupported: true, roles: ["owner", "admin"], elevated: 3, withSecondFactor: 3), change)
    }
    private static func chain(_ change: (inout AuditChainFacts) -> Void = { _ in }) -> AuditChainFacts {
        var facts = AuditChainFacts(entries: 240, segments: 3, checkpoints: 7, uncovered: 2, findings: 0)
        facts.lastCheckpointAt = now - .hours(1)
        return changed(facts, change)
    }
    private static func changes(_ change: (inout PolicyChangeFacts) -> Void = { _ in }) -> PolicyChangeFacts {
        changed(
            PolicyChangeFacts(
                inForce: set,
                changes: [
                    .init(at: now - .days(3), actor: "user:0193aaaa-0000-7000-8000-000000000012", hash: set, testsPassed: 12),
                    .init(at: now - .days(9), actor: "system:policies", hash: String(repeating: "12", count: 32), testsPassed: 11),
                ], total: 2), change)
    }
    private static func keys(_ change: (inout KeyAgeFacts) -> Void = { _ in }) -> KeyAgeFacts {
        changed(
            KeyAgeFacts(keys: [
                .init(id: "k1", purpose: "token", algorithm: "es256", activeSince: now - .days(10)),
                .init(id: "k2", purpose: "journal", algorithm: "ed25519", activeSince: now - .days(100)),
            ]), change)
    }
    private static func leavers(_ change: (inout LeaverFacts) -> Void = { _ in }) -> LeaverFacts {
        let first = now - .days(12)
        let second = now - .days(40)
        return changed(
            LeaverFacts(
                since: now - .days(90), ended: 2,
                leavers: [
                    .init(
                        membership: "0193aaaa-0000-7000-8000-000000000021", endedAt: first, sessions: 0, leases: 0, apiKeys: 0,
                        revokedAt: first + .seconds(1)),
                    .init(
                        membership: "0193aaaa-0000-7000-8000-000000000022", endedAt: second, sessions: 0, leases: 0, apiKeys: nil,
                        revokedAt: nil),
                ], withAccess: 0), change)
    }
}
