import Foundation
import PluginKit

/// What the conformance kit must know of one identity provider that asks a directory.
public protocol DirectorySubject: Sendable {
    /// A provider as a server makes it, and a directory of its own. Called for each check. Time must pass by itself where the plugin sleeps.
    func stage() async throws -> DirectoryStage
}

/// One provider, its directory, and the ways in which somebody else would cheat.
public struct DirectoryStage: Sendable {
    public var provider: any IdentityProvider
    public var connection: IdentityConnection
    /// At least two, all with passwords of their own.
    public var people: [DirectoryPerson]
    /// Names that stand for several people there, with the password of one of them.
    public var ambiguous: [(user: String, password: String)]
    /// People whose password is right and who are not let in.
    public var barred: [(person: DirectoryPerson, state: DirectoryAccountState)]
    /// By name: the directory, or who sits before it, cheats from here on. Nobody may be asserted.
    public var cheats: [(name: String, arm: @Sendable () -> Void)]
    public var cutOff: @Sendable () -> Void
    public var babble: @Sendable () -> Void
    /// How many passwords the directory was asked about: this person's, or everybody's but the searching account's.
    public var asked: @Sendable (DirectoryPerson?) -> Int
    /// Everything that crossed the network unencrypted.
    public var inTheClear: @Sendable () -> String
    /// What stands in no error and no line of the log, beside names and passwords of people.
    public var secrets: [String]
    public var log: @Sendable () -> [String]

    public init(
        provider: any IdentityProvider, connection: IdentityConnection, people: [DirectoryPerson], secrets: [String],
        asked: @escaping @Sendable (DirectoryPerson?) -> Int, inTheClear: @escaping @Sendable () -> String,
        log: @escaping @Sendable () -> [String],
        cutOff: @escaping @Sendable () -> Void, babble: @escaping @Sendable () -> Void,
        ambiguous: [(user: String, password: String)] = [], barred: [(person: DirectoryPerson, state: DirectoryAccountState)] = [],
        cheats: [(name: String, arm: @Sendable () -> Void)] = []
    ) {
        self.provider = provider
        self.connection = connection
        self.people = people
        self.ambiguous = ambiguous
        self.barred = barred
        self.cheats = cheats
        self.cutOff = cutOff
        self.babble = babble
        self.asked = asked
        self.inTheClear = inTheClear
        self.secrets = secrets
        self.log = log
    }
}

/// Somebody in a directory.
public struct DirectoryPerson: Sendable, Hashable {
    public var user: String
    public var password: String
    /// As the plugin is to name the person for good.
    public var subject: String
    public var address: String
    /// All of them, also those that hold groups of the person.
    public var groups: Set<String>
    public init(user: String, password: String, subject: String, address: String, groups: Set<String> = []) {
        self.user = user
        self.password = password
        self.subject = subject
        self.address = address
        self.groups = groups
    }
}

/// Tries a directory provider the way a hostile person, a hostile network and a hostile directory do. Every such provider passes it, shipped or not.
public struct DirectoryConformance: Sendable {
    let subject: any DirectorySubject
    public init(_ subject: any DirectorySubject) { self.subject = subject }

    /// Runs every check; the order is stable. `stoppingAtFault`: only until one does not hold.
    public func run(stoppingAtFault: Bool = false) async -> [ConformanceFinding] {
        let checks: [(String, @Sendable (DirectoryStage) async throws -> [String])] = [
            ("it describes itself as a directory, and the same at each asking", described),
            ("the right password asserts the person with address and groups, the same after a restart", asserted),
            ("a wrong password and a name that nobody has are refused alike", refused),
            ("an empty password, and one with NUL, never reach the directory", empty),
            ("names that look like a query find nobody", injected),
            ("a name that stands for two people lets neither in", ambiguous),
            ("people at once are not taken for one another", concurrent),
            ("account states are told apart, and only to the right password", barred),
            ("guessing at one account stops before the directory is asked on and on", guessed),
            ("no cheat makes an assertion", cheated),
            ("a directory that does not answer is unreachable, not a refusal", cutOff),
            ("a directory that babbles asserts nobody", babbled),
            ("nothing is said in the clear", clear),
            ("an inspection says who is asked, and fails where nobody answers", inspected),
            ("it sends no browser away", browserless),
            ("no name, password or secret stands in an error or in the log", silent),
        ]
        var findings: [ConformanceFinding] = []
        for (name, check) in checks {
            do { findings.append(ConformanceFinding(check: name, faults: try await check(try await subject.stage()))) } catch {
                findings.append(ConformanceFinding(check: name, faults: ["It threw \(error)."]))
            }
            if stoppingAtFault, findings.last?.holds == false { break }
        }
        return findings
    }

