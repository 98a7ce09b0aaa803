import Foundation
import Signing
import Testing
import Vocabulary

@testable import Webhooks

@Suite("Webhooks: when, whereto, signed how")
struct WebhookRuleTests {
    @Test("tries are spread over a little more than three days, each with its jitter, and then end")
    func schedule() {
        var total = Duration.zero
        for tries in 1...WebhookSchedule.delays.count {
            guard case .again(let least) = WebhookSchedule.verdict(.failed("x"), tries: tries, jitter: 0),
                case .again(let most) = WebhookSchedule.verdict(.failed("x"), tries: tries, jitter: 1)
            else {
                Issue.record("try \(tries) has no next")
                continue
            }
            let base = WebhookSchedule.delays[tries - 1]
            #expect(least.microseconds == base.microseconds * 85 / 100 && most.microseconds == base.microseconds * 115 / 100)
            total = total + base
        }
        #expect(total >= .days(3) && total < .days(4))
        #expect(WebhookSchedule.verdict(.failed("x"), tries: WebhookSchedule.delays.count + 1, jitter: 0) == .failed)
    }

    @Test(
        "an answer is a delivery only in the two hundreds",
        arguments: [
            (200, true), (201, true), (204, true), (299, true), (199, false), (300, false), (301, false), (302, false), (304, false),
            (400, false), (401, false), (404, false), (409, false), (429, false), (500, false), (503, false), (0, false), (999, false),
        ])
    func answers(_ status: Int, _ isDelivered: Bool) {
        let verdict = WebhookSchedule.verdict(.answered(status: status, retryAfterSeconds: nil, text: ""), tries: 1, jitter: 0.5)
        #expect(verdict == (isDelivered ? .delivered : .again(after: .seconds(5))))
    }

    @Test("gone ends it; Retry-After is honoured where it belongs, bounded by a day")
    func wishes() {
        func verdict(_ status: Int, _ seconds: Int64?) -> WebhookSchedule.Verdict {
            WebhookSchedule.verdict(.answered(status: status, retryAfterSeconds: seconds, text: ""), tries: 1, jitter: 0.5)
        }
        #expect(verdict(410, nil) == .gone)
        #expect(verdict(429, 60) == .again(after: .seconds(60)))
        #expect(verdict(503, 1) == .again(after: .seconds(5)))
        #expect(verdict(503, -5) == .again(after: .seconds(5)))
        #expect(verdict(429, .max) == .again(after: .hours(24)))
        #expect(verdict(500, 3_600) == .again(after: .seconds(5)))
    }

    @Test(
        "addresses that not everybody can reach are refused, however they are written",
        arguments: [
            "http://example.com/", "https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://localhost/", "https://api.localhost/", "https://internal/", "https://10.0.0.1/", "https://172.16.0.1/",
            "https://172.31.255.255/", "https://192.168.1.1/", "https://169.254.169.254/latest/meta-data/", "https://100.64.0.1/",
            "https://0.0.0.0/", "https://255.255.255.255/", "https://224.0.0.1/", "https://192.0.2.1/", "https://198.18.0.1/",
            "https://[::1]/", "https://[::]/", "https://[fe80::1]/", "https://[fc00::1]/", "https://[fd12:3456::1]/", "https://[ff02::1]/",
            "https://[::ffff:127.0.0.1]/", "https://[::ffff:10.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://[2001:db8::1]/",
            "https://[2002:7f00:1::]/", "https://168.63.129.16/", "https://[::ffff:a83f:8110]/", "https://[64:ff9b:1::7f00:1]/",
            "https://[::7f00:1]/",
            "https://[fe80::1%25lo]/", "https://[fd00:ec2::254]/", "https://100.100.100.200/", "https://127.0.0.0x1/",
            "https://0x7f.0.0.1/",
            "https://%31%32%37.0.0.1/", "https://\u{ff11}27.0.0.1/", "https://[2001::1]/", "https://user@example.com/",
            "https://user:pass@example.com/",
            "https://example.com/#part", "ftp://example.com/", "javascript:alert(1)", "https:///path", "https://exa mple.com/",
            "https://example.com\\@127.0.0.1/", "https://example.com:0/", "https://example.com:65536/", "https://ex\u{e4}mple.com/",
            "https://example.com/\n", "//example.com/", "https://1.2.3/", "https://example.123/", "https://-/",
        ])
    func refused(_ url: String) { #expect(WebhookAddress(url, opens: false) == nil) }

    @Test(
        "addresses that anybody can reach are taken",
        arguments: [
            ("https://example.com/hook", "example.com", 443), ("https://hooks.example.co.uk:8443/a?b=c", "hooks.example.co.uk", 8443),
            ("https://8.8.8.8/", "8.8.8.8", 443), ("https://172.15.0.1/", "172.15.0.1", 443), ("https://172.32.0.1/", "172.32.0.1", 443),
            ("https://[2606:4700::1111]/", "2606:4700::1111", 443), ("https://[::ffff:8.8.8.8]/", "::ffff:8.8.8.8", 443),
            ("HTTPS://EXAMPLE.COM/", "EXAMPLE.COM", 443), ("https://xn--exmple-cua.com/", "xn--exmple-cua.com", 443),
        ])
    func taken(_ url: String, _ host: String, _ port: Int) throws {
        let address = try #require(WebhookAddress(url, opens: false))
        #expect(address.host == host && address.port == port && address.isTLS)
    }

    @Test("a server of one company may open its own network")
    func opened() {
        for url in ["http://127.0.0.1:9000/", "https://internal/hook", "http://localhost:8080/"] {
            #expect(WebhookAddress(url, opens: true) != nil, "\(url)")
        }
        #expect(WebhookAddress("https://user@internal/", opens: true) == nil)
    }

    @Test("the signature is that of the published example, and of both secrets while one is rotated")
    func signature() throws {
        // Of the specification's own test vector.
        let secret = [UInt8](try #require(Data(base64Encoded: "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")))
        let at = Timestamp(seconds: 1_614_265_330)
        let headers = MessageSignature.headers(
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek", at: at, body: "{\"test\": 2432232314}", secrets: [secret])
        #expect(headers[2] == ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="))
        let both = MessageSignature.headers(id: "m", at: at, body: "{}", secrets: [secret, [1, 2, 3]])
        #expect(both[2].1.split(separator: " ").count == 2)
    }

    @Test("a filter names kinds, a family of them, or all; what nobody sends is no filter")
    func filters() {
        func wants(_ events: [String], _ type: String, _ state: WebhookEndpoint.State = .enabled) -> Bool {
            WebhookEndpoint(
                id: .init(UUID()), url: "", events: events, description: "", state: state, createdAt: Timestamp(seconds: 0)
            ).wants(type)
        }
        #expect(wants(["license.issued"], "license.issued") && !wants(["license.issued"], "subscription.updated"))
        #expect(wants(["license.*"], "license.issued") && !wants(["license.*"], "license") && !wants(["lic*"], "license.issued"))
        #expect(wants(["*"], "anything") && !wants(["*"], "anything", .disabled))
        for pattern in ["*", "license.*", "license.issued"] { #expect(WebhookEventType.isPattern(pattern)) }
        for pattern in ["", "license", "licence.*", ".*", "license.*.*", "**"] {
            #expect(!WebhookEventType.isPattern(pattern), "\(pattern)")
        }
    }
}
