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

    @Test("a plugin reaches the hosts of its manifest, what the operator opened, and its own webhook; nothing else")
    func egress() async throws {
        let bench = try Bench()
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

    @Test("a plugin's space is its own, and a tenant's apart from the platform's")
    func space() async throws {
        let bench = try Bench()
        #expect(try await provider(bench).startCheckout(checkout("remembers")).id == "ref_1")
        let values = bench.state.withLock { $0.values }
        #expect(values[PluginSpaceName(plugin: "misbehaving", tenant: nil)] == ["last": Data("ref_1".utf8)])
        #expect(values[PluginSpaceName(plugin: "misbehaving", tenant: "ten_1")] == ["last": Data("tenant".utf8)])
    }

    @Test("an answer that is no checkout is refused, and an unknown error is an unknown outcome")
    func answers() async throws {
        let provider = try await provider(Bench())
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

    @Test("a page cannot set headers, run script, send people to nowhere or fill the memory")
    func pages() async throws {
        let bench = try Bench()
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
