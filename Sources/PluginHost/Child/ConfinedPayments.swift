import Foundation
import PluginKit
import PluginWire
import Vocabulary

/// The payment provider of a plugin in a child process. An error that is none of the kit's, a child that died among them, becomes
/// "outcome unknown" in `GuardedPaymentProvider`, never a refusal.
struct ConfinedPayments: PaymentProvider, WebhookReading {
    let plugin: ConfinedPlugin
    /// As the plugin said when it was made: constant while it runs.
    let capabilities: Set<PaymentCapability>

    func startCheckout(_ request: CheckoutRequest) async throws -> CheckoutSession { try await plugin.call(ToChild.startCheckout, request) }
    func openPortal(_ request: PortalRequest) async throws -> PortalSession { try await plugin.call(ToChild.openPortal, request) }

    // The server asks by these two; the kit's own, below, block their thread for a bounded time.
    func verified(_ delivery: WebhookDelivery) async throws -> VerifiedEvent { try await plugin.call(ToChild.verify, delivery) }
    func interpreted(_ event: VerifiedEvent) async throws -> [PaymentFact] { try await plugin.call(ToChild.interpret, event) }
    func verify(_ delivery: WebhookDelivery) throws -> VerifiedEvent { try plugin.callBlocking(ToChild.verify, delivery) }
    func interpret(_ event: VerifiedEvent) throws -> [PaymentFact] { try plugin.callBlocking(ToChild.interpret, event) }
    func understands(_ type: String) -> Bool? { (try? plugin.callBlocking(ToChild.understands, type))?.value }

    func readSubscription(_ subscription: String) async throws -> SubscriptionFact {
        try await plugin.call(ToChild.readSubscription, subscription)
    }
    func previewChange(_ change: SubscriptionChange) async throws -> ChangePreview { try await plugin.call(ToChild.previewChange, change) }
    func changeSubscription(_ change: SubscriptionChange) async throws -> SubscriptionFact {
        try await plugin.call(ToChild.changeSubscription, change)
    }
    func cancelSubscription(_ cancellation: SubscriptionCancellation) async throws -> SubscriptionFact {
        try await plugin.call(ToChild.cancelSubscription, cancellation)
    }
    func resumeSubscription(_ resumption: SubscriptionResumption) async throws -> SubscriptionFact {
        try await plugin.call(ToChild.resumeSubscription, resumption)
    }
    func pauseSubscription(_ pause: SubscriptionPause) async throws -> SubscriptionFact {
        try await plugin.call(ToChild.pauseSubscription, pause)
    }
    func changeTrial(_ change: TrialChange) async throws -> SubscriptionFact { try await plugin.call(ToChild.changeTrial, change) }
    func readCoupon(_ code: String) async throws -> Coupon? { try await plugin.call(ToChild.readCoupon, code).value }
    func applyCoupon(_ application: CouponApplication) async throws -> SubscriptionFact {
        try await plugin.call(ToChild.applyCoupon, application)
    }
    func listInvoices(_ query: InvoiceQuery) async throws -> ProviderPage<ProviderInvoice> {
        try await plugin.call(ToChild.listInvoices, query).page
    }
    func readInvoice(_ invoice: String) async throws -> ProviderInvoice { try await plugin.call(ToChild.readInvoice, invoice) }
    func invoicePDF(_ invoice: String) async throws -> String? { try await plugin.call(ToChild.invoicePDF, invoice).value }
    func refund(_ request: RefundRequest) async throws -> Refund { try await plugin.call(ToChild.refund, request) }
    func listSubscriptions(_ request: ChangesRequest) async throws -> ProviderPage<SubscriptionFact> {
        try await plugin.call(ToChild.listSubscriptions, request).page
    }
    func listPayments(_ request: ChangesRequest) async throws -> ProviderPage<InvoiceFact> {
        try await plugin.call(ToChild.listPayments, request).page
    }
    func listRefunds(_ request: ChangesRequest) async throws -> ProviderPage<RefundFact> {
        try await plugin.call(ToChild.listRefunds, request).page
    }
    func listDisputes(_ request: ChangesRequest) async throws -> ProviderPage<DisputeFact> {
        try await plugin.call(ToChild.listDisputes, request).page
    }
    func listEvents(_ request: ChangesRequest) async throws -> ProviderPage<VerifiedEvent> {
        try await plugin.call(ToChild.listEvents, request).page
    }
}

struct ConfinedPages: PluginPages {
    let plugin: ConfinedPlugin
    func respond(to request: PageRequest) async throws -> PageResponse { try await plugin.call(ToChild.page, request) }
}

/// Asked on a thread of the engine's own, which may block. The engine gives up after 50 ms; a child that is twenty times as late hangs, and is
/// ended, so that the thread comes back and the next one answers.
struct ConfinedModule: PolicyModule {
    let plugin: ConfinedPlugin
    static let patience = 1
    func answer(_ question: PolicyQuestion) throws -> PolicyReply {
        try plugin.callBlocking(ToChild.answer, question, seconds: ConfinedModule.patience)
    }
}
