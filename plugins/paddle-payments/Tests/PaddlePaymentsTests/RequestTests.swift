import Foundation
import PluginKit
import PluginKitTesting
import Synchronization
import Testing

@testable import PaddlePayments

/// What goes out, and what is made of answers that are not those of a good day.
@Suite struct RequestTests {
    private func answered(_ data: JSONValue, status: Int = 200, more: [String: JSONValue] = [:]) -> OutboundResponse {
        let body = JSONValue.object(["data": data, "meta": ["request_id": "r"]].merging(more) { $1 })
        return OutboundResponse(status: status, body: (try? body.encoded()) ?? Data())
    }
    private func listed(_ rows: [JSONValue], next: String? = nil) -> OutboundResponse {
        let paging: JSONValue = [
            "per_page": 30, "has_more": .bool(next != nil), "estimated_total": 1,
            "next": .string("https://api.paddle.com/x?after=\(next ?? "")"),
        ]
        return answered(.array(rows), more: ["meta": ["request_id": "r", "pagination": paging]])
    }
    private func request(_ key: String = "k1", price: String? = nil, trial: Int = 0) -> CheckoutRequest {
        CheckoutRequest(
            reference: "ref_1", tenant: "ten_1", tier: "team", interval: .month, quantity: 3,
            unitPrice: Money(amountMinor: 2_900, currency: Currency("JPY")!), providerPrice: price, customer: nil,
            customerEmail: "ada@example.test", trialDays: trial, successURL: "https://p.test/done", cancelURL: "https://p.test/back",
            idempotencyKey: key, productName: "Team ✓")
    }
    private let opened: JSONValue = ["id": "txn_9", "status": "draft", "checkout": ["url": "https://shop.example/pay?_ptxn=txn_9"]]
    private func bench(_ answer: @escaping @Sendable (OutboundRequest) async throws -> OutboundResponse) throws -> PluginBench {
        try PluginBench(manifest: manifestFile, at: moment, skipsSleep: true, answer: answer)
    }
    private func body(_ request: OutboundRequest) throws -> JSONValue { try JSONValue.parse(request.body) }

    @Test("a checkout is one request: version, key, money as text, and all that names the sale; no mail address")
    func checkout() async throws {
        let bench = try bench { [answered, opened] _ in answered(opened, 201, [:]) }
        let session = try await provider(bench, settings: ["checkout_page": "https://shop.example/pay"]).startCheckout(request(trial: 14))
        #expect(session == CheckoutSession(id: "txn_9", url: "https://shop.example/pay?_ptxn=txn_9"))
        let sent = try #require(bench.http.requests.first)
        #expect(bench.http.requests.count == 1 && sent.method == "POST" && sent.url == "https://sandbox-api.paddle.com/transactions")
        #expect(sent.headers["paddle-version"] == "1" && sent.headers["authorization"] == "Bearer \(testKey)")
        let expected: JSONValue = [
            "collection_mode": "automatic", "checkout": ["url": "https://shop.example/pay"],
            "custom_data": [
                "reference": "ref_1", "tenant": "ten_1", "tier": "team", "interval": "month", "wish": .string(PaddleJournal.mark("k1")),
            ],
            "items": [
                [
                    "quantity": 3,
                    "price": [
                        "name": "Team ✓", "description": "Team ✓", "unit_price": ["amount": "2900", "currency_code": "JPY"],
                        "billing_cycle": ["interval": "month", "frequency": 1], "quantity": ["minimum": 1, "maximum": 100_000],
                        "product": ["name": "Team ✓", "tax_category": "saas"], "trial_period": ["interval": "day", "frequency": 14],
                    ],
                ]
            ],
        ]
        #expect(try body(sent) == expected)
    }

    @Test(
        "a configured price is used as it is where its trial is the one asked for, and else copied with that trial", arguments: [14, 0, 7])
    func trial(days: Int) async throws {
        let price = Shapes.price.with(["trial_period": ["interval": "week", "frequency": 2]])
        let bench = try bench { [answered, opened] request in
            request.method == "GET" ? answered(price, 200, [:]) : answered(opened, 201, [:])
        }
        _ = try await provider(bench).startCheckout(request(price: "pri_team", trial: days))
        let sent = try #require(bench.http.requests.last)
        let item = try #require(try body(sent)["items"]?.array?.first)
        #expect((item["price_id"]?.string == "pri_team") == (days == 14))
        guard days != 14 else { return }
        #expect(item["price"]?["product_id"]?.string == "pro_1" && item["price"]?["unit_price"] == price["unit_price"])
        #expect(item["price"]?["trial_period"]?["frequency"]?.int == (days == 7 ? 7 : nil))
    }

