import Foundation
import PluginKit

/// Authorization code flow with PKCE at any OpenID provider.
struct OIDCProvider: IdentityProvider {
    let profile: IdentityDescription
    private let offered: [String: Client]
    private let library: Library
    private let context: PluginContext
    private let leeway: Duration

    init(_ context: PluginContext) throws {
        let offers = try Client.offered(context.settings, context.secrets)
        offered = Dictionary(offers.map { ($0.connection.id, $0.client) }) { first, _ in first }
        profile = IdentityDescription(
            capabilities: [.browser, .tenantConnections], fields: Client.fields, offered: offers.map(\.connection))
        library = try Library(context)
        leeway = .seconds(try context.settings.integer("leeway_seconds"))
        self.context = context
    }

    private func client(_ connection: IdentityConnection) throws -> Client {
        guard connection.isOffered else { return try Client(connection) }
        guard let client = offered[connection.id] else { throw IdentityProviderError.misconfigured("nothing is offered under that name") }
        return client
    }

    /// What `complete` must know of the beginning.
    private struct Kept: Codable {
        var issuer: String
        /// Seconds; nil where any session of the provider will do.
        var freshSince: Int64?
    }

    func begin(_ beginning: IdentityBeginning) async throws -> IdentityDeparture {
        let client = try client(beginning.connection)
        let (metadata, _) = try await library.read(client.issuer)
        var query = [
            ("response_type", "code"), ("client_id", client.id), ("redirect_uri", beginning.redirectAddress), ("scope", client.scopes),
            ("state", beginning.state), ("nonce", beginning.nonce),
        ]
        if client.preset.sendsChallenge || client.secret == nil {
            query += [("code_challenge", Words.challenge(beginning.verifier)), ("code_challenge_method", "S256")]
        }
        if let hint = beginning.loginHint, hint.utf8.count <= 254 { query.append(("login_hint", hint)) }
        if beginning.isFresh { query += [("prompt", "login"), ("max_age", "0")] }
        let address = metadata.authorization + (metadata.authorization.contains("?") ? "&" : "?") + Words.form(query)
        let kept = Kept(issuer: metadata.issuer, freshSince: beginning.isFresh ? context.clock.now().seconds : nil)
        return IdentityDeparture(address: address, kept: try JSONEncoder().encode(kept))
    }

    func complete(_ arrival: IdentityArrival) async throws -> IdentityAssertion {
        let client = try client(arrival.connection)
        guard let kept = try? JSONDecoder().decode(Kept.self, from: arrival.kept) else {
            throw IdentityProviderError.notBelieved(.binding, reason: "what was kept at the beginning is not there")
        }
        let (metadata, keys) = try await library.read(client.issuer)
        guard metadata.issuer == kept.issuer else {
            throw IdentityProviderError.notBelieved(.issuer, reason: "the connection's issuer changed since the beginning")
        }
        try checkIssuer(arrival.parameters["iss"], metadata, arrival)
        if let error = arrival.parameters["error"] { throw IdentityProviderError.declined(code: Words.code(error)) }
        guard let code = arrival.parameters["code"], (1...4_096).contains(code.utf8.count) else {
            throw IdentityProviderError.notBelieved(.malformed, reason: "there is no code")
        }
        let tokens = try await redeem(code, client, metadata, arrival)
        guard let text = tokens["id_token"]?.string else {
            throw IdentityProviderError.notBelieved(.malformed, reason: "the provider gave no id token")
        }
        let token = try await verified(text, client, metadata, keys)
        let rules = ClaimRules(
            client: client, metadata: metadata, nonce: arrival.nonce, freshSince: kept.freshSince, now: context.clock.now(), leeway: leeway)
        try rules.check(token.payload)
        try checkAccessToken(tokens, token)
        var claims = token.payload
        if claims["email"] == nil, let more = try await userInfo(tokens, token.payload, metadata) { claims = Words.joined(claims, more) }
        return rules.assertion(claims, keyID: token.thumbprint)
    }

    func inspect(_ connection: IdentityConnection, redirectAddress: String) async throws -> IdentityInspection {
        let client = try client(connection)
        let (metadata, keys) = try await library.read(client.issuer, anew: true)
        var warnings: [String] = []
        if client.secret == nil { warnings.append("There is no client secret: the client must be registered as a public one with PKCE.") }
        if !metadata.sendsIssuer { warnings.append("The provider does not name itself in its answers (RFC 9207).") }
        return IdentityInspection(issuer: metadata.issuer, keys: keys.compactMap(Words.thumbprint), warnings: warnings)
    }

