import Vocabulary

package enum TenancyPermissions {
    package static let read = Permission("team:read", "See members and teams.")
    package static let invite = Permission(
        "team:invite", "Invite somebody to a role below the own one; see, resend and revoke invitations.", delegates: .keys)
    package static let manage = Permission(
        "team:manage", "Change and remove members below the own role; make teams and say who is in them.", delegates: .keys,
        isSensitive: true)
    package static let tenantRead = Permission("tenant:read", "See what holds for the whole tenant, and when staff acted in it.")
    package static let tenantWrite = Permission(
        "tenant:write", "Change what holds for the whole tenant.", delegates: .keys, isSensitive: true)
    package static let staff = Permission(
        "staff:tenants", "See every tenant, and let one back in that locked itself out.", delegates: .none, isSensitive: true)
    package static let all = [read, invite, manage, tenantRead, tenantWrite, staff]
}
