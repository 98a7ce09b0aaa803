import Testing
import Vocabulary

@testable import Catalog

@Suite("The tier table")
struct TierTableTests {
    func id(_ name: String) throws -> TierID { try #require(TierID(name)) }

    @Test("every figure of the specification can be written and comes out as written")
    func figures() throws {
        let catalog = try TierCatalog.read(ShippedTiers.table)
        #expect(catalog.tiers.map(\.id.name) == ["free", "pilot_starter", "pilot_professional", "pro", "team", "enterprise"])
        let free = try #require(catalog["free"])
        #expect(free.isFree && free.trialDays == 0 && free.seats(quantity: 1) == 1 && free.devices(quantity: 1) == 1)
        let starter = try #require(catalog["pilot_starter"])
        #expect(starter.prices[.month] == Money(amountMinor: 1900, currency: Currency("USD")!))
        #expect(starter.prices[.year]?.amountMinor == 19000)
        #expect(starter.entitlements["projects"] == .limit(3))
        #expect(starter.quotas["ai_requests"] == Quota(limit: 100, softLimit: nil, period: .month))
        #expect(starter.key == KeyShape(prefix: "CODITECT-PILOT", groups: 3))
        let professional = try #require(catalog["pilot_professional"])
        #expect(professional.entitlements["projects"] == .unlimited && professional.seatsPerUnit == 3)
        #expect(professional.trialDays == 14, "a priced tier that names no trial has the table's")
        let pro = try #require(catalog["pro"])
        #expect(pro.seats(quantity: 2) == 100 && pro.devices(quantity: 1) == 100 && pro.key == .standard)
        #expect(pro.workstation == WorkstationShape(machineType: "standard-4", diskBytes: 50 << 30, idleTimeoutSeconds: 1800))
        let team = try #require(catalog["team"])
        #expect(team.seats(quantity: 5) == 5 && team.devices(quantity: 5) == 10 && team.trialDays == 7 && team.unit == "user")
        #expect(team.prices[.month]?.currency.code == "EUR")
        let enterprise = try #require(catalog["enterprise"])
        #expect(enterprise.isByContract && enterprise.isInvoiced && enterprise.prices.isEmpty && !enterprise.isFree)
        #expect(enterprise.seats(quantity: 1) == 500 && enterprise.devices(quantity: 1) == nil && enterprise.contactURL == "/contact")
    }

    @Test("the order of the list is the order of upgrades")
    func ranks() throws {
        let catalog = try TierCatalog.read(ShippedTiers.table)
        #expect(catalog.rank(try id("pro")) > catalog.rank(try id("pilot_starter")))
        #expect(catalog.rank(try id("gone")) == -1)
        #expect(catalog.seats(try id("gone"), quantity: 1) == nil)
        #expect(catalog["4242 4242"] == nil)
    }

    @Test("no quantity of a provider overflows a figure", arguments: [(-1, 0), (0, 0), (3, 150), (Int.max, Tier.mostSeats)])
    func overflow(quantity: Int, seats: Int) throws {
        #expect(try #require(TierCatalog.read(ShippedTiers.table)["pro"]).seats(quantity: quantity) == seats)
    }

    struct Fault: Sendable, CustomTestStringConvertible {
        let complaint: String
        let table: JSONValue
        init(_ complaint: String, _ table: JSONValue) {
            self.complaint = complaint
            self.table = table
        }
        init(_ complaint: String, tier index: Int = 3, _ change: (inout [String: JSONValue]) -> Void) {
            self.init(complaint, ShippedTiers.with(index, change))
        }
        var testDescription: String { complaint }
    }

    static let faults: [Fault] = [
        Fault("tiers.pro.prices.month.amount_minor: must be 0 or more") { $0["prices"] = ["month": ["amount_minor": -1]] },
        Fault("tiers.pro.prices.month.amount_minor: must be a whole number, is a number with a fraction") {
            $0["prices"] = ["month": ["amount_minor": .double(99.5)]]
        },
        Fault("tiers.pro.prices.month.amount_minor: is missing") { $0["prices"] = ["month": [:]] },
        Fault("tiers.pro.prices.month.currency: must be an ISO 4217 code") {
            $0["prices"] = ["month": ["amount_minor": 1, "currency": "E1R"]]
        },
        Fault("tiers.pro.prices.week: is not a field here; accepted: month, year") {
            $0["prices"] = ["month": ["amount_minor": 1], "week": ["amount_minor": 1]]
        },
        Fault("tiers.pro.prices: must be a table, is a whole number") { $0["prices"] = 99 },
        Fault("tiers.pro.prices: is missing; a tier without a price needs contract = true") { $0["prices"] = nil },
        Fault("tiers.pro.prices: must name month, year or both") { $0["prices"] = [:] },
        Fault("tiers.pro.prices: are either all 0 or all above 0") { $0["prices"] = ShippedTiers.priced(0, 100) },
        Fault("tiers.enterprise.prices: a tier by contract has none", tier: 5) { $0["prices"] = ShippedTiers.priced(1, 2) },
        Fault("tiers.free.trial_days: a free tier has no trial", tier: 0) { $0["trial_days"] = 7 },
        Fault("tiers.pro.seats_per_unit: is missing") { $0["seats_per_unit"] = nil },
        Fault("tiers.pro.seats_per_unit: must be 1 … 1000000") { $0["seats_per_unit"] = 0 },
        Fault("tiers.pro.devices: is missing; or say devices_per_seat") { $0["devices"] = nil },
        Fault("tiers.pro.devices: must be a whole number or \"unlimited\"") { $0["devices"] = "many" },
        Fault("tiers.team.devices: and devices_per_seat exclude each other", tier: 4) { $0["devices"] = 3 },
        Fault("tiers.pro.hardware_match: must be any, two, most, all") { $0["hardware_match"] = "three" },
        Fault("tiers.pro.hardware_match: must be a text, is a whole number") { $0["hardware_match"] = 2 },
        Fault("tiers.pro.entitlements.sso: must be true, false, a whole number of 0 or more, or \"unlimited\"") {
            $0["entitlements"] = ["sso": "yes"]
        },
        Fault("tiers.pro.entitlements.No Such: must be at most 32 lower-case letters, digits and _, starting with a letter") {
            $0["entitlements"] = ["No Such": true]
        },
        Fault("tiers.pro.quotas.ai_requests.per: must be day, month or year") {
            $0["quotas"] = ["ai_requests": ["limit": 1, "per": "week"]]
        },
        Fault("tiers.pro.quotas.ai_requests.soft_limit: must not lie above limit") {
            $0["quotas"] = ["ai_requests": ["limit": 1, "soft_limit": 2, "per": "day"]]
        },
        Fault("tiers.pilot_starter.quotas.projects: is an entitlement too; a name is one or the other", tier: 1) {
            $0["quotas"] = ["projects": ["limit": 1, "per": "day"]]
        },
        Fault("tiers.pro.key.groups: must be 3 … 8") { $0["key"] = ["prefix": "X", "groups": 2] },
        Fault("tiers.pro.key.prefix: must be words of A-Z and 0-9, joined by -") { $0["key"] = ["prefix": "X--Y", "groups": 5] },
        Fault("tiers.pro.contact_url: must start with /, https:// or mailto:") { $0["contact_url"] = "javascript:alert(1)" },
        Fault("tiers.pro.name: must be one line of 1 to 80 bytes") { $0["name"] = "Pro\n" },
        Fault(
            "tiers.pro.colour: is not a field here; accepted: contact_url, contract, devices, devices_per_seat, entitlements, hardware_match, hidden, id, invoice, key, max_quantity, name, prices, quotas, seats_per_unit, summary, trial_days, unit, workstation"
        ) { $0["colour"] = "red" },
        Fault("tiers[4].id: must be lower-case letters, digits and _, starting with a letter") { $0["id"] = "Pro" },
        Fault("tiers.team: is there twice") { $0["id"] = "team" },
        Fault("tiers: is missing", ["api": 1]),
        Fault("tiers: must name at least one tier", ["api": 1, "tiers": []]),
        Fault("tiers: must be a list, is a table", ["api": 1, "tiers": ["pro": [:]]]),
        Fault("api: is missing", ["tiers": ShippedTiers.table["tiers"]!]),
        Fault("api: this server reads tier tables of api 1", ["api": 2, "tiers": ShippedTiers.table["tiers"]!]),
    ]

    @Test("a fault is named with its path and its rule, and with nothing else", arguments: faults)
    func refused(fault: Fault) {
        let refusal = #expect(throws: TierTableRefused.self) { try TierCatalog.read(fault.table) }
        #expect(refusal?.complaints == [fault.complaint])
    }

    @Test("a tier says by how much of its hardware a device is known again; most of it, if it says nothing")
    func hardwareMatch() throws {
        #expect(try #require(TierCatalog.read(ShippedTiers.table)["pro"]).hardwareMatch == .most)
        for match in HardwareMatch.allCases {
            let table = ShippedTiers.with(3) { $0["hardware_match"] = .string(match.rawValue) }
            #expect(try #require(TierCatalog.read(table)["pro"]).hardwareMatch == match)
        }
    }

    @Test("every fault of a table is named at once")
    func all() {
        let table = ShippedTiers.with(3) {
            $0["seats_per_unit"] = "fifty"
            $0["trial_days"] = 999
        }
        let refusal = #expect(throws: TierTableRefused.self) { try TierCatalog.read(table) }
        #expect(
            refusal?.description == "tiers.pro.seats_per_unit: must be a whole number, is a text\ntiers.pro.trial_days: must be 0 … 365")
    }

