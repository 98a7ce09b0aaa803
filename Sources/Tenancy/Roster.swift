import Vocabulary

/// The members of one tenant and the owner that the tenant names: a pure rule, request in, steps out.
package struct Roster: Sendable, Hashable {
    package var members: [Membership]
    /// The membership that the tenant row points to.
    package var anchor: MembershipID

    package init(members: [Membership], anchor: MembershipID) {
        self.members = members
        self.anchor = anchor
    }

    package enum Request: Sendable, Hashable {
        case change(MembershipID, to: Role, endsAt: Timestamp?, scope: [String]?)
        case end(MembershipID)
    }

    /// What the table must do, in this order: the anchor moves before its old holder loses the role, or the schema refuses.
    package enum Step: Sendable, Hashable {
        case moveAnchor(to: MembershipID)
        case write(Membership)
    }

    /// Owners manage everybody; others only members below themselves, up to below themselves; nobody else changes anything.
    /// The last owner can be neither ended nor demoted, by nobody.
    package func steps(for request: Request, by actor: Role?, now: Timestamp) throws(Problem) -> [Step] {
        let id =
            switch request {
            case .change(let id, _, _, _): id
            case .end(let id): id
            }
        guard let target = members.first(where: { $0.id == id }), target.isActive(at: now) else { throw CommonProblems.notFound }
        var changed = target
        switch request {
        case .end: changed.standing = .ended
        case .change(_, let role, let endsAt, let scope):
            try Self.check(role, endsAt: endsAt, scope: scope, now: now)
            changed.role = role
            changed.endsAt = endsAt
            changed.scope = scope
        }
        if let actor, actor != .owner {
            guard target.role.rank < actor.rank else { throw TenancyProblems.rankTooLow }
            if changed.standing == .active { try Self.checkGift(changed.role, by: actor) }
            guard actor.rank >= Role.admin.rank else { throw TenancyProblems.rankTooLow }
        }
        guard target.role == .owner, changed.role != .owner || changed.standing == .ended else { return [.write(changed)] }
        let heirs = members.filter { $0.id != id && $0.role == .owner && $0.isActive(at: now) }
        guard let heir = heirs.min(by: { $0.id < $1.id }) else { throw TenancyProblems.lastOwner }
        return anchor == id ? [.moveAnchor(to: heir.id), .write(changed)] : [.write(changed)]
    }

    /// What a membership of this role must have and must not.
    package static func check(_ role: Role, endsAt: Timestamp?, scope: [String]?, now: Timestamp) throws(Problem) {
        guard Role.ofTenant.contains(role) || role.rank == 0 && !Role.ofPlatform.contains(role) else {
            throw CommonProblems.invalid("role", "is not a role of a tenant")
        }
        if role.needsEnd, endsAt == nil { throw TenancyProblems.endRequired }
        if let endsAt, endsAt <= now { throw CommonProblems.invalid("ends_at", "lies in the past") }
        if role == .owner, endsAt != nil || scope != nil { throw TenancyProblems.ownerUnbounded }
    }
    /// Whether a member of `actor`'s role may make somebody a member of `role`.
    package static func checkGift(_ role: Role, by actor: Role) throws(Problem) {
        guard actor == .owner || actor.rank >= Role.admin.rank && role.giftRank < actor.rank else { throw TenancyProblems.rankTooLow }
    }

    /// Whether `user` leaving would leave the others without an owner.
    package func isLastOwner(_ user: UserID, now: Timestamp) -> Bool {
        let owners = members.filter { $0.role == .owner && $0.isActive(at: now) }
        return owners.contains { $0.user == user } && !owners.contains { $0.user != user }
    }
}
