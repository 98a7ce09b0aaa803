import Catalog
import RoomTesting
import Store
import Testing
import Vocabulary

@testable import Licensing

@Suite("Licences under a contract")
struct ContractGrantTests {
    @Test("seats, devices and entitlements follow the contract from its first moment to its last, and seats count the same")
    func grants() async throws {
        let house = try await LicenseHouse.make()
        let detail = try await house.issued(tier: "team", quantity: 2, days: 90)
        let contracts = Contracts(store: house.test.store, catalog: house.catalog, entropy: house.test.entropy)
        let terms: JSONValue = ["seats_per_unit": 10, "devices_per_seat": 5, "entitlements": ["sla": true]]
        let order = ContractOrder(
            tier: "team", terms: terms, startsAt: house.now + .days(1), endsAt: house.now + .days(2), reason: "as signed")
        _ = try await contracts.agree(order, with: house.tenant, house.act())
        func seen() async throws -> [Int?] {
            let license = try #require(try await house.licenses.list(house.tenant).licenses.first { $0.id == detail.license.id })
            let seat = try await house.test.store.tenantRead(house.tenant) { db in
                try house.licenses.seatLicense(license.id, in: db)
            }
            return [license.grant.seats, license.grant.devices, license.grant.features["sla"] == true ? 1 : 0, seat?.seats]
        }
        let before = try await seen()
        #expect(before.first == 2)
        house.test.clock.advance(by: .days(1))
        #expect(try await seen() == [20, 100, 1, 20])
        house.test.clock.advance(by: .days(1))
        #expect(try await seen() == before)
    }

    @Test("customers' own systems hear that a licence grants something else; one that is over says nothing more")
    func told() async throws {
        let house = try await LicenseHouse.make()
        let detail = try await house.issued(tier: "team", quantity: 2, days: 90)
        try await house.licenses.revoke(try await house.issued(tier: "team").license.id, tenant: house.tenant, reason: "test", house.act())
        let contracts = Contracts(store: house.test.store, catalog: house.catalog, entropy: house.test.entropy)
        let order = ContractOrder(tier: "team", terms: ["seats_per_unit": 10], reason: "as signed")
        _ = try await contracts.agree(order, with: house.tenant, house.act())
        let before = try await house.journal().count
        try await house.test.runDue(handlers: contracts.jobs(), subscribers: house.licenses.subscribers())
        #expect(Array(try await house.journal().dropFirst(before)) == ["license.changed"])
        let stored = try await house.test.store.kernelRead(KernelReason("test.look")) { db in
            try db.rows(SQL("test.grants", "SELECT license_id, granted FROM license_all")).map { ($0.values, try $0.text(1)) }
        }
        #expect(stored.filter { $0.1.contains(#""seats":20"#) }.count == 1, "\(stored.map(\.1)) \(detail.license.id)")
    }
}
