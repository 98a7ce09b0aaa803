import COpenSSL
import Foundation
import Store
import Vocabulary

/// How a key signs. Fixed by the key's purpose, never by what a message says of itself.
package enum KeyAlgorithm: String, Sendable, CaseIterable {
    /// ECDSA over P-256 with SHA-256; signatures are r and s, 32 bytes each, with the lower s (RFC 7518 section 3.4).
    case es256 = "ES256"
    /// RFC 8032.
    case ed25519 = "Ed25519"
    /// RSA-4096, PSS with SHA-256, MGF1-SHA-256 and the longest salt that fits: 478 bytes.
    case rsaPSS = "RSA-4096-PSS-SHA256"
}

extension KeyPurpose {
    package var algorithm: KeyAlgorithm {
        switch self {
        case .token: .es256
        case .licenseRSA: .rsaPSS
        case .license, .journal: .ed25519
        }
    }
}

/// A key pair of OpenSSL. Prepared contexts are copied for each use, which spares OpenSSL its look-ups.
final class AsymmetricKey: @unchecked Sendable {  // all pointers are set in init, only read and copied afterwards, freed in deinit
    let algorithm: KeyAlgorithm
    /// RFC 7638 thumbprint of the public key.
    let id: String
    /// Public members as a JWK: `kty`, and `crv`, `x`, `y` or `n`, `e`.
    let jwk: [String: String]
    private let pair: OpaquePointer
    private let signing: OpaquePointer?
    private let verifying: OpaquePointer?

    /// Takes over `pair`. `isWhole`: the private half is there too.
    private init(pair: OpaquePointer, _ algorithm: KeyAlgorithm, isWhole: Bool = true) throws {
        self.algorithm = algorithm
        self.pair = pair
        do {
            jwk = try Self.jwk(of: pair, algorithm)
            id = Base64URL.encode(Digest.sha256(try CanonicalJSON.encode(.object(jwk.mapValues(JSONValue.string)))))
            signing = isWhole ? try Self.context(pair, algorithm, EVP_PKEY_sign_init) : nil
            verifying = try Self.context(pair, algorithm, EVP_PKEY_verify_init)
        } catch {
            EVP_PKEY_free(pair)
            throw error
        }
    }
    deinit {
        EVP_PKEY_CTX_free(signing)
        EVP_PKEY_CTX_free(verifying)
        EVP_PKEY_free(pair)
    }

    /// A new pair; RSA takes a second or more of one core.
    static func generate(_ algorithm: KeyAlgorithm) throws -> AsymmetricKey {
        let name =
            switch algorithm {
            case .es256: "EC"
            case .ed25519: "ED25519"
            case .rsaPSS: "RSA"
            }
        guard OpenSSLProcess.staysToTheEnd else { throw SigningFault.openSSL("key generation") }
        let context = EVP_PKEY_CTX_new_from_name(nil, name, nil)
        defer { EVP_PKEY_CTX_free(context) }
        guard EVP_PKEY_keygen_init(context) == 1 else { throw SigningFault.openSSL("key generation") }
        switch algorithm {
        case .es256: guard EVP_PKEY_CTX_set_group_name(context, "P-256") == 1 else { throw SigningFault.openSSL("key generation") }
        case .rsaPSS: guard EVP_PKEY_CTX_set_rsa_keygen_bits(context, 4_096) == 1 else { throw SigningFault.openSSL("key generation") }
        case .ed25519: break
        }
        var pair: OpaquePointer?
        guard EVP_PKEY_generate(context, &pair) == 1, let pair else { throw SigningFault.openSSL("key generation") }
        return try AsymmetricKey(pair: pair, algorithm)
    }

    /// From what `privateDER` gave.
    convenience init(privateDER: [UInt8], _ algorithm: KeyAlgorithm) throws {
        let pair: OpaquePointer? = privateDER.withUnsafeBufferPointer {
            var cursor = $0.baseAddress
            return d2i_AutoPrivateKey(nil, &cursor, privateDER.count)
        }
        guard let pair else { throw SigningFault.openSSL("reading a private key") }
        try self.init(pair: pair, algorithm)
    }

    /// The public half of a key that lies elsewhere, as SubjectPublicKeyInfo: it verifies. Refuses any key but one of this very algorithm.
    convenience init(publicDER: [UInt8], _ algorithm: KeyAlgorithm) throws {
        defer { ERR_clear_error() }
        let pair: OpaquePointer? = publicDER.withUnsafeBufferPointer {
            var cursor = $0.baseAddress
            let read = d2i_PUBKEY(nil, &cursor, publicDER.count)
            guard let read, let cursor, let start = $0.baseAddress, cursor - start != publicDER.count else { return read }
            EVP_PKEY_free(read)
            return nil
        }
        guard let pair else { throw SigningFault.openSSL("reading a public key") }
        guard Self.fits(pair, algorithm) else {
            EVP_PKEY_free(pair)
            throw SigningFault.library("reading a public key", reason: "it is no key for \(algorithm.rawValue)")
        }
        try self.init(pair: pair, algorithm, isWhole: false)
    }

