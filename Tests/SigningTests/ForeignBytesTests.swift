import Foundation
import Testing
import Vocabulary

@testable import Signing

@Suite("Bytes that others signed")
struct ForeignBytesTests {
    // Made by Python's cryptography: SECP256R1, ECDSA with SHA-256 over "1795253400" and the body.
    private let key = Data(
        base64Encoded:
            "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE3kenbCK2ugm+r9AFfKPHEeOiXg6yQ9OVCwWVHwIwCgx73VUygns1SaOsdAgMwcEIzOPoenYPVXEyj0FD/F3Mpw==")!
    private let signature = Data(
        base64Encoded: "MEUCIDp8Ja3gDq2VwN8RsZCFs7Lrno3Fflf+twtd/hyNsaHwAiEAwK4wfsUd9JGGuYQP2aqdaKnJHcEKXIEURXXwCHng1mg=")!
    private let message = Data("1795253400[{\"event\":\"delivered\"}]".utf8)

    private func code(_ bytes: SignedBytes) -> SignatureRefusal.Code? {
        do throws(SignatureRefusal) {
            try ForeignBytes.verify(bytes)
            return nil
        } catch {
            return error.code
        }
    }

    @Test("what somebody else's library signed holds, and nothing that is changed in one bit does")
    func bits() {
        #expect(code(SignedBytes(message: message, signature: signature, key: key)) == nil)
        for place in message.indices {
            var other = message
            other[place] ^= 1
            #expect(code(SignedBytes(message: other, signature: signature, key: key)) == .signature)
        }
        for place in signature.indices {
            var other = signature
            other[place] ^= 1
            #expect(code(SignedBytes(message: message, signature: other, key: key)) == .signature, "\(place)")
        }
        for place in key.indices {
            var other = key
            other[place] ^= 1
            #expect(code(SignedBytes(message: message, signature: signature, key: other)) != nil, "\(place)")
        }
    }

    @Test("a signature with more behind it, of no length, of zeros or in raw form is none, and a key that is not a point is no key")
    func shapes() {
        let marks = [
            signature + Data([0]), Data(), Data(signature.dropLast()), Data([0x30, 6, 2, 1, 0, 2, 1, 0]),
            Data([0x30, 6, 2, 1, 1, 2, 1, 1]),
            Data(repeating: 1, count: 64), Data(repeating: 0x30, count: 72), Data([0x30, 0x80]) + signature.dropFirst(2) + Data([0, 0]),
        ]
        for mark in marks { #expect(code(SignedBytes(message: message, signature: mark, key: key)) == .signature, "\(mark.count)") }
        #expect(code(SignedBytes(message: message, signature: Data(count: 2_000), key: key)) == .malformed)
        let keys = [
            Data(), Data(key.dropLast()), key + Data([0]), Data(key.prefix(27)) + Data(repeating: 0, count: 64),
            Data(key.prefix(27)) + Data(repeating: 0xff, count: 64),
        ]
        for other in keys { #expect(code(SignedBytes(message: message, signature: signature, key: other)) == .key, "\(other.count)") }
    }
}
