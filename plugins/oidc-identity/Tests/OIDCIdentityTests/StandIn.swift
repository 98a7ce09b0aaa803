import Foundation
import PluginKit
import PluginKitTesting
import Synchronization

@testable import OIDCIdentity

let moment = Timestamp(seconds: 1_800_000_000)

/// An OpenID provider that a test moves by hand: it keeps codes, checks what a client sends, and lies where it is told to.
final class StandIn: Sendable {
    struct Code {
        var nonce: String
        var challenge: String
        var redirect: String
        var client: String
        var person: StagePerson
    }
    struct State {
        var codes: [String: Code] = [:]
        var next = 0
        var keys: [PretendSignatures.Key]
        var signer: PretendSignatures.Key
        var isAway = false
        var babbles = false
        /// Changes the claims before they are signed.
        var claims: @Sendable (inout [String: JSONValue]) -> Void = { _ in }
        /// Makes the token of the claims; nil: as it should be.
        var token: (@Sendable ([String: JSONValue], PretendSignatures.Key) -> String)?
        var parameters: @Sendable (inout [String: String]) -> Void = { _ in }
        var discovery: @Sendable (inout [String: JSONValue]) -> Void = { _ in }
        var userInfo: JSONValue?
        var keyFetches = 0
        var headers: [[String: String]] = []
    }
    static let secret = "client-secret-of-the-conformance"
    static let clientID = "platform-1"
    let issuer: String
    let state: Mutex<State>

    init(_ issuer: String) {
        self.issuer = issuer
        let key = PretendSignatures.Key(id: "key-1", secret: "one of \(issuer)")
        state = Mutex(State(keys: [key], signer: key))
    }

    /// The person signs in and is sent back.
    func consent(_ departure: IdentityDeparture, _ person: StagePerson) throws -> [String: String] {
        let query = Dictionary(
            (URLComponents(string: departure.address)?.queryItems ?? []).map { ($0.name, $0.value ?? "") }, uniquingKeysWith: { $1 })
        return state.withLock { state in
            state.next += 1
            let code = "code-\(state.next)-of-\(abs(issuer.hashValue))"
            state.codes[code] = Code(
                nonce: query["nonce"] ?? "", challenge: query["code_challenge"] ?? "", redirect: query["redirect_uri"] ?? "",
                client: query["client_id"] ?? "", person: person)
            var parameters = ["state": query["state"] ?? "", "code": code, "iss": issuer]
            state.parameters(&parameters)
            return parameters
        }
    }

    func answer(_ request: OutboundRequest) throws -> OutboundResponse {
        let (isAway, babbles) = state.withLock { ($0.isAway, $0.babbles) }
        if isAway { throw OutboundFailure.unanswered("The exchange broke off.") }
        if babbles { return OutboundResponse(status: 200, body: Data("<html>Welcome".utf8)) }
        switch request.url.dropFirst(issuer.count) {
        case "/.well-known/openid-configuration":
            return try json(
                state.withLock { state in
                    var document: [String: JSONValue] = [
                        "issuer": .string(issuer), "authorization_endpoint": .string("\(issuer)/authorize"),
                        "token_endpoint": .string("\(issuer)/token"), "jwks_uri": .string("\(issuer)/keys"),
                        "userinfo_endpoint": .string("\(issuer)/me"), "id_token_signing_alg_values_supported": ["ES256"],
                        "authorization_response_iss_parameter_supported": true,
                    ]
                    state.discovery(&document)
                    return .object(document)
                })
        case "/keys":
            return try json(
                state.withLock { state in
                    state.keyFetches += 1
                    return ["keys": .array(state.keys.map(\.jwk))]
                })
        case "/token": return try token(request)
        case "/me":
            return try json(state.withLock { $0.userInfo ?? [:] })
        default: return OutboundResponse(status: 404)
        }
    }

    private func json(_ value: JSONValue, status: Int = 200) throws -> OutboundResponse {
        OutboundResponse(status: status, headers: ["content-type": "application/json"], body: try value.encoded())
    }

