/// `resource:verb`, asked of policy at each use.
package struct Permission: Hashable, Sendable, CustomStringConvertible {
    package let name: String
    /// What it lets its holder do.
    package let summary: String
    /// Whether the tenant's own policies have a say in its use.
    package let asksTenant: Bool
    package init(_ name: String, _ summary: String, asksTenant: Bool = true) {
        self.name = name
        self.summary = summary
        self.asksTenant = asksTenant
    }
    package var description: String { name }
    package static func == (left: Self, right: Self) -> Bool { left.name == right.name }
    package func hash(into hasher: inout Hasher) { hasher.combine(name) }
}

/// The caller of a request, as looked up at this request; rights are never believed from a token.
package struct Principal: Sendable, Hashable {
    package let user: UserID
    package let tenant: TenantID
    package let membership: MembershipID
    package let session: AuthSessionID
    package let role: String
    package init(user: UserID, tenant: TenantID, membership: MembershipID, session: AuthSessionID, role: String) {
        self.user = user
        self.tenant = tenant
        self.membership = membership
        self.session = session
        self.role = role
    }
}
