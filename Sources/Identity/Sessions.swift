import Foundation
import Signing
import Store
import Tenancy
import Vocabulary

/// Why a session ended, as stored and journalled.
enum SessionEnd: String, Sendable, CaseIterable {
    case signedOut = "signed_out"
    case signedOutEverywhere = "signed_out_everywhere"
    case revokedByUser = "revoked_by_user"
    case passwordChanged = "password_changed"
    case passwordReset = "password_reset"
    case accountDeactivated = "account_deactivated"
    case ssoRequired = "sso_required"
    case revokedByOperator = "revoked_by_operator"
    case membershipEnded = "membership_ended"
    case factorAdded = "factor_added"
    case factorsReset = "factors_reset"
    case restored
}

extension Identity {
    /// The caller's sessions that still work, last used first.
    package func sessions(of user: UserID, now: Timestamp) async throws -> [AuthSession] {
        let rows = try await store.kernelRead(KernelReason("identity.list_sessions")) { db in try db.rows(SessionTable.listed, user, now) }
        return try rows.map { row in
            let id: AuthSessionID = try row.id(0)
            guard let kind = AuthSession.Kind(rawValue: try row.text(2)) else { throw StoreFault.corrupt("auth_session.kind") }
            return AuthSession(
                id: id, tenant: try row.id(1), kind: kind, factor: try row.text(3),
                device: try row.optional(4, row.blob).map { try fields.open($0, user, "device:\(id)") },
                address: try row.optional(5, row.blob).map { try fields.open($0, user, "address:\(id)") }, createdAt: try row.time(6),
                lastUsedAt: try row.time(7), expiresAt: try row.time(8))
        }
    }

    /// Ends the caller's own session.
    package func signOut(_ caller: Principal, _ act: Act) async throws { try await end(caller.session, of: caller, .signedOut, act) }

    /// Ends one session of the caller; throws `not_found` for anybody else's.
    package func revoke(_ session: AuthSessionID, of caller: Principal, _ act: Act) async throws {
        guard try await end(session, of: caller, .revokedByUser, act) else { throw CommonProblems.notFound }
    }

    /// Ends every session of the caller, this one included.
    package func signOutEverywhere(_ caller: Principal, _ act: Act) async throws {
        try await change(KernelReason("identity.sign_out_everywhere")) { db in
            Changed((), sessions: try endAll(of: caller.user, but: nil, .signedOutEverywhere, tenant: caller.tenant, in: db, act))
        }
    }

    /// False if there was no such session to end.
    @discardableResult
    private func end(_ session: AuthSessionID, of caller: Principal, _ reason: SessionEnd, _ act: Act) async throws -> Bool {
        try await change(KernelReason("identity.end_session")) { db in
            let rows = try db.rows(SessionTable.revoke, session, caller.user, act.now, reason.rawValue)
            guard !rows.isEmpty else { return Changed(false) }
            try journalEnd([session], of: caller.user, reason, tenant: caller.tenant, in: db, act)
            return Changed(true, sessions: [session])
        }
    }

    /// Inside a larger change: the sessions ended, to be forgotten after the commit.
    func endAll(
        of user: UserID, but kept: AuthSessionID?, _ reason: SessionEnd, tenant: TenantID, in db: any KernelScope, _ act: Act
    ) throws -> [AuthSessionID] {
        let rows =
            if let kept {
                try db.rows(SessionTable.revokeOthers, user, kept, act.now, reason.rawValue)
            } else {
                try db.rows(SessionTable.revokeAll, user, act.now, reason.rawValue)
            }
        let ended: [AuthSessionID] = try rows.map { try $0.id(0) }
        try journalEnd(ended, of: user, reason, tenant: tenant, in: db, act)
        return ended
    }

    func journalEnd(
        _ sessions: [AuthSessionID], of user: UserID, _ reason: SessionEnd, tenant: TenantID, in db: any KernelScope, _ act: Act
    ) throws {
        for session in sessions {
            try journal(
                "session.ended", "session:\(session)", .success, ["user": .string(user.description), "reason": .string(reason.rawValue)],
                tenant: tenant, in: db, act)
        }
    }

    /// Withdraws one access token until it would have expired; its session lives on.
    package func withdraw(token: UUID, expiresAt: Timestamp, tenant: TenantID, _ act: Act) async throws {
        try await change(KernelReason("identity.withdraw_token")) { db in
            guard try db.row(SessionTable.withdrawn, token) == nil else { return Changed((), tokens: [token]) }
            try db.run(SessionTable.withdrawToken, token, expiresAt)
            try journal("token.withdrawn", "token:\(Identifier<TokenMark>(token))", tenant: tenant, in: db, act)
            return Changed((), tokens: [token])
        }
    }
}

// MARK: Proving callers

/// A caller as proved at this very request: nothing of it comes from the token but the ids it is looked up by.
package struct ProvedCaller: Sendable, Hashable {
    package let principal: Principal
    /// `jti`; for a page the session's id.
    package let tokenID: String
}

extension Identity {
    /// Nil: not valid, or not any more.
    package func caller(bearer text: String, now: Timestamp) async throws -> ProvedCaller? {
        if text.hasPrefix(APIKeySecret.mark) { return try await caller(key: text, now: now) }
        guard let claims = tokens.claims(of: text, now: now), try await !isWithdrawn(claims.token),
            let session = try await standing(of: claims.session), session.kind == .token, session.user == claims.user,
            let principal = try await principal(session, claims.session, tenant: claims.tenant, now)
        else { return nil }
        return ProvedCaller(principal: principal, tokenID: Identifier<TokenMark>(claims.token).description)
    }

