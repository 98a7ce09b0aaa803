import Foundation
import PluginKit
import Signing
import Store
import Tenancy
import Vocabulary

package enum ComplianceRoom {
    package static func migrations() throws -> [Migration] { try Migration.all(room: "compliance", bundle: .module) }
}

/// Whose controls: one tenant's, or the platform's own.
package enum ComplianceScope: Sendable, Hashable {
    case tenant(TenantID)
    case platform

    /// Under whose id it is stored and journalled; the platform's is all zero, as in the journal.
    package var owner: TenantID {
        switch self {
        case .tenant(let id): id
        case .platform: TenantID(JournalRecord.platform)
        }
    }
    /// As evidence names it.
    package var name: String {
        switch self {
        case .tenant(let id): id.description
        case .platform: "platform"
        }
    }
    init(_ owner: TenantID) { self = owner.uuid == JournalRecord.platform ? .platform : .tenant(owner) }
}

/// A framework at work and the plugin that it comes from.
package struct OfferedFramework: Sendable {
    package let plugin: String
    package let version: String
    /// Of the library: which build answered.
    package let digest: String
    package let about: FrameworkDescription
    package init(plugin: String, version: String, digest: String, about: FrameworkDescription) {
        self.plugin = plugin
        self.version = version
        self.digest = digest
        self.about = about
    }
}

/// Where frameworks are; Composition puts the plugins behind it.
package protocol FrameworkDesk: Sendable {
    var offered: [OfferedFramework] { get }
    /// Within a bounded time. Whatever it throws is "the framework failed".
    func answer(_ question: ControlQuestion, by framework: String) async throws -> ControlAnswer
}

/// Says how one thing stands. Rooms on either side are read through these; Composition hands them over.
package protocol EvidenceSource: Sendable {
    var kind: EvidenceKind { get }
    /// Which part of the server says so.
    var name: String { get }
    /// Nil where the scope has no such thing. Throwing leaves the evidence out, and says so in the log.
    func facts(_ scope: ComplianceScope, now: Timestamp) async throws -> (any Encodable & Sendable)?
    /// Whose evidence it is: the platform's counts for every tenant.
    func scope(of scope: ComplianceScope) -> ComplianceScope
}

extension EvidenceSource {
    package func scope(of scope: ComplianceScope) -> ComplianceScope { scope }
}

/// Ends a membership with everything that hangs on it: sessions, leases.
package protocol MembershipEnding: Sendable {
    func end(_ membership: MembershipID, of user: UserID, in tenant: TenantID, by role: Role, _ act: Act) async throws
}

/// What a tenant's auditor wants to know: controls of frameworks, judged from evidence that the kernel collects; and reviews of access.
package struct Compliance: Sendable {
    let store: any Store
    let tenancy: Tenancy
    let frameworks: any FrameworkDesk
    let sources: [any EvidenceSource]
    let ending: any MembershipEnding
    let floor: ComplianceFloor

    package init(
        _ floor: ComplianceFloor, tenancy: Tenancy, frameworks: any FrameworkDesk, sources: [any EvidenceSource],
        ending: any MembershipEnding
    ) {
        self.floor = floor
        store = floor.store
        self.tenancy = tenancy
        self.frameworks = frameworks
        self.ending = ending
        self.sources = sources + [AccessReviewEvidence(store: floor.store, tenancy: tenancy)]
    }

    func offered(_ id: String) throws(Problem) -> OfferedFramework {
        guard let found = frameworks.offered.first(where: { $0.about.id == id }) else { throw ComplianceProblems.noFramework }
        return found
    }
}

/// What the room stands on.
package struct ComplianceFloor: Sendable {
    package let store: any Store
    package let signer: any Signer
    package let entropy: any Entropy
    package let settings: Settings
    /// For what goes wrong in a job.
    package let log: @Sendable (String) -> Void
    package init(
        store: any Store, signer: any Signer, entropy: any Entropy, settings: Settings, log: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.store = store
        self.signer = signer
        self.entropy = entropy
        self.settings = settings
        self.log = log
    }
}

/// One judgement of one control, as stored.
package struct ControlResult: Sendable, Hashable {
    package enum Voice: String, Sendable { case framework, failure }
    package let control: String
    package let outcome: ControlOutcome
    /// Whether the framework said so, or failed to say anything.
    package let saidBy: Voice
    package let reason: String
    package let facts: [RelevantFact]
    package let missing: [String]
    /// Since when the outcome is what it is.
    package var since: Timestamp
}

/// One pass over all controls of a framework.
package struct ComplianceRun: Sendable, Hashable {
    package typealias ID = Identifier<ComplianceRun>
    package enum Cause: String, Sendable { case schedule, request }
    package let id: ID
    package let framework: String
    package let edition: String
    /// `soc2 1.0.0 3f…`
    package let plugin: String
    package let cause: Cause
    package let at: Timestamp
    package let passed: Int
    package let failed: Int
    package let notEvaluated: Int
    package let broken: Int
}
