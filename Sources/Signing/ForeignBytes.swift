import Foundation
import Vocabulary

/// Plain bytes that others signed: what a provider posts to a webhook.
package enum ForeignBytes {
    static let maxMessageBytes = 16_777_216
    /// SubjectPublicKeyInfo of an uncompressed point of P-256, up to the point's x (RFC 5480, 2.2).
    static let head: [UInt8] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01,
        0x07, 0x03, 0x42, 0x00, 0x04,
    ]

    package static func verify(_ bytes: SignedBytes) throws(SignatureRefusal) {
        guard bytes.message.count <= maxMessageBytes, bytes.signature.count <= 1_024 else {
            throw SignatureRefusal(.malformed, "the message or its signature is too large")
        }
        let info = [UInt8](bytes.key)
        guard info.count == head.count + 64, info.starts(with: head) else {
            throw SignatureRefusal(.key, "the key is no SubjectPublicKeyInfo of the curve P-256")
        }
        let point = info[head.count...]
        let key = try ForeignKey(jwk: [
            "kty": "EC", "crv": "P-256", "x": .string(Base64URL.encode(Array(point.prefix(32)))),
            "y": .string(Base64URL.encode(Array(point.suffix(32)))),
        ])
        guard key.verify([UInt8](bytes.message), der: [UInt8](bytes.signature)) else {
            throw SignatureRefusal(.signature, "the signature does not hold")
        }
    }
}
