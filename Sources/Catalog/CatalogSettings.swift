import Vocabulary

package enum CatalogSettings {
    /// Beside the contract's `STRIPE_PRICE_<TIER>_<MONTH or YEAR>`, for any provider.
    package static let providerPrices = Setting<[String]>(
        "catalog.provider_prices", default: [], range: "entries of the form provider:price=tier/month or …/year",
        accepts: { $0.allSatisfy { ProviderPrice(entry: $0) != nil } },
        reason:
            "A payment provider's own name of each price, where it keeps prices itself; without one the price is sent with the checkout.")
    package static let all: [AnySetting] = [providerPrices.erased]
}
