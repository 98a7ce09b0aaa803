import COpenSSL
import Vocabulary

/// Authenticated encryption (AES-256-GCM) of an idempotency result under a key made from the caller's Idempotency-Key and the platform's
/// secret: neither the database alone nor the platform alone opens it.
package struct KeyedBox {
    package static let nonceBytes = 12
    private static let tagBytes = 16
    private let key: [UInt8]

    package init(_ claim: IdempotencyClaim, sealer: any Sealer) {
        key = StoreDigest.sha256(
            sealer.digest(Array("\(claim.scope.utf8.count):\(claim.scope)\(claim.key)".utf8), purpose: "idempotency.seal"))
    }

    package func seal(_ plain: [UInt8], bound: [UInt8], nonce: [UInt8]) throws -> [UInt8] {
        try crypt(plain, bound: bound, nonce: nonce, tag: nil)
    }

    package func open(_ box: [UInt8], bound: [UInt8]) throws -> [UInt8] {
        guard box.count >= KeyedBox.nonceBytes + KeyedBox.tagBytes else { throw StoreFault.corrupt("an idempotency result is cut off") }
        let nonce = Array(box.prefix(KeyedBox.nonceBytes))
        let tag = Array(box.suffix(KeyedBox.tagBytes))
        return try crypt(Array(box.dropFirst(nonce.count).dropLast(tag.count)), bound: bound, nonce: nonce, tag: tag)
    }

    /// Seals without a tag, opens with one.
    private func crypt(_ input: [UInt8], bound: [UInt8], nonce: [UInt8], tag: [UInt8]?) throws -> [UInt8] {
        let failure = StoreFault.corrupt("an idempotency result does not open")
        guard let context = EVP_CIPHER_CTX_new() else { throw failure }
        defer { EVP_CIPHER_CTX_free(context) }
        let isSealing: Int32 = tag == nil ? 1 : 0
        var count: Int32 = 0
        var out = [UInt8](repeating: 0, count: input.count + 16)
        guard EVP_CipherInit_ex(context, EVP_aes_256_gcm(), nil, key, nonce, isSealing) == 1,
            EVP_CipherUpdate(context, nil, &count, bound, Int32(bound.count)) == 1,
            EVP_CipherUpdate(context, &out, &count, input, Int32(input.count)) == 1
        else { throw failure }
        let body = Int(count)
        if var tag { EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(tag.count), &tag) }
        var rest: Int32 = 0
        guard out.withUnsafeMutableBufferPointer({ EVP_CipherFinal_ex(context, $0.baseAddress! + body, &rest) }) == 1 else { throw failure }
        let result = Array(out.prefix(body + Int(rest)))
        guard isSealing == 1 else { return result }
        var made = [UInt8](repeating: 0, count: KeyedBox.tagBytes)
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32(made.count), &made)
        return nonce + result + made
    }
}
