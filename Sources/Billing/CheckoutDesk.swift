import Catalog
import Store
import Vocabulary

/// What a buyer asks for: a tier at an interval, or a provider's own price.
package struct CheckoutOrder: Sendable, Hashable {
    package var tier: String?
    package var interval: BillingInterval?
    package var priceID: String?
    package var quantity: Int
    package var provider: String?
    /// A subscription at another provider that this one takes over.
    package var replaces: SubscriptionID?
    /// A code that takes something off, as the provider knows it.
    package var coupon: String?
    package init(
        tier: String?, interval: BillingInterval?, priceID: String?, quantity: Int, provider: String?, replaces: SubscriptionID? = nil,
        coupon: String? = nil
    ) {
        self.replaces = replaces
        self.coupon = coupon
        self.tier = tier
        self.interval = interval
        self.priceID = priceID
        self.quantity = quantity
        self.provider = provider
    }
}

package struct CheckoutAnswer: Codable, Sendable, Hashable {
    package let sessionID: String
    package let url: String
    enum CodingKeys: String, CodingKey {
        case sessionID = "session_id"
        case url
    }
}

/// Opens checkouts and portals. The intent is on disk before the provider is asked, and the provider is asked outside every transaction
/// with a key of the intent: an answer that was lost is asked for again and is the same.
struct CheckoutDesk {
    static let opening = KernelReason("billing.open_checkout")
    /// How long a caller's Idempotency-Key stands for the same checkout; the stored answers live as long.
    static let claimLife = Duration.hours(24)

    let parts: BillingParts
    private var store: any Store { parts.floor.store }

    // MARK: - Checkout

    func start(_ order: CheckoutOrder, tenant: TenantID, origin: String, _ act: Act) async throws -> CheckoutAnswer {
        try CardNumber.refuse(["tier": order.tier, "price_id": order.priceID, "provider": order.provider, "coupon": order.coupon])
        if let answer = try await store.recalled(act, as: CheckoutAnswer.self) { return answer }
        let catalog = try await store.tenantRead(tenant) { [parts] db in try parts.catalog.inForce(in: db, at: act.now) }
        let name = order.provider ?? seller(of: order, catalog)
        var order = order
        let takeover = try await MoveDesk(parts: parts).takeover(order, at: name, tenant, act)
        if let takeover { (order.tier, order.interval, order.quantity) = (takeover.tier, takeover.interval, takeover.quantity) }
        let sale = try offer(order, name, catalog)
        let provider = try await parts.providers.inService(name, for: tenant)
        let limit = Duration.seconds(Int64(parts.settings[BillingSettings.providerSeconds]))
        let coupon = try await CheckoutCoupon(provider: provider, limit: limit, now: act.now).read(order.coupon, for: sale.price)
        let intent = try await intend(sale, coupon, name, takeover, tenant, act)
        if intent.status == .open { return try answer(intent) }
        let request = try await request(intent, tenant, origin, act)
        let session: CheckoutSession
        do {
            session = try await provider.startCheckout(request)
        } catch {
            if case .refused? = error as? PaymentProviderError { try await refused(intent, tenant, act) }
            throw intent.coupon == nil ? BillingProblems.of(error) : CheckoutCoupon.problem(of: error)
        }
        return try await record(intent, session, tenant, act)
    }

    /// Who is asked where the order names nobody.
    private func seller(of order: CheckoutOrder, _ catalog: TenantCatalog) -> String {
        let invoices = parts.settings[BillingSettings.invoiceProvider]
        guard !invoices.isEmpty, order.tier.flatMap({ catalog[$0] })?.isInvoiced == true else { return parts.providers.defaultName }
        return invoices
    }

    /// What is about to be sold.
    private struct Sale: Sendable {
        let tier: Tier
        let interval: BillingInterval
        let price: Money
        let quantity: Int
        /// The provider's own price knows nothing of what was agreed with one tenant.
        let isOwnPrice: Bool
    }