    /// RFC 9207: an answer that names another provider comes from a mix-up.
    private func checkIssuer(_ named: String?, _ metadata: Metadata, _ arrival: IdentityArrival) throws {
        if let named {
            let isOwn = named == metadata.issuer || (metadata.issuer.contains("{tenantid}") && Words.fits(named, metadata))
            guard isOwn else { throw IdentityProviderError.notBelieved(.issuer, reason: "the answer names another issuer") }
        } else if metadata.sendsIssuer {
            throw IdentityProviderError.notBelieved(.issuer, reason: "the answer does not name its issuer, as this provider's answers do")
        }
    }

    private func redeem(_ code: String, _ client: Client, _ metadata: Metadata, _ arrival: IdentityArrival) async throws -> JSONValue {
        var form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", arrival.redirectAddress)]
        if client.preset.sendsChallenge || client.secret == nil { form.append(("code_verifier", arrival.verifier)) }
        var headers = ["accept": "application/json", "content-type": "application/x-www-form-urlencoded"]
        if let secret = client.secret, !metadata.postsSecret, client.preset != .linkedin {
            let pair = "\(Words.escape(client.id)):\(Words.escape(secret))"
            headers["authorization"] = "Basic \(Data(pair.utf8).base64EncodedString())"
        } else {
            form.append(("client_id", client.id))
            if let secret = client.secret { form.append(("client_secret", secret)) }
        }
        let answer = try await library.send(
            OutboundRequest("POST", metadata.token, headers: headers, body: Data(Words.form(form).utf8)))
        let document = try? JSONValue.parse(answer.body, maxBytes: Library.maxDocumentBytes)
        switch answer.status {
        case 200:
            guard let document, case .object = document else {
                throw IdentityProviderError.unreachable("the provider's answer to the code is not JSON")
            }
            return document
        case 400, 401, 403:
            switch document?["error"]?.string {
            case "invalid_grant":
                throw IdentityProviderError.notBelieved(.replay, reason: "the provider does not know the code, or knows it as used")
            case let error?: throw IdentityProviderError.misconfigured("the provider answered \(Words.code(error)) to the code")
            case nil: throw IdentityProviderError.misconfigured("the provider answered \(answer.status) to the code")
            }
        default: throw IdentityProviderError.unreachable("the provider answered \(answer.status) to the code")
        }
    }

    private func verified(_ text: String, _ client: Client, _ metadata: Metadata, _ keys: [JSONValue]) async throws -> VerifiedToken {
        let token = SignedToken(text, keys: keys, algorithms: metadata.algorithms, types: ["", "jwt"])
        do {
            do { return try await context.signatures.verify(token) } catch let refusal as SignatureRefusal where refusal.code == .unknownKey
            {
                // The provider may have rotated its keys.
                guard let fresh = try await library.lookAgain(client.issuer, metadata) else { throw refusal }
                return try await context.signatures.verify(
                    SignedToken(text, keys: fresh, algorithms: metadata.algorithms, types: ["", "jwt"]))
            }
        } catch let refusal as SignatureRefusal {
            switch refusal.code {
            case .malformed: throw IdentityProviderError.notBelieved(.malformed, reason: refusal.reason)
            case .type: throw IdentityProviderError.notBelieved(.type, reason: refusal.reason)
            case .unavailable: throw IdentityProviderError.unreachable(refusal.reason)
            default: throw IdentityProviderError.notBelieved(.signature, reason: refusal.reason)
            }
        }
    }

    /// OpenID Connect Core 3.1.3.8: where the token names its access token, it is that one.
    private func checkAccessToken(_ tokens: JSONValue, _ token: VerifiedToken) throws {
        guard let hash = token.payload["at_hash"]?.string, token.algorithm.hasSuffix("256"), let access = tokens["access_token"]?.string
        else { return }
        let half = Data(PluginDigest.sha256(Data(access.utf8)).prefix(16))
        guard Words.base64url(half) == hash else {
            throw IdentityProviderError.notBelieved(.binding, reason: "the access token is not the one that the id token names")
        }
    }

    /// Where the token itself says too little. Only of the same subject.
    private func userInfo(_ tokens: JSONValue, _ claims: JSONValue, _ metadata: Metadata) async throws -> JSONValue? {
        guard let address = metadata.userInfo, let access = tokens["access_token"]?.string, (1...8_000).contains(access.utf8.count),
            access.utf8.allSatisfy({ $0 > 32 && $0 < 127 })
        else { return nil }
        let answer = try await library.send(
            OutboundRequest("GET", address, headers: ["accept": "application/json", "authorization": "Bearer \(access)"]))
        guard answer.status == 200, let document = try? JSONValue.parse(answer.body, maxBytes: Library.maxDocumentBytes) else { return nil }
        guard let subject = document["sub"]?.string, subject == claims["sub"]?.string else {
            throw IdentityProviderError.notBelieved(.binding, reason: "the user info is somebody else's")
        }
        return document
    }
}
