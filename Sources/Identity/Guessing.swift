import Foundation
import Signing
import Store
import Tenancy
import Vocabulary

/// Which guesses count together: one account from one network.
struct Guessing: Sendable, Hashable {
    let account: [UInt8]
    let network: [UInt8]
}

/// One attempt at a password that has been counted and not yet ended.
struct Attempt: Sendable {
    struct Known: Sendable {
        let user: UserID
        let homeTenant: TenantID
        let encoded: String
        let version: Int64
    }
    let guessing: Guessing
    let reservation: LoginGuard.Reservation
    /// Nil when nobody has this address, or has no password.
    let known: Known?
}

extension Identity {
    var guardLimits: LoginGuard.Limits {
        LoginGuard.Limits(
            failures: settings[IdentitySettings.lockFailures], lock: settings.seconds(IdentitySettings.lockSeconds),
            memory: settings.seconds(IdentitySettings.failureMemorySeconds), pressureFailures: settings[IdentitySettings.pressureFailures],
            pressureMax: settings.seconds(IdentitySettings.pressureMaxSeconds))
    }

    /// Counts the attempt in one ordered step, before any password is looked at. Throws `account_locked` or `sign_in_slowed`.
    func beginAttempt(_ guessing: Guessing, _ act: Act) async throws -> Attempt {
        let (entrance, known) = try await store.kernel(KernelReason("identity.begin_attempt")) { db in
            let user = try tenancy.user(mailDigest: guessing.account, in: db)
            let account = try user.flatMap { try self.account($0, in: db) }
            let horizon = act.now - .days(Int64(settings[IdentitySettings.knownNetworkDays]))
            let isKnownNetwork = try account.map { try db.row(GuardTable.knows, $0.id, guessing.network, horizon) != nil } ?? false
            var state = try loadGuard(guessing, in: db, act.now)
            let entrance = state.begin(isKnownNetwork: isKnownNetwork, now: act.now)
            try save(state, guessing, in: db)
            switch entrance {
            case .proceed: break
            case .locked(let until, let tell):
                if tell, let account { try tellOfLock(account.id, until: until, in: db, act) }
                try journalGuess("session.sign_in_refused", guessing, account, ["reason": "account_locked"], in: db, act)
            case .slowed:
                try journalGuess("session.sign_in_refused", guessing, account, ["reason": "sign_in_slowed"], in: db, act)
            }
            let credential = try account.flatMap { try self.credential(of: $0.id, in: db) }
            let known = account.flatMap { account in
                credential.map {
                    Attempt.Known(user: account.id, homeTenant: account.homeTenant, encoded: $0.encoded, version: $0.version)
                }
            }
            return (entrance, known)
        }
        func wait(_ until: Timestamp) -> Int64 { (until - act.now).wholeSeconds + 1 }
        switch entrance {
        case .proceed(let reservation): return Attempt(guessing: guessing, reservation: reservation, known: known)
        case .locked(let until, _): throw IdentityProblems.accountLocked.retry(afterSeconds: wait(until))
        case .slowed(let until): throw IdentityProblems.signInSlowed.retry(afterSeconds: wait(until))
        }
    }

    /// Checks the password of a counted attempt. If it cannot be checked, the attempt is taken back.
    func check(_ password: String, _ attempt: Attempt, _ act: Act) async throws -> Bool {
        do {
            return try await passwords.verify(password, against: attempt.known?.encoded)
        } catch {
            try await abandon(attempt, act)
            throw error
        }
    }

    /// Takes an attempt back whose password nobody looked at.
    func abandon(_ attempt: Attempt, _ act: Act) async throws {
        try await store.kernel(KernelReason("identity.abandon_attempt")) { db in
            var state = try loadGuard(attempt.guessing, in: db, act.now)
            state.abandon(attempt.reservation)
            try save(state, attempt.guessing, in: db)
        }
    }

