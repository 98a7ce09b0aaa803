import RoomTesting
import Signing
import Store
import Tenancy
import Testing
import Vocabulary

@testable import Identity

/// All interleavings of racing calls, write transaction by write transaction, on the real store; a model written from the product's words,
/// not from our machines, says what each must answer.
struct InterleavingTests {
    // MARK: The model of sessions

    /// A session and a password as the specification words them: tokens are numbered, exactly one is current.
    struct Model {
        struct Session {
            var current = 0
            var isAlive = true
            /// The clock stands still in these races, so whatever was rotated was rotated within thirty seconds, except what is set here.
            var recent: Int?
        }
        var sessions: [Session]
        var password = 0
        var isActive = true

        /// The number of the token answered; nil: refused.
        mutating func refresh(_ session: Int, _ token: Int) -> Int? {
            guard isActive, sessions[session].isAlive else { return nil }
            let current = sessions[session].current
            if token == current {
                sessions[session].recent = token
                sessions[session].current = current + 1
                return current + 1
            }
            if token == sessions[session].recent, token == current - 1 { return current }
            sessions[session].isAlive = false
            return nil
        }
        mutating func end(_ session: Int) -> Bool {
            defer { sessions[session].isAlive = false }
            return sessions[session].isAlive
        }
        mutating func changePassword(from session: Int, checked: Int) -> Bool {
            guard isActive, sessions[session].isAlive, checked == password else { return false }
            password += 1
            for other in sessions.indices where other != session { sessions[other].isAlive = false }
            return true
        }
        mutating func deactivate(from session: Int) -> Bool {
            guard isActive, sessions[session].isAlive else { return false }
            isActive = false
            for other in sessions.indices { sessions[other].isAlive = false }
            return true
        }
    }

    enum Race: Sendable, Hashable {
        case refresh(session: Int, token: Int)
        case revoke(session: Int, from: Int)
        case everywhere(from: Int)
        case change(from: Int)
        case deactivate(from: Int)

        /// Which of the call's write transactions decides.
        var decisive: Int {
            switch self {
            case .refresh, .revoke, .everywhere: 0
            // Counting the attempt and recording the right password come before.
            case .change, .deactivate: 2
            }
        }
    }
    enum Outcome: Sendable, Hashable {
        case token(Int)
        case done
        case refused
    }

    /// Two sessions of one person, each with the secrets of its first tokens; session 0 has been rotated twice, the last time long ago.
    struct Scene: Sendable {
        let house: IdentityHouse
        let principals: [Principal]
        let sessions: [AuthSessionID]
        /// By session: the tokens in their order, as far as they can come up.
        let tokens: [[String]]
    }

    static func scene(_ house: IdentityHouse, _ number: Int) async throws -> Scene {
        let email = "p\(number)@example.com"
        try await house.quickMember(email)
        let (one, two) = (try await house.signedIn(email), try await house.signedIn(email))
        var chains: [[String]] = []
        for (grant, rotations) in [(one.grant, 2), (two.grant, 0)] {
            var tokens = [grant.refreshToken ?? ""]
            for _ in 0..<rotations { tokens.append(try await house.identity.refresh(tokens.last ?? "", house.act()).refreshToken ?? "") }
            // What would follow, derived as the server would: known to the test, not to any client.
            while tokens.count < 8 {
                guard let last = RefreshToken(tokens[tokens.count - 1], house.bench.sealer) else {
                    throw IdentityHouse.Missing(what: "token")
                }
                tokens.append(last.successor(house.bench.sealer).text(house.bench.sealer))
            }
            chains.append(tokens)
        }
        house.advance(.minutes(1))
        return Scene(
            house: house, principals: [one.principal, two.principal], sessions: [one.grant.session, two.grant.session], tokens: chains)
    }

