import Foundation
import PluginKit
import PluginKitTesting
import Testing

@testable import StripePayments

/// The provider with one fault. `Scripts/plugin-mutants.sh` seeds many more, into the sources themselves.
private struct Faulty: PaymentProvider {
    enum Fault: String, CaseIterable { case swallowsTimeOuts, newKeyEachTime, losesPages, refundsTwice, forgetsToChange, knowsTheFuture }
    let sound: any PaymentProvider
    let fault: Fault

    var capabilities: Set<PaymentCapability> { sound.capabilities }
    func understands(_ type: String) -> Bool? { sound.understands(type) }
    func startCheckout(_ request: CheckoutRequest) async throws -> CheckoutSession {
        var request = request
        if fault == .newKeyEachTime { request.idempotencyKey += UUID().uuidString }
        do { return try await sound.startCheckout(request) } catch PaymentProviderError.unreachable where fault == .swallowsTimeOuts {
            return CheckoutSession(id: "cs_0", url: request.successURL)
        }
    }
    func openPortal(_ request: PortalRequest) async throws -> PortalSession { try await sound.openPortal(request) }
    func verify(_ delivery: WebhookDelivery) throws -> VerifiedEvent { try sound.verify(delivery) }
    func interpret(_ event: VerifiedEvent) throws -> [PaymentFact] { try sound.interpret(event) }
    func readSubscription(_ subscription: String) async throws -> SubscriptionFact {
        var fact = try await sound.readSubscription(subscription)
        if fault == .knowsTheFuture { fact.asOf = fact.asOf + .hours(1) }
        return fact
    }
    func previewChange(_ change: SubscriptionChange) async throws -> ChangePreview { try await sound.previewChange(change) }
    func changeSubscription(_ change: SubscriptionChange) async throws -> SubscriptionFact {
        var fact = try await fault == .forgetsToChange ? sound.readSubscription(change.subscription) : sound.changeSubscription(change)
        fact.quantity = change.quantity
        return fact
    }
    func cancelSubscription(_ cancellation: SubscriptionCancellation) async throws -> SubscriptionFact {
        try await sound.cancelSubscription(cancellation)
    }
    func resumeSubscription(_ resumption: SubscriptionResumption) async throws -> SubscriptionFact {
        try await sound.resumeSubscription(resumption)
    }
    func pauseSubscription(_ pause: SubscriptionPause) async throws -> SubscriptionFact { try await sound.pauseSubscription(pause) }
    func changeTrial(_ change: TrialChange) async throws -> SubscriptionFact { try await sound.changeTrial(change) }
    func readCoupon(_ code: String) async throws -> Coupon? { try await sound.readCoupon(code) }
    func applyCoupon(_ application: CouponApplication) async throws -> SubscriptionFact { try await sound.applyCoupon(application) }
    func listInvoices(_ query: InvoiceQuery) async throws -> ProviderPage<ProviderInvoice> { try await sound.listInvoices(query) }
    func readInvoice(_ invoice: String) async throws -> ProviderInvoice { try await sound.readInvoice(invoice) }
    func invoicePDF(_ invoice: String) async throws -> String? { try await sound.invoicePDF(invoice) }
    func refund(_ request: RefundRequest) async throws -> Refund {
        var again = request
        again.idempotencyKey += "2"
        if fault == .refundsTwice, request.amount != nil { _ = try await sound.refund(again) }
        return try await sound.refund(request)
    }
    func listSubscriptions(_ request: ChangesRequest) async throws -> ProviderPage<SubscriptionFact> {
        var page = try await sound.listSubscriptions(request)
        if fault == .losesPages { page.next = nil }
        return page
    }
    func listPayments(_ request: ChangesRequest) async throws -> ProviderPage<InvoiceFact> { try await sound.listPayments(request) }
    func listRefunds(_ request: ChangesRequest) async throws -> ProviderPage<RefundFact> { try await sound.listRefunds(request) }
    func listDisputes(_ request: ChangesRequest) async throws -> ProviderPage<DisputeFact> { try await sound.listDisputes(request) }
    func listEvents(_ request: ChangesRequest) async throws -> ProviderPage<VerifiedEvent> { try await sound.listEvents(request) }
}

private struct FaultySubject: PaymentCallsSubject {
    let fault: Faulty.Fault
    let sound = StripeSubject()
    func provider(webhookSecrets: [String]) async throws -> any PaymentProvider { try await sound.provider(webhookSecrets: webhookSecrets) }
    func delivery(_ body: Data, secret: String, signedAt: Timestamp, receivedAt: Timestamp) -> WebhookDelivery {
        sound.delivery(body, secret: secret, signedAt: signedAt, receivedAt: receivedAt)
    }
    var life: [Data] { sound.life }
    var unknown: Data { sound.unknown }
    func stage(_ currency: Currency) async throws -> PaymentStage? {
        var stage = try await sound.stage(currency)
        if let provider = stage?.provider { stage?.provider = Faulty(sound: provider, fault: fault) }
        return stage
    }
}

@Suite struct SeededFaultTests {
    @Test("the kit catches a provider with one fault", arguments: Faulty.Fault.allCases.map(\.rawValue))
    func caught(name: String) async throws {
        let fault = try #require(Faulty.Fault(rawValue: name))
        let findings = await PaymentCallsConformance(FaultySubject(fault: fault), now: moment).run(stoppingAtFault: true)
        #expect(findings.contains { !$0.holds }, "\(name)")
    }
}
