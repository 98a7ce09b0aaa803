import Foundation
import LicenseFormat
import RoomTesting
import Store
import Testing
import Vocabulary

@testable import Licensing

/// The list across tenants, as staff has it.
@Suite("Looking for licences")
struct SearchTests {
    private static func found(_ house: LicenseHouse, _ filter: LicenseFilter, limit: Int = 100) async throws -> [LicenseLine] {
        try await house.licenses.search(filter, after: nil, limit: limit, house.act()).lines
    }
    private static func end(_ key: String) -> String { String(key.suffix(4)) }

    /// Another tenant in the same house, with a licence of its own.
    private static func other(_ house: LicenseHouse) async throws -> LicenseHouse {
        let other = LicenseHouse(
            test: house.test, licenses: house.licenses, tenant: house.test.entropy.id(house.now), catalog: house.catalog)
        _ = try await other.issued(tier: "enterprise")
        return other
    }

    @Test("by state, tier, tenant and the end of the key, as it is typed; the newest first, of the key its end alone")
    func narrowed() async throws {
        let house = try await LicenseHouse.make()
        let (first, second) = (try await house.issued(), try await house.issued(tier: "pilot_starter"))
        let other = try await Self.other(house)
        let theirs = try await house.licenses.list(other.tenant).licenses[0]
        let all = try await Self.found(house, LicenseFilter())
        #expect(Set(all.map(\.id)) == [first.license.id, second.license.id, theirs.id])
        #expect(all.map(\.id) == all.map(\.id).sorted().reversed())
        #expect(all.first { $0.id == first.license.id }?.keyEnd == Self.end(first.key))
        #expect(try await Self.found(house, LicenseFilter(tier: "team")).map(\.id) == [first.license.id])
        #expect(try await Self.found(house, LicenseFilter(tier: "team", tenant: other.tenant)).isEmpty)
        #expect(try await Self.found(house, LicenseFilter(tenant: other.tenant)).map(\.id) == [theirs.id])
        #expect(try await Self.found(house, LicenseFilter(tenant: house.test.entropy.id(house.now))).isEmpty)

        let typed = Self.end(second.key).lowercased().replacing("0", with: "o").replacing("1", with: "l")
        #expect(try await Self.found(house, LicenseFilter(keyEnd: " \(typed) ")).map(\.id) == [second.license.id])
        #expect(try await Self.found(house, LicenseFilter(tier: "team", keyEnd: typed)).isEmpty)
        #expect(try await Self.found(house, LicenseFilter(tenant: other.tenant, keyEnd: typed)).isEmpty)
        #expect(try await Self.found(house, LicenseFilter(tenant: house.tenant, keyEnd: typed)).count == 1)
        for wrong in ["", "ABC", "ABCDE", second.key, "A B!"] {
            await #expect(throws: Problem.self, "\(wrong)") { _ = try await Self.found(house, LicenseFilter(keyEnd: wrong)) }
        }

        _ = try await house.licenses.hold(first.license.id, tenant: house.tenant, reason: "lost", house.act())
        let held = try await Self.found(house, LicenseFilter(status: .suspended))
        #expect(held.map(\.id) == [first.license.id] && held[0].terms.heldAt != nil)
        #expect(try await Self.found(house, LicenseFilter(status: .active)).count == 2)
        _ = try await house.licenses.revoke(second.license.id, tenant: house.tenant, reason: "lost", house.act())
        #expect(try await Self.found(house, LicenseFilter(status: .revoked)).map(\.id) == [second.license.id])
        house.test.clock.advance(by: .days(60))
        #expect(try await Self.found(house, LicenseFilter(status: .active)).isEmpty, "its period is over")
    }