    static func call(_ race: Race, _ scene: Scene, _ identity: Identity) async -> Outcome {
        let house = scene.house
        do {
            switch race {
            case .refresh(let session, let token):
                let answer = try await identity.refresh(scene.tokens[session][token], house.act())
                guard let number = scene.tokens[session].firstIndex(of: answer.refreshToken ?? "") else { return .refused }
                return .token(number)
            case .revoke(let session, let from):
                try await identity.revoke(scene.sessions[session], of: scene.principals[from], house.act(scene.principals[from]))
            case .everywhere(let from): try await identity.signOutEverywhere(scene.principals[from], house.act(scene.principals[from]))
            case .change(let from):
                try await identity.changePassword(
                    scene.principals[from], current: IdentityHouse.password, to: IdentityHouse.otherPassword,
                    house.act(scene.principals[from]))
            case .deactivate(let from):
                try await identity.deactivate(scene.principals[from], password: IdentityHouse.password, house.act(scene.principals[from]))
            }
            return .done
        } catch { return .refused }
    }

    static func judge(_ race: Race, _ model: inout Model) -> Outcome {
        switch race {
        case .refresh(let session, let token): model.refresh(session, token).map { .token($0) } ?? .refused
        case .revoke(let session, _): model.end(session) ? .done : .refused
        case .everywhere:
            {
                for session in model.sessions.indices { _ = model.end(session) }
                return .done
            }()
        // Nobody else can have changed it before the check: the check reads the same version as the model's first.
        case .change(let from): model.changePassword(from: from, checked: 0) ? .done : .refused
        case .deactivate(let from): model.deactivate(from: from) ? .done : .refused
        }
    }

    @Test(
        "refresh, repeated refresh, reuse, revocation, password change and deactivation: every order answers and ends as specified",
        arguments: [
            // The same token twice, at once.
            [Race.refresh(session: 0, token: 2), .refresh(session: 0, token: 2)],
            [.refresh(session: 0, token: 2), .refresh(session: 0, token: 2), .refresh(session: 0, token: 2)],
            // A thief with the predecessor of long ago, and with the very first.
            [.refresh(session: 0, token: 2), .refresh(session: 0, token: 1), .refresh(session: 0, token: 2)],
            [.refresh(session: 0, token: 2), .refresh(session: 0, token: 2), .refresh(session: 0, token: 0)],
            // The successor used while the predecessor is repeated.
            [.refresh(session: 1, token: 0), .refresh(session: 1, token: 1), .refresh(session: 1, token: 0)],
            // With a revocation from the other session.
            [
                .refresh(session: 0, token: 2), .refresh(session: 0, token: 2), .refresh(session: 0, token: 0),
                .revoke(session: 0, from: 1),
            ],
            [.refresh(session: 0, token: 2), .revoke(session: 0, from: 1), .revoke(session: 0, from: 1), .everywhere(from: 1)],
            // The whole of it: two refreshes, a reuse, a revocation and a password change from the other session, or from this one.
            [
                .refresh(session: 0, token: 2), .refresh(session: 0, token: 2), .refresh(session: 0, token: 0),
                .revoke(session: 0, from: 1),
                .change(from: 1),
            ],
            [
                .refresh(session: 0, token: 2), .refresh(session: 1, token: 0), .refresh(session: 0, token: 1),
                .revoke(session: 1, from: 0),
                .change(from: 0),
            ],
            [.change(from: 0), .change(from: 1)],
            [.change(from: 0), .change(from: 1), .everywhere(from: 0)],
            [.change(from: 0), .deactivate(from: 1), .refresh(session: 1, token: 0)],
            [.deactivate(from: 1), .revoke(session: 1, from: 0), .refresh(session: 0, token: 2)],
        ])
    func sessions(_ races: [Race]) async throws {
        let turnstile = Turnstile()
        let house = try await IdentityHouse(wrap: { GatedStore(inner: $0, turnstile: turnstile) })
        var schedules = Schedules()
        repeat {
            let scene = try await Self.scene(house, schedules.count)
            schedules.begin()
            var model = Model(sessions: [Model.Session(current: 2), Model.Session()])
            var expected = [Outcome](repeating: .refused, count: races.count)
            var steps = [Int](repeating: 0, count: races.count)
            let outcomes = Guarded([Outcome](repeating: .refused, count: races.count))
            let identity = house.identity
            await turnstile.run(
                races.enumerated().map { lane, race in
                    {
                        let outcome = await Self.call(race, scene, identity)
                        outcomes.with { $0[lane] = outcome }
                    }
                }, choose: { schedules.choose($0) },
                observe: { lane in
                    if steps[lane] == races[lane].decisive { expected[lane] = Self.judge(races[lane], &model) }
                    steps[lane] += 1
                })
            let found = outcomes.with { $0 }
            try #require(found == expected, "order \(schedules.order) of \(races)")
            for (index, session) in model.sessions.enumerated() {
                let row = try #require(try await Self.row(house, scene.sessions[index]))
                try #require(row.isAlive == session.isAlive, "order \(schedules.order) of \(races), session \(index)")
                try #require(row.generation == session.current, "order \(schedules.order) of \(races), session \(index)")
                // What a client may still do agrees with the row: nobody holds a second live chain.
                let alive = await Self.call(.refresh(session: index, token: session.current), scene, identity)
                let answers: Outcome = session.isAlive ? .token(session.current + 1) : .refused
                try #require(alive == answers, "order \(schedules.order) of \(races), session \(index)")
            }
        } while schedules.advance()
        #expect(schedules.count == Self.interleavings(races.map { $0.decisive + 1 }) || races.contains { $0.decisive > 0 })
        #expect(schedules.count > 1)
    }

