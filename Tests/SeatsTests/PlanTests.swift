import Store
import Testing
import Vocabulary

@testable import Licensing
@testable import Seats

struct PlanTests {
    /// By primary key or one of its indexes, down to the licence, the lease or the device.
    static let tenant: [(SQL, String)] = [
        (SeatTable.byDevice, "tenant_id=? AND license_id=? AND device=?"), (SeatTable.bySession, "tenant_id=? AND session_id=?"),
        (SeatTable.bySlot, "tenant_id=? AND license_id=? AND slot=?"), (SeatTable.census, "tenant_id=? AND license_id=?"),
        (SeatTable.lapsed, "tenant_id=? AND license_id=?"), (SeatTable.liveCount, "tenant_id=? AND license_id=?"),
        (SeatTable.keep, "tenant_id=? AND license_id=? AND slot=?"), (SeatTable.occupy, "tenant_id=? AND license_id=? AND slot=?"),
        (SeatTable.vacate, "tenant_id=? AND license_id=? AND slot=?"), (SeatTable.revive, "tenant_id=? AND license_id=? AND slot=?"),
        (SeatTable.list, "tenant_id=? AND session_id>?"), (SeatTable.endedBySession, "tenant_id=? AND session_id=?"),
        (SeatTable.lastEpoch, "tenant_id=? AND license_id=? AND device=?"), (SeatTable.survey, "tenant_id=?"),
        (LicenseTable.seatLicense, "tenant_id=? AND license_id=?"), (LicenseTable.seatLicenses, "tenant_id=?"),
        (LicenseTable.license, "tenant_id=? AND license_id=?"), (LicenseTable.licenseOf, "tenant_id=? AND origin=?"),
        (LicenseTable.activation, "tenant_id=? AND license_id=? AND device=?"),
        (LicenseTable.activationCount, "tenant_id=? AND license_id=?"), (LicenseTable.keyBox, "tenant_id=? AND license_id=?"),
    ]
    static let kernel: [(SQL, String)] = [
        (SeatTable.beat, "tenant_id=? AND session_id=?"), (LicenseTable.findKey, "digest=?"), (SeatTable.readTime, "PRIMARY KEY"),
    ]

    @Test("no statement of the hot paths walks further than it must")
    func plans() async throws {
        let house = try await SeatHouse.make()
        for (sql, key) in Self.tenant { try await check(sql, key, house.test.store.plan(sql, in: house.tenant)) }
        for (sql, key) in Self.kernel { try await check(sql, key, house.test.store.plan(sql, in: nil)) }
    }
    private func check(_ sql: SQL, _ key: String, _ plan: [String]) throws {
        // An update through a view walks the rows that the search before it found.
        #expect(!plan.contains { $0.hasPrefix("SCAN") && $0 != "SCAN seat" }, "\(sql.name): \(plan)")
        #expect(plan.contains { $0.contains(key) }, "\(sql.name): \(plan)")
    }
}
