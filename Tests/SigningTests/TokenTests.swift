import Foundation
import Testing
import Vocabulary

@testable import Signing

private let claims: JSONValue = [
    "sub": "018f0000-0000-7000-8000-000000000000", "exp": 1_795_086_400, "name": "Zoë", "permissions": ["a:b"],
]

@Suite("Access tokens")
struct TokenTests {
    private func parts(_ token: String) -> [String] { token.split(separator: ".", omittingEmptySubsequences: false).map(String.init) }
    private func coded(_ text: String) -> String { Base64URL.encode(Array(text.utf8)) }
    private func plain(_ segment: String) -> String { String(decoding: Base64URL.decode(segment) ?? [], as: UTF8.self) }

    @Test("a token gives back its claims, with a header of alg, kid and typ alone")
    func roundTrip() async throws {
        let ring = try Installation().open()
        let token = try await ring.issue(claims)
        let active = try #require(ring.list().first { $0.purpose == .token && $0.state == .active })
        #expect(plain(parts(token)[0]) == #"{"alg":"ES256","kid":"\#(active.id)","typ":"JWT"}"#)
        // The second time from memory.
        #expect(ring.verify(token) == claims)
        #expect(ring.verify(token) == claims)
    }

    @Test("one changed character anywhere makes it nobody's token, remembered or not")
    func tampered() async throws {
        let ring = try Installation().open()
        let token = try await ring.issue(claims)
        #expect(ring.verify(token) != nil)
        let bytes = Array(token.utf8)
        for index in bytes.indices {
            for replacement in [UInt8(ascii: "A"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "=")]
            where bytes[index] != replacement {
                var changed = bytes
                changed[index] = replacement
                #expect(ring.verify(String(decoding: changed, as: UTF8.self)) == nil)
            }
        }
        for changed in [
            token + "A", token + "=", token + ".", " " + token, token + "\n", token + "." + parts(token)[2], "", ".", "..", "a.b.c",
        ] {
            #expect(ring.verify(changed) == nil)
        }
        #expect(ring.verify(parts(token)[0] + ".." + parts(token)[2]) == nil)
        #expect(ring.verify(parts(token)[0] + "." + parts(token)[1] + ".") == nil)
    }

