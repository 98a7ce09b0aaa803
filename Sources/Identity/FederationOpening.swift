import Foundation
import HookEngine
import Signing
import Store
import Tenancy
import Vocabulary

/// Opens the session of somebody whom a provider vouches for.
extension Federation {
    func open(_ user: UserID, _ assertion: IdentityAssertion, _ target: Target, _ device: Device, _ act: Act) async throws -> SignIn {
        if let own = target.own { try await admitAgain(user, own, assertion, target, act) }
        let vouched = assertion.methods.contains("mfa") ? 2 : 1
        let consent = try await identity.askLogin(
            user, in: target.tenant, method: target.own == nil ? "oauth" : "sso", factors: vouched, act)
        // A session of a tenant's provider sets up no factors: what is missing there is for that provider to ask.
        let demands = consent?.demands(over: vouched) ?? false
        let provenance = Provenance(
            factor: target.factor, assertion: assertionDigest(assertion), providerKey: assertion.keyID.map { "\(target.plugin):\($0)" },
            decision: consent?.decision)
        let opening = try identity.opening(
            .page, user: user, provenance, for: try life(of: assertion, atMost: consent?.atMost, target, act), device, act)
        let digest = linkDigest(assertion, target)
        enum Opened: Sendable {
            case refused(Problem)
            case secondFactor(String)
            case opened(SealedAccount, MemberStanding)
        }
        let opened = try await store.kernel(KernelReason("identity.open_federated_session")) { db -> Opened in
            guard try db.row(FederationTable.useLink, digest, act.now)?.id(0) == user, let account = try identity.account(user, in: db)
            else {
                return .refused(FederationProblems.refused)
            }
            func refuse(_ problem: Problem) throws -> Opened {
                try identity.journal(
                    "session.refused", "user:\(user)", .denied, ["reason": .string(problem.code), "provider": .string(target.factor)],
                    tenant: target.tenant ?? account.homeTenant, in: db, act)
                return .refused(problem)
            }
            guard account.status == .active else { return try refuse(try identity.closedProblem(user, in: db)) }
            let place: MemberStanding
            if let tenant = target.tenant {
                // Whoever runs a tenant's provider would else be staff at will.
                guard account.platformRole == nil else { return try refuse(FederationProblems.refused) }
                guard let found = try identity.tenancy.standing(of: user, in: tenant, db), found.isActive(at: act.now) else {
                    return try refuse(FederationProblems.notAdmitted)
                }
                guard found.admits(act.address, at: act.now) else { return try refuse(CommonProblems.addressNotAllowed) }
                place = found
            } else {
                // An address that a provider verified is one that the person may hold a session under.
                guard account.verifiedAt != nil || !settings[IdentitySettings.requireVerified] else {
                    return try refuse(IdentityProblems.emailUnverified)
                }
                switch try identity.openPlace(of: account, in: db, act) {
                case .success(let found): place = found
                case .failure(let problem): return try refuse(problem)
                }
            }
            if try identity.countFactors(of: user, in: db) > 0 {
                // A tenant's own provider may vouch for both factors of a session that holds in that tenant alone.
                if target.own == nil || vouched < 2 {
                    return .secondFactor(try identity.suspend(opening, of: account, in: target.tenant, version: nil, in: db, act))
                }
            } else if demands, target.own != nil {
                return try refuse(CommonProblems.denied("second_factor_required"))
            }
            try identity.insert(opening, user: user, place, in: db, act)
            if demands { try db.run(FactorTable.demand, opening.session) }
            try identity.meet(identity.fields.digest(Network(address: act.address)), of: user, opening, in: db, act)
            return .opened(account, place)
        }
        switch opened {
        case .refused(let problem):
            note("A sign-in through a provider was refused.", problem.code, target.plugin, target.connection.id, act)
            throw problem
        case .secondFactor(let token): return .secondFactorNeeded(token: token)
        case .opened(let sealed, let place): return try await identity.grant(opening, sealed, place, act)
        }
    }

    /// A session does not outlast the provider's own, nor what policy allows.
    private func life(of assertion: IdentityAssertion, atMost: Duration?, _ target: Target, _ act: Act) throws -> Duration? {
        guard let end = assertion.sessionEndsAt else { return atMost }
        guard end > act.now else {
            note(
                "A sign-in through a provider was refused.", "time: the provider's session has ended", target.plugin, target.connection.id,
                act)
            throw FederationProblems.refused
        }
        return min(end - act.now, atMost ?? .days(36_500))
    }

    /// Somebody who has an account and is no member of this tenant yet.
    private func admitAgain(
        _ user: UserID, _ own: TenantConnection, _ assertion: IdentityAssertion, _ target: Target, _ act: Act
    ) async throws {
        guard own.admits else { return }
        let membership: MembershipID = vault.entropy.id(act.now)
        let isNew = try await store.kernel(KernelReason("identity.admit")) { db in
            // One whose membership was ended stays out until an administrator says otherwise.
            guard try identity.tenancy.standing(of: user, in: own.tenant, db) == nil,
                try identity.account(user, in: db)?.platformRole == nil
            else { return false }
            try identity.tenancy.admit(user, to: own.tenant, as: own.role(of: assertion.groups), membership, origin: "sso", in: db, act)
            return true
        }
        if isNew { identity.tenancy.forget(user, in: own.tenant) }
    }
}

