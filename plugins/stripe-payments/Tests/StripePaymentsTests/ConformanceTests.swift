import Foundation
import PluginKit
import PluginKitTesting
import Testing

@testable import StripePayments

@Suite struct ConformanceTests {
    @Test("the provider passes the public conformance kit")
    func conformance() async {
        let findings = await PaymentProviderConformance(StripeSubject(), now: moment).run()
        for finding in findings { #expect(finding.faults == [], "\(finding.check)") }
        #expect(findings.count == 13)
    }

    @Test("the provider's calls pass the public conformance kit, and none is skipped")
    func calls() async {
        let findings = await PaymentCallsConformance(StripeSubject(), now: moment).run()
        for finding in findings { #expect(finding.faults == [], "\(finding.check)") }
        #expect(findings.filter(\.isSkipped) == [] && findings.count == 31)
    }

    @Test("what is configured wrongly is refused with a sentence, before anything is sent")
    func refusals() async throws {
        let bench = try PluginBench(manifest: manifestFile, at: moment)
        func reason(_ settings: [String: JSONValue], _ secrets: [String: [String]]) async -> String {
            do {
                let context = try bench.context(settings: settings, secrets: secrets)
                try StripePayments().validate(context.settings)
                _ = try await StripePayments().make(context)
                return "taken"
            } catch { return "\(error)" }
        }
        let proper = ["STRIPE_SECRET_KEY": ["sk_test_1"], "STRIPE_WEBHOOK_SECRET": ["whsec_1"]]
        #expect(await reason([:], proper) == "taken")
        #expect(await reason(["api_base": "http://127.0.0.1:12111"], proper) == "taken")
        #expect(await reason(["api_base": "http://api.stripe.test"], proper).contains("must be https"))
        #expect(await reason(["api_version": "2026-10-28\u{7f}endive"], proper).contains("api_version looks like"))
        #expect(await reason([:], ["STRIPE_SECRET_KEY": ["sk_test_1"]]).contains("no webhook secret"))
        #expect(
            await reason([:], ["STRIPE_WEBHOOK_SECRET": ["whsec_1"]])
                == "The secret STRIPE_SECRET_KEY is missing: secrets in plugin.json do not name it, or nobody gave it.")
        #expect(
            await reason([:], proper.merging(["STRIPE_SECRET_KEY": ["pk_test_1"]]) { _, new in new }).contains(
                "is not a secret or restricted key"))
        #expect(bench.http.requests == [])
    }

    @Test("a body larger than any event is refused before anything is computed over it")
    func size() async throws {
        let provider = try await provider(PluginBench(manifest: manifestFile, at: moment))
        let huge = WebhookDelivery(
            headers: ["stripe-signature": "t=1,v1=00"], body: Data(count: StripeProvider.maxBodyBytes + 1), receivedAt: moment)
        #expect(throws: PaymentProviderError.malformed("The body is larger than any event.")) { _ = try provider.verify(huge) }
    }
}
