import RoomTesting
import Store
import Testing
import Vocabulary

@testable import Licensing
@testable import Seats

struct PlanTests {
    /// By primary key or one of its indexes, down to the licence, the lease or the device.
    static let tenant: [(SQL, String)] = [
        (SeatTable.byDevice, "tenant_id=? AND license_id=? AND device=?"), (SeatTable.bySession, "tenant_id=? AND session_id=?"),
        (SeatTable.bySlot, "tenant_id=? AND license_id=? AND slot=?"), (SeatTable.pool, "tenant_id=? AND license_id=?"),
        (SeatTable.lapsed, "tenant_id=? AND license_id=? AND expires_at>? AND expires_at<?"),
        (SeatTable.lapsedCount, "tenant_id=? AND license_id=? AND expires_at>? AND expires_at<?"),
        (SeatTable.vacant, "tenant_id=? AND license_id=? AND expires_at=? AND slot<?"),
        (SeatTable.beyond, "tenant_id=? AND license_id=? AND slot>?"),
        (SeatTable.nextExpiry, "tenant_id=? AND license_id=? AND expires_at>?"),
        (SeatTable.borrowedCount, "tenant_id=? AND license_id=? AND borrowed_until>?"),
        (SeatTable.recentDevices, "tenant_id=? AND user_id=? AND acquired_at>?"),
        (SeatTable.reservations, "tenant_id=? AND license_id=? AND reservation_id=? AND expires_at>?"),
        (SeatTable.waiter, "tenant_id=? AND license_id=? AND device=?"), (SeatTable.ahead, "tenant_id=? AND license_id=?"),
        (SeatTable.returnedEarly, "tenant_id=? AND license_id=? AND device=?"),
        (SeatTable.keep, "tenant_id=? AND license_id=? AND slot=?"), (SeatTable.occupy, "tenant_id=? AND license_id=? AND slot=?"),
        (SeatTable.vacate, "tenant_id=? AND license_id=? AND slot=?"), (SeatTable.revive, "tenant_id=? AND license_id=? AND slot=?"),
        (SeatTable.list, "tenant_id=? AND session_id>?"), (SeatTable.endedBySession, "tenant_id=? AND session_id=?"),
        (SeatTable.lastEpoch, "tenant_id=? AND license_id=? AND device=?"), (SeatTable.survey, "tenant_id=?"),
        (SeatTable.surveyOwn, "tenant_id=? AND license_id=? AND device=?"),
        (SeatTable.setEnd, "tenant_id=? AND session_id=?"), (SeatTable.heldOnes, "tenant_id=? AND session_id>?"),
        (SeatTable.landAll, "tenant_id=?"),
        (LicenseTable.seatLicense, "tenant_id=? AND license_id=?"), (LicenseTable.seatLicenses, "tenant_id=?"),
        (LicenseTable.license, "tenant_id=? AND license_id=?"), (LicenseTable.licenseOf, "tenant_id=? AND origin=?"),
        (LicenseTable.activation, "tenant_id=? AND license_id=? AND device=?"),
        (LicenseTable.activationCount, "tenant_id=? AND license_id=?"), (LicenseTable.keyBox, "tenant_id=? AND license_id=?"),
    ]
    static let kernel: [(SQL, String)] = [
        (SeatTable.beat, "tenant_id=? AND session_id=?"), (SeatTable.prolong, "tenant_id=? AND license_id=? AND slot=?"),
        (LicenseTable.findKey, "digest=?"),
        (SeatTable.held, "tenant_id=? AND session_id=?"), (SeatTable.heldMany, "tenant_id=? AND session_id=?"),
        (SeatTable.aboard, "tenant_id=?"), (SeatTable.memory, "PRIMARY KEY"), (SeatTable.readTime, "PRIMARY KEY"),
    ]

    @Test("no statement of the hot paths walks further than it must", .enabled(if: !PostgresCluster.isWanted, "reads SQLite's plans"))
    func plans() async throws {
        let house = try await SeatHouse.make()
        for (sql, key) in Self.tenant { try await check(sql, key, house.test.store.plan(sql, in: house.tenant)) }
        for (sql, key) in Self.kernel { try await check(sql, key, house.test.store.plan(sql, in: nil)) }
    }
    private func check(_ sql: SQL, _ key: String, _ plan: [String]) throws {
        // An update through a view walks the rows that the search before it found; a named part of a statement what its own search found; and
        // what is asked for by name is walked name by name.
        let found = ["SCAN seat", "SCAN past", "SCAN present", "SCAN seen", "SCAN wanted", "SCAN \(SeatTable.heldAtOnce) CONSTANT ROWS"]
        #expect(!plan.contains { $0.hasPrefix("SCAN") && !found.contains($0) && !$0.hasPrefix("SCAN (subquery") }, "\(sql.name): \(plan)")
        #expect(plan.contains { $0.contains(key) }, "\(sql.name): \(plan)")
    }
}