    // MARK: - One attempt

    private func come(_ stage: DirectoryStage, _ user: String, _ password: String) async throws -> IdentityAssertion {
        try await stage.provider.authenticate(DirectoryAttempt(connection: stage.connection, user: user, password: password))
    }
    /// Nil if it is refused so, else what happened instead.
    private func fault(
        _ stage: DirectoryStage, _ user: String, _ password: String, _ place: String, as isRight: (IdentityProviderError) -> Bool
    ) async -> String? {
        do {
            return "\(place) asserted \(try await come(stage, user, password).subject)."
        } catch let error as IdentityProviderError {
            return isRight(error) ? nil : "\(place) was refused as \(error)."
        } catch { return "\(place) threw \(error), which is none of the kit's errors." }
    }
    private static func isInvalid(_ error: IdentityProviderError) -> Bool { error == .account(.credentialsInvalid) }
    private static func isAccount(_ error: IdentityProviderError) -> Bool { if case .account = error { true } else { false } }

    // MARK: - Checks

    @Sendable private func described(_ stage: DirectoryStage) async throws -> [String] {
        let profile = stage.provider.profile
        var faults: [String] = []
        if profile != stage.provider.profile { faults.append("It describes itself otherwise at the second asking.") }
        if !profile.capabilities.contains(.directory) { faults.append("It says nothing of directories.") }
        if Set(profile.fields.map(\.name)).count != profile.fields.count { faults.append("A field stands there twice.") }
        if profile.fields.contains(where: { ($0.kind == .choice) == $0.choices.isEmpty }) { faults.append("A choice without choices.") }
        if profile.fields.contains(where: { $0.name.contains("password") && $0.kind != .secret }) {
            faults.append("A password is no secret.")
        }
        return faults
    }

    @Sendable private func asserted(_ stage: DirectoryStage) async throws -> [String] {
        let again = try await subject.stage()
        var faults: [String] = []
        for person in stage.people {
            let assertion = try await come(stage, person.user, person.password)
            if let fault = IdentityLimits.fault(in: assertion) { faults.append("The assertion breaks the limits: \(fault).") }
            if assertion.subject != person.subject { faults.append("The subject is \(assertion.subject), not \(person.subject).") }
            if !assertion.addresses.contains(where: { $0.address == person.address }) { faults.append("\(person.address) is missing.") }
            if Set(assertion.groups) != person.groups {
                faults.append("The groups of \(person.user) are \(assertion.groups), not \(person.groups.sorted()).")
            }
            let later = try await come(again, person.user, person.password)
            if (later.subject, later.issuer) != (assertion.subject, assertion.issuer) {
                faults.append("After a restart it is somebody else.")
            }
        }
        return faults
    }

    @Sendable private func refused(_ stage: DirectoryStage) async throws -> [String] {
        let person = stage.people[0]
        let before = stage.asked(nil)
        var faults = [
            await fault(stage, person.user, "not \(person.password)", "A wrong password", as: Self.isInvalid),
            await fault(stage, person.user, stage.people[1].password, "Another's password", as: Self.isInvalid),
        ]
        let known = stage.asked(nil) - before
        faults.append(await fault(stage, "nobody-\(person.user)", person.password, "A name that nobody has", as: Self.isInvalid))
        faults.append(await fault(stage, "nobody-else", "whatever", "Another name that nobody has", as: Self.isInvalid))
        let unknown = stage.asked(nil) - before - known
        if known != unknown { faults.append("For \(known) wrong passwords and \(unknown) unknown names the directory had other work.") }
        return faults.compactMap { $0 }
    }

