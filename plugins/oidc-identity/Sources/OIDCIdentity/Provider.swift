import Foundation
import PluginKit
import Synchronization

/// What a provider's discovery document says, as far as it is used (OpenID Connect Discovery 1.0; RFC 8414).
struct Metadata: Sendable, Hashable {
    /// Exactly as it states it; Microsoft's for many directories holds `{tenantid}`.
    let issuer: String
    let authorization: String
    let token: String
    let keys: String
    let userInfo: String?
    let algorithms: Set<String>
    let sendsIssuer: Bool
    let postsSecret: Bool

    /// Every algorithm that is accepted of anybody, as far as the provider says that it uses it.
    static let accepted = SignatureLimits.algorithms

    init(_ document: JSONValue, asked issuer: String) throws {
        guard let stated = document["issuer"]?.string, Metadata.matches(stated, asked: issuer) else {
            throw IdentityProviderError.misconfigured("the discovery document is of another issuer than the one that was asked")
        }
        let home = WebOrigin(issuer)
        func address(_ name: String) throws -> String {
            guard let text = document[name]?.string, let origin = WebOrigin(text, allowingQuery: true), !text.contains("#"),
                origin.scheme == "https" || origin == home
            else { throw IdentityProviderError.misconfigured("the discovery document has no usable \(name)") }
            return text
        }
        self.issuer = stated
        authorization = try address("authorization_endpoint")
        token = try address("token_endpoint")
        keys = try address("jwks_uri")
        userInfo = document["userinfo_endpoint"] == nil ? nil : try address("userinfo_endpoint")
        let named = Set((document["id_token_signing_alg_values_supported"]?.array ?? ["RS256"]).prefix(50).compactMap(\.string))
        algorithms = named.intersection(Self.accepted)
        guard !algorithms.isEmpty else {
            throw IdentityProviderError.misconfigured("the provider signs with no algorithm that is accepted")
        }
        sendsIssuer = document["authorization_response_iss_parameter_supported"]?.bool == true
        let ways = document["token_endpoint_auth_methods_supported"]?.array?.compactMap(\.string)
        postsSecret = ways.map { !$0.contains("client_secret_basic") && $0.contains("client_secret_post") } ?? false
    }

    private static func matches(_ stated: String, asked: String) -> Bool {
        if stated == asked { return true }
        // Microsoft's document for many directories names the template of their issuers.
        let template = "https://login.microsoftonline.com/{tenantid}/v2.0"
        return stated == template && ["organizations", "common"].contains { asked == template.replacing("{tenantid}", with: $0) }
    }

    /// Whether a token's issuer is this one; for a template with the token's own directory, which must be an id.
    func isIssuer(_ issuer: String, directory: String?) -> Bool {
        guard self.issuer.contains("{tenantid}") else { return issuer == self.issuer }
        guard let directory, Preset.isGUID(directory) else { return false }
        return issuer == self.issuer.replacing("{tenantid}", with: directory)
    }
}

/// Discovery documents and keys, kept for a while. Nothing that a stranger sends makes it fetch more often than `refetch`.
final class Library: Sendable {
    private struct Shelf {
        var metadata: Metadata
        var keys: [JSONValue]
        var readAt: Timestamp
        /// When a key that was not there was last looked for.
        var soughtAt: Timestamp?
    }
    static let maxIssuers = 500
    static let maxDocumentBytes = 262_144
    private let shelves = Mutex<[String: Shelf]>([:])
    private let context: PluginContext
    private let life: Duration
    private let refetch: Duration
    private let timeout: Duration

    init(_ context: PluginContext) throws {
        self.context = context
        life = .seconds(try context.settings.integer("keys_seconds"))
        refetch = .seconds(try context.settings.integer("refetch_seconds"))
        timeout = .seconds(try context.settings.integer("timeout_seconds"))
    }

    func read(_ issuer: String, anew: Bool = false) async throws -> (metadata: Metadata, keys: [JSONValue]) {
        let now = context.clock.now()
        if !anew, let shelf = shelves.withLock({ $0[issuer] }), now < shelf.readAt + life, shelf.readAt <= now {
            return (shelf.metadata, shelf.keys)
        }
        let base = issuer.hasSuffix("/") ? String(issuer.dropLast()) : issuer
        let metadata = try Metadata(try await document("\(base)/.well-known/openid-configuration"), asked: issuer)
        let keys = try await keys(metadata)
        shelves.withLock { shelves in
            if shelves[issuer] == nil, shelves.count >= Self.maxIssuers, let oldest = shelves.min(by: { $0.value.readAt < $1.value.readAt })
            {
                shelves[oldest.key] = nil
            }
            shelves[issuer] = Shelf(metadata: metadata, keys: keys, readAt: now, soughtAt: shelves[issuer]?.soughtAt)
        }
        return (metadata, keys)
    }

    /// The keys once more, because a token names one that is not there; nil if that was done just now.
    func lookAgain(_ issuer: String, _ metadata: Metadata) async throws -> [JSONValue]? {
        let now = context.clock.now()
        let may = shelves.withLock { shelves in
            if let sought = shelves[issuer]?.soughtAt, now < sought + refetch, sought <= now { return false }
            shelves[issuer]?.soughtAt = now
            return true
        }
        guard may else { return nil }
        let keys = try await keys(metadata)
        shelves.withLock { $0[issuer]?.keys = keys }
        return keys
    }

    private func keys(_ metadata: Metadata) async throws -> [JSONValue] {
        guard let keys = try await document(metadata.keys)["keys"]?.array, (1...SignatureLimits.maxKeys).contains(keys.count) else {
            throw IdentityProviderError.misconfigured("the provider's keys are not a set of 1 to \(SignatureLimits.maxKeys)")
        }
        return keys
    }

    private func document(_ address: String) async throws -> JSONValue {
        let answer = try await send(OutboundRequest("GET", address, headers: ["accept": "application/json"]))
        guard answer.status == 200 else {
            if answer.status >= 500 || answer.status == 429 {
                throw IdentityProviderError.unreachable("the provider answered \(answer.status)")
            }
            throw IdentityProviderError.misconfigured("the provider answered \(answer.status) to the request for its documents")
        }
        do { return try JSONValue.parse(answer.body, maxBytes: Self.maxDocumentBytes) } catch {
            throw IdentityProviderError.misconfigured("the provider's document is not JSON")
        }
    }

    /// Throws `unreachable` for everything that did not come back.
    func send(_ request: OutboundRequest) async throws -> OutboundResponse {
        var request = request
        request.timeout = timeout
        request.maxAnswerBytes = Self.maxDocumentBytes
        do { return try await context.http.send(request) } catch let failure as OutboundFailure {
            switch failure {
            case .forbidden(let why): throw IdentityProviderError.misconfigured("the address may not be reached: \(why)")
            case .unsent(let why), .unanswered(let why): throw IdentityProviderError.unreachable(why)
            @unknown default: throw IdentityProviderError.unreachable("no answer")
            }
        }
    }
}
