import Foundation
import PluginKit
import PluginKitTesting
import Testing

@testable import SendGridMail

@Suite("SendGrid, reports")
struct SendGridReportTests {
    static let now = Timestamp(seconds: 1_795_253_400)

    private func delivery(_ body: String, at seconds: Int64 = now.seconds, key: Data = Desk.webhookKey) -> WebhookDelivery {
        let stamp = String(seconds)
        return WebhookDelivery(
            headers: [
                "x-twilio-email-event-webhook-timestamp": stamp,
                "x-twilio-email-event-webhook-signature": PretendSignatures.mark(Data((stamp + body).utf8), key: key).base64EncodedString(),
            ], body: Data(body.utf8), receivedAt: Self.now)
    }
    private func channel(_ keys: [Data] = [Desk.webhookKey]) async throws -> any NotificationChannel {
        try await Desk.channel(secrets: ["SENDGRID_WEBHOOK_KEY": keys.map { $0.base64EncodedString() }]) { _ in
            throw OutboundFailure.unsent("reports ask nobody")
        }
    }
    private func said(_ delivery: WebhookDelivery, _ channel: any NotificationChannel) async -> String {
        do {
            return try await channel.reports(delivery).map { "\($0.fate)\($0.isLasting ? "!" : "") \($0.code)" }.joined(separator: ", ")
        } catch {
            return "\(error)"
        }
    }
    private func event(_ kind: String, _ more: String = "") -> String {
        "{\"email\":\"Mary@example.com\",\"timestamp\":1795253399,\"event\":\"\(kind)\",\"sg_event_id\":\"e1==\",\"sg_message_id\":\"m\","
            + "\"coditect_mail\":\"one@example.com\"\(more)}"
    }

    @Test("the webhook passes every clause of the kit")
    func conformance() async {
        let findings = await MailReportConformance(Desk()).run()
        #expect(findings.count >= 9)
        for finding in findings { #expect(finding.faults.isEmpty, "\(finding.check): \(finding.faults)") }
    }

    @Test("each kind of event is the fact that it states; what is none of ours, or no fact, is left out")
    func kinds() async throws {
        let cases: [(String, String)] = [
            (event("processed"), "accepted "), (event("deferred", ",\"response\":\"451 try again\""), "deferred 451"),
            (event("delivered", ",\"response\":\"250 OK\""), "delivered 250"),
            (event("bounce", ",\"type\":\"bounce\",\"status\":\"5.1.1\",\"reason\":\"550 no such user\""), "bounced! 5.1.1"),
            (event("bounce", ",\"type\":\"blocked\",\"status\":\"5.7.1\""), "bounced 5.7.1"),
            (event("bounce", ",\"type\":\"bounce\",\"status\":\"5.2.2\""), "bounced 5.2.2"),
            (event("bounce", ",\"type\":\"bounce\",\"status\":\"4.4.7\""), "bounced 4.4.7"),
            (event("dropped", ",\"reason\":\"Bounced Address\""), "dropped! "),
            (event("dropped", ",\"reason\":\"Unsubscribed Address\""), "dropped "),
            (event("spamreport"), "complained! "), (event("unsubscribe"), "unsubscribed "), (event("group_unsubscribe"), "unsubscribed "),
            (event("open"), ""), (event("click"), ""), (event("what_will_come"), ""),
            ("{\"event\":\"delivered\",\"email\":\"a@b\",\"sg_event_id\":\"x\"}", ""),
            ("7", ""), ("null", ""),
        ]
        let channel = try await channel()
        for (body, expected) in cases { #expect(await said(delivery("[\(body)]"), channel) == expected, "\(body)") }
        let all = try await channel.reports(delivery("[" + cases.map(\.0).joined(separator: ",") + "]"))
        #expect(all.count == 12)
        #expect(all[3].mail == "one@example.com" && all[3].recipient == "mary@example.com" && all[3].id == "e1==")
        #expect(all[3].at == Timestamp(seconds: 1_795_253_399))
        #expect(
            try await channel.reports(delivery("[\(event("bounce", ",\"reason\":\"550 <mary@example.com> unknown\""))]"))[0].reason
                == "550 [address] unknown")
    }

    @Test("forged, stale, future, changed, unsigned and unreadable reports are refused, each as what it is")
    func refusals() async throws {
        let body = "[\(event("delivered"))]"
        let channel = try await channel()
        var changed = delivery(body)
        changed.body = Data(body.replacing("delivered", with: "bounce").utf8)
        var printed = delivery(body)
        printed.body = Data(body.replacing(",", with: ", ").utf8)
        var later = delivery(body)
        later.headers["x-twilio-email-event-webhook-timestamp"] = String(Self.now.seconds + 1)
        var unsigned = delivery(body)
        unsigned.headers["x-twilio-email-event-webhook-signature"] = nil
        var unstamped = delivery(body)
        unstamped.headers["x-twilio-email-event-webhook-timestamp"] = nil
        var long = delivery(body)
        long.headers["x-twilio-email-event-webhook-signature"] = String(repeating: "A", count: 300)
        let other = Data(Desk.webhookKey.prefix(90) + [9])
        for bad in [changed, printed, later, unsigned, unstamped, long, delivery(body, key: other)] {
            #expect(await said(bad, channel).hasPrefix("forged"))
        }
        for seconds in [-301, 301, -90_000] {
            #expect(await said(delivery(body, at: Self.now.seconds + Int64(seconds)), channel).hasPrefix("stale"))
        }
        for seconds in [-300, 300] { #expect(await said(delivery(body, at: Self.now.seconds + Int64(seconds)), channel) == "delivered ") }
        for unreadable in ["{}", "[", "", "\"x\"", "[" + String(repeating: "1,", count: 10_001) + "1]"] {
            #expect(await said(delivery(unreadable), channel).hasPrefix("malformed"))
        }
        #expect(await said(delivery(String(repeating: " ", count: 2_097_153)), channel).hasPrefix("malformed"))
        #expect(await said(delivery(body), try await self.channel([])).hasPrefix("notOffered"))
    }

    @Test("while keys roll, either signs")
    func rolling() async throws {
        let old = Data(Desk.webhookKey.prefix(90) + [9])
        let channel = try await channel([Desk.webhookKey, old])
        for key in [Desk.webhookKey, old] { #expect(await said(delivery("[\(event("delivered"))]", key: key), channel) == "delivered ") }
    }

    @Test("numbers, texts and lies about time end in a time that is one")
    func times() async throws {
        for (text, seconds) in [
            ("\"1795253000\"", Int64(1_795_253_000)), ("-5", Self.now.seconds), ("1e99", Self.now.seconds), ("null", Self.now.seconds),
        ] {
            let body = "[\(event("delivered").replacing("1795253399", with: text))]"
            #expect(try await channel().reports(delivery(body))[0].at == Timestamp(seconds: seconds), "\(text)")
        }
    }
}
