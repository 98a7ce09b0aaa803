import Foundation
import RoomTesting
import Store
import Tenancy
import Testing
import Vocabulary

@testable import Identity

/// A directory that a test moves by hand.
final class ScriptedDirectory: IdentityProvider {
    struct State: Sendable {
        var passwords = ["grace": "right word"]
        /// Said to whoever has the right password.
        var bars: [String: DirectoryAccountState] = [:]
        var error: IdentityProviderError?
        var groups: [String] = ["Engineers"]
        var address = "grace@example.com"
        var asked: [DirectoryAttempt] = []
    }
    private let state = Guarded(State())
    let profile = IdentityDescription(
        capabilities: [.directory, .tenantConnections],
        fields: [IdentityField(name: "servers", label: "Servers", summary: "Where.", kind: .text)])
    func script(_ change: (inout State) -> Void) { state.with { change(&$0) } }
    var asked: [DirectoryAttempt] { state.with { $0.asked } }

    func authenticate(_ attempt: DirectoryAttempt) async throws -> IdentityAssertion {
        try state.with { state in
            state.asked.append(attempt)
            if let error = state.error { throw error }
            guard state.passwords[attempt.user.lowercased()] == attempt.password else {
                throw IdentityProviderError.account(.credentialsInvalid)
            }
            if let bar = state.bars[attempt.user] { throw IdentityProviderError.account(bar) }
            return IdentityAssertion(
                issuer: "ldap:example.com", subject: "guid-of-\(attempt.user.lowercased())",
                addresses: [IdentityAddress(state.address, isVerified: false)], givenName: "Grace", familyName: "Hopper",
                displayName: "Grace Hopper", groups: state.groups, methods: ["pwd"])
        }
    }
    func inspect(_ connection: IdentityConnection, redirectAddress: String) async throws -> IdentityInspection {
        IdentityInspection(issuer: "ldap:example.com")
    }
}

private struct OneDirectory: IdentityProviders {
    let directory: ScriptedDirectory
    func names() -> [String] { ["ldap"] }
    func provider(_ plugin: String, for tenant: TenantID?) -> (any IdentityProvider)? { plugin == "ldap" ? directory : nil }
}

/// Ada's tenant with a directory, tested and enabled, over its own proved domain.
private struct DirectoryHouse {
    let house: IdentityHouse
    let directory = ScriptedDirectory()
    let notes = Guarded<[String]>([])
    let federation: Federation
    let owner: Principal
    let id: ConnectionID

    init(admits: Bool = true, rules: [TenantConnection.RoleRule] = []) async throws {
        house = try await IdentityHouse()
        let (notes, resolver) = (notes, ScriptedResolver())
        federation = Federation(
            identity: house.identity,
            parts: FederationParts(
                providers: OneDirectory(directory: directory), resolver: resolver, origin: { "https://platform.example" },
                note: { message, fields in notes.with { $0.append("\(message) \(fields)") } }))
        try await house.member("ada@example.com")
        owner = try await house.signedIn("ada@example.com").principal
        let held = try await federation.add(domain: "example.com", to: owner.tenant, house.act(owner))
        resolver.set([held.recordName: [held.challenge]])
        _ = try await federation.verify(domain: "example.com", of: owner.tenant, house.act(owner))
        let form = ConnectionForm(label: "Engines", values: ["servers": "ldap.example.com"], admits: admits, roleMap: rules)
        id = try await federation.create(form, plugin: "ldap", in: owner.tenant, house.act(owner)).id
        _ = try await federation.test(directory: id, user: "grace", password: "right word", by: owner, house.act(owner))
        try await federation.setEnabled(true, id, in: owner.tenant, house.act(owner))
    }
    func come(_ user: String = "grace", _ password: String = "right word") async throws -> PageGrant? {
        switch try await federation.signIn(directory: id, user: user, password: password, from: Device("test"), house.act()) {
        case .page(let grant): return grant
        case .secondFactorNeeded: throw IdentityHouse.Missing(what: "a session; the second step is due")
        case .token: throw IdentityHouse.Missing(what: "a page's session")
        case nil: return nil
        }
    }
    func principal(_ grant: PageGrant?) async throws -> Principal? {
        guard let grant else { return nil }
        return try await house.identity.caller(cookie: grant.cookie, now: house.now)?.principal
    }
    var noted: String { notes.with { $0.joined(separator: "\n") } }
}

