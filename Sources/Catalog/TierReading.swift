import Vocabulary

extension TierCatalog {
    /// The catalog that a tier table describes, or every reason why it describes none.
    package static func read(_ tree: JSONValue) throws(TierTableRefused) -> TierCatalog {
        let complaints = TableReading.Complaints()
        let (tiers, defaults) = TierReading.tiers(tree, complaints)
        guard complaints.all.isEmpty else { throw TierTableRefused(complaints: complaints.all) }
        return TierCatalog(checked: tiers, written: tree["tiers"]?.array ?? [], defaults: defaults)
    }

    /// The tier as a contract changes it: every field that `terms` names takes the place of the tier's own. Nil for a tier that is gone.
    package func tier(_ id: TierID, underContract terms: JSONValue) throws(TierTableRefused) -> Tier? {
        guard let written = written(id) else { return nil }
        let complaints = TableReading.Complaints()
        if terms["id"].map({ $0 != .string(id.name) }) ?? false { complaints.add("tiers.\(id).id", "is not a contract's to change") }
        let tier = TierReading.tier(TierReading.merged(written, terms), index: 1, defaults, complaints)
        guard complaints.all.isEmpty, let tier else { throw TierTableRefused(complaints: complaints.all) }
        return tier
    }
}

/// From the table of `policies/tiers.lua` to tiers.
enum TierReading {
    struct Defaults: Sendable, Hashable {
        /// US dollars, trials of 14 days, five groups behind CODITECT (SPEC 3, 4), unless the table says otherwise.
        var currency = Currency("USD")!  // three letters
        var trialDays = 14
        var key = KeyShape.standard
    }
    static let mostTiers = 64
    static let mostNames = 64

    static func tiers(_ tree: JSONValue, _ complaints: TableReading.Complaints) -> ([Tier], Defaults) {
        guard let table = TableReading(tree, path: "", complaints) else { return ([], Defaults()) }
        if let api = table.number("api", in: 1...Int64.max, required: true), api != 1 {
            table.complain("api", "this server reads tier tables of api 1")
        }
        var defaults = Defaults()
        if let code = table.text("currency", most: 3) {
            if let currency = Currency(code) {
                defaults.currency = currency
            } else {
                table.complain("currency", "must be an ISO 4217 code")
            }
        }
        defaults.trialDays = table.number("trial_days", in: 0...365).map(Int.init) ?? defaults.trialDays
        defaults.key = table.table("key").flatMap(key) ?? defaults.key
        var tiers: [Tier] = []
        switch table.value("tiers") {
        case .array(let items)?:
            if items.count > mostTiers { table.complain("tiers", "holds more than \(mostTiers) tiers") }
            tiers = items.prefix(mostTiers).enumerated().compactMap { tier($1, index: $0 + 1, defaults, complaints) }
            if items.isEmpty { table.complain("tiers", "must name at least one tier") }
        case .none: table.complain("tiers", "is missing")
        case .some(let other): table.complain("tiers", "must be a list, is \(TableReading.kind(other))")
        }
        table.finish()
        var seen: Set<TierID> = []
        for tier in tiers where !seen.insert(tier.id).inserted { complaints.add("tiers.\(tier.id)", "is there twice") }
        return (tiers, defaults)
    }

    /// `terms` over `written`, table by table. Either way of counting devices, and a price instead of a contract, drives out the other.
    static func merged(_ written: JSONValue, _ terms: JSONValue) -> JSONValue {
        guard case .object(var fields) = written, case .object(let changes) = terms else { return terms }
        if changes["devices"] != nil { fields["devices_per_seat"] = nil }
        if changes["devices_per_seat"] != nil { fields["devices"] = nil }
        if changes["prices"] != nil, changes["contract"] == nil { fields["contract"] = nil }
        for (name, value) in changes {
            if let before = fields[name], before.object != nil { fields[name] = merged(before, value) } else { fields[name] = value }
        }
        return .object(fields)
    }

