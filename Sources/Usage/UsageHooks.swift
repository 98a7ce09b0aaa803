import HookEngine
import Vocabulary

/// Before uses of a metered quota are taken.
package enum OnUsage: DecideHook {
    package struct Input: Sendable, Hashable {
        package var tenant: TenantID
        package var tier: String
        package var meter: String
        package var quantity: Int64
        package var used: Int64
        package var limit: Int64?
        package var softLimit: Int64?
    }
    package struct Terms: Sendable, Hashable { package var overageUnits: Int64? }
    package static let definition = HookDefinition(
        "on_usage", kind: .decide, summary: "Whether a use of a metered quota is taken, and how far beyond its limit.",
        input: [
            HookField(
                "tenant", .object([HookField("id", .string, "UUID of the tenant."), HookField("tier", .string, "Its tier.")]), "Who uses."),
            HookField("meter", .string, "Name of the quota in tiers.lua, like ai_requests."),
            HookField("quantity", .integer, "Units that would be used.", range: 1...Int64.max),
            HookField("used", .integer, "Units used in this period.", range: 0...Int64.max),
            HookField("limit", .integer, "Units of the period; absent: without limit.", optional: true, range: 0...Int64.max),
            HookField("soft_limit", .integer, "From here on the tenant is told.", optional: true, range: 0...Int64.max),
        ],
        terms: [
            HookField(
                "overage_units", .integer, "Units beyond the limit.", optional: true, tight: .lowest, range: 0...1_000_000_000)
        ], whenAllAbstain: .allow, isOpenToTenants: true)

    package static func encode(_ input: Input) -> HookValue {
        var members: [(String, HookValue)] = [
            ("tenant", .object([("id", .string(input.tenant.description)), ("tier", .string(input.tier))])),
            ("meter", .string(input.meter)), ("quantity", .int(input.quantity)), ("used", .int(input.used)),
        ]
        if let limit = input.limit { members.append(("limit", .int(limit))) }
        if let limit = input.softLimit { members.append(("soft_limit", .int(limit))) }
        return .object(members)
    }
    package static func terms(_ value: HookValue) -> Terms { Terms(overageUnits: value["overage_units"]?.int) }
}