    @Test(
        "a header that is not, byte for byte, one of ours is refused though the signature over it is good",
        arguments: [
            #"{"alg":"none","kid":"KID","typ":"JWT"}"#, #"{"alg":"none"}"#, #"{"alg":"None","typ":"JWT"}"#,
            #"{"alg":"HS256","kid":"KID","typ":"JWT"}"#, #"{"alg":"HS256","typ":"JWT"}"#, #"{"alg":"es256","kid":"KID","typ":"JWT"}"#,
            #"{"alg":"ES256","typ":"JWT"}"#, #"{"alg":"ES256","kid":"KID"}"#, #"{"kid":"KID","alg":"ES256","typ":"JWT"}"#,
            #"{"alg":"ES256", "kid":"KID","typ":"JWT"}"#, #"{"alg":"ES256","kid":"KID","typ":"JWT","alg":"ES256"}"#,
            #"{"alg":"none","alg":"ES256","kid":"KID","typ":"JWT"}"#, #"{"alg":"ES256","kid":"../../KID","typ":"JWT"}"#,
            #"{"alg":"ES256","kid":"/dev/null","typ":"JWT"}"#,
            #"{"alg":"ES256","kid":"KID","typ":"JWT","jku":"https://evil.example/jwks"}"#,
            #"{"alg":"ES256","jwk":{"crv":"P-256","kty":"EC","x":"AA","y":"AA"},"kid":"KID","typ":"JWT"}"#,
            #"{"alg":"ES256","crit":["exp"],"kid":"KID","typ":"JWT"}"#, #"{"alg":"ES256","kid":"KID","typ":"jwt"}"#,
            #"{"alg":"ES256","kid":"KID' OR '1'='1","typ":"JWT"}"#, #"{"\u0061lg":"ES256","kid":"KID","typ":"JWT"}"#,
        ])
    func headers(header: String) async throws {
        let ring = try Installation().open()
        let kid = try #require(ring.list().first { $0.purpose == .token && $0.state == .active }).id
        let message = "\(coded(header.replacing("KID", with: kid))).\(coded(#"{"sub":"a"}"#))"
        let signature = try await ring.sign(Array(message.utf8), .token)
        #expect(ring.verify("\(message).\(Base64URL.encode(signature.bytes))") == nil)
        // The usual confusion: HMAC with what is public.
        let jwk = try CanonicalJSON.encode(try #require(ring.jwks()["keys"]?.array?.first))
        for secret in [jwk, Array(kid.utf8), []] {
            #expect(ring.verify("\(message).\(Base64URL.encode(HMAC.sha256(Array(message.utf8), key: secret)))") == nil)
        }
        #expect(ring.verify(message + ".") == nil)
    }

    @Test(
        "a signed payload that is not one plain object is refused",
        arguments: [
            #"{"sub":"a","sub":"b"}"#, #"{"sub":"a","\u0073ub":"b"}"#, "[]", "1", "null", "", #"{"sub":"a"} x"#, #"{"a":NaN}"#,
            String(repeating: #"{"a":"#, count: 9) + "1" + String(repeating: "}", count: 9),
        ])
    func payloads(payload: String) async throws {
        let ring = try Installation().open()
        let kid = try #require(ring.list().first { $0.purpose == .token && $0.state == .active }).id
        let message = "\(Token.header(kid)).\(coded(payload))"
        let signature = try await ring.sign(Array(message.utf8), .token)
        #expect(ring.verify("\(message).\(Base64URL.encode(signature.bytes))") == nil)
    }

    @Test("of the two equivalent ECDSA signatures only the lower is written and only it is accepted")
    func oneForm() async throws {
        let key = try AsymmetricKey.generate(.es256)
        for number in 0..<64 {
            let message = Array("message \(number)".utf8)
            let signature = try key.sign(message)
            #expect(signature.count == 64)
            #expect(!ECDSAForm.isHigh(signature[32...]))
            #expect(key.verify(message, signature))
            let twin = Array(signature[..<32]) + ECDSAForm.negated(Array(signature[32...]))
            #expect(!key.verify(message, twin))
            // It is a good signature of the same key, only not ours: OpenSSL itself would take it.
            #expect(ECDSAForm.negated(ECDSAForm.negated(Array(signature[32...]))) == Array(signature[32...]))
        }
    }

    @Test("half of the order is where low ends")
    func halfOrder() {
        let half = ECDSAForm.halfOrder
        #expect(!ECDSAForm.isHigh(half[...]))
        #expect(ECDSAForm.isHigh(ECDSAForm.negated(half)[...]))
        #expect(ECDSAForm.negated(half).last.map { $0 - (half.last ?? 0) } == 1)
    }

    @Test(
        "raw to DER drops and adds the zeros that DER wants",
        arguments: [
            (String(repeating: "00", count: 31) + "01", String(repeating: "00", count: 31) + "7f", "300602010102017f"),
            (String(repeating: "00", count: 31) + "80", String(repeating: "00", count: 32), "30070202008002 0100"),
        ])
    func der(r: String, s: String, der: String) throws {
        let raw = try #require(Hex.decode(r + s))
        #expect(ECDSAForm.der(raw: raw).map { Hex.encode($0) } == der.replacing(" ", with: ""))
        if s.hasSuffix("7f") { #expect(try ECDSAForm.raw(der: try #require(ECDSAForm.der(raw: raw))) == raw) }
    }

    @Test("r or s of zero or of the order is no signature")
    func degenerate() throws {
        let key = try AsymmetricKey.generate(.es256)
        let zero = [UInt8](repeating: 0, count: 32)
        let one = [UInt8](repeating: 0, count: 31) + [1]
        for raw in [zero + zero, zero + one, one + zero, ECDSAForm.order + one, one + ECDSAForm.order, one + one] {
            #expect(!key.verify([1], raw))
        }
    }

    @Test("claims that would make a token too long are refused when issued, and such tokens are not looked at")
    func tooLong() async throws {
        let ring = try Installation().open()
        await #expect(throws: SigningFault.self) {
            _ = try await ring.issue(["a": .string(String(repeating: "x", count: Token.maxBytes))])
        }
        await #expect(throws: SigningFault.self) { _ = try await ring.issue(["not an object"]) }
        #expect(ring.verify(String(repeating: "A", count: 10_000_000)) == nil)
    }
}

@Suite("HS256")
struct SharedSecretTests {
    private let secret = String(repeating: "s", count: 32)

    @Test("is used only if configured, with a secret of 32 bytes or more")
    func configured() async throws {
        let hs = Settings().setting(SigningSettings.tokenAlgorithm, to: "HS256")
        #expect(throws: SigningFault.self) { _ = try Installation(hs).open() }
        #expect(throws: SigningFault.self) {
            _ = try Installation(hs.setting(SigningSettings.jwtSecret, to: String(repeating: "s", count: 31))).open()
        }
        let installation = try Installation(hs.setting(SigningSettings.jwtSecret, to: secret))
        let ring = try installation.open()
        let token = try await ring.issue(claims)
        #expect(token.hasPrefix(Base64URL.encode(Array(#"{"alg":"HS256","typ":"JWT"}"#.utf8)) + "."))
        #expect(ring.verify(token) == claims)
        #expect(ring.verify(String(token.dropLast())) == nil)
        // The secret alone, without HS256 configured, opens nothing.
        let plain = try KeyRing.open(
            directory: installation.directory, masterKey: installation.masterKey, clock: installation.clock, entropy: SystemEntropy(),
            settings: Settings().setting(SigningSettings.jwtSecret, to: secret))
        #expect(plain.verify(token) == nil)
        #expect(ring.verify(try await plain.issue(claims)) == claims)
        #expect(!"\(ring.jwks())".contains("oct"))
    }

    @Test("gives the token of RFC 7515's shape that Python's hmac gives", .enabled(if: Peers.python, "needs /usr/bin/python3"))
    func peer() async throws {
        let settings = Settings().setting(SigningSettings.tokenAlgorithm, to: "HS256").setting(SigningSettings.jwtSecret, to: secret)
        let token = try await Installation(settings).open().issue(["sub": "a"])
        let output = try Peers.python(
            """
            import hmac, hashlib, base64, sys
            token, secret = sys.argv[1], sys.argv[2].encode()
            message, _, signature = token.rpartition('.')
            code = base64.urlsafe_b64encode(hmac.new(secret, message.encode(), hashlib.sha256).digest()).rstrip(b'=').decode()
            print(code == signature)
            """, input: Data(), token, secret)
        #expect(output == "True\n")
    }
}
