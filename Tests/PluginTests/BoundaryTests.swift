import Foundation
import PluginHost
import PluginKit
import Testing

/// What a plugin at work can and cannot do.
@Suite struct BoundaryTests {
    private func provider(_ bench: Bench) async throws -> any PaymentProvider {
        try bench.place()
        let host = bench.host()
        let report = await host.load()
        #expect(report.refused == [])
        return try #require(host.paymentProvider("misbehaving"))
    }

    @Test(
        "a plugin reaches the hosts of its manifest, what the operator opened, and its own webhook; nothing else",
        arguments: PluginIsolation.allCases)
    func egress(_ isolation: PluginIsolation) async throws {
        let bench = try Bench(isolation)
        bench.state.withLock { $0.environment["MISBEHAVING_BASE"] = "http://127.0.0.1:12111" }
        let provider = try await provider(bench)
        func reach(_ url: String, _ interval: BillingInterval = .month) async -> String {
            do { return try await provider.startCheckout(checkout("reaches", interval: interval, successURL: url)).id } catch {
                return "\(error)"
            }
        }
        let allowed = [
            "https://api.fixture.test/v1/x?a=b", "https://API.fixture.test:443/", "http://127.0.0.1:12111/v1/charges",
            "http://127.0.0.1:8080/webhooks/misbehaving",
        ]
        for url in allowed { #expect(await reach(url) == "status_204", "\(url)") }
        #expect(bench.state.withLock { $0.requests.map(\.url) } == allowed)
        let refused = [
            "http://api.fixture.test/", "https://api.fixture.test:8443/", "https://api.fixture.test.evil.test/", "https://evil.test/",
            "https://api.fixture.test@evil.test/", "https://evil.test\\@api.fixture.test/", "http://127.0.0.1:8080/health",
            "http://127.0.0.1:8080/webhooks/stripe", "http://127.0.0.1:8080/webhooks/misbehaving/../../admin", "https://platform.test/",
            "http://127.0.0.1:12112/", "file:///etc/passwd", "https://api.fixture.test%2f@evil.test", "https://[::1]/", "",
        ]
        for url in refused { #expect(await reach(url).contains("failed: forbidden"), "\(url)") }
        #expect(await reach("http://127.0.0.1:8080/webhooks/misbehaving", .year).contains("The own webhook takes POST only."))
        #expect(bench.state.withLock { $0.requests.count } == allowed.count)
    }

    @Test("a plugin's space is its own, and a tenant's apart from the platform's", arguments: PluginIsolation.allCases)
    func space(_ isolation: PluginIsolation) async throws {
        let bench = try Bench(isolation)
        #expect(try await provider(bench).startCheckout(checkout("remembers")).id == "ref_1")
        let values = bench.state.withLock { $0.values }
        #expect(values[PluginSpaceName(plugin: "misbehaving", tenant: nil)] == ["last": Data("ref_1".utf8)])
        #expect(values[PluginSpaceName(plugin: "misbehaving", tenant: "ten_1")] == ["last": Data("tenant".utf8)])
    }

    @Test("an answer that is no checkout is refused, and an unknown error is an unknown outcome", arguments: PluginIsolation.allCases)
    func answers(_ isolation: PluginIsolation) async throws {
        let provider = try await provider(Bench(isolation))
        await #expect(throws: PaymentProviderError.malformed("misbehaving answered a checkout without a usable address.")) {
            _ = try await provider.startCheckout(checkout("answers_nonsense"))
        }
        await #expect(throws: PaymentProviderError.malformed("misbehaving answered a checkout session without a usable id.")) {
            _ = try await provider.startCheckout(checkout("answers_no_id"))
        }
        await #expect(throws: PaymentProviderError.unreachable("misbehaving failed: Surprise()")) {
            _ = try await provider.startCheckout(checkout("throws"))
        }
    }

    @Test(
        "an answer to a call that cannot be right is an unknown outcome, and what is not claimed is never asked for",
        arguments: PluginIsolation.allCases)
    func calls(_ isolation: PluginIsolation) async throws {
        let provider = try await provider(Bench(isolation))
        #expect(try await provider.readSubscription("sub_7").subscription == "sub_7")
        func fault(_ call: () async throws -> Void) async -> PaymentProviderError? {
            do {
                try await call()
                return nil
            } catch { return error as? PaymentProviderError }
        }
        let usd = Currency("USD")!
        let wrong: [(String, () async throws -> Void)] = [
            ("another subscription", { _ = try await provider.readSubscription("other") }),
            (
                "another amount",
                {
                    let amount = Money(amountMinor: 5, currency: usd)
                    _ = try await provider.refund(
                        RefundRequest(payment: "pi_1", amount: amount, reason: .duplicate, idempotencyKey: "k"))
                }
            ),
            ("a script as a PDF", { _ = try await provider.invoicePDF("in_1") }),
            ("two currencies in one invoice", { _ = try await provider.readInvoice("mixed") }),
            (
                "a page of three where two were asked for",
                { _ = try await provider.listSubscriptions(ChangesRequest(since: Timestamp(seconds: 1_800_000_000), limit: 2)) }
            ),
            (
                "a cursor with a space",
                { _ = try await provider.listSubscriptions(ChangesRequest(since: Timestamp(seconds: 1_800_000_000), limit: 50)) }
            ),
        ]
        for (what, call) in wrong {
            let error = await fault(call)
            // A part of a payment is more than this plugin claims.
            if what == "another amount" {
                #expect(error == .notSupported(.partialRefunds))
            } else {
                #expect(error?.outcome == .unknown, "\(what)")
            }
        }
        #expect(await fault { _ = try await provider.readSubscription("throws") }?.outcome == .unknown)
        #expect(await fault { _ = try await provider.readSubscription("limits") } == .rateLimited(retryAfter: .seconds(9)))
        #expect(
            await fault { _ = try await provider.listEvents(ChangesRequest(since: Timestamp(seconds: 1_800_000_000))) }
                == .notSupported(.listEvents))
        let all = RefundRequest(payment: "pi_1", amount: nil, reason: .duplicate, idempotencyKey: "k")
        #expect(try await provider.refund(all).fact.amount == Money(amountMinor: 7, currency: usd))
        #expect(try await provider.listSubscriptions(ChangesRequest(since: Timestamp(seconds: 1_800_000_000))).items.count == 3)
    }

    @Test("a page cannot set headers, run script, send people to nowhere or fill the memory", arguments: PluginIsolation.allCases)
    func pages(_ isolation: PluginIsolation) async throws {
        let bench = try Bench(isolation)
        try bench.place()
        let host = bench.host()
        _ = await host.load()
        let pages = try #require(host.pages("misbehaving"))
        #expect(try await pages.respond(to: PageRequest(method: "GET", path: "fine")).status == 200)
        for path in ["split", "away", "script", "huge"] {
            await #expect(throws: PluginRefusal.self, "\(path)") { _ = try await pages.respond(to: PageRequest(method: "GET", path: path)) }
        }
    }
}
