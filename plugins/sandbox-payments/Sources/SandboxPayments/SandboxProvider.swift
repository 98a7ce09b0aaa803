import Foundation
import PluginKit

struct SandboxProvider: PaymentProvider {
    let shop: Shop
    let signature: WebhookSignature

    let courier: Courier
    let delay: Duration

    let capabilities: Set<PaymentCapability> = [
        .customerPortal, .trials, .subscriptionRead, .subscriptionChange, .changePreview, .cancelNow, .cancelAtPeriodEnd, .resume,
        .coupons, .invoices,
        .refunds, .partialRefunds, .listSubscriptions, .listPayments, .listRefunds, .listDisputes,
    ]
    func understands(_ type: String) -> Bool? { SandboxEvent.known.contains(type) }

    func startCheckout(_ request: CheckoutRequest) async throws -> CheckoutSession {
        try await told { try await shop.startCheckout(request) }
    }
    func openPortal(_ request: PortalRequest) async throws -> PortalSession {
        try await told { try await shop.openPortal(request) }
    }
    func verify(_ delivery: WebhookDelivery) throws -> VerifiedEvent {
        guard delivery.body.count <= SandboxEvent.maxBytes else {
            throw PaymentProviderError.malformed("The body is larger than any event.")
        }
        try signature.verify(header: delivery.headers["sandbox-signature"], body: delivery.body, receivedAt: delivery.receivedAt)
        return try SandboxEvent.verified(delivery.body)
    }
    func interpret(_ event: VerifiedEvent) throws -> [PaymentFact] { try SandboxEvent.facts(event) }

    /// Nothing is done on an address that strangers reach; a step that the account does not allow is a refusal.
    func told<Value>(_ work: () async throws -> Value) async throws -> Value {
        guard !shop.isClosed else { throw PaymentProviderError.refused(code: "sandbox_closed", message: Shop.closedSentence) }
        do { return try await work() } catch let misstep as Misstep {
            if misstep.isPassing { throw PaymentProviderError.unreachable(misstep.sentence) }
            throw PaymentProviderError.refused(code: "sandbox_refused", message: misstep.sentence)
        }
    }
}
