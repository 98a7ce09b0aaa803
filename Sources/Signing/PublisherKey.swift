import COpenSSL
import Foundation

/// The public Ed25519 key of somebody outside, who signs what this server loads.
package struct PublisherKey: Sendable, Hashable {
    /// RFC 8032, 32 bytes.
    package let bytes: [UInt8]
    /// RFC 8410: what stands before the key's bytes in a SubjectPublicKeyInfo.
    private static let prefix: [UInt8] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00]

    /// From Base64: the 32 bytes alone, or the body of the PEM that `openssl pkey -pubout` writes.
    package init?(base64: String) {
        guard let data = Data(base64Encoded: base64) else { return nil }
        let bytes = [UInt8](data)
        if bytes.count == 32 {
            self.bytes = bytes
        } else if bytes.count == 44, Array(bytes.prefix(12)) == Self.prefix {
            self.bytes = Array(bytes.suffix(32))
        } else {
            return nil
        }
    }

    package func verifies(_ message: [UInt8], _ signature: [UInt8]) -> Bool {
        defer { ERR_clear_error() }
        guard signature.count == 64, let key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nil, bytes, bytes.count) else { return false }
        defer { EVP_PKEY_free(key) }
        let context = EVP_MD_CTX_new()
        defer { EVP_MD_CTX_free(context) }
        return EVP_DigestVerifyInit(context, nil, nil, nil, key) == 1
            && EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
    }
}
