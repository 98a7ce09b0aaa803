import Store
import Synchronization
import Vocabulary

/// Holds the catalog in force. Readers take a value and keep it for the length of one question; a reload swaps it between two questions.
package final class Catalog: Sendable {
    private let held: Mutex<TierCatalog>
    /// By which contracts begin and end where nobody names a moment.
    let clock: any Clock

    package init(_ catalog: TierCatalog, clock: any Clock) {
        held = Mutex(catalog)
        self.clock = clock
    }

    package var current: TierCatalog { held.withLock { $0 } }

    /// Puts `catalog` in force for every question asked from now on; the one before is given back.
    @discardableResult package func replace(with catalog: TierCatalog) -> TierCatalog {
        held.withLock { current in
            let before = current
            current = catalog
            return before
        }
    }

    package subscript(id: TierID) -> Tier? { current[id] }
    package subscript(name: String) -> Tier? { current[name] }
}

/// What Composition asks of the room.
package enum CatalogRoom {
    package static func migrations() throws -> [Migration] { try Migration.all(room: "catalog", bundle: .module) }
}