    /// How many orders there are of calls with so many steps.
    static func interleavings(_ steps: [Int]) -> Int {
        func factorial(_ number: Int) -> Int { (1...max(number, 1)).reduce(1, *) }
        return factorial(steps.reduce(0, +)) / steps.map(factorial).reduce(1, *)
    }

    static func row(_ house: IdentityHouse, _ session: AuthSessionID) async throws -> (isAlive: Bool, generation: Int)? {
        try await house.bench.store.kernelRead(KernelReason("test.row")) { db in
            try db.row(SQL("test.row", "SELECT status, generation FROM auth_session WHERE session_id = $1"), session).map {
                (try $0.text(0) == "active", try $0.int(1))
            }
        }
    }

    // MARK: Guesses

    /// The lock as the specification words it: of attempts that have begun, those not known to be right count as wrong.
    struct LockModel {
        let limit: Int
        var wrong = 0
        /// Attempts that began before the last success: they count again when they turn out wrong.
        var sheet = 0
        var began: [Int: Int] = [:]

        mutating func begins(_ lane: Int) -> Bool {
            guard wrong < limit else { return false }
            wrong += 1
            began[lane] = sheet
            return true
        }
        mutating func ends(_ lane: Int, right: Bool) {
            guard let sheet = began[lane] else { return }
            if right {
                wrong = 0
                self.sheet += 1
            } else if sheet != self.sheet {
                wrong += 1
            }
        }
    }

    @Test(
        "parallel sign-ins: in every order as many guesses are looked at as serially, and a right one opens the pair",
        arguments: [
            ([false, false, false], 2), ([false, false, true], 2), ([true, true], 1), ([false, true, false, false], 3),
            ([false, false, false, false], 2),
            ([true, false, true, false], 2),
        ])
    func guesses(_ item: (isRight: [Bool], limit: Int)) async throws {
        let turnstile = Turnstile()
        let house = try await IdentityHouse(
            Settings().setting(IdentitySettings.lockFailures, to: item.limit), wrap: { GatedStore(inner: $0, turnstile: turnstile) })
        var schedules = Schedules()
        repeat {
            let email = "p\(schedules.count)@example.com"
            try await house.quickMember(email)
            schedules.begin()
            var model = LockModel(limit: item.limit)
            var expected = [String](repeating: "", count: item.isRight.count)
            var steps = [Int](repeating: 0, count: item.isRight.count)
            let outcomes = Guarded([String](repeating: "", count: item.isRight.count))
            let checks = house.hasher.checks
            await turnstile.run(
                item.isRight.enumerated().map { lane, isRight in
                    {
                        var outcome = "opened"
                        do { _ = try await house.login(email, isRight ? IdentityHouse.password : "wrong") } catch {
                            outcome = (error as? Problem)?.code ?? "\(error)"
                        }
                        outcomes.with { [outcome] in $0[lane] = outcome }
                    }
                }, choose: { schedules.choose($0) },
                observe: { lane in
                    if steps[lane] == 0 {
                        expected[lane] = model.begins(lane) ? (item.isRight[lane] ? "opened" : "invalid_credentials") : "account_locked"
                    } else {
                        model.ends(lane, right: item.isRight[lane])
                    }
                    steps[lane] += 1
                })
            let found = outcomes.with { $0 }
            try #require(found == expected, "order \(schedules.order)")
            try #require(house.hasher.checks - checks == found.count { $0 != "account_locked" }, "only attempts that began were looked at")
            // What comes afterwards agrees.
            let after = await problem { _ = try await house.login(email, "wrong") }
            try #require((after?.code == "account_locked") == (model.wrong >= item.limit), "order \(schedules.order)")
        } while schedules.advance()
        #expect(schedules.count > 1)
    }

