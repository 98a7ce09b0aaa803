/// Something that happened in one room and that rooms to its right may act on. Delivered at least once, after the commit.
package protocol PlatformEvent: Codable, Sendable {
    /// `room.past_tense`, stable: `identity.user_verified`.
    static var topic: String { get }
    static var summary: String { get }
}

/// Identity → Licensing, Notifications: an email address was proved.
package struct UserVerified: PlatformEvent {
    package static let topic = "identity.user_verified"
    package static let summary = "A user proved the email address; the tenant may now hold the free tier."
    package var tenant: TenantID
    package var user: UserID
    /// The tier that the user chose at sign-up, if any.
    package var chosenTier: String?
    package init(tenant: TenantID, user: UserID, chosenTier: String?) {
        self.tenant = tenant
        self.user = user
        self.chosenTier = chosenTier
    }
}

/// Billing → Licensing, Notifications: what a subscription now entitles to. A snapshot: the highest `version` wins, older ones are ignored.
package struct StandingChanged: PlatformEvent {
    package static let topic = "billing.standing_changed"
    package static let summary = "A subscription's standing changed; carries the whole standing, the highest version wins."
    package enum Standing: String, Codable, Sendable, CaseIterable {
        /// Paid or in trial.
        case active
        /// A payment failed; everything works until `graceUntil`.
        case grace
        case suspended
        case cancelled
    }
    package var tenant: TenantID
    package var subscription: SubscriptionID
    /// Grows with every change of this subscription's mirror.
    package var version: Int64
    package var standing: Standing
    package var tier: String
    package var quantity: Int
    package var interval: BillingInterval
    /// End of what is paid for.
    package var periodEnd: Timestamp
    package var graceUntil: Timestamp?
    package var cancelsAt: Timestamp?
    package init(
        tenant: TenantID, subscription: SubscriptionID, version: Int64, standing: Standing, tier: String, quantity: Int,
        interval: BillingInterval, periodEnd: Timestamp, graceUntil: Timestamp?, cancelsAt: Timestamp?
    ) {
        self.tenant = tenant
        self.subscription = subscription
        self.version = version
        self.standing = standing
        self.tier = tier
        self.quantity = quantity
        self.interval = interval
        self.periodEnd = periodEnd
        self.graceUntil = graceUntil
        self.cancelsAt = cancelsAt
    }
}

/// Licensing → Seats, Notifications: a licence came to be.
package struct LicenseIssued: PlatformEvent {
    package static let topic = "licensing.license_issued"
    package static let summary = "A licence was issued; its key is shown to the tenant's owner."
    package var tenant: TenantID
    package var license: LicenseID
    package var tier: String
    package init(tenant: TenantID, license: LicenseID, tier: String) {
        self.tenant = tenant
        self.license = license
        self.tier = tier
    }
}

/// Licensing → whoever keeps something alive because of a licence: it was ended by hand, for good. Seats need no telling: they read the
/// licence at each heartbeat.
package struct LicenseRevoked: PlatformEvent {
    package static let topic = "licensing.license_revoked"
    package static let summary = "A licence was revoked by a person; it never comes back."
    package var tenant: TenantID
    package var license: LicenseID
    /// As the person gave it.
    package var reason: String
    package init(tenant: TenantID, license: LicenseID, reason: String) {
        self.tenant = tenant
        self.license = license
        self.reason = reason
    }
}

/// Any room → Notifications: send this mail. Personal fields are looked up when it is sent, never carried.
package struct MailRequested: PlatformEvent {
    package static let topic = "notifications.mail_requested"
    package static let summary = "A mail to a user or to staff is due."
    package enum Recipient: Codable, Sendable, Hashable {
        case user(UserID)
        case owners(TenantID)
        /// Whoever is invited, by the sealed value `address`: perhaps nobody's account.
        case invited(InvitationID)
        case staff
    }
    package var recipient: Recipient
    /// Name of the template: `verify_email`, `payment_failed`.
    package var template: String
    /// What the template may print; secrets (a link's token) are sealed by the sender with `SealedBox` of Store.
    package var values: [String: String]
    package var sealed: [String: String]
    /// Two requests with one key are one mail.
    package var key: String
    package init(recipient: Recipient, template: String, values: [String: String], sealed: [String: String] = [:], key: String) {
        self.recipient = recipient
        self.template = template
        self.values = values
        self.sealed = sealed
        self.key = key
    }
}