    private static func fits(_ pair: OpaquePointer, _ algorithm: KeyAlgorithm) -> Bool {
        switch algorithm {
        case .ed25519: return EVP_PKEY_is_a(pair, "ED25519") == 1
        case .rsaPSS:
            return EVP_PKEY_is_a(pair, "RSA") == 1 && EVP_PKEY_get_bits(pair) == 4_096
                && (try? number(pair, OSSL_PKEY_PARAM_RSA_E, count: nil)) == [1, 0, 1]
        case .es256:
            var name = [CChar](repeating: 0, count: 64)
            var count = 0
            guard EVP_PKEY_is_a(pair, "EC") == 1, EVP_PKEY_get_group_name(pair, &name, name.count, &count) == 1 else { return false }
            return String(decoding: name.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self) == "prime256v1"
        }
    }

    /// The caller cleanses it.
    func privateDER() throws -> [UInt8] {
        let count = i2d_PrivateKey(pair, nil)
        guard count > 0 else { throw SigningFault.openSSL("writing a private key") }
        var out = [UInt8](repeating: 0, count: Int(count))
        let written = out.withUnsafeMutableBufferPointer {
            var cursor = $0.baseAddress
            return i2d_PrivateKey(pair, &cursor)
        }
        guard written == count else { throw SigningFault.openSSL("writing a private key") }
        return out
    }

    /// SubjectPublicKeyInfo in PEM.
    func publicPEM() throws -> String {
        let text = Data(try publicDER()).base64EncodedString(options: [.lineLength64Characters, .endLineWithLineFeed])
        return "-----BEGIN PUBLIC KEY-----\n\(text)\n-----END PUBLIC KEY-----\n"
    }

    /// SubjectPublicKeyInfo.
    func publicDER() throws -> [UInt8] {
        let count = i2d_PUBKEY(pair, nil)
        guard count > 0 else { throw SigningFault.openSSL("writing a public key") }
        var der = [UInt8](repeating: 0, count: Int(count))
        let written = der.withUnsafeMutableBufferPointer {
            var cursor = $0.baseAddress
            return i2d_PUBKEY(pair, &cursor)
        }
        guard written == count else { throw SigningFault.openSSL("writing a public key") }
        return der
    }

    // MARK: - Signatures

    /// Blocks for as long as the algorithm takes: RSA milliseconds, the others some ten microseconds.
    func sign(_ message: [UInt8]) throws -> [UInt8] {
        if algorithm == .ed25519 { return try signPure(message) }
        let context = EVP_PKEY_CTX_dup(signing)
        defer { EVP_PKEY_CTX_free(context) }
        let digest = Digest.sha256(message)
        var out = [UInt8](repeating: 0, count: algorithm == .rsaPSS ? 512 : 80)
        var count = out.count
        guard EVP_PKEY_sign(context, &out, &count, digest, digest.count) == 1 else { throw SigningFault.openSSL("signing") }
        out.removeLast(out.count - count)
        return algorithm == .es256 ? try ECDSAForm.raw(der: out) : out
    }

    func verify(_ message: [UInt8], _ signature: [UInt8]) -> Bool {
        defer { ERR_clear_error() }
        switch algorithm {
        case .ed25519:
            guard signature.count == 64 else { return false }
            let context = EVP_MD_CTX_new()
            defer { EVP_MD_CTX_free(context) }
            return EVP_DigestVerifyInit(context, nil, nil, nil, pair) == 1
                && EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
        case .rsaPSS:
            guard signature.count == 512 else { return false }
            return verify(digest: Digest.sha256(message), signature)
        case .es256:
            guard let der = ECDSAForm.der(raw: signature) else { return false }
            return verify(digest: Digest.sha256(message), der)
        }
    }

    private func verify(digest: [UInt8], _ signature: [UInt8]) -> Bool {
        let context = EVP_PKEY_CTX_dup(verifying)
        defer { EVP_PKEY_CTX_free(context) }
        return EVP_PKEY_verify(context, signature, signature.count, digest, digest.count) == 1
    }

    private func signPure(_ message: [UInt8]) throws -> [UInt8] {
        let context = EVP_MD_CTX_new()
        defer { EVP_MD_CTX_free(context) }
        var out = [UInt8](repeating: 0, count: 64)
        var count = out.count
        guard EVP_DigestSignInit(context, nil, nil, nil, pair) == 1,
            EVP_DigestSign(context, &out, &count, message, message.count) == 1, count == 64
        else { throw SigningFault.openSSL("signing") }
        return out
    }

    // MARK: - Preparing

