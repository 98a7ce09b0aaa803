import PluginKit

/// Which VAT a line bears, by the places of seller and buyer. Services of a business, supplied by electronic means.
struct Taxation: Sendable, Hashable {
    enum Regime: String, Sendable { case standard, exempt, zero }
    var regime: Regime
    var sellerCountry: String
    /// In basis points.
    var usualRate: Int
    var tierRates: [String: Int]
    /// Of consumers in other member states, by country.
    var consumerRates: [String: Int]
    var servesOutsideUnion: Bool
    var exemptionReason: String

    static let reverseChargeReason = "Reverse charge: the customer owes the VAT (Article 196 of Directive 2006/112/EC)."

    /// Throws `Misstep` for a buyer who is not served.
    func treatment(tier: String, buyer: Party) throws -> VATTreatment {
        switch regime {
        case .exempt: return VATTreatment(category: .exempt, rate: 0, reason: exemptionReason)
        case .zero: return VATTreatment(category: .zero, rate: 0)
        case .standard: break
        }
        let usual = VATTreatment(category: .standard, rate: tierRates[tier] ?? usualRate)
        if buyer.country == sellerCountry { return usual }
        guard Country.isUnion(buyer.country) else {
            guard servesOutsideUnion else { throw Misstep("This seller does not invoice buyers outside the European Union.") }
            return VATTreatment(category: .zero, rate: 0)
        }
        guard Country.isUnion(sellerCountry) else { return usual }
        if buyer.vatID != nil { return VATTreatment(category: .reverseCharge, rate: 0, reason: Self.reverseChargeReason) }
        guard let rate = consumerRates[buyer.country] else { return usual }
        return VATTreatment(category: .standard, rate: rate)
    }

    /// Reads `AT=2000,FR=2000`; nil where it is anything else. A rate of nothing is no rate of the standard category, and one below
    /// half a percent is none to the official rules (BR-CO-17 rounds it to nothing).
    static func rates(_ text: String, name: (String) -> Bool) -> [String: Int]? {
        var rates: [String: Int] = [:]
        for part in text.split(separator: ",") {
            let pair = part.split(separator: "=", omittingEmptySubsequences: false).map { $0.drop { $0 == " " } }
            guard pair.count == 2, name(String(pair[0])), let rate = Digits.value(pair[1].utf8), (50...3_000).contains(rate),
                rates.updateValue(Int(rate), forKey: String(pair[0])) == nil
            else { return nil }
        }
        return rates
    }
}

/// A step that is not possible; the sentence is for the page.
struct Misstep: Error, Hashable {
    let sentence: String
    /// It may be possible in a moment.
    let isPassing: Bool
    init(_ sentence: String, isPassing: Bool = false) {
        self.sentence = sentence
        self.isPassing = isPassing
    }
}

enum Country {
    /// ISO 3166-1 alpha-2.
    static let all = Set(
        """
        AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI \
        CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ \
        GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS \
        LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG \
        PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK \
        TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
        """.split(separator: " ").map(String.init))
    private static let union: Set<String> = [
        "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL",
        "PT", "RO", "SE", "SI", "SK",
    ]
    static func isUnion(_ country: String) -> Bool { union.contains(country) }
    /// The letters in front of a VAT identifier of this country.
    static func vatPrefix(_ country: String) -> String { country == "GR" ? "EL" : country }

    /// A VAT identifier without spaces; nil unless it begins with the country's letters and goes on with 2 to 13 letters and digits.
    /// Whether it exists, only the tax authorities know.
    static func vatID(_ written: String, country: String) -> String? {
        let bare = CreditorReference.bare(written)
        let prefix = vatPrefix(country)
        return bare.hasPrefix(prefix) && (2...13).contains(bare.utf8.count - prefix.utf8.count) ? bare : nil
    }
}
