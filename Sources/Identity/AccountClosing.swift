import Foundation
import Signing
import Store
import Tenancy
import Vocabulary

package enum StaffPermissions {
    package static let users = Permission(
        "staff:users", "See any person's account, sign it out, deactivate it and open it again, with a reason.", delegates: .none,
        isSensitive: true)
    package static let all = [users]
}

package enum AccountProblems {
    package static let untouchable = Problem(
        "account_protected", status: 403, title: "Not the own account, and not that of an administrator.",
        hint: "Deactivate the own account under users/me; take the platform role of somebody else first.")
    package static let all = [untouchable]
}

/// Closing an account and opening it again. Everything is kept meanwhile, and nobody signs in.
extension Identity {
    /// Who closed it, and so who may open it.
    package enum Closer: String, Sendable { case person, staff }

    /// Closes the account to its owner: every session, key and lease ends, nobody signs in. Refused while a tenant with other members
    /// would lose its last owner.
    package func deactivate(_ caller: Principal, password: String, _ act: Act) async throws {
        let account = try await self.account(caller.user)
        _ = try await proveCurrent(password, account, "user.deactivation_failed", act)
        try await change(KernelReason("identity.deactivate")) { db in
            try requireLiving(caller, in: db)
            return try close(account.id, home: account.homeTenant, by: .person, reason: nil, in: db, act)
        }
    }

    /// Staff closes somebody's account: as `deactivate`, but only staff opens it again.
    package func deactivate(_ user: UserID, reason: String, by caller: Principal, _ act: Act) async throws {
        try await change(KernelReason("identity.deactivate_by_staff")) { db in
            let account = try touchable(user, by: caller, in: db)
            guard account.status == .active else { throw CommonProblems.notFound }
            let closed = try close(user, home: account.homeTenant, by: .staff, reason: reason, in: db, act)
            // Nothing is sent to an account that is closed; this one mail goes to its address all the same.
            try mail(
                "account_deactivated", to: .invited(InvitationID(user.uuid)), key: "account_deactivated:\(user):\(act.now.microseconds)",
                values: ["reason": reason], sealed: ["address": try account.open(fields).email], in: db, act)
            return closed
        }
    }

    /// Staff opens an account, whoever closed it.
    package func reactivate(_ user: UserID, reason: String, by caller: Principal, _ act: Act) async throws {
        try await change(KernelReason("identity.reactivate_by_staff")) { db in
            let account = try touchable(user, by: caller, in: db)
            guard account.status == .deactivated else { throw CommonProblems.notFound }
            return try reopen(user, home: account.homeTenant, by: .staff, reason: reason, in: db, act)
        }
    }

    private enum Reopening: Sendable {
        case invalid, closedByStaff, done
    }

    /// The person opens the account that the person closed, by its password: counted and refused as a sign-in is. No session comes of it,
    /// so whoever has a second factor proves it when signing in.
    package func reactivate(email: String, password: String, _ act: Act) async throws {
        let attempt = try await beginAttempt(
            Guessing(account: accountDigest(email), network: fields.digest(Network(address: act.address))), act)
        guard try await check(password, attempt, act) else {
            try await fail(attempt, "user.reactivation_failed", act)
            throw IdentityProblems.credentialsInvalid
        }
        let outcome: Reopening = try await change(KernelReason("identity.reactivate")) { db in
            guard let known = attempt.known, let account = try self.account(known.user, in: db),
                try credential(of: known.user, in: db)?.version == known.version
            else {
                try recordFailure(attempt, "user.reactivation_failed", in: db, act)
                return Changed(.invalid)
            }
            try recordSuccess(attempt, in: db, act)
            guard account.status == .deactivated else { return Changed(account.status == .active ? .done : .invalid) }
            // Whoever was deactivated before anybody noted by whom did it in person.
            let closer = try db.row(AccountTable.closing, account.id)?.text(0) ?? Closer.person.rawValue
            guard closer == Closer.person.rawValue else {
                try journal("user.reactivation_refused", "user:\(account.id)", .denied, tenant: account.homeTenant, in: db, act)
                return Changed(.closedByStaff)
            }
            let opened = try reopen(account.id, home: account.homeTenant, by: .person, reason: nil, in: db, act)
            return Changed(.done, users: opened.users)
        }
        switch outcome {
        case .invalid: throw IdentityProblems.credentialsInvalid
        case .closedByStaff: throw IdentityProblems.accountDeactivated
        case .done: return
        }
    }

