import Foundation
import PluginKit

/// The calls of kit 1.1, guarded like those before: what is not claimed is not asked for, and what is answered is checked. An answer that
/// cannot be right leaves the outcome unknown.
extension GuardedPaymentProvider {
    var capabilities: Set<PaymentCapability> { provider.capabilities }
    func understands(_ type: String) -> Bool? { provider.understands(type) }

    // MARK: - Subscriptions

    func readSubscription(_ subscription: String) async throws -> SubscriptionFact {
        try await fact(.subscriptionRead, subscription) { try await provider.readSubscription(subscription) }
    }
    func previewChange(_ change: SubscriptionChange) async throws -> ChangePreview {
        try await asked(.changePreview) {
            let preview = try await provider.previewChange(change)
            let currency = preview.total.currency
            guard preview.prorated.currency == currency, isSound(preview.lines, in: currency) else {
                throw PaymentProviderError.malformed("\(plugin) answered a preview whose lines are too many or in several currencies.")
            }
            return preview
        }
    }
    func changeSubscription(_ change: SubscriptionChange) async throws -> SubscriptionFact {
        try await fact(.subscriptionChange, change.subscription) { try await provider.changeSubscription(change) }
    }
    func cancelSubscription(_ cancellation: SubscriptionCancellation) async throws -> SubscriptionFact {
        try await fact(cancellation.capability, cancellation.subscription) { try await provider.cancelSubscription(cancellation) }
    }
    func resumeSubscription(_ resumption: SubscriptionResumption) async throws -> SubscriptionFact {
        try await fact(.resume, resumption.subscription) { try await provider.resumeSubscription(resumption) }
    }
    func pauseSubscription(_ pause: SubscriptionPause) async throws -> SubscriptionFact {
        try await fact(.pause, pause.subscription) { try await provider.pauseSubscription(pause) }
    }
    func changeTrial(_ change: TrialChange) async throws -> SubscriptionFact {
        try await fact(.trialChange, change.subscription) { try await provider.changeTrial(change) }
    }
    func readCoupon(_ code: String) async throws -> Coupon? {
        try await asked(.coupons) {
            let coupon = try await provider.readCoupon(code)
            guard coupon.map({ isID($0.id) && (0...10_000).contains($0.basisPointsOff ?? 0) }) ?? true else {
                throw PaymentProviderError.malformed("\(plugin) answered a coupon without a usable id or share.")
            }
            return coupon
        }
    }
    func applyCoupon(_ application: CouponApplication) async throws -> SubscriptionFact {
        try await fact(.coupons, application.subscription) { try await provider.applyCoupon(application) }
    }

    // MARK: - Invoices and refunds

    func listInvoices(_ query: InvoiceQuery) async throws -> ProviderPage<ProviderInvoice> {
        try await page(.invoices, query.limit, \.invoice) {
            let page = try await provider.listInvoices(query)
            for invoice in page.items { try check(invoice) }
            return page
        }
    }
    func readInvoice(_ invoice: String) async throws -> ProviderInvoice {
        try await asked(.invoices) {
            let found = try await provider.readInvoice(invoice)
            guard found.invoice == invoice else { throw PaymentProviderError.malformed("\(plugin) answered another invoice.") }
            try check(found)
            return found
        }
    }
    func invoicePDF(_ invoice: String) async throws -> String? {
        try await asked(.invoicePDF) {
            let address = try await provider.invoicePDF(invoice)
            guard address.map(isAddress) ?? true else {
                throw PaymentProviderError.malformed("\(plugin) answered a PDF without a usable address.")
            }
            return address
        }
    }
    func refund(_ request: RefundRequest) async throws -> Refund {
        try await asked(.refunds) {
            if request.amount != nil, !capabilities.contains(.partialRefunds) { throw PaymentProviderError.notSupported(.partialRefunds) }
            let refund = try await provider.refund(request)
            guard isID(refund.fact.refund), let amount = refund.fact.amount, amount.amountMinor > 0,
                request.amount.map({ $0 == amount }) ?? true
            else { throw PaymentProviderError.malformed("\(plugin) answered a refund without a usable id, or of another amount.") }
            return refund
        }
    }

    // MARK: - Lists

    func listSubscriptions(_ request: ChangesRequest) async throws -> ProviderPage<SubscriptionFact> {
        try await page(.listSubscriptions, request.limit, \.subscription) { try await provider.listSubscriptions(request) }
    }
    func listPayments(_ request: ChangesRequest) async throws -> ProviderPage<InvoiceFact> {
        try await page(.listPayments, request.limit, \.invoice) { try await provider.listPayments(request) }
    }
    func listRefunds(_ request: ChangesRequest) async throws -> ProviderPage<RefundFact> {
        try await page(.listRefunds, request.limit, \.refund) { try await provider.listRefunds(request) }
    }
    func listDisputes(_ request: ChangesRequest) async throws -> ProviderPage<DisputeFact> {
        try await page(.listDisputes, request.limit, \.dispute) { try await provider.listDisputes(request) }
    }
    func listEvents(_ request: ChangesRequest) async throws -> ProviderPage<VerifiedEvent> {
        try await page(.listEvents, request.limit, \.id) { try await provider.listEvents(request) }
    }

    // MARK: - Checks

    private func asked<Value>(_ capability: PaymentCapability, _ work: () async throws -> Value) async throws -> Value {
        guard capabilities.contains(capability) else { throw PaymentProviderError.notSupported(capability) }
        return try await entered(work)
    }
    private func fact(
        _ capability: PaymentCapability, _ subscription: String, _ work: () async throws -> SubscriptionFact
    ) async throws -> SubscriptionFact {
        try await asked(capability) {
            let fact = try await work()
            guard fact.subscription == subscription, (0...1_000_000).contains(fact.quantity) else {
                throw PaymentProviderError.malformed("\(plugin) answered another subscription, or no number of units.")
            }
            return fact
        }
    }
    private func page<Item>(
        _ capability: PaymentCapability, _ limit: Int, _ name: (Item) -> String, _ work: () async throws -> ProviderPage<Item>
    ) async throws -> ProviderPage<Item> {
        try await asked(capability) {
            let page = try await work()
            guard page.items.count <= min(max(1, limit), 100), page.next.map(isID) ?? true, page.items.allSatisfy({ isID(name($0)) }) else {
                throw PaymentProviderError.malformed("\(plugin) answered a page that is too long, or with an unusable id or cursor.")
            }
            return page
        }
    }
    private func check(_ invoice: ProviderInvoice) throws {
        guard isID(invoice.invoice), invoice.due.currency == invoice.total.currency, isSound(invoice.lines, in: invoice.total.currency),
            invoice.hostedURL.map(isAddress) ?? true
        else { throw PaymentProviderError.malformed("\(plugin) answered an invoice with an unusable id, address, line or currency.") }
    }
    private func isSound(_ lines: [InvoiceLine], in currency: Currency) -> Bool {
        lines.count <= 250 && lines.allSatisfy { $0.amount.currency == currency }
    }
}
