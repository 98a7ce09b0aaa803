import Foundation
import PluginKit
import Testing

@Suite struct DigestTests {
    @Test(
        "SHA-256 gives the digests of FIPS 180-4's examples",
        arguments: [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
            ),
        ])
    func examples(text: String, digest: String) { #expect(PluginDigest.hex(PluginDigest.sha256(Data(text.utf8))) == digest) }

    @Test("SHA-256 pads right at every length around a block")
    func lengths() {
        // Digest over the digests of 0 … 200 letters `a`; the figure comes from Python's hashlib.
        let all = (0...200).flatMap { PluginDigest.sha256(Data(repeating: 97, count: $0)) }
        #expect(PluginDigest.hex(PluginDigest.sha256(Data(all))) == "1be2d7d291484baf4c78d463a65b40a26c255b1946e5205eac8edad606a76fdd")
    }

    @Test("HMAC-SHA-256 gives the tags of RFC 4231, also for keys longer than a block")
    func hmac() {
        let short = PluginDigest.hmacSHA256(key: Array("Jefe".utf8), Data("what do ya want for nothing?".utf8))
        #expect(PluginDigest.hex(short) == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        let long = PluginDigest.hmacSHA256(
            key: [UInt8](repeating: 0xaa, count: 131), Data("Test Using Larger Than Block-Size Key - Hash Key First".utf8))
        #expect(PluginDigest.hex(long) == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
    }

    @Test("unequal lengths and unequal bytes are unequal")
    func comparison() {
        #expect(PluginDigest.isEqual([1, 2], [1, 2]))
        #expect(!PluginDigest.isEqual([1, 2], [1, 3]))
        #expect(!PluginDigest.isEqual([1, 2], [1, 2, 3]))
    }
}
