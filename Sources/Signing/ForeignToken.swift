import Foundation
import Vocabulary

/// Compact JWS of others (RFC 7515): what identity providers sign. Our own access tokens are read by `Token` alone.
package enum ForeignToken {
    static let maxHeaderBytes = 4_096
    static let maxDepth = 12
    /// What brings keys of its own, or says where they are: never looked at, so a token with one of them is refused (RFC 8725, 3.10).
    static let keyBringers: Set<String> = ["jku", "jwk", "x5u", "x5c"]

    /// Everything about the token but what its payload says.
    package static func verify(_ token: SignedToken) throws(SignatureRefusal) -> VerifiedToken {
        let text = Array(token.text.utf8)
        guard text.count <= SignatureLimits.maxTokenBytes else { throw SignatureRefusal(.malformed, "the token is too large") }
        let parts = text.split(separator: UInt8(ascii: "."), maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].count <= maxHeaderBytes, let headerBytes = Base64URL.decode(parts[0]),
            let body = Base64URL.decode(parts[1]), let signature = Base64URL.decode(parts[2])
        else { throw SignatureRefusal(.malformed, "the token is not three parts of base64url") }
        let header = try object(headerBytes, "header")
        if let bringer = keyBringers.intersection(header.keys).sorted().first {
            throw SignatureRefusal(.header, "the token brings a key of its own in \(bringer)")
        }
        guard header["crit"] == nil, header["b64"] == nil, header["zip"] == nil else {
            throw SignatureRefusal(.header, "the token's header must be understood and is not")
        }
        guard let algorithm = header["alg"]?.string else { throw SignatureRefusal(.algorithm, "the token names no algorithm") }
        guard token.algorithms.contains(algorithm), SignatureLimits.algorithms.contains(algorithm) else {
            // Only words that exist are quoted.
            let known = SignatureLimits.algorithms.union(["none", "HS256", "HS384", "HS512"])
            throw SignatureRefusal(
                .algorithm, "the algorithm \(known.contains(algorithm) ? algorithm : "that the token names") is not accepted")
        }
        let type = try type(of: header)
        guard token.types.contains(type) else { throw SignatureRefusal(.type, "the token is of another type") }
        let keyID = try keyID(of: header)
        let (key, knownAs) = try key(keyID, algorithm, among: token.keys)
        guard key.verify(Array(text[..<parts[1].endIndex]), signature, algorithm: algorithm) else {
            throw SignatureRefusal(.signature, "the signature does not hold under the key \(key.thumbprint)")
        }
        return VerifiedToken(
            payload: .object(try object(body, "payload")), algorithm: algorithm, keyID: keyID ?? knownAs, thumbprint: key.thumbprint)
    }

    private static func object(_ bytes: [UInt8], _ part: String) throws(SignatureRefusal) -> [String: JSONValue] {
        do {
            if case .object(let members) = try StrictJSON.parse(bytes, maxBytes: SignatureLimits.maxTokenBytes, maxDepth: maxDepth) {
                return members
            }
        } catch StrictJSON.Fault.repeatedMember {
            throw SignatureRefusal(.malformed, "the \(part) has one member twice")
        } catch {
            throw SignatureRefusal(.malformed, "the \(part) is not JSON")
        }
        throw SignatureRefusal(.malformed, "the \(part) is not an object")
    }

    /// `application/jwt` and `JWT` are one (RFC 7515, 4.1.9).
    private static func type(of header: [String: JSONValue]) throws(SignatureRefusal) -> String {
        guard let member = header["typ"] else { return "" }
        guard let text = member.string?.lowercased() else { throw SignatureRefusal(.header, "the token's type is no text") }
        return text.hasPrefix("application/") ? String(text.dropFirst(12)) : text
    }

    private static func keyID(of header: [String: JSONValue]) throws(SignatureRefusal) -> String? {
        guard let member = header["kid"] else { return nil }
        guard let id = member.string, (1...255).contains(id.utf8.count), id.utf8.allSatisfy({ $0 > 32 && $0 < 127 && $0 != 92 }),
            !id.contains(".."), !id.hasPrefix("/")
        else { throw SignatureRefusal(.header, "the token's key id is none") }
        return id
    }

    /// The one key that fits by id; without an id the one key that can sign so.
    private static func key(
        _ id: String?, _ algorithm: String, among keys: [JSONValue]
    ) throws(SignatureRefusal) -> (ForeignKey, String?) {
        guard keys.count <= SignatureLimits.maxKeys else { throw SignatureRefusal(.key, "the set has too many keys") }
        let fitting = keys.filter { key in
            guard case .object = key, id == nil || key["kid"]?.string == id else { return false }
            guard key["use"].map({ $0.string == "sig" }) ?? true, key["alg"].map({ $0.string == algorithm }) ?? true else { return false }
            guard key["key_ops"].map({ $0.array?.contains("verify") == true }) ?? true else { return false }
            let type = algorithm.hasPrefix("E") ? (algorithm == "EdDSA" ? "OKP" : "EC") : "RSA"
            return key["kty"]?.string == type && key["d"] == nil
        }
        guard let found = fitting.first else {
            throw SignatureRefusal(.unknownKey, "no key of the set has the token's key id and fits its algorithm")
        }
        guard fitting.count == 1 else { throw SignatureRefusal(.key, "more than one key of the set fits the token") }
        let key = try ForeignKey(jwk: found)
        guard key.digest(of: algorithm) != nil else { throw SignatureRefusal(.key, "the key is not one for this algorithm") }
        return (key, found["kid"]?.string)
    }
}