    @Test(
        "signing in against a password change: in every order the old password opens nothing after the change, and what it opened is ended by it"
    )
    func signInAgainstChange() async throws {
        let turnstile = Turnstile()
        let house = try await IdentityHouse(wrap: { GatedStore(inner: $0, turnstile: turnstile) })
        var schedules = Schedules()
        var opened = 0
        repeat {
            let email = "p\(schedules.count)@example.com"
            try await house.quickMember(email)
            let (grant, principal) = try await house.signedIn(email)
            schedules.begin()
            let late = Guarded<TokenGrant?>(nil)
            let changed = Guarded(false)
            await turnstile.run(
                [
                    {
                        let grant = try? await house.login(email, IdentityHouse.password, from: "198.51.100.1")
                        late.with { $0 = grant }
                    },
                    {
                        let found = await problem {
                            try await house.identity.changePassword(
                                principal, current: IdentityHouse.password, to: IdentityHouse.otherPassword, house.act(principal))
                        }
                        changed.with { $0 = found == nil }
                    },
                ], choose: { schedules.choose($0) }, observe: { _ in })
            try #require(changed.with { $0 })
            if let late = late.with({ $0 }) {
                opened += 1
                try #require(
                    try await house.principal(late) == nil, "a session under the old password outlives its change: \(schedules.order)")
            }
            try #require(try await house.principal(grant) != nil)
        } while schedules.advance()
        #expect(opened > 0 && opened < schedules.count, "both orders came up")
    }

    @Test("a reset link against signing in, another reset and a change: one new password stands, and no session under an older one")
    func resets() async throws {
        let turnstile = Turnstile()
        let house = try await IdentityHouse(wrap: { GatedStore(inner: $0, turnstile: turnstile) })
        let third = "granite-willow-teapot-9"
        var schedules = Schedules()
        repeat {
            let email = "p\(schedules.count)@example.com"
            try await house.quickMember(email)
            let (_, principal) = try await house.signedIn(email)
            try await house.identity.requestLink(.resetPassword, email: email, house.act())
            let token = try await house.secret("reset_password")
            house.mails.with { $0 = [] }
            schedules.begin()
            let grants = Guarded<[TokenGrant]>([])
            let resets = Guarded(0)
            let isChanged = Guarded(false)
            await turnstile.run(
                [
                    {
                        if (try? await house.identity.resetPassword(token, to: IdentityHouse.otherPassword, house.act())) != nil {
                            resets.with { $0 += 1 }
                        }
                    },
                    {
                        if (try? await house.identity.resetPassword(token, to: IdentityHouse.otherPassword, house.act())) != nil {
                            resets.with { $0 += 1 }
                        }
                    },
                    { if let grant = try? await house.login(email, from: "198.51.100.1") { grants.with { $0.append(grant) } } },
                    {
                        let done: Void? = try? await house.identity.changePassword(
                            principal, current: IdentityHouse.password, to: third, house.act(principal))
                        isChanged.with { $0 = done != nil }
                    },
                ], choose: { schedules.choose($0) }, observe: { _ in })
            // Either the link was used, or the change spent it first; never both links, never both passwords.
            try #require(resets.with { $0 } <= 1)
            let standing = (resets.with { $0 } == 1) ? IdentityHouse.otherPassword : third
            try #require(resets.with { $0 } == 1 || isChanged.with { $0 })
            for grant in grants.with({ $0 }) { try #require(try await house.principal(grant) == nil, "order \(schedules.order)") }
            house.advance(.hours(2))
            _ = try await house.login(email, standing)
            for other in [IdentityHouse.password, IdentityHouse.otherPassword, third] where other != standing {
                try #require(await problem { _ = try await house.login(email, other, from: nil) } == IdentityProblems.credentialsInvalid)
            }
        } while schedules.advance()
        #expect(schedules.count > 50)
    }
}
