import Foundation

/// One line of the log exactly as `DecisionRecord.line` writes it, looked at without building anything: where its parts stand.
///
/// Nil for every other text, even one that means the same: such a line is read by `RecordedDecision`. So what two equal lines share need
/// not be written to be compared.
package struct RecordedLine {
    package let hook: UnsafeRawBufferPointer
    package let tier: UnsafeRawBufferPointer?
    package let seed: UInt64
    package let input: UnsafeRawBufferPointer
    /// From `"outcome"` to the answer's policy and place.
    private let ruling: UnsafeRawBufferPointer
    private let fuel: UnsafeRawBufferPointer
    private let answers: UnsafeRawBufferPointer

    package init?(_ line: UnsafeRawBufferPointer) {
        var scan = PlainScan(line)
        guard scan.take("{\"id\":"), let id = scan.text(), Self.isUUID(id), scan.take(",\"time\":"), let time = scan.text(),
            Self.isMoment(time), scan.take(",\"hook\":"), let hook = scan.text(), !hook.isEmpty, scan.take(",")
        else { return nil }
        let from = scan.at
        // Texts in here may hold anything; what they decide is written again and compared.
        guard scan.take("\"outcome\":"), scan.skip() else { return nil }
        var to = scan.at
        while scan.take(",\"terms\":") || scan.take(",\"reason\":") || scan.take(",\"retry_after_seconds\":") || scan.take(",\"actions\":")
            || scan.take(",\"policy\":") || scan.take(",\"at\":")
        {
            guard scan.skip() else { return nil }
            to = scan.at
        }
        if scan.take(",\"tenant\":") { guard let tenant = scan.text(), Self.isUUID(tenant) else { return nil } }
        var tier: UnsafeRawBufferPointer?
        if scan.take(",\"tier\":") {
            tier = scan.text()
            if tier == nil { return nil }
        }
        guard scan.take(",\"request_id\":"), scan.text() != nil, scan.take(",\"policy_hash\":"), scan.text() != nil,
            scan.take(",\"seed\":"), let digits = scan.text(), let seed = Self.hex(digits), scan.take(",\"fuel\":"),
            let fuel = scan.number(), scan.take(",\"microseconds\":"), scan.number() != nil, scan.take(",\"input\":")
        else { return nil }
        let input = scan.at
        guard scan.skip() else { return nil }
        let inputEnd = scan.at
        guard scan.take(",\"answers\":") else { return nil }
        let answers = scan.at
        guard scan.skip() else { return nil }
        let end = scan.at
        guard scan.take("}"), scan.isAtEnd else { return nil }
        self.hook = hook
        self.tier = tier
        self.seed = seed
        self.input = UnsafeRawBufferPointer(rebasing: line[input..<inputEnd])
        self.ruling = UnsafeRawBufferPointer(rebasing: line[from..<to])
        self.fuel = fuel
        self.answers = UnsafeRawBufferPointer(rebasing: line[answers..<end])
    }

    /// `RecordedDecision` tells whether somebody was asked.
    package var hasNoAnswer: Bool { answers.count == 2 }
    package var mayHoldModules: Bool { RecordedDecision.mayHoldModules(answers) }

    /// Whether this line is what would be written of these answers to its question.
    package func tells(
        _ outcome: DecisionRecord.Outcome, _ terms: [(String, HookValue)], decidedBy: Int?, _ all: [PolicyAnswer], fuel spent: UInt64
    ) -> Bool {
        var json = JSONLine()
        outcome.write(&json, terms)
        if let decidedBy { all[decidedBy].writePlace(&json) }
        let first = json.bytes.count
        json.number(Int64(clamping: spent))
        let second = json.bytes.count
        json.open("[")
        for answer in all { answer.write(&json) }
        json.close("]")
        // Each part but the first stands behind a comma.
        return json.bytes.withBytes { bytes in
            Self.isSame(bytes[..<first], ruling) && Self.isSame(bytes[(first + 1)..<second], fuel)
                && Self.isSame(bytes[(second + 1)...], answers)
        }
    }

    private static func isSame(_ bytes: Slice<UnsafeRawBufferPointer>, _ other: UnsafeRawBufferPointer) -> Bool {
        let mine = UnsafeRawBufferPointer(rebasing: bytes)
        return mine.count == other.count && (mine.isEmpty || memcmp(mine.baseAddress!, other.baseAddress!, mine.count) == 0)
    }

    private static func isUUID(_ text: UnsafeRawBufferPointer) -> Bool {
        guard text.count == 36 else { return false }
        for (place, sign) in text.enumerated() {
            let isDash = place == 8 || place == 13 || place == 18 || place == 23
            guard isDash ? sign == UInt8(ascii: "-") : (48...57).contains(sign) || (97...102).contains(sign) else { return false }
        }
        return true
    }

    /// `2026-11-21T09:30:00Z`, with six digits of a second where they are not all zero.
    private static func isMoment(_ text: UnsafeRawBufferPointer) -> Bool {
        guard text.count == 20 || text.count == 27 else { return false }
        let form: StaticString = text.count == 20 ? "dddd-dd-ddTdd:dd:ddZ" : "dddd-dd-ddTdd:dd:dd.ddddddZ"
        for place in 0..<text.count {
            let wanted = form.utf8Start[place]
            guard wanted == UInt8(ascii: "d") ? (48...57).contains(text[place]) : text[place] == wanted else { return false }
        }
        func number(_ from: Int, _ digits: Int) -> Int { (from..<(from + digits)).reduce(0) { $0 * 10 + Int(text[$1]) - 48 } }
        let (year, month, day) = (number(0, 4), number(5, 2), number(8, 2))
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        guard (1...12).contains(month), day >= 1, number(11, 2) < 24, number(14, 2) < 60, number(17, 2) < 60 else { return false }
        let longest = month == 2 ? (isLeap ? 29 : 28) : [4, 6, 9, 11].contains(month) ? 30 : 31
        return day <= longest && (text.count == 20 || number(20, 6) > 0)
    }

    private static func hex(_ digits: UnsafeRawBufferPointer) -> UInt64? {
        guard digits.count == 16 else { return nil }
        var number: UInt64 = 0
        for digit in digits {
            switch digit {
            case 48...57: number = number << 4 | UInt64(digit - 48)
            case 97...102: number = number << 4 | UInt64(digit - 87)
            default: return nil
            }
        }
        return number
    }
}

