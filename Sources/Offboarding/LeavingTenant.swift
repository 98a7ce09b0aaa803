import Foundation
import Store
import Tenancy
import Vocabulary

/// One tenant's way out.
package struct LeavingTenant: Sendable, Hashable {
    package typealias ID = Identifier<LeavingTenant>
    package enum State: String, LifecycleState {
        case offered, scheduled, leaving, retained, purging, purged, withdrawn, reactivated
        /// Whether another one can begin.
        package var isOver: Bool { self == .purged || self == .withdrawn || self == .reactivated }
    }
    package enum Reason: String, Sendable, CaseIterable {
        case price, quality, unpaid, other
        case missingFeature = "missing_feature"
        case noNeed = "no_need"
    }
    /// What made it leave.
    package enum Cause: String, Sendable, CaseIterable {
        /// An owner asked for it.
        case asked
        /// Its last subscription was cancelled.
        case cancelled
        /// Nothing was paid for a long time.
        case lapsed
    }
    package struct Offer: Sendable, Hashable, Codable {
        package let kind: String
        package let discountBasisPoints: Int64?
        enum CodingKeys: String, CodingKey {
            case kind
            case discountBasisPoints = "discount_basis_points"
        }
    }

    package let tenant: TenantID
    package let id: ID
    package let state: State
    package let reason: Reason
    package let cause: Cause
    package let askedBy: UserID?
    package let offer: Offer?
    package let hasRefused: Bool
    /// When the customer wants to leave; an open offer moves the real moment.
    package let wantedAt: Timestamp
    package let leavesAt: Timestamp
    package let retentionDays: Int
    package let retainedUntil: Timestamp?
    package let askedAt: Timestamp
    package let certificate: DeletionCertificate?
    /// A policy lets it leave before what is paid for is over.
    let isEarly: Bool
    /// When the platform withdrew it, because something goes on after all.
    package let calledOffAt: Timestamp?
    let changedAt: Timestamp

    init(_ row: Row) throws {
        tenant = try row.id(0)
        id = try row.id(1)
        guard let state = State(rawValue: try row.text(2)), let reason = Reason(rawValue: try row.text(3)) else {
            throw StoreFault.corrupt("offboarding: a word that this program does not know")
        }
        self.state = state
        self.reason = reason
        askedBy = try row.optional(4, row.id)
        offer = try row.optional(5, row.text).map { try JSONCoding.decode(Offer.self, Data($0.utf8)) }
        hasRefused = try row.bool(6)
        wantedAt = try row.time(7)
        leavesAt = try row.time(8)
        retentionDays = try row.int(9)
        retainedUntil = try row.optional(10, row.time)
        askedAt = try row.time(11)
        certificate = try row.optional(12, row.text).map { text in
            DeletionCertificate(document: text, keyID: try row.text(13), signature: try row.blob(14))
        }
        cause = try row.optional(15, row.text).flatMap(Cause.init) ?? (reason == .unpaid ? .lapsed : .asked)
        isEarly = try row.optional(16, row.bool) ?? false
        calledOffAt = try row.optional(17, row.time)
        changedAt = try row.time(18)
    }

    /// A cancelled subscription planned it, and nothing has happened yet.
    var isPlannedByItself: Bool { cause == .cancelled && (state == .offered || state == .scheduled) }

    /// Until when it can come back, as far as is known now; nil once it cannot, and where it never left.
    package var canReturnUntil: Timestamp? {
        switch state {
        case .offered, .scheduled: leavesAt + .days(Int64(retentionDays))
        case .leaving: max(leavesAt, changedAt) + .days(Int64(retentionDays))
        case .retained: retainedUntil
        case .purging, .purged, .withdrawn, .reactivated: nil
        }
    }
}

/// What proves a deletion, to anyone who has the platform's public keys.
package struct DeletionCertificate: Sendable, Hashable {
    /// RFC 8785, exactly what was signed after its prefix.
    package let document: String
    package let keyID: String
    package let signature: [UInt8]
}

/// One thing to do on the way.
package struct LeavingStep: Sendable, Hashable {
    package enum Phase: String, Sendable, CaseIterable { case leave, restore, purge }
    package let place: Int
    package let phase: Phase
    /// `close`, `revoke:identity`, `export`, `purge:seats`.
    package let name: String
    package let doneAt: Timestamp?
    package let remainders: [ClosureRemainder]

    init(_ row: Row) throws {
        place = try row.int(0)
        guard let phase = Phase(rawValue: try row.text(1)) else { throw StoreFault.corrupt("offboarding_step.phase") }
        self.phase = phase
        name = try row.text(2)
        doneAt = try row.optional(3, row.time)
        remainders = try JSONCoding.decode([ClosureRemainder].self, Data(try row.text(4).utf8))
    }
}

/// The life of a tenant that leaves. The diagram in the README is rendered from this value.
package let leavingLifecycle = Lifecycle<LeavingTenant.State>(
    "Leaving", "A tenant's way out, and back.", initial: [.offered, .scheduled],
    [
        Transition("schedule", "scheduled", from: [.offered], to: .scheduled, by: [.customer], why: "the offer was refused"),
        Transition(
            "withdraw", "withdrawn", from: [.offered, .scheduled], to: .withdrawn, by: [.customer, .kernel],
            why: "an owner took the offer or stays anyway, or a subscription that was to end goes on"),
        Transition(
            "begin", "begun", from: [.offered, .scheduled], to: .leaving, by: [.time, .policy],
            why: "the moment came: at once, or the end of what is paid"),
        Transition("retain", "retained", from: [.leaving], to: .retained, by: [.kernel], why: "access ended, billing stopped, export made"),
        Transition(
            "reactivate", "reactivated", from: [.retained], to: .reactivated, by: [.customer, .kernel],
            why: "an owner came back while everything is kept, or something is paid for again"),
        Transition(
            "purge", "purging", from: [.retained], to: .purging, by: [.time, .policy], why: "the retention is over and no hold stands"),
        Transition("certify", "purged", from: [.purging], to: .purged, by: [.kernel], why: "every room purged; the certificate is signed"),
    ])