    private func token(_ request: OutboundRequest) throws -> OutboundResponse {
        let form = Dictionary(
            (URLComponents(string: "?\(String(decoding: request.body, as: UTF8.self))")?.queryItems ?? []).map {
                ($0.name, $0.value ?? "")
            },
            uniquingKeysWith: { $1 })
        let basic = "Basic \(Data("\(Self.clientID):\(Self.secret)".utf8).base64EncodedString())"
        let answer: (JSONValue, Int) = state.withLock { state in
            state.headers.append(request.headers)
            guard request.headers["authorization"] == basic || form["client_secret"] == Self.secret else {
                return (["error": "invalid_client"], 401)
            }
            guard let code = state.codes.removeValue(forKey: form["code"] ?? ""), code.redirect == form["redirect_uri"],
                code.challenge.isEmpty || code.challenge == Words.challenge(form["code_verifier"] ?? "")
            else { return (["error": "invalid_grant"], 400) }
            var claims: [String: JSONValue] = [
                "iss": .string(issuer), "sub": .string(code.person.subject), "aud": .string(code.client), "nonce": .string(code.nonce),
                "iat": .int(moment.seconds), "exp": .int(moment.seconds + 300), "email": .string(code.person.address),
                "email_verified": .bool(code.person.isVerified), "given_name": "Ada", "family_name": "Lovelace",
                "groups": ["engineers", "everybody"], "amr": ["pwd", "mfa"],
            ]
            state.claims(&claims)
            let text = state.token?(claims, state.signer) ?? PretendSignatures.sign(.object(claims), state.signer)
            return (["access_token": "at-1", "token_type": "Bearer", "id_token": .string(text)], 200)
        }
        return try json(answer.0, status: answer.1)
    }
}

/// A whole stage: two providers, one plugin.
struct Stage {
    let home = StandIn("https://login.example.com")
    let other = StandIn("https://login.other.example")
    let bench: PluginBench
    let provider: any IdentityProvider

    static let manifest = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
        .appendingPathComponent("plugin.json")

    init(_ settings: [String: JSONValue] = [:], secrets: [String: [String]] = [:]) async throws {
        let (home, other) = (home, other)
        bench = try PluginBench(manifest: Self.manifest, at: moment) { request in
            for place in [home, other] where request.url.hasPrefix(place.issuer) { return try place.answer(request) }
            throw OutboundFailure.unsent("no such host")
        }
        let plugin = OIDCIdentity()
        var context = try bench.context(settings: settings, secrets: secrets)
        context.signatures = PretendSignatures()
        try plugin.validate(context.settings)
        guard let made = try await PluginBench.made(plugin, context).identityProvider else { throw PluginRefusal("no provider") }
        provider = made
    }

    func connection(_ place: StandIn, _ more: [String: String] = [:]) -> IdentityConnection {
        var settings = ["preset": "generic", "issuer": place.issuer, "client_id": StandIn.clientID, "groups_claim": "groups"]
        settings.merge(more) { $1 }
        return IdentityConnection(
            id: "c-\(place.issuer)", isOffered: false, settings: settings, secrets: PluginSecrets(["client_secret": [StandIn.secret]]))
    }
    func begin(_ connection: IdentityConnection? = nil, nonce: String = "n-1") async throws -> (IdentityBeginning, IdentityDeparture) {
        let beginning = IdentityBeginning(
            connection: connection ?? self.connection(home), redirectAddress: "https://platform.example/callback", state: "s-1",
            nonce: nonce,
            verifier: "v-1234567890123456789012345678901234567890123")
        return (beginning, try await provider.begin(beginning))
    }
    /// What becomes of Ada with the provider as it is told to be.
    func come(_ person: StagePerson = .ada, _ connection: IdentityConnection? = nil) async throws -> IdentityAssertion {
        let (beginning, departure) = try await begin(connection)
        return try await provider.complete(
            IdentityArrival(
                connection: beginning.connection, redirectAddress: beginning.redirectAddress, state: beginning.state,
                nonce: beginning.nonce,
                verifier: beginning.verifier, kept: departure.kept, parameters: try home.consent(departure, person)))
    }
    func doubt(_ person: StagePerson = .ada, _ connection: IdentityConnection? = nil) async -> IdentityDoubt? {
        do {
            _ = try await come(person, connection)
            return nil
        } catch IdentityProviderError.notBelieved(let doubt, _) { return doubt } catch { return nil }
    }
}

