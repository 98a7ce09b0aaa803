import Vocabulary

/// One field in which a tier under a contract is another than the tier that everybody is sold.
package struct TierDifference: Sendable, Hashable {
    /// As the table of tiers writes it: `entitlements.sla`.
    package let field: String
    /// Nil: the tier has none.
    package let listed: JSONValue?
    package let agreed: JSONValue?
}

extension Tier {
    /// What is different in `other`, by the field's name.
    package func differences(to other: Tier) -> [TierDifference] {
        let (own, others) = (fields, other.fields)
        return Set(own.keys).union(others.keys).sorted().compactMap { field in
            own[field] == others[field] ? nil : TierDifference(field: field, listed: own[field], agreed: others[field])
        }
    }

    /// Every field by its path in the table of tiers; what a tier has not is not there.
    private var fields: [String: JSONValue] {
        var all: [String: JSONValue] = [
            "name": .string(name), "seats_per_unit": .int(Int64(seatsPerUnit)), "hardware_match": .string(hardwareMatch.rawValue),
            "trial_days": .int(Int64(trialDays)), "max_quantity": .int(Int64(maxQuantity)), "key.prefix": .string(key.prefix),
            "key.groups": .int(Int64(key.groups)), "contract": .bool(isByContract), "invoice": .bool(isInvoiced), "hidden": .bool(isHidden),
        ]
        all["summary"] = summary.isEmpty ? nil : .string(summary)
        all["unit"] = unit.map { .string($0) }
        all["contact_url"] = contactURL.map { .string($0) }
        switch devices {
        case .perUnit(let count): all["devices"] = .int(Int64(count))
        case .perSeat(let count): all["devices_per_seat"] = .int(Int64(count))
        case .unlimited: all["devices"] = Self.unlimited
        }
        for (interval, price) in prices {
            all["prices.\(interval.rawValue)"] = ["amount_minor": .int(price.amountMinor), "currency": .string(price.currency.code)]
        }
        for (name, grant) in entitlements { all["entitlements.\(name)"] = grant == .unlimited ? Self.unlimited : grant.json }
        for (name, quota) in quotas {
            all["quotas.\(name).limit"] = quota.limit.map { .int($0) } ?? Self.unlimited
            all["quotas.\(name).per"] = .string(quota.period.rawValue)
            all["quotas.\(name).soft_limit"] = quota.softLimit.map { .int($0) }
        }
        if let workstation {
            all["workstation.machine_type"] = .string(workstation.machineType)
            all["workstation.disk_bytes"] = .int(workstation.diskBytes)
            all["workstation.idle_timeout_seconds"] = .int(workstation.idleTimeoutSeconds)
        }
        return all
    }
    private static let unlimited: JSONValue = "unlimited"
}