    static func tier(_ value: JSONValue, index: Int, _ defaults: Defaults, _ complaints: TableReading.Complaints) -> Tier? {
        let named = value["id"]?.string.flatMap(TierID.init)
        let path = named.map { "tiers.\($0)" } ?? "tiers[\(index)]"
        guard let table = TableReading(value, path: path, complaints) else { return nil }
        let id = table.text("id", most: 32, required: true)
        if id != nil, named == nil { table.complain("id", "must be lower-case letters, digits and _, starting with a letter") }
        let name = table.text("name", most: 80, required: true)
        let isByContract = table.flag("contract") ?? false
        let prices = prices(table, defaults.currency)
        if isByContract, !prices.isEmpty { table.complain("prices", "a tier by contract has none") }
        if !isByContract, prices.isEmpty, !table.has("prices") {
            table.complain("prices", "is missing; a tier without a price needs contract = true")
        }
        let isPriced = prices.values.contains { $0.amountMinor > 0 }
        let seats = table.number("seats_per_unit", in: 1...Int64(1_000_000), required: true)
        let devices = devices(table)
        let hardwareMatch = hardwareMatch(table)
        let trial = table.number("trial_days", in: 0...365).map(Int.init) ?? (isPriced ? defaults.trialDays : 0)
        if !isPriced, !isByContract, trial > 0 { table.complain("trial_days", "a free tier has no trial") }
        let entitlements = entitlements(table)
        let quotas = quotas(table)
        for both in quotas.keys.sorted() where entitlements[both] != nil {
            table.complain("quotas.\(both)", "is an entitlement too; a name is one or the other")
        }
        let key = table.table("key").flatMap(key) ?? defaults.key
        let workstation = table.table("workstation").flatMap(workstation)
        let summary = table.text("summary", most: 400) ?? ""
        let unit = table.text("unit", most: 32)
        let maxQuantity = table.number("max_quantity", in: 1...10_000).map(Int.init) ?? 10_000
        let isInvoiced = table.flag("invoice") ?? false
        let contact = table.text("contact_url", most: 500)
        if let contact, !contact.hasPrefix("/"), !contact.hasPrefix("https://"), !contact.hasPrefix("mailto:") {
            table.complain("contact_url", "must start with /, https:// or mailto:")
        }
        let isHidden = table.flag("hidden") ?? false
        table.finish()
        guard let named, let name, let seats, let devices else { return nil }
        return Tier(
            id: named, name: name, summary: summary, prices: prices, seatsPerUnit: Int(seats), devices: devices,
            hardwareMatch: hardwareMatch, trialDays: trial, unit: unit, maxQuantity: maxQuantity, entitlements: entitlements,
            quotas: quotas, key: key, workstation: workstation, isByContract: isByContract, isInvoiced: isInvoiced, contactURL: contact,
            isHidden: isHidden)
    }

    private static func prices(_ table: TableReading, _ currency: Currency) -> [BillingInterval: Money] {
        guard let prices = table.table("prices") else { return [:] }
        if prices.names.isEmpty { table.complain("prices", "must name month, year or both") }
        var read: [BillingInterval: Money] = [:]
        for interval in BillingInterval.allCases {
            guard let price = prices.table(interval.rawValue) else { continue }
            let amount = price.number("amount_minor", in: 0...Int64.max, required: true)
            var unit = currency
            if let code = price.text("currency", most: 3) {
                if let other = Currency(code) { unit = other } else { price.complain("currency", "must be an ISO 4217 code") }
            }
            price.finish()
            if let amount {
                // Far above any price, far below an overflow when multiplied by the largest quantity.
                if amount > 100_000_000_000 { price.complain("amount_minor", "must be 100000000000 or less") }
                read[interval] = Money(amountMinor: amount, currency: unit)
            }
        }
        prices.finish()
        if read.values.contains(where: { $0.amountMinor == 0 }), read.values.contains(where: { $0.amountMinor > 0 }) {
            table.complain("prices", "are either all 0 or all above 0")
        }
        return read
    }

