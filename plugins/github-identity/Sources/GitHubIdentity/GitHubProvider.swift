import Foundation
import PluginKit

/// GitHub by OAuth 2: nothing is signed, so everything is read from GitHub itself, over TLS, with the token that the code was good for.
struct GitHubProvider: IdentityProvider {
    let profile = IdentityDescription(capabilities: [.browser], offered: [OfferedConnection(id: "github", label: "GitHub")])
    private let clientID: String
    private let secret: String
    private let web: String
    private let api: String
    private let timeout: Duration
    private let http: any OutboundHTTP

    static let maxAnswerBytes = 262_144
    static let maxAddresses = 20

    init(_ context: PluginContext) throws {
        clientID = try context.settings.text("client_id")
        secret = try context.secrets.one("GITHUB_CLIENT_SECRET")
        web = Self.plain(try context.settings.text("web_base"))
        api = Self.plain(try context.settings.text("api_base"))
        timeout = .seconds(try context.settings.integer("timeout_seconds"))
        http = context.http
    }
    private static func plain(_ base: String) -> String { base.hasSuffix("/") ? String(base.dropLast()) : base }

    func begin(_ beginning: IdentityBeginning) async throws -> IdentityDeparture {
        try check(beginning.connection)
        let query = [
            ("client_id", clientID), ("redirect_uri", beginning.redirectAddress), ("scope", "read:user user:email"),
            ("state", beginning.state), ("code_challenge", Words.challenge(beginning.verifier)), ("code_challenge_method", "S256"),
        ]
        return IdentityDeparture(address: "\(web)/login/oauth/authorize?\(Words.form(query))")
    }

    func complete(_ arrival: IdentityArrival) async throws -> IdentityAssertion {
        try check(arrival.connection)
        if let issuer = arrival.parameters["iss"], issuer != web, issuer != "\(web)/login/oauth" {
            throw IdentityProviderError.notBelieved(.issuer, reason: "the answer names another issuer")
        }
        if let error = arrival.parameters["error"] { throw IdentityProviderError.declined(code: Words.code(error)) }
        guard let code = arrival.parameters["code"], (1...1_024).contains(code.utf8.count) else {
            throw IdentityProviderError.notBelieved(.malformed, reason: "there is no code")
        }
        let token = try await redeem(code, arrival)
        let user = try await read("/user", token)
        guard let id = user["id"]?.int, id > 0 else {
            throw IdentityProviderError.notBelieved(.malformed, reason: "GitHub named nobody")
        }
        // The public address of a profile is whatever its owner typed; only this list says what was verified.
        let addresses = try await read("/user/emails", token).array ?? []
        return IdentityAssertion(
            issuer: web, subject: String(id),
            addresses: addresses.prefix(Self.maxAddresses).compactMap { entry in
                guard let address = entry["email"]?.string, (3...254).contains(address.utf8.count),
                    !address.lowercased().hasSuffix("@users.noreply.github.com")
                else { return nil }
                let isPrimary = entry["primary"]?.bool == true
                // The verified primary address alone stands for the person; others may be shared or forgotten.
                return IdentityAddress(address, isVerified: isPrimary && entry["verified"]?.bool == true, isPrimary: isPrimary)
            }, displayName: user["name"]?.string.flatMap(Words.name) ?? user["login"]?.string.flatMap(Words.name))
    }

    func inspect(_ connection: IdentityConnection, redirectAddress: String) async throws -> IdentityInspection {
        try check(connection)
        let answer = try await send(OutboundRequest("GET", "\(api)/meta", headers: headers()))
        guard answer.status == 200 else { throw IdentityProviderError.unreachable("GitHub answered \(answer.status)") }
        return IdentityInspection(issuer: web)
    }

    private func check(_ connection: IdentityConnection) throws {
        guard connection.isOffered, connection.id == "github" else {
            throw IdentityProviderError.misconfigured("GitHub has no connections of tenants")
        }
    }

