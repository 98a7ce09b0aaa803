import Vocabulary

/// Every tier at one moment. Immutable; a reload makes another one.
package struct TierCatalog: Sendable, Hashable {
    /// From the smallest to the largest, as written.
    package let tiers: [Tier]
    private let ranks: [TierID: Int]
    private let written: [JSONValue]
    let defaults: TierReading.Defaults

    /// Call `TierCatalog.read`; this takes what was checked before.
    init(checked tiers: [Tier], written: [JSONValue], defaults: TierReading.Defaults) {
        self.tiers = tiers
        self.written = written
        self.defaults = defaults
        self.ranks = Dictionary(tiers.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
    }

    package static let empty = TierCatalog(checked: [], written: [], defaults: .init())

    package subscript(id: TierID) -> Tier? { ranks[id].map { tiers[$0] } }
    /// By a name from outside; nil also for what is no tier's name.
    package subscript(name: String) -> Tier? { TierID(name).flatMap { self[$0] } }

    /// The place on the list: moving to a higher rank is an upgrade. -1 for a tier that is gone.
    package func rank(_ id: TierID) -> Int { ranks[id] ?? -1 }

    /// Seats of a subscription; nil for a tier that is gone.
    package func seats(_ id: TierID, quantity: Int) -> Int? { self[id]?.seats(quantity: quantity) }

    /// What the pricing page shows.
    package var offered: [Tier] { tiers.filter { !$0.isHidden } }

    /// The tier's own table, for a contract to be laid over.
    func written(_ id: TierID) -> JSONValue? { ranks[id].map { written[$0] } }
}
