import Foundation
import Vocabulary

/// JSON Web Tokens (RFC 7519) as this installation writes and reads them, and in no other way.
///
/// A token says nothing that is believed before its signature: its header must be, byte for byte, one that our own ring writes. So
/// `none`, another algorithm, an embedded or linked key, a path as key id, a repeated member, more or other members: all are simply not ours.
enum Token {
    static let maxBytes = 8_192
    static let maxDepth = 8

    struct Found: Sendable {
        let claims: JSONValue
        let verifiesUntil: Timestamp?
    }
    /// One header that is ours, and how its signatures are proved.
    struct Verifier: Sendable {
        let verifiesUntil: Timestamp?
        let isValid: @Sendable (_ message: [UInt8], _ signature: [UInt8]) -> Bool
    }

    /// The header segment of a key.
    static func header(_ keyID: String) -> String { Base64URL.encode(Array(#"{"alg":"ES256","kid":"\#(keyID)","typ":"JWT"}"#.utf8)) }

    static func issue(_ claims: JSONValue, header: String, sign: ([UInt8]) throws -> [UInt8]) throws -> String {
        let message = try message(claims, header: header)
        return try token(message, try sign(Array(message.utf8)))
    }
    /// What is signed.
    static func message(_ claims: JSONValue, header: String) throws -> String {
        guard case .object = claims else { throw SigningFault.notCanonical("claims are an object") }
        return "\(header).\(Base64URL.encode(try CanonicalJSON.encode(claims)))"
    }
    static func token(_ message: String, _ signature: [UInt8]) throws -> String {
        let token = "\(message).\(Base64URL.encode(signature))"
        guard token.utf8.count <= maxBytes else { throw SigningFault.notCanonical("claims of more than \(maxBytes) bytes") }
        return token
    }

    static func verify(_ token: [UInt8], keys: [String: Verifier], now: Timestamp) -> Found? {
        let parts = token.split(separator: UInt8(ascii: "."), maxSplits: 3, omittingEmptySubsequences: false)
        guard token.count <= maxBytes, parts.count == 3, let verifier = keys[String(decoding: parts[0], as: UTF8.self)],
            verifier.verifiesUntil.map({ now < $0 }) ?? true, let signature = Base64URL.decode(parts[2]),
            verifier.isValid(Array(token[..<parts[1].endIndex]), signature), let payload = Base64URL.decode(parts[1]),
            let claims = try? StrictJSON.parse(payload, maxBytes: maxBytes, maxDepth: maxDepth), case .object = claims
        else { return nil }
        return Found(claims: claims, verifiesUntil: verifier.verifiesUntil)
    }
}

/// What the ring's present keys make of a token, and which tokens were found good lately.
struct TokenVerifier: Sendable {
    let keys: [String: Token.Verifier]
    /// Grows with every change of the ring: what was found good under an older one is not remembered under a newer one.
    let generation: Int
    private var seen: BoundedCache<[UInt8], Token.Found>

    init(ring: Ring, shared: SharedSecret?, now: Timestamp, cache: Int, generation: Int = 0) {
        var keys: [String: Token.Verifier] = [:]
        for entry in ring.entries where entry.purpose == .token && entry.verifies(at: now) {
            let key = entry.key
            keys[Token.header(key.id)] = Token.Verifier(verifiesUntil: entry.verifiesUntil) { key.verify($0, $1) }
        }
        if let shared { keys[SharedSecret.header] = shared.verifier }
        self.keys = keys
        self.generation = generation
        seen = BoundedCache(capacity: cache)
    }

    /// Under the digest of the whole token, so that no token is kept in memory.
    mutating func known(_ digest: [UInt8], now: Timestamp) -> JSONValue? {
        guard let found = seen[digest], found.verifiesUntil.map({ now < $0 }) ?? true else { return nil }
        return found.claims
    }
    mutating func remember(_ digest: [UInt8], _ found: Token.Found) { seen[digest] = found }
}

/// HS256, for installations that configured it: whoever can verify can also sign.
struct SharedSecret: Sendable {
    static let header = Base64URL.encode(Array(#"{"alg":"HS256","typ":"JWT"}"#.utf8))
    private let secret: SecretBytes

    /// Nil unless `signing.token_algorithm` says HS256; then the secret must be there and of 32 bytes at least.
    init?(_ settings: Settings) throws {
        guard settings[SigningSettings.tokenAlgorithm] == "HS256" else { return nil }
        let bytes = Array(settings[SigningSettings.jwtSecret].utf8)
        guard bytes.count >= 32 else {
            throw SigningFault.setting("signing.jwt_secret", reason: "HS256 needs JWT_SECRET of at least 32 bytes")
        }
        secret = SecretBytes(bytes)
    }
    func issue(_ claims: JSONValue) throws -> String { try Token.issue(claims, header: Self.header) { HMAC.sha256($0, key: secret) } }
    var verifier: Token.Verifier {
        Token.Verifier(verifiesUntil: nil) { [secret] message, signature in
            ConstantTime.equal(signature, HMAC.sha256(message, key: secret))
        }
    }
}
