import Foundation
import PluginKit

/// Opens checkouts and portals, for the provider's side and the pages' side alike.
struct Shop: Sendable {
    let ledger: Ledger
    let terms: Terms
    let clock: any PluginClock
    let site: any PluginSite
    /// Derives ids that nobody can guess and that are the same when a call is repeated.
    let seed: String
    /// Says that there may be something to do for a customer.
    let call: @Sendable (String) async -> Void

    static let sessionLife = Duration.days(7)

    func startCheckout(_ request: CheckoutRequest) async throws -> CheckoutSession {
        let now = clock.now()
        guard request.unitPrice.currency == terms.currency else {
            throw PaymentProviderError.refused(
                code: "currency_not_taken",
                message: "Bank transfers are taken in \(terms.currency) only, not in \(request.unitPrice.currency).")
        }
        let vat = VATTreatment(category: .zero, rate: 0)
        guard Invoice.line("-", quantity: request.quantity, unitPrice: request.unitPrice.amountMinor, vat: vat) != nil else {
            throw PaymentProviderError.refused(code: "amount_invalid", message: "Quantity or price are outside what an invoice can hold.")
        }
        let customer = request.customer ?? derived("cus_", "customer:\(request.reference)")
        let id = derived("cs_", "session:\(request.idempotencyKey)")
        let name = request.productName.flatMap { Wording.line($0, most: 120) } ?? request.tier
        let session = Account.Session(
            id: id, reference: request.reference, tier: request.tier, productName: name, interval: request.interval,
            quantity: request.quantity, unitPrice: request.unitPrice, providerPrice: request.providerPrice,
            email: request.customerEmail.map { String($0.prefix(254)) }, trialDays: min(max(0, request.trialDays), 730),
            successURL: request.successURL, cancelURL: request.cancelURL, expiresAt: now + Self.sessionLife)
        if let kept = try await ledger.space.get("session/\(id)"), kept != Data(customer.utf8) {
            throw Misstep("This key was used for another checkout.")
        }
        try await ledger.space.set("session/\(id)", Data(customer.utf8))
        try await ledger.update(customer, isNew: request.customer == nil) { try $0.open(session, now: now) }
        await call(customer)
        return CheckoutSession(id: id, url: site.pageAddress(plugin: "bank-invoice", "checkout/\(id)"))
    }

    func openPortal(_ request: PortalRequest) async throws -> PortalSession {
        let now = clock.now()
        let token = derived("ps_", "portal:\(request.customer):\(now.microseconds)")
        try await ledger.update(request.customer) {
            $0.openPortal(Account.Portal(token: token, returnURL: request.returnURL, expiresAt: now + .hours(1)), now: now)
        }
        return PortalSession(url: site.pageAddress(plugin: "bank-invoice", "portal/\(request.customer)/\(token)"))
    }

    /// The session and its account; nil for anything that is not a session's id.
    func session(_ id: String) async throws -> (Account, Account.Session)? {
        guard Ledger.isID(id, "cs_"), let customer = try await ledger.space.get("session/\(id)"),
            let account = try await ledger.account(String(decoding: customer, as: UTF8.self)),
            let session = account.sessions.first(where: { $0.id == id })
        else { return nil }
        return (account, session)
    }

    /// The account behind a portal's address that has not run out.
    func portal(_ customer: String, _ token: String) async throws -> (Account, Account.Portal)? {
        guard let account = try await ledger.account(customer) else { return nil }
        let given = Array(token.utf8)
        let portal = account.portals.first { PluginDigest.isEqual(Array($0.token.utf8), given) && $0.expiresAt > clock.now() }
        return portal.map { (account, $0) }
    }

    /// Where a document is read; who has the address may read it.
    func address(of number: DocumentNumber) -> String { "/plugins/bank-invoice/invoice/\(number)/\(key(of: number))" }
    func isKey(_ key: String, of number: DocumentNumber) -> Bool { PluginDigest.isEqual(Array(key.utf8), Array(self.key(of: number).utf8)) }
    private func key(of number: DocumentNumber) -> String { derived("", "document:\(number)") }