    @Test("what must be paid for, of everybody who has not left, in one order")
    func paid() async throws {
        let house = try await LicenseHouse.make()
        let (first, second) = (try await house.issued(), try await house.issued(tier: "pilot_starter"))
        let other = try await Self.other(house)
        let theirs = try await house.licenses.list(other.tenant).licenses[0]
        func walk(_ limit: Int) async throws -> [License.ID] {
            var all: [(tenant: TenantID, license: License.ID, subscription: SubscriptionID)] = []
            while true {
                let page = try await house.licenses.paid(after: all.last.map { ($0.tenant, $0.license) }, limit: limit)
                #expect(page.count <= limit)
                all += page
                if page.count < limit { break }
            }
            for found in all {
                let license = try await house.licenses.list(found.tenant).licenses.first { $0.id == found.license }
                #expect(license?.origin == .subscription(found.subscription))
            }
            return all.map(\.license)
        }
        for limit in [1, 2, 100] { #expect(Set(try await walk(limit)) == [first.license.id, second.license.id, theirs.id], "\(limit)") }
        #expect(try await walk(1) == walk(100))
        _ = try await house.licenses.revoke(second.license.id, tenant: house.tenant, reason: "lost", house.act())
        #expect(Set(try await walk(2)) == [first.license.id, theirs.id])
        let closing = house.act()
        try await house.test.store.tenant(other.tenant) { try $0.run(LicenseTable.close, other.tenant, closing.now) }
        #expect(try await walk(2) == [first.license.id])
    }

    @Test("page after page nothing is left out and nothing comes twice, also where few fit")
    func pages() async throws {
        let house = try await LicenseHouse.make()
        var made: Set<License.ID> = []
        for number in 0..<9 { made.insert(try await house.issued(tier: number % 4 == 0 ? "enterprise" : "team").license.id) }
        func walk(_ filter: LicenseFilter, _ limit: Int) async throws -> [LicenseLine] {
            var (all, position, pages): ([LicenseLine], License.ID?, Int) = ([], nil, 0)
            repeat {
                let page = try await house.licenses.search(filter, after: position, limit: limit, house.act())
                #expect(page.lines.count <= limit)
                all += page.lines
                (position, pages) = (page.next, pages + 1)
            } while position != nil && pages < 20
            return all
        }
        for limit in [1, 2, 4, 100] {
            let all = try await walk(LicenseFilter(), limit)
            #expect(all.count == 9 && Set(all.map(\.id)) == made, "\(limit)")
            #expect(try await walk(LicenseFilter(tier: "enterprise"), limit).count == 3, "\(limit)")
        }
    }

    @Test("whoever is looked for by a key's end stands in the platform's journal, and that a tenant's were looked at in its own")
    func journalled() async throws {
        let house = try await LicenseHouse.make()
        let one = try await house.issued()
        func platform() async throws -> [String] {
            try await house.test.store.kernelRead(KernelReason("test.journal")) { db in
                try db.rows(
                    SQL("test.platform_journal", "SELECT action, subject FROM journal_entry_all WHERE action LIKE 'license.sought%'")
                )
                .map { "\(try $0.text(0)) \(try $0.text(1))" }
            }
        }
        _ = try await Self.found(house, LicenseFilter())
        #expect(try await platform().isEmpty)
        #expect(try await !house.journal().contains("license.seen_by_staff"))
        _ = try await Self.found(house, LicenseFilter(keyEnd: Self.end(one.key)))
        #expect(try await platform() == ["license.sought_by_key_end license:\(one.license.id)"])
        _ = try await Self.found(house, LicenseFilter(tenant: house.tenant))
        #expect(try await house.journal().filter { $0 == "license.seen_by_staff" }.count == 1)
    }

    @Test("keys from before get their end by the daily round, and are found then")
    func filled() async throws {
        let house = try await LicenseHouse.make()
        var keys: [Licenses.Detail] = []
        for _ in 0..<3 { keys.append(try await house.issued()) }
        let first = keys[0].license.id
        try await house.test.store.kernel(KernelReason("test.forget")) { db in
            // As a server of before writes them.
            try db.run(SQL("test.forget", "UPDATE license_key_directory SET tail = NULL WHERE license_id <> $1"), first)
        }
        let filter = LicenseFilter(keyEnd: Self.end(keys[2].key))
        #expect(try await Self.found(house, filter).isEmpty)
        try await house.licenses.start(house.act())
        try await house.licenses.start(house.act())
        try await house.test.runDue(handlers: house.licenses.jobs())
        for one in keys {
            #expect(try await Self.found(house, LicenseFilter(keyEnd: Self.end(one.key))).map(\.id).contains(one.license.id))
        }
        let open = try await house.test.store.kernelRead(KernelReason("test.look")) { db in
            try db.row(SQL("test.open", "SELECT count(*) FROM license_key_directory WHERE tail IS NULL"))?.int(0)
        }
        #expect(open == 0)
    }
}
