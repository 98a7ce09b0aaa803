import PluginKit

/// A calendar day, as invoices and statements write it; the seller's days are days in UTC.
struct Day: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    let year: Int
    let month: Int
    let day: Int

    /// Nil for a day that no calendar has, and outside the years 1970 to 9999.
    init?(year: Int, month: Int, day: Int) {
        guard (1970...9999).contains(year), (1...12).contains(month), (1...Day.length(ofMonth: month, year: year)).contains(day) else {
            return nil
        }
        self.init(known: year, month, day)
    }
    private init(known year: Int, _ month: Int, _ day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    /// `2026-11-21`, alone or before a time; nil for anything else.
    init?(iso text: some StringProtocol) {
        let bytes = Array(text.utf8)
        guard
            bytes.count == 10
                || (bytes.count > 10 && (bytes[10] == UInt8(ascii: "T") || bytes[10] == UInt8(ascii: "Z") || bytes[10] == 43)),
            bytes[4] == 45, bytes[7] == 45, let year = Digits.value(bytes[0..<4]), let month = Digits.value(bytes[5..<7]),
            let day = Digits.value(bytes[8..<10])
        else { return nil }
        self.init(year: Int(year), month: Int(month), day: Int(day))
    }

    init(_ moment: Timestamp) { self = Day(iso: moment.iso8601) ?? Day(known: 1970, 1, 1) }

    static func < (left: Day, right: Day) -> Bool { (left.year, left.month, left.day) < (right.year, right.month, right.day) }
    var description: String { "\(Digits.padded(year, 4))-\(Digits.padded(month, 2))-\(Digits.padded(day, 2))" }
    /// Its first moment in UTC.
    var start: Timestamp { Timestamp(iso8601: "\(self)T00:00:00Z") ?? Timestamp(microseconds: 0) }
    func adding(days: Int) -> Day { Day(start + .days(Int64(days))) }

    /// The same day of the next month or year; the month's last where there is none. `anchor` is the day that was meant at first,
    /// so that the end of January is the end of March again.
    func adding(_ interval: BillingInterval, anchor: Int) -> Day {
        let year = interval == .year ? year + 1 : month == 12 ? year + 1 : year
        let month = interval == .year ? month : month == 12 ? 1 : month + 1
        return Day(known: year, month, min(max(1, anchor), Day.length(ofMonth: month, year: year)))
    }

    static func length(ofMonth month: Int, year: Int) -> Int {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let day = Day(iso: try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a day")
        }
        self = day
    }
    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

extension Timestamp {
    /// The same time of day, one month or year on.
    func adding(_ interval: BillingInterval, anchor: Int) -> Timestamp {
        let start = Day(self)
        return start.adding(interval, anchor: anchor).start + (self - start.start)
    }
}

enum Digits {
    /// The number that these ASCII digits write; nil for anything else, also for none and for more than eighteen.
    static func value(_ bytes: some Collection<UInt8>) -> Int64? {
        guard (1...18).contains(bytes.count) else { return nil }
        var value: Int64 = 0
        for byte in bytes {
            guard (48...57).contains(byte) else { return nil }
            value = value * 10 + Int64(byte - 48)
        }
        return value
    }
    static func padded(_ number: some BinaryInteger, _ width: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }
}

/// Amounts as people and banks write them. Every currency here has two decimals.
enum Amount {
    /// `1234.50`
    static func plain(_ minor: Int64) -> String {
        "\(minor < 0 ? "-" : "")\(minor.magnitude / 100).\(Digits.padded(minor.magnitude % 100, 2))"
    }
    /// `EUR 1,234.50`
    static func shown(_ minor: Int64, _ currency: Currency) -> String {
        let whole = String(minor.magnitude / 100)
        var grouped = ""
        for (index, digit) in whole.enumerated() {
            if index > 0, (whole.count - index) % 3 == 0 { grouped.append(",") }
            grouped.append(digit)
        }
        return "\(currency) \(minor < 0 ? "-" : "")\(grouped).\(Digits.padded(minor.magnitude % 100, 2))"
    }

    /// The minor units of a decimal such as `1234.5` or `1234.50000`; nil where it has a fraction of a cent, a sign or any other mark.
    static func minor(decimal text: some StringProtocol) -> Int64? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), parts[0].utf8.count <= 13, let whole = Digits.value(parts[0].utf8) else { return nil }
        guard parts.count == 2 else { return whole * 100 }
        let digits = Array(parts[1].utf8)
        guard (1...5).contains(digits.count), digits.allSatisfy({ (48...57).contains($0) }), digits.dropFirst(2).allSatisfy({ $0 == 48 })
        else { return nil }
        return whole * 100 + Int64(digits[0] - 48) * 10 + (digits.count > 1 ? Int64(digits[1] - 48) : 0)
    }

    /// Currencies whose minor unit is not a hundredth (ISO 4217): EN 16931 writes amounts with two decimals.
    static func isTwoDecimal(_ currency: Currency) -> Bool { !others.contains(currency.code) }
    private static let others: Set<String> = [
        "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF",
        "BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND", "CLF", "UYW",
    ]
}