    @Sendable private func empty(_ stage: DirectoryStage) async throws -> [String] {
        let person = stage.people[0]
        let before = stage.asked(nil)
        var faults: [String?] = []
        for (what, password) in [
            ("An empty password", ""), ("NUL", "\0"), ("A password with NUL behind it", person.password + "\0"),
            ("An endless password", String(repeating: "x", count: 70_000)),
        ] { faults.append(await fault(stage, person.user, password, what, as: Self.isAccount)) }
        faults.append(await fault(stage, "", person.password, "An empty name", as: Self.isAccount))
        faults.append(await fault(stage, person.user + "\0", person.password, "A name with NUL", as: Self.isAccount))
        if stage.asked(nil) != before { faults.append("The directory was asked all the same.") }
        return faults.compactMap { $0 }
    }

    @Sendable private func injected(_ stage: DirectoryStage) async throws -> [String] {
        let person = stage.people[0]
        let (user, start) = (person.user, String(person.user.prefix(2)))
        let names = [
            "*", "\(start)*", "\(user))(objectClass=*", "*)(objectClass=*", "\(user))(|(objectClass=*", "*)(|(uid=*))", "x)(uid=\(user)",
            "x)(sAMAccountName=\(user)", "x)(mail=\(person.address)", "\\2a",
            "\(start)\\2a",
            "\(user))\u{0}(x=y", "(\(user))", "\(user)\\", "\(user),dc=example,dc=com", "\(user)\n", "x\u{202E}\(user)",
            String(repeating: "(", count: 200), String(repeating: "é", count: 20_000),
        ]
        var faults: [String] = []
        for (number, name) in names.enumerated() {
            if let fault = await fault(stage, name, person.password, "Name \(number)", as: Self.isInvalid) { faults.append(fault) }
        }
        return faults
    }

    @Sendable private func ambiguous(_ stage: DirectoryStage) async throws -> [String] {
        var faults: [String] = []
        for each in stage.ambiguous {
            if let fault = await fault(stage, each.user, each.password, "A name of two people", as: Self.isInvalid) { faults.append(fault) }
        }
        return faults
    }

    @Sendable private func concurrent(_ stage: DirectoryStage) async throws -> [String] {
        try await withThrowingTaskGroup(of: String?.self) { group in
            for number in 0..<6 {
                let (person, other) = (stage.people[number % 2], stage.people[(number + 1) % 2])
                group.addTask {
                    if number >= 4 { return await fault(stage, person.user, other.password, "Another's password", as: Self.isInvalid) }
                    let assertion = try await come(stage, person.user, person.password)
                    return assertion.subject == person.subject ? nil : "\(person.subject) was taken for \(assertion.subject)."
                }
            }
            var faults: [String] = []
            for try await fault in group { if let fault { faults.append(fault) } }
            return faults
        }
    }

    @Sendable private func barred(_ stage: DirectoryStage) async throws -> [String] {
        var faults: [String?] = []
        for (person, state) in stage.barred {
            faults.append(await fault(stage, person.user, person.password, "\(state.rawValue)") { $0 == .account(state) })
            faults.append(
                await fault(stage, person.user, "not \(person.password)", "\(state.rawValue), wrong password") {
                    Self.isInvalid($0) || $0 == .account(.locked)
                })
        }
        return faults.compactMap { $0 }
    }

    @Sendable private func guessed(_ stage: DirectoryStage) async throws -> [String] {
        let person = stage.people[0]
        var faults: [String?] = []
        let before = stage.asked(person)
        for number in 0..<50 {
            faults.append(await fault(stage, person.user, "guess \(number)", "Guess \(number)", as: Self.isAccount))
        }
        faults.append(await fault(stage, person.user, person.password, "The right password after fifty guesses", as: Self.isAccount))
        let asked = stage.asked(person) - before
        if asked > 10 { faults.append("The directory was asked about one account \(asked) times.") }
        return faults.compactMap { $0 }
    }

