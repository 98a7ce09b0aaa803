import Foundation
import Signing
import Store
import Vocabulary

/// Seals without secrecy but with binding: a box opens only in the context and for the person it was sealed for.
package final class TestSealer: Sealer {
    package struct WrongBox: Error {}
    private let erased = Guarded<Set<UserID>>([])
    private let keyed = Guarded<Set<UserID>>([])
    /// Who has a key: for whom something was sealed, and who was not discarded since.
    package var people: Set<UserID> { keyed.with { $0 } }
    package init() {}

    private func wrap(_ plain: [UInt8], _ label: String) -> [UInt8] {
        let body = plain.map { $0 ^ 0x5a }
        return mix(Array("\(label)|".utf8) + body, 16) + body
    }
    private func unwrap(_ box: [UInt8], _ label: String) throws -> [UInt8] {
        guard box.count >= 16 else { throw WrongBox() }
        let body = Array(box.dropFirst(16))
        guard Array(box.prefix(16)) == mix(Array("\(label)|".utf8) + body, 16) else { throw WrongBox() }
        return body.map { $0 ^ 0x5a }
    }
    package func seal(_ plain: [UInt8], context: String) throws -> [UInt8] { wrap(plain, context) }
    package func open(_ box: [UInt8], context: String) throws -> [UInt8] { try unwrap(box, context) }
    package func seal(_ plain: [UInt8], person: UserID, context: String) throws -> [UInt8] {
        keyed.with { _ = $0.insert(person) }
        return wrap(plain, "\(person)/\(context)")
    }
    package func discard(person: UserID) throws { keyed.with { _ = $0.remove(person) } }
    package func destroy(person: UserID) throws {
        keyed.with { _ = $0.remove(person) }
        erase(person)
    }
    package func open(_ box: [UInt8], person: UserID, context: String) throws -> [UInt8] {
        guard erased.with({ !$0.contains(person) }) else { throw WrongBox() }
        return try unwrap(box, "\(person)/\(context)")
    }
    package func digest(_ plain: [UInt8], purpose: String) -> [UInt8] { mix(Array("\(purpose)|".utf8) + plain, 32) }
    /// As if the person's key had been destroyed.
    package func erase(_ person: UserID) { erased.with { _ = $0.insert(person) } }

    /// A spread of FNV-1a: enough to tell inputs apart in a test.
    private func mix(_ bytes: [UInt8], _ count: Int) -> [UInt8] {
        var out: [UInt8] = []
        var salt: UInt64 = 0
        while out.count < count {
            var hash: UInt64 = 0xcbf2_9ce4_8422_2325 &+ salt
            for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
            withUnsafeBytes(of: hash.littleEndian) { out.append(contentsOf: $0) }
            salt &+= 0x9e37_79b9
        }
        return Array(out.prefix(count))
    }
}

/// Signs recognisably and verifies what it signed. Use the real key ring where bytes matter.
package final class TestSigner: Signer, TokenSigner {
    private let sealer = TestSealer()
    package init() {}
    package func sign(_ message: [UInt8], _ purpose: KeyPurpose) async throws -> Signature {
        Signature(keyID: "test-\(purpose.rawValue)", bytes: sealer.digest(message, purpose: purpose.rawValue))
    }
    package func verify(_ message: [UInt8], _ signature: Signature, _ purpose: KeyPurpose) -> Bool {
        signature.bytes == sealer.digest(message, purpose: purpose.rawValue)
    }
    package func issue(_ claims: JSONValue) async throws -> String {
        let body = try JSONCoding.encode(claims)
        return "\(Hex.encode(body)).\(Hex.encode(sealer.digest([UInt8](body), purpose: "token")))"
    }
    package func verify(_ token: String) -> JSONValue? {
        let parts = token.split(separator: ".").map(String.init)
        guard parts.count == 2, let body = Hex.decode(parts[0]), Hex.decode(parts[1]) == sealer.digest(body, purpose: "token") else {
            return nil
        }
        return try? JSONCoding.decode(JSONValue.self, Data(body))
    }
}
