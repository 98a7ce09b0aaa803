import Vocabulary

/// Every permission that the room asks for.
package enum LicensePermissions {
    package static let read = Permission("licenses:read", "See the tenant's licences and their devices.")
    package static let reveal = Permission("licenses:reveal", "See a licence's key; each look is journalled.", delegates: .keys)
    package static let revoke = Permission("licenses:revoke", "End one of the tenant's licences for good, with a reason.", delegates: .keys)
    package static let staff = Permission(
        "staff:licenses",
        "See licences across tenants, suspend them, let go of them and end them for good, with a reason; what is done to one, and that one tenant's were looked at, stands in that tenant's journal."
    )
    package static let all: [Permission] = [read, reveal, revoke, staff]
}
