import Foundation
import Store
import Tenancy
import Vocabulary

/// What a sign-in gives.
package enum SignIn: Sendable {
    case token(TokenGrant)
    case page(PageGrant)
    /// The password was right; the second step is due with this token.
    case secondFactorNeeded(token: String)
}

package struct TokenGrant: Sendable {
    package let access: AccessTokens.Issued
    /// Nil where the caller keeps the one it has.
    package let refreshToken: String?
    package let account: UserAccount
    package let place: MemberStanding
    package let session: AuthSessionID
}

package struct PageGrant: Sendable {
    package let cookie: String
    package let expiresAt: Timestamp
    package let account: UserAccount
    package let place: MemberStanding
    package let session: AuthSessionID
}

extension Identity {
    /// Three steps: the attempt is counted, the password is checked off the pool, the end of the attempt is recorded and, if it went
    /// well, the session opened. An unknown address takes the same three steps.
    package func signIn(
        email: String, password: String, as kind: AuthSession.Kind, from device: Device, _ act: Act
    ) async throws -> SignIn {
        let attempt = try await beginAttempt(
            Guessing(account: accountDigest(email), network: fields.digest(Network(address: act.address))), act)
        guard try await check(password, attempt, act) else {
            try await fail(attempt, "session.sign_in_failed", act)
            throw IdentityProblems.credentialsInvalid
        }
        var consent: Consent?
        if let known = attempt.known { consent = try await askLogin(known.user, in: nil, method: "password", factors: 1, act) }
        let demands = consent?.demands(over: 1) ?? false
        let opening = try await opening(kind, attempt, password, consent, device, act)
        switch try await open(opening, attempt, demands: demands, act) {
        case .invalid: throw IdentityProblems.credentialsInvalid
        case .refused(let problem): throw problem
        case .secondFactor(let token): return .secondFactorNeeded(token: token)
        case .opened(let sealed, let place): return try await grant(opening, sealed, place, act)
        }
    }

    /// What the person gets of a session that was opened.
    func grant(_ opening: Opening, _ sealed: SealedAccount, _ place: MemberStanding, _ act: Act) async throws -> SignIn {
        let account = try sealed.open(fields)
        switch opening.secret {
        case .cookie(let cookie):
            return .page(
                PageGrant(cookie: cookie.text, expiresAt: opening.expiresAt, account: account, place: place, session: opening.session))
        case .refresh(let token):
            let access = try await tokens.issue(account, place, session: opening.session, act)
            return .token(
                TokenGrant(
                    access: access, refreshToken: vault.mark.marked(token.text(vault.sealer)), account: account, place: place,
                    session: opening.session))
        }
    }

    /// What is not even an address is an account that nobody has; it is counted and hashed like any other.
    func accountDigest(_ email: String) -> [UInt8] {
        if let mail = MailCanon(email) { return fields.digest(mail) }
        return vault.sealer.digest(Array(email.utf8.prefix(1_024)), purpose: "identity.no_mail")
    }

    // MARK: The session to be opened

    struct Opening: Sendable {
        enum Secret: Sendable {
            case refresh(RefreshToken)
            case cookie(PageCookie)
        }
        let session: AuthSessionID
        let secret: Secret
        let secretDigest: [UInt8]
        let expiresAt: Timestamp
        let kind: AuthSession.Kind
        let provenance: Provenance
        let deviceLabel: String?
        let deviceBox: [UInt8]?
        let addressBox: [UInt8]?
        let rehashed: String?
        /// How long policy lets it live at most.
        let atMost: Duration?
    }

    private func opening(
        _ kind: AuthSession.Kind, _ attempt: Attempt, _ password: String, _ consent: Consent?, _ device: Device, _ act: Act
    ) async throws -> Opening {
        var rehashed: String?
        if let known = attempt.known, passwords.isOutdated(known.encoded) {
            // Too busy to hash again is no reason not to sign in: the next sign-in will.
            rehashed = try? await passwords.hash(password)
        }
        var provenance = Provenance.password
        provenance.decision = consent?.decision
        return try opening(kind, user: attempt.known?.user, provenance, rehashed: rehashed, for: consent?.atMost, device, act)
    }

