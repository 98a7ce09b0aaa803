import Foundation
import PluginKit

/// Signs and verifies without cryptography, with every check of a host around it: header, type, algorithm, key, signature. For a plugin's own
/// tests; the true ones run against a server.
public struct PretendSignatures: PluginSignatures {
    public init() {}

    /// A key as a provider publishes it; `secret` is what it signs with, and no secret at all.
    public struct Key: Sendable, Hashable {
        public var id: String?
        public var secret: String
        public init(id: String?, secret: String) {
            self.id = id
            self.secret = secret
        }
        public var jwk: JSONValue {
            var members: [String: JSONValue] = ["kty": "EC", "crv": "P-256", "x": .string(secret), "y": "AA"]
            if let id { members["kid"] = .string(id) }
            return .object(members)
        }
    }

    public static func text(_ value: JSONValue) -> String { base64url((try? value.encoded()) ?? Data()) }

    /// A token with this very header.
    public static func sign(_ payload: JSONValue, _ key: Key, header: [String: JSONValue]? = nil) -> String {
        var head = header ?? ["alg": "ES256", "typ": "JWT"]
        if header == nil, let id = key.id { head["kid"] = .string(id) }
        return sign(payload: text(payload), key, header: text(.object(head)))
    }
    /// The same of parts that are written already.
    public static func sign(payload: String, _ key: Key, header: String) -> String {
        "\(header).\(payload).\(signature("\(header).\(payload)", key.secret))"
    }
    static func signature(_ message: String, _ secret: String) -> String {
        base64url(Data(PluginDigest.sha256(Data("\(secret)|\(message)".utf8))))
    }
    static func base64url(_ data: Data) -> String {
        data.base64EncodedString().replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }
    static func data(_ text: String) -> Data? {
        guard !text.contains("="), !text.contains("+"), !text.contains("/") else { return nil }
        let padded = text.replacing("-", with: "+").replacing("_", with: "/") + String(repeating: "=", count: (4 - text.count % 4) % 4)
        return Data(base64Encoded: padded)
    }

    /// What stands for a signature over bytes under that key.
    public static func mark(_ message: Data, key: Data) -> Data { Data(PluginDigest.sha256(key + message)) }

    public func verify(_ bytes: SignedBytes) async throws {
        guard bytes.key.count == 91 else { throw SignatureRefusal(.key, "the key is no SubjectPublicKeyInfo of the curve P-256") }
        guard bytes.signature == Self.mark(bytes.message, key: bytes.key) else {
            throw SignatureRefusal(.signature, "the signature does not hold")
        }
    }

    public func verify(_ token: SignedToken) async throws -> VerifiedToken {
        let parts = token.text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, let head = Self.data(parts[0]).flatMap({ try? JSONValue.parse($0) }), let header = head.object,
            let body = Self.data(parts[1]), let payload = try? JSONValue.parse(body), case .object = payload
        else { throw SignatureRefusal(.malformed, "the token is not three parts of base64url") }
        guard Set(header.keys).isDisjoint(with: ["jku", "jwk", "x5u", "x5c", "crit"]) else {
            throw SignatureRefusal(.header, "the token brings a key of its own")
        }
        guard header["alg"]?.string == "ES256", token.algorithms.contains("ES256") else {
            throw SignatureRefusal(.algorithm, "the algorithm is not accepted")
        }
        guard token.types.contains(header["typ"]?.string?.lowercased() ?? "") else {
            throw SignatureRefusal(.type, "the token is of another type")
        }
        let id = header["kid"]?.string
        guard let key = token.keys.first(where: { id == nil || $0["kid"]?.string == id }), let secret = key["x"]?.string else {
            throw SignatureRefusal(.unknownKey, "no key of the set has the token's key id")
        }
        guard parts[2] == Self.signature("\(parts[0]).\(parts[1])", secret) else {
            throw SignatureRefusal(.signature, "the signature does not hold")
        }
        return VerifiedToken(payload: payload, algorithm: "ES256", keyID: id, thumbprint: "pretend-\(secret)")
    }
}
