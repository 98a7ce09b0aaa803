import Foundation
import Signing
import Store
import Tenancy
import Vocabulary

/// A member as the tenant sees it.
package struct Member: Sendable, Hashable {
    package let membership: Membership
    package let since: Timestamp
    package let email: String
    package let name: String
}

/// What is to change of a membership; what is nil stays.
package struct MemberChange: Sendable, Hashable {
    package enum Value<Wrapped: Sendable & Hashable>: Sendable, Hashable {
        case keep
        case set(Wrapped?)
        func over(_ old: Wrapped?) -> Wrapped? {
            switch self {
            case .keep: old
            case .set(let new): new
            }
        }
    }
    package var role: Role?
    package var endsAt: Value<Timestamp>
    package var scope: Value<[String]>
    package init(role: Role? = nil, endsAt: Value<Timestamp> = .keep, scope: Value<[String]> = .keep) {
        self.role = role
        self.endsAt = endsAt
        self.scope = scope
    }
}

extension People {
    static let overJob = "identity.membership_over"

    /// Active members, in the order of their ids; up to one more than `limit`.
    package func members(_ tenant: TenantID, after: MembershipID?, limit: Int, now: Timestamp) async throws -> [Member] {
        try await store.kernelRead(KernelReason("people.members")) { db in
            let entries = try db.within(tenant) { try tenancy.members(after: after, limit: limit + 1, in: $0, now: now) }
            return try entries.map { try member($0, in: db) }
        }
    }
    package func member(_ id: MembershipID, of tenant: TenantID, now: Timestamp) async throws -> Member {
        try await store.kernelRead(KernelReason("people.member")) { db in
            guard let entry = try db.within(tenant, { try tenancy.member(id, in: $0) }), entry.membership.isActive(at: now) else {
                throw CommonProblems.notFound
            }
            return try member(entry, in: db)
        }
    }
    private func member(_ entry: MemberEntry, in db: any KernelScope) throws -> Member {
        let sealed = try identity.account(entry.membership.user, in: db)
        // An erased person's fields open no more; the membership stands until it is ended.
        let account = sealed.flatMap { try? $0.open(identity.fields) }
        return Member(membership: entry.membership, since: entry.since, email: account?.email ?? "", name: account?.name ?? "")
    }

    /// Changes a membership below the caller's own role. The last owner stays one, whoever asks.
    package func change(_ id: MembershipID, _ wanted: MemberChange, by caller: Principal, _ act: Act) async throws -> Member {
        let before = try await member(id, of: caller.tenant, now: act.now).membership
        // Asked before the transaction: what the role may do, for those who end what it may no longer.
        let role = wanted.role ?? before.role
        let kind = try await tenancy.tenant(caller.tenant)?.kind ?? .organization
        let permissions = try await identity.tokens.permissions(of: role, tenant: caller.tenant, kind: kind, act)
        try await change(KernelReason("people.change_member"), in: caller.tenant) { db in
            let actor = try self.role(of: caller, in: db, now: act.now)
            return try db.within(caller.tenant) { db in
                guard let old = try tenancy.member(id, in: db)?.membership else { throw CommonProblems.notFound }
                let endsAt = wanted.endsAt.over(old.endsAt)
                let users = try tenancy.apply(
                    .change(id, to: role, endsAt: endsAt, scope: wanted.scope.over(old.scope)), in: db, by: actor, act)
                if let endsAt, endsAt != old.endsAt { try scheduleEnd(id, endsAt, in: db, act) }
                if role != old.role {
                    try db.emit(
                        MemberAccessChanged(
                            tenant: db.tenant, user: old.user, membership: id, reason: "role_changed", permissions: permissions), act)
                    try revokeInvitations(of: old.user, role: role, in: db, act)
                }
                return Touched((), users: users)
            }
        }
        return try await member(id, of: caller.tenant, now: act.now)
    }

    /// Ends a membership below the caller's own role, and with it the member's sessions here.
    package func remove(_ id: MembershipID, by caller: Principal, _ act: Act) async throws {
        try await change(KernelReason("people.remove_member"), in: caller.tenant) { db in
            let actor = try self.role(of: caller, in: db, now: act.now)
            let entry = try db.within(caller.tenant) { try tenancy.member(id, in: $0) }
            guard let entry, entry.membership.isActive(at: act.now) else { throw CommonProblems.notFound }
            return try end(entry.membership, "removed", by: actor, in: db, act)
        }
    }

    /// Ends the caller's own membership: now, or then, where the policy gives notice. The last owner cannot leave.
    package func leave(_ caller: Principal, _ act: Act) async throws -> Timestamp? {
        let asked = try await store.tenantRead(caller.tenant) { db in try tenancy.member(of: caller.user, in: db)?.membership }
        guard let asked, asked.isActive(at: act.now) else { throw CommonProblems.notFound }
        // Asked before the transaction. An owner has no end, and goes now or not at all.
        let notice = asked.role == .owner ? nil : try await notice(asked, act)
        return try await change(KernelReason("people.leave"), in: caller.tenant) { db in
            let entry = try db.within(caller.tenant) { try tenancy.member(of: caller.user, in: $0) }
            guard let member = entry?.membership, member.isActive(at: act.now) else { throw CommonProblems.notFound }
            guard let notice, member.role != .owner else {
                let ended = try end(member, "left", by: nil, in: db, act)
                return Touched(nil, sessions: ended.sessions, users: ended.users, keys: ended.keys)
            }
            // Who asks again, or has an end that comes earlier, has it already.
            if let endsAt = member.endsAt, endsAt <= notice { return Touched(endsAt) }
            return try db.within(caller.tenant) { db in
                let users = try tenancy.apply(
                    .change(member.id, to: member.role, endsAt: notice, scope: member.scope), in: db, by: nil, act)
                try scheduleEnd(member.id, notice, in: db, act)
                try db.journal(
                    JournalEntry(
                        "membership.leaving", subject: "membership:\(member.id)",
                        details: ["user": .string(member.user.description), "ends_at": .string(notice.iso8601)]), act)
                return Touched(notice, users: users)
            }
        }
    }

