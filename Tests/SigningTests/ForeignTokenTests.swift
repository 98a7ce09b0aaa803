import Foundation
import Testing
import Vocabulary

@testable import Signing

/// A provider's key, and tokens as it or somebody else would make them.
private struct Issuer {
    let key: AsymmetricKey
    let id: String
    init(_ algorithm: KeyAlgorithm = .es256, id: String = "key-1") throws {
        key = try AsymmetricKey.generate(algorithm)
        self.id = id
    }
    var jwk: JSONValue {
        var members = key.jwk.mapValues { JSONValue.string($0) }
        members["kid"] = .string(id)
        members["use"] = "sig"
        return .object(members)
    }
    func token(_ header: String? = nil, _ payload: String = #"{"sub":"1"}"#) throws -> String {
        let name = key.algorithm == .ed25519 ? "EdDSA" : "ES256"
        let head = header ?? #"{"alg":"\#(name)","kid":"\#(id)","typ":"JWT"}"#
        let message = "\(Base64URL.encode(Array(head.utf8))).\(Base64URL.encode(Array(payload.utf8)))"
        return "\(message).\(Base64URL.encode(try key.sign(Array(message.utf8))))"
    }
}

@Suite("Tokens of identity providers")
struct ForeignTokenTests {
    private func code(_ text: String, _ keys: [JSONValue], types: Set<String> = ["", "jwt"]) -> SignatureRefusal.Code? {
        do {
            _ = try ForeignToken.verify(SignedToken(text, keys: keys, algorithms: SignatureLimits.algorithms, types: types))
            return nil
        } catch { return error.code }
    }

    @Test("a token of a key that is trusted gives its payload and names the key", arguments: [KeyAlgorithm.es256, .ed25519])
    func genuine(algorithm: KeyAlgorithm) throws {
        let issuer = try Issuer(algorithm)
        let found = try ForeignToken.verify(
            SignedToken(try issuer.token(), keys: [issuer.jwk], algorithms: SignatureLimits.algorithms))
        #expect(found.payload == ["sub": "1"])
        #expect(found.keyID == "key-1")
        #expect(found.thumbprint == issuer.key.id)
    }

