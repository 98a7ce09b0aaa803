import Foundation
import PluginKit
import Testing

@Suite struct WebhookSignatureTests {
    let now = Timestamp(seconds: 1_800_000_000)
    let body = Data("{\"id\":\"evt_1\"}".utf8)
    func mark(_ seconds: String, _ secret: String = "whsec_a") -> String {
        PluginDigest.hex(PluginDigest.hmacSHA256(key: Array(secret.utf8), Data("\(seconds).".utf8) + body))
    }
    func verdict(_ header: String?, secrets: [String] = ["whsec_a"]) throws -> String {
        do {
            try WebhookSignature(secrets: secrets).verify(header: header, body: body, receivedAt: now)
            return "genuine"
        } catch PaymentProviderError.forged { return "forged" } catch PaymentProviderError.stale { return "stale" }
    }

    @Test("the header is judged by the rules, whatever it looks like")
    func table() throws {
        let t = "1800000000"
        let v1 = mark(t)
        let table: [(String?, String)] = [
            ("t=\(t),v1=\(v1)", "genuine"),
            ("v1=\(v1),t=\(t)", "genuine"),
            ("t=\(t),v1=00,v1=\(v1)", "genuine"),
            ("t=\(t),v1=\(v1),v0=00,v2=11,x", "genuine"),
            ("t=1799999700,v1=\(mark("1799999700"))", "genuine"),
            ("t=1800000300,v1=\(mark("1800000300"))", "genuine"),
            ("t=1799999699,v1=\(mark("1799999699"))", "stale"),
            ("t=1800000301,v1=\(mark("1800000301"))", "stale"),
            ("t=999999999999,v1=\(mark("999999999999"))", "stale"),
            ("t=\(t),v0=\(v1)", "forged"),
            ("t=\(t),v1=\(v1.uppercased())", "forged"),
            ("t=\(t),v1= \(v1)", "forged"),
            ("t=\(t), v1=\(v1)", "forged"),
            ("t=+\(t),v1=\(mark("+1800000000"))", "forged"),
            ("t=,v1=\(mark(""))", "forged"),
            ("t=9999999999999,v1=\(mark("9999999999999"))", "forged"),
            ("t=\(t),t=1,v1=\(v1)", "forged"),
            ("v1=\(v1)", "forged"), ("t=\(t)", "forged"), ("t=\(t),v1=", "forged"), ("", "forged"), (nil, "forged"),
            ("v1,t=,,=,\(v1)", "forged"),
            ("t=\(t)" + String(repeating: ",v1=00", count: 16) + ",v1=\(v1)", "forged"),
        ]
        for (header, expected) in table { #expect(try verdict(header) == expected, "\(header ?? "nil")") }
    }

    @Test("while rolling any secret may match any signature")
    func rolling() throws {
        let t = "1800000000"
        let both = "t=\(t),v1=\(mark(t, "whsec_b")),v1=\(mark(t, "whsec_a"))"
        for secrets in [["whsec_a"], ["whsec_b"], ["whsec_c", " whsec_a "], ["", "whsec_b"]] {
            #expect(try verdict(both, secrets: secrets) == "genuine")
        }
        #expect(try verdict(both, secrets: ["whsec_c"]) == "forged")
        #expect(throws: PluginRefusal.self) { try WebhookSignature(secrets: ["", " "]) }
    }

    @Test("what is signed is verified, under every secret")
    func roundTrip() throws {
        let header = try WebhookSignature(secrets: ["whsec_b", "whsec_a"]).header(body: body, at: now)
        #expect(try verdict(header) == "genuine")
        #expect(try verdict(header, secrets: ["whsec_b"]) == "genuine")
    }
}