    private func redeem(_ code: String, _ arrival: IdentityArrival) async throws -> String {
        let form = [
            ("client_id", clientID), ("client_secret", secret), ("code", code), ("redirect_uri", arrival.redirectAddress),
            ("code_verifier", arrival.verifier),
        ]
        let answer = try await send(
            OutboundRequest(
                "POST", "\(web)/login/oauth/access_token",
                headers: ["accept": "application/json", "content-type": "application/x-www-form-urlencoded"],
                body: Data(Words.form(form).utf8)))
        guard answer.status < 500, answer.status != 429 else {
            throw IdentityProviderError.unreachable("GitHub answered \(answer.status) to the code")
        }
        guard let document = try? JSONValue.parse(answer.body, maxBytes: Self.maxAnswerBytes) else {
            throw IdentityProviderError.unreachable("GitHub's answer to the code is not JSON")
        }
        // GitHub tells of errors with status 200.
        switch document["error"]?.string {
        case nil: break
        case "bad_verification_code":
            throw IdentityProviderError.notBelieved(.replay, reason: "GitHub does not know the code, or knows it as used")
        case let error?: throw IdentityProviderError.misconfigured("GitHub answered \(Words.code(error)) to the code")
        }
        guard answer.status == 200, let token = document["access_token"]?.string, (1...1_024).contains(token.utf8.count),
            token.utf8.allSatisfy({ $0 > 32 && $0 < 127 })
        else { throw IdentityProviderError.notBelieved(.malformed, reason: "GitHub gave no token for the code") }
        // Without this scope the list of addresses is not theirs to read, and the person unticked nothing: it is not GitHub's answer to us.
        if let scope = document["scope"]?.string,
            !scope.split(whereSeparator: { ",  ".contains($0) }).contains(where: { $0.hasPrefix("user") })
        {
            throw IdentityProviderError.declined(code: "scope_missing")
        }
        return token
    }

    private func read(_ path: String, _ token: String) async throws -> JSONValue {
        let answer = try await send(OutboundRequest("GET", "\(api)\(path)", headers: headers(token)))
        switch answer.status {
        case 200:
            guard let document = try? JSONValue.parse(answer.body, maxBytes: Self.maxAnswerBytes) else {
                throw IdentityProviderError.unreachable("GitHub's answer is not JSON")
            }
            return document
        case 401, 403, 404: throw IdentityProviderError.notBelieved(.signature, reason: "GitHub does not take the token")
        default: throw IdentityProviderError.unreachable("GitHub answered \(answer.status)")
        }
    }

    private func headers(_ token: String? = nil) -> [String: String] {
        var headers = ["accept": "application/vnd.github+json", "user-agent": "coditect", "x-github-api-version": "2022-11-28"]
        if let token { headers["authorization"] = "Bearer \(token)" }
        return headers
    }

    private func send(_ request: OutboundRequest) async throws -> OutboundResponse {
        var request = request
        request.timeout = timeout
        request.maxAnswerBytes = Self.maxAnswerBytes
        do { return try await http.send(request) } catch let failure as OutboundFailure {
            switch failure {
            case .forbidden(let why): throw IdentityProviderError.misconfigured("the address may not be reached: \(why)")
            case .unsent(let why), .unanswered(let why): throw IdentityProviderError.unreachable(why)
            @unknown default: throw IdentityProviderError.unreachable("no answer")
            }
        }
    }
}

/// How things are written.
enum Words {
    static func form(_ pairs: [(String, String)]) -> String { pairs.map { "\(escape($0.0))=\(escape($0.1))" }.joined(separator: "&") }
    static func escape(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var out: [UInt8] = []
        for byte in text.utf8 {
            let isPlain =
                (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || [45, 46, 95, 126].contains(byte)
            out += isPlain ? [byte] : [37, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
        }
        return String(decoding: out, as: UTF8.self)
    }
    /// RFC 7636, S256.
    static func challenge(_ verifier: String) -> String {
        Data(PluginDigest.sha256(Data(verifier.utf8))).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
            .replacing("=", with: "")
    }
    /// An error code as GitHub sends it: nothing but a word.
    static func code(_ text: String) -> String {
        let word = text.utf8.prefix(64).filter { (97...122).contains($0) || (48...57).contains($0) || $0 == 95 }
        return word.isEmpty ? "unknown" : String(decoding: word, as: UTF8.self)
    }
    /// Nil for what is no name.
    static func name(_ text: String) -> String? {
        (1...200).contains(text.utf8.count) && !text.unicodeScalars.contains { $0.value < 32 || $0.value == 127 } ? text : nil
    }
}