/// Every cheat of a provider's answer, by what it changes.
enum Cheat {
    typealias Change = @Sendable (inout StandIn.State) -> Void
    static let strange = PretendSignatures.Key(id: "key-1", secret: "somebody else's")
    static func claims(_ change: @escaping @Sendable (inout [String: JSONValue]) -> Void) -> Change { { $0.claims = change } }
    static func header(_ header: [String: JSONValue]) -> Change {
        { $0.token = { claims, key in PretendSignatures.sign(.object(claims), key, header: header) } }
    }
    static let all: [(String, IdentityDoubt, Change)] = [
        (
            "alg none", .signature,
            { $0.token = { claims, _ in "\(PretendSignatures.text(["alg": "none"])).\(PretendSignatures.text(.object(claims)))." } }
        ),
        ("HS256 with the public key", .signature, header(["alg": "HS256", "typ": "JWT", "kid": "key-1"])),
        (
            "an embedded key", .signature,
            {
                $0.token = { claims, _ in
                    PretendSignatures.sign(.object(claims), strange, header: ["alg": "ES256", "typ": "JWT", "jwk": strange.jwk])
                }
            }
        ),
        ("jku", .signature, header(["alg": "ES256", "typ": "JWT", "kid": "key-1", "jku": "https://evil.example/keys"])),
        ("a key id with a path", .signature, header(["alg": "ES256", "typ": "JWT", "kid": "../../dev/null"])),
        ("another's signature", .signature, { $0.signer = strange }),
        ("a wrong typ", .type, header(["alg": "ES256", "typ": "at+jwt", "kid": "key-1"])),
        ("a future nbf", .time, claims { $0["nbf"] = .int(moment.seconds + 3_600) }),
        ("expired", .time, claims { $0["exp"] = .int(moment.seconds - 61) }),
        ("no end", .time, claims { $0["exp"] = nil }),
        ("made in the future", .time, claims { $0["iat"] = .int(moment.seconds + 3_600) }),
        ("made long ago", .time, claims { $0["iat"] = .int(moment.seconds - 86_400) }),
        ("another issuer", .issuer, claims { $0["iss"] = "https://login.other.example" }),
        ("another audience", .audience, claims { $0["aud"] = "somebody" }),
        ("no audience", .audience, claims { $0["aud"] = nil }),
        ("several audiences without azp", .audience, claims { $0["aud"] = [.string(StandIn.clientID), "somebody"] }),
        ("another azp", .audience, claims { $0["azp"] = "somebody" }),
        ("another nonce", .binding, claims { $0["nonce"] = "another" }),
        ("no nonce", .binding, claims { $0["nonce"] = nil }),
        ("no subject", .malformed, claims { $0["sub"] = nil }),
        ("an access token that is not the one named", .binding, claims { $0["at_hash"] = "AAAA" }),
        ("iss of another provider in the answer", .issuer, { $0.parameters = { $0["iss"] = "https://login.other.example" } }),
        ("no iss though the provider sends it", .issuer, { $0.parameters = { $0["iss"] = nil } }),
    ]
}

struct OIDCSubject: IdentityProviderSubject {
    func stage() async throws -> IdentityStage {
        let stage = try await Stage()
        let home = stage.home
        return IdentityStage(
            provider: stage.provider, connection: stage.connection(home), other: stage.connection(stage.other),
            consent: { try home.consent($0, $1) },
            decline: { departure in
                var parameters = try home.consent(departure, .ada)
                parameters["code"] = nil
                parameters["error"] = "access_denied"
                return parameters
            }, cheats: Cheat.all.map { name, _, change in (name, { home.state.withLock { change(&$0) } }) },
            cutOff: { home.state.withLock { $0.isAway = true } }, babble: { home.state.withLock { $0.babbles = true } },
            secrets: [StandIn.secret], log: { stage.bench.log.lines })
    }
}
