import Foundation
import PluginKit
import RoomTesting
import Signing
import Store
import Tenancy
import Vocabulary

@testable import Compliance

/// A framework that does as it is told: `pass`, `fail`, `open` or `break` by control; CC1 reads reviews, CC2 the chain, CC3 nothing.
final class PaperDesk: FrameworkDesk {
    let says = Guarded<[String: String]>([:])
    let asked = Guarded<[ControlQuestion]>([])
    let isThere = Guarded(true)

    var offered: [OfferedFramework] {
        guard isThere.with({ $0 }) else { return [] }
        return [
            OfferedFramework(
                plugin: "paper", version: "1.0.0", digest: String(repeating: "a", count: 64),
                about: FrameworkDescription(
                    id: "paper", title: "Paper", edition: "1",
                    controls: [
                        ControlDescription(
                            id: "CC1", title: "Reviews", criterion: "Reviewed.", reads: [EvidenceNeed(.accessReview, maxAgeSeconds: 3_600)]),
                        ControlDescription(
                            id: "CC2", title: "Chain", criterion: "Whole.", reads: [EvidenceNeed(.auditChain, maxAgeSeconds: 3_600)]),
                        ControlDescription(id: "CC3", title: "Shown", criterion: "Shown.", missing: ["a paper"]),
                    ]))
        ]
    }
    struct Broken: Error, CustomStringConvertible { let description = "it\nbroke" }

    func answer(_ question: ControlQuestion, by framework: String) async throws -> ControlAnswer {
        asked.with { $0.append(question) }
        switch says.with({ $0[question.control] }) {
        case "pass": return ControlAnswer(.pass, reason: "Well.", facts: [RelevantFact(.accessReview, "members", 1)])
        case "fail": return ControlAnswer(.fail, reason: "Ill.", facts: [RelevantFact(.accessReview, "members", 1)])
        case "break": throw Broken()
        default: return ControlAnswer(.notEvaluated, reason: "Nobody knows.", missing: ["a paper"])
        }
    }
}

/// Signs nothing that anybody would believe.
struct PaperSigner: Signer {
    func sign(_ message: [UInt8], _ purpose: KeyPurpose) async throws -> Signature {
        Signature(keyID: "paper", bytes: Digest.sha256(message))
    }
    func verify(_ message: [UInt8], _ signature: Signature, _ purpose: KeyPurpose) -> Bool { signature.bytes == Digest.sha256(message) }
}

final class PaperEnding: MembershipEnding {
    let tenancy: Tenancy
    let ended = Guarded<[UserID]>([])
    init(_ tenancy: Tenancy) { self.tenancy = tenancy }
    func end(_ membership: MembershipID, of user: UserID, in tenant: TenantID, by role: Role, _ act: Act) async throws {
        try await tenancy.apply(.end(membership), tenant: tenant, by: role, act)
        ended.with { $0.append(user) }
    }
}

struct PaperPeople: SecondFactorReading, AccessLeftReading {
    var factors: Set<UserID>?
    var sessions = 0
    func holders(among users: [UserID]) async throws -> Set<UserID>? { factors }
    func platformPeople() async throws -> [UserID] { [] }
    func left(to user: UserID, in tenant: TenantID, endedAt: Timestamp, now: Timestamp) async throws -> AccessLeft {
        AccessLeft(sessions: sessions, leases: 0, apiKeys: nil, revokedAt: sessions == 0 ? endedAt : nil)
    }
}

struct House {
    let test: TestStore
    let desk = PaperDesk()
    let tenancy: Tenancy
    let ending: PaperEnding
    let room: Compliance
    let tenant: TenantID
    let owner: Principal
    let lines = Guarded<[String]>([])

    init(_ sources: [any EvidenceSource]? = nil, settings: Settings = Settings()) async throws {
        test = try await TestStore.make(migrations: try TenancyRoom.migrations() + ComplianceRoom.migrations())
        tenancy = Tenancy(store: test.store, sealer: test.sealer, entropy: test.entropy, settings: Settings())
        ending = PaperEnding(tenancy)
        (tenant, owner) = try await House.found(tenancy, test)
        let lines = lines
        room = Compliance(
            ComplianceFloor(
                store: test.store, signer: PaperSigner(), entropy: test.entropy, settings: settings,
                log: { line in lines.with { $0.append(line) } }
            ), tenancy: tenancy, frameworks: desk, sources: sources ?? [AuditChainEvidence(store: test.store, signer: PaperSigner())],
            ending: ending)
    }

    static func found(_ tenancy: Tenancy, _ test: TestStore) async throws -> (TenantID, Principal) {
        let user = UserID(UUID())
        let act = test.act()
        let made = try await test.store.kernel(KernelReason("test.found")) { db in
            try tenancy.found(.init(kind: .organization, name: "Engines", owner: user, origin: "sign_up"), in: db, act)
        }
        return (made.tenant, House.principal(user, made.tenant, made.membership, .owner))
    }
    static func principal(_ user: UserID, _ tenant: TenantID, _ membership: MembershipID, _ role: Role) -> Principal {
        Principal(user: user, tenant: tenant, membership: membership, session: AuthSessionID(UUID()), role: role.rawValue)
    }

    /// As an invitation would.
    func join(_ role: Role, endsAt: Timestamp? = nil, scope: String? = nil) async throws -> Principal {
        let (user, membership) = (UserID(UUID()), MembershipID(UUID()))
        let now = test.clock.now()
        try await test.store.tenant(tenant) { db in
            try db.run(
                SQL(
                    "test.join",
                    """
                    INSERT INTO membership
                        (tenant_id, membership_id, user_id, role, standing, scope, ends_at, origin, created_at, changed_at)
                    VALUES ($1, $2, $3, $4, 'active', $5, $6, 'invitation', $7, $7)
                    """), db.tenant, membership, user, role.rawValue, scope, endsAt, now)
        }
        return House.principal(user, tenant, membership, role)
    }

    func run(_ scope: ComplianceScope? = nil) async throws -> ComplianceRun {
        try await room.runNow("paper", scope ?? .tenant(tenant), test.act())
    }
    func result(_ control: String) async throws -> ControlResult? {
        try await room.standing("paper", .tenant(tenant)).controls.first { $0.control.id == control }?.result
    }
    func facts<Facts: Decodable>(_ source: any EvidenceSource, _ type: Facts.Type) async throws -> Facts? {
        guard let facts = try await source.facts(.tenant(tenant), now: test.clock.now()) else { return nil }
        return try Evidence(source.kind, scope: "x", source: "x", collectedAt: test.clock.now(), facts: facts).read(type)
    }
}