    private static func devices(_ table: TableReading) -> DeviceAllowance? {
        let each = table.number("devices_per_seat", in: 1...10_000)
        switch table.value("devices") {
        case .none:
            if let each { return .perSeat(Int(each)) }
            if !table.has("devices_per_seat") { table.complain("devices", "is missing; or say devices_per_seat") }
            return nil
        case .some where table.has("devices_per_seat"):
            table.complain("devices", "and devices_per_seat exclude each other")
            return nil
        case .string("unlimited")?: return .unlimited
        case .string?:
            table.complain("devices", "must be a whole number or \"unlimited\"")
            return nil
        case .some(let value): return table.number(value, "devices", in: 1...1_000_000).map { .perUnit(Int($0)) }
        }
    }

    private static func hardwareMatch(_ table: TableReading) -> HardwareMatch {
        guard let name = table.text("hardware_match", most: 32) else { return .standard }
        guard let match = HardwareMatch(rawValue: name) else {
            table.complain("hardware_match", "must be \(HardwareMatch.allCases.map(\.rawValue).joined(separator: ", "))")
            return .standard
        }
        return match
    }

    private static func entitlements(_ table: TableReading) -> [String: Grant] {
        guard let grants = table.table("entitlements") else { return [:] }
        if grants.names.count > mostNames { table.complain("entitlements", "holds more than \(mostNames) names") }
        var read: [String: Grant] = [:]
        for name in grants.names.prefix(mostNames) {
            guard TierID(name) != nil else {
                grants.complain(name, "must be at most 32 lower-case letters, digits and _, starting with a letter")
                continue
            }
            switch grants.value(name) {
            case .bool(let isOn)?: read[name] = .flag(isOn)
            case .int(let count)? where count >= 0: read[name] = .limit(count)
            case .string("unlimited")?: read[name] = .unlimited
            default: grants.complain(name, "must be true, false, a whole number of 0 or more, or \"unlimited\"")
            }
        }
        return read
    }

    private static func quotas(_ table: TableReading) -> [String: Quota] {
        guard let quotas = table.table("quotas") else { return [:] }
        if quotas.names.count > mostNames { table.complain("quotas", "holds more than \(mostNames) names") }
        var read: [String: Quota] = [:]
        for name in quotas.names.prefix(mostNames) {
            guard TierID(name) != nil else {
                quotas.complain(name, "must be at most 32 lower-case letters, digits and _, starting with a letter")
                continue
            }
            guard let quota = quotas.table(name) else { continue }
            let period = quota.text("per", most: 5, required: true).flatMap { text -> Quota.Period? in
                let period = Quota.Period(rawValue: text)
                if period == nil { quota.complain("per", "must be day, month or year") }
                return period
            }
            let soft = quota.number("soft_limit", in: 0...Int64.max)
            var limit: Int64?
            switch quota.value("limit") {
            case .none: quota.complain("limit", "is missing")
            case .string("unlimited")?: limit = nil
            case .some(let value): limit = quota.number(value, "limit", in: 0...Int64.max)
            }
            if let soft, let limit, soft > limit { quota.complain("soft_limit", "must not lie above limit") }
            quota.finish()
            if let period { read[name] = Quota(limit: limit, softLimit: soft, period: period) }
        }
        return read
    }

    private static func key(_ table: TableReading) -> KeyShape? {
        let prefix = table.text("prefix", most: 32, required: true)
        let groups = table.number("groups", in: 3...8, required: true)
        table.finish()
        guard let prefix, let groups else { return nil }
        let words = prefix.split(separator: "-", omittingEmptySubsequences: false)
        guard words.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { (65...90).contains($0) || (48...57).contains($0) } }) else {
            table.complain("prefix", "must be words of A-Z and 0-9, joined by -")
            return nil
        }
        return KeyShape(prefix: prefix, groups: Int(groups))
    }

    private static func workstation(_ table: TableReading) -> WorkstationShape? {
        let machine = table.text("machine_type", most: 64, required: true)
        let disk = table.number("disk_bytes", in: 1 << 20...1 << 50, required: true)
        let idle = table.number("idle_timeout_seconds", in: 60...604_800, required: true)
        table.finish()
        guard let machine, let disk, let idle else { return nil }
        return WorkstationShape(machineType: machine, diskBytes: disk, idleTimeoutSeconds: idle)
    }
}
