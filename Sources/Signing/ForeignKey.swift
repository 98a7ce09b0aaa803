import COpenSSL
import Foundation
import Vocabulary

/// A public key of somebody else, as a JWK (RFC 7517, 7518, 8037) states it: read strictly, used for verifying alone.
final class ForeignKey: @unchecked Sendable {  // the pointer is set in init, only read afterwards, freed in deinit
    enum Kind: Sendable, Hashable {
        case rsa
        /// Bytes of a coordinate.
        case ec(curve: String, width: Int)
        case ed25519
    }
    let kind: Kind
    /// RFC 7638.
    let thumbprint: String
    private let pair: OpaquePointer

    /// Throws with a reason that is fit for a log.
    init(jwk: JSONValue) throws(SignatureRefusal) {
        func bytes(_ name: String, _ lengths: ClosedRange<Int>) throws(SignatureRefusal) -> [UInt8] {
            guard let text = jwk[name]?.string, let bytes = Base64URL.decode(text), lengths.contains(bytes.count) else {
                throw SignatureRefusal(.key, "the key's member \(name) is missing or of no usable length")
            }
            return bytes
        }
        let info: [UInt8]
        let members: [String: JSONValue]
        switch (jwk["kty"]?.string, jwk["crv"]?.string) {
        case ("RSA", nil):
            let (modulus, exponent) = (try bytes("n", 256...1_024), try bytes("e", 1...8))
            guard modulus[0] != 0, modulus.count > 256 || modulus[0] & 0x80 != 0 else {
                throw SignatureRefusal(.key, "the key is shorter than 2048 bits")
            }
            guard exponent[0] != 0, exponent[exponent.count - 1] & 1 == 1, exponent != [1] else {
                throw SignatureRefusal(.key, "the key's exponent is none")
            }
            kind = .rsa
            members = ["kty": "RSA", "n": .string(Base64URL.encode(modulus)), "e": .string(Base64URL.encode(exponent))]
            info = DER.publicKey(
                DER.oid([0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01]) + [0x05, 0x00],
                DER.sequence(DER.integer(modulus) + DER.integer(exponent)))
        case ("EC", let curve?):
            guard let (width, oid) = Self.curves[curve] else { throw SignatureRefusal(.key, "the key's curve is not accepted") }
            let (x, y) = (try bytes("x", width...width), try bytes("y", width...width))
            kind = .ec(curve: curve, width: width)
            members = [
                "kty": "EC", "crv": .string(curve), "x": .string(Base64URL.encode(x)), "y": .string(Base64URL.encode(y)),
            ]
            info = DER.publicKey(DER.oid([0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]) + DER.oid(oid), [0x04] + x + y)
        case ("OKP", "Ed25519"):
            let x = try bytes("x", 32...32)
            kind = .ed25519
            members = ["kty": "OKP", "crv": "Ed25519", "x": .string(Base64URL.encode(x))]
            info = DER.publicKey(DER.oid([0x2b, 0x65, 0x70]), x)
        default: throw SignatureRefusal(.key, "the key's type is not accepted")
        }
        defer { ERR_clear_error() }
        let read: OpaquePointer? = info.withUnsafeBufferPointer {
            var cursor = $0.baseAddress
            return d2i_PUBKEY(nil, &cursor, info.count)
        }
        guard let read else { throw SignatureRefusal(.key, "the key is none: its point or number does not hold") }
        pair = read
        do { thumbprint = Base64URL.encode(Digest.sha256(try CanonicalJSON.encode(.object(members)))) } catch {
            EVP_PKEY_free(read)
            throw SignatureRefusal(.key, "the key cannot be named")
        }
    }
    deinit { EVP_PKEY_free(pair) }

    private static let curves: [String: (width: Int, oid: [UInt8])] = [
        "P-256": (32, [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]), "P-384": (48, [0x2b, 0x81, 0x04, 0x00, 0x22]),
        "P-521": (66, [0x2b, 0x81, 0x04, 0x00, 0x23]),
    ]

    /// Whether a key of this kind signs under this name of RFC 7518 and 8037; the digest that it takes.
    func digest(of algorithm: String) -> String?? {
        switch (kind, algorithm) {
        case (.rsa, "RS256"), (.rsa, "PS256"), (.ec("P-256", _), "ES256"): .some("SHA256")
        case (.rsa, "RS384"), (.rsa, "PS384"), (.ec("P-384", _), "ES384"): .some("SHA384")
        case (.rsa, "RS512"), (.rsa, "PS512"), (.ec("P-521", _), "ES512"): .some("SHA512")
        case (.ed25519, "EdDSA"): .some(nil)
        default: .none
        }
    }

    /// False also where the algorithm is none of this key.
    func verify(_ message: [UInt8], _ signature: [UInt8], algorithm: String) -> Bool {
        defer { ERR_clear_error() }
        guard let digest = digest(of: algorithm) else { return false }
        var form = signature
        if case .ec(_, let width) = kind {
            guard signature.count == 2 * width else { return false }
            form = DER.sequence(DER.integer(Array(signature[..<width])) + DER.integer(Array(signature[width...])))
        }
        return check(message, form, digest, isPSS: algorithm.hasPrefix("PS"))
    }

    /// The same of an Ecdsa-Sig-Value in DER; OpenSSL takes one encoding of it and no other.
    func verify(_ message: [UInt8], der signature: [UInt8]) -> Bool {
        defer { ERR_clear_error() }
        guard kind == .ec(curve: "P-256", width: 32), (8...72).contains(signature.count) else { return false }
        return check(message, signature, "SHA256", isPSS: false)
    }

    private func check(_ message: [UInt8], _ form: [UInt8], _ digest: String?, isPSS: Bool) -> Bool {
        let context = EVP_MD_CTX_new()
        defer { EVP_MD_CTX_free(context) }
        var parameters: OpaquePointer?
        guard EVP_DigestVerifyInit_ex(context, &parameters, digest, nil, nil, pair, nil) == 1 else { return false }
        if isPSS {
            // RFC 7518, 3.5: the salt is as long as the digest.
            guard EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1,
                EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) == 1
            else { return false }
        }
        return EVP_DigestVerify(context, form, form.count, message, message.count) == 1
    }
}

/// As much of X.690 as a SubjectPublicKeyInfo and an ECDSA signature need.
enum DER {
    static func sequence(_ body: [UInt8]) -> [UInt8] { value(0x30, body) }
    static func oid(_ body: [UInt8]) -> [UInt8] { value(0x06, body) }
    /// Of a number without a sign, big-endian.
    static func integer(_ bytes: [UInt8]) -> [UInt8] {
        var digits = Array(bytes.drop { $0 == 0 })
        if digits.isEmpty { digits = [0] }
        if digits[0] & 0x80 != 0 { digits.insert(0, at: 0) }
        return value(0x02, digits)
    }
    static func publicKey(_ algorithm: [UInt8], _ key: [UInt8]) -> [UInt8] { sequence(sequence(algorithm) + value(0x03, [0] + key)) }

    private static func value(_ tag: UInt8, _ body: [UInt8]) -> [UInt8] {
        var length: [UInt8] = []
        var rest = body.count
        if rest < 128 { return [tag, UInt8(rest)] + body }
        while rest > 0 {
            length.insert(UInt8(rest & 255), at: 0)
            rest >>= 8
        }
        return [tag, 0x80 | UInt8(length.count)] + length + body
    }
}
