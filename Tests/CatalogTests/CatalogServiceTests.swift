import Foundation
import HTTPEdge
import RoomTesting
import Testing
import Vocabulary

@testable import Catalog

@Suite("The catalog in force")
struct CatalogServiceTests {
    func catalog() throws -> Catalog { Catalog(try TierCatalog.read(ShippedTiers.table), clock: ManualClock()) }

    func plans(_ catalog: Catalog) async throws -> String {
        let route = try #require(catalog.routes().first)
        #expect(route.path == "/api/v1/plans" && route.method == .get && route.access == .open)
        let act = Act(actor: .anonymous, requestID: "r", now: Timestamp(seconds: 0))
        let call = Call(
            act: act, method: .get, path: route.path, parameters: [:], query: [:], headers: [:], body: Data(), principal: nil, tokenID: nil,
            origin: "http://127.0.0.1", isLoopback: true)
        let reply = try await route.handler(call)
        #expect(reply.status == 200)
        return String(decoding: reply.body, as: UTF8.self)
    }

    @Test("GET /plans answers exactly the fields of the contract, in the order of the table")
    func transcript() async throws {
        let table: JSONValue = [
            "api": 1,
            "tiers": [
                [
                    "id": "solo", "name": "Solo", "prices": ShippedTiers.priced(1900, 19000), "seats_per_unit": 1, "devices": 2,
                    "entitlements": ["sso": false, "projects": 3, "storage_bytes": "unlimited"],
                    "quotas": ["ai_requests": ["limit": 100, "per": "month"]],
                ],
                ["id": "grand", "name": "Grand", "contract": true, "seats_per_unit": 500, "devices": "unlimited"],
                ["id": "old", "name": "Old", "prices": ShippedTiers.priced(1, 2), "seats_per_unit": 1, "devices": 1, "hidden": true],
            ],
        ]
        let expected =
            #"{"plans":[{"devices":2,"entitlements":{"ai_requests":100,"projects":3,"sso":false,"storage_bytes":null},"id":"solo","name":"Solo","#
            + #""prices":[{"amount_minor":1900,"currency":"USD","interval":"month"},{"amount_minor":19000,"currency":"USD","interval":"year"}],"#
            + #""seats":1,"trial_days":14},"#
            + #"{"devices":null,"entitlements":{},"id":"grand","name":"Grand","prices":[],"seats":500,"trial_days":0}]}"#
        #expect(try await plans(Catalog(try TierCatalog.read(table), clock: ManualClock())) == expected)
    }

    @Test("a swapped catalog answers the next question, and a value taken before stays whole")
    func swap() async throws {
        let catalog = try catalog()
        let before = catalog.current
        let other = try TierCatalog.read(ShippedTiers.with(3) { $0["name"] = "Professional" })
        #expect(catalog.replace(with: other) == before)
        #expect(catalog["pro"]?.name == "Professional")
        #expect(before["pro"]?.name == "Pro")
        #expect(try await plans(catalog).contains(#""name":"Professional""#))
    }

    @Test("readers racing a reload see one catalog or the other, never a mixture")
    func race() async throws {
        let one = try TierCatalog.read(ShippedTiers.with(3) { $0["seats_per_unit"] = 50 })
        let two = try TierCatalog.read(
            ShippedTiers.with(3) {
                $0["seats_per_unit"] = 60
                $0["name"] = "Sixty"
            })
        let catalog = Catalog(one, clock: ManualClock())
        await withTaskGroup(of: Bool.self) { group in
            for number in 0..<4 {
                group.addTask {
                    for turn in 0..<500 {
                        if number == 0 {
                            catalog.replace(with: turn.isMultiple(of: 2) ? two : one)
                            continue
                        }
                        guard let pro = catalog.current["pro"], (pro.name == "Sixty") == (pro.seatsPerUnit == 60) else { return false }
                    }
                    return true
                }
            }
            for await isWhole in group { #expect(isWhole) }
        }
    }
}

@Suite("The providers' names of prices")
struct ProviderPriceTests {
    let pro = TierID("pro")!
    let starter = TierID("pilot_starter")!
    let professional = TierID("pilot_professional")!

    @Test("the environment names prices by tier and interval, the pilot's older names among them")
    func environment() throws {
        let prices = ProviderPrices.configured(
            environment: [
                "STRIPE_PRICE_PRO_MONTH": "price_new", "STRIPE_PRICE_PRO_MONTHLY": "price_pilot", "STRIPE_PRICE_STARTER_MONTHLY": "price_s",
                "STRIPE_PRICE_PILOT_STARTER_YEAR": "price_sy", "STRIPE_PRICE_TEAM_YEAR": "", "STRIPE_PRICE__MONTH": "price_x",
                "PATH": "/bin",
            ], settings: Settings())
        #expect(prices.name(provider: "stripe", tier: pro, interval: .month) == "price_new")
        #expect(prices.name(provider: "stripe", tier: professional, interval: .month) == "price_pilot")
        #expect(prices.name(provider: "stripe", tier: starter, interval: .month) == "price_s")
        #expect(prices.name(provider: "stripe", tier: starter, interval: .year) == "price_sy")
        #expect(prices.name(provider: "stripe", tier: TierID("team")!, interval: .year) == nil)
        #expect(prices.name(provider: "sandbox", tier: pro, interval: .month) == nil)
        let offer = try #require(prices.offer(provider: "stripe", price: "price_pilot"))
        #expect(offer.tier == professional && offer.interval == .month)
        #expect(prices.offer(provider: "stripe", price: "price_x") == nil)
    }

    @Test("today's name of the same price wins over the pilot's")
    func precedence() {
        let prices = ProviderPrices.configured(
            environment: ["STRIPE_PRICE_STARTER_MONTHLY": "price_old", "STRIPE_PRICE_PILOT_STARTER_MONTH": "price_new"],
            settings: Settings())
        #expect(prices.name(provider: "stripe", tier: starter, interval: .month) == "price_new")
        #expect(prices.offer(provider: "stripe", price: "price_old")?.tier == starter, "who bought under the old price keeps the tier")
    }

    @Test("the setting names prices of any provider, and its check refuses another form")
    func setting() {
        let settings = Settings().setting(CatalogSettings.providerPrices, to: ["acme:p:1=pro/month", "acme:p=2=pro/year"])
        let prices = ProviderPrices.configured(environment: [:], settings: settings)
        #expect(prices.name(provider: "acme", tier: pro, interval: .month) == "p:1")
        #expect(prices.name(provider: "acme", tier: pro, interval: .year) == "p=2")
        let check = CatalogSettings.providerPrices.erased.check
        #expect(check("acme:p=pro/month") == nil)
        for wrong in ["acme", "acme:p=pro", "acme:p=pro/week", ":p=pro/month", "acme:=pro/month", "acme:p=Pro/month"] {
            #expect(check(wrong) != nil, "\(wrong)")
        }
    }
}
