import Licensing
import Vocabulary

/// Seats of a licence that are kept for some users: whoever is none of them leaves so many free.
package struct Reservation: Sendable, Hashable {
    package typealias ID = Identifier<Reservation>
    package let id: ID
    package let license: License.ID
    /// Unique within the licence.
    package let name: String
    package let seats: Int
    package let members: [UserID]
    package init(id: ID, license: License.ID, name: String, seats: Int, members: [UserID]) {
        self.id = id
        self.license = license
        self.name = name
        self.seats = seats
        self.members = members
    }

    package static let mostPerLicense = 32
    package static let mostMembers = 1_000
}

/// How full a reservation is, as one asker sees it.
package struct ReservationStanding: Sendable, Hashable {
    package let id: Reservation.ID
    package let seats: Int
    /// Live leases that count against it.
    package let live: Int
    package let isMember: Bool
    package init(id: Reservation.ID, seats: Int, live: Int, isMember: Bool) {
        self.id = id
        self.seats = seats
        self.live = live
        self.isMember = isMember
    }
    package var unfilled: Int { max(0, seats - live) }
}
