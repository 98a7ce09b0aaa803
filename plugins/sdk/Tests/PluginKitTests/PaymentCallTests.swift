import Foundation
import PluginKit
import Testing

/// A provider as kit 1.0 asked for it.
private struct Old: PaymentProvider {
    func startCheckout(_ request: CheckoutRequest) async throws -> CheckoutSession { CheckoutSession(id: "cs", url: "https://x.test/") }
    func openPortal(_ request: PortalRequest) async throws -> PortalSession { PortalSession(url: "https://x.test/") }
    func verify(_ delivery: WebhookDelivery) throws -> VerifiedEvent { throw PaymentProviderError.forged("no") }
    func interpret(_ event: VerifiedEvent) throws -> [PaymentFact] { [] }
}

@Suite struct PaymentCallTests {
    @Test("a provider that implements nothing new says so, and each call names what is missing")
    func defaults() async throws {
        let old: any PaymentProvider = Old()
        #expect(old.capabilities == [.customerPortal, .trials] && old.understands("x") == nil)
        let usd = Money(amountMinor: 1, currency: Currency("USD")!)
        let change = SubscriptionChange(
            subscription: "s", tier: "t", interval: .month, quantity: 1, unitPrice: usd, providerPrice: nil, idempotencyKey: "k")
        let changes = ChangesRequest(since: Timestamp(seconds: 0))
        func cancel(_ when: SubscriptionCancellation.When) -> SubscriptionCancellation {
            SubscriptionCancellation(subscription: "s", when: when, idempotencyKey: "k")
        }
        let calls: [(PaymentCapability, () async throws -> Void)] = [
            (.subscriptionRead, { _ = try await old.readSubscription("s") }), (.changePreview, { _ = try await old.previewChange(change) }),
            (.subscriptionChange, { _ = try await old.changeSubscription(change) }),
            (.cancelNow, { _ = try await old.cancelSubscription(cancel(.now)) }),
            (.cancelAtPeriodEnd, { _ = try await old.cancelSubscription(cancel(.periodEnd)) }),
            (.resume, { _ = try await old.resumeSubscription(SubscriptionResumption(subscription: "s", idempotencyKey: "k")) }),
            (.pause, { _ = try await old.pauseSubscription(SubscriptionPause(subscription: "s", idempotencyKey: "k")) }),
            (.trialChange, { _ = try await old.changeTrial(TrialChange(subscription: "s", endsAt: nil, idempotencyKey: "k")) }),
            (.coupons, { _ = try await old.readCoupon("c") }),
            (.coupons, { _ = try await old.applyCoupon(CouponApplication(subscription: "s", code: nil, idempotencyKey: "k")) }),
            (.invoices, { _ = try await old.listInvoices(InvoiceQuery(customer: "c")) }),
            (.invoices, { _ = try await old.readInvoice("i") }), (.invoicePDF, { _ = try await old.invoicePDF("i") }),
            (.refunds, { _ = try await old.refund(RefundRequest(payment: "p", amount: nil, reason: .duplicate, idempotencyKey: "k")) }),
            (.listSubscriptions, { _ = try await old.listSubscriptions(changes) }),
            (.listPayments, { _ = try await old.listPayments(changes) }), (.listRefunds, { _ = try await old.listRefunds(changes) }),
            (.listDisputes, { _ = try await old.listDisputes(changes) }), (.listEvents, { _ = try await old.listEvents(changes) }),
        ]
        for (capability, call) in calls {
            await #expect(throws: PaymentProviderError.notSupported(capability), "\(capability)") { try await call() }
        }
        let named = Set(calls.map(\.0)).union([.customerPortal, .trials, .partialRefunds])
        #expect(named == PaymentCapability.all, "every capability has its call")
    }

    @Test("each error says whether the call was carried out, and what may be done")
    func errors() {
        let table: [(PaymentProviderError, PaymentOutcome, PaymentRepetition)] = [
            (.refused(code: "c", message: "m"), .notDone, .underNewKey), (.notSupported(.pause), .notDone, .never),
            (.rateLimited(retryAfter: .seconds(3)), .notDone, .underSameKey(after: .seconds(3))),
            (.unreachable("u"), .unknown, .underSameKey(after: nil)), (.malformed("m"), .unknown, .underSameKey(after: nil)),
            (.forged("f"), .notDone, .never), (.stale("s"), .notDone, .never),
        ]
        for (error, outcome, repetition) in table {
            #expect(error.outcome == outcome && error.repetition == repetition, "\(error)")
            #expect(error.isFinal == (outcome == .notDone && error != .rateLimited(retryAfter: .seconds(3))), "\(error)")
        }
    }

    @Test("decimals are read and written exactly, with the digits of their currency, and never by a float")
    func decimals() {
        let (usd, jpy, kwd) = (Currency("USD")!, Currency("JPY")!, Currency("KWD")!)
        let exact: [(String, Currency, Int64)] = [
            ("12.50", usd, 1_250), ("-0.05", usd, -5), ("0.29", usd, 29), ("99999999999999.99", usd, 9_999_999_999_999_999),
            ("1250", jpy, 1_250),
            ("1.250", kwd, 1_250), ("0.001", kwd, 1),
        ]
        for (text, currency, minor) in exact {
            #expect(Money(decimal: text, currency: currency) == Money(amountMinor: minor, currency: currency), "\(text)")
            #expect(Money(amountMinor: minor, currency: currency).decimal == text)
        }
        #expect(Money(decimal: "12.5", currency: usd)?.amountMinor == 1_250 && Money(decimal: "7", currency: kwd)?.amountMinor == 7_000)
        for (wrong, currency) in [
            ("12.505", usd), ("1.0", jpy), ("1.", usd), (".5", usd), ("", usd), ("-", usd), ("1e3", usd), ("1,000", usd), ("٣", usd),
            (" 1", usd),
            ("1.2.3", usd), ("--1", usd), ("+1", usd), ("999999999999999", usd),
        ] {
            #expect(Money(decimal: wrong, currency: currency) == nil, "\(wrong)")
        }
        #expect(Money(amountMinor: .min, currency: usd).decimal == "-92233720368547758.08")
    }

    @Test("secrets are blotted out of a text, the longer first")
    func redaction() {
        let secrets = PluginSecrets(["A": ["sk_test_1", "sk_test_1_longer"], "B": ["ab", ""]])
        #expect(secrets.redacted("with sk_test_1_longer and sk_test_1, ab") == "with [secret] and [secret], ab")
    }
}
