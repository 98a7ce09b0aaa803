import Vocabulary

/// Every permission that the room asks for.
package enum LicensePermissions {
    package static let read = Permission("licenses:read", "See the tenant's licences with their keys and devices.")
    package static let all: [Permission] = [read]
}
