import Foundation
import Vocabulary

/// What the rooms to the right live by, as Billing may ask for it; implemented by Composition.
package protocol LiveAccess: Sendable {
    /// Seats that are held now.
    func seatsUsed(_ tenant: TenantID, now: Timestamp) async throws -> Int
    /// What each subscription's licence was told last.
    func licenses(_ tenant: TenantID) async throws -> [SubscriptionID: ShownLicense]
    /// Of all tenants that have not left, the licences of subscriptions that let somebody in, in one order.
    func paid(after place: PaidLicense?, limit: Int) async throws -> [PaidLicense]
}

/// A licence that somebody must pay for, and its place among all of them.
package struct PaidLicense: Sendable, Hashable {
    package let tenant: TenantID
    package let license: UUID
    package let subscription: SubscriptionID
    package init(tenant: TenantID, license: UUID, subscription: SubscriptionID) {
        self.tenant = tenant
        self.license = license
        self.subscription = subscription
    }
}

/// A licence, as far as billing has a say in it.
package struct ShownLicense: Sendable, Hashable {
    package let version: Int64
    package let standing: StandingChanged.Standing
    package let tier: String
    package let quantity: Int
    package let periodEnd: Timestamp?
    package let isRevoked: Bool
    package init(
        version: Int64, standing: StandingChanged.Standing, tier: String, quantity: Int, periodEnd: Timestamp?, isRevoked: Bool
    ) {
        self.version = version
        self.standing = standing
        self.tier = tier
        self.quantity = quantity
        self.periodEnd = periodEnd
        self.isRevoked = isRevoked
    }
}
