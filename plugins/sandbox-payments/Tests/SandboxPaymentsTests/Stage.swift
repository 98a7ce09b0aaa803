import Foundation
import PluginKit
import PluginKitTesting
import Synchronization

@testable import SandboxPayments

let moment = Timestamp(seconds: 1_800_000_000)
let manifestFile = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../plugin.json")
let usd = Currency("USD")!

/// The plugin between a person at its pages and a server that takes its webhooks.
final class Stage: Sendable {
    struct Inbox {
        var bodies: [Data] = []
        var facts: [PaymentFact] = []
        var ids: [String] = []
        /// What the server answers next; 200 when empty.
        var answers: [Int] = []
        var refused = 0
    }
    let bench: PluginBench
    let inbox = Mutex(Inbox())
    private let judge = Mutex<(any PaymentProvider)?>(nil)

    init(origin: String = "http://127.0.0.1:8080") throws {
        let door = Door()
        bench = try PluginBench(manifest: manifestFile, at: moment, origin: origin) { try await door.answer($0) }
        door.stage.withLock { $0 = self }
    }

    /// Starts the plugin over the stage's space.
    func start(settings: [String: JSONValue] = [:], secrets: [String: [String]] = [:]) async throws -> any PluginInstance {
        let context = try bench.context(settings: settings, secrets: secrets)
        let instance = try await PluginBench.made(SandboxPayments(), context)
        judge.withLock { $0 = instance.paymentProvider }
        try await instance.start()
        return instance
    }

    fileprivate func take(_ request: OutboundRequest) throws -> OutboundResponse {
        let status = inbox.withLock { $0.answers.isEmpty ? 200 : $0.answers.removeFirst() }
        guard status == 200 else {
            inbox.withLock { $0.refused += 1 }
            if status == 0 { throw OutboundFailure.unsent("no connection") }
            return OutboundResponse(status: status)
        }
        guard let provider = judge.withLock({ $0 }) else { return OutboundResponse(status: 503) }
        let event = try provider.verify(WebhookDelivery(headers: request.headers, body: request.body, receivedAt: bench.clock.now()))
        let facts = try provider.interpret(event)
        inbox.withLock {
            $0.bodies.append(request.body)
            $0.ids.append(event.id)
            $0.facts += facts
        }
        return OutboundResponse(status: 200)
    }

    /// Returns when nothing is under way: all that is due is delivered.
    func settled(_ customer: String) async throws {
        for _ in 0..<100_000 {
            let account = try await Ledger(space: bench.space).account(customer)
            if account?.due(bench.clock.now()) == nil, account?.transfers.contains(where: { $0.arrivesAt <= bench.clock.now() }) != true {
                return
            }
            await Task.yield()
        }
        throw PluginRefusal("webhooks are not delivered")
    }

    var types: [String] {
        inbox.withLock { $0.bodies.compactMap { try? JSONValue.parse($0)["type"]?.string } }
    }
}

private final class Door: Sendable {
    let stage = Mutex<Stage?>(nil)
    func answer(_ request: OutboundRequest) async throws -> OutboundResponse {
        guard let stage = stage.withLock({ $0 }) else { throw OutboundFailure.unsent("no stage") }
        return try stage.take(request)
    }
}

func request(_ key: String = "key_1", quantity: Int = 5, trialDays: Int = 0, customer: String? = nil, tier: String = "team")
    -> CheckoutRequest
{
    CheckoutRequest(
        reference: "ref_\(key)", tenant: "ten_1", tier: tier, interval: .month, quantity: quantity,
        unitPrice: Money(amountMinor: 2_900, currency: usd),
        providerPrice: nil, customer: customer, customerEmail: "ada@example.test", trialDays: trialDays,
        successURL: "http://127.0.0.1:8080/billing/done?a=1&b=2", cancelURL: "http://127.0.0.1:8080/billing", idempotencyKey: key)
}

extension PluginInstance {
    func page(_ method: String, _ url: String, _ form: [String: String] = [:]) async throws -> PageResponse {
        let path = String(url.drop { $0 != "?" }.isEmpty ? url[...] : url.prefix { $0 != "?" })
        let below = path.replacing("http://127.0.0.1:8080", with: "").replacing("/plugins/sandbox/", with: "")
        guard let pages else { throw PluginRefusal("no pages") }
        return try await pages.respond(
            to: PageRequest(method: method, path: below, form: form, formToken: method == "GET" ? ["csrf": "t0<k>en"] : [:]))
    }
}

