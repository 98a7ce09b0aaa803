import Foundation
import Signing
import Store
import Tenancy
import Vocabulary

/// What somebody proves a second factor by.
package enum FactorAnswer: Sendable {
    case code(String)
    case recovery(String)
    case passkey(PasskeyAnswer)

    /// As sessions and the journal name it.
    var method: FactorMethod {
        switch self {
        case .code: .totp
        case .recovery: .recovery
        case .passkey: .passkey
        }
    }
}
enum FactorMethod: String, Sendable {
    case totp, recovery, passkey
}

/// A guess at a factor, counted before it is looked at.
struct FactorAttempt: Sendable {
    let user: UserID
    let guessing: Guessing
    let reservation: LoginGuard.Reservation
}

/// What is guessed at; each is counted and locked apart, so that guesses at a code do not close the way of recovery.
enum GuessedFactor: String, Sendable {
    case totp, recovery, enrolment
}

extension Identity {
    /// Counts a guess by person and network in the transaction that will look at it, so that of any number in parallel
    /// `lock_failures` are looked at, whatever sessions and sign-ins they come by.
    func begin(
        _ factor: GuessedFactor, _ user: UserID, in db: any KernelScope, _ act: Act
    ) throws -> Result<FactorAttempt, Problem> {
        let guessing = Guessing(
            account: vault.sealer.digest(user.uuid.bytes, purpose: "identity.factor.\(factor.rawValue)"),
            network: fields.digest(Network(address: act.address)))
        let horizon = act.now - .days(Int64(settings[IdentitySettings.knownNetworkDays]))
        let isKnown = try db.row(GuardTable.knows, user, guessing.network, horizon) != nil
        var state = try loadGuard(guessing, in: db, act.now)
        let entrance = state.begin(isKnownNetwork: isKnown, now: act.now)
        try save(state, guessing, in: db)
        func refused(_ problem: Problem, _ until: Timestamp) throws -> Result<FactorAttempt, Problem> {
            try journal(
                "factor.refused", "user:\(user)", .denied, ["reason": .string(problem.code), "kind": .string(factor.rawValue)],
                tenant: try account(user, in: db)?.homeTenant, in: db, act)
            return .failure(problem.retry(afterSeconds: (until - act.now).wholeSeconds + 1))
        }
        switch entrance {
        case .proceed(let reservation): return .success(FactorAttempt(user: user, guessing: guessing, reservation: reservation))
        case .locked(let until, let tell):
            if tell { try tellOfLock(user, until: until, in: db, act) }
            return try refused(IdentityProblems.accountLocked, until)
        case .slowed(let until): return try refused(IdentityProblems.signInSlowed, until)
        }
    }
    func fail(
        _ attempt: FactorAttempt, _ action: String, reason: String, tenant: TenantID?, in db: any KernelScope, _ act: Act
    ) throws {
        var state = try loadGuard(attempt.guessing, in: db, act.now)
        let tell = state.fail(attempt.reservation, now: act.now)
        try save(state, attempt.guessing, in: db)
        try journal(action, "user:\(attempt.user)", .denied, ["reason": .string(reason)], tenant: tenant, in: db, act)
        if tell, let until = state.pair.lockedUntil { try tellOfLock(attempt.user, until: until, in: db, act) }
    }
    func succeed(_ attempt: FactorAttempt, in db: any KernelScope, _ act: Act) throws {
        var state = try loadGuard(attempt.guessing, in: db, act.now)
        state.succeed(attempt.reservation, now: act.now)
        try save(state, attempt.guessing, in: db)
    }
}

extension Factors {
    /// Looks at an answer once and spends it. A failure is a value: what was counted and recorded stays.
    func prove(
        _ answer: FactorAnswer, of user: UserID, bound binding: [UInt8], in db: any KernelScope, _ act: Act
    ) throws -> Result<FactorMethod, Problem> {
        guard let home = try identity.account(user, in: db)?.homeTenant else { return .failure(FactorProblems.invalid) }
        switch answer {
        case .code(let text):
            switch try identity.begin(.totp, user, in: db, act) {
            case .failure(let problem): return .failure(problem)
            case .success(let attempt):
                if let wrong = try spend(code: text, of: user, in: db, act) {
                    try identity.fail(attempt, "factor.failed", reason: wrong, tenant: home, in: db, act)
                    return .failure(FactorProblems.invalid)
                }
                try identity.succeed(attempt, in: db, act)
            }
        case .recovery(let text):
            switch try identity.begin(.recovery, user, in: db, act) {
            case .failure(let problem): return .failure(problem)
            case .success(let attempt):
                guard let code = RecoveryCode.read(text),
                    try !db.rows(FactorTable.useCode, RecoveryCode.digest(code, of: user, vault), user, act.now).isEmpty
                else {
                    try identity.fail(attempt, "factor.failed", reason: "recovery_code", tenant: home, in: db, act)
                    return .failure(FactorProblems.invalid)
                }
                try identity.succeed(attempt, in: db, act)
                let left = try db.row(FactorTable.countCodes, user)?.int(0) ?? 0
                try mail("recovery_code_used", user, ["left": String(left)], in: db, act)
            }
        case .passkey(let answer):
            if let problem = try assert(answer, of: user, purpose: .second, bound: binding, in: db, act) { return .failure(problem) }
        }
        try identity.journal(
            "factor.proved", "user:\(user)", .success, ["kind": .string(answer.method.rawValue)], tenant: home, in: db, act)
        return .success(answer.method)
    }

    /// Nil: right, and its step is spent. Else why not, for the journal alone.
    private func spend(code text: String, of user: UserID, in db: any KernelScope, _ act: Act) throws -> String? {
        guard let row = try db.row(FactorTable.totp, user) else { return "no_app" }
        let secret = try vault.sealer.open(try row.blob(0), person: user, context: Self.context(user))
        guard let step = OneTimeCode.read(text).flatMap({ OneTimeCode(secret: secret).step(of: $0, now: act.now) }) else { return "code" }
        return try db.rows(FactorTable.spendStep, user, step).isEmpty ? "replayed" : nil
    }

    // MARK: Step-up

    /// What a signed-in session's passkey challenge is bound to.
    func binding(_ session: AuthSessionID) -> [UInt8] { Array("session:\(session)".utf8) }

    /// Proves a second factor again, for this session. Gives until when it counts as recent.
    package func stepUp(_ answer: FactorAnswer, _ caller: Principal, _ act: Act) async throws -> Timestamp {
        let outcome: Result<Void, Problem> = try await identity.change(KernelReason("identity.step_up")) { db in
            switch try prove(answer, of: caller.user, bound: binding(caller.session), in: db, act) {
            case .failure(let problem): return Changed(.failure(problem), users: [caller.user])
            case .success:
                try db.run(FactorTable.prove, caller.session, act.now)
                return Changed(.success(()), sessions: [caller.session], users: [caller.user])
            }
        }
        try outcome.get()
        return act.now + settings.seconds(FactorSettings.stepUpSeconds)
    }
}
