import COpenSSL
import Foundation

/// AES-256-GCM (NIST SP 800-38D) with a 96-bit nonce and a 128-bit tag.
package enum AuthenticatedCipher {
    package static let nonceCount = 12
    package static let tagCount = 16

    /// Nonce, ciphertext, tag. A nonce must never come twice under one key.
    package static func seal(_ plain: [UInt8], key: SecretBytes, nonce: [UInt8], associated: [UInt8]) throws -> [UInt8] {
        guard nonce.count == nonceCount, key.count == 32 else { throw SigningFault.sealBroken }
        let context = EVP_CIPHER_CTX_new()
        defer { EVP_CIPHER_CTX_free(context) }
        var out = [UInt8](repeating: 0, count: nonceCount + plain.count + tagCount)
        out.replaceSubrange(0..<nonceCount, with: nonce)
        var length: Int32 = 0
        let done = out.withUnsafeMutableBufferPointer { out in
            let target = out.baseAddress.map { $0 + nonceCount }
            return key.withBytes {
                EVP_EncryptInit_ex2(
                    context, Algorithms.aes256gcm.pointer, $0.baseAddress?.assumingMemoryBound(to: UInt8.self), nonce, nil)
            } == 1
                && EVP_EncryptUpdate(context, nil, &length, associated, Int32(associated.count)) == 1
                && EVP_EncryptUpdate(context, target, &length, plain, Int32(plain.count)) == 1
                && EVP_EncryptFinal_ex(context, target.map { $0 + plain.count }, &length) == 1
                && EVP_CIPHER_CTX_ctrl(
                    context, EVP_CTRL_AEAD_GET_TAG, Int32(tagCount), target.map { UnsafeMutableRawPointer($0 + plain.count) }) == 1
        }
        guard done else { throw SigningFault.openSSL("AES-256-GCM sealing") }
        return out
    }

    /// Throws `sealBroken` unless every bit of box, key and associated data is as it was sealed.
    package static func open(_ box: ArraySlice<UInt8>, key: SecretBytes, associated: [UInt8]) throws -> [UInt8] {
        guard box.count >= nonceCount + tagCount, key.count == 32 else { throw SigningFault.sealBroken }
        let nonce = Array(box.prefix(nonceCount))
        let cipher = Array(box.dropFirst(nonceCount).dropLast(tagCount))
        var tag = Array(box.suffix(tagCount))
        let context = EVP_CIPHER_CTX_new()
        defer { EVP_CIPHER_CTX_free(context) }
        var out = [UInt8](repeating: 0, count: cipher.count + tagCount)
        var length: Int32 = 0
        let done =
            key.withBytes {
                EVP_DecryptInit_ex2(
                    context, Algorithms.aes256gcm.pointer, $0.baseAddress?.assumingMemoryBound(to: UInt8.self), nonce, nil)
            } == 1
            && EVP_DecryptUpdate(context, nil, &length, associated, Int32(associated.count)) == 1
            && EVP_DecryptUpdate(context, &out, &length, cipher, Int32(cipher.count)) == 1
            && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(tagCount), &tag) == 1
            && out.withUnsafeMutableBufferPointer { EVP_DecryptFinal_ex(context, $0.baseAddress.map { $0 + cipher.count }, &length) } == 1
        guard done else {
            ERR_clear_error()
            out.cleanse()
            throw SigningFault.sealBroken
        }
        out.removeLast(tagCount)
        return out
    }
}
