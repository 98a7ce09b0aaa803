import Vocabulary

/// Every permission that the room asks for.
package enum LicensePermissions {
    package static let read = Permission("licenses:read", "See the tenant's licences and their devices.")
    package static let reveal = Permission("licenses:reveal", "See a licence's key; each look is journalled.")
    package static let all: [Permission] = [read, reveal]
}
