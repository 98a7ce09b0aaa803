import Catalog
import Foundation
import Store
import Vocabulary

/// A licence as the seats see it: little enough to be read at each heartbeat.
package struct SeatLicense: Sendable, Hashable {
    package let id: License.ID
    package let tier: String
    package let terms: LicenseTerms
    /// How many leases may live at once, before any overdraft.
    package let seats: Int

    package init(id: License.ID, tier: String, terms: LicenseTerms, seats: Int) {
        self.id = id
        self.tier = tier
        self.terms = terms
        self.seats = seats
    }
    package func status(at now: Timestamp) -> LicenseStatus { terms.status(at: now) }
}

/// Where the seats read licences, inside their own transaction.
package protocol SeatLicenses: Sendable {
    /// Every licence of the tenant, the oldest first.
    func seatLicenses(in db: any TenantScope) throws -> [SeatLicense]
    func seatLicense(_ id: License.ID, in db: any TenantScope) throws -> SeatLicense?
}

extension Licenses: SeatLicenses {
    package func seatLicenses(in db: any TenantScope) throws -> [SeatLicense] {
        let catalog = try catalog.inForce(in: db)
        return try db.rows(LicenseTable.seatLicenses).map { try seatLicense($0, catalog, in: db) }
    }
    package func seatLicense(_ id: License.ID, in db: any TenantScope) throws -> SeatLicense? {
        try db.row(LicenseTable.seatLicense, id).map { try seatLicense($0, catalog.inForce(in: db), in: db) }
    }

    private func seatLicense(_ row: Row, _ catalog: TenantCatalog, in db: any TenantScope) throws -> SeatLicense {
        let (id, tier, quantity): (License.ID, String, Int) = (try row.id(0), try row.text(1), try row.int(2))
        guard let standing = StandingChanged.Standing(rawValue: try row.text(3)) else {
            throw StoreFault.corrupt("a licence of unknown standing")
        }
        return SeatLicense(
            id: id, tier: tier,
            terms: LicenseTerms(
                standing: standing, periodEnd: try row.optional(4, row.time), graceUntil: try row.optional(5, row.time),
                cancelsAt: try row.optional(6, row.time), revokedAt: try row.optional(7, row.time),
                heldAt: try row.optional(8, row.time)),
            // A tier that is gone keeps what it last granted; only then is the full row read.
            seats: try catalog[tier]?.seats(quantity: quantity) ?? license(id, in: db)?.grant.seats ?? 0)
    }
}
