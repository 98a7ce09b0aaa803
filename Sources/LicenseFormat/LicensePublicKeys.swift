import COpenSSL
import Foundation
import Signing
import Vocabulary

/// The public halves of the keys that sign licences, or of another purpose, as published under `/.well-known/coditect/license-keys.json`.
package struct LicensePublicKeys: Sendable {
    private struct Key: Sendable {
        let algorithm: KeyAlgorithm
        /// SubjectPublicKeyInfo in DER.
        let der: [UInt8]
    }
    private let keys: [String: Key]

    package static let ofLicenses: Set<KeyPurpose> = [.license, .licenseRSA]

    /// Nil unless the document lists at least one key of these purposes; others are left out.
    package init?(document: JSONValue, purposes: Set<KeyPurpose> = ofLicenses) {
        var keys: [String: Key] = [:]
        for entry in (document["keys"]?.array ?? []).prefix(64) {
            guard let purpose = entry["purpose"]?.string.flatMap(KeyPurpose.init(rawValue:)), purposes.contains(purpose),
                let id = entry["kid"]?.string,
                let algorithm = entry["scheme"]?.string.flatMap(KeyAlgorithm.init(rawValue:)), algorithm != .es256,
                let der = entry["pem"]?.string.flatMap(Self.der)
            else { continue }
            keys[id] = Key(algorithm: algorithm, der: der)
        }
        guard !keys.isEmpty else { return nil }
        self.keys = keys
    }

    /// One public key in PEM, as it is built into a program or stands in `keys/license-public.pem`: Ed25519 or RSA-4096.
    package init?(pem: String) {
        guard let der = Self.der(pem: pem.trimmingCharacters(in: .whitespacesAndNewlines)) else { return nil }
        // A key for Ed25519 is 44 bytes long (RFC 8410), any RSA key far longer.
        keys = [Self.anyID: Key(algorithm: der.count == 44 ? .ed25519 : .rsaPSS, der: der)]
    }
    /// The published document or one key in PEM.
    package init?(text: String, purposes: Set<KeyPurpose> = ofLicenses) {
        if text.contains("-----BEGIN") && !text.contains("{") {
            self.init(pem: text)
        } else {
            guard let json = try? JSONDecoder().decode(JSONValue.self, from: Data(text.utf8)) else { return nil }
            self.init(document: json, purposes: purposes)
        }
    }
    /// A key that came without an id is tried for all.
    private static let anyID = ""

    /// Whether a signature that names this key can be judged at all.
    package func knows(_ id: String) -> Bool { keys[id] != nil || keys[Self.anyID] != nil }

    /// The key is chosen by its id and used as its own kind, whatever the signature says of itself.
    package func verify(_ message: [UInt8], _ mark: SignedLicenseFile.Mark) -> Bool {
        guard let key = keys[mark.keyID] ?? keys[Self.anyID], key.algorithm.rawValue == mark.algorithm else { return false }
        return Self.verify(message, mark.bytes, key)
    }

    /// The signature of a seat's answer in the field's format: hexadecimal, by any of the RSA keys.
    package func verifyFieldFormat(_ message: [UInt8], hex: String) -> Bool {
        guard let bytes = Hex.decode(hex) else { return false }
        return keys.values.contains { $0.algorithm == (bytes.count == 64 ? .ed25519 : .rsaPSS) && Self.verify(message, bytes, $0) }
    }

    private static func verify(_ message: [UInt8], _ signature: [UInt8], _ key: Key) -> Bool {
        defer { ERR_clear_error() }
        let pair: OpaquePointer? = key.der.withUnsafeBufferPointer {
            var cursor = $0.baseAddress
            return d2i_PUBKEY(nil, &cursor, key.der.count)
        }
        guard let pair else { return false }
        defer { EVP_PKEY_free(pair) }
        let context = EVP_MD_CTX_new()
        defer { EVP_MD_CTX_free(context) }
        var options: OpaquePointer?
        switch key.algorithm {
        case .ed25519:
            guard signature.count == 64, EVP_DigestVerifyInit(context, nil, nil, nil, pair) == 1 else { return false }
        case .rsaPSS:
            guard signature.count == 512, EVP_PKEY_get_bits(pair) == 4_096,
                EVP_DigestVerifyInit_ex(context, &options, "SHA256", nil, nil, pair, nil) == 1,
                EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1,
                EVP_PKEY_CTX_set_rsa_mgf1_md_name(options, "SHA256", nil) == 1,
                EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_MAX) == 1
            else { return false }
        case .es256: return false
        }
        return EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
    }

    private static func der(pem: String) -> [UInt8]? {
        guard pem.utf8.count <= 4_096 else { return nil }
        let lines = pem.split(whereSeparator: \.isNewline).map(String.init)
        guard lines.first == "-----BEGIN PUBLIC KEY-----", lines.last == "-----END PUBLIC KEY-----" else { return nil }
        return Data(base64Encoded: lines.dropFirst().dropLast().joined()).map([UInt8].init)
    }
}