    func opening(
        _ kind: AuthSession.Kind, user: UserID?, _ provenance: Provenance, rehashed: String? = nil, for atMost: Duration? = nil,
        _ device: Device,
        _ act: Act
    ) throws -> Opening {
        let session: AuthSessionID = vault.entropy.id(act.now)
        let secret: Opening.Secret
        let digest: [UInt8]
        switch kind {
        case .token:
            let token = RefreshToken(session: session, generation: 0, secret: vault.entropy.bytes(32))
            (secret, digest) = (.refresh(token), token.digest(vault.sealer))
        case .page:
            let cookie = PageCookie(session: session, secret: vault.entropy.bytes(32))
            (secret, digest) = (.cookie(cookie), cookie.digest(vault.sealer))
        }
        let usual = settings.seconds(kind == .page ? IdentitySettings.pageSessionSeconds : IdentitySettings.sessionSeconds)
        let life = atMost.map { min($0, usual) } ?? usual
        func box(_ text: String?, _ field: String) throws -> [UInt8]? {
            guard let text, let user else { return nil }
            return try fields.seal(text, user, "\(field):\(session)")
        }
        return Opening(
            session: session, secret: secret, secretDigest: digest, expiresAt: act.now + life, kind: kind, provenance: provenance,
            deviceLabel: device.label, deviceBox: try box(device.label, "device"), addressBox: try box(act.address, "address"),
            rehashed: rehashed, atMost: atMost)
    }

    private enum Opened: Sendable {
        case invalid
        case refused(Problem)
        case secondFactor(String)
        case opened(SealedAccount, MemberStanding)
    }

    /// Everything is read again here; the check that went before proves only the version of the password that it saw.
    private func open(_ opening: Opening, _ attempt: Attempt, demands: Bool, _ act: Act) async throws -> Opened {
        try await store.kernel(KernelReason("identity.open_session")) { db in
            guard let known = attempt.known, let account = try self.account(known.user, in: db),
                let credential = try credential(of: known.user, in: db), credential.version == known.version
            else {
                try recordFailure(attempt, "session.sign_in_failed", in: db, act)
                return .invalid
            }
            try recordSuccess(attempt, in: db, act)
            func refuse(_ problem: Problem) throws -> Opened {
                try journal(
                    "session.refused", "user:\(account.id)", .denied, ["reason": .string(problem.code)], tenant: account.homeTenant, in: db,
                    act)
                return .refused(problem)
            }
            guard account.status == .active else { return try refuse(try closedProblem(account.id, in: db)) }
            guard account.verifiedAt != nil || !settings[IdentitySettings.requireVerified] else {
                return try refuse(IdentityProblems.emailUnverified)
            }
            let place: MemberStanding
            switch try openPlace(of: account, in: db, act) {
            case .success(let found): place = found
            case .failure(let problem): return try refuse(problem)
            }
            if let rehashed = opening.rehashed {
                try db.run(UserTable.rehashCredential, account.id, rehashed, known.version)
                try journal("password.rehashed", "user:\(account.id)", tenant: account.homeTenant, in: db, act)
            }
            if try countFactors(of: account.id, in: db) > 0 {
                return .secondFactor(try suspend(opening, of: account, in: nil, version: known.version, in: db, act))
            }
            try insert(opening, user: account.id, place, in: db, act)
            if demands { try db.run(FactorTable.demand, opening.session) }
            try meet(attempt.guessing.network, of: account.id, opening, in: db, act)
            return .opened(account, place)
        }
    }

    /// Remembers the network; tells the person when it is new and not the first.
    func meet(_ network: [UInt8], of user: UserID, _ opening: Opening, in db: any KernelScope, _ act: Act) throws {
        let known = try db.rows(GuardTable.networksOf, user).map { try $0.blob(0) }
        try db.run(GuardTable.learn, user, network, act.now)
        guard !known.isEmpty, !known.contains(network) else { return }
        try mail(
            "new_sign_in", to: user, key: "new_sign_in:\(opening.session)", sealed: ["device": opening.deviceLabel ?? "not named"], in: db,
            act)
    }

    func insert(_ opening: Opening, user: UserID, _ place: MemberStanding, in db: any KernelScope, _ act: Act) throws {
        let provenance = opening.provenance
        try db.run(
            SessionTable.insert, opening.session, user, place.membership.tenant, opening.kind.rawValue, opening.secretDigest,
            opening.expiresAt, opening.deviceBox, opening.addressBox, provenance.factor, provenance.assertion, provenance.providerKey,
            provenance.decision, act.now)
        try journal(
            "session.opened", "session:\(opening.session)", .success,
            [
                "user": .string(user.description), "kind": .string(opening.kind.rawValue), "factor": .string(provenance.factor),
            ], tenant: place.membership.tenant, in: db, act, decision: provenance.decision)
    }
}