    @Test("after an unknown outcome nothing is sent again before Paddle was asked, some seconds later")
    func settled() async throws {
        let made = Mutex(false)
        let bench = try bench { [answered, listed, opened] request in
            if request.method == "POST" {
                made.withLock { $0 = true }
                throw OutboundFailure.unanswered("time-out")
            }
            guard request.url.contains("/transactions?") else { return answered(opened, 200, [:]) }
            let row = opened.with(["origin": "api", "custom_data": ["wish": .string(PaddleJournal.mark("k1"))]])
            // A renewal carries the same mark.
            return listed([row.with(["id": "txn_8", "origin": "subscription_recurring"]), row], nil)
        }
        let provider = try await provider(bench)
        await #expect(throws: PaymentProviderError.self) { try await provider.startCheckout(request()) }
        let before = bench.clock.now()
        #expect(try await provider.startCheckout(request()).id == "txn_9")
        #expect(bench.clock.now() - before >= .seconds(5))
        #expect(bench.http.requests.filter { $0.method == "POST" }.count == 1)
        let asked = try #require(bench.http.requests.dropFirst().first?.url)
        #expect(asked.contains("created_at%5BGTE%5D=2027-01-15T07%3A55%3A00Z") && asked.contains("origin=api"))
    }

    @Test("a wish outlives a restart: its note is in the plugin's space, and is forgotten after 90 days")
    func restarts() async throws {
        let bench = try bench { [answered, opened] _ in answered(opened, 201, [:]) }
        let first = try await provider(bench).startCheckout(request())
        let again = try await provider(bench)
        #expect(try await again.startCheckout(request()) == first)
        #expect(bench.http.requests.map(\.method) == ["POST", "GET"])
        await #expect(throws: PaymentProviderError.refused(code: "idempotency_error", message: "This key was used for another request.")) {
            try await again.startCheckout(request(trial: 1))
        }
        let journal = PaddleJournal(space: bench.space, clock: bench.clock, settling: .zero)
        await journal.forget()
        #expect(await bench.space.values.count == 1)
        bench.clock.advance(by: .days(91))
        await journal.forget()
        #expect(await bench.space.values.isEmpty)
    }

    @Test("a refusal of a repetition does not undo what the first attempt did")
    func refusedRepetition() async throws {
        let posts = Mutex(0)
        let lists = Mutex(0)
        let bench = try bench { [answered, listed, opened] request in
            if request.method == "POST" {
                if posts.withLock({
                    $0 += 1; return $0
                }) == 1 {
                    throw OutboundFailure.unanswered("time-out")
                }
                return PaddleSubject.refusal("bad_request", "no")
            }
            guard request.url.contains("/transactions?") else { return answered(opened, 200, [:]) }
            // Paddle shows it late.
            guard
                lists.withLock({
                    $0 += 1; return $0
                }) > 1
            else { return listed([], nil) }
            return listed([opened.with(["origin": "api", "custom_data": ["wish": .string(PaddleJournal.mark("k1"))]])], nil)
        }
        let provider = try await provider(bench)
        await #expect(throws: PaymentProviderError.self) { try await provider.startCheckout(request()) }
        #expect(try await provider.startCheckout(request()).id == "txn_9")
    }

    @Test("a part is spread over the lines, without what went back before and without what Paddle refused")
    func spread() async throws {
        let details = Shapes.transaction["details"]!
        let lines: [JSONValue] = [
            Shapes.line.with(["totals": Shapes.totals("4500")]), Shapes.line.with(["id": "txnitm_2", "totals": Shapes.totals("10000")]),
        ]
        let transaction = Shapes.transaction.with(["details": details.with(["line_items": .array(lines)])])
        let gone = [Shapes.adjustment, Shapes.adjustment.with(["id": "adj_2", "status": "rejected"])]
        let bench = try bench { [answered, listed] request in
            if request.url.contains("/adjustments?") { return listed(gone, nil) }
            return request.method == "GET" ? answered(transaction, 200, [:]) : answered(Shapes.adjustment.with(["id": "adj_3"]), 201, [:])
        }
        let usd = Currency("USD")!
        func refund(_ amount: Int64?, _ key: String) async throws -> JSONValue {
            _ = try await provider(bench).refund(
                RefundRequest(
                    payment: "txn_1", amount: amount.map { Money(amountMinor: $0, currency: usd) }, reason: .duplicate, idempotencyKey: key)
            )
            return try body(#require(bench.http.requests.last))
        }
        let part = try await refund(5_000, "r1")
        let items: JSONValue = [
            ["item_id": "txnitm_1", "type": "partial", "amount": "3500"], ["item_id": "txnitm_2", "type": "partial", "amount": "1500"],
        ]
        #expect(part["items"] == items && part["action"] == "refund" && part["tax_mode"] == "internal")
        #expect(part["reason"]?.string?.hasPrefix("duplicate [\(PaddleJournal.mark("r1"))/") == true)
        #expect(try await refund(nil, "r2")["items"]?.array?.map { $0["amount"] } == ["3500", "10000"])
        await #expect(throws: PaymentProviderError.refused(code: "amount_exceeds_rest", message: "Less than this is left of the payment."))
        {
            _ = try await refund(13_501, "r3")
        }
    }

    @Test("a change keeps the other items and data of the seller, and bills as it was asked for")
    func change() async throws {
        let addOn = Shapes.item.with(["price": Shapes.price.with(["id": "pri_addon"]), "quantity": 2])
        let current = Shapes.subscription.with([
            "items": .array([Shapes.item, addOn]), "custom_data": Shapes.custom.with(["crm": "42"]),
        ])
        let bench = try bench { [answered] _ in answered(current, 200, [:]) }
        func sent(_ proration: Proration, tier: String = "studio", price: String? = nil) async throws -> JSONValue {
            _ = try await provider(bench).changeSubscription(
                SubscriptionChange(
                    subscription: "sub_1", tier: tier, interval: .month, quantity: 7,
                    unitPrice: Money(amountMinor: 2_900, currency: Currency("USD")!), providerPrice: price, proration: proration,
                    idempotencyKey: "\(proration)\(tier)\(price ?? "")"))
            return try body(#require(bench.http.requests.last { $0.method == "PATCH" }))
        }
        let now = try await sent(.invoiceNow)
        #expect(now["proration_billing_mode"] == "prorated_immediately" && now["on_payment_failure"] == "prevent_change")
        #expect(now["items"]?.array?.last == ["price_id": "pri_addon", "quantity": 2])
        #expect(now["items"]?.array?.first?["price"]?["product_id"] == "pro_1")
        #expect(
            now["custom_data"]?["crm"] == "42" && now["custom_data"]?["tier"] == "studio" && now["custom_data"]?["reference"] == "ref_1")
        #expect(try await sent(.nextInvoice)["proration_billing_mode"] == "prorated_next_billing_period")
        #expect(try await sent(.none, price: "pri_studio")["items"]?.array?.first == ["price_id": "pri_studio", "quantity": 7])
        // Other seats of the same price are no new price.
        #expect(try await sent(.none, tier: "team")["items"]?.array?.first == ["price_id": "pri_team", "quantity": 7])
    }

    @Test("a scheduled change that stands in the way of an end is taken away first")
    func locked() async throws {
        let isLocked = Mutex(true)
        let bench = try bench { [answered] request in
            if request.method == "PATCH" { isLocked.withLock { $0 = false } }
            if request.method == "POST", isLocked.withLock({ $0 }) {
                return PaddleSubject.refusal("subscription_locked_pending_changes", "no")
            }
            return answered(Shapes.subscription.with(request.method == "POST" ? ["status": "canceled"] : [:]), 200, [:])
        }
        let fact = try await provider(bench).cancelSubscription(
            SubscriptionCancellation(subscription: "sub_1", when: .now, idempotencyKey: "c1"))
        #expect(fact.status == .cancelled && bench.http.requests.map(\.method) == ["GET", "POST", "PATCH", "POST"])
        #expect(try body(bench.http.requests[2]) == ["scheduled_change": nil])
    }

    @Test(
        "who answers in Paddle's place decides nothing",
        arguments: [
            (404, "<html>", false), (200, "<html>", false), (201, "{}", false), (408, "", false), (500, "{\"error\":{}}", false),
            (400, "{\"error\":{\"code\":\"bad_request\",\"detail\":\"no\"}}", true), (301, "", true),
        ])
    func others(status: Int, text: String, isFinal: Bool) async throws {
        let bench = try bench { _ in OutboundResponse(status: status, body: Data(text.utf8)) }
        let error = await #expect(throws: PaymentProviderError.self) { try await provider(bench).startCheckout(request()) }
        #expect(error?.isFinal == isFinal && bench.http.requests.count == 1)
    }

    @Test("a page names the next by an address, which is not followed")
    func pages() async throws {
        let bench = try bench { [listed] request in
            request.url.contains("after=") ? listed([], nil) : listed([Shapes.subscription], "sub_7")
        }
        let provider = try await provider(bench)
        let page = try await provider.listSubscriptions(ChangesRequest(since: moment - .days(1)))
        #expect(page.next == "sub_7" && page.items.count == 1)
        #expect(try await provider.listSubscriptions(ChangesRequest(since: moment, cursor: page.next)).next == nil)
        #expect(bench.http.requests.allSatisfy { $0.url.hasPrefix("https://sandbox-api.paddle.com/subscriptions?") })
        for cursor in ["../x", "a&b=c", ""] {
            await #expect(throws: PaymentProviderError.self) {
                try await provider.listSubscriptions(ChangesRequest(since: moment, cursor: cursor))
            }
        }
    }
}
