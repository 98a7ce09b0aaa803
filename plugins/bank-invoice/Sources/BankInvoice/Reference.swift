/// The check of ISO/IEC 7064 MOD 97-10, which IBAN (ISO 13616) and creditor reference (ISO 11649) share.
enum Mod97 {
    /// The remainder of the text read as a number, letters as 10 to 35; nil where it holds anything but ASCII digits and capitals.
    static func remainder(_ text: some StringProtocol) -> Int? {
        var rest = 0
        for byte in text.utf8 {
            switch byte {
            case 48...57: rest = (rest * 10 + Int(byte - 48)) % 97
            case 65...90: rest = (rest * 100 + Int(byte - 55)) % 97
            default: return nil
            }
        }
        return rest
    }
    /// Whether four characters in front, put behind, leave one.
    static func isSound(_ text: String) -> Bool { text.utf8.count > 4 && remainder(text.dropFirst(4) + text.prefix(4)) == 1 }
}

/// A structured creditor reference: `RF`, two check digits, up to 21 digits and capital letters (ISO 11649).
struct CreditorReference: Hashable, Sendable, Codable, CustomStringConvertible {
    /// Without spaces.
    let text: String
    var description: String { text }

    /// The reference of a body of 1 to 21 digits and capitals.
    init?(body: String) {
        guard (1...21).contains(body.utf8.count), let rest = Mod97.remainder(body + "RF00") else { return nil }
        text = "RF\(Digits.padded(98 - rest, 2))\(body)"
    }
    /// A number's body has at most 18 digits and capitals, so it always has one.
    init(of number: DocumentNumber) {
        text = "RF\(Digits.padded(98 - (Mod97.remainder(number.body + "RF00") ?? 0), 2))\(number.body)"
    }
    /// As somebody wrote it; nil unless the check digits are right.
    init?(_ written: String) {
        let bare = Self.bare(written)
        guard (5...25).contains(bare.utf8.count), bare.hasPrefix("RF"), Digits.value(Array(bare.utf8)[2..<4]) != nil, Mod97.isSound(bare)
        else { return nil }
        text = bare
    }

    /// In groups of four, as it is printed.
    var printed: String { Self.grouped(text) }

    static func grouped(_ text: String) -> String {
        var printed = ""
        for (index, character) in text.enumerated() {
            if index > 0, index % 4 == 0 { printed.append(" ") }
            printed.append(character)
        }
        return printed
    }

    /// Capitals and digits only: spaces, line ends and punctuation are the banks' and the payers'.
    static func bare(_ text: String) -> String {
        var bytes: [UInt8] = []
        for byte in text.utf8 {
            switch byte {
            case 48...57, 65...90: bytes.append(byte)
            case 97...122: bytes.append(byte - 32)
            default: continue
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// An international bank account number with right check digits, without spaces.
struct IBAN: Hashable, Sendable, CustomStringConvertible {
    let text: String
    var description: String { text }
    init?(_ written: String) {
        let bare = CreditorReference.bare(written)
        let bytes = Array(bare.utf8)
        guard (15...34).contains(bytes.count), bytes[0] > 64, bytes[1] > 64, Digits.value(bytes[2..<4]) != nil, Mod97.isSound(bare) else {
            return nil
        }
        text = bare
    }
    var printed: String { CreditorReference.grouped(text) }
}

/// The number of an invoice or a credit note: series, year, running number, `INV-2026-000042`.
struct DocumentNumber: Hashable, Sendable, Codable, Comparable, CustomStringConvertible {
    let series: String
    let year: Int
    let running: Int

    init(series: String, year: Int, running: Int) {
        self.series = series
        self.year = year
        self.running = running
    }
    init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, Self.isSeries(parts[0]), parts[1].utf8.count == 4, let year = Digits.value(parts[1].utf8),
            parts[2].utf8.count == Self.width, let running = Digits.value(parts[2].utf8), running > 0
        else { return nil }
        self.init(series: parts[0], year: Int(year), running: Int(running))
    }

    static let width = 6
    static let last = 999_999
    /// A letter stands last, so that series and year cannot be read in two ways.
    static func isSeries(_ text: String) -> Bool {
        (1...8).contains(text.utf8.count) && text.utf8.allSatisfy { (65...90).contains($0) || (48...57).contains($0) }
            && (65...90).contains(text.utf8.last ?? 0) && !text.hasPrefix("RF")
    }

    var description: String { "\(series)-\(Digits.padded(year, 4))-\(Digits.padded(running, Self.width))" }
    var body: String { "\(series)\(Digits.padded(year, 4))\(Digits.padded(running, Self.width))" }
    var reference: CreditorReference { CreditorReference(of: self) }
    static func < (left: DocumentNumber, right: DocumentNumber) -> Bool {
        (left.series, left.year, left.running) < (right.series, right.year, right.running)
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let number = DocumentNumber(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a document's number")
        }
        self = number
    }
    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
