import RoomTesting
import Store
import Testing
import Vocabulary

@testable import Catalog

/// The room over a real store.
private struct Desk {
    let test: TestStore
    let catalog: Catalog
    let contracts: Contracts
    let told = Guarded<[ContractChanged]>([])
    let tenant = TenantID("01890000-0000-7000-8000-000000000001")!
    let other = TenantID("01890000-0000-7000-8000-000000000002")!

    init() async throws {
        test = try await TestStore.make(migrations: try CatalogRoom.migrations(), topics: [ContractChanged.topic: ["spy"]])
        catalog = Catalog(try TierCatalog.read(ShippedTiers.table), clock: test.clock)
        contracts = Contracts(store: test.store, catalog: catalog, entropy: test.entropy)
    }

    var now: Timestamp { test.clock.now() }
    func order(_ tier: String = "pro", _ terms: JSONValue = ["seats_per_unit": 75], from: Int64? = nil, to: Int64? = nil) -> ContractOrder {
        let start = Timestamp(seconds: 1_800_000_000)
        return ContractOrder(
            tier: tier, terms: terms, startsAt: from.map { start + .days($0) }, endsAt: to.map { start + .days($0) }, reason: "as signed")
    }
    func agree(_ order: ContractOrder) async throws -> Contract { try await contracts.agree(order, with: tenant, test.act()) }
    func inForce(_ tenant: TenantID? = nil) async throws -> TenantCatalog {
        try await test.store.tenantRead(tenant ?? self.tenant) { [catalog] in try catalog.inForce(in: $0) }
    }
    func run() async throws {
        let told = told
        try await test.runDue(
            handlers: contracts.jobs(),
            subscribers: [EventSubscriber(ContractChanged.self, subscriber: "spy") { event, _, _ in told.with { $0.append(event) } }])
    }
    func journal() async throws -> [String] {
        try await test.store.tenantRead(tenant) { db in
            try db.rows(SQL("test.journal", "SELECT action FROM journal_entry ORDER BY seq")).map { try $0.text(0) }
        }
    }
}

@Suite("Contracts")
struct ContractTests {
    @Test("a contract holds from its first moment to its last, for its tenant alone, and no job has to run for it")
    func dates() async throws {
        let desk = try await Desk()
        _ = try await desk.agree(desk.order(from: 10, to: 20))
        #expect(try await desk.inForce()["pro"]?.seatsPerUnit == 50)
        desk.test.clock.advance(by: .days(10) - .seconds(1))
        #expect(try await desk.inForce()["pro"]?.seatsPerUnit == 50)
        desk.test.clock.advance(by: .seconds(1))
        #expect(try await desk.inForce()["pro"]?.seatsPerUnit == 75)
        #expect(try await desk.inForce(desk.other)["pro"]?.seatsPerUnit == 50)
        #expect(try await desk.inForce()["team"]?.seatsPerUnit == 1, "of the other tiers nothing changes")
        desk.test.clock.advance(by: .days(10) - .seconds(1))
        #expect(try await desk.inForce()["pro"]?.seatsPerUnit == 75)
        desk.test.clock.advance(by: .seconds(1))
        #expect(try await desk.inForce()["pro"]?.seatsPerUnit == 50)
    }

    @Test("whoever keeps something of the tier is told at once, at the beginning and at the end; of an older version nothing")
    func turns() async throws {
        let desk = try await Desk()
        let contract = try await desk.agree(desk.order(from: 10, to: 20))
        try await desk.run()
        #expect(desk.told.with { $0.count } == 1)
        _ = try await desk.contracts.revise(contract.id, version: 1, desk.order(from: 11, to: 21), with: desk.tenant, desk.test.act())
        for _ in 0..<22 {
            desk.test.clock.advance(by: .days(1))
            try await desk.run()
        }
        #expect(desk.told.with { $0.map(\.tier) } == ["pro", "pro", "pro", "pro"])
        #expect(try await desk.journal() == ["contract.agreed", "contract.revised", "contract.began", "contract.ended"])
    }