    @Test("a hostile table costs a bounded number of complaints")
    func flood() {
        let table = ShippedTiers.with(3) { fields in
            for number in 0..<10_000 { fields["field_\(number)"] = 1 }
        }
        let refusal = #expect(throws: TierTableRefused.self) { try TierCatalog.read(table) }
        #expect(refusal?.complaints.count == 50)
    }

    @Test("a contract changes any field of a tier and nothing else of it")
    func contract() throws {
        let catalog = try TierCatalog.read(ShippedTiers.table)
        let terms: JSONValue = [
            "prices": ["year": ["amount_minor": 1_200_000]], "seats_per_unit": 750, "devices_per_seat": 4, "entitlements": ["sla": true],
        ]
        let changed = try #require(try catalog.tier(try id("enterprise"), underContract: terms))
        #expect(changed.prices == [.year: Money(amountMinor: 1_200_000, currency: Currency("USD")!)] && !changed.isByContract)
        #expect(changed.seats(quantity: 1) == 750 && changed.devices(quantity: 1) == 3000 && changed.entitlements["sla"] == .flag(true))
        #expect(changed.name == "Enterprise" && changed.isInvoiced)
        #expect(try catalog.tier(try id("gone"), underContract: terms) == nil)
        let refusal = #expect(throws: TierTableRefused.self) { try catalog.tier(try id("pro"), underContract: ["id": "free"]) }
        #expect(refusal?.complaints == ["tiers.pro.id: is not a contract's to change"])
    }
}
