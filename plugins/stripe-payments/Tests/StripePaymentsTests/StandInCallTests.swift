import Foundation
import PluginKit
import PluginKitTesting
import Testing

@testable import StripePayments

/// Every call of the kit against the stand-in that others wrote: it takes no field that Stripe's API description does not have.
@Suite(.serialized, .enabled(if: StandIn.script != nil, "\(StandIn.absence)"))
struct StandInCallTests {
    private struct Scene {
        let standIn: StandIn
        let provider: any PaymentProvider
        let now: Timestamp
        let subscription: String
        let customer: String
        let invoice: String

        init() async throws {
            standIn = try StandIn()
            var time = timespec()
            clock_gettime(CLOCK_REALTIME, &time)
            now = Timestamp(seconds: Int64(time.tv_sec))
            let bench = try PluginBench(manifest: manifestFile, at: now + .seconds(60), skipsSleep: true) {
                try await LoopbackHTTP().send($0)
            }
            provider = try await StripePaymentsTests.provider(bench, settings: ["api_base": .string(standIn.base)])
            let session = try await provider.startCheckout(request(key: "scene"))
            let completed = try await standIn.control("checkout/complete", ["session": .string(session.id)])
            subscription = try #require(completed["subscription"]?.string)
            customer = try #require(completed["customer"]?.string)
            invoice = try #require(completed["invoice"]?.string)
        }

        /// What the stand-in found fault with: refusals and warnings of all requests so far.
        func faults() async throws -> [String] {
            (try await standIn.control("requests")["data"]?.array ?? []).flatMap { it -> [String] in
                // This very test prepares some objects without naming a version.
                let warnings = (it["warnings"]?.array ?? []).compactMap(\.string).filter { !$0.hasPrefix("no Stripe-Version") }
                let status = it["status"]?.int ?? 0
                let place =
                    "\(it["method"]?.string ?? "") \(it["path"]?.string ?? "")?\(it["query"]?.string ?? "") \(it["body"]?.string ?? "")"
                return warnings.map { "\(place): \($0)" } + (status < 300 ? [] : ["\(place): \(status)"])
            }
        }
        @discardableResult
        func make(_ path: String, _ body: String) async throws -> String {
            let headers = ["authorization": "Bearer sk_test_4242", "content-type": "application/x-www-form-urlencoded"]
            let answer = try await LoopbackHTTP().send(
                OutboundRequest("POST", standIn.base + path, headers: headers, body: Data(body.utf8)))
            return try #require(try JSONValue.parse(answer.body)["id"]?.string, "\(String(decoding: answer.body, as: UTF8.self))")
        }
        func change(_ quantity: Int, price: String? = nil, proration: Proration = .invoiceNow, at: Timestamp? = nil, key: String)
            -> SubscriptionChange
        {
            SubscriptionChange(
                subscription: subscription, tier: "studio", interval: .year, quantity: quantity,
                unitPrice: Money(amountMinor: 49_000, currency: Currency("USD")!), providerPrice: price, proration: proration,
                prorationAt: at, idempotencyKey: key)
        }
    }