    /// Staff ends every session of somebody; keys and leases stay.
    package func signOutEverywhere(_ user: UserID, reason: String, by caller: Principal, _ act: Act) async throws -> Int {
        let ended = try await change(KernelReason("identity.sign_out_by_staff")) { db in
            let account = try touchable(user, by: caller, in: db)
            let ended = try endAll(of: user, but: nil, .revokedByOperator, tenant: account.homeTenant, in: db, act)
            try tell(
                "user.signed_out", user, home: account.homeTenant, ["sessions": .int(Int64(ended.count))], reason: reason, in: db, act)
            return Changed(ended, sessions: ended)
        }
        return ended.count
    }

    // MARK: Steps

    func close(
        _ user: UserID, home: TenantID, by closer: Closer, reason: String?, in db: any KernelScope, _ act: Act
    ) throws -> Changed<Void> {
        let places = try tenancy.places(of: user, in: db, now: act.now)
        for place in places {
            let roster = try db.within(place.membership.tenant) { try tenancy.roster(in: $0) }
            let others = roster.members.contains { $0.user != user && $0.isActive(at: act.now) }
            if others, roster.isLastOwner(user, now: act.now) { throw TenancyProblems.lastOwner }
        }
        guard try !db.rows(UserTable.deactivate, user, act.now).isEmpty else { throw CommonProblems.unauthenticated }
        try db.run(AccountTable.dropClosing, user)
        try db.run(AccountTable.insertClosing, user, closer.rawValue, act.now)
        let ended = try endAll(of: user, but: nil, .accountDeactivated, tenant: home, in: db, act)
        for purpose in [LinkPurpose.resetPassword, .verifyEmail] { try db.run(UserTable.spendLinks, user, purpose.rawValue, act.now) }
        let keys = try revokeKeys(of: user, in: nil, because: "account_deactivated", db, act)
        for place in places {
            try db.within(place.membership.tenant) { db in
                try db.emit(
                    MemberAccessChanged(
                        tenant: db.tenant, user: user, membership: place.membership.id, reason: "deactivated", permissions: []), act)
            }
        }
        try tell("user.deactivated", user, home: home, ["by": .string(closer.rawValue)], reason: reason, in: db, act)
        return Changed((), sessions: ended, users: [user], keys: keys)
    }

    private func reopen(
        _ user: UserID, home: TenantID, by closer: Closer, reason: String?, in db: any KernelScope, _ act: Act
    ) throws -> Changed<Void> {
        guard try !db.rows(AccountTable.reactivate, user, act.now).isEmpty else { throw CommonProblems.notFound }
        try db.run(AccountTable.dropClosing, user)
        if try db.row(RestrictionTable.drop, user) != nil {
            try tell("processing.restriction_lifted", user, home: home, ["by": .string(closer.rawValue)], reason: reason, in: db, act)
        }
        try tell("user.reactivated", user, home: home, ["by": .string(closer.rawValue)], reason: reason, in: db, act)
        try mail("account_reactivated", to: user, key: "account_reactivated:\(user):\(act.now.microseconds)", in: db, act)
        return Changed((), users: [user])
    }

    /// In the journal of the person's own tenant; what staff does, with its reason, in the platform's too.
    private func tell(
        _ action: String, _ user: UserID, home: TenantID, _ details: [String: JSONValue], reason: String?, in db: any KernelScope,
        _ act: Act
    ) throws {
        var details = details
        if let reason { details["reason"] = .string(reason) }
        for tenant in reason == nil ? [home] : [home, nil] {
            try journal(action, "user:\(user)", .success, .object(details), tenant: tenant, in: db, act)
        }
    }

    /// Nobody's own account, and an administrator's by administrators alone once the role is taken: nobody locks the operator out.
    private func touchable(_ user: UserID, by caller: Principal, in db: any KernelScope) throws -> SealedAccount {
        guard let account = try self.account(user, in: db), account.status != .erased else { throw CommonProblems.notFound }
        guard user != caller.user, account.platformRole != .platformAdmin,
            account.platformRole == nil || caller.role == Role.platformAdmin.rawValue
        else { throw AccountProblems.untouchable }
        return account
    }
}

// MARK: What staff sees

