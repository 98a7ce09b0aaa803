import Vocabulary

/// A tenant's policies have no say in who may change them: a mistake in them can always be mended.
package enum TenantPolicyPermissions {
    package static let read = Permission("tenant_policies:read", "See the tenant's own policies and how they do.", asksTenant: false)
    package static let write = Permission(
        "tenant_policies:write", "Upload the tenant's own policies, put a version in force, or none.", asksTenant: false, delegates: .keys)
    package static let all = [read, write]
}
