import Foundation
import PluginKit
import PluginKitTesting
import Testing

@testable import PaddlePayments

@Suite struct ConformanceTests {
    @Test("the provider passes the public conformance kit")
    func conformance() async {
        let findings = await PaymentProviderConformance(PaddleSubject(), now: moment).run()
        for finding in findings { #expect(finding.faults == [], "\(finding.check)") }
        #expect(findings.count == 13)
    }

    @Test("the provider's calls pass the public conformance kit, and none is skipped")
    func calls() async {
        let findings = await PaymentCallsConformance(PaddleSubject(), now: moment).run()
        for finding in findings { #expect(finding.faults == [], "\(finding.check)") }
        #expect(findings.filter(\.isSkipped) == [] && findings.count == 31)
    }

    @Test("what is configured wrongly is refused with a sentence, before anything is sent")
    func refusals() async throws {
        let bench = try PluginBench(manifest: manifestFile, at: moment)
        func reason(_ settings: [String: JSONValue], _ secrets: [String: [String]]) async -> String {
            do {
                let context = try bench.context(settings: settings, secrets: secrets)
                try PaddlePayments().validate(context.settings)
                _ = try await PaddlePayments().make(context)
                return "taken"
            } catch { return "\(error)" }
        }
        let live = ["PADDLE_API_KEY": ["pdl_live_apikey_01abc"], "PADDLE_WEBHOOK_SECRET": ["pdl_ntfset_1"]]
        let sandbox = live.merging(["PADDLE_API_KEY": [testKey]]) { $1 }
        #expect(await reason([:], live) == "taken")
        #expect(await reason(["api_base": "https://sandbox-api.paddle.com"], sandbox) == "taken")
        #expect(await reason(["api_base": "http://127.0.0.1:12111"], sandbox) == "taken")
        #expect(await reason([:], sandbox).contains("is a sandbox key"))
        #expect(await reason(["api_base": "https://sandbox-api.paddle.com"], live).contains("is a live key"))
        #expect(await reason(["api_base": "http://api.paddle.test"], live).contains("must be https"))
        #expect(await reason(["checkout_page": "http://shop.test/pay"], live).contains("checkout_page must be"))
        #expect(await reason([:], live.merging(["PADDLE_WEBHOOK_SECRET": [" "]]) { $1 }).contains("no webhook secret"))
        #expect(
            await reason([:], ["PADDLE_WEBHOOK_SECRET": ["pdl_ntfset_1"]])
                == "The secret PADDLE_API_KEY is missing: secrets in plugin.json do not name it, or nobody gave it.")
        #expect(await reason([:], live.merging(["PADDLE_API_KEY": ["pdl_ntfset_of_a_destination"]]) { $1 }).contains("is not an API key"))
        #expect(bench.http.requests == [])
    }
}
