import Foundation
import PluginKit
import PluginKitTesting
import Synchronization
import Testing

@testable import GitHubIdentity

/// GitHub as a test moves it by hand.
private final class StandIn: Sendable {
    struct State {
        var codes: [String: (person: StagePerson, challenge: String, redirect: String)] = [:]
        var tokens: [String: StagePerson] = [:]
        var next = 0
        var isAway = false
        var babbles = false
        var scope = "read:user,user:email"
        var emails: (@Sendable (StagePerson) -> JSONValue)?
        var user: (@Sendable (StagePerson) -> JSONValue)?
        var parameters: @Sendable (inout [String: String]) -> Void = { _ in }
    }
    static let secret = "github-secret-of-the-conformance"
    let state = Mutex(State())

    func consent(_ departure: IdentityDeparture, _ person: StagePerson) -> [String: String] {
        let query = Dictionary(
            (URLComponents(string: departure.address)?.queryItems ?? []).map { ($0.name, $0.value ?? "") }, uniquingKeysWith: { $1 })
        return state.withLock { state in
            state.next += 1
            state.codes["code-\(state.next)-secret"] = (person, query["code_challenge"] ?? "", query["redirect_uri"] ?? "")
            var parameters = ["code": "code-\(state.next)-secret", "state": query["state"] ?? ""]
            state.parameters(&parameters)
            return parameters
        }
    }

    func answer(_ request: OutboundRequest) throws -> OutboundResponse {
        try state.withLock { state in
            if state.isAway { throw OutboundFailure.unsent("no connection") }
            if state.babbles { return OutboundResponse(status: 200, body: Data("<html>".utf8)) }
            func json(_ value: JSONValue, _ status: Int = 200) throws -> OutboundResponse {
                OutboundResponse(status: status, body: try value.encoded())
            }
            if request.url == "https://api.github.com/meta" { return try json([:]) }
            if request.url == "https://github.com/login/oauth/access_token" {
                let form = Dictionary(
                    (URLComponents(string: "?\(String(decoding: request.body, as: UTF8.self))")?.queryItems ?? []).map {
                        ($0.name, $0.value ?? "")
                    },
                    uniquingKeysWith: { $1 })
                guard form["client_secret"] == Self.secret else { return try json(["error": "incorrect_client_credentials"]) }
                guard let code = state.codes.removeValue(forKey: form["code"] ?? ""), code.redirect == form["redirect_uri"],
                    code.challenge == Words.challenge(form["code_verifier"] ?? "")
                else { return try json(["error": "bad_verification_code"]) }
                state.next += 1
                state.tokens["gho_\(state.next)"] = code.person
                return try json(["access_token": .string("gho_\(state.next)"), "token_type": "bearer", "scope": .string(state.scope)])
            }
            guard let token = request.headers["authorization"]?.dropFirst(7), let person = state.tokens[String(token)] else {
                return try json([:], 401)
            }
            switch request.url {
            case "https://api.github.com/user":
                return try json(
                    state.user?(person) ?? ["id": .int(Int64(person.subject) ?? 0), "login": "ada", "email": "anything@example.org"])
            case "https://api.github.com/user/emails":
                return try json(
                    state.emails?(person) ?? [
                        ["email": .string(person.address), "primary": true, "verified": .bool(person.isVerified)],
                        ["email": "second@example.com", "primary": false, "verified": true],
                    ])
            default: return try json([:], 404)
            }
        }
    }
}

private func make(_ stand: StandIn) async throws -> (any IdentityProvider, PluginBench) {
    let manifest = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("plugin.json")
    let bench = try PluginBench(manifest: manifest, at: Timestamp(seconds: 1_800_000_000)) { try stand.answer($0) }
    let context = try bench.context(settings: ["client_id": "iv1"], secrets: ["GITHUB_CLIENT_SECRET": [StandIn.secret]])
    try GitHubIdentity().validate(context.settings)
    guard let provider = try await PluginBench.made(GitHubIdentity(), context).identityProvider else { throw PluginRefusal("no provider") }
    return (provider, bench)
}
private let connection = IdentityConnection(id: "github", isOffered: true)

private struct GitHubSubject: IdentityProviderSubject {
    func stage() async throws -> IdentityStage {
        let stand = StandIn()
        let (provider, bench) = try await make(stand)
        let cheats: [(String, @Sendable (inout StandIn.State) -> Void)] = [
            ("a user without an id", { $0.user = { _ in ["login": "ada"] } }),
            ("an id that is a text", { $0.user = { _ in ["id": "1001"] } }),
            (
                "a token of nobody",
                {
                    $0.tokens = [:]; $0.parameters = { $0["code"] = "stolen-code" }
                }
            ),
            ("an issuer of somebody else's in the answer", { $0.parameters = { $0["iss"] = "https://login.other.example" } }),
        ]
        return IdentityStage(
            provider: provider, connection: connection, consent: { stand.consent($0, $1) },
            decline: { ["error": "access_denied", "state": stand.consent($0, .ada)["state"] ?? ""] },
            cheats: cheats.map { name, change in (name, { stand.state.withLock { change(&$0) } }) },
            cutOff: { stand.state.withLock { $0.isAway = true } }, babble: { stand.state.withLock { $0.babbles = true } },
            secrets: [StandIn.secret], log: { bench.log.lines })
    }
}

@Suite struct GitHubTests {
    @Test("the plugin passes the conformance kit for identity providers")
    func conformance() async {
        for finding in await IdentityProviderConformance(GitHubSubject()).run() {
            #expect(finding.holds, "\(finding.check): \(finding.faults.joined(separator: " "))")
        }
    }

    private func come(_ change: (inout StandIn.State) -> Void, _ person: StagePerson = .ada) async throws -> IdentityAssertion {
        let stand = StandIn()
        stand.state.withLock { change(&$0) }
        let (provider, _) = try await make(stand)
        let beginning = IdentityBeginning(
            connection: connection, redirectAddress: "https://platform.example/callback", state: "s", nonce: "n", verifier: "v-1")
        let departure = try await provider.begin(beginning)
        return try await provider.complete(
            IdentityArrival(
                connection: connection, redirectAddress: beginning.redirectAddress, state: "s", nonce: "n", verifier: "v-1",
                kept: departure.kept, parameters: stand.consent(departure, person)))
    }

    @Test("only the verified primary address counts as verified; the public one of the profile not at all")
    func addresses() async throws {
        let found = try await come { _ in }
        #expect(found.addresses.filter(\.isVerified).map(\.address) == ["ada@example.com"])
        #expect(!found.addresses.contains { $0.address == "anything@example.org" })
        let hidden = try await come {
            $0.emails = { _ in [["email": "1+ada@users.noreply.github.com", "primary": true, "verified": true]] }
        }
        #expect(hidden.addresses.isEmpty)
        let eve = try await come({ _ in }, .eve)
        #expect(eve.addresses.filter(\.isVerified).isEmpty)
    }

    @Test("somebody who did not let us read the addresses has declined")
    func scope() async throws {
        await #expect(throws: IdentityProviderError.declined(code: "scope_missing")) { try await come { $0.scope = "repo" } }
    }
}
