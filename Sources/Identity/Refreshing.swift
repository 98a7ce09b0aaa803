import Foundation
import Store
import Tenancy
import Vocabulary

extension Identity {
    /// One ordered step for rotation, repetition and reuse: of two racing calls with one token the second either gets the same successor
    /// (within the grace) or ends the session, never a second chain.
    package func refresh(_ text: String, _ act: Act) async throws -> TokenGrant {
        guard let token = RefreshToken(vault.mark.bare(text), vault.sealer) else { throw IdentityProblems.refreshInvalid }
        let successor = token.successor(vault.sealer)
        let presented = RefreshChain.Presented(
            generation: token.generation, digest: token.digest(vault.sealer), successorDigest: successor.digest(vault.sealer))
        let outcome = try await change(KernelReason("identity.refresh")) { db in try rotate(token.session, presented, in: db, act) }
        if case .elsewhere = outcome { throw CommonProblems.addressNotAllowed }
        guard case .granted(let sealed, let place) = outcome else { throw IdentityProblems.refreshInvalid }
        let account = try sealed.open(fields)
        let access = try await tokens.issue(account, place, session: token.session, act)
        return TokenGrant(
            access: access, refreshToken: vault.mark.marked(successor.text(vault.sealer)), account: account, place: place,
            session: token.session)
    }

    private enum Refreshed: Sendable {
        case refused
        /// A good token, from where the tenant lets nobody in: it is not spent.
        case elsewhere
        case granted(SealedAccount, MemberStanding)
    }

    private func rotate(
        _ session: AuthSessionID, _ presented: RefreshChain.Presented, in db: any KernelScope, _ act: Act
    ) throws -> Changed<Refreshed> {
        guard let row = try db.row(SessionTable.chain, session) else { return Changed(.refused) }
        let (user, tenant): (UserID, TenantID) = (try row.id(0), try row.id(1))
        guard let standing = RefreshChain.Standing(rawValue: try row.text(2)) else { throw StoreFault.corrupt("auth_session.status") }
        var chain = RefreshChain(
            standing: standing, generation: try row.integer(3), digest: try row.blob(4), previous: try row.optional(5, row.blob),
            rotatedAt: try row.optional(6, row.time), expiresAt: try row.time(7))
        func refuse(_ reason: String) throws -> Changed<Refreshed> {
            try journal(
                "session.refresh_refused", "session:\(session)", .denied, ["reason": .string(reason)], tenant: tenant, in: db, act)
            return Changed(.refused)
        }
        let before = chain
        switch chain.present(presented, grace: settings.seconds(IdentitySettings.refreshGraceSeconds), now: act.now) {
        case .refuse(let refusal): return try refuse(refusal.rawValue)
        case .revokeFamily:
            try db.run(SessionTable.revoke, session, user, act.now, "refresh_token_reused")
            try journal(
                "session.reuse_detected", "session:\(session)", .denied,
                ["user": .string(user.description), "generation": .int(presented.generation), "current": .int(before.generation)],
                tenant: tenant, in: db, act)
            return Changed(.refused, sessions: [session])
        case .rotate, .repeatSuccessor:
            guard let account = try self.account(user, in: db), account.status == .active else { return try refuse("account") }
            guard let place = try tenancy.standing(of: user, in: tenant, db), place.isActive(at: act.now) else {
                return try refuse("membership")
            }
            guard place.admits(act.address, at: act.now) else {
                _ = try refuse("address")
                return Changed(.elsewhere)
            }
            if chain != before {
                try db.run(SessionTable.rotate, session, chain.generation, chain.digest, chain.previous, act.now)
            }
            try journal(
                chain == before ? "session.refresh_repeated" : "session.refreshed", "session:\(session)", .success,
                ["generation": .int(chain.generation)], tenant: tenant, in: db, act)
            return Changed(.granted(account, place), sessions: [session])
        }
    }

    /// Speaks for another of the caller's tenants from now on: a new access token, the same session and refresh token. A token of the
    /// tenant before stays good for that tenant while the membership there lasts.
    package func switchTenant(_ tenant: TenantID, _ caller: Principal, _ act: Act) async throws -> TokenGrant {
        let (sealed, place) = try await change(KernelReason("identity.switch_tenant")) { db in
            guard let account = try self.account(caller.user, in: db), account.status == .active,
                let place = try tenancy.standing(of: caller.user, in: tenant, db), place.isActive(at: act.now)
            else { throw CommonProblems.notFound }
            guard place.admits(act.address, at: act.now) else { throw CommonProblems.addressNotAllowed }
            try checkReach(of: caller.session, to: place, in: db)
            guard try !db.rows(SessionTable.place, caller.session, tenant).isEmpty else { throw CommonProblems.unauthenticated }
            try journal(
                "session.switched", "session:\(caller.session)", .success, ["from": .string(caller.tenant.description)], tenant: tenant,
                in: db, act)
            return Changed((account, place), sessions: [caller.session])
        }
        let account = try sealed.open(fields)
        let access = try await tokens.issue(account, place, session: caller.session, act)
        return TokenGrant(access: access, refreshToken: nil, account: account, place: place, session: caller.session)
    }
}
