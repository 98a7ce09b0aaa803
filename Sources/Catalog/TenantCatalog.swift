import Foundation
import Store
import Vocabulary

/// The catalog as one tenant has it at one moment: each tier as the contract in force changes it.
package struct TenantCatalog: Sendable {
    /// What everybody else has.
    package let listed: TierCatalog
    /// Nil for a tier whose contract the table of tiers no longer fits: whoever has it keeps what it last granted.
    private let changed: [TierID: Tier?]

    init(listed: TierCatalog, changed: [TierID: Tier?]) {
        self.listed = listed
        self.changed = changed
    }

    package subscript(id: TierID) -> Tier? {
        if let own = changed[id] { return own }
        return listed[id]
    }
    /// By a name from outside; nil also for what is no tier's name.
    package subscript(name: String) -> Tier? { TierID(name).flatMap { self[$0] } }

    /// Whether a contract about this tier holds.
    package func isAgreed(_ id: TierID) -> Bool { changed[id] != nil }
    /// Whether the tenant pays something else than the list price: a provider's own price says nothing of that.
    package func hasOwnPrice(_ id: TierID, _ interval: BillingInterval) -> Bool {
        isAgreed(id) && self[id]?.prices[interval] != listed[id]?.prices[interval]
    }
    /// What the tenant may choose from: everything on offer, and what was agreed with it.
    package var offered: [Tier] { listed.tiers.compactMap { $0.isHidden && !isAgreed($0.id) ? nil : self[$0.id] } }
}

extension TierCatalog {
    /// The tier under these terms; nil where the table has gone on and no longer fits them.
    func readable(_ id: TierID, under terms: JSONValue) -> Tier? {
        do { return try tier(id, underContract: terms) } catch { return nil }
    }
}

extension Catalog {
    /// The catalog of the scope's tenant, now or at `moment`. One statement; a contract costs the reading of its tier besides.
    package func inForce(in db: any TenantScope, at moment: Timestamp? = nil) throws -> TenantCatalog {
        let listed = current
        var changed: [TierID: Tier?] = [:]
        for row in try db.rows(ContractTable.inForce, moment ?? clock.now()) {
            guard let id = TierID(try row.text(0)) else { throw StoreFault.corrupt("catalog_contract.tier") }
            let terms = try JSONCoding.decode(JSONValue.self, Data(try row.text(1).utf8))
            // A tier that is gone stays gone: a contract brings nothing back that nobody describes.
            changed.updateValue(listed.readable(id, under: terms), forKey: id)
        }
        return TenantCatalog(listed: listed, changed: changed)
    }
}
