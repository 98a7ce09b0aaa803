import Vocabulary

/// Every permission that the room asks for.
package enum SeatPermissions {
    package static let acquire = Permission("seats:acquire", "Hold a seat, and see and release the own leases.", delegates: .keys)
    package static let read = Permission("seats:read", "See who holds the tenant's seats, now and in the last 90 days.")
    package static let release = Permission("seats:release", "Release anybody's seat, with a reason.")
    package static let reserve = Permission("seats:reserve", "Keep seats of a licence for some of the tenant's users.")
    package static let all: [Permission] = [acquire, read, release, reserve]
}
