import Foundation
import PluginKit

/// Opens checkouts and portals, for the provider's side and the pages' side alike.
struct Shop: Sendable {
    let ledger: Ledger
    let clock: any PluginClock
    let site: any PluginSite
    let isPublicAllowed: Bool
    /// How webhooks arrive until a page chooses.
    let manner: Manner
    /// Derives ids that nobody can guess and that are the same when a call is repeated.
    let seed: String

    /// Pretend money buys real licences: on an address that strangers reach, only where the operator said so.
    var isClosed: Bool {
        guard !isPublicAllowed else { return false }
        return WebOrigin(site.origin())?.isLoopback != true
    }
    static let closedSentence = "The sandbox sells on loopback only; the setting allow_public opens it."

    func startCheckout(_ request: CheckoutRequest) async throws -> CheckoutSession {
        let now = clock.now()
        let customer = request.customer ?? derived("cus_", "customer:\(request.reference)")
        let id = derived("cs_", "session:\(request.idempotencyKey)")
        guard (1...1_000_000).contains(request.quantity), (0...100_000_000_000).contains(request.unitPrice.amountMinor) else {
            throw PaymentProviderError.refused(code: "amount_invalid", message: "Quantity or price is outside what the sandbox takes.")
        }
        var session = Account.Session(
            id: id, reference: request.reference, tier: request.tier,
            productName: String((request.productName ?? request.tier).prefix(200)), interval: request.interval, quantity: request.quantity,
            unitPrice: request.unitPrice, providerPrice: request.providerPrice, trialDays: min(max(0, request.trialDays), 730),
            successURL: request.successURL, cancelURL: request.cancelURL, expiresAt: now + .days(1))
        session.coupon = try request.coupon.map { try Rebates.usable($0, request.unitPrice.currency) }
        let opened = session
        try await ledger.space.set("session/\(id)", Data(customer.utf8))
        try await ledger.update(customer, starting: request.customer == nil ? manner : nil) { try $0.open(opened, now: now) }
        return CheckoutSession(id: id, url: site.pageAddress(plugin: "sandbox", "checkout/\(id)"))
    }

    func openPortal(_ request: PortalRequest) async throws -> PortalSession {
        let now = clock.now()
        let token = derived("ps_", "portal:\(request.customer):\(now.microseconds)")
        try await ledger.update(request.customer) {
            $0.openPortal(Account.Portal(token: token, returnURL: request.returnURL, expiresAt: now + .hours(1)), now: now)
        }
        return PortalSession(url: site.pageAddress(plugin: "sandbox", "portal/\(request.customer)/\(token)"))
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

    private func derived(_ prefix: String, _ what: String) -> String {
        prefix + PluginDigest.hex(Array(PluginDigest.hmacSHA256(key: Array(seed.utf8), Data(what.utf8)).prefix(16)))
    }
}
