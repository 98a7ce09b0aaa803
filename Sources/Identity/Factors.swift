import Foundation
import Signing
import Store
import Tenancy
import Vocabulary

/// Second factors: an authenticator app, passkeys, and codes on paper for when both are lost.
package struct Factors: Sendable {
    let identity: Identity
    /// Scheme and authority of the pages, as people's browsers see them.
    let origin: @Sendable () -> String
    /// What apps show beside the account.
    let brand: String

    package init(identity: Identity, origin: @escaping @Sendable () -> String, brand: String) {
        self.identity = identity
        self.origin = origin
        self.brand = brand
    }
    var store: any Store { identity.store }
    var vault: Vault { identity.vault }
    var settings: Settings { identity.settings }

    /// What a person has, and what is asked of the person here.
    package struct Overview: Sendable {
        package let totpSince: Timestamp?
        package let recoveryCodesLeft: Int
        package let passkeys: [Passkey]
        /// Since when the tenant asks two factors of everybody, or will.
        package let requiredFrom: Timestamp?
        package var hasFactor: Bool { totpSince != nil || !passkeys.isEmpty }
    }

    package func overview(_ caller: Principal) async throws -> Overview {
        let rule = try await identity.factorRule(of: caller.tenant)
        return try await store.kernelRead(KernelReason("identity.factors")) { db in
            Overview(
                totpSince: try db.row(FactorTable.totp, caller.user)?.time(2),
                recoveryCodesLeft: try db.row(FactorTable.countCodes, caller.user)?.int(0) ?? 0,
                passkeys: try passkeys(of: caller.user, in: db), requiredFrom: rule.enforcedFrom)
        }
    }

    // MARK: An authenticator app

    package struct Enrolment: Sendable {
        /// Base32, for typing.
        package let secret: String
        package let address: String
        package let expiresAt: Timestamp
    }

    /// Draws a secret that proves nothing until its first code has come.
    package func beginTOTP(_ caller: Principal, _ act: Act) async throws -> Enrolment {
        try await requireFreshProof(caller, act)
        let code = OneTimeCode(secret: vault.entropy.bytes(OneTimeCode.secretBytes))
        let box = try vault.sealer.seal(code.secret, person: caller.user, context: Self.context(caller.user))
        let expires = act.now + settings.seconds(FactorSettings.enrolmentSeconds)
        let account = try await identity.account(caller.user)
        try await store.kernel(KernelReason("identity.enrol_totp")) { db in
            guard try db.row(FactorTable.totp, caller.user) == nil else { throw FactorProblems.already }
            try db.run(FactorTable.enrol, caller.user, caller.session, box, expires)
            try identity.journal("factor.enrolling", "user:\(caller.user)", tenant: caller.tenant, in: db, act)
        }
        return Enrolment(
            secret: Base32.encode(code.secret), address: code.address(issuer: brand, account: account.email), expiresAt: expires)
    }

    /// The first code, in the session that began. Gives recovery codes where there were none: shown this once.
    package func confirmTOTP(_ text: String, _ caller: Principal, _ act: Act) async throws -> [String] {
        let outcome: Result<[String], Problem> = try await identity.change(KernelReason("identity.confirm_totp")) { db in
            // Guesses at a code that the guesser was just shown tell nothing, but they cost: they count like all others.
            let attempt: FactorAttempt
            switch try identity.begin(.enrolment, caller.user, in: db, act) {
            case .success(let begun): attempt = begun
            case .failure(let problem): return Changed(.failure(problem))
            }
            guard try db.row(FactorTable.totp, caller.user) == nil else { return Changed(.failure(FactorProblems.already)) }
            guard let row = try db.row(FactorTable.enrolment, caller.user, caller.session, act.now) else {
                return Changed(.failure(FactorProblems.notEnrolling))
            }
            let box = try row.blob(0)
            let code = OneTimeCode(secret: try vault.sealer.open(box, person: caller.user, context: Self.context(caller.user)))
            guard let step = OneTimeCode.read(text).flatMap({ code.step(of: $0, now: act.now) }) else {
                try identity.fail(attempt, "factor.enrolment_failed", reason: "code", tenant: caller.tenant, in: db, act)
                return Changed(.failure(FactorProblems.codeWrong))
            }
            try identity.succeed(attempt, in: db, act)
            try db.run(FactorTable.dropEnrolment, caller.user)
            try db.run(FactorTable.insertTOTP, caller.user, box, step, act.now)
            let (codes, ended) = try added("totp", caller, in: db, act)
            return Changed(.success(codes), sessions: ended, users: [caller.user])
        }
        return try outcome.get()
    }

    package func removeTOTP(_ caller: Principal, _ act: Act) async throws {
        try await requireOwnProof(caller)
        try await identity.change(KernelReason("identity.remove_totp")) { db in
            guard try !db.rows(FactorTable.dropTOTP, caller.user).isEmpty else { throw CommonProblems.notFound }
            try removed("totp", caller, in: db, act)
            return Changed((), sessions: [caller.session], users: [caller.user])
        }
    }

    // MARK: Codes on paper

    /// New codes; the old ones are none any more.
    package func renewRecoveryCodes(_ caller: Principal, _ act: Act) async throws -> [String] {
        try await requireOwnProof(caller)
        return try await store.kernel(KernelReason("identity.renew_recovery_codes")) { db in
            guard try identity.countFactors(of: caller.user, in: db) > 0 else { throw FactorProblems.none }
            let codes = try drawCodes(for: caller.user, in: db, act)
            try identity.journal("factor.recovery_codes_renewed", "user:\(caller.user)", tenant: caller.tenant, in: db, act)
            try mail("recovery_codes_renewed", caller.user, in: db, act)
            return codes
        }
    }

    private func drawCodes(for user: UserID, in db: any KernelScope, _ act: Act) throws -> [String] {
        try db.run(FactorTable.dropCodes, user)
        return try (0..<RecoveryCode.count).map { _ in
            let text = RecoveryCode.draw(vault.entropy)
            guard let code = RecoveryCode.read(text) else { throw CommonProblems.internal }
            try db.run(FactorTable.insertCode, RecoveryCode.digest(code, of: user, vault), user, act.now)
            return text
        }
    }

    // MARK: What follows a change

    /// The first factor ends the sessions that were opened without it. This session has just proved the new one.
    func added(_ kind: String, _ caller: Principal, in db: any KernelScope, _ act: Act) throws -> ([String], [AuthSessionID]) {
        var ended: [AuthSessionID] = []
        if try identity.countFactors(of: caller.user, in: db) == 1 {
            ended = try identity.endAll(of: caller.user, but: caller.session, .factorAdded, tenant: caller.tenant, in: db, act)
        }
        let left = try db.row(FactorTable.countCodes, caller.user)?.int(0) ?? 0
        let codes = left == 0 ? try drawCodes(for: caller.user, in: db, act) : []
        try db.run(FactorTable.prove, caller.session, act.now)
        try identity.journal("factor.added", "user:\(caller.user)", .success, ["kind": .string(kind)], tenant: caller.tenant, in: db, act)
        try mail("factor_added", caller.user, ["factor": Self.words[kind] ?? kind], in: db, act)
        return (codes, ended + [caller.session])
    }
    /// With the last factor go its recovery codes.
    func removed(_ kind: String, _ caller: Principal, in db: any KernelScope, _ act: Act) throws {
        if try identity.countFactors(of: caller.user, in: db) == 0 { try db.run(FactorTable.dropCodes, caller.user) }
        try identity.journal("factor.removed", "user:\(caller.user)", .success, ["kind": .string(kind)], tenant: caller.tenant, in: db, act)
        try mail("factor_removed", caller.user, ["factor": Self.words[kind] ?? kind], in: db, act)
    }
    static let words = ["totp": "an authenticator app", "passkey": "a passkey"]

    func mail(
        _ template: String, _ user: UserID, _ values: [String: String] = [:], sealed: [String: String] = [:], in db: any KernelScope,
        _ act: Act
    ) throws {
        let id: Identifier<FactorMailMark> = vault.entropy.id(act.now)
        try identity.mail(template, to: user, key: "\(template):\(id)", values: values, sealed: sealed, in: db, act)
    }

    static func context(_ user: UserID) -> String { "user.totp:\(user)" }

    // MARK: By an administrator

    /// Takes every second factor of somebody who lost them all, and ends the person's sessions. The person gets a mail.
    package func reset(_ user: UserID, reason: String, by caller: Principal, _ act: Act) async throws {
        guard user != caller.user else { throw CommonProblems.forbidden }
        try await identity.change(KernelReason("identity.reset_factors")) { db in
            guard let account = try identity.account(user, in: db), account.status != .erased else { throw CommonProblems.notFound }
            guard try identity.countFactors(of: user, in: db) > 0 else { throw FactorProblems.none }
            for sql in [FactorTable.dropTOTP, FactorTable.dropEnrolment, FactorTable.dropPasskeys, FactorTable.dropCodes] {
                try db.run(sql, user)
            }
            let ended = try identity.endAll(of: user, but: nil, .factorsReset, tenant: account.homeTenant, in: db, act)
            for journal in [account.homeTenant, nil] {
                try identity.journal(
                    "factor.reset", "user:\(user)", .success, ["by": .string("user:\(caller.user)"), "reason": .string(reason)],
                    tenant: journal, in: db, act)
            }
            try mail("factors_reset", user, in: db, act)
            return Changed((), sessions: ended, users: [user])
        }
    }

    // MARK: A tenant's rule

    /// Asks two factors of every member, after a grace in which they are told to set one up. Nil takes the rule back.
    package func require(graceDays: Int?, in tenant: TenantID, _ act: Act) async throws {
        let from = graceDays.map { act.now + .days(Int64($0)) }
        try await store.tenant(tenant) { db in
            let had = try !db.rows(FactorTable.dropRule).isEmpty
            if let from {
                try db.run(FactorTable.insertRule, tenant, from, act.now)
                try db.journal(
                    JournalEntry("factor.required", subject: "tenant:\(tenant)", details: ["from": .string(from.iso8601)]), act)
            } else if had {
                try db.journal(JournalEntry("factor.not_required", subject: "tenant:\(tenant)", details: [:]), act)
            }
        }
        identity.standings.rules.forget(tenant)
    }
    package func requiredFrom(in tenant: TenantID) async throws -> Timestamp? { try await identity.factorRule(of: tenant).enforcedFrom }
}

