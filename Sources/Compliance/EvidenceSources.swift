import Foundation
import PluginKit
import Signing
import Store
import Vocabulary

/// Checks the whole journal of the scope: hash chain, gaps, checkpoints and their signatures. Costs a reading of all its entries.
package struct AuditChainEvidence: EvidenceSource {
    private let store: any Store
    private let signer: any Signer
    package let kind = EvidenceKind.auditChain
    package let name = "journal"
    package init(store: any Store, signer: any Signer) {
        self.store = store
        self.signer = signer
    }

    package func facts(_ scope: ComplianceScope, now: Timestamp) async throws -> (any Encodable & Sendable)? {
        let owner = scope.owner.uuid
        var report = try await verify(owner)
        if report.isIntact, report.checkpoints == 0, report.entries > 0 {
            // Younger than the last round of checkpoints: it is sealed now.
            _ = try await JournalKeeper(store: store).checkpoint(owner, now: now) { [signer] message in
                let signature = try await signer.sign(message, .journal)
                return (signature.keyID, signature.bytes)
            }
            report = try await verify(owner)
        }
        var facts = AuditChainFacts(
            entries: report.entries, segments: report.segments, checkpoints: report.checkpoints, uncovered: Int(report.uncovered),
            findings: report.findings.count)
        facts.firstFinding = report.findings.first?.kind.rawValue
        facts.lastCheckpointAt = report.lastCheckpoint?.at
        return facts
    }

    private func verify(_ owner: UUID) async throws -> JournalReport {
        try await JournalKeeper(store: store).verify(owner) { [signer] message, keyID, signature in
            signer.verify(message, Signature(keyID: keyID, bytes: signature), .journal)
        }
    }
}

/// Which policies came into force, out of the journal: the platform's set, or a tenant's own policies.
package struct PolicyChangeEvidence: EvidenceSource {
    private let store: any Store
    /// Hash of what is in force now; nil where nothing is.
    private let inForce: @Sendable (ComplianceScope) async throws -> String?
    package let kind = EvidenceKind.policyChanges
    package let name = "journal"
    private static let reading = KernelReason("compliance.policy_changes")
    private static let most = 200

    package init(store: any Store, inForce: @escaping @Sendable (ComplianceScope) async throws -> String?) {
        self.store = store
        self.inForce = inForce
    }

    package func facts(_ scope: ComplianceScope, now: Timestamp) async throws -> (any Encodable & Sendable)? {
        var told: [JournalRecord] = []
        var place = JournalPlace.start
        while true {
            let after = place
            let some = try await store.kernelRead(Self.reading) {
                try $0.ledger.journalPage(of: scope.owner.uuid, after: after, limit: 500)
            }
            told += some.filter { $0.outcome == "success" && ($0.action.hasPrefix("policies.") || $0.action.hasPrefix("tenant_policies.")) }
            guard let last = some.last, some.count == 500 else { break }
            place = JournalPlace(segment: last.segment, seq: last.seq)
        }
        let changes = Self.changes(told.sorted { $0.at < $1.at })
        return PolicyChangeFacts(
            inForce: try await inForce(scope), changes: Array(changes.reversed().prefix(Self.most)), total: changes.count)
    }

    /// Oldest first. The server says `policies.live` of whatever comes into force, with what it had passed; who asked for it says so in an
    /// entry of its own: together they are one change.
    static func changes(_ records: [JournalRecord]) -> [PolicyChangeFacts.Change] {
        var tests: [String: Int] = [:]
        var changes: [PolicyChangeFacts.Change] = []
        for record in records {
            let details = (try? JSONCoding.decode(JSONValue.self, Data(record.details.utf8))) ?? [:]
            switch record.action {
            case "tenant_policies.uploaded":
                tests[String(record.subject.dropFirst("policies:".count))] = details["tests"]?.int.map(Int.init)
            case "policies.live", "policies.promoted", "policies.rolled_back", "policies.reloaded", "tenant_policies.activated",
                "tenant_policies.switched_off":
                let hash = details["after"]?.string ?? ""
                if let known = details["tests_passed"]?.int { tests[hash] = Int(known) }
                if var last = changes.last, last.hash == hash {
                    if last.actor.hasPrefix("system:"), !record.actor.hasPrefix("system:") { last.actor = record.actor }
                    last.testsPassed = last.testsPassed ?? tests[hash]
                    changes[changes.count - 1] = last
                } else {
                    changes.append(.init(at: record.at, actor: record.actor, hash: hash, testsPassed: tests[hash]))
                }
            default: continue
            }
        }
        return changes
    }
}

/// How long each key has been signing. The same for every tenant: it is the platform's.
package struct KeyAgeEvidence: EvidenceSource {
    private let keys: @Sendable () -> [KeyInfo]
    package let kind = EvidenceKind.keyAges
    package let name = "key ring"
    package init(keys: @escaping @Sendable () -> [KeyInfo]) { self.keys = keys }

    package func scope(of scope: ComplianceScope) -> ComplianceScope { .platform }
    package func facts(_ scope: ComplianceScope, now: Timestamp) async throws -> (any Encodable & Sendable)? {
        KeyAgeFacts(
            keys: keys().filter { $0.state == .active }.sorted { $0.id < $1.id }.map {
                .init(
                    id: $0.id, purpose: $0.purpose.rawValue, algorithm: $0.algorithm.rawValue, activeSince: $0.activatedAt ?? $0.createdAt)
            })
    }
}

/// Who has a second factor; declared here, answered by whoever keeps the factors.
package protocol SecondFactorReading: Sendable {
    /// Nil where this server knows no second factor; else those of the users who have one.
    func holders(among users: [UserID]) async throws -> Set<UserID>?
    /// Everybody with a platform role.
    func platformPeople() async throws -> [UserID]
}

/// What a person who left can still use; declared here, answered by the rooms that keep sessions, leases and keys.
package protocol AccessLeftReading: Sendable {
    func left(to user: UserID, in tenant: TenantID, endedAt: Timestamp, now: Timestamp) async throws -> AccessLeft
}

package struct AccessLeft: Sendable, Hashable {
    package var sessions: Int
    package var leases: Int
    /// Nil where this server knows none.
    package var apiKeys: Int?
    /// When the last session was revoked or ran out after the membership ended.
    package var revokedAt: Timestamp?
    package init(sessions: Int, leases: Int, apiKeys: Int?, revokedAt: Timestamp?) {
        self.sessions = sessions
        self.leases = leases
        self.apiKeys = apiKeys
        self.revokedAt = revokedAt
    }
}