    @Test("each change is a version with its reason, and what two people write at once is lost by neither")
    func versions() async throws {
        let desk = try await Desk()
        let contract = try await desk.agree(desk.order())
        var order = desk.order("pro", ["seats_per_unit": 90])
        order.reason = "they grew"
        let second = try await desk.contracts.revise(contract.id, version: 1, order, with: desk.tenant, desk.test.act())
        #expect(second.version == 2 && second.versions.map(\.reason) == ["they grew", "as signed"])
        #expect(second.versions.map { $0.terms["seats_per_unit"] } == [90, 75])
        await #expect(throws: CatalogProblems.contractChanged.with(["version": 2])) {
            try await desk.contracts.revise(contract.id, version: 1, desk.order(), with: desk.tenant, desk.test.act())
        }
        await #expect(throws: CommonProblems.notFound) {
            try await desk.contracts.revise(contract.id, version: 2, desk.order(), with: desk.other, desk.test.act())
        }
        #expect(try await desk.contracts.list(of: desk.tenant).map(\.version) == [2])
        #expect(try await desk.contracts.list(of: desk.other).isEmpty)
    }

    @Test("two contracts about one tier never hold at once; one that was taken back before it began stands in nobody's way")
    func overlap() async throws {
        let desk = try await Desk()
        let first = try await desk.agree(desk.order(from: 0, to: 10))
        let refused = CatalogProblems.contractOverlaps.with(["contract_id": .string(first.id.description)])
        for (from, to) in [(0, 10), (9, 11), (-5, 1), (-5, nil), (3, 4)] as [(Int64, Int64?)] {
            await #expect(throws: refused) { try await desk.agree(desk.order(from: from, to: to)) }
        }
        _ = try await desk.agree(desk.order("team", from: 0))
        let next = try await desk.agree(desk.order("pro", ["seats_per_unit": 80], from: 10))
        _ = try await desk.contracts.revise(next.id, version: 1, desk.order(from: 10, to: 10), with: desk.tenant, desk.test.act())
        _ = try await desk.agree(desk.order("pro", ["seats_per_unit": 85], from: 10))
        desk.test.clock.advance(by: .days(10))
        #expect(try await desk.inForce()["pro"]?.seatsPerUnit == 85)
        #expect(
            try await desk.contracts.list(of: desk.tenant).map { $0.status(at: desk.now).rawValue }.sorted() == [
                "active", "active", "ended", "ended",
            ])
    }

    @Test("terms that the tier cannot be read under are refused with every fault, and nothing is kept")
    func refused() async throws {
        let desk = try await Desk()
        for (terms, fault) in [
            (["seats_per_unit": 0], "tiers.pro.seats_per_unit: must be 1 … 1000000"),
            (["id": "free"], "tiers.pro.id: is not a contract's to change"),
            (["prices": ["month": ["amount_minor": -1]]], "tiers.pro.prices.month.amount_minor: must be 0 or more"),
        ] as [(JSONValue, String)] {
            await #expect(throws: CatalogProblems.termsRefused.with(["complaints": [.string(fault)]])) {
                try await desk.agree(desk.order("pro", terms))
            }
        }
        await #expect(throws: CatalogProblems.unknownTier) { try await desk.agree(desk.order("gone")) }
        await #expect(throws: Problem.self) { try await desk.agree(desk.order("pro", [])) }
        await #expect(throws: Problem.self) { try await desk.agree(desk.order(from: 2, to: 1)) }
        await #expect(throws: Problem.self) {
            try await desk.agree(desk.order("pro", ["summary": .string(String(repeating: "x", count: 9_000))]))
        }
        #expect(try await desk.contracts.list(of: desk.tenant).isEmpty)
    }

    @Test("where the table of tiers goes on and no longer fits a contract, the tier reads as gone for its tenant and as it is for others")
    func unfit() async throws {
        let desk = try await Desk()
        _ = try await desk.agree(desk.order("pro", ["entitlements": ["sla": true]]))
        desk.catalog.replace(with: try TierCatalog.read(ShippedTiers.with(3) { $0["quotas"] = ["sla": ["limit": 1, "per": "month"]] }))
        #expect(try await desk.inForce()["pro"] == nil)
        #expect(try await desk.inForce(desk.other)["pro"] != nil)
        let contract = try #require(try await desk.contracts.list(of: desk.tenant).first)
        #expect(desk.contracts.tier(under: contract) == nil)
    }

    @Test("a price of one's own is none of the list's; a tier by contract has one as soon as it is agreed, and a hidden one is on offer")
    func prices() async throws {
        let desk = try await Desk()
        _ = try await desk.agree(desk.order("enterprise", ["prices": ["year": ["amount_minor": 1_200_000]]]))
        _ = try await desk.agree(desk.order("pro", ["devices": 9]))
        let seen = try await desk.inForce()
        let enterprise = try #require(seen["enterprise"])
        #expect(!enterprise.isByContract && enterprise.prices[.year]?.amountMinor == 1_200_000 && enterprise.isInvoiced)
        #expect(seen.hasOwnPrice(enterprise.id, .year) && seen.isAgreed(enterprise.id))
        #expect(!seen.hasOwnPrice(try #require(seen["pro"]).id, .month), "another number of devices costs the same")
        #expect(seen.offered.contains(enterprise))
    }
}
