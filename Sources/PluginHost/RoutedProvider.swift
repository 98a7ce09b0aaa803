import Foundation
import PluginKit

/// A payment provider by name. Each call goes to the version that is in service for its tenant when it begins, and ends with that version;
/// a version that has just begun to drain takes no call, so the call goes to the one that took over.
struct RoutedPaymentProvider: PaymentProvider {
    let host: PluginHost
    let plugin: String
    let tenant: String?

    // MARK: - With a tenant

    func startCheckout(_ request: CheckoutRequest) async throws -> CheckoutSession {
        try await call(tenant ?? request.tenant) { try await $0.startCheckout(request) }
    }
    func openPortal(_ request: PortalRequest) async throws -> PortalSession { try await call { try await $0.openPortal(request) } }
    func readSubscription(_ subscription: String) async throws -> SubscriptionFact {
        try await call { try await $0.readSubscription(subscription) }
    }
    func previewChange(_ change: SubscriptionChange) async throws -> ChangePreview { try await call { try await $0.previewChange(change) } }
    func changeSubscription(_ change: SubscriptionChange) async throws -> SubscriptionFact {
        try await call { try await $0.changeSubscription(change) }
    }
    func cancelSubscription(_ cancellation: SubscriptionCancellation) async throws -> SubscriptionFact {
        try await call { try await $0.cancelSubscription(cancellation) }
    }
    func resumeSubscription(_ resumption: SubscriptionResumption) async throws -> SubscriptionFact {
        try await call { try await $0.resumeSubscription(resumption) }
    }
    func pauseSubscription(_ pause: SubscriptionPause) async throws -> SubscriptionFact {
        try await call { try await $0.pauseSubscription(pause) }
    }
    func changeTrial(_ change: TrialChange) async throws -> SubscriptionFact { try await call { try await $0.changeTrial(change) } }
    func readCoupon(_ code: String) async throws -> Coupon? { try await call { try await $0.readCoupon(code) } }
    func applyCoupon(_ application: CouponApplication) async throws -> SubscriptionFact {
        try await call { try await $0.applyCoupon(application) }
    }
    func listInvoices(_ query: InvoiceQuery) async throws -> ProviderPage<ProviderInvoice> {
        try await call { try await $0.listInvoices(query) }
    }
    func readInvoice(_ invoice: String) async throws -> ProviderInvoice { try await call { try await $0.readInvoice(invoice) } }
    func invoicePDF(_ invoice: String) async throws -> String? { try await call { try await $0.invoicePDF(invoice) } }
    func refund(_ request: RefundRequest) async throws -> Refund { try await call { try await $0.refund(request) } }

    // MARK: - Without one: reconciliation walks all tenants, and stays with the version before until the new one is promoted

    func listSubscriptions(_ request: ChangesRequest) async throws -> ProviderPage<SubscriptionFact> {
        try await call { try await $0.listSubscriptions(request) }
    }
    func listPayments(_ request: ChangesRequest) async throws -> ProviderPage<InvoiceFact> {
        try await call { try await $0.listPayments(request) }
    }
    func listRefunds(_ request: ChangesRequest) async throws -> ProviderPage<RefundFact> {
        try await call { try await $0.listRefunds(request) }
    }
    func listDisputes(_ request: ChangesRequest) async throws -> ProviderPage<DisputeFact> {
        try await call { try await $0.listDisputes(request) }
    }
    func listEvents(_ request: ChangesRequest) async throws -> ProviderPage<VerifiedEvent> {
        try await call { try await $0.listEvents(request) }
    }
    var capabilities: Set<PaymentCapability> { serving(tenant)?.provider.capabilities ?? [] }
    func understands(_ type: String) -> Bool? { serving(nil)?.provider.understands(type) }

    // MARK: - Webhooks: nobody knows whose they are before they are read, so both versions are asked and the one in service counts

    func verify(_ delivery: WebhookDelivery) throws -> VerifiedEvent {
        try both {
            try $0.verify(delivery)
        } differ: { _, _ in
            false
        }
    }
    func interpret(_ event: VerifiedEvent) throws -> [PaymentFact] {
        try both {
            try $0.interpret(event)
        } differ: {
            $0 != $1
        }
    }

    // MARK: - Routing

    private typealias Serving = (provider: any PaymentProvider, canary: Canary?, isCandidate: Bool)

