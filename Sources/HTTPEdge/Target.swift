import Vocabulary

/// The parts of a request target.
struct Target {
    /// As sent, without the query.
    let path: Substring
    let query: Substring?
    /// True if some part of the path is percent-encoded.
    let isEncoded: Bool

    static let maxBytes = 8_192
    static let maxQueryFields = 64

    /// Origin form, or absolute form whose authority is `host`. Anything else is malformed.
    init(_ raw: String, host: String?) throws(Problem) {
        guard raw.utf8.count <= Self.maxBytes else { throw HTTPProblems.targetTooLong }
        var text = raw[...]
        if raw.utf8.first != UInt8(ascii: "/") {
            guard let scheme = ["http://", "https://"].first(where: { raw.utf8.starts(with: $0.utf8) }) else {
                throw HTTPProblems.malformedTarget
            }
            let rest = raw.dropFirst(scheme.utf8.count)
            let authority = rest.prefix { $0 != "/" && $0 != "?" }
            guard host.map({ authority.lowercased() == $0.lowercased() }) ?? true else { throw HTTPProblems.malformedTarget }
            text = rest.dropFirst(authority.count)
            if text.utf8.first != UInt8(ascii: "/") { text = "/" + text }
        }
        var isEncoded = false
        var mark: Substring.UTF8View.Index?
        for index in text.utf8.indices {
            switch text.utf8[index] {
            case UInt8(ascii: "%") where mark == nil: isEncoded = true
            case UInt8(ascii: "?") where mark == nil: mark = index
            case ...0x20, 0x7F..., UInt8(ascii: "#"), UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: "<"), UInt8(ascii: ">"):
                throw HTTPProblems.malformedTarget
            default: break
            }
        }
        self.isEncoded = isEncoded
        path = mark.map { text[..<$0] } ?? text
        query = mark.map { text[text.utf8.index(after: $0)...] }
    }

    /// The fields of the query; a name that stands twice is refused.
    func fields() throws(Problem) -> [String: String] {
        guard let query, !query.isEmpty else { return [:] }
        var out: [String: String] = [:]
        for pair in query.split(separator: "&", maxSplits: Self.maxQueryFields) {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = Percent.decode(parts[0], plusIsSpace: true),
                let value = Percent.decode(parts.count > 1 ? parts[1] : "", plusIsSpace: true)
            else { throw HTTPProblems.malformedTarget }
            guard out.count < Self.maxQueryFields else {
                throw CommonProblems.invalid("query", "has more than \(Self.maxQueryFields) fields")
            }
            guard out.updateValue(value, forKey: name) == nil else { throw CommonProblems.invalid(name, "stands twice") }
        }
        return out
    }
}

enum Percent {
    /// Nil for a broken escape, for bytes that are not UTF-8, and for NUL.
    static func decode(_ text: Substring, plusIsSpace: Bool = false) -> String? {
        guard text.utf8.contains(where: { $0 == UInt8(ascii: "%") || (plusIsSpace && $0 == UInt8(ascii: "+")) }) else {
            return String(text)
        }
        var out: [UInt8] = []
        out.reserveCapacity(text.utf8.count)
        var bytes = text.utf8.makeIterator()
        func nibble(_ byte: UInt8?) -> UInt8? {
            switch byte {
            case .some(48...57): byte.map { $0 - 48 }
            case .some(97...102): byte.map { $0 - 87 }
            case .some(65...70): byte.map { $0 - 55 }
            default: nil
            }
        }
        while let byte = bytes.next() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = nibble(bytes.next()), let low = nibble(bytes.next()), high << 4 | low != 0 else { return nil }
                out.append(high << 4 | low)
            case UInt8(ascii: "+") where plusIsSpace: out.append(0x20)
            default: out.append(byte)
            }
        }
        return String(validating: out, as: UTF8.self)
    }
}
