import Foundation
import PluginKit
import PluginKitTesting
import Synchronization
import Testing

@testable import StripePayments

/// Against a stand-in that others wrote, over real connections.
@Suite(.serialized, .enabled(if: StandIn.script != nil, "\(StandIn.absence)"))
struct StandInTests {
    private func start(timeoutSeconds: Int64 = 5) async throws -> (StandIn, any PaymentProvider) {
        let standIn = try StandIn()
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let bench = try PluginBench(manifest: manifestFile, at: Timestamp(seconds: Int64(now.tv_sec)), skipsSleep: true) {
            try await LoopbackHTTP().send($0)
        }
        let settings: [String: JSONValue] = ["api_base": .string(standIn.base), "timeout_seconds": .int(timeoutSeconds)]
        return (standIn, try await provider(bench, settings: settings))
    }
    private func requests(_ standIn: StandIn) async throws -> [JSONValue] { try await standIn.control("requests")["data"]?.array ?? [] }

    @Test("a checkout with an inline price is taken without a single warning, and a retry answers the same session")
    func inlinePrice() async throws {
        let (standIn, provider) = try await start()
        let first = try await provider.startCheckout(request(trialDays: 7))
        #expect(try await provider.startCheckout(request(trialDays: 7)) == first)
        #expect(first.id.hasPrefix("cs_test_") && first.url.hasPrefix("https://checkout.stripe.com/"))
        let sent = try await requests(standIn)
        #expect(sent.map { $0["warnings"]?.array ?? [] } == [[], []])
        #expect(sent.map { $0["replayed"]?.bool ?? false } == [false, true])
        await #expect(throws: PaymentProviderError.self, "the same key for another purchase") {
            _ = try await provider.startCheckout(request(trialDays: 0))
        }
    }

    @Test("a configured price and a known customer are taken; unknown ones are refused with Stripe's code")
    func knownObjects() async throws {
        let (standIn, provider) = try await start()
        let made = try await LoopbackHTTP().send(
            OutboundRequest(
                "POST", "\(standIn.base)/v1/prices",
                headers: ["authorization": "Bearer sk_test_4242", "content-type": "application/x-www-form-urlencoded"],
                body: Data("currency=usd&unit_amount=2900&recurring[interval]=month&product_data[name]=Team".utf8)))
        let price = try #require(try JSONValue.parse(made.body)["id"]?.string)
        let first = try await provider.startCheckout(request(price: price))
        let completed = try await standIn.control("checkout/complete", ["session": .string(first.id)])
        let customer = try #require(completed["customer"]?.string)
        _ = try await provider.startCheckout(request(price: price, customer: customer, key: "key_2"))
        let portal = try await provider.openPortal(PortalRequest(customer: customer, returnURL: "https://platform.test/billing"))
        #expect(portal.url.hasPrefix("https://billing.stripe.com/"))
        for (wrong, key) in [
            (request(price: "price_none", key: "key_3"), "price"), (request(customer: "cus_none", key: "key_4"), "customer"),
        ] {
            do {
                _ = try await provider.startCheckout(wrong)
                Issue.record("an unknown \(key) was taken")
            } catch PaymentProviderError.refused(let code, _) { #expect(code == "resource_missing") }
        }
        await #expect(throws: PaymentProviderError.self) {
            _ = try await provider.openPortal(PortalRequest(customer: "cus_none", returnURL: "https://x.test"))
        }
        #expect(
            try await requests(standIn).flatMap { $0["warnings"]?.array ?? [] }.contains {
                !($0.string ?? "").hasPrefix("no Stripe-Version")
            } == false)
    }

    @Test(
        "whatever breaks on the way, one checkout is one session",
        arguments: ["500", "429", "503_html", "reset", "done_then_reset", "truncate", "hang"])
    func faults(kind: String) async throws {
        let (standIn, provider) = try await start(timeoutSeconds: kind == "hang" ? 1 : 5)
        try await standIn.control("faults", ["match": "POST /v1/checkout/sessions", "kind": .string(kind), "times": 1, "seconds": 3])
        let session = try await provider.startCheckout(request())
        let sent = try await requests(standIn).filter { $0["method"]?.string == "POST" }
        #expect(sent.count == 2, "\(kind)")
        let answer = try await LoopbackHTTP().send(
            OutboundRequest("GET", "\(standIn.base)/v1/checkout/sessions?limit=100", headers: ["authorization": "Bearer sk_test_4242"]))
        let sessions = try JSONValue.parse(answer.body)["data"]?.array ?? []
        #expect(sessions.map { $0["id"]?.string } == [session.id], "\(kind)")
    }

    @Test("what breaks every time is unknown, never refused")
    func persistentFaults() async throws {
        let (standIn, provider) = try await start()
        try await standIn.control("faults", ["match": "* /v1/*", "kind": "reset", "times": 99])
        do {
            _ = try await provider.startCheckout(request())
            Issue.record("it was taken")
        } catch PaymentProviderError.unreachable {}
    }

    @Test("webhooks are judged as they must be in every variant, and a life is told right in new and old shapes")
    func webhooks() async throws {
        let (standIn, provider) = try await start()
        let seen = Mutex<[VerifiedEvent]>([])
        let catcher = try WebhookCatcher { delivery in
            do {
                let event = try provider.verify(delivery)
                seen.withLock { $0.append(event) }
                return 200
            } catch { return 400 }
        }
        try await standIn.control("webhook", ["url": .string(catcher.address), "secret": "whsec_test", "old_secret": "whsec_before"])
        let session = try await provider.startCheckout(request())
        let completed = try await standIn.control("checkout/complete", ["session": .string(session.id)])
        let subscription = try #require(completed["subscription"]?.string)

        func send(_ type: String, _ options: [String: JSONValue] = [:]) async throws -> [Int64?] {
            let asked = JSONValue.object(["type": .string(type)].merging(options) { _, new in new })
            return (try await standIn.control("send_event", asked)["deliveries"]?.array ?? []).map { $0["status"]?.int }
        }
        let verdicts: [(String, Int64)] = [
            ("normal", 200), ("stale", 400), ("future", 400), ("bad_signature", 400), ("wrong_secret", 400), ("no_header", 400),
            ("tampered_body", 400), ("v0_only", 400), ("garbage_header", 400), ("rolled_secret", 200), ("uppercase_hex", 400),
            ("no_timestamp", 400), ("thin", 200), ("reserialized", 400),
        ]
        for (variant, status) in verdicts {
            #expect(try await send("invoice.paid", ["variant": .string(variant)]) == [status], "\(variant)")
        }

        seen.withLock { $0 = [] }
        var told: [String: [PaymentFact]] = [:]
        for (name, options) in [
            ("new", [:]), ("both", ["api_version": "2024-06-20", "legacy": "both"]),
            ("old", ["api_version": "2024-06-20", "legacy": "only"]),
        ]
            as [(String, [String: JSONValue])]
        {
            seen.withLock { $0 = [] }
            for type in ["checkout.session.completed", "customer.subscription.updated", "invoice.paid", "invoice.payment_succeeded"] {
                #expect(try await send(type, options.merging(["copies": 2]) { $1 }) == [200, 200])
            }
            let events = seen.withLock { $0 }
            #expect(Set(events.map(\.id)).count == 4 && events.count == 8, "a repeated webhook keeps its id")
            told[name] = try events.flatMap { try provider.interpret($0) }.map { $0.at(moment) }
        }
        #expect(told["new"] == told["both"] && told["new"] == told["old"])
        let facts = try #require(told["new"])
        guard case .checkout(let checkout) = facts[0], case .subscription(let mirrored) = facts[2], case .invoice(let invoice) = facts[4]
        else {
            throw PluginRefusal("other facts: \(facts)")
        }
        #expect(checkout.isPaid && checkout.reference == "ref_1" && checkout.subscription == subscription)
        #expect(mirrored.subscription == subscription && mirrored.quantity == 5 && mirrored.tier == "team" && mirrored.reference == "ref_1")
        #expect(mirrored.status == .active && mirrored.interval == .month && mirrored.periodEnd != nil)
        #expect(invoice.isPaid && invoice.subscription == subscription && invoice.periodEnd == mirrored.periodEnd)
        #expect(invoice.amount == Money(amountMinor: 14_500, currency: Currency("USD")!))
        #expect(facts[4] == facts[6], "one payment under two types is one fact")

        // The rest of the life: a delayed method, a failed renewal, a cancellation in the portal, the end.
        seen.withLock { $0 = [] }
        try await standIn.control("webhook", ["url": .string(catcher.address), "secret": "whsec_test"])
        let renewed = try await standIn.control("subscription/renew", ["subscription": .string(subscription), "outcome": "failed"])
        let open = try #require(renewed["invoice"]?["id"]?.string)
        #expect(try await send("invoice.payment_failed", ["object_id": .string(open)]) == [200])
        try await standIn.control("subscription/portal_cancel", ["subscription": .string(subscription)])
        #expect(try await send("customer.subscription.updated") == [200])
        try await standIn.control("subscription/end", ["subscription": .string(subscription)])
        #expect(try await send("customer.subscription.deleted") == [200])
        let rest = try seen.withLock { $0 }.flatMap { try provider.interpret($0) }
        guard case .invoice(let failed) = rest[0], case .subscription(let leaving) = rest[1], case .subscription(let gone) = rest[2] else {
            throw PluginRefusal("other facts: \(rest)")
        }
        #expect(failed.hasFailed && !failed.isPaid && failed.nextAttemptAt != nil && failed.subscription == subscription)
        #expect(leaving.status == .pastDue && leaving.cancelsAt != nil && leaving.cancelsAt == leaving.periodEnd)
        #expect(gone.status == .cancelled && gone.endedAt != nil)
        let late = try await provider.startCheckout(request(key: "key_late"))
        let unpaid = try await standIn.control("checkout/complete", ["session": .string(late.id), "payment_status": "unpaid"])
        #expect(unpaid["payment_status"]?.string == "unpaid")
        seen.withLock { $0 = [] }
        #expect(try await send("checkout.session.completed", ["object_id": .string(late.id)]) == [200])
        guard case .checkout(let waiting) = try provider.interpret(seen.withLock { $0[0] }).first else {
            throw PluginRefusal("no checkout")
        }
        #expect(!waiting.isPaid && !waiting.hasFailed)
    }
}

extension PaymentFact {
    /// The same fact at another time, so that facts of events sent one after the other can be compared.
    func at(_ moment: Timestamp) -> PaymentFact {
        switch self {
        case .checkout(var fact):
            fact.asOf = moment
            return .checkout(fact)
        case .subscription(var fact):
            fact.asOf = moment
            return .subscription(fact)
        case .invoice(var fact):
            fact.asOf = moment
            return .invoice(fact)
        default: return self
        }
    }
}
