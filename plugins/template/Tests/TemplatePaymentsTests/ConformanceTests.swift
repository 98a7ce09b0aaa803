import Foundation
import PluginKit
import PluginKitTesting
import Testing

@testable import TemplatePayments

private let now = Timestamp(seconds: 1_800_000_000)
private let manifest = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../plugin.json")

/// What the conformance kit must know of this provider: how it starts, how its webhooks are signed, what a life looks like.
private struct Subject: PaymentProviderSubject {
    func provider(webhookSecrets: [String]) async throws -> any PaymentProvider {
        let context = try PluginBench(manifest: manifest, at: now)
            .context(secrets: ["TEMPLATE_SECRET_KEY": ["key"], "TEMPLATE_WEBHOOK_SECRET": webhookSecrets])
        guard let provider = try await TemplatePayments().make(context).paymentProvider else { throw PluginRefusal("It provides nothing.") }
        return provider
    }
    func delivery(_ body: Data, secret: String, signedAt: Timestamp, receivedAt: Timestamp) -> WebhookDelivery {
        let mark = PluginDigest.hex(PluginDigest.hmacSHA256(key: Array(secret.utf8), Data("\(signedAt.seconds).".utf8) + body))
        return WebhookDelivery(headers: ["template-signature": "t=\(signedAt.seconds),v1=\(mark)"], body: body, receivedAt: receivedAt)
    }
    private func event(_ number: Int, _ type: String, _ data: JSONValue) -> Data {
        let event: JSONValue = [
            "id": .string("evt_\(number)"), "type": .string(type), "created": .int(1_799_999_900 + Int64(number)), "data": data,
        ]
        return (try? event.encoded()) ?? Data()
    }
    var life: [Data] {
        let invoice: [String: JSONValue] = [
            "id": "in_1", "subscription": "sub_1", "amount_minor": 2_900, "currency": "EUR", "period_start": 1_799_999_900,
            "period_end": 1_802_678_300,
        ]
        let subscription: [String: JSONValue] = [
            "id": "sub_1", "quantity": 5, "plan": "team", "period_start": 1_799_999_900, "period_end": 1_802_678_300,
        ]
        return [
            event(1, "checkout.changed", ["id": "co_1", "reference": "ref_1", "subscription": "sub_1", "state": "paid"]),
            event(2, "subscription.changed", .object(subscription.merging(["status": "active"]) { $1 })),
            event(3, "invoice.changed", .object(invoice.merging(["state": "paid"]) { $1 })),
            event(4, "invoice.changed", .object(invoice.merging(["state": "failed"]) { $1 })),
            event(5, "subscription.changed", .object(subscription.merging(["status": "cancelled", "ended_at": 1_799_999_905]) { $1 })),
        ]
    }
    var unknown: Data { event(6, "weather.changed", ["id": "w_1"]) }
}

@Test("the provider passes the public conformance kit")
func conformance() async {
    let findings = await PaymentProviderConformance(Subject(), now: now).run()
    for finding in findings { #expect(finding.faults == [], "\(finding.check)") }
    #expect(findings.count == 13)
}

@Test("a refusal is final, every other failure leaves the outcome unknown")
func failures() async throws {
    for (status, isFinal) in [(400, true), (402, true), (409, false), (429, false), (500, false), (200, false)] {
        let bench = try PluginBench(manifest: manifest, at: now) { _ in OutboundResponse(status: status, body: Data("{}".utf8)) }
        let context = try bench.context(secrets: ["TEMPLATE_SECRET_KEY": ["key"], "TEMPLATE_WEBHOOK_SECRET": ["whsec_1"]])
        let provider = try #require(try await TemplatePayments().make(context).paymentProvider)
        do {
            _ = try await provider.openPortal(PortalRequest(customer: "cus_1", returnURL: "https://platform.test/"))
            Issue.record("\(status) was taken")
        } catch PaymentProviderError.refused { #expect(isFinal, "\(status)") } catch PaymentProviderError.unreachable {
            #expect(!isFinal, "\(status)")
        }
    }
}
