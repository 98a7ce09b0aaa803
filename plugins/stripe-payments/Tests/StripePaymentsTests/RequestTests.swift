import Foundation
import PluginKit
import PluginKitTesting
import Synchronization
import Testing

@testable import StripePayments

func request(price: String? = nil, customer: String? = nil, trialDays: Int = 0, currency: String = "USD", key: String = "key_1")
    -> CheckoutRequest
{
    CheckoutRequest(
        reference: "ref_1", tenant: "ten_1", tier: "team", interval: .month, quantity: 5,
        unitPrice: Money(amountMinor: 2_900, currency: Currency(currency)!), providerPrice: price, customer: customer,
        customerEmail: "ada+1@example.test", trialDays: trialDays, successURL: "https://platform.test/done?a=b&c={CHECKOUT_SESSION_ID}",
        cancelURL: "https://platform.test/back", idempotencyKey: key)
}

/// Answers in turn, then the last for ever.
final class Script: Sendable {
    private let answers: Mutex<[Result<OutboundResponse, OutboundFailure>]>
    init(_ answers: [Result<OutboundResponse, OutboundFailure>]) { self.answers = Mutex(answers) }
    func next() throws -> OutboundResponse {
        try answers.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }.get()
    }
}
func answer(_ status: Int, _ body: String, _ headers: [String: String] = [:]) -> Result<OutboundResponse, OutboundFailure> {
    .success(OutboundResponse(status: status, headers: headers, body: Data(body.utf8)))
}
let session = answer(200, #"{"id":"cs_1","url":"https://checkout.stripe.com/c/pay/cs_1#x","status":"open"}"#)
let noSessions = answer(200, #"{"object":"list","data":[],"has_more":false}"#)
let executed500 = answer(500, #"{"error":{"type":"api_error","message":"An unknown error occurred"}}"#)

@Suite struct RequestTests {
    private func ask(
        _ answers: [Result<OutboundResponse, OutboundFailure>], _ request: CheckoutRequest = request()
    ) async throws -> (Result<CheckoutSession, any Error>, [OutboundRequest]) {
        let script = Script(answers)
        let bench = try PluginBench(manifest: manifestFile, at: moment, skipsSleep: true) { _ in try script.next() }
        let provider = try await provider(bench)
        do { return (.success(try await provider.startCheckout(request)), bench.http.requests) } catch {
            return (.failure(error), bench.http.requests)
        }
    }
    private func keys(_ requests: [OutboundRequest]) -> [String] { requests.map { $0.headers["idempotency-key"] ?? $0.method } }

    @Test("a checkout is asked for with exactly these fields, an explicit version and the caller's key")
    func form() async throws {
        let (result, requests) = try await ask([session])
        #expect(try result.get() == CheckoutSession(id: "cs_1", url: "https://checkout.stripe.com/c/pay/cs_1#x"))
        let sent = try #require(requests.first)
        #expect(sent.method == "POST" && sent.url == "https://api.stripe.com/v1/checkout/sessions")
        #expect(
            sent.headers == [
                "authorization": "Bearer sk_test_4242", "stripe-version": "2026-10-28.endive", "accept": "application/json",
                "content-type": "application/x-www-form-urlencoded", "idempotency-key": "key_1",
            ])
        #expect(
            String(decoding: sent.body, as: UTF8.self).split(separator: "&") == [
                "mode=subscription", "client_reference_id=ref_1",
                "success_url=https%3A%2F%2Fplatform.test%2Fdone%3Fa%3Db%26c%3D%7BCHECKOUT_SESSION_ID%7D",
                "cancel_url=https%3A%2F%2Fplatform.test%2Fback",
                "customer_email=ada%2B1%40example.test", "line_items%5B0%5D%5Bprice_data%5D%5Bcurrency%5D=usd",
                "line_items%5B0%5D%5Bprice_data%5D%5Bunit_amount%5D=2900",
                "line_items%5B0%5D%5Bprice_data%5D%5Brecurring%5D%5Binterval%5D=month",
                "line_items%5B0%5D%5Bprice_data%5D%5Bproduct_data%5D%5Bname%5D=team", "line_items%5B0%5D%5Bquantity%5D=5",
                "metadata%5Binterval%5D=month", "metadata%5Breference%5D=ref_1", "metadata%5Btenant%5D=ten_1", "metadata%5Btier%5D=team",
                "subscription_data%5Bmetadata%5D%5Binterval%5D=month", "subscription_data%5Bmetadata%5D%5Breference%5D=ref_1",
                "subscription_data%5Bmetadata%5D%5Btenant%5D=ten_1", "subscription_data%5Bmetadata%5D%5Btier%5D=team",
            ])
    }

    @Test("a known price, a known customer and a trial take the place of their stand-ins")
    func alternatives() async throws {
        let (_, requests) = try await ask([session], request(price: "price_1", customer: "cus_1", trialDays: 7))
        let body = String(decoding: try #require(requests.first).body, as: UTF8.self)
        #expect(body.contains("line_items%5B0%5D%5Bprice%5D=price_1&") && !body.contains("price_data"))
        #expect(body.contains("customer=cus_1&") && !body.contains("customer_email"))
        #expect(body.hasSuffix("subscription_data%5Btrial_period_days%5D=7"))
        #expect(!body.contains("payment_method_types") && !body.contains("ui_mode"))
    }

    @Test("an outcome that is unknown is asked for again under the same key")
    func unknownOutcomes() async throws {
        let table: [Result<OutboundResponse, OutboundFailure>] = [
            .failure(.unanswered("time-out")), .failure(.unsent("no connection")), answer(503, "<html>"), answer(200, #"{"id":"cs_1","ur"#),
            answer(409, #"{"error":{"type":"idempotency_error","code":"idempotency_key_in_use","message":"in progress"}}"#),
            answer(429, #"{"error":{"type":"invalid_request_error","code":"rate_limit","message":"Too many"}}"#),
        ]
        for (index, first) in table.enumerated() {
            let (result, requests) = try await ask([first, session])
            #expect(try result.get().id == "cs_1", "\(index)")
            #expect(keys(requests) == ["key_1", "key_1"], "\(index)")
        }
    }

    @Test("an executed failure is replayed, and that ends its key: what it may have left is read before a new key writes")
    func executedFailures() async throws {
        let replayed = ["idempotent-replayed": "true"]
        let locked = #"{"error":{"type":"invalid_request_error","code":"lock_timeout","message":"locked"}}"#
        let failed = #"{"error":{"type":"api_error","message":"An unknown error occurred"}}"#
        for (status, body) in [(500, failed), (429, locked)] {
            let (result, requests) = try await ask([answer(status, body), answer(status, body, replayed), noSessions, session])
            #expect(try result.get().id == "cs_1")
            #expect(keys(requests) == ["key_1", "key_1", "GET", "key_1.1"])
            #expect(requests[2].url == "https://api.stripe.com/v1/checkout/sessions?limit=100&created%5Bgte%5D=1799913600")
        }
        let left = answer(
            200,
            #"{"data":[{"id":"cs_8","client_reference_id":"ref_2","mode":"subscription","status":"open","url":"https://x.test"},{"id":"cs_9","client_reference_id":"ref_1","mode":"subscription","status":"open","url":"https://checkout.stripe.com/9"}]}"#
        )
        let (result, requests) = try await ask([answer(500, failed, replayed), left])
        #expect(try result.get().id == "cs_9" && keys(requests) == ["key_1", "GET"])
    }

    @Test("a failure before anything ran is not kept: the same key does the work")
    func failuresThatAreNotKept() async throws {
        let (result, requests) = try await ask([executed500, session])
        #expect(try result.get().id == "cs_1" && keys(requests) == ["key_1", "key_1"])
    }

    @Test("a later call with the same key walks past the failures that are replayed, without waiting for them")
    func replays() async throws {
        let replay = answer(500, #"{"error":{"type":"api_error","message":"An unknown error occurred"}}"#, ["idempotent-replayed": "true"])
        let (result, requests) = try await ask([replay, noSessions, replay, noSessions, replay, noSessions, session])
        #expect(try result.get().id == "cs_1")
        #expect(keys(requests) == ["key_1", "GET", "key_1.1", "GET", "key_1.2", "GET", "key_1.3"])
    }

    @Test("what stays unknown after the last attempt is unreachable, never refused", arguments: [1, 3])
    func exhausted(attempts: Int) async throws {
        let bench = try PluginBench(manifest: manifestFile, at: moment, skipsSleep: true) { _ in
            throw OutboundFailure.unanswered("time-out")
        }
        let provider = try await provider(bench, settings: ["attempts": .int(Int64(attempts))])
        await #expect(throws: PaymentProviderError.self) { _ = try await provider.startCheckout(request()) }
        #expect(bench.http.requests.count == attempts)
        do { _ = try await provider.startCheckout(request()) } catch PaymentProviderError.unreachable { return }
        Issue.record("an unknown outcome was reported as something else")
    }

    @Test("a refusal is told with Stripe's code and never asked again")
    func refusals() async throws {
        let table: [(Result<OutboundResponse, OutboundFailure>, String)] = [
            (
                answer(400, #"{"error":{"type":"invalid_request_error","code":"resource_missing","message":"No such price: 'price_x'"}}"#),
                "resource_missing"
            ),
            (answer(400, #"{"error":{"type":"idempotency_error","message":"Keys for idempotent requests …"}}"#), "idempotency_error"),
            (answer(402, #"{"error":{"type":"card_error","code":"card_declined","message":"declined"}}"#), "card_declined"),
            (
                answer(401, #"{"error":{"type":"invalid_request_error","message":"Invalid API Key provided: sk_test_***"}}"#),
                "provider_unauthorized"
            ),
            (answer(403, "{}"), "provider_forbidden"),
            (answer(404, "not json"), "status_404"),
            (.failure(.forbidden("not in plugin.json")), "egress_forbidden"),
        ]
        for (failure, code) in table {
            let (result, requests) = try await ask([failure])
            #expect(requests.count == 1)
            do {
                _ = try result.get()
                Issue.record("\(code) was taken")
            } catch PaymentProviderError.refused(let told, let message) {
                #expect(told == code && !message.contains("sk_"))
            }
        }
    }

    @Test("a long or odd key of the caller becomes a hash, so that every key fits")
    func longKeys() {
        #expect(StripeClient.key("abc", 0) == "abc" && StripeClient.key("abc", 2) == "abc.2")
        for key in [String(repeating: "k", count: 201), "schlüssel", "a b", ""] {
            #expect(
                StripeClient.key(key, 7).utf8.allSatisfy { $0 > 32 && $0 < 127 } && (20...255).contains(StripeClient.key(key, 7).utf8.count)
            )
        }
        #expect(StripeClient.key("a b", 0) != StripeClient.key("a c", 0))
    }

    @Test("a refund is made once for its key, even where Stripe has long forgotten the key")
    func refundsAfterDays() async throws {
        let world = StripeWorld(currency: Currency("USD")!)
        let bench = try PluginBench(manifest: manifestFile, at: moment, skipsSleep: true) { await world.answer($0) }
        let provider = try await provider(bench)
        func refund(_ amount: Int64) async throws -> String {
            let part = Money(amountMinor: amount, currency: Currency("USD")!)
            return try await provider.refund(RefundRequest(payment: "pi_1", amount: part, reason: .duplicate, idempotencyKey: "k")).fact
                .refund
        }
        let first = try await refund(100)
        await world.forgetsKeys()
        #expect(try await refund(100) == first)
        await #expect(throws: PaymentProviderError.self) { _ = try await refund(200) }
        #expect(await world.refunds.count == 1)
    }

    @Test("the portal opens for the customer and returns to us")
    func portal() async throws {
        let bench = try PluginBench(manifest: manifestFile, at: moment) { _ in
            OutboundResponse(status: 200, body: Data(#"{"id":"bps_1","url":"https://billing.stripe.com/p/session/1"}"#.utf8))
        }
        let portal = try await provider(bench).openPortal(PortalRequest(customer: "cus_1", returnURL: "https://platform.test/billing"))
        #expect(portal.url == "https://billing.stripe.com/p/session/1")
        let sent = try #require(bench.http.requests.first)
        #expect(sent.url == "https://api.stripe.com/v1/billing_portal/sessions")
        #expect(String(decoding: sent.body, as: UTF8.self) == "customer=cus_1&return_url=https%3A%2F%2Fplatform.test%2Fbilling")
    }
}
