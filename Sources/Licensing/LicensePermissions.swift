import Vocabulary

/// Every permission that the room asks for.
package enum LicensePermissions {
    package static let read = Permission("licenses:read", "See the tenant's licences and their devices.")
    package static let reveal = Permission("licenses:reveal", "See a licence's key; each look is journalled.")
    package static let revoke = Permission("licenses:revoke", "End one of the tenant's licences for good, with a reason.")
    package static let staff = Permission(
        "staff:licenses", "See any tenant's licences and end them for good, with a reason; both stand in that tenant's journal.")
    package static let all: [Permission] = [read, reveal, revoke, staff]
}
