/// Identity → Seats: what a member may do in a tenant became less, or nothing. Requests are refused at once without it; this ends what lives
/// on without asking: leases.
package struct MemberAccessChanged: PlatformEvent {
    package static let topic = "identity.member_access_changed"
    package static let summary = "A member left, was removed, ran out of time, lost the account or has another role."
    package var tenant: TenantID
    package var user: UserID
    package var membership: MembershipID
    /// `removed`, `left`, `over`, `deactivated`, `role_changed`
    package var reason: String
    /// What the member may do from now on; empty for who is none any more.
    package var permissions: [String]
    package init(tenant: TenantID, user: UserID, membership: MembershipID, reason: String, permissions: [String]) {
        self.tenant = tenant
        self.user = user
        self.membership = membership
        self.reason = reason
        self.permissions = permissions
    }
}

/// Tenancy → Provisioning: a membership began, changed or ended. Whoever acts on it looks at how things are then.
package struct MembershipChanged: PlatformEvent {
    package static let topic = "tenancy.membership_changed"
    package static let summary = "A user became a member, is one in another role or until another time, or is none any more."
    package var tenant: TenantID
    package var user: UserID
    package var membership: MembershipID
    package init(tenant: TenantID, user: UserID, membership: MembershipID) {
        self.tenant = tenant
        self.user = user
        self.membership = membership
    }
}