@Suite("Sign-in by a tenant's directory")
struct DirectorySignInTests {
    @Test("who the directory knows becomes a member by groups, and comes back as the same; the session holds in that tenant alone")
    func signIn() async throws {
        let house = try await DirectoryHouse(rules: [TenantConnection.RoleRule(group: "Engineers", role: "admin")])
        let first = try #require(try await house.come())
        let person = try #require(try await house.principal(first))
        #expect(person.tenant == house.owner.tenant && person.role == "admin")
        let second = try #require(try await house.come("  GRACE "))
        #expect(second.account.id == first.account.id)
        let question = try #require(house.house.hooks.questions.last { $0.hook == "on_login" })
        #expect(question.input["method"]?.string == "sso")
        await #expect(throws: FederationProblems.sessionBound) { try await house.federation.requireOwnProof(person) }
    }

    @Test("whoever has a second factor is asked for it after the directory's password; the step ends in a session of that tenant")
    func secondFactor() async throws {
        let house = try await DirectoryHouse()
        let factors = FactorHouse(house: house.house)
        let app = try await factors.app(house.owner)
        house.directory.script {
            $0.passwords["ada@example.com"] = "the directory's word"
            $0.address = "ada@example.com"
        }
        #expect(try await house.come("ada@example.com", "the directory's word") == nil, "the owner is asked by mail")
        _ = try await house.federation.confirmLink(house.house.secret("confirm_provider"), house.house.act())
        let signIn = try await house.federation.signIn(
            directory: house.id, user: "ada@example.com", password: "the directory's word", from: Device("test"), house.house.act())
        guard case .secondFactorNeeded(let token) = signIn else { throw IdentityHouse.Missing(what: "a second step") }
        #expect(await problem { _ = try await factors.finish(token, .code("000000")) } != nil)
        guard
            case .page(let grant) = try await factors.factors.finish(
                token, .code(app.shows(house.house.now)), as: .page, from: Device("test"), house.house.act())
        else { throw IdentityHouse.Missing(what: "a session") }
        #expect(try await house.principal(grant)?.tenant == house.owner.tenant)
    }

    @Test("a wrong password, an unknown name and a locked account are one answer; the log tells them apart, without a password")
    func alike() async throws {
        let house = try await DirectoryHouse()
        house.directory.script { $0.bars["grace"] = .locked }
        for (user, password) in [("grace", "wrong word"), ("nobody", "right word"), ("grace", "right word"), ("grace", "")] {
            #expect(await problem { _ = try await house.come(user, password) } == FederationProblems.directoryRefused)
        }
        #expect(house.noted.contains("account: locked") && house.noted.contains("account: credentials_invalid"))
        #expect(!house.noted.contains("wrong word") && !house.noted.contains("right word") && !house.noted.contains("nobody"))
    }

    @Test(
        "a state of the account is told to whoever has the right password",
        arguments: [DirectoryAccountState.disabled, .expired, .passwordExpired, .passwordMustChange, .restricted])
    func states(state: DirectoryAccountState) async throws {
        let house = try await DirectoryHouse()
        house.directory.script { $0.bars["grace"] = state }
        let told = await problem { _ = try await house.come() }
        #expect(told?.code == "directory_account_barred" && told?.fields["state"]?.string == state.rawValue)
        #expect(await problem { _ = try await house.come("grace", "wrong") } == FederationProblems.directoryRefused)
        let tried = await problem {
            _ = try await house.federation.test(
                directory: house.id, user: "grace", password: "right word", by: house.owner, house.house.act(house.owner))
        }
        #expect(tried?.code == "directory_test_failed" && tried?.fields["state"]?.string == state.rawValue)
        #expect(tried?.fields["reason"]?.string?.hasPrefix("The password is right") == true)
    }

    @Test("tries are counted before the directory is asked, by name and network, and end before it is asked on and on")
    func limits() async throws {
        let house = try await DirectoryHouse()
        let before = house.directory.asked.count
        for number in 0..<30 { _ = await problem { _ = try await house.come("grace", "guess \(number)") } }
        let limit = house.house.identity.settings[IdentitySettings.lockFailures]
        #expect(house.directory.asked.count - before == limit)
        #expect(await problem { _ = try await house.come() }?.code == "account_locked")
        #expect(await problem { _ = try await house.come("Grace") }?.code == "account_locked", "case is no other name")
        #expect(house.directory.asked.count - before == limit)
    }

    @Test("guesses side by side count like one after the other")
    func parallel() async throws {
        let house = try await DirectoryHouse()
        let before = house.directory.asked.count
        await withTaskGroup(of: Void.self) { group in
            for number in 0..<40 { group.addTask { _ = try? await house.come("grace", "guess \(number)") } }
        }
        #expect(house.directory.asked.count - before == house.house.identity.settings[IdentitySettings.lockFailures])
    }

