import COpenSSL
import Foundation

/// SHA-256 of what comes piece by piece.
package final class RunningDigest {
    private let context = EVP_MD_CTX_new()
    package init() {
        let status = EVP_DigestInit_ex2(context, Algorithms.sha256.pointer, nil)
        precondition(status == 1, "SHA-256 failed")  // only for want of memory
    }
    deinit { EVP_MD_CTX_free(context) }

    package func add(_ bytes: some ContiguousBytes) {
        let status = bytes.withUnsafeBytes { EVP_DigestUpdate(context, $0.baseAddress, $0.count) }
        precondition(status == 1, "SHA-256 failed")  // only for want of memory
    }
    /// Ends it: nothing may be added after.
    package func finish() -> [UInt8] {
        var out = [UInt8](repeating: 0, count: 32)
        let status = EVP_DigestFinal_ex(context, &out, nil)
        precondition(status == 1, "SHA-256 failed")  // only for want of memory
        return out
    }
}

/// A long text sealed in chunks of a mebibyte, each with AES-256-GCM under a key of this text alone. The nonce is the chunk's number and
/// whether it is the last, so that none can be left out, moved or cut off (STREAM: Hoang, Reyhanitabar, Rogaway, Vizár, 2015).
///
/// On the wire: 8 bytes of name, 32 of salt, then the chunks; all but the last are whole.
package struct SealedStream {
    package static let chunk = 1 << 20
    private static let mark = Array("CDTSEAL1".utf8)
    private static let saltCount = 32
    package static let headCount = mark.count + saltCount
    /// What a whole chunk takes when it is sealed.
    package static let boxCount = AuthenticatedCipher.nonceCount + chunk + AuthenticatedCipher.tagCount

    private let key: SecretBytes
    package let head: [UInt8]
    private var number: UInt64 = 0

    /// For writing. `label` names what is sealed: a text with one label opens under no other.
    package init(sealing secret: SecretBytes, label: String, salt: [UInt8]) {
        precondition(salt.count == Self.saltCount, "a salt has 32 bytes")  // a caller's mistake, never input
        head = Self.mark + salt
        key = Self.key(secret, label, salt)
    }
    /// For reading what begins with `head`.
    package init(opening secret: SecretBytes, label: String, head: [UInt8]) throws {
        guard head.count == Self.headCount, head.starts(with: Self.mark) else { throw SigningFault.sealBroken }
        self.head = head
        key = Self.key(secret, label, Array(head.dropFirst(Self.mark.count)))
    }
    private static func key(_ secret: SecretBytes, _ label: String, _ salt: [UInt8]) -> SecretBytes {
        var bytes = secret.withBytes { HKDF.sha256(secret: $0, salt: salt, info: Array("coditect stream: \(label)".utf8), count: 32) }
        defer { bytes.cleanse() }
        return SecretBytes(bytes)
    }

    /// At most `chunk` bytes; only the last may be shorter.
    package mutating func seal(_ plain: [UInt8], isLast: Bool) throws -> [UInt8] {
        try AuthenticatedCipher.seal(plain, key: key, nonce: nonce(isLast), associated: head)
    }
    package mutating func open(_ box: ArraySlice<UInt8>, isLast: Bool) throws -> [UInt8] {
        guard Array(box.prefix(AuthenticatedCipher.nonceCount)) == nonce(isLast) else { throw SigningFault.sealBroken }
        return try AuthenticatedCipher.open(box, key: key, associated: head)
    }
    private mutating func nonce(_ isLast: Bool) -> [UInt8] {
        defer { number += 1 }
        return withUnsafeBytes(of: number.bigEndian) { Array($0) } + [0, 0, 0, isLast ? 1 : 0]
    }
}
