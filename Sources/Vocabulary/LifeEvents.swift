// What customers' own systems like to hear of. Rooms tell it in the transaction of the change; nobody in the house acts on it.

/// Licensing → Webhooks: what was done to a licence, and how it is since.
package struct LicenseChanged: PlatformEvent {
    package static let topic = "licensing.license_changed"
    package static let summary =
        "A licence was renewed, suspended, reinstated, expired or changed; carries the whole licence, without its key."
    package enum Step: String, Codable, Sendable, CaseIterable {
        case graceStarted = "grace_started"
        case suspended, reinstated, renewed, expired
        /// Another tier or quantity, its standing as before.
        case changed
    }
    package var tenant: TenantID
    package var license: LicenseID
    package var step: Step
    package var tier: String
    package var quantity: Int
    package var status: String
    package var expiresAt: Timestamp?
    package init(
        tenant: TenantID, license: LicenseID, step: Step, tier: String, quantity: Int, status: String, expiresAt: Timestamp?
    ) {
        self.tenant = tenant
        self.license = license
        self.step = step
        self.tier = tier
        self.quantity = quantity
        self.status = status
        self.expiresAt = expiresAt
    }
}

/// Billing → Webhooks: something became known of a tenant's money; once, however many events announce it.
package struct PaymentTold: PlatformEvent {
    package static let topic = "billing.payment_told"
    package static let summary = "An invoice, refund or dispute became known or changed; what is known already is not told again."
    package enum Step: String, Codable, Sendable, CaseIterable {
        case paymentSucceeded = "payment.succeeded"
        case paymentFailed = "payment.failed"
        case invoiceUpdated = "invoice.updated"
        case refundCreated = "refund.created"
        case disputeOpened = "dispute.opened"
        case disputeUpdated = "dispute.updated"
        case disputeClosed = "dispute.closed"
    }
    package var tenant: TenantID
    package var step: Step
    /// `invoice:018f…`, `refund:018f…`, `dispute:018f…`
    package var object: String
    package var provider: String
    package var subscription: SubscriptionID?
    package var amount: Money?
    package var status: String?
    package var reason: String?
    package var periodStart: Timestamp?
    package var periodEnd: Timestamp?
    package init(tenant: TenantID, step: Step, object: String, provider: String) {
        self.tenant = tenant
        self.step = step
        self.object = object
        self.provider = provider
    }
}

/// Seats → Webhooks: what an operator would want to know of seats. Taking and giving back is not told one by one: the history has it.
package struct SeatTold: PlatformEvent {
    package static let topic = "seats.seat_told"
    package static let summary = "A seat was released by force or borrowed, or a licence's seats are nearly all taken."
    package enum Step: String, Codable, Sendable, CaseIterable {
        case released, borrowed
        case nearlyFull = "nearly_full"
    }
    package var tenant: TenantID
    package var step: Step
    package var license: LicenseID
    /// Absent where the licence as a whole is meant.
    package var session: String?
    package var reason: String?
    package var until: Timestamp?
    package var seatsUsed: Int?
    package var seatsTotal: Int?
    package init(tenant: TenantID, step: Step, license: LicenseID) {
        self.tenant = tenant
        self.step = step
        self.license = license
    }
}

/// TenantPolicies → Webhooks: a version of the tenant's own policies was put in force, or none is.
package struct TenantPoliciesChanged: PlatformEvent {
    package static let topic = "tenant_policies.changed"
    package static let summary = "A version of a tenant's own policies was put in force, or they were switched off."
    package var tenant: TenantID
    /// Absent: none is in force.
    package var hash: String?
    /// Why the platform switched them off, where it did.
    package var reason: String?
    package init(tenant: TenantID, hash: String?, reason: String?) {
        self.tenant = tenant
        self.hash = hash
        self.reason = reason
    }
}

/// Offboarding → Webhooks: a tenant is about to leave, leaves, or stays.
package struct OffboardingTold: PlatformEvent {
    package static let topic = "offboarding.told"
    package static let summary = "A tenant asked to leave, left, came back, or is about to be deleted."
    package enum Step: String, Codable, Sendable, CaseIterable {
        case requested, withdrawn, begun, reactivated, purging
    }
    package var tenant: TenantID
    package var step: Step
    /// `018f…` of the offboarding.
    package var offboarding: String
    /// When the next thing happens by itself: the leaving, or the deletion.
    package var until: Timestamp?
    package init(tenant: TenantID, step: Step, offboarding: String, until: Timestamp?) {
        self.tenant = tenant
        self.step = step
        self.offboarding = offboarding
        self.until = until
    }
}

/// Catalog → Licensing, Provisioning: what was agreed with a tenant about a tier was written, begins or ends. What holds is read, not told.
package struct ContractChanged: PlatformEvent {
    package static let topic = "catalog.contract_changed"
    package static let summary = "A contract with a tenant was agreed or revised, begins or ends: its tier may grant something else now."
    package var tenant: TenantID
    package var contract: ContractID
    package var tier: String
    package init(tenant: TenantID, contract: ContractID, tier: String) {
        self.tenant = tenant
        self.contract = contract
        self.tier = tier
    }
}
