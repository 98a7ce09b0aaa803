import PluginKit

/// The tiers of the specification, as `policies/tiers.lua` hands them over.
enum ShippedTiers {
    static let pilotKey: JSONValue = ["prefix": "CODITECT-PILOT", "groups": 3]

    static func priced(_ month: Int64, _ year: Int64) -> JSONValue {
        ["month": ["amount_minor": .int(month)], "year": ["amount_minor": .int(year)]]
    }

    static let table: JSONValue = [
        "api": 1, "currency": "USD", "trial_days": 14, "key": ["prefix": "CODITECT", "groups": 5],
        "tiers": [
            ["id": "free", "name": "Free", "prices": ["month": ["amount_minor": 0]], "seats_per_unit": 1, "devices": 1, "max_quantity": 1],
            [
                "id": "pilot_starter", "name": "Pilot Starter", "prices": priced(1900, 19000), "seats_per_unit": 1, "devices": 1,
                "trial_days": 0, "max_quantity": 1, "entitlements": ["projects": 3],
                "quotas": ["ai_requests": ["limit": 100, "per": "month"]], "key": pilotKey,
            ],
            [
                "id": "pilot_professional", "name": "Pilot Professional", "prices": priced(4900, 49000), "seats_per_unit": 3, "devices": 3,
                "entitlements": ["projects": "unlimited"], "quotas": ["ai_requests": ["limit": 1000, "soft_limit": 800, "per": "month"]],
                "key": pilotKey,
            ],
            [
                "id": "pro", "name": "Pro", "prices": priced(9900, 99000), "seats_per_unit": 50, "devices": 100,
                "workstation": ["machine_type": "standard-4", "disk_bytes": 53_687_091_200, "idle_timeout_seconds": 1800],
            ],
            [
                "id": "team", "name": "Team", "prices": ["month": ["amount_minor": 2900, "currency": "EUR"]], "seats_per_unit": 1,
                "devices_per_seat": 2, "trial_days": 7, "unit": "user",
            ],
            [
                "id": "enterprise", "name": "Enterprise", "contract": true, "invoice": true, "contact_url": "/contact",
                "seats_per_unit": 500,
                "devices": "unlimited",
            ],
        ],
    ]

    /// The table with `change` applied to the fields of tier number `index`.
    static func with(_ index: Int, _ change: (inout [String: JSONValue]) -> Void) -> JSONValue {
        var top = table.object ?? [:]
        var tiers = top["tiers"]?.array ?? []
        var fields = tiers[index].object ?? [:]
        change(&fields)
        tiers[index] = .object(fields)
        top["tiers"] = .array(tiers)
        return .object(top)
    }
}
