import Store
import Tenancy
import Vocabulary

/// One member's way out, while the tenant stays. Access is over when it begins; what follows is about what the member leaves behind.
package struct MemberLeaving: Sendable, Hashable {
    package typealias ID = Identifier<MemberLeaving>
    package enum State: String, LifecycleState { case ended, leaving, kept, purging, over, returned }
    package enum Cause: String, Sendable, CaseIterable {
        case left, removed, over
        /// The person is erased: no policy is asked, and nothing is kept.
        case erased
    }
    package let id: ID
    package let membership: MembershipID
    package let user: UserID
    /// The role that the member had.
    package let role: String
    package let cause: Cause
    package let state: State
    package let endedAt: Timestamp
    /// Nil where there is no workstation to keep.
    package let keptUntil: Timestamp?
    package let isHandedOver: Bool

    init(_ row: Row) throws {
        id = try row.id(0)
        membership = try row.id(1)
        user = try row.id(2)
        role = try row.text(3)
        guard let cause = Cause(rawValue: try row.text(4)), let state = State(rawValue: try row.text(5)) else {
            throw StoreFault.corrupt("member_leaving: a word that this program does not know")
        }
        self.cause = cause
        self.state = state
        endedAt = try row.time(6)
        keptUntil = try row.optional(7, row.time)
        isHandedOver = try row.bool(8)
    }
}

/// What becomes of the workstation of somebody who is no member any more.
package struct WorkstationKeep: Sendable, Hashable {
    package let user: UserID
    /// Owners of the tenant may open it: only after it was put to sleep, so that whatever was let in before is out.
    package let isOpenToOwners: Bool
}

/// What members who leave have that lives on without them; Composition asks the rooms that keep it.
package protocol LeaverEstate: Sendable {
    /// A workstation with anything on it that is not being taken away already.
    func hasWorkstation(_ user: UserID, in tenant: TenantID) async throws -> Bool
    /// Puts it to sleep; true once it is, or there is none.
    func sleep(_ user: UserID, in tenant: TenantID, _ act: Act) async throws -> Bool
    /// What is kept changed: brings the tenant's workstations in line with it.
    func review(_ tenant: TenantID, _ act: Act) async throws
    /// Ends what was shared with the member by name, unless the member is back.
    func unshare(_ member: MembershipID, in tenant: TenantID, _ act: Act) async throws
}

/// The life of a member's leaving. The diagram in the README is rendered from this value.
package let memberLeavingLifecycle = Lifecycle<MemberLeaving.State>(
    "Member leaving", "What follows when a single member leaves.", initial: [.ended],
    [
        Transition("decide", "decided", from: [.ended], to: .leaving, by: [.policy], why: "the policy said what follows"),
        Transition("keep", "kept", from: [.leaving], to: .kept, by: [.kernel], why: "there is a workstation, and it sleeps"),
        Transition(
            "purge", "purging", from: [.kept], to: .purging, by: [.time, .policy], why: "its days are over and no hold stands"),
        Transition(
            "finish", "finished", from: [.leaving, .purging], to: .over, by: [.kernel], why: "nothing of the member's is left to be done"),
        Transition(
            "return", "returned", from: [.ended, .leaving, .kept, .purging], to: .returned, by: [.customer],
            why: "the person is a member again"),
    ])
