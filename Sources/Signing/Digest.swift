import COpenSSL
import Foundation
import Store

/// Algorithms of OpenSSL, looked up once: a look-up by name for each use costs more than hashing a short text.
enum Algorithms {
    struct Handle: @unchecked Sendable { let pointer: OpaquePointer }  // immutable and reference counted by OpenSSL; kept for ever

    static let sha256 = Handle(pointer: required(EVP_MD_fetch(nil, "SHA256", nil), "SHA256"))
    static let hmac = Handle(pointer: required(EVP_MAC_fetch(nil, "HMAC", nil), "HMAC"))
    static let aes256gcm = Handle(pointer: required(EVP_CIPHER_fetch(nil, "AES-256-GCM", nil), "AES-256-GCM"))

    private static func required(_ fetch: @autoclosure () -> OpaquePointer?, _ name: String) -> OpaquePointer {
        guard OpenSSLProcess.staysToTheEnd, let pointer = fetch() else {
            preconditionFailure("OpenSSL lacks \(name)")  // a broken installation; nothing can be signed or read
        }
        return pointer
    }
}

/// Hashes of bytes.
package enum Digest {
    /// 32 bytes.
    package static func sha256(_ bytes: some ContiguousBytes) -> [UInt8] {
        var out = [UInt8](repeating: 0, count: 32)
        let status = bytes.withUnsafeBytes { EVP_Digest($0.baseAddress, $0.count, &out, nil, Algorithms.sha256.pointer, nil) }
        precondition(status == 1, "SHA-256 failed")  // only for want of memory
        return out
    }
}

/// HMAC-SHA-256 (RFC 2104).
package enum HMAC {
    package static func sha256(_ message: some ContiguousBytes, key: some ContiguousBytes) -> [UInt8] {
        key.withUnsafeBytes { key in message.withUnsafeBytes { sha256($0, key: key) } }
    }
    package static func sha256(_ message: some ContiguousBytes, key: SecretBytes) -> [UInt8] {
        key.withBytes { key in message.withUnsafeBytes { sha256($0, key: key) } }
    }
    /// Compares in constant time.
    package static func isValid(_ code: [UInt8], for message: some ContiguousBytes, key: some ContiguousBytes) -> Bool {
        ConstantTime.equal(code, sha256(message, key: key))
    }

    private static func sha256(_ message: UnsafeRawBufferPointer, key: UnsafeRawBufferPointer) -> [UInt8] {
        var out = [UInt8](repeating: 0, count: 32)
        var length = 0
        let empty: [UInt8] = [0]
        let context = EVP_MAC_CTX_new(Algorithms.hmac.pointer)
        defer { EVP_MAC_CTX_free(context) }
        // A parameter keeps the addresses that it was made of: both texts live until the call has read them.
        var name = Array("SHA256".utf8CString)
        let status = withTexts("digest", &name) { label, name in
            let parameters = [OSSL_PARAM_construct_utf8_string(label, name, 0), OSSL_PARAM_construct_end()]
            // A null key means "the key of last time" to OpenSSL, so the empty key needs an address.
            return empty.withUnsafeBytes { empty in
                EVP_MAC_init(context, (key.baseAddress ?? empty.baseAddress)?.assumingMemoryBound(to: UInt8.self), key.count, parameters)
            } == 1
                && EVP_MAC_update(context, message.baseAddress?.assumingMemoryBound(to: UInt8.self), message.count) == 1
                && EVP_MAC_final(context, &out, &length, out.count) == 1
        }
        precondition(status && length == 32, "HMAC failed")  // only for want of memory
        return out
    }

    private static func withTexts<Value>(
        _ label: String, _ name: inout [CChar], _ body: (UnsafePointer<CChar>, UnsafeMutablePointer<CChar>?) -> Value
    ) -> Value {
        label.withCString { label in name.withUnsafeMutableBufferPointer { body(label, $0.baseAddress) } }
    }
}

/// HKDF with SHA-256 (RFC 5869).
package enum HKDF {
    /// At most 8,160 bytes.
    package static func sha256(secret: some ContiguousBytes, salt: [UInt8], info: [UInt8], count: Int) -> [UInt8] {
        precondition(count <= 255 * 32, "HKDF gives at most 8160 bytes")  // a caller's mistake, never input
        var key = HMAC.sha256(secret, key: salt.isEmpty ? [UInt8](repeating: 0, count: 32) : salt)
        defer { key.cleanse() }
        var out: [UInt8] = []
        var block: [UInt8] = []
        var counter: UInt8 = 1
        while out.count < count {
            block = HMAC.sha256(block + info + [counter], key: key)
            out.append(contentsOf: block)
            counter &+= 1
        }
        block.cleanse()
        return Array(out.prefix(count))
    }
}
