import Store
import Vocabulary

/// What Composition asks of the room.
package enum LicensingRoom {
    package static func migrations() throws -> [Migration] { try Migration.all(room: "licensing", bundle: .module) }
}