    private func derived(_ prefix: String, _ what: String) -> String {
        prefix + PluginDigest.hex(Array(PluginDigest.hmacSHA256(key: Array(seed.utf8), Data(what.utf8)).prefix(16)))
    }
}

/// What people may write into an invoice.
enum Wording {
    /// One line without control characters, white space at both ends cut off; nil where nothing is left or too much.
    static func line(_ written: String, most: Int) -> String? {
        let text = written.trimmingCharacters(in: .whitespacesAndNewlines)
        guard !text.isEmpty, text.count <= most, text.utf8.count <= most * 4,
            !text.unicodeScalars.contains(where: { $0.value < 32 || (127..<160).contains($0.value) || $0.value & 0xFFFE == 0xFFFE })
        else { return nil }
        return text
    }
}

struct BankProvider: PaymentProvider {
    let shop: Shop
    let office: Office
    let signature: WebhookSignature

    /// What a bank transfer allows: a change of tier and a pause are decided by people: a new checkout replaces a subscription.
    let capabilities: Set<PaymentCapability> = [
        .customerPortal, .trials, .subscriptionRead, .cancelNow, .cancelAtPeriodEnd, .resume, .invoices, .refunds, .partialRefunds,
        .listSubscriptions,
        .listPayments,
    ]

    func startCheckout(_ request: CheckoutRequest) async throws -> CheckoutSession {
        try await told { try await shop.startCheckout(request) }
    }
    func openPortal(_ request: PortalRequest) async throws -> PortalSession { try await told { try await shop.openPortal(request) } }
    func verify(_ delivery: WebhookDelivery) throws -> VerifiedEvent {
        guard delivery.body.count <= BankEvent.maxBytes else { throw PaymentProviderError.malformed("The body is larger than any event.") }
        try signature.verify(header: delivery.headers["bank-invoice-signature"], body: delivery.body, receivedAt: delivery.receivedAt)
        return try BankEvent.verified(delivery.body)
    }
    func understands(_ type: String) -> Bool? { BankEvent.types.contains(type) }
    func interpret(_ event: VerifiedEvent) throws -> [PaymentFact] { try BankEvent.facts(event) }

    func readSubscription(_ subscription: String) async throws -> SubscriptionFact {
        try await told { try await office.read(subscription) }
    }
    func cancelSubscription(_ cancellation: SubscriptionCancellation) async throws -> SubscriptionFact {
        try await told { try await office.cancel(cancellation) }
    }
    func resumeSubscription(_ resumption: SubscriptionResumption) async throws -> SubscriptionFact {
        try await told { try await office.resume(resumption.subscription) }
    }
    func listInvoices(_ query: InvoiceQuery) async throws -> ProviderPage<ProviderInvoice> {
        try await told { try await office.invoices(query) }
    }
    func readInvoice(_ invoice: String) async throws -> ProviderInvoice { try await told { try await office.invoice(invoice) } }
    func refund(_ request: RefundRequest) async throws -> Refund { try await told { try await office.refund(request) } }
    func listSubscriptions(_ request: ChangesRequest) async throws -> ProviderPage<SubscriptionFact> {
        try await told { try await office.subscriptions(request) }
    }
    func listPayments(_ request: ChangesRequest) async throws -> ProviderPage<InvoiceFact> {
        try await told { try await office.payments(request) }
    }

    private func told<Value>(_ work: () async throws -> Value) async throws -> Value {
        do { return try await work() } catch let misstep as Misstep {
            if misstep.isPassing { throw PaymentProviderError.unreachable(misstep.sentence) }
            throw PaymentProviderError.refused(code: "bank_invoice_refused", message: misstep.sentence)
        }
    }
}
