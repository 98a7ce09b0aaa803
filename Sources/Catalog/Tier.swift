import Vocabulary

/// The name of a tier: `pro`. Lower-case letters, digits and underscores, starting with a letter, at most 32 signs.
package struct TierID: Hashable, Sendable, Codable, Comparable, CustomStringConvertible {
    package let name: String

    /// Nil unless `name` has the form of a tier's name; whether such a tier exists is the catalog's to say.
    package init?(_ name: String) {
        let signs = Array(name.utf8)
        guard (1...32).contains(signs.count), let first = signs.first, (97...122).contains(first),
            signs.allSatisfy({ (97...122).contains($0) || (48...57).contains($0) || $0 == 95 })
        else { return nil }
        self.name = name
    }
    package var description: String { name }
    package static func < (left: TierID, right: TierID) -> Bool { left.name < right.name }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let id = TierID(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a tier's name")
        }
        self = id
    }
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(name)
    }
}

/// What a customer can buy.
package struct Tier: Sendable, Hashable {
    package let id: TierID
    package let name: String
    package let summary: String
    /// Per unit and interval. Empty for a tier whose price a contract sets.
    package let prices: [BillingInterval: Money]
    /// Seats = quantity × this.
    package let seatsPerUnit: Int
    package let devices: DeviceAllowance
    /// By how many of its components a device is known again whose hardware id changed.
    package let hardwareMatch: HardwareMatch
    /// 0: no trial.
    package let trialDays: Int
    /// What one unit is called: `user`.
    package let unit: String?
    /// Most units of one checkout.
    package let maxQuantity: Int
    package let entitlements: [String: Grant]
    package let quotas: [String: Quota]
    package let key: KeyShape
    package let workstation: WorkstationShape?
    /// The price is agreed by contract: no self-service checkout.
    package let isByContract: Bool
    /// Paid by invoice, without a card.
    package let isInvoiced: Bool
    /// Where to ask for a contract.
    package let contactURL: String?
    /// Not offered to new customers.
    package let isHidden: Bool

    /// Costs nothing at any interval: granted without a checkout.
    package var isFree: Bool { !prices.isEmpty && prices.values.allSatisfy { $0.amountMinor == 0 } }

    /// Seats of a subscription to `quantity` units; 0 for a quantity below 1, and never beyond `Tier.mostSeats`.
    package func seats(quantity: Int) -> Int { Tier.bounded(seatsPerUnit, times: quantity) }

    /// Devices of a licence for `quantity` units; nil: without limit.
    package func devices(quantity: Int) -> Int? {
        switch devices {
        case .unlimited: nil
        case .perUnit(let count): Tier.bounded(count, times: quantity)
        case .perSeat(let count): Tier.bounded(count, times: seats(quantity: quantity))
        }
    }

    /// The ceiling of every product of a quantity, so that no figure of a provider overflows.
    package static let mostSeats = 10_000_000

    static func bounded(_ factor: Int, times quantity: Int) -> Int {
        guard factor > 0, quantity > 0 else { return 0 }
        let (product, overflow) = factor.multipliedReportingOverflow(by: quantity)
        return overflow ? mostSeats : min(product, mostSeats)
    }
}

package enum DeviceAllowance: Sendable, Hashable {
    case perUnit(Int)
    case perSeat(Int)
    case unlimited
}

/// When two sets of hardware components are one device: `cpu`, `board`, `disk`, `mac`, each with its value.
package enum HardwareMatch: String, Sendable, CaseIterable, Codable {
    case any, two, most, all

    /// Survives one part in four being replaced, and two devices never pass for one by a part that they share.
    package static let standard = HardwareMatch.most

    /// - Parameters:
    ///   - equal: components with the same name and value.
    ///   - known: components that the device named when it was activated.
    ///   - told: components that it names now.
    package func isSame(equal: Int, known: Int, told: Int) -> Bool {
        switch self {
        case .any: equal >= 1
        case .two: equal >= 2
        // More than half of either side, so that whoever names the components of two devices is neither of them.
        case .most: equal >= 1 && 2 * equal > max(known, told)
        case .all: equal >= 1 && equal == known && equal == told
        }
    }
}

/// One entitlement: a feature, a limit, or a limit that is lifted.
package enum Grant: Sendable, Hashable {
    case flag(Bool)
    case limit(Int64)
    case unlimited

    /// On the wire a missing limit is `null`.
    package var json: JSONValue {
        switch self {
        case .flag(let isOn): .bool(isOn)
        case .limit(let count): .int(count)
        case .unlimited: .null
        }
    }
}

/// A figure that usage counts against, from zero in each period.
package struct Quota: Sendable, Hashable {
    package enum Period: String, Sendable, CaseIterable { case day, month, year }
    /// Nil: without limit.
    package let limit: Int64?
    /// Where a warning is due; below the limit.
    package let softLimit: Int64?
    package let period: Period
}

/// How a licence key of the tier looks: `PREFIX` and groups of four signs.
package struct KeyShape: Sendable, Hashable {
    package let prefix: String
    package let groups: Int
    /// SPEC 4: five groups, 95 random bits.
    package static let standard = KeyShape(prefix: "CODITECT", groups: 5)
    package init(prefix: String, groups: Int) {
        self.prefix = prefix
        self.groups = groups
    }
}

package struct WorkstationShape: Sendable, Hashable {
    package let machineType: String
    package let diskBytes: Int64
    package let idleTimeoutSeconds: Int64
}
