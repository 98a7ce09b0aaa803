import Vocabulary

/// One price as a payment provider calls it.
package struct ProviderPrice: Sendable, Hashable {
    package let provider: String
    /// The provider's name: `price_1Mo…`.
    package let name: String
    package let tier: TierID
    package let interval: BillingInterval

    package init(provider: String, name: String, tier: TierID, interval: BillingInterval) {
        self.provider = provider
        self.name = name
        self.tier = tier
        self.interval = interval
    }

    /// From `provider:price=tier/interval`; nil for any other form.
    package init?(entry: String) {
        guard let colon = entry.firstIndex(of: ":"), let equals = entry.lastIndex(of: "="), colon < equals else { return nil }
        let provider = entry[..<colon]
        let name = entry[entry.index(after: colon)..<equals]
        let target = entry[entry.index(after: equals)...].split(separator: "/", omittingEmptySubsequences: false)
        guard !provider.isEmpty, !name.isEmpty, target.count == 2, let tier = TierID(String(target[0])),
            let interval = BillingInterval(rawValue: String(target[1]))
        else { return nil }
        self.init(provider: String(provider), name: String(name), tier: tier, interval: interval)
    }
}

/// Translates between the house's (tier, interval) and the providers' names of prices.
package struct ProviderPrices: Sendable, Hashable {
    private let byName: [Key: ProviderPrice]
    private let byTier: [Offer: ProviderPrice]

    private struct Key: Hashable {
        let provider: String
        let name: String
    }
    private struct Offer: Hashable {
        let provider: String
        let tier: TierID
        let interval: BillingInterval
    }

    /// Where two entries meet, the first one holds.
    package init(_ entries: [ProviderPrice]) {
        byName = Dictionary(entries.map { (Key(provider: $0.provider, name: $0.name), $0) }, uniquingKeysWith: { first, _ in first })
        byTier = Dictionary(
            entries.map { (Offer(provider: $0.provider, tier: $0.tier, interval: $0.interval), $0) },
            uniquingKeysWith: { first, _ in first })
    }

    package static let none = ProviderPrices([])

    /// What the provider's price stands for.
    package func offer(provider: String, price name: String) -> ProviderPrice? { byName[Key(provider: provider, name: name)] }
    /// The provider's name of this offer, where one is configured.
    package func name(provider: String, tier: TierID, interval: BillingInterval) -> String? {
        byTier[Offer(provider: provider, tier: tier, interval: interval)]?.name
    }

    /// From the environment (`STRIPE_PRICE_<TIER>_<MONTH or YEAR>`, the pilot's older names) over the setting `catalog.provider_prices`.
    package static func configured(environment: [String: String], settings: Settings) -> ProviderPrices {
        ProviderPrices(stripe(environment) + settings[CatalogSettings.providerPrices].compactMap(ProviderPrice.init(entry:)))
    }

    /// Names of the pilot's time, and what they stood for then. They end in `LY`, so none meets a name of today.
    static let older: [String: String] = [
        "STRIPE_PRICE_STARTER_MONTHLY": "pilot_starter/month", "STRIPE_PRICE_STARTER_YEARLY": "pilot_starter/year",
        "STRIPE_PRICE_PRO_MONTHLY": "pilot_professional/month", "STRIPE_PRICE_PRO_YEARLY": "pilot_professional/year",
    ]

    static func stripe(_ environment: [String: String]) -> [ProviderPrice] {
        let prefix = "STRIPE_PRICE_"
        var today: [ProviderPrice] = []
        var before: [ProviderPrice] = []
        for (variable, price) in environment.sorted(by: { $0.key < $1.key }) where !price.isEmpty {
            if let target = older[variable] {
                if let entry = ProviderPrice(entry: "stripe:\(price)=\(target)") { before.append(entry) }
                continue
            }
            guard variable.hasPrefix(prefix) else { continue }
            let words = variable.dropFirst(prefix.count).lowercased()
            for interval in BillingInterval.allCases where words.hasSuffix("_\(interval.rawValue)") {
                guard let tier = TierID(String(words.dropLast(interval.rawValue.count + 1))) else { continue }
                today.append(ProviderPrice(provider: "stripe", name: price, tier: tier, interval: interval))
            }
        }
        return today + before
    }
}