extension Identity {
    /// What policy said to a sign-in.
    struct Consent: Sendable {
        let decision: DecisionID
        let atMost: Duration?
        /// How many factors the session needs.
        let factors: Int
        /// Whether it needs a second one, which a person who has none sets up first.
        func demands(over proved: Int) -> Bool { factors > proved }
    }

    /// Asks `on_login` about somebody who has proved who it is. Nil for an account that no session would be opened for anyway.
    func askLogin(_ user: UserID, in tenant: TenantID?, method: String, factors: Int, _ act: Act) async throws -> Consent? {
        let network = fields.digest(Network(address: act.address))
        let found = try await store.kernelRead(KernelReason("identity.login_question")) {
            db -> (account: SealedAccount, place: MemberStanding, knows: Bool, hasFactor: Bool)? in
            guard let account = try self.account(user, in: db), account.status == .active else { return nil }
            let places = try tenancy.places(of: user, in: db, now: act.now)
            guard let place = places.first(where: { $0.membership.tenant == tenant ?? account.homeTenant }) ?? places.first else {
                return nil
            }
            let horizon = act.now - .days(Int64(settings[IdentitySettings.knownNetworkDays]))
            let hasFactor = try countFactors(of: user, in: db) > 0
            return (account, place, try db.row(GuardTable.knows, user, network, horizon) != nil, hasFactor)
        }
        guard let found else { return nil }
        // Whoever has a second factor proves it before the session begins.
        let factors = found.hasFactor ? max(2, factors) : factors
        let account = try found.account.open(fields)
        let tier = try await tierOf(found.place.membership.tenant, act.now)
        let verdict = try await hooks.decide(
            LoginHook.self,
            LoginHook.Input(
                user: Hex.encode(vault.sealer.digest(user.uuid.bytes, purpose: "policy.user").prefix(16)),
                emailDomain: MailCanon(account.email)?.domain ?? "", role: (account.platformRole ?? found.place.membership.role).rawValue,
                tenantKind: found.place.tenantKind.rawValue, tier: tier, method: method, factors: factors, isKnownDevice: found.knows,
                hasAllowList: false, isAddressListed: false, recentFailures: 0),
            HookSubject(tenant: found.place.membership.tenant, tier: tier, requestID: act.requestID, now: act.now))
        func refuse(_ reason: String, _ seconds: Int64?) async throws -> Problem {
            try await store.kernel(KernelReason("identity.login_refused")) { db in
                try journal(
                    "session.refused", "user:\(user)", .denied, ["reason": .string(reason), "method": .string(method)],
                    tenant: found.place.membership.tenant, in: db, act, decision: verdict.decision)
            }
            return CommonProblems.denied(reason, retryAfterSeconds: seconds)
        }
        if case .deny(let reason, let seconds) = verdict.outcome { throw try await refuse(reason, seconds) }
        let needed = verdict.terms.factors ?? 1
        if needed > max(2, factors) { throw try await refuse("second_factor_required", nil) }
        return Consent(
            decision: verdict.decision, atMost: verdict.terms.sessionSeconds.map { .seconds(Int64($0)) }, factors: needed)
    }

    /// The tenant in which a session opens that no tenant's own provider made: where members must come through theirs, only owners may.
    func openPlace(of account: SealedAccount, in db: any KernelScope, _ act: Act) throws -> Result<MemberStanding, Problem> {
        let places = try tenancy.places(of: account.id, in: db, now: act.now)
        guard !places.isEmpty else { return .failure(IdentityProblems.noMembership) }
        let near = places.filter { $0.admits(act.address, at: act.now) }
        guard !near.isEmpty else { return .failure(CommonProblems.addressNotAllowed) }
        let open = try near.filter { try ssoConnection(required: $0, in: db) == nil }
        if let place = open.first(where: { $0.membership.tenant == account.homeTenant }) ?? open.first { return .success(place) }
        let address = try near.lazy.compactMap { try ssoConnection(required: $0, in: db) }.first
        return .failure(
            FederationProblems.ssoRequired.with(["sso_path": address.map { .string("/api/v1/auth/sso/\($0)/start") } ?? .null]))
    }

    /// The connection through which this member must come; nil where any way will do.
    func ssoConnection(required place: MemberStanding, in db: any KernelScope) throws -> ConnectionID? {
        guard place.membership.role != .owner else { return nil }
        return try db.row(FederationTable.ssoRuleOf, place.membership.tenant)?.id(0)
    }

    /// What a session was proved by, and whether it may speak for `tenant`. Throws where it may not.
    func checkReach(of session: AuthSessionID, to place: MemberStanding, in db: any KernelScope) throws {
        guard let row = try db.row(FederationTable.provenance, session) else { throw CommonProblems.unauthenticated }
        let (home, factor): (TenantID, String) = (try row.id(1), try row.text(4))
        let tenant = place.membership.tenant
        guard tenant != home else { return }
        if factor.hasPrefix("sso:") { throw FederationProblems.sessionBound }
        if let connection = try ssoConnection(required: place, in: db) {
            throw FederationProblems.ssoRequired.with(["sso_path": .string("/api/v1/auth/sso/\(connection)/start")])
        }
    }
}