    func end(
        _ member: Membership, _ reason: String, by actor: Role?, in db: any KernelScope, _ act: Act
    ) throws -> Touched<Void> {
        let users = try db.within(member.tenant) { db in
            let users = try tenancy.apply(.end(member.id), in: db, by: actor, act)
            try Teams.leaveAll(member.id, in: db)
            try revokeInvitations(of: member.user, role: nil, in: db, act)
            return users
        }
        return try endAccess(member, reason, Touched((), users: users), in: db, act)
    }

    /// What a membership that is over leaves behind: sessions and API keys in this tenant, and what rooms to the right keep alive.
    private func endAccess(
        _ member: Membership, _ reason: String, _ touched: Touched<Void>, in db: any KernelScope, _ act: Act
    ) throws -> Touched<Void> {
        let ended: [AuthSessionID] = try db.rows(
            PeopleTable.endSessions, member.user, member.tenant, act.now, SessionEnd.membershipEnded.rawValue
        ).map { try $0.id(0) }
        for session in ended {
            try identity.journal(
                "session.ended", "session:\(session)", .success,
                ["user": .string(member.user.description), "reason": .string(SessionEnd.membershipEnded.rawValue)], tenant: member.tenant,
                in: db, act)
        }
        try db.within(member.tenant) { db in
            try db.emit(
                MemberAccessChanged(
                    tenant: member.tenant, user: member.user, membership: member.id, reason: reason, permissions: []), act)
        }
        let keys = try identity.revokeKeys(of: member.user, in: member.tenant, because: "membership_ended", db, act)
        return Touched((), sessions: touched.sessions + ended, users: touched.users, keys: keys)
    }

    // MARK: The end that comes by itself

    struct End: Codable, Sendable {
        let membership: MembershipID
        let at: Timestamp
    }

    /// Requests are refused from the end on without this; it only clears away.
    func scheduleEnd(_ member: MembershipID, _ at: Timestamp, in db: any TenantScope, _ act: Act) throws {
        try db.enqueue(
            NewJob(
                Self.overJob, key: "\(member):\(at.microseconds)", tenant: db.tenant, payload: End(membership: member, at: at), runAt: at),
            act)
    }

    func membershipOver(_ delivery: Delivery, _ act: Act) async throws {
        let due = try delivery.decode(End.self)
        guard let tenant = delivery.tenant else { throw PermanentFailure("the end of a membership names no tenant") }
        try await change(KernelReason("people.membership_over"), in: tenant) { db in
            try db.settle(delivery)
            let entry = try db.within(tenant) { try tenancy.member(due.membership, in: $0) }
            // Changed since: another job stands for the new end.
            guard let member = entry?.membership, member.standing == .active, member.endsAt == due.at, !member.isActive(at: act.now) else {
                return Touched(())
            }
            try db.within(tenant) { db in
                try revokeInvitations(of: member.user, role: nil, in: db, act)
                try db.journal(
                    JournalEntry(
                        "membership.over", subject: "membership:\(member.id)",
                        details: ["user": .string(member.user.description), "role": .string(member.role.rawValue)]), act)
            }
            return try endAccess(member, "over", Touched((), users: [member.user]), in: db, act)
        }
    }

    // MARK: Organisations

    /// Founds another organisation of the caller's; the caller switches to it.
    package func found(_ name: String, by caller: Principal, _ act: Act) async throws -> TenantID {
        try await change(KernelReason("people.found"), in: caller.tenant) { db in
            let founded: Founded = try db.once(act) {
                let owned = try tenancy.places(of: caller.user, in: db, now: act.now).count { $0.membership.role == .owner }
                guard owned < settings[PeopleSettings.ownedTenants] else { throw PeopleProblems.tooManyTenants }
                let made = try tenancy.found(
                    Tenancy.Founding(kind: .organization, name: name, owner: caller.user, origin: "founded"), in: db, act)
                return Founded(tenant: made.tenant)
            }
            return Touched(founded.tenant)
        }
    }
    private struct Founded: Codable { let tenant: TenantID }
}

/// Statements about what members have beside their memberships. Kernel scope.
enum PeopleTable {
    static let endSessions = SQL(
        "identity.end_sessions_in_tenant",
        """
        UPDATE auth_session SET status = 'revoked', revoked_at = $3, revoked_because = $4
        WHERE user_id = $1 AND tenant_id = $2 AND status = 'active' RETURNING session_id
        """)
    static let enroll = SQL(
        "identity.enroll_user",
        """
        INSERT INTO user_account
            (user_id, region, mail_digest, mail_box, first_name_box, last_name_box, status, platform_role, home_tenant_id, chosen_tier,
             is_pilot, verified_at, decision_id, created_at, changed_at)
        VALUES ($1, $2, $3, $4, $5, $6, 'active', NULL, $7, NULL, 0, $8, NULL, $8, $8)
        """)
}
