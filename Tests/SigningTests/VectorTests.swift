import Foundation
import Testing
import Vocabulary

@testable import Signing

private func hex(_ text: String) -> [UInt8] { Hex.decode(text.replacing(" ", with: "")) ?? [] }
private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

@Suite("Vectors of the standards")
struct VectorTests {
    @Test(
        "SHA-256 gives the examples of FIPS 180-4",
        arguments: [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
            ),
        ])
    func sha256(text: String, digest: String) { #expect(Hex.encode(Digest.sha256(bytes(text))) == digest) }

    @Test(
        "HMAC-SHA-256 gives the test cases of RFC 4231",
        arguments: [
            (String(repeating: "0b", count: 20), "4869205468657265", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
            ),
            (
                String(repeating: "aa", count: 131), Hex.encode(bytes("Test Using Larger Than Block-Size Key - Hash Key First")),
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
            ),
        ])
    func hmac(key: String, message: String, code: String) {
        let found = HMAC.sha256(hex(message), key: hex(key))
        #expect(Hex.encode(found) == code)
        #expect(HMAC.sha256(hex(message), key: SecretBytes(hex(key))) == found)
        #expect(HMAC.isValid(found, for: hex(message), key: hex(key)))
        #expect(!HMAC.isValid(Array(found.dropLast()), for: hex(message), key: hex(key)))
    }

    @Test("HMAC takes an empty key and an empty message")
    func hmacOfNothing() {
        #expect(
            Hex.encode(HMAC.sha256([UInt8](), key: [UInt8]())) == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad")
    }

    @Test("HKDF gives the test cases of RFC 5869")
    func hkdf() {
        let first = HKDF.sha256(
            secret: [UInt8](repeating: 0x0b, count: 22), salt: hex("000102030405060708090a0b0c"), info: hex("f0f1f2f3f4f5f6f7f8f9"),
            count: 42)
        #expect(Hex.encode(first) == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")
        let long = HKDF.sha256(secret: Array(0x00...0x4f), salt: Array(0x60...0xaf), info: Array(0xb0...0xff), count: 82)
        #expect(
            Hex.encode(long)
                == "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
                + "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87")
        let bare = HKDF.sha256(secret: [UInt8](repeating: 0x0b, count: 22), salt: [], info: [], count: 42)
        #expect(Hex.encode(bare) == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8")
    }

    @Test("AES-256-GCM gives test cases 14 and 16 of the GCM specification")
    func gcm() throws {
        let zero = try AuthenticatedCipher.seal(
            [UInt8](repeating: 0, count: 16), key: SecretBytes([UInt8](repeating: 0, count: 32)), nonce: [UInt8](repeating: 0, count: 12),
            associated: [])
        #expect(Hex.encode(zero.dropFirst(12)) == "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919")
        let key = SecretBytes(hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"))
        let plain = hex(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39")
        let associated = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
        let box = try AuthenticatedCipher.seal(plain, key: key, nonce: hex("cafebabefacedbaddecaf888"), associated: associated)
        #expect(
            Hex.encode(box.dropFirst(12))
                == "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
                + "76fc6ece0f4e1768cddf8853bb2d551b")
        #expect(try AuthenticatedCipher.open(box[...], key: key, associated: associated) == plain)
    }

    @Test(
        "base64url gives the examples of RFC 4648 without padding",
        arguments: [
            ("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE"), ("foobar", "Zm9vYmFy"),
        ])
    func base64url(text: String, coded: String) {
        #expect(Base64URL.encode(bytes(text)) == coded)
        #expect(Base64URL.decode(coded) == bytes(text))
    }

    @Test(
        "base64url has one form for each value: padding, the other alphabet, spare bits and impossible lengths are refused",
        arguments: ["Zg==", "Zh", "Zm9=", "+/", "Z", "Zm9vY", "Zm 9v", "Zm9v\n", "ä"])
    func base64urlRefused(coded: String) { #expect(Base64URL.decode(coded) == nil) }

    @Test("base64url and hexadecimal read back all bytes")
    func codings() {
        let all = Array(UInt8.min...UInt8.max)
        #expect(Base64URL.decode(Base64URL.encode(all)) == all)
        #expect(Base64URL.encode([0xfb, 0xff]) == "-_8")
        #expect(Hex.decode(Hex.encode(all)) == all)
        #expect(Hex.decode("0") == nil)
        #expect(Hex.decode("0g") == nil)
    }

    @Test("constant-time comparison tells equal from unequal, in length too")
    func constantTime() {
        #expect(ConstantTime.equal([], []))
        #expect(ConstantTime.equal([1, 2], [1, 2]))
        #expect(!ConstantTime.equal([1, 2], [1, 3]))
        #expect(!ConstantTime.equal([1, 2], [1, 2, 3]))
    }

    @Test("an Ed25519 key of RFC 8032 gives that test's signature, and the thumbprint of RFC 8037")
    func ed25519() throws {
        // RFC 8032 section 7.1, TEST 1 in PKCS #8 (RFC 8410): its public key is also the example of RFC 8037, appendix A.
        let key = try AsymmetricKey(
            privateDER: hex("302e020100300506032b657004220420 9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"), .ed25519)
        #expect(key.jwk["x"] == "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
        #expect(key.id == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")
        let signature = try key.sign([])
        #expect(
            Hex.encode(signature)
                == "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        )
        #expect(key.verify([], signature))
        #expect(!key.verify([0], signature))
    }
}
