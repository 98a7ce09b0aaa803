/// A search filter (RFC 4511, 4.5.1.7). Values are bytes from beginning to end: what somebody typed never becomes part of a filter's text, so
/// there is nothing in it that could be read as one.
indirect enum Filter: Sendable, Hashable {
    case and([Filter])
    case or([Filter])
    case not(Filter)
    case equal(String, [UInt8])
    case atLeast(String, [UInt8])
    case atMost(String, [UInt8])
    case approximately(String, [UInt8])
    case present(String)
    case substrings(String, initial: [UInt8]?, any: [[UInt8]], final: [UInt8]?)
    /// An attribute compared by a rule of its own.
    case rule(String, attribute: String, [UInt8])

    static func equal(_ attribute: String, _ value: String) -> Filter { .equal(attribute, Array(value.utf8)) }

    var encoded: [UInt8] {
        func pair(_ tag: UInt8, _ attribute: String, _ value: [UInt8]) -> [UInt8] {
            BER.element(tag, [BER.text(attribute), BER.element(BER.octets, value)])
        }
        return switch self {
        case .and(let parts): BER.element(0xA0, parts.map(\.encoded))
        case .or(let parts): BER.element(0xA1, parts.map(\.encoded))
        case .not(let part): BER.element(0xA2, part.encoded)
        case .equal(let attribute, let value): pair(0xA3, attribute, value)
        case .atLeast(let attribute, let value): pair(0xA5, attribute, value)
        case .atMost(let attribute, let value): pair(0xA6, attribute, value)
        case .approximately(let attribute, let value): pair(0xA8, attribute, value)
        case .present(let attribute): BER.text(attribute, tag: 0x87)
        case .substrings(let attribute, let initial, let any, let final):
            BER.element(
                0xA4,
                [
                    BER.text(attribute),
                    BER.element(
                        BER.sequence,
                        (initial.map { [BER.element(0x80, $0)] } ?? []) + any.map { BER.element(0x81, $0) }
                            + (final.map { [BER.element(0x82, $0)] } ?? [])),
                ])
        case .rule(let rule, let attribute, let value):
            BER.element(0xA9, [BER.text(rule, tag: 0x81), BER.text(attribute, tag: 0x82), BER.element(0x83, value)])
        }
    }
}

/// Reads a filter that an administrator wrote (RFC 4515).
struct FilterText {
    static let maxBytes = 1_000
    static let maxDepth = 10
    static let maxParts = 50

    private let bytes: [UInt8]
    private var place = 0
    private var parts = 0

    /// Nil for what is none.
    static func filter(_ text: String) -> Filter? {
        guard text.utf8.count <= maxBytes else { return nil }
        var reader = FilterText(bytes: Array(text.utf8))
        guard let filter = reader.filter(depth: 0), reader.place == reader.bytes.count else { return nil }
        return filter
    }
    private init(bytes: [UInt8]) { self.bytes = bytes }

    private mutating func take(_ sign: Character) -> Bool {
        guard place < bytes.count, bytes[place] == sign.asciiValue else { return false }
        place += 1
        return true
    }

    private mutating func filter(depth: Int) -> Filter? {
        parts += 1
        guard depth < Self.maxDepth, parts <= Self.maxParts, take("(") else { return nil }
        let found: Filter?
        if take("&") {
            found = list(depth).map { .and($0) }
        } else if take("|") {
            found = list(depth).map { .or($0) }
        } else if take("!") {
            found = filter(depth: depth + 1).map { .not($0) }
        } else {
            found = item()
        }
        return take(")") ? found : nil
    }
    private mutating func list(_ depth: Int) -> [Filter]? {
        var found: [Filter] = []
        while place < bytes.count, bytes[place] == 40 {
            guard let part = filter(depth: depth + 1) else { return nil }
            found.append(part)
        }
        return found.isEmpty ? nil : found
    }

    private mutating func item() -> Filter? {
        let attribute = word { AttributeName.isSign($0) }
        var rule: String?
        if take(":") {
            rule = word { AttributeName.isSign($0) }
            guard let rule, AttributeName.isName(rule), take(":") else { return nil }
        }
        guard AttributeName.isName(attribute) else { return nil }
        let sign = place < bytes.count ? bytes[place] : 0
        if rule == nil, [60, 62, 126].contains(sign) { place += 1 }
        guard take("="), let pieces = value() else { return nil }
        if let rule { return pieces.count == 1 ? .rule(rule, attribute: attribute, pieces[0]) : nil }
        switch (sign, pieces.count) {
        case (62, 1): return .atLeast(attribute, pieces[0])
        case (60, 1): return .atMost(attribute, pieces[0])
        case (126, 1): return .approximately(attribute, pieces[0])
        case (61, 1): return .equal(attribute, pieces[0])
        case (61, 2) where pieces[0].isEmpty && pieces[1].isEmpty: return .present(attribute)
        case (61, _):
            let middle = pieces[1..<pieces.count - 1]
            guard middle.allSatisfy({ !$0.isEmpty }), let first = pieces.first, let last = pieces.last else { return nil }
            return .substrings(attribute, initial: first.isEmpty ? nil : first, any: Array(middle), final: last.isEmpty ? nil : last)
        default: return nil
        }
    }

    private mutating func word(_ fits: (UInt8) -> Bool) -> String {
        let start = place
        while place < bytes.count, fits(bytes[place]) { place += 1 }
        return String(decoding: bytes[start..<place], as: UTF8.self)
    }

    /// What stands between asterisks; signs with a meaning only as `\2a`.
    private mutating func value() -> [[UInt8]]? {
        var pieces: [[UInt8]] = [[]]
        while place < bytes.count, bytes[place] != 41 {
            let byte = bytes[place]
            place += 1
            switch byte {
            case 42: pieces.append([])
            case 92:
                guard place + 2 <= bytes.count, let value = UInt8(String(decoding: bytes[place..<place + 2], as: UTF8.self), radix: 16),
                    bytes[place] != 43
                else { return nil }
                pieces[pieces.count - 1].append(value)
                place += 2
            case 0, 40: return nil
            default: pieces[pieces.count - 1].append(byte)
            }
        }
        return pieces
    }
}

/// `memberOf`, `2.5.4.3` (RFC 4512, 1.4); without options.
enum AttributeName {
    static func isSign(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte) || byte == 45 || byte == 46
    }
    static func isName(_ text: String) -> Bool {
        guard (1...100).contains(text.utf8.count), let first = text.utf8.first, text.utf8.allSatisfy(isSign) else { return false }
        if (48...57).contains(first) {
            return text.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { Int32($0) != nil && !$0.hasPrefix("+") }
        }
        return first != 45 && !text.utf8.contains(46)
    }
}
