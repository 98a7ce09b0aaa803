import Foundation

// since 1.2
/// For the kind `compliance_framework`: declares controls and judges each from evidence that the server has collected.
///
/// The server collects; a framework only reads. Before it asks, the server checks each piece's digest and leaves out every kind that the
/// control does not declare.
public protocol ComplianceFramework: Sendable {
    /// Constant while the plugin runs.
    var about: FrameworkDescription { get }
    /// A pure function of the question: no network, no clock but `question.now`, no chance, no memory. It has 10 s, on a thread that may
    /// be busy. What it throws is kept as "the framework failed", which is neither pass, fail nor a reason of the framework's own.
    func evaluate(_ question: ControlQuestion) throws -> ControlAnswer
}

extension PluginKind {
    public static let complianceFramework = PluginKind(rawValue: "compliance_framework")
}

public struct FrameworkDescription: Sendable, Hashable, Codable {
    /// `soc2`: a-z, 0-9 and _, at most 40 signs; never changes.
    public var id: String
    public var title: String
    /// Which edition of the standard the controls follow.
    public var edition: String
    /// 1 … 500, in the standard's order.
    public var controls: [ControlDescription]
    public init(id: String, title: String, edition: String, controls: [ControlDescription]) {
        self.id = id
        self.title = title
        self.edition = edition
        self.controls = controls
    }
}

public struct ControlDescription: Sendable, Hashable, Codable {
    /// `CC6.1`: letters, digits, `.` and `-`, at most 32 signs; never changes and is never given to another control.
    public var id: String
    public var title: String
    /// What must hold for a pass.
    public var criterion: String
    /// All that `evaluate` reads for it; empty where no evidence for it is collected.
    public var reads: [EvidenceNeed]
    /// What somebody must bring for a judgement that evidence cannot give. Not empty where `reads` is.
    public var missing: [String]
    public init(id: String, title: String, criterion: String, reads: [EvidenceNeed] = [], missing: [String] = []) {
        self.id = id
        self.title = title
        self.criterion = criterion
        self.reads = reads
        self.missing = missing
    }
}

public struct EvidenceNeed: Sendable, Hashable, Codable {
    public var kind: EvidenceKind
    /// Of the facts' shape.
    public var version: Int
    /// Evidence older than this proves nothing; exactly this old still does.
    public var maxAgeSeconds: Int64
    public init(_ kind: EvidenceKind, version: Int = 1, maxAgeSeconds: Int64) {
        self.kind = kind
        self.version = version
        self.maxAgeSeconds = maxAgeSeconds
    }
}

/// What evidence is about; the raw value stands in answers and exports. A later server may know more.
public struct EvidenceKind: RawRepresentable, Sendable, Hashable, Codable {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    /// `AccessReviewFacts`
    public static let accessReview = EvidenceKind(rawValue: "access_review")
    /// `SecondFactorFacts`
    public static let secondFactor = EvidenceKind(rawValue: "second_factor")
    /// `AuditChainFacts`
    public static let auditChain = EvidenceKind(rawValue: "audit_chain")
    /// `PolicyChangeFacts`
    public static let policyChanges = EvidenceKind(rawValue: "policy_changes")
    /// `KeyAgeFacts`
    public static let keyAges = EvidenceKind(rawValue: "key_ages")
    /// `LeaverFacts`
    public static let leavers = EvidenceKind(rawValue: "leavers")
    /// What this kit's servers collect.
    public static let all = [accessReview, secondFactor, auditChain, policyChanges, keyAges, leavers]
}

/// One piece of evidence: typed, versioned, dated, with its source and a digest. Holds ids, never names, mail addresses or secrets.
public struct Evidence: Sendable, Hashable, Codable {
    public static let maxBytes = 65_536

    public var kind: EvidenceKind
    public var version: Int
    /// A tenant's id, or `platform`.
    public var scope: String
    /// Which part of the server says so: `journal`, `key ring`.
    public var source: String
    public var collectedAt: Timestamp
    public var facts: JSONValue
    /// SHA-256 of all the other members as JSON with sorted keys and no blanks, in lower-case hex.
    public var digest: String

    /// Makes the digest too.
    public init<Facts: Encodable>(
        _ kind: EvidenceKind, version: Int = 1, scope: String, source: String, collectedAt: Timestamp, facts: Facts
    ) throws {
        self.kind = kind
        self.version = version
        self.scope = scope
        self.source = source
        self.collectedAt = collectedAt
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        self.facts = try JSONDecoder().decode(JSONValue.self, from: encoder.encode(facts))
        digest = ""
        digest = try madeDigest()
    }

    /// False where something was changed after the digest was made.
    public var isIntact: Bool { (try? madeDigest()) == digest }

    /// The facts as a type of this kit; throws where one is missing or of another type.
    public func read<Facts: Decodable>(_ type: Facts.Type) throws -> Facts { try JSONDecoder().decode(type, from: facts.encoded()) }

    private func madeDigest() throws -> String {
        let body: JSONValue = [
            "collected_at": .string(collectedAt.iso8601), "facts": facts, "kind": .string(kind.rawValue), "scope": .string(scope),
            "source": .string(source), "version": .int(Int64(version)),
        ]
        return PluginDigest.hex(PluginDigest.sha256(try body.encoded()))
    }

    private enum CodingKeys: String, CodingKey {
        case kind, version, scope, source, facts, digest
        case collectedAt = "collected_at"
    }
}

/// One control, asked once.
public struct ControlQuestion: Sendable, Hashable, Codable {
    public var control: String
    /// Whose controls: a tenant's id, or `platform`. Evidence of `platform` counts for a tenant too.
    public var scope: String
    public var now: Timestamp
    /// In no particular order.
    public var evidence: [Evidence]
    public init(control: String, scope: String, now: Timestamp, evidence: [Evidence]) {
        self.control = control
        self.scope = scope
        self.now = now
        self.evidence = evidence
    }
}

public enum ControlOutcome: String, Sendable, Hashable, Codable, CaseIterable {
    case pass, fail
    case notEvaluated = "not_evaluated"
}

public struct ControlAnswer: Sendable, Hashable, Codable {
    public var outcome: ControlOutcome
    /// One sentence for an auditor, at most 500 signs, made of nothing but ids and counts of the evidence.
    public var reason: String
    /// What the outcome rests on, 1 … 50 of them; none where nothing was evaluated.
    public var facts: [RelevantFact]
    /// For `notEvaluated`: what would be needed, 1 … 20 of them.
    public var missing: [String]
    public init(_ outcome: ControlOutcome, reason: String, facts: [RelevantFact] = [], missing: [String] = []) {
        self.outcome = outcome
        self.reason = reason
        self.facts = facts
        self.missing = missing
    }
}

/// A member of a piece of evidence, as it stands there.
public struct RelevantFact: Sendable, Hashable, Codable {
    public var kind: EvidenceKind
    public var name: String
    public var value: JSONValue
    public init(_ kind: EvidenceKind, _ name: String, _ value: JSONValue) {
        self.kind = kind
        self.name = name
        self.value = value
    }
}
// end of 1.2