    private func serving(_ tenant: String?) -> Serving? {
        let (current, canary) = host.versions(plugin)
        if let tenant, let canary, canary.share.takes(tenant, of: plugin), let provider = canary.hosted.paymentProvider {
            return (provider, canary, true)
        }
        return current?.paymentProvider.map { ($0, canary, false) }
    }

    private func call<Value>(_ work: (any PaymentProvider) async throws -> Value) async throws -> Value { try await call(tenant, work) }
    private func call<Value>(_ tenant: String?, _ work: (any PaymentProvider) async throws -> Value) async throws -> Value {
        // Versions follow each other slower than this; the bound is for a host that stops.
        for _ in 0..<16 {
            guard let serving = serving(tenant) else { break }
            do {
                let value = try await work(serving.provider)
                count(serving, failed: false)
                return value
            } catch is GateClosed {
                continue
            } catch {
                count(serving, failed: (error as? PaymentProviderError)?.outcome == .unknown)
                throw error
            }
        }
        throw PaymentProviderError.unreachable("\(plugin) is stopping.")
    }

    private func count(_ serving: Serving, failed: Bool) {
        guard let canary = serving.canary else { return }
        let reason = canary.count { count in
            if serving.isCandidate {
                count.calls += 1
                count.failures += failed ? 1 : 0
            } else {
                count.callsBefore += 1
                count.failuresBefore += failed ? 1 : 0
            }
        }
        if let reason { host.giveUp(canary, of: plugin, reason) }
    }

    private func both<Value>(
        _ work: (any PaymentProvider) throws -> Value, differ: (Value, Value) -> Bool
    ) throws -> Value {
        for _ in 0..<16 {
            let (current, canary) = host.versions(plugin)
            guard let provider = current?.paymentProvider else { break }
            let told = Result { try work(provider) }
            if case .failure(let error) = told, error is GateClosed { continue }
            guard let canary, let candidate = canary.hosted.paymentProvider else { return try told.get() }
            return try settled(told, Result { try work(candidate) }, canary, differ)
        }
        throw PaymentProviderError.unreachable("\(plugin) is stopping.")
    }

    /// The same of versions that answer from processes of their own.
    func bothApart<Value>(
        _ work: (any PaymentProvider) async throws -> Value, differ: (Value, Value) -> Bool
    ) async throws -> Value {
        func asked(_ provider: any PaymentProvider) async -> Result<Value, any Error> {
            do { return .success(try await work(provider)) } catch { return .failure(error) }
        }
        for _ in 0..<16 {
            let (current, canary) = host.versions(plugin)
            guard let provider = current?.paymentProvider else { break }
            let told = await asked(provider)
            if case .failure(let error) = told, error is GateClosed { continue }
            guard let canary, let candidate = canary.hosted.paymentProvider else { return try told.get() }
            return try settled(told, await asked(candidate), canary, differ)
        }
        throw PaymentProviderError.unreachable("\(plugin) is stopping.")
    }

    /// What counts of what both versions said.
    private func settled<Value>(
        _ told: Result<Value, any Error>, _ beside: Result<Value, any Error>, _ canary: Canary, _ differ: (Value, Value) -> Bool
    ) throws -> Value {
        switch (told, beside) {
        case (.success(let value), .success(let other)):
            let differs = differ(value, other)
            let reason = canary.count { count in
                count.calls += 1
                count.callsBefore += 1
                count.differences += differs ? 1 : 0
            }
            if let reason { host.giveUp(canary, of: plugin, reason) }
            return value
        case (.success(let value), .failure(let error)):
            if error is GateClosed { return value }
            let reason = canary.count { count in
                count.calls += 1
                count.failures += 1
                count.callsBefore += 1
            }
            if let reason { host.giveUp(canary, of: plugin, reason) }
            return value
        // What only the new version knows is its own: a secret that was rolled, an event of a kind that came with it.
        case (.failure, .success(let other)): return other
        case (.failure(let error), .failure): throw error
        }
    }
}

/// The pages of a plugin by name. A page that the version in service does not know may be the new one's: nothing was done, so it is asked.
struct RoutedPages: PluginPages {
    let host: PluginHost
    let plugin: String

    func respond(to request: PageRequest) async throws -> PageResponse {
        for _ in 0..<16 {
            let (current, canary) = host.versions(plugin)
            guard let pages = current?.pages else { break }
            do {
                let page = try await pages.respond(to: request)
                guard page.status == 404, let others = canary?.hosted.pages else { return page }
                return (try? await others.respond(to: request)) ?? page
            } catch is GateClosed {
                continue
            }
        }
        throw PluginRefusal("\(plugin) is stopping.")
    }
}
