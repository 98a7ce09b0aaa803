import COpenSSL
import Foundation
import Vocabulary

/// A signature of somebody else's key over bytes that are no token: what authenticators sign.
package enum ForeignSignature {
    /// - Parameters:
    ///   - jwk: the public key; a private one is none.
    ///   - algorithm: its name in RFC 7518 or 8037. ECDSA signatures are two numbers of the curve's width, as JOSE has them.
    package static func holds(_ signature: [UInt8], over message: [UInt8], key jwk: JSONValue, algorithm: String) -> Bool {
        guard let key = try? ForeignKey(jwk: jwk) else { return false }
        return key.verify(message, signature, algorithm: algorithm)
    }
    /// Whether the key can be read and signs under this name.
    package static func isKey(_ jwk: JSONValue, for algorithm: String) -> Bool {
        guard let key = try? ForeignKey(jwk: jwk) else { return false }
        return key.digest(of: algorithm) != nil
    }
}

extension HMAC {
    /// HMAC-SHA-1: for the codes of authenticator apps (RFC 6238), and for nothing else.
    package static func sha1(_ message: [UInt8], key: [UInt8]) -> [UInt8] {
        var out = [UInt8](repeating: 0, count: 20)
        var length = 0
        let done = EVP_Q_mac(nil, "HMAC", nil, "SHA1", nil, key, key.count, message, message.count, &out, out.count, &length)
        precondition(done != nil && length == 20, "HMAC-SHA-1 failed")  // only for want of memory
        return out
    }
}