    /// Ends an attempt whose password was wrong.
    func fail(_ attempt: Attempt, _ action: String, _ act: Act) async throws {
        try await store.kernel(KernelReason("identity.fail_attempt")) { db in try recordFailure(attempt, action, in: db, act) }
    }

    func recordFailure(_ attempt: Attempt, _ action: String, in db: any KernelScope, _ act: Act) throws {
        var state = try loadGuard(attempt.guessing, in: db, act.now)
        let tell = state.fail(attempt.reservation, now: act.now)
        try save(state, attempt.guessing, in: db)
        let account = try attempt.known.flatMap { try self.account($0.user, in: db) }
        try journalGuess(action, attempt.guessing, account, [:], in: db, act)
        guard tell else { return }
        try journalGuess("account.locked", attempt.guessing, account, [:], in: db, act)
        if let account, let until = state.pair.lockedUntil { try tellOfLock(account.id, until: until, in: db, act) }
    }

    func recordSuccess(_ attempt: Attempt, in db: any KernelScope, _ act: Act) throws {
        var state = try loadGuard(attempt.guessing, in: db, act.now)
        state.succeed(attempt.reservation, now: act.now)
        try save(state, attempt.guessing, in: db)
    }

    /// A person who proved the account by a mailed link starts with a clean sheet on this network.
    func forgiveGuesses(_ guessing: Guessing, in db: any KernelScope, _ now: Timestamp) throws {
        var state = try loadGuard(guessing, in: db, now)
        state.pair = LoginGuard.Pair(epoch: state.pair.epoch + 1, lastAt: now)
        try save(state, guessing, in: db)
    }

    struct Credential: Sendable {
        let encoded: String
        let version: Int64
    }
    func credential(of user: UserID, in db: any KernelScope) throws -> Credential? {
        try db.row(UserTable.credential, user).map { Credential(encoded: try $0.text(0), version: try $0.integer(1)) }
    }

    func tellOfLock(_ user: UserID, until: Timestamp, in db: any KernelScope, _ act: Act) throws {
        try mail(
            "account_locked", to: user, key: "account_locked:\(user):\(until.microseconds)",
            values: ["minutes": String(settings[IdentitySettings.lockSeconds] / 60)], in: db, act)
    }

    /// The act carries the address; the entry names the account by id, or by a part of its digest when nobody has it.
    private func journalGuess(
        _ action: String, _ guessing: Guessing, _ account: SealedAccount?, _ details: JSONValue, in db: any KernelScope, _ act: Act
    ) throws {
        let subject = account.map { "user:\($0.id)" } ?? "unknown:\(Hex.encode(guessing.account.prefix(8)))"
        try journal(action, subject, .denied, details, tenant: account?.homeTenant, in: db, act)
    }

    func loadGuard(_ guessing: Guessing, in db: any KernelScope, _ now: Timestamp) throws -> LoginGuard {
        let pair = try db.row(GuardTable.pair, guessing.account, guessing.network).map { row in
            LoginGuard.Pair(
                epoch: try row.integer(0), begun: try row.int(1), failed: try row.int(2), lastAt: try row.time(3),
                lockedUntil: try row.optional(4, row.time), isNoticed: try row.bool(5))
        }
        let pressure = try db.row(GuardTable.pressure, guessing.account).map { row in
            LoginGuard.Pressure(begun: try row.int(0), since: try row.time(1), nextSlotAt: try row.time(2))
        }
        return LoginGuard(pair: pair, pressure: pressure, limits: guardLimits, now: now)
    }

    func save(_ state: LoginGuard, _ guessing: Guessing, in db: any KernelScope) throws {
        let pair = state.pair
        try db.run(
            GuardTable.writePair, guessing.account, guessing.network, pair.epoch, pair.begun, pair.failed, pair.lastAt, pair.lockedUntil,
            pair.isNoticed)
        try db.run(GuardTable.writePressure, guessing.account, state.pressure.begun, state.pressure.since, state.pressure.nextSlotAt)
    }
}