    /// The tier, interval and unit price of an order, or the reason why it cannot be bought here.
    private func offer(
        _ order: CheckoutOrder, _ provider: String, _ catalog: TenantCatalog
    ) throws(Problem) -> Sale {
        let tier: Tier
        let interval: BillingInterval
        if let priceID = order.priceID {
            guard order.tier == nil, order.interval == nil else {
                throw CommonProblems.invalid("price_id", "stands alone, without tier and interval")
            }
            guard let price = parts.prices.offer(provider: provider, price: priceID), let named = catalog[price.tier] else {
                throw BillingProblems.noSuchPrice
            }
            (tier, interval) = (named, price.interval)
        } else {
            guard let name = order.tier else { throw CommonProblems.invalid("tier", "is required, or price_id") }
            guard let named = catalog[name] else { throw CatalogProblems.unknownTier }
            guard let wanted = order.interval else { throw CommonProblems.invalid("interval", "is required: month or year") }
            (tier, interval) = (named, wanted)
        }
        if tier.isHidden, !catalog.isAgreed(tier.id) { throw BillingProblems.tierNotOffered }
        if tier.isByContract {
            throw tier.contactURL.map { BillingProblems.tierByContract.with(["contact_url": .string($0)]) }
                ?? BillingProblems.tierByContract
        }
        if tier.isFree { throw BillingProblems.tierIsFree }
        guard let price = tier.prices[interval] else { throw BillingProblems.noSuchPrice }
        guard order.quantity >= 1 else { throw CommonProblems.invalid("quantity", "must be 1 or more") }
        guard order.quantity <= tier.maxQuantity else {
            throw BillingProblems.quantityTooLarge.with(["max_quantity": .int(Int64(tier.maxQuantity))])
        }
        return Sale(
            tier: tier, interval: interval, price: price, quantity: order.quantity, isOwnPrice: catalog.hasOwnPrice(tier.id, interval))
    }

    /// The intent of this request: the one that its key made before, or a new one.
    private func intend(
        _ sale: Sale, _ coupon: Coupon?, _ provider: String, _ takeover: MoveDesk.Takeover?, _ tenant: TenantID, _ act: Act
    ) async throws -> CheckoutIntent {
        let claim = act.idempotency.map {
            parts.floor.sealer.digest(Array("\($0.scope.utf8.count):\($0.scope)\($0.key)".utf8), purpose: "billing_checkout.claim")
        }
        let id: CheckoutIntent.ID = parts.floor.entropy.id(act.now)
        // Not the id: the reference goes to the provider and nowhere else.
        let reference: Identifier<Never> = parts.floor.entropy.id(act.now)
        let fresh = CheckoutIntent(
            id: id, provider: provider, reference: reference.description, fingerprint: act.idempotency?.fingerprint, attempt: 1,
            tier: sale.tier.id.name, interval: sale.interval, quantity: sale.quantity, unitPrice: sale.price,
            providerPrice: sale.isOwnPrice ? nil : parts.prices.name(provider: provider, tier: sale.tier.id, interval: sale.interval),
            trialDays: sale.tier.trialDays, status: .asking, session: nil, urlBox: nil, createdAt: act.now,
            coupon: coupon)
        return try await store.kernel(CheckoutDesk.opening, .flushed) { db in
            let intent = try db.within(tenant) { db in try keep(fresh, claim, takeover, db, act) }
            try PaymentPosting.link([RouteAnchor(.reference, intent.reference)], of: provider, to: tenant, db, act)
            return intent
        }
    }

    private func keep(
        _ fresh: CheckoutIntent, _ claim: [UInt8]?, _ takeover: MoveDesk.Takeover?, _ db: any TenantScope, _ act: Act
    ) throws -> CheckoutIntent {
        if let claim, var known = try db.row(BillingTable.checkoutByClaim, db.tenant, claim).map(CheckoutIntent.init) {
            if known.createdAt + CheckoutDesk.claimLife > act.now {
                guard known.fingerprint == fresh.fingerprint else { throw CommonProblems.idempotencyKeyReused }
                if known.status == .refused, try db.row(BillingTable.askAgain, db.tenant, known.id, act.now) != nil {
                    known.status = .asking
                }
                return known
            }
            try db.run(BillingTable.forgetClaim, db.tenant, known.id)
        }
        var intent = fresh
        // A trial is for who has had nothing yet.
        if try db.rows(BillingTable.subscriptions, db.tenant).map(SubscriptionRow.init).contains(where: { $0.told != nil }) {
            intent.trialDays = 0
        }
        // What is paid elsewhere is not paid twice.
        if let takeover { intent.trialDays = takeover.trialDays }
        try db.run(
            BillingTable.insertCheckout, db.tenant, intent.id, intent.provider, intent.reference, claim, intent.fingerprint, intent.tier,
            intent.interval.rawValue, intent.quantity, intent.unitPrice.amountMinor, intent.unitPrice.currency.code, intent.providerPrice,
            intent.trialDays, try StoredJSON.encode(CheckoutState()), act.now, try intent.coupon.map(StoredJSON.encode))
        if let takeover { try db.run(MoveTable.insert, db.tenant, intent.id, takeover.root, takeover.from, act.now) }
        var details: [String: JSONValue] = [
            "tier": .string(intent.tier), "interval": .string(intent.interval.rawValue), "quantity": .int(Int64(intent.quantity)),
            "provider": .string(intent.provider),
        ]
        if let coupon = intent.coupon { details["coupon"] = .string(coupon.code) }
        try db.journal(JournalEntry("checkout.intended", subject: "checkout:\(intent.id)", details: .object(details)), act)
        return intent
    }

