import HTTPEdge
import Vocabulary

extension Catalog {
    package func routes() -> [Route] {
        [
            Route(
                .get, "/api/v1/plans", name: "plans.list", summary: "What can be bought, from the smallest to the largest.", access: .open,
                answers: [RouteAnswer(200, "Every tier on offer", PlansWire.schema)]
            ) { _ in try Reply.json(PlansWire(self.current)) }
        ]
    }
}

struct PlansWire: Encodable {
    struct Plan: Encodable {
        struct Price: Encodable {
            let interval: BillingInterval
            let amountMinor: Int64
            let currency: Currency
            enum CodingKeys: String, CodingKey {
                case interval
                case amountMinor = "amount_minor"
                case currency
            }
        }
        let id: TierID
        let name: String
        let prices: [Price]
        let seats: Int
        let devices: JSONValue
        let trialDays: Int
        let entitlements: [String: JSONValue]
        enum CodingKeys: String, CodingKey {
            case id, name, prices, seats, devices, entitlements
            case trialDays = "trial_days"
        }
    }
    let plans: [Plan]

    init(_ catalog: TierCatalog) {
        plans = catalog.offered.map { tier in
            let quotas = tier.quotas.mapValues { $0.limit.map(JSONValue.int) ?? .null }
            return Plan(
                id: tier.id, name: tier.name,
                prices: BillingInterval.allCases.compactMap { interval in
                    tier.prices[interval].map { Plan.Price(interval: interval, amountMinor: $0.amountMinor, currency: $0.currency) }
                },
                seats: tier.seats(quantity: 1), devices: tier.devices(quantity: 1).map { .int(Int64($0)) } ?? .null,
                trialDays: tier.trialDays,
                entitlements: tier.entitlements.mapValues(\.json).merging(quotas) { granted, _ in granted })
        }
    }

    static let schema = Schema.object([
        SchemaField(
            "plans",
            .array(
                .named(
                    "Plan",
                    .object([
                        SchemaField("id", .string(min: 1, max: 32), "The tier's name"),
                        SchemaField("name", .string(min: 1, max: 80), "What a person calls it"),
                        SchemaField(
                            "prices",
                            .array(
                                .object([
                                    SchemaField("interval", .choice(BillingInterval.allCases.map(\.rawValue))),
                                    SchemaField("amount_minor", .integer(0...100_000_000_000), "Per unit, in the currency's minor unit"),
                                    SchemaField("currency", .string(min: 3, max: 3), "ISO 4217"),
                                ]), max: 2), "Empty where a contract sets the price"),
                        SchemaField("seats", .integer(1...Int64(Tier.mostSeats)), "Per unit"),
                        SchemaField("devices", .nullable(.integer(1...Int64(Tier.mostSeats))), "Per unit; null: without limit"),
                        SchemaField("trial_days", .integer(0...365)),
                        SchemaField(
                            "entitlements", .map(.any),
                            "Features (true, false) and limits (a whole number; null: without limit), quotas among them"),
                    ])), max: TierReading.mostTiers))
    ])
}
