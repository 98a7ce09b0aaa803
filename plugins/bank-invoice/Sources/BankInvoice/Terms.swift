import PluginKit

/// The operator's settings, checked for what their schema cannot say.
struct Terms: Sendable, Hashable {
    var seller: Party
    var account: PayeeAccount
    var currency: Currency
    var series: String
    var creditSeries: String
    var taxation: Taxation
    var paymentDays: Int
    var slackDays: Int
    var renewalLeadDays: Int
    var cancelAfterDays: Int
    var tolerance: Int64
    var statements: StatementTerms

    /// Who numbers: another tax identity is another seller and needs a series of its own.
    var sellerIdentity: String { "\(seller.country):\(seller.vatID ?? seller.taxNumber ?? "")" }

    init(_ settings: PluginSettings) throws {
        func optional(_ name: String) throws -> String? { try settings[name].map { _ in try settings.text(name) } }
        let country = try settings.text("seller_country").uppercased()
        guard Country.all.contains(country) else { throw PluginRefusal("seller_country is no country of ISO 3166.") }
        let vatID = try optional("seller_vat_id").map { written in
            guard let vatID = Country.vatID(written, country: country) else {
                throw PluginRefusal("seller_vat_id must begin with \(Country.vatPrefix(country)) and hold letters and digits.")
            }
            return vatID
        }
        let taxNumber = try optional("seller_tax_number")
        guard vatID != nil || taxNumber != nil else {
            throw PluginRefusal("An invoice names the seller's VAT identifier or tax number: give seller_vat_id or seller_tax_number.")
        }
        guard let iban = IBAN(try settings.text("iban")) else { throw PluginRefusal("The check digits of iban are wrong.") }
        let bic = try optional("bic")?.uppercased()
        if let bic, ![8, 11].contains(bic.utf8.count) || CreditorReference.bare(bic) != bic {
            throw PluginRefusal("bic has 8 or 11 letters and digits.")
        }
        guard let currency = Currency(try settings.text("currency")), Amount.isTwoDecimal(currency) else {
            throw PluginRefusal("currency must be one with two decimals, as EN 16931 writes amounts.")
        }
        (series, creditSeries) = (try settings.text("series"), try settings.text("credit_series"))
        guard DocumentNumber.isSeries(series), DocumentNumber.isSeries(creditSeries), series != creditSeries else {
            throw PluginRefusal(
                "series and credit_series must differ, be capital letters and digits, end with a letter, and not begin with RF.")
        }
        seller = Party(
            name: try settings.text("seller_name"), street: try settings.text("seller_street"),
            postalCode: try settings.text("seller_postal_code"), city: try settings.text("seller_city"), country: country, vatID: vatID,
            taxNumber: taxNumber, registration: try optional("seller_registration"), email: try optional("seller_email"))
        account = PayeeAccount(iban: iban.text, bic: bic, holder: try optional("account_holder") ?? seller.name)
        self.currency = currency
        taxation = try Terms.taxation(settings, country: country)
        guard vatID != nil || taxation.regime != .standard else {
            throw PluginRefusal("With vat standard the seller needs seller_vat_id, which reverse charge must name.")
        }
        (paymentDays, slackDays) = (try settings.integer("payment_days"), try settings.integer("slack_days"))
        (renewalLeadDays, cancelAfterDays) = (try settings.integer("renewal_lead_days"), try settings.integer("cancel_after_days"))
        tolerance = Int64(try settings.integer("tolerance_minor"))
        statements = try Terms.statements(settings, currency: currency)
    }

    private static func taxation(_ settings: PluginSettings, country: String) throws -> Taxation {
        let isTier: (String) -> Bool = { text in
            (1...64).contains(text.utf8.count)
                && text.utf8.allSatisfy { (97...122).contains($0) || (48...57).contains($0) || $0 == 45 || $0 == 95 }
        }
        guard let tiers = Taxation.rates(try settings.text("tier_rates"), name: isTier) else {
            throw PluginRefusal("tier_rates is a list like handbook=700,almanac=700, in basis points from 1 to 3000.")
        }
        guard let consumers = Taxation.rates(try settings.text("consumer_rates"), name: { Country.isUnion($0) && $0 != country }) else {
            throw PluginRefusal("consumer_rates is a list like AT=2000,FR=2000, of other member states, in basis points from 1 to 3000.")
        }
        return Taxation(
            regime: Taxation.Regime(rawValue: try settings.text("vat")) ?? .standard, sellerCountry: country,
            usualRate: try settings.integer("rate_basis_points"), tierRates: tiers, consumerRates: consumers,
            servesOutsideUnion: try settings.text("outside_union") == "zero", exemptionReason: try settings.text("exemption_reason"))
    }

    private static func statements(_ settings: PluginSettings, currency: Currency) throws -> StatementTerms {
        guard let columns = StatementTerms.columns(try settings.text("csv_columns")) else {
            throw PluginRefusal("csv_columns is a list like date=Date,amount=Amount,text=Reference; date, amount and text are needed.")
        }
        let separators: [String: UInt8] = ["semicolon": 59, "comma": 44, "tab": 9]
        return StatementTerms(
            separator: separators[try settings.text("csv_separator")] ?? 59, columns: columns,
            days: StatementTerms.DayOrder(rawValue: try settings.text("csv_date")) ?? .iso,
            decimal: try settings.text("csv_decimal") == "comma" ? "," : ".", currency: currency)
    }
}