/// Walks JSON as `JSONLine` writes it: no blanks, texts of printable ASCII without escapes, numbers without needless signs.
package struct PlainScan {
    private let bytes: UnsafeRawBufferPointer
    package private(set) var at = 0

    package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    package var isAtEnd: Bool { at == bytes.count }

    @inline(__always)
    package mutating func take(_ text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard bytes.count - at >= count, memcmp(bytes.baseAddress! + at, text.utf8Start, count) == 0 else { return false }
        at += count
        return true
    }
    @inline(__always)
    package mutating func take(_ sign: UInt8) -> Bool {
        guard at < bytes.count, bytes[at] == sign else { return false }
        at += 1
        return true
    }
    package mutating func take(_ text: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count - at >= text.count, memcmp(bytes.baseAddress! + at, text.baseAddress!, text.count) == 0 else { return false }
        at += text.count
        return true
    }

    /// What stands between the quotes.
    package mutating func text() -> UnsafeRawBufferPointer? {
        guard take(UInt8(ascii: "\"")) else { return nil }
        let start = at
        while at < bytes.count {
            let byte = bytes[at]
            if byte == UInt8(ascii: "\"") {
                at += 1
                return UnsafeRawBufferPointer(rebasing: bytes[start..<(at - 1)])
            }
            if byte < 32 || byte >= 127 || byte == UInt8(ascii: "\\") { return nil }
            at += 1
        }
        return nil
    }

    package mutating func number() -> UnsafeRawBufferPointer? {
        let start = at
        return integer() == nil ? nil : UnsafeRawBufferPointer(rebasing: bytes[start..<at])
    }
    /// At most eighteen digits; a longer one is read the general way.
    package mutating func integer() -> Int64? {
        let isNegative = take(UInt8(ascii: "-"))
        let first = at
        var total: Int64 = 0
        while at < bytes.count, at - first < 19, bytes[at] >= 48, bytes[at] <= 57 {
            total = total &* 10 &+ Int64(bytes[at] &- 48)
            at += 1
        }
        let digits = at - first
        guard digits > 0, digits < 19, digits == 1 || bytes[first] != 48, !isNegative || total != 0 else { return nil }
        return isNegative ? -total : total
    }

    /// Over the next value, whatever its texts hold.
    package mutating func skip() -> Bool {
        var depth = 0
        repeat {
            guard at < bytes.count else { return false }
            switch bytes[at] {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                at += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                guard depth >= 0 else { return false }
                at += 1
            case UInt8(ascii: "\""):
                at += 1
                while at < bytes.count, bytes[at] != UInt8(ascii: "\"") { at += bytes[at] == UInt8(ascii: "\\") ? 2 : 1 }
                guard at < bytes.count else { return false }
                at += 1
            case UInt8(ascii: ","), UInt8(ascii: ":"):
                guard depth > 0 else { return false }
                at += 1
            default:
                let start = at
                while at < bytes.count, Self.isBare(bytes[at]) { at += 1 }
                guard at > start else { return false }
            }
        } while depth > 0
        return true
    }

    private static func isBare(_ byte: UInt8) -> Bool { (48...57).contains(byte) || (97...122).contains(byte) || byte == UInt8(ascii: "-") }
}