    @Test("a subscription is read, previewed, changed, cancelled, resumed, paused and ended without a single fault")
    func subscriptions() async throws {
        let it = try await Scene()
        let first = try await it.provider.readSubscription(it.subscription)
        #expect(first.status == .active && first.quantity == 5 && first.tier == "team" && first.customer == it.customer)
        #expect(first.asOf <= it.now + .seconds(60))
        let price = try await it.make("/v1/prices", "currency=usd&unit_amount=990&recurring[interval]=month&product_data[name]=Pro")
        for (number, proration) in Proration.allCases.enumerated() {
            _ = try? await it.provider.previewChange(it.change(7, proration: proration, key: ""))
            let inline = try await it.provider.changeSubscription(it.change(7 + number, proration: proration, key: "inline\(number)"))
            #expect(inline.quantity == 7 + number && inline.tier == "studio" && inline.interval == .year)
            let known = try await it.provider.changeSubscription(
                it.change(20 + number, price: price, proration: proration, at: it.now, key: "known\(number)"))
            #expect(known.providerPrice == price && known.quantity == 20 + number && known.interval == .month)
        }
        func cancel(_ when: SubscriptionCancellation.When, _ key: String) async throws -> SubscriptionFact {
            try await it.provider.cancelSubscription(
                SubscriptionCancellation(subscription: it.subscription, when: when, idempotencyKey: key))
        }
        let resumption = SubscriptionResumption(subscription: it.subscription, idempotencyKey: "back")
        let leaving = try await cancel(.periodEnd, "leave")
        #expect(leaving.cancelsAt == leaving.periodEnd && leaving.status == .active)
        #expect(try await it.provider.resumeSubscription(resumption).cancelsAt == nil)
        #expect(
            try await it.provider.pauseSubscription(SubscriptionPause(subscription: it.subscription, idempotencyKey: "p")).status == .paused
        )
        let later = SubscriptionResumption(subscription: it.subscription, idempotencyKey: "back 2")
        #expect(try await it.provider.resumeSubscription(later).status == .active)
        // The customer cancels in the portal: only `cancel_at` is set there.
        try await it.standIn.control("subscription/portal_cancel", ["subscription": .string(it.subscription)])
        #expect(try await it.provider.readSubscription(it.subscription).cancelsAt != nil)
        let portal = SubscriptionResumption(subscription: it.subscription, idempotencyKey: "back 3")
        #expect(try await it.provider.resumeSubscription(portal).cancelsAt == nil)
        _ = try await it.provider.changeTrial(
            TrialChange(subscription: it.subscription, endsAt: it.now + .days(9), idempotencyKey: "trial"))
        _ = try await it.provider.changeTrial(TrialChange(subscription: it.subscription, endsAt: nil, idempotencyKey: "trial 2"))
        #expect(try await it.faults() == [])
        #expect(try await cancel(.now, "end").status == .cancelled)
        #expect(try await it.faults() == [])
        #expect(try await cancel(.now, "end").status == .cancelled, "the second time Stripe finds nothing, and it has ended")
        #expect(try await cancel(.periodEnd, "late").status == .cancelled)
    }

    @Test("coupons, invoices and refunds are asked for without a single fault")
    func documents() async throws {
        let it = try await Scene()
        let coupon = try await it.make("/v1/coupons", "percent_off=12.5&duration=repeating&duration_in_months=3")
        let code = try await it.make("/v1/promotion_codes", "promotion[type]=coupon&promotion[coupon]=\(coupon)&code=SPRING")
        let read = try #require(try await it.provider.readCoupon("SPRING"))
        #expect(read.id == code && read.code == "SPRING" && read.basisPointsOff == 1_250 && read.months == 3)
        #expect(try await it.provider.readCoupon(coupon)?.id == coupon)
        for (number, wanted) in ["SPRING", coupon, nil].enumerated() {
            _ = try await it.provider.applyCoupon(
                CouponApplication(subscription: it.subscription, code: wanted, idempotencyKey: "coupon\(number)"))
        }
        var sale = request(key: "with a code")
        sale.coupon = "SPRING"
        _ = try await it.provider.startCheckout(sale)

        let listed = try await it.provider.listInvoices(InvoiceQuery(customer: it.customer, subscription: it.subscription, limit: 1))
        #expect(listed.items.map(\.invoice) == [it.invoice] && listed.next == nil)
        let invoice = try await it.provider.readInvoice(it.invoice)
        #expect(invoice.status == .paid && invoice.total.amountMinor == 14_500 && invoice.subscription == it.subscription)
        #expect(invoice.lines.map(\.amount.amountMinor) == [14_500] && invoice.number != nil && invoice.due.amountMinor == 0)
        _ = try await it.provider.invoicePDF(it.invoice)

        let payment = try await it.make("/v1/payment_intents", "amount=14500&currency=usd")
        for (key, amount) in [("part", Money(amountMinor: 500, currency: Currency("USD")!)), ("rest", nil)] {
            _ = try await it.provider.refund(
                RefundRequest(payment: payment, amount: amount, reason: .duplicate, idempotencyKey: key))
        }
        #expect(try await it.faults() == [])
        #expect(try await it.provider.readCoupon("NONE") == nil)
    }

    @Test("every list is walked without a single fault, a gap or a repetition")
    func lists() async throws {
        let it = try await Scene()
        for number in 0..<5 {
            let session = try await it.provider.startCheckout(request(key: "more\(number)"))
            try await it.standIn.control("checkout/complete", ["session": .string(session.id)])
        }
        let provider = it.provider
        func walk<Item>(_ page: (ChangesRequest) async throws -> ProviderPage<Item>, _ name: (Item) -> String) async throws -> [String] {
            var names: [String] = []
            var request = ChangesRequest(since: it.now - .days(1), limit: 2)
            repeat {
                let found = try await page(request)
                names += found.items.map(name)
                request.cursor = found.next
            } while request.cursor != nil
            return names
        }
        let subscriptions = try await walk({ try await provider.listSubscriptions($0) }, \.subscription)
        let payments = try await walk({ try await provider.listPayments($0) }, \.invoice)
        let events = try await walk({ try await provider.listEvents($0) }, \.id)
        for (names, count) in [(subscriptions, 6), (payments, 6), (events, 42)] {
            #expect(Set(names).count == names.count && names.count >= count, "\(names.count)")
        }
        #expect(try await walk({ try await provider.listRefunds($0) }, \.refund) == [])
        #expect(try await walk({ try await provider.listDisputes($0) }, \.dispute) == [])
        let listed = try await provider.listEvents(ChangesRequest(since: it.now - .days(1)))
        let facts = try listed.items.flatMap { try provider.interpret($0) }
        #expect(facts.contains { if case .invoice(let fact) = $0 { fact.isPaid } else { false } })
        #expect(try await it.faults() == [])
    }

    @Test("a change, a pause and an end whose answers are lost are done once", arguments: ["done_then_reset", "truncate", "500", "hang"])
    func lostAnswers(kind: String) async throws {
        let it = try await Scene()
        try await it.standIn.control("faults", ["match": "POST /v1/subscriptions/*", "kind": .string(kind), "times": 1, "seconds": 1])
        #expect(try await it.provider.changeSubscription(it.change(8, key: "once")).quantity == 8)
        #expect(try await it.provider.changeSubscription(it.change(8, key: "once")).quantity == 8)
        try await it.standIn.control("faults", ["match": "DELETE /v1/subscriptions/*", "kind": .string(kind), "times": 1, "seconds": 1])
        let end = SubscriptionCancellation(subscription: it.subscription, when: .now, idempotencyKey: "end")
        #expect(try await it.provider.cancelSubscription(end).status == .cancelled)
        let updates = try await it.standIn.control("events")["data"]?.array ?? []
        #expect(updates.filter { $0["type"]?.string == "customer.subscription.updated" }.count == 1, "\(kind)")
        #expect(updates.filter { $0["type"]?.string == "customer.subscription.deleted" }.count == 1, "\(kind)")
    }
}