    private static func context(
        _ pair: OpaquePointer, _ algorithm: KeyAlgorithm, _ start: (OpaquePointer?) -> Int32
    ) throws -> OpaquePointer? {
        if algorithm == .ed25519 { return nil }
        guard let context = EVP_PKEY_CTX_new_from_pkey(nil, pair, nil) else { throw SigningFault.openSSL("preparing a key") }
        let isReady =
            start(context) == 1 && EVP_PKEY_CTX_set_signature_md(context, Algorithms.sha256.pointer) == 1
            && (algorithm != .rsaPSS
                || EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1
                    && EVP_PKEY_CTX_set_rsa_mgf1_md(context, Algorithms.sha256.pointer) == 1
                    && EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_MAX) == 1)
        guard isReady else {
            EVP_PKEY_CTX_free(context)
            throw SigningFault.openSSL("preparing a key")
        }
        return context
    }

    private static func jwk(of pair: OpaquePointer, _ algorithm: KeyAlgorithm) throws -> [String: String] {
        switch algorithm {
        case .ed25519:
            var out = [UInt8](repeating: 0, count: 32)
            var count = out.count
            guard EVP_PKEY_get_raw_public_key(pair, &out, &count) == 1, count == 32 else { throw SigningFault.openSSL("reading a key") }
            return ["kty": "OKP", "crv": "Ed25519", "x": Base64URL.encode(out)]
        case .es256:
            let x = try number(pair, OSSL_PKEY_PARAM_EC_PUB_X, count: 32)
            let y = try number(pair, OSSL_PKEY_PARAM_EC_PUB_Y, count: 32)
            return ["kty": "EC", "crv": "P-256", "x": Base64URL.encode(x), "y": Base64URL.encode(y)]
        case .rsaPSS:
            guard EVP_PKEY_get_bits(pair) == 4_096 else { throw SigningFault.library("reading a key", reason: "not RSA-4096") }
            let modulus = try number(pair, OSSL_PKEY_PARAM_RSA_N, count: nil)
            let exponent = try number(pair, OSSL_PKEY_PARAM_RSA_E, count: nil)
            return ["kty": "RSA", "n": Base64URL.encode(modulus), "e": Base64URL.encode(exponent)]
        }
    }

    /// Big-endian, of `count` bytes or as many as the number needs.
    private static func number(_ pair: OpaquePointer, _ name: String, count: Int?) throws -> [UInt8] {
        var value: OpaquePointer?
        guard EVP_PKEY_get_bn_param(pair, name, &value) == 1 else { throw SigningFault.openSSL("reading a key") }
        defer { BN_free(value) }
        var out = [UInt8](repeating: 0, count: count ?? Int(BN_num_bits(value) + 7) / 8)
        guard BN_bn2binpad(value, &out, Int32(out.count)) == out.count else { throw SigningFault.openSSL("reading a key") }
        return out
    }
}

/// Between OpenSSL's DER form of an ECDSA signature and the 64 raw bytes of JOSE.
enum ECDSAForm {
    /// The order of P-256 (FIPS 186-4, D.1.2.3).
    static let order = Hex.decode("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551") ?? []
    static let halfOrder = Hex.decode("7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8") ?? []

    /// The signature with the lower of its two equivalent values of s, so that it has one form.
    static func raw(der: [UInt8]) throws -> [UInt8] {
        let signature = der.withUnsafeBufferPointer {
            var cursor = $0.baseAddress
            return d2i_ECDSA_SIG(nil, &cursor, der.count)
        }
        guard let signature else { throw SigningFault.openSSL("reading a signature") }
        defer { ECDSA_SIG_free(signature) }
        var r = [UInt8](repeating: 0, count: 32)
        var s = [UInt8](repeating: 0, count: 32)
        guard BN_bn2binpad(ECDSA_SIG_get0_r(signature), &r, 32) == 32, BN_bn2binpad(ECDSA_SIG_get0_s(signature), &s, 32) == 32 else {
            throw SigningFault.openSSL("reading a signature")
        }
        return r + (isHigh(s[...]) ? negated(s) : s)
    }

    /// Nil unless 64 bytes with the lower s: nobody but us signs, and one token has one form.
    static func der(raw: [UInt8]) -> [UInt8]? {
        guard raw.count == 64, !isHigh(raw[32...]) else { return nil }
        let body = integer(raw[..<32]) + integer(raw[32...])
        return [0x30, UInt8(body.count)] + body
    }

    /// The same signature with the lower s; nil unless 64 bytes.
    static func lowered(_ raw: [UInt8]) -> [UInt8]? {
        guard raw.count == 64 else { return nil }
        return Array(raw[..<32]) + (isHigh(raw[32...]) ? negated(Array(raw[32...])) : Array(raw[32...]))
    }

    static func isHigh(_ s: ArraySlice<UInt8>) -> Bool { halfOrder.lexicographicallyPrecedes(s) }

    /// order − s
    static func negated(_ s: [UInt8]) -> [UInt8] {
        var out = [UInt8](repeating: 0, count: 32)
        var borrow = 0
        for index in stride(from: 31, through: 0, by: -1) {
            let difference = Int(order[index]) - Int(s[index]) - borrow
            borrow = difference < 0 ? 1 : 0
            out[index] = UInt8(truncatingIfNeeded: difference)
        }
        return out
    }

    private static func integer(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var digits = Array(bytes.drop { $0 == 0 })
        if digits.isEmpty { digits = [0] }
        if digits[0] & 0x80 != 0 { digits.insert(0, at: 0) }
        return [0x02, UInt8(digits.count)] + digits
    }
}