    @Test("a directory's yes takes back nothing that was counted against the account's own password")
    func ownPasswordApart() async throws {
        let house = try await DirectoryHouse()
        house.directory.script {
            $0.passwords["ada@example.com"] = "the directory's word"
            $0.address = "ada@example.com"
        }
        let limit = house.house.identity.settings[IdentitySettings.lockFailures]
        for _ in 1..<limit { _ = await problem { _ = try await house.house.login("ada@example.com", "a wrong password") } }
        #expect(try await house.come("ada@example.com", "the directory's word") == nil, "the owner is asked by mail")
        _ = await problem { _ = try await house.house.login("ada@example.com", "a wrong password") }
        #expect(await problem { _ = try await house.house.login("ada@example.com") }?.code == "account_locked")
    }

    @Test("a directory that is away or lies signs nobody in, costs nobody a try, and is said to be unavailable")
    func away() async throws {
        let house = try await DirectoryHouse()
        for (error, code) in [
            (IdentityProviderError.unreachable("no connection"), "identity_provider_unavailable"),
            (.misconfigured("bind_dn"), "identity_provider_unavailable"), (.notBelieved(.malformed, reason: "x"), "sign_in_refused"),
        ] {
            house.directory.script { $0.error = error }
            for _ in 0..<10 { #expect(await problem { _ = try await house.come() }?.code == code) }
        }
        house.directory.script { $0.error = nil }
        #expect(try await house.come() != nil)
    }

    @Test("what is empty, endless or holds NUL never reaches the directory")
    func bounds() async throws {
        let house = try await DirectoryHouse()
        let before = house.directory.asked.count
        for (user, password) in [
            ("bound1", ""), ("bound2", "a\0b"), ("bound3", String(repeating: "x", count: 1_025)), ("", "x"),
            (String(repeating: "x", count: 255), "x"), ("a\u{1}b", "x"),
        ] { #expect(await problem { _ = try await house.come(user, password) } == FederationProblems.directoryRefused) }
        #expect(house.directory.asked.count == before)
    }

    @Test("only an enabled directory is signed in by, and only its own tenant's administrator tests it")
    func standing() async throws {
        let house = try await DirectoryHouse()
        try await house.federation.setEnabled(false, house.id, in: house.owner.tenant, house.house.act(house.owner))
        #expect(await problem { _ = try await house.come() } == CommonProblems.notFound)
        #expect(await problem { _ = try await house.federation.directory(house.id) } == CommonProblems.notFound)
        try await house.house.member("eve@elsewhere.example")
        let eve = try await house.house.signedIn("eve@elsewhere.example").principal
        let tried = await problem {
            _ = try await house.federation.test(directory: house.id, user: "grace", password: "right word", by: eve, house.house.act(eve))
        }
        #expect(tried == CommonProblems.notFound)
    }

    @Test("a change of settings needs a new test, and a try that fails is none")
    func testing() async throws {
        let house = try await DirectoryHouse()
        try await house.federation.setEnabled(false, house.id, in: house.owner.tenant, house.house.act(house.owner))
        _ = try await house.federation.change(
            house.id, ConnectionForm(label: "Engines", values: ["servers": "other.example.com"]), in: house.owner.tenant,
            house.house.act(house.owner))
        func enable() async -> Problem? {
            await problem { try await house.federation.setEnabled(true, house.id, in: house.owner.tenant, house.house.act(house.owner)) }
        }
        _ = await problem {
            _ = try await house.federation.test(
                directory: house.id, user: "grace", password: "wrong", by: house.owner, house.house.act(house.owner))
        }
        #expect(await enable()?.code == "connection_untested")
        let found = try await house.federation.test(
            directory: house.id, user: "grace", password: "right word", by: house.owner, house.house.act(house.owner))
        #expect(found.address == "grace@example.com" && found.groups == ["Engineers"] && found.role == .developer)
        #expect(await enable() == nil)
    }

    @Test("browsers are led to a page of ours, with where they wanted to go; a path that leads elsewhere is dropped")
    func led() async throws {
        let house = try await DirectoryHouse()
        func address(_ next: String?) async throws -> String {
            try await house.federation.begin(sso: house.id, next: next, browser: nil, house.house.act()).address
        }
        #expect(try await address(nil) == "/sign-in/directory/\(house.id)")
        #expect(try await address("/licence?a=b") == "/sign-in/directory/\(house.id)?next=/licence%3Fa%3Db")
        #expect(try await address("https://evil.example/") == "/sign-in/directory/\(house.id)")
        let test = try await house.federation.beginTest(house.id, by: house.owner, browser: nil, house.house.act(house.owner))
        #expect(test.address == "/sso/\(house.id)/directory")
    }
}
