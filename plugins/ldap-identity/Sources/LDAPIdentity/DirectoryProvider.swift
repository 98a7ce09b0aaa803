import Foundation
import PluginKit

/// Signs people in by a directory: an account that may search finds the person, the directory itself checks the password.
struct DirectoryProvider: IdentityProvider {
    let profile = IdentityDescription(capabilities: [.directory, .tenantConnections], fields: Terms.fields)
    private let context: PluginContext
    private let tries: TryGuard
    private let timeout: Duration
    private let whole: Duration
    private let pace: Duration

    init(_ context: PluginContext) throws {
        self.context = context
        timeout = .seconds(try context.settings.integer("timeout_seconds"))
        whole = .seconds(try context.settings.integer("sign_in_seconds"))
        pace = .milliseconds(try context.settings.integer("refusal_pace_ms"))
        tries = TryGuard(
            tries: try context.settings.integer("tries"), memory: .seconds(try context.settings.integer("tries_memory_seconds")))
    }

    func authenticate(_ attempt: DirectoryAttempt) async throws -> IdentityAssertion {
        let begun = context.clock.now()
        let terms = try Terms(attempt.connection, timeout: timeout)
        do {
            guard Credentials.isName(attempt.user), Credentials.isPassword(attempt.password) else {
                throw IdentityProviderError.account(.credentialsInvalid)
            }
            guard tries.enter(attempt.connection.id) else {
                throw IdentityProviderError.unreachable("\(TryGuard.maxAtOnce) sign-ins wait for this directory already")
            }
            defer { tries.leave(attempt.connection.id) }
            return try await signIn(attempt, terms, begun)
        } catch let error as IdentityProviderError {
            if case .account = error { try await wait(since: begun) }
            throw error
        }
    }

    func inspect(_ connection: IdentityConnection, redirectAddress: String) async throws -> IdentityInspection {
        let terms = try Terms(connection, timeout: timeout)
        var (warnings, last): ([String], (any Error)?) = ([], nil)
        for server in terms.servers {
            do {
                warnings += try await looked(server, terms)
            } catch let error as IdentityProviderError {
                last = error
                warnings.append("\(server) does not work: \(Self.words(error))")
            }
        }
        if let last, warnings.count(where: { $0.contains(" does not work: ") }) == terms.servers.count { throw last }
        return IdentityInspection(issuer: Self.issuer(terms), warnings: Array(Set(warnings)).sorted())
    }

    // MARK: One sign-in

    private func signIn(_ attempt: DirectoryAttempt, _ terms: Terms, _ begun: Timestamp) async throws -> IdentityAssertion {
        let line = try await anyServer(terms, begun)
        do {
            let assertion = try await asked(attempt, terms, line)
            await line.close()
            return assertion
        } catch {
            await line.close()
            throw error
        }
    }

    /// The first server that lets the searching account in. Once somebody's password is under way there is no second try.
    private func anyServer(_ terms: Terms, _ begun: Timestamp) async throws -> Line {
        var failure: any Error = IdentityProviderError.unreachable("no server")
        for server in tries.ordered(terms.servers, now: context.clock.now()) {
            do {
                let line = try await open(server, terms, begun)
                tries.note(server, isAway: false, now: context.clock.now())
                return line
            } catch let error as IdentityProviderError {
                guard terms.servers.count > 1, context.clock.now() < begun + whole else { throw error }
                tries.note(server, isAway: true, now: context.clock.now())
                context.log.warning("A server of a directory does not work; the next is asked.", ["server": server.description])
                failure = error
            }
        }
        throw failure
    }

    private func open(_ server: StreamAddress, _ terms: Terms, _ begun: Timestamp) async throws -> Line {
        let line = try await Line.open(server, terms, context.streams, clock: context.clock, deadline: begun + whole)
        do {
            try await bindAsSearcher(terms, line)
            return line
        } catch {
            await line.close()
            throw error
        }
    }

    private func bindAsSearcher(_ terms: Terms, _ line: Line) async throws {
        let (outcome, policyError) = try await line.bind(terms.bindName, terms.bindPassword)
        switch Standing.of(outcome, policyError, terms.preset) {
        case .success: return
        case .failure(.account(let state)):
            throw IdentityProviderError.misconfigured("the directory does not let bind_dn in: \(state.rawValue)")
        case .failure(let error): throw error
        }
    }