    @Test("every token that a hostile provider or a thief could make is refused for what it is")
    func hostile() throws {
        let issuer = try Issuer()
        let thief = try Issuer()
        let keys = [issuer.jwk]
        let good = try issuer.token()
        let parts = good.split(separator: ".").map(String.init)
        func part(_ text: String) -> String { Base64URL.encode(Array(text.utf8)) }
        let thiefs = String(decoding: try CanonicalJSON.encode(thief.jwk), as: UTF8.self)
        let cases: [(String, String, SignatureRefusal.Code)] = [
            ("alg none", "\(part(#"{"alg":"none"}"#)).\(parts[1]).", .algorithm),
            ("alg none with the signature", "\(part(#"{"alg":"none","kid":"key-1"}"#)).\(parts[1]).\(parts[2])", .algorithm),
            ("alg in another case", try issuer.token(#"{"alg":"es256","kid":"key-1"}"#), .algorithm),
            ("HS256 with the public key", try issuer.token(#"{"alg":"HS256","kid":"key-1"}"#), .algorithm),
            ("no alg", try issuer.token(#"{"kid":"key-1"}"#), .algorithm),
            ("an embedded key", try thief.token(#"{"alg":"ES256","jwk":\#(thiefs)}"#), .header),
            ("jku", try thief.token(#"{"alg":"ES256","kid":"key-1","jku":"https://evil.example/keys"}"#), .header),
            ("x5u", try thief.token(#"{"alg":"ES256","kid":"key-1","x5u":"https://evil.example/c"}"#), .header),
            ("x5c", try thief.token(#"{"alg":"ES256","kid":"key-1","x5c":["AA"]}"#), .header),
            ("crit", try issuer.token(#"{"alg":"ES256","kid":"key-1","crit":["b64"],"b64":false}"#), .header),
            ("a key id with a path", try thief.token(#"{"alg":"ES256","kid":"../../dev/null"}"#), .header),
            ("a key id from the root", try thief.token(#"{"alg":"ES256","kid":"/etc/passwd"}"#), .header),
            ("a key id that is no text", try thief.token(#"{"alg":"ES256","kid":1}"#), .header),
            ("another's key under the same id", try thief.token(), .signature),
            ("an unknown key", try Issuer(id: "key-9").token(), .unknownKey),
            ("a wrong typ", try issuer.token(#"{"alg":"ES256","kid":"key-1","typ":"at+jwt"}"#), .type),
            ("a typ that is no text", try issuer.token(#"{"alg":"ES256","kid":"key-1","typ":["JWT"]}"#), .header),
            ("duplicate claims", try issuer.token(nil, #"{"sub":"1","sub":"2"}"#), .malformed),
            ("a duplicate in the header", try issuer.token(#"{"alg":"ES256","alg":"none","kid":"key-1"}"#), .malformed),
            ("a payload that is a list", try issuer.token(nil, "[1]"), .malformed),
            ("a payload of endless depth", try issuer.token(nil, #"{"a":"# + String(repeating: "[", count: 200)), .malformed),
            ("four parts", good + ".x", .malformed), ("two parts", "\(parts[0]).\(parts[1])", .malformed),
            ("a signature cut", "\(parts[0]).\(parts[1]).\(parts[2].dropLast(2))", .signature),
            ("a signature of zeros", "\(parts[0]).\(parts[1]).\(Base64URL.encode([UInt8](repeating: 0, count: 64)))", .signature),
            ("another payload", "\(parts[0]).\(part(#"{"sub":"2"}"#)).\(parts[2])", .signature),
            ("padding", "\(parts[0])=.\(parts[1]).\(parts[2])", .malformed),
            ("a megabyte", good + String(repeating: "A", count: 1_000_000), .malformed), ("nothing", "", .malformed),
        ]
        for (name, text, refusal) in cases { #expect(code(text, keys) == refusal, "\(name)") }
        #expect(code(good, keys) == nil)
    }

    @Test("a key is taken only for what it is: use, operations, algorithm, length, one of its id")
    func keys() throws {
        let issuer = try Issuer()
        let text = try issuer.token()
        func with(_ change: (inout [String: JSONValue]) -> Void) -> [JSONValue] {
            var members = issuer.jwk.object ?? [:]
            change(&members)
            return [.object(members)]
        }
        #expect(code(text, with { $0["use"] = "enc" }) == .unknownKey)
        #expect(code(text, with { $0["alg"] = "RS256" }) == .unknownKey)
        #expect(code(text, with { $0["key_ops"] = ["sign"] }) == .unknownKey)
        #expect(code(text, with { $0["d"] = "AA" }) == .unknownKey)
        #expect(code(text, with { $0["kty"] = "oct" }) == .unknownKey)
        #expect(code(text, with { $0["x"] = "AA" }) == .key)
        #expect(code(text, with { $0["y"] = .string(Base64URL.encode([UInt8](repeating: 7, count: 32))) }) == .key)
        #expect(code(text, with { $0["crv"] = "secp256k1" }) == .key)
        #expect(code(text, [issuer.jwk, issuer.jwk]) == .key)
        #expect(code(text, []) == .unknownKey)
        #expect(code(text, Array(repeating: issuer.jwk, count: 101)) == .key)
        let short: JSONValue = [
            "kty": "RSA", "kid": "key-1", "n": .string(Base64URL.encode([UInt8](repeating: 0xC3, count: 128))), "e": "AQAB",
        ]
        #expect(code(try issuer.token(#"{"alg":"RS256","kid":"key-1"}"#), [short]) == .key)
    }

    @Test("without a key id the one key that can sign so is taken, and no one of two")
    func withoutID() throws {
        let issuer = try Issuer()
        let edwards = try Issuer(.ed25519, id: "key-2")
        let text = try issuer.token(#"{"alg":"ES256"}"#)
        #expect(code(text, [issuer.jwk, edwards.jwk]) == nil)
        #expect(code(text, [issuer.jwk, try Issuer(id: "key-3").jwk]) == .key)
    }

    @Test("RFC 7515's own example of RS256 verifies, and no other payload under its signature")
    func publishedRSA() throws {
        let key: JSONValue = [
            "kty": "RSA", "e": "AQAB",
            "n":
                "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
        ]
        let head = "eyJhbGciOiJSUzI1NiJ9"
        let body = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
        let signature =
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
        #expect(code("\(head).\(body).\(signature)", [key]) == nil)
        #expect(code("\(head).\(Base64URL.encode(Array("{}".utf8))).\(signature)", [key]) == .signature)
    }
}
