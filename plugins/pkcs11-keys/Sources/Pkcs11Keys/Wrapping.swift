import Foundation
import PluginKit

/// Secrets wrapped under AES-256 keys of the token, in GCM. A box: 1, the nonce of 12 bytes, the ciphertext, the tag of 16.
extension TokenKeys {
    /// Told of every token; one without AES-GCM says so when it is asked.
    var wrapsSecrets: Bool { true }

    func makeWrappingKey(_ name: String) async throws {
        try check(name)
        try await run(KeyServiceLimits.makingSeconds) { [making] session in
            making.lock()
            defer { making.unlock() }
            try session.makeWrapping(name)
        }
    }

    func wrap(_ request: WrappingRequest) async throws -> Data {
        try check(request, upTo: KeyServiceLimits.maxWrappedBytes)
        var random = SystemRandomNumberGenerator()
        let nonce = (0..<12).map { _ in UInt8.random(in: 0...255, using: &random) }
        let gcm = GCM(decrypts: false, nonce: nonce, context: [UInt8](request.context))
        let sealed = try await run { try $0.crypt([UInt8](request.data), gcm, key: request.key) }
        guard sealed.count == request.data.count + 16 else {
            throw KeyServiceError.refused("the HSM answered a ciphertext of \(sealed.count) bytes")
        }
        return Data([Self.boxVersion] + nonce + sealed)
    }

    func unwrap(_ request: WrappingRequest) async throws -> Data {
        try check(request, upTo: KeyServiceLimits.maxBoxBytes)
        let box = [UInt8](request.data)
        guard box.count > 29, box[0] == Self.boxVersion else { throw KeyServiceError.refused("that is no box of this plugin") }
        let gcm = GCM(decrypts: true, nonce: Array(box[1..<13]), context: [UInt8](request.context))
        return Data(try await run { try $0.crypt(Array(box[13...]), gcm, key: request.key) })
    }

    private static let boxVersion: UInt8 = 1

    private func check(_ request: WrappingRequest, upTo limit: Int) throws {
        try check(request.key)
        guard (1...limit).contains(request.data.count), request.context.count <= KeyServiceLimits.maxContextBytes else {
            throw KeyServiceError.refused("a secret to wrap has 1 to \(KeyServiceLimits.maxWrappedBytes) bytes")
        }
    }
}

extension TokenSession {
    func makeWrapping(_ name: String) throws {
        try perform { session in
            guard try module.wraps(slot: try slot()) else {
                throw KeyServiceError.refused("the token does not offer AES-256 in GCM (CKM_AES_KEY_GEN and CKM_AES_GCM); take another HSM")
            }
            if try wrapping(name, session) != nil { return }
            for half in [KeyHalf.secret, .open] where try !module.find(half, named: name, limit: 1, session).isEmpty {
                throw KeyServiceError.refused("\(name) is a key for signatures already")
            }
            try module.makeSymmetric(named: name, id: Array(PluginDigest.sha256(Data(name.utf8)).prefix(16)), session)
            guard try wrapping(name, session) != nil else {
                throw KeyServiceError.refused("the token does not show the key \(name) that it made")
            }
        }
    }

    func crypt(_ data: [UInt8], _ gcm: GCM, key name: String) throws -> [UInt8] {
        try perform { session in
            guard let key = try wrapping(name, session) else { throw KeyServiceError.unknownKey(name) }
            do { return try module.crypt(data, gcm, with: key, session) } catch let fault as CryptokiFault
                where gcm.decrypts && Self.mayBeForged.contains(fault.code)
            {
                // Modules do not agree how they say that a tag is wrong. Where the key still works, it was the box.
                let trial = GCM(decrypts: false, nonce: gcm.nonce.map { ~$0 }, context: [0])
                guard (try? module.crypt([0], trial, with: key, session)) != nil else { throw fault }
                throw KeyServiceError.refused("the box was changed, or wrapped under another key or for something else")
            }
        }
    }
    private static let mayBeForged: Set<UInt> = [0x05, 0x06, 0x20, 0x21, 0x40, 0x41]

    /// Looked at each time: a key that could be read out of the token, or is no AES-256 key, is never used.
    private func wrapping(_ name: String, _ session: SessionHandle) throws -> UInt? {
        guard let object = try one(.symmetric, name, session) else { return nil }
        guard try isKept(object, session) else { throw KeyServiceError.refused("the key \(name) can be read out of the token") }
        guard try number(0x100, object, session) == 0x1f, try number(0x161, object, session) == 32 else {
            throw KeyServiceError.refused("the key \(name) is no AES-256 key")
        }
        return object
    }
    private func number(_ type: UInt, _ object: UInt, _ session: SessionHandle) throws -> UInt? {
        guard let bytes = try module.attribute(type, of: object, session), bytes.count == MemoryLayout<UInt>.size else { return nil }
        return bytes.reversed().reduce(UInt(0)) { $0 << 8 | UInt($1) }
    }
}