    @Sendable private func cheated(_ stage: DirectoryStage) async throws -> [String] {
        var faults: [String] = []
        for index in stage.cheats.indices {
            let fresh = try await subject.stage()
            fresh.cheats[index].arm()
            let person = fresh.people[0]
            let found = await fault(fresh, person.user, person.password, fresh.cheats[index].name) { error in
                switch error {
                case .notBelieved, .unreachable, .misconfigured: true
                case .account(let state): state == .credentialsInvalid
                default: false
                }
            }
            if let found { faults.append(found) }
            let clear = fresh.inTheClear()
            for secret in fresh.secrets + [person.user, person.password] where clear.contains(secret) {
                faults.append("\(fresh.cheats[index].name) made it say something in the clear.")
            }
        }
        return faults
    }

    @Sendable private func cutOff(_ stage: DirectoryStage) async throws -> [String] {
        stage.cutOff()
        let person = stage.people[0]
        let found = await fault(stage, person.user, person.password, "A directory that is away") {
            if case .unreachable = $0 { true } else { false }
        }
        return [found].compactMap { $0 }
    }

    @Sendable private func babbled(_ stage: DirectoryStage) async throws -> [String] {
        stage.babble()
        let person = stage.people[0]
        let found = await fault(stage, person.user, person.password, "A directory that babbles") {
            switch $0 {
            case .unreachable, .notBelieved: true
            default: false
            }
        }
        return [found].compactMap { $0 }
    }

    @Sendable private func clear(_ stage: DirectoryStage) async throws -> [String] {
        for person in stage.people { _ = try await come(stage, person.user, person.password) }
        let said = stage.inTheClear()
        return (stage.secrets + stage.people.flatMap { [$0.user, $0.password] }).contains(where: said.contains)
            ? ["A name or a password crossed the network in the clear."] : []
    }

    @Sendable private func inspected(_ stage: DirectoryStage) async throws -> [String] {
        let found = try await stage.provider.inspect(stage.connection, redirectAddress: "https://platform.example/callback")
        var faults = found.issuer.isEmpty ? ["An inspection names no issuer."] : []
        if found.issuer != (try await come(stage, stage.people[0].user, stage.people[0].password)).issuer {
            faults.append("An inspection names another issuer than an assertion.")
        }
        stage.cutOff()
        do {
            _ = try await stage.provider.inspect(stage.connection, redirectAddress: "https://platform.example/callback")
            faults.append("An inspection of nobody succeeded.")
        } catch IdentityProviderError.unreachable {} catch { faults.append("An inspection of nobody threw \(error).") }
        return faults
    }

    @Sendable private func browserless(_ stage: DirectoryStage) async throws -> [String] {
        guard !stage.provider.profile.capabilities.contains(.browser) else { return [] }
        do {
            _ = try await stage.provider.begin(
                IdentityBeginning(
                    connection: stage.connection, redirectAddress: "https://platform.example/callback", state: "s", nonce: "n",
                    verifier: "v"))
            return ["It sent a browser away."]
        } catch IdentityProviderError.notSupported { return [] } catch { return ["It threw \(error)."] }
    }

    @Sendable private func silent(_ stage: DirectoryStage) async throws -> [String] {
        var said: [String] = []
        func listen(_ stage: DirectoryStage, _ user: String, _ password: String) async {
            do { said.append("\(try await come(stage, user, password).issuer)") } catch { said.append("\(error)") }
            said += stage.log()
        }
        let person = stage.people[0]
        for index in stage.cheats.indices {
            let fresh = try await subject.stage()
            fresh.cheats[index].arm()
            await listen(fresh, person.user, person.password)
        }
        await listen(stage, person.user, person.password)
        await listen(stage, person.user, "a wrong password")
        for each in stage.ambiguous { await listen(stage, each.user, each.password) }
        for (each, _) in stage.barred { await listen(stage, each.user, each.password) }
        for _ in 0..<20 { await listen(stage, person.user, "a wrong password") }
        let people = stage.people + stage.barred.map(\.person)
        let hidden = stage.secrets + people.flatMap { [$0.user, $0.password] } + ["a wrong password"] + stage.ambiguous.map(\.password)
        for secret in hidden {
            if let line = said.first(where: { $0.contains(secret) }) { return ["It said \(secret.debugDescription): \(line.prefix(160))"] }
        }
        return []
    }
}
