import Testing
import Vocabulary

@testable import Catalog

@Suite("What a contract changes of a tier")
struct TierDifferenceTests {
    private static func changes(_ tier: String, _ terms: JSONValue) throws -> [String: [JSONValue?]] {
        let catalog = try TierCatalog.read(ShippedTiers.table)
        let id = try #require(TierID(tier))
        let agreed = try #require(try catalog.tier(id, underContract: terms))
        let all = try #require(catalog[id]).differences(to: agreed)
        #expect(all.map(\.field) == all.map(\.field).sorted())
        return Dictionary(uniqueKeysWithValues: all.map { ($0.field, [$0.listed, $0.agreed]) })
    }

    @Test("what is said again is no change; what is said otherwise stands beside the tier's own")
    func fields() throws {
        #expect(try Self.changes("pro", ["seats_per_unit": 50, "trial_days": 14]).isEmpty)
        #expect(
            try Self.changes("pro", ["seats_per_unit": 75, "devices": "unlimited", "name": "Pro for us"]) == [
                "seats_per_unit": [50, 75], "devices": [100, "unlimited"], "name": ["Pro", "Pro for us"],
            ])
        #expect(
            try Self.changes("pro", ["prices": ["month": ["amount_minor": 5000, "currency": "EUR"]]])["prices.month"] == [
                ["amount_minor": 9900, "currency": "USD"], ["amount_minor": 5000, "currency": "EUR"],
            ])
    }

    @Test("what comes and what goes is told as what was not there, or is not any more")
    func comesAndGoes() throws {
        let changes = try Self.changes(
            "team", ["devices": 9, "entitlements": ["sla": true], "quotas": ["ai_requests": ["limit": 10, "soft_limit": 5, "per": "day"]]])
        #expect(changes["devices_per_seat"] == [2, nil] && changes["devices"] == [nil, 9])
        #expect(changes["entitlements.sla"] == [nil, true])
        #expect(changes["quotas.ai_requests.soft_limit"] == [nil, 5])
        let gone = try Self.changes("pro", ["workstation": .null])
        #expect(gone["workstation.machine_type"] == ["standard-4", nil], "\(gone)")
        let priced = try Self.changes("enterprise", ["prices": ["year": ["amount_minor": 1, "currency": "EUR"]]])
        #expect(priced["contract"] == [true, false] && priced["prices.year"]?.first == .some(nil))
    }
}
