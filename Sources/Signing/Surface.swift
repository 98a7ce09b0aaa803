import COpenSSL
import Foundation
import Vocabulary

/// What a key is for. A key of one purpose never signs for another.
package enum KeyPurpose: String, Sendable, CaseIterable, Codable {
    /// ES256, access tokens.
    case token
    /// RSA-4096, the field signature of seat answers and licence files.
    case licenseRSA = "license_rsa"
    /// Ed25519, licence files.
    case license
    /// Ed25519, journal checkpoints.
    case journal
}

/// The library that signs, as the process found it when it was loaded.
package enum CryptoLibrary {
    /// `OpenSSL 3.0.19 27 Jan 2026`
    package static var version: String { String(cString: OpenSSL_version(OPENSSL_VERSION)) }
}

package struct Signature: Sendable, Hashable {
    package let keyID: String
    package let bytes: [UInt8]
    package init(keyID: String, bytes: [UInt8]) {
        self.keyID = keyID
        self.bytes = bytes
    }
}

/// Signs and verifies. RSA runs on its own bounded pool, never on an event loop; equal messages are signed once.
package protocol Signer: Sendable {
    /// Over exactly `message`; callers pass prefixed or typed bytes (`TypedMessage`), but for the field format of SPEC 9.
    func sign(_ message: [UInt8], _ purpose: KeyPurpose) async throws -> Signature
    func verify(_ message: [UInt8], _ signature: Signature, _ purpose: KeyPurpose) -> Bool
}

/// Access tokens: JWT, ES256 (HS256 only if configured), header fixed by our own ring.
package protocol TokenSigner: Sendable {
    /// `claims` as a JSON object.
    func issue(_ claims: JSONValue) async throws -> String
    /// The claims of a token whose signature and header are ours; times are the caller's to check. Nil for anything else.
    func verify(_ token: String) -> JSONValue?
}

package enum Hex {
    private static let digits = Array("0123456789abcdef".utf8)

    package static func encode(_ bytes: some Collection<UInt8>) -> String {
        String(unsafeUninitializedCapacity: bytes.count * 2) { out in
            var at = 0
            for byte in bytes {
                out[at] = digits[Int(byte >> 4)]
                out[at + 1] = digits[Int(byte & 15)]
                at += 2
            }
            return at
        }
    }
    /// Nil unless an even number of hex digits.
    package static func decode(_ text: String) -> [UInt8]? {
        let bytes = Array(text.utf8)
        guard bytes.count % 2 == 0 else { return nil }
        func nibble(_ byte: UInt8) -> UInt8? {
            switch byte {
            case 48...57: byte - 48
            case 97...102: byte - 87
            case 65...70: byte - 55
            default: nil
            }
        }
        var out: [UInt8] = []
        for index in stride(from: 0, to: bytes.count, by: 2) {
            guard let high = nibble(bytes[index]), let low = nibble(bytes[index + 1]) else { return nil }
            out.append(high << 4 | low)
        }
        return out
    }
}
