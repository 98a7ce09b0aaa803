/// An ISO 4217 currency code, three upper-case letters.
@frozen public struct Currency: Hashable, Sendable, Codable, CustomStringConvertible {
    public let code: String

    /// Nil unless `code` is three ASCII letters; lower case is raised.
    public init?(_ code: String) {
        let upper = code.uppercased()
        guard upper.utf8.count == 3, upper.utf8.allSatisfy({ (65...90).contains($0) }) else { return nil }
        self.code = upper
    }
    public var description: String { code }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let currency = Currency(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not an ISO 4217 code")
        }
        self = currency
    }
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(code)
    }
}

/// An amount in the minor unit of its currency (cents for USD, yen for JPY). Never a fraction.
@frozen public struct Money: Hashable, Sendable, Codable {
    public var amountMinor: Int64
    public var currency: Currency

    public init(amountMinor: Int64, currency: Currency) {
        self.amountMinor = amountMinor
        self.currency = currency
    }

    enum CodingKeys: String, CodingKey {
        case amountMinor = "amount_minor"
        case currency
    }
}

// since 1.1
extension Currency {
    /// Digits behind the point in ISO 4217: 0 for JPY, 3 for KWD, 2 where the standard says nothing else.
    public var minorDigits: Int { Self.digits[code] ?? 2 }

    private static let digits: [String: Int] = {
        let none = ["BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"]
        let three = ["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"]
        let four = ["CLF", "UYW"]
        return Dictionary(uniqueKeysWithValues: none.map { ($0, 0) } + three.map { ($0, 3) } + four.map { ($0, 4) })
    }()
}

extension Money {
    /// For a provider that writes amounts as decimals: `12.50`. Exact or nil: no more digits than the currency has, never by a float.
    public init?(decimal text: String, currency: Currency) {
        let isNegative = text.hasPrefix("-")
        let parts = text.dropFirst(isNegative ? 1 : 0).split(separator: ".", omittingEmptySubsequences: false)
        let digits = currency.minorDigits
        guard (1...2).contains(parts.count), (1...14).contains(parts[0].utf8.count),
            parts.count == 1 || (!parts[1].isEmpty && parts[1].utf8.count <= digits),
            parts.joined().utf8.allSatisfy({ (48...57).contains($0) })
        else { return nil }
        let fraction = parts.count == 2 ? String(parts[1]) : ""
        let minor = parts[0] + fraction + String(repeating: "0", count: digits - fraction.utf8.count)
        guard let amount = Int64(minor) else { return nil }
        self.init(amountMinor: isNegative ? -amount : amount, currency: currency)
    }
    /// `12.50`, `1250` for JPY, `1.250` for KWD: as many digits as the currency has.
    public var decimal: String {
        let digits = currency.minorDigits
        let magnitude = String(amountMinor.magnitude)
        let padded = String(repeating: "0", count: max(0, digits + 1 - magnitude.utf8.count)) + magnitude
        let sign = amountMinor < 0 ? "-" : ""
        return digits == 0 ? sign + padded : "\(sign)\(padded.dropLast(digits)).\(padded.suffix(digits))"
    }
}
// end of 1.1