    /// Nil: not valid, or not any more.
    package func caller(cookie text: String, now: Timestamp) async throws -> ProvedCaller? {
        guard let cookie = PageCookie(text), let session = try await standing(of: cookie.session), session.kind == .page,
            ConstantTime.equal(session.secretDigest, cookie.digest(vault.sealer)),
            let principal = try await principal(session, cookie.session, tenant: session.tenant, now)
        else { return nil }
        return ProvedCaller(principal: principal, tokenID: cookie.session.description)
    }

    private func principal(
        _ session: Standings.Session, _ id: AuthSessionID, tenant: TenantID, _ now: Timestamp
    ) async throws -> Principal? {
        guard session.isActive, now < session.expiresAt, let user = try await standing(of: session.user), user.isActive,
            let place = try await tenancy.standing(of: session.user, in: tenant), place.isActive(at: now)
        else { return nil }
        var delegation: Principal.Delegation?
        if let impersonation = session.impersonation {
            guard tenant == impersonation.tenant, try await stands(impersonation, now) else { return nil }
            delegation = .impersonation(by: impersonation.staff)
        }
        await touch(id, session, now)
        return Principal(
            user: session.user, tenant: tenant, membership: place.membership.id, session: id,
            role: place.role(of: user.platformRole, at: user.homeTenant).rawValue,
            bounds: Principal.Bounds(
                scope: place.membership.scope, endsAt: place.membership.endsAt, delegation: delegation,
                proof: delegation == nil ? try await proof(session, user, in: tenant, now) : .single,
                // Staff come from the platform's own networks, for a reason that the tenant reads.
                networks: delegation == nil ? place.addressRule?.binding(at: now) : nil, isLeaving: place.isLeaving))
    }

    func standing(of session: AuthSessionID) async throws -> Standings.Session? {
        try await standings.sessions.value(session) {
            try await store.kernelRead(KernelReason("identity.session_standing")) { db in
                try db.row(SessionTable.standing, session).map { row in
                    guard let kind = AuthSession.Kind(rawValue: try row.text(2)) else { throw StoreFault.corrupt("auth_session.kind") }
                    let factor = try row.text(7)
                    let isStaffs = factor == "impersonation"
                    return Standings.Session(
                        user: try row.id(0), tenant: try row.id(1), kind: kind, isActive: try row.text(3) == "active",
                        secretDigest: try row.blob(4), expiresAt: try row.time(5), lastUsedAt: try row.time(6),
                        impersonation: isStaffs ? try db.row(ImpersonationTable.one, session).map(Impersonation.init) : nil,
                        factorAt: try row.optional(8, row.time), isDemanded: try row.optional(9, row.bool) ?? false,
                        isOfTenantsProvider: factor.hasPrefix("sso:"), createdAt: try row.time(10))
                }
            }
        }
    }
    func standing(of user: UserID) async throws -> Standings.User? {
        try await standings.users.value(user) {
            try await store.kernelRead(KernelReason("identity.user_standing")) { db in
                try db.row(UserTable.standing, user).map { row in
                    Standings.User(
                        isActive: try row.text(0) == "active", platformRole: try row.optional(1, row.text).map(Role.init(rawValue:)),
                        homeTenant: try row.id(2), createdAt: try row.time(3), hasFactor: try row.integer(4) > 0)
                }
            }
        }
    }
    private func isWithdrawn(_ token: UUID) async throws -> Bool {
        try await standings.tokens.value(token) {
            try await store.kernelRead(KernelReason("identity.withdrawn_token")) { db in
                Standings.Withdrawal(isWithdrawn: try db.row(SessionTable.withdrawn, token) != nil)
            }
        }?.isWithdrawn ?? true
    }

    /// Keeps the last use that the session list shows, at most one write in `last_use_seconds`. A store too busy for it is no reason to
    /// refuse the request.
    private func touch(_ id: AuthSessionID, _ session: Standings.Session, _ now: Timestamp) async {
        guard session.lastUsedAt + settings.seconds(IdentitySettings.lastUseSeconds) <= now else { return }
        // First in memory, so that a crowd of requests with one token writes once.
        standings.sessions.update(id) { $0.lastUsedAt = max($0.lastUsedAt, now) }
        _ = try? await store.kernel(KernelReason("identity.touch_session")) { db in try db.rows(SessionTable.touch, id, now) }
    }
}

/// Sessions of browsers, for the pages. The cookie's name and attributes are the edge's.
package struct PageSessions: Sendable {
    private let identity: Identity
    package init(_ identity: Identity) { self.identity = identity }

    /// Signs in with mail address and password.
    package func create(email: String, password: String, from device: Device, _ act: Act) async throws -> SignIn {
        try await identity.signIn(email: email, password: password, as: .page, from: device, act)
    }
    package func verify(_ cookie: String, now: Timestamp) async throws -> ProvedCaller? {
        try await identity.caller(cookie: cookie, now: now)
    }
    /// Ends the session behind the cookie; a cookie that is no good is left alone.
    package func revoke(_ cookie: String, _ act: Act) async throws {
        guard let caller = try await verify(cookie, now: act.now) else { return }
        try await identity.signOut(caller.principal, act)
    }
}