/// A person's account as staff sees it.
package struct AccountFile: Sendable {
    package let account: UserAccount
    package let closedBy: String?
    package let places: [MemberStanding]
    package let sessions: Int
    package let hasFactor: Bool
}

/// A line of the list of accounts: nothing in it says who it is.
package struct AccountLine: Sendable, Hashable {
    package let id: UserID
    package let status: UserAccount.Status
    package let platformRole: String?
    package let homeTenant: TenantID
    package let isVerified: Bool
    package let createdAt: Timestamp
}

extension Identity {
    /// The newest first; up to one more than `limit`.
    package func accounts(after: UserID?, limit: Int, _ act: Act) async throws -> [AccountLine] {
        try await ReadLag.allowed {
            try await store.kernelRead(KernelReason("identity.list_accounts")) { db in
                try db.rows(AccountTable.page, after?.uuid.bytes ?? Array(repeating: 0xFF, count: 16), limit + 1).map(AccountLine.init)
            }
        }
    }

    /// Whose address this is, exactly; nobody's gives nil. That staff looked stands in the platform's journal.
    package func find(email: String, _ act: Act) async throws -> AccountLine? {
        let digest = accountDigest(email)
        return try await store.kernel(KernelReason("identity.find_account")) { db in
            let found = try tenancy.user(mailDigest: digest, in: db)
            try journal(
                "staff.user_searched", found.map { "user:\($0)" } ?? "unknown:\(Hex.encode(digest.prefix(8)))", tenant: nil, in: db, act)
            return try found.flatMap { try db.row(AccountTable.line, $0).map(AccountLine.init) }
        }
    }

    /// One account. That staff looked stands in the journals of the person's own tenant and of the platform.
    package func file(of user: UserID, _ act: Act) async throws -> AccountFile {
        let (sealed, closer, places, sessions, factors) = try await store.kernel(KernelReason("identity.account_file")) { db in
            guard let account = try self.account(user, in: db), account.status != .erased else { throw CommonProblems.notFound }
            for tenant in [account.homeTenant, nil] {
                try journal("staff.user_viewed", "user:\(user)", tenant: tenant, in: db, act)
            }
            return (
                account, try db.row(AccountTable.closing, user)?.text(0), try tenancy.places(of: user, in: db, now: act.now),
                try db.row(AccountTable.countSessions, user, act.now)?.int(0) ?? 0, try countFactors(of: user, in: db)
            )
        }
        return AccountFile(
            account: try sealed.open(fields), closedBy: sealed.status == .deactivated ? closer ?? Closer.person.rawValue : nil,
            places: places, sessions: sessions, hasFactor: factors > 0)
    }
}

extension AccountLine {
    init(_ row: Row) throws {
        guard let status = UserAccount.Status(rawValue: try row.text(1)) else { throw StoreFault.corrupt("user_account.status") }
        self.init(
            id: try row.id(0), status: status, platformRole: try row.optional(2, row.text), homeTenant: try row.id(3),
            isVerified: try row.optional(4, row.time) != nil, createdAt: try row.time(5))
    }
}

/// Kernel scope.
enum AccountTable {
    static let closing = SQL("identity.account_closing", "SELECT closed_by FROM account_closing WHERE user_id = $1")
    static let insertClosing = SQL(
        "identity.insert_account_closing", "INSERT INTO account_closing (user_id, closed_by, closed_at) VALUES ($1, $2, $3)")
    static let dropClosing = SQL("identity.drop_account_closing", "DELETE FROM account_closing WHERE user_id = $1")
    static let reactivate = SQL(
        "identity.reactivate_user",
        "UPDATE user_account SET status = 'active', changed_at = $2 WHERE user_id = $1 AND status = 'deactivated' RETURNING user_id")
    private static let columns = "user_id, status, platform_role, home_tenant_id, verified_at, created_at"
    static let page = SQL(
        "identity.account_page", "SELECT \(columns) FROM user_account WHERE user_id < $1 ORDER BY user_id DESC LIMIT $2")
    static let line = SQL("identity.account_line", "SELECT \(columns) FROM user_account WHERE user_id = $1")
    static let countSessions = SQL(
        "identity.count_sessions_of_user",
        "SELECT count(*) FROM auth_session WHERE user_id = $1 AND status = 'active' AND expires_at > $2")
}
