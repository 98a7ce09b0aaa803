import HookEngine
import Vocabulary

/// Before a tenant moves to another tier or quantity.
package enum OnTierChange: DecideHook {
    package struct Offer: Sendable, Hashable {
        package var tier: String
        package var quantity: Int
        package var interval: BillingInterval
        package var price: Money
    }
    package struct Input: Sendable, Hashable {
        package var tenant: TenantID
        package var role: String
        package var from: Offer
        package var to: Offer
        package var isUpgrade: Bool
        package var seatsUsed: Int
        package var customerAgeDays: Int
        package var failedPayments: Int
    }
    package struct Terms: Sendable, Hashable {
        package var discountBasisPoints: Int?
    }
    private static let offer = HookField.Kind.object([
        HookField("tier", .string, "Name of the tier."), HookField("quantity", .integer, "Units.", range: 0...Int64(Int32.max)),
        HookField("interval", .choice(BillingInterval.allCases.map(\.rawValue)), "How often it is paid."),
        HookField("amount_minor", .integer, "Price of one interval, in the currency's minor unit.", range: 0...Int64.max),
        HookField("currency", .string, "ISO 4217."),
    ])
    package static let definition = HookDefinition(
        "on_tier_change", kind: .decide, summary: "Whether a tenant may move to another tier or quantity, and on what terms.",
        input: [
            HookField(
                "tenant",
                .object([
                    HookField("id", .string, "UUID of the tenant."),
                    HookField("seats_used", .integer, "Leases that live now.", range: 0...1_000_000),
                ]), "Whose."),
            HookField("user", .object([HookField("role", .string, "The caller's role in the tenant.")]), "Who asks."),
            HookField("from", offer, "What is paid now."), HookField("to", offer, "What would be paid."),
            HookField("is_upgrade", .boolean, "It moves down the list of tiers.lua, or to more units."),
            HookField(
                "customer",
                .object([
                    HookField("age_days", .integer, "Days since the tenant's first checkout.", range: 0...100_000),
                    HookField("failed_payments", .integer, "Failed attempts on what is still unpaid.", range: 0...1_000),
                ]), "The buyer."),
        ],
        terms: [
            HookField(
                "discount_basis_points", .integer, "Off the new price, in hundredths of a percent.", optional: true, tight: .lowest,
                range: 0...10_000)
        ], whenAllAbstain: .allow, isOpenToTenants: true)

    package static func encode(_ input: Input) -> HookValue {
        func put(_ offer: Offer, _ into: inout HookInput) {
            into.put("tier", offer.tier)
            into.put("quantity", offer.quantity)
            into.put("interval", offer.interval.rawValue)
            into.put("amount_minor", Int(offer.price.amountMinor))
            into.put("currency", offer.price.currency.code)
        }
        return HookInput.make { hook in
            hook.put("tenant") {
                $0.put("id", input.tenant.description)
                $0.put("seats_used", input.seatsUsed)
            }
            hook.put("user") { $0.put("role", input.role) }
            hook.put("from") { put(input.from, &$0) }
            hook.put("to") { put(input.to, &$0) }
            hook.put("is_upgrade", input.isUpgrade)
            hook.put("customer") {
                $0.put("age_days", input.customerAgeDays)
                $0.put("failed_payments", input.failedPayments)
            }
        }
    }
    package static func terms(_ value: HookValue) -> Terms {
        Terms(discountBasisPoints: value["discount_basis_points"]?.int.map { Int($0) })
    }
}
