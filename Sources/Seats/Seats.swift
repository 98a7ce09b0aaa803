import Store
import Vocabulary

/// What Composition asks of the room.
package enum SeatsRoom {
    package static func migrations() throws -> [Migration] { try Migration.all(room: "seats", bundle: .module) }
}
