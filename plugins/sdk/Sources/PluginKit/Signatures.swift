// since 1.2
import Foundation

/// Verifies what others signed: the server's own cryptography, lent to plugins, which link none.
public protocol PluginSignatures: Sendable {
    /// The payload of a compact JWS whose header, key, algorithm and signature are all in order. What the payload says (issuer, audience,
    /// times) is the caller's to check. Throws `SignatureRefusal`.
    func verify(_ token: SignedToken) async throws -> VerifiedToken
    /// Returns where the signature holds. Throws `SignatureRefusal`.
    func verify(_ bytes: SignedBytes) async throws
}

/// A JWS (RFC 7515, compact) and what is accepted of it.
public struct SignedToken: Sendable, Hashable, Codable {
    public var text: String
    /// The members of a JWK Set (RFC 7517): public keys that the caller trusts. Nothing in the token adds to them.
    public var keys: [JSONValue]
    /// Of `SignatureLimits.algorithms`; an empty set accepts nothing.
    public var algorithms: Set<String>
    /// Lower-case values of `typ` that are accepted; "" stands for none at all.
    public var types: Set<String>
    public init(_ text: String, keys: [JSONValue], algorithms: Set<String>, types: Set<String> = ["", "jwt"]) {
        self.text = text
        self.keys = keys
        self.algorithms = algorithms
        self.types = types
    }
}

public struct VerifiedToken: Sendable, Hashable, Codable {
    /// Always an object; no member stood in it twice.
    public var payload: JSONValue
    public var algorithm: String
    /// `kid` of the key that signed; nil where neither key nor token has one.
    public var keyID: String?
    /// SHA-256 thumbprint of that key (RFC 7638), base64url: names the key itself, whatever id it goes by.
    public var thumbprint: String
    public init(payload: JSONValue, algorithm: String, keyID: String?, thumbprint: String) {
        self.payload = payload
        self.algorithm = algorithm
        self.keyID = keyID
        self.thumbprint = thumbprint
    }
}

/// Why a token is not believed. The reason is for the log and quotes nothing of the token.
public struct SignatureRefusal: Error, Sendable, Hashable, Codable, CustomStringConvertible {
    public enum Code: String, Sendable, Hashable, Codable, CaseIterable {
        /// Not three parts of base64url, not JSON, a member twice, too large.
        case malformed
        /// A header that brings keys of its own or must be understood and is not, or a key id that is no id.
        case header
        /// `none`, a shared secret, or one that the caller does not accept.
        case algorithm
        case type
        /// No key of the set fits: the set may be old.
        case unknownKey = "unknown_key"
        /// The key fits by name and cannot be used: too short, for another use, of another type.
        case key
        case signature
        /// There is nothing here that verifies.
        case unavailable
    }
    public var code: Code
    public var reason: String
    public init(_ code: Code, _ reason: String) {
        self.code = code
        self.reason = reason
    }
    public var description: String { "\(code.rawValue): \(reason)" }
}

public enum SignatureLimits {
    public static let maxTokenBytes = 65_536
    public static let maxKeys = 100
    /// No shared secrets: whoever can verify one can sign.
    public static let algorithms: Set<String> = [
        "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
    ]
}

/// Where no host lends any.
public struct NoSignatures: PluginSignatures {
    public init() {}
    public func verify(_ token: SignedToken) async throws -> VerifiedToken {
        throw SignatureRefusal(.unavailable, "nothing here verifies signatures")
    }
}
// end of 1.2