    private func asked(_ attempt: DirectoryAttempt, _ terms: Terms, _ line: Line) async throws -> IdentityAssertion {
        let (found, outcome) = try await line.search(
            terms.base, terms.person(attempt.user), terms.preset.attributes, limit: 2)
        guard outcome.code == Outcome.success || outcome.code == Outcome.sizeLimitExceeded else {
            throw Self.failure(of: outcome, "the search for a person")
        }
        guard found.count == 1, outcome.code == Outcome.success, let person = found.first else {
            if !found.isEmpty {
                context.log.warning("A name stands for more than one person in a directory.", ["connection": attempt.connection.id])
            }
            return try await refuseStranger(attempt, terms, line)
        }
        guard let subject = terms.preset.subject(of: person), DistinguishedName(person.name) != nil else {
            throw IdentityProviderError.misconfigured(
                "people have no \(terms.preset.subject) that bind_dn may read: is the preset right?")
        }
        let connection = attempt.connection.id
        guard tries.begin(subject, of: connection, now: context.clock.now()) else {
            context.log.warning(
                "Too many wrong passwords for one account: the directory is not asked.", ["connection": attempt.connection.id])
            return try await refuseStranger(attempt, terms, line, as: .locked)
        }
        let (answer, policyError) = try await line.bind(person.name, attempt.password)
        try Standing.of(answer, policyError, terms.preset).get()
        tries.succeed(subject, of: connection)
        if let state = Standing.fault(in: person, terms.preset, now: context.clock.now()) { throw IdentityProviderError.account(state) }
        // As the person one may not read every group; as the searching account, what it could read before.
        try await bindAsSearcher(terms, line)
        return assertion(person, subject, try await Groups(terms: terms, line: line).of(person), terms)
    }

    /// As much work for the directory as a wrong password is, with a name that nobody has.
    private func refuseStranger(
        _ attempt: DirectoryAttempt, _ terms: Terms, _ line: Line, as state: DirectoryAccountState = .credentialsInvalid
    ) async throws -> IdentityAssertion {
        let digits = PluginDigest.sha256(Data(attempt.connection.id.utf8)).prefix(8).map { String($0) }.joined()
        let stranger = "cn=\(digits),\(terms.base)"
        _ = try await line.bind(stranger, attempt.password)
        throw IdentityProviderError.account(state)
    }

    private func assertion(_ person: Entry, _ subject: String, _ groups: [String], _ terms: Terms) -> IdentityAssertion {
        // What a directory holds as an address nobody there has proved; the kernel goes by the domains that the organization proved.
        let addresses = person.texts("mail").prefix(IdentityLimits.maxAddresses).enumerated().map { index, mail in
            IdentityAddress(mail, isVerified: false, isPrimary: index == 0)
        }
        return IdentityAssertion(
            issuer: Self.issuer(terms), subject: subject, addresses: addresses, givenName: person.text("givenName"),
            familyName: person.text("sn"), displayName: person.text("displayName") ?? person.text("cn"), groups: groups,
            authenticatedAt: context.clock.now(), methods: ["pwd"])
    }

    // MARK: Small things

    static func issuer(_ terms: Terms) -> String { "ldap:\(terms.domain.prefix(IdentityLimits.maxTextBytes / 4))" }

    /// Refusals come at whole paces, so that nobody reads out of the time what was refused.
    private func wait(since begun: Timestamp) async throws {
        let (passed, step) = ((context.clock.now() - begun).microseconds, pace.microseconds)
        guard step > 0 else { return }
        try await context.clock.sleep(for: .microseconds(step - max(0, passed) % step))
    }

    private func looked(_ server: StreamAddress, _ terms: Terms) async throws -> [String] {
        let line = try await open(server, terms, context.clock.now())
        do {
            let warnings = try await look(terms, line)
            await line.close()
            return warnings
        } catch {
            await line.close()
            throw error
        }
    }

    private func look(_ terms: Terms, _ line: Line) async throws -> [String] {
        for (setting, name) in [("base_dn", terms.base), ("groups_base_dn", terms.groupsBase)] {
            let (found, outcome) = try await line.search(name, scope: .base, .present("objectClass"), ["objectClass"], limit: 1)
            guard outcome.code == Outcome.success, found.count == 1 else {
                throw IdentityProviderError.misconfigured("\(setting) names nothing that bind_dn may see (code \(outcome.code))")
            }
        }
        let (people, outcome) = try await line.search(
            terms.base, .and([terms.people, .present(terms.preset.subject)]), [terms.preset.subject], limit: 1)
        if outcome.code == Outcome.success, people.isEmpty {
            return ["Nobody is found below base_dn: the preset or people_filter is wrong, or bind_dn may not read \(terms.preset.subject)."]
        }
        return []
    }

    static func failure(of outcome: Outcome, _ what: String) -> IdentityProviderError {
        switch outcome.code {
        case Outcome.referral: .misconfigured("\(what): the directory points to another server; name that one in servers")
        case Outcome.noSuchObject: .misconfigured("\(what): base_dn names nothing in the directory")
        case Outcome.insufficientAccess: .misconfigured("\(what): bind_dn may not search")
        case Outcome.strongerAuthRequired, Outcome.confidentialityRequired:
            .misconfigured("\(what): the directory wants another way to sign in")
        default: .unreachable("\(what): the directory answers code \(outcome.code)")
        }
    }
    static func words(_ error: IdentityProviderError) -> String {
        switch error {
        case .misconfigured(let text), .unreachable(let text): text
        case .notBelieved(_, let reason): reason
        default: "\(error)"
        }
    }
}

extension Duration {
    fileprivate var microseconds: Int64 { components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000 }
}
