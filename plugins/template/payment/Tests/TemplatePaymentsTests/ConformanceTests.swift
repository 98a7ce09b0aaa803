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
        guard let provider = try await PluginBench.made(TemplatePayments(), context).paymentProvider else {
            throw PluginRefusal("It provides nothing.")
        }
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

/// The provider's other side, in a few words: one subscription, one payment, idempotency keys.
private actor World {
    let currency: String
    var subscription: [String: JSONValue]
    var refunds: [JSONValue] = []
    var checkouts = 0
    var changes = 0
    private var kept: [String: (request: Data, answer: OutboundResponse)] = [:]

    init(_ currency: String) {
        self.currency = currency
        subscription = [
            "id": "sub_1", "customer": "cus_1", "quantity": 5, "plan": "team", "status": "active", "period_start": 1_799_999_900,
            "period_end": 1_802_678_300,
        ]
    }

    func answer(_ request: OutboundRequest) -> OutboundResponse {
        let said = Data(request.url.utf8) + request.body
        if let key = request.headers["idempotency-key"], let old = kept[key] {
            return old.request == said ? old.answer : Self.refusal("This key was used for another request.")
        }
        let body = (try? JSONValue.parse(request.body)) ?? .null
        guard let told = run(String(request.url.dropFirst("https://api.template.example".count)), body) else { return Self.refusal("No.") }
        let answer = OutboundResponse(status: 200, body: (try? told.encoded()) ?? Data())
        if let key = request.headers["idempotency-key"] { kept[key] = (said, answer) }
        return answer
    }
    static func refusal(_ text: String) -> OutboundResponse {
        let body: JSONValue = ["code": "refused", "message": .string(text)]
        return OutboundResponse(status: 400, body: (try? body.encoded()) ?? Data())
    }

    private func run(_ path: String, _ body: JSONValue) -> JSONValue? {
        switch path {
        case "/checkouts":
            checkouts += 1
            return ["id": .string("co_\(checkouts)"), "url": "https://pay.template.example/co"]
        case "/subscriptions/sub_1": break
        case "/subscriptions/sub_1/cancel":
            changes += 1
            subscription["cancels_at"] = subscription["period_end"]
            if body["when"]?.string == "now" {
                subscription["status"] = "cancelled"
                subscription["ended_at"] = 1_799_999_950
            }
        case "/refunds":
            let left = 14_500 - refunds.reduce(0) { $0 + ($1["amount_minor"]?.int ?? 0) }
            let amount = body["amount_minor"]?.int ?? left
            guard body["payment"]?.string == "pay_1", (1...max(1, left)).contains(amount), left > 0,
                body["currency"]?.string ?? currency == currency
            else { return nil }
            refunds.append([
                "id": .string("re_\(refunds.count + 1)"), "payment": "pay_1", "amount_minor": .int(amount), "currency": .string(currency),
                "reason": body["reason"] ?? .null, "state": "succeeded",
            ])
            return refunds.last
        default: return nil
        }
        return .object(subscription)
    }
}

extension Subject: PaymentCallsSubject {
    func stage(_ currency: Currency) async throws -> PaymentStage? {
        let world = World(currency.code)
        let wire = FaultyWire { await world.answer($0) }
        let bench = try PluginBench(manifest: manifest, at: now, skipsSleep: true) { try await wire.send($0) }
        let context = try bench.context(secrets: ["TEMPLATE_SECRET_KEY": ["key_4242"], "TEMPLATE_WEBHOOK_SECRET": ["whsec_1"]])
        guard let provider = try await PluginBench.made(TemplatePayments(), context).paymentProvider else { return nil }
        var stage = PaymentStage(
            provider: provider, customer: "cus_1", subscription: "sub_1", invoice: "in_1", payment: "pay_1",
            paid: Money(amountMinor: 14_500, currency: currency), now: { bench.clock.now() },
            truth: {
                let it = await world.subscription
                return PaymentTruth(
                    status: it["status"]?.string.flatMap { SubscriptionStatus(rawValue: $0) } ?? .incomplete, quantity: 5, tier: nil,
                    isCancelling: it["cancels_at"] != nil, changes: await world.changes,
                    refunds: await world.refunds.map { Money(amountMinor: $0["amount_minor"]?.int ?? 0, currency: currency) },
                    checkouts: await world.checkouts)
            })
        stage.wire = wire
        stage.refusal = { World.refusal($0) }
        stage.secrets = ["key_4242", "whsec_1"]
        stage.log = { bench.log.lines }
        return stage
    }
}

@Test("the provider's calls pass the public conformance kit; skipped is only what it does not claim")
func calls() async {
    let findings = await PaymentCallsConformance(Subject(), now: now).run()
    for finding in findings { #expect(finding.faults == [], "\(finding.check)") }
    #expect(findings.filter(\.isSkipped).count == 12)
}

@Test("a refusal is final, every other failure leaves the outcome unknown")
func failures() async throws {
    for (status, isFinal) in [(400, true), (402, true), (409, false), (429, false), (500, false), (200, false)] {
        let bench = try PluginBench(manifest: manifest, at: now) { _ in OutboundResponse(status: status, body: Data("{}".utf8)) }
        let context = try bench.context(secrets: ["TEMPLATE_SECRET_KEY": ["key"], "TEMPLATE_WEBHOOK_SECRET": ["whsec_1"]])
        let provider = try #require(try await PluginBench.made(TemplatePayments(), context).paymentProvider)
        do {
            _ = try await provider.openPortal(PortalRequest(customer: "cus_1", returnURL: "https://platform.test/"))
            Issue.record("\(status) was taken")
        } catch let error as PaymentProviderError { #expect(error.isFinal == isFinal, "\(status)") }
    }
}