struct SandboxSubject: PaymentProviderSubject {
    func provider(webhookSecrets: [String]) async throws -> any PaymentProvider {
        let bench = try PluginBench(manifest: manifestFile, at: moment)
        let instance = try await PluginBench.made(
            SandboxPayments(), bench.context(secrets: ["SANDBOX_WEBHOOK_SECRET": webhookSecrets]))
        guard let provider = instance.paymentProvider else { throw PluginRefusal("no provider") }
        return provider
    }
    func delivery(_ body: Data, secret: String, signedAt: Timestamp, receivedAt: Timestamp) -> WebhookDelivery {
        let mark = PluginDigest.hex(PluginDigest.hmacSHA256(key: Array(secret.utf8), Data("\(signedAt.seconds).".utf8) + body))
        return WebhookDelivery(headers: ["sandbox-signature": "t=\(signedAt.seconds),v1=\(mark)"], body: body, receivedAt: receivedAt)
    }
    /// Out of the very state machine that the pages drive.
    var life: [Data] {
        var account = Account(customer: "cus_0123456789abcdef01234567", manner: .inOrder)
        do {
            try account.open(session("cs_1"), now: moment)
            try account.pay("cs_1", by: .cardSucceeds, manner: .inOrder, delay: .seconds(15), now: moment)
            let id = account.subscriptions[0].id
            for step in [Account.Step.failNextPayment, .renewNow, .payOpenInvoice, .refund, .dispute, .endNow] {
                try account.take(step, on: id, delay: .seconds(15), now: moment)
            }
        } catch { return [] }
        return account.pending.map { Data($0.body.utf8) }
    }
    var unknown: Data { Data(#"{"id":"evt_9","type":"weather.changed","created":"2027-01-15T08:00:00Z","data":{"id":"w_1"}}"#.utf8) }
}

extension SandboxSubject: PaymentCallsSubject {
    func stage(_ currency: Currency) async throws -> PaymentStage? {
        let bench = try PluginBench(manifest: manifestFile, at: moment)
        let instance = try await PluginBench.made(SandboxPayments(), bench.context(secrets: ["SANDBOX_WEBHOOK_SECRET": ["whsec_1"]]))
        guard let provider = instance.paymentProvider else { return nil }
        let ledger = Ledger(space: bench.space)
        @Sendable func customer(_ number: Int) -> String {
            "cus_" + String(repeating: "0", count: 20) + String(1_000 + number * 37 % 9_000)
        }
        @Sendable func sell(_ customer: String) async throws {
            try await ledger.update(customer, starting: .inOrder) {
                try $0.open(session("cs_1", currency: currency), now: moment)
                try $0.pay("cs_1", by: .cardSucceeds, manner: .inOrder, delay: .seconds(15), now: moment)
            }
        }
        let first = customer(100)
        try await sell(first)
        guard let sold = try await ledger.account(first) else { return nil }
        let (subscription, invoice) = (sold.subscriptions[0].id, sold.invoices[0].id)
        var stage = PaymentStage(
            provider: provider, customer: first, subscription: subscription, invoice: invoice, payment: invoice,
            paid: Money(amountMinor: 14_500, currency: currency), now: { bench.clock.now() },
            truth: {
                guard let account = try await ledger.account(first) else { throw PluginRefusal("it is gone") }
                let it = try account.subscription(subscription)
                return PaymentTruth(
                    status: it.status, quantity: it.quantity, tier: it.tier, isCancelling: it.cancelsAt != nil,
                    changes: account.pending.count { $0.body.contains("\"subscription.changed\"") },
                    refunds: (account.refunds ?? []).map(\.amount),
                    checkouts: await bench.space.keys(prefix: "session/", after: nil, limit: 100).count)
            })
        stage.coupon = "SANDBOX25"
        let sales = Mutex(0)
        stage.populate = { count in
            for _ in 0..<count {
                try await sell(
                    customer(
                        sales.withLock {
                            $0 += 1
                            return $0
                        }))
            }
        }
        return stage
    }
}

func session(_ id: String, trialDays: Int = 0, currency: Currency = usd) -> Account.Session {
    Account.Session(
        id: id, reference: "ref_1", tier: "team", productName: "Team", interval: .month, quantity: 5,
        unitPrice: Money(amountMinor: 2_900, currency: currency),
        providerPrice: nil, trialDays: trialDays, successURL: "http://127.0.0.1/done", cancelURL: "http://127.0.0.1/back",
        expiresAt: moment + .days(1))
}