    private func request(_ intent: CheckoutIntent, _ tenant: TenantID, _ origin: String, _ act: Act) async throws -> CheckoutRequest {
        let customer = try await customer(of: tenant, at: intent.provider)?.customer
        var email: String?
        // Only the checkout page needs it, and only where the provider does not know the customer yet.
        if customer == nil, case .user(let user, _) = act.actor { email = try await parts.addresses.address(of: user)?.email }
        var request = CheckoutRequest(
            reference: intent.reference, tenant: tenant.description, tier: intent.tier, interval: intent.interval,
            quantity: intent.quantity,
            unitPrice: intent.unitPrice, providerPrice: intent.providerPrice, customer: customer, customerEmail: email,
            trialDays: intent.trialDays,
            successURL: BillingSettings.target(parts.settings[BillingSettings.successURL], origin: origin),
            cancelURL: BillingSettings.target(parts.settings[BillingSettings.cancelURL], origin: origin),
            idempotencyKey: intent.idempotencyKey,
            productName: parts.catalog[intent.tier]?.name)
        request.coupon = intent.coupon?.code
        return request
    }

    private func record(_ intent: CheckoutIntent, _ session: CheckoutSession, _ tenant: TenantID, _ act: Act) async throws -> CheckoutAnswer
    {
        guard PaymentInbox.isName(session.id), session.url.utf8.count <= 4_096 else {
            throw BillingProblems.of(PaymentProviderError.malformed("session"))
        }
        let box = try parts.floor.sealer.seal(Array(session.url.utf8), context: CheckoutIntent.context(intent.id))
        return try await store.kernel(CheckoutDesk.opening, .flushed) { db in
            try db.once(act) {
                try db.within(tenant) { db in
                    guard try db.row(BillingTable.openCheckout, db.tenant, intent.id, session.id, box, act.now) != nil else { return }
                    try db.journal(JournalEntry("checkout.opened", subject: "checkout:\(intent.id)"), act)
                }
                try PaymentPosting.link([RouteAnchor(.session, session.id)], of: intent.provider, to: tenant, db, act)
                return CheckoutAnswer(sessionID: session.id, url: session.url)
            }
        }
    }

    private func refused(_ intent: CheckoutIntent, _ tenant: TenantID, _ act: Act) async throws {
        try await store.tenant(tenant) { db in
            guard try db.row(BillingTable.refuseCheckout, db.tenant, intent.id, act.now) != nil else { return }
            try db.journal(JournalEntry("checkout.refused", subject: "checkout:\(intent.id)", outcome: .failed), act)
        }
    }

    private func answer(_ intent: CheckoutIntent) throws -> CheckoutAnswer {
        guard let session = intent.session, let box = intent.urlBox else { throw StoreFault.corrupt("billing_checkout") }
        let url = try parts.floor.sealer.open(box, context: CheckoutIntent.context(intent.id))
        return CheckoutAnswer(sessionID: session, url: String(decoding: url, as: UTF8.self))
    }

    // MARK: - Portal

    func portal(provider name: String?, tenant: TenantID, origin: String, _ act: Act) async throws -> String {
        try CardNumber.refuse(["provider": name])
        guard let (known, customer) = try await customer(of: tenant, at: name) else { throw BillingProblems.nothingBought }
        let provider = try await parts.providers.inService(known, for: tenant)
        let back = BillingSettings.target(parts.settings[BillingSettings.portalReturnURL], origin: origin)
        let url: String
        do {
            url = try await provider.openPortal(PortalRequest(customer: customer, returnURL: back)).url
        } catch {
            throw BillingProblems.of(error)
        }
        try await store.tenant(tenant) { db in
            try db.journal(JournalEntry("billing_portal.opened", subject: "tenant:\(tenant)", details: ["provider": .string(known)]), act)
        }
        return url
    }

    /// The tenant's customer at a provider, or at any: of the newest subscription that has one.
    private func customer(of tenant: TenantID, at provider: String?) async throws -> (provider: String, customer: String)? {
        try await store.tenantRead(tenant) { db in
            try db.rows(BillingTable.subscriptions, db.tenant).lazy.map(SubscriptionRow.init).first { row in
                row.facts.customer != nil && (provider == nil || provider == row.provider)
            }.flatMap { row in row.facts.customer.map { (row.provider, $0) } }
        }
    }
}