enum FactorMailMark {}

extension Identity {
    func countFactors(of user: UserID, in db: any KernelScope) throws -> Int { try db.row(FactorTable.count, user)?.int(0) ?? 0 }

    /// Those of `users` who have a second factor.
    package func factorHolders(among users: [UserID]) async throws -> Set<UserID> {
        try await store.kernelRead(KernelReason("identity.factor_holders")) { db in
            Set(try users.filter { try countFactors(of: $0, in: db) > 0 })
        }
    }

    func factorRule(of tenant: TenantID) async throws -> Standings.FactorRule {
        let found = try await standings.rules.value(tenant) {
            try await store.kernelRead(KernelReason("identity.factor_rule")) { db in
                Standings.FactorRule(enforcedFrom: try db.row(FactorTable.ruleOf, tenant)?.time(0))
            }
        }
        return found ?? Standings.FactorRule(enforcedFrom: nil)
    }

    /// How far this session has proved who it is.
    func proof(
        _ session: Standings.Session, _ user: Standings.User, in tenant: TenantID, _ now: Timestamp
    ) async throws -> Principal.Proof {
        if let proved = session.factorAt, now < proved + settings.seconds(FactorSettings.stepUpSeconds) { return .recent }
        if user.hasFactor { return .stale }
        guard !session.isOfTenantsProvider else { return .single }
        if session.isDemanded { return .enrolling }
        if user.platformRole != nil, user.createdAt + .hours(Int64(settings[FactorSettings.staffGraceHours])) <= now { return .enrolling }
        if let from = try await factorRule(of: tenant).enforcedFrom, from <= now { return .enrolling }
        return .single
    }
}
