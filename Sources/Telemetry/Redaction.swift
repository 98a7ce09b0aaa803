/// Takes out of a text what must never stand in a log: card numbers, tokens, licence keys, secrets, mail addresses.
///
/// A net under the rule that logs hold ids only, not a licence to log anything.
package enum Redaction {
    /// Field names whose value is never written, wherever the name stands at the end of the field's own.
    static let sensitiveNames = [
        "password", "passwd", "secret", "token", "authorization", "cookie", "api_key", "apikey", "license_key", "licence_key",
        "private_key",
        "card_number", "cvc", "cvv",
    ]
    private static let secretPrefixes = ["sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_", "ghp_", "SG."].map { Array($0.utf8) }

    package static func isSensitive(name: String) -> Bool {
        let lower = name.lowercased().replacing("-", with: "_")
        return sensitiveNames.contains { lower.hasSuffix($0) }
    }

    package static func clean(_ text: String) -> String {
        var bytes = Array(text.utf8)
        var changed = false
        if bytes.count(where: isDigit) >= 13 { changed = cleanCards(&bytes) || changed }
        changed = cleanWords(&bytes) || changed
        if bytes.contains(0x40) { changed = cleanAddresses(&bytes) || changed }
        return changed ? String(decoding: bytes, as: UTF8.self) : text
    }

    // MARK: Card numbers

    private static func cleanCards(_ bytes: inout [UInt8]) -> Bool {
        var out: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if isDigit(bytes[index]), index == 0 || !isDigit(bytes[index - 1]), let end = cardEnd(bytes, from: index) {
                out.append(contentsOf: "[card]".utf8)
                index = end
            } else {
                out.append(bytes[index])
                index += 1
            }
        }
        guard out.count != bytes.count else { return false }
        bytes = out
        return true
    }

    /// Where a card number that begins at `start` ends: 13 to 19 digits in one run or in groups as printed on cards, Luhn right.
    private static func cardEnd(_ bytes: [UInt8], from start: Int) -> Int? {
        guard (0x32...0x36).contains(bytes[start]) else { return nil }
        var digits: [UInt8] = []
        var groups = [0]
        var best: Int?
        var index = start
        while index < bytes.count, digits.count < 20 {
            if isDigit(bytes[index]) {
                digits.append(bytes[index] - 48)
                groups[groups.count - 1] += 1
                let endsHere = index + 1 == bytes.count || !isDigit(bytes[index + 1])
                if endsHere, (13...19).contains(digits.count), isGrouped(groups), passesLuhn(digits) { best = index + 1 }
            } else if bytes[index] == 0x20 || bytes[index] == 0x2D, index + 1 < bytes.count, isDigit(bytes[index + 1]) {
                groups.append(0)
            } else {
                break
            }
            index += 1
        }
        return best
    }
    private static func isGrouped(_ groups: [Int]) -> Bool {
        groups.count == 1 || groups == [4, 6, 5] || groups == [4, 6, 4] || groups.dropLast().allSatisfy { $0 == 4 }
    }
    package static func passesLuhn(_ digits: [UInt8]) -> Bool {
        var sum = 0
        for (place, digit) in digits.reversed().enumerated() {
            let value = Int(digit) * (place % 2 == 0 ? 1 : 2)
            sum += value > 9 ? value - 9 : value
        }
        return sum % 10 == 0
    }

    // MARK: Words

    private static func cleanWords(_ bytes: inout [UInt8]) -> Bool {
        var out: [UInt8] = []
        var index = 0
        var changed = false
        while index < bytes.count {
            guard isWord(bytes[index]) else {
                out.append(bytes[index])
                index += 1
                continue
            }
            var end = index + 1
            while end < bytes.count, isWord(bytes[end]) { end += 1 }
            let word = bytes[index..<end]
            if let (replacement, next) = replacement(for: word, in: bytes, end: end) {
                out.append(contentsOf: replacement.utf8)
                index = next
                changed = true
            } else {
                out.append(contentsOf: word)
                index = end
            }
        }
        if changed { bytes = out }
        return changed
    }

    private static func replacement(for word: ArraySlice<UInt8>, in bytes: [UInt8], end: Int) -> (String, Int)? {
        let text = { String(decoding: word, as: UTF8.self) }
        if word.count >= 5, word.count <= 6, end < bytes.count, bytes[end] == 0x20, ["bearer", "basic"].contains(text().lowercased()) {
            let value = run(bytes, from: end + 1) { isWord($0) || [0x2E, 0x2B, 0x2F, 0x3D, 0x7E].contains($0) }
            if value - end > 8 { return ("\(text()) [token]", value) }
        }
        if word.starts(with: "eyJ".utf8), end < bytes.count, bytes[end] == 0x2E {
            return ("[token]", run(bytes, from: end) { isWord($0) || $0 == 0x2E })
        }
        for prefix in secretPrefixes where word.count >= prefix.count + 8 && word.starts(with: prefix) {
            return (String(decoding: prefix, as: UTF8.self) + "[secret]", end)
        }
        if word.elementsEqual("SG".utf8), end < bytes.count, bytes[end] == 0x2E {
            return ("[secret]", run(bytes, from: end) { isWord($0) || $0 == 0x2E })
        }
        if let kept = licenceKeyPrefix(word) { return (kept + "[licence key]", end) }
        if word.count <= 64, isSensitive(name: text()), let (from, to) = valueRange(bytes, from: end) {
            return (text() + String(decoding: bytes[end..<from], as: UTF8.self) + "[redacted]", to)
        }
        return nil
    }

    /// What may stay of `PREFIX-XXXX-XXXX-XXXX`: the part before the last three or more groups of four. Nil if it is no key.
    private static func licenceKeyPrefix(_ word: ArraySlice<UInt8>) -> String? {
        guard word.count >= 17, word.count <= 96 else { return nil }
        let groups = word.split(separator: 0x2D, omittingEmptySubsequences: false)
        let secret = groups.reversed().prefix { $0.count == 4 && $0.allSatisfy { isDigit($0) || isLetter($0) } }.count
        guard secret >= 3, groups.count > secret || secret > 3 else { return nil }
        let kept = groups.dropLast(min(secret, groups.count - 1))
        return kept.map { String(decoding: $0, as: UTF8.self) + "-" }.joined()
    }

    /// The value after a sensitive name: `=value`, `: value`, `": "value"`.
    private static func valueRange(_ bytes: [UInt8], from end: Int) -> (Int, Int)? {
        var index = end
        if index < bytes.count, bytes[index] == 0x22 { index += 1 }
        while index < bytes.count, bytes[index] == 0x20 { index += 1 }
        guard index < bytes.count, bytes[index] == 0x3D || bytes[index] == 0x3A else { return nil }
        index += 1
        while index < bytes.count, bytes[index] == 0x20 { index += 1 }
        if index < bytes.count, bytes[index] == 0x22 {
            let from = index + 1
            return (from, run(bytes, from: from) { $0 != 0x22 })
        }
        let isValue = { (byte: UInt8) in ![0x20, 0x26, 0x2C, 0x3B, 0x7D, 0x0A].contains(byte) }
        var to = run(bytes, from: index, isValue)
        // A scheme stands before its secret: `Authorization: Bearer …`.
        if ["bearer", "basic"].contains(String(decoding: bytes[index..<to], as: UTF8.self).lowercased()) {
            to = run(bytes, from: to + 1, isValue)
        }
        return to > index ? (index, to) : nil
    }

    // MARK: Mail addresses

    private static func cleanAddresses(_ bytes: inout [UInt8]) -> Bool {
        var changed = false
        var search = 0
        let isLocal = { (byte: UInt8) in isWord(byte) || [0x2E, 0x2B, 0x25, 0x27].contains(byte) }
        while let sign = bytes[search...].firstIndex(of: 0x40) {
            search = sign + 1
            var from = sign
            while from > 0, isLocal(bytes[from - 1]) || bytes[from - 1] >= 0x80 { from -= 1 }
            let to = run(bytes, from: sign + 1) { isWord($0) || $0 == 0x2E || $0 >= 0x80 }
            guard from < sign, bytes[(sign + 1)..<to].dropLast().contains(0x2E) else { continue }
            bytes.replaceSubrange(from..<to, with: "[mail]".utf8)
            search = from + 6
            changed = true
        }
        return changed
    }

    // MARK: Bytes

    private static func run(_ bytes: [UInt8], from start: Int, _ belongs: (UInt8) -> Bool) -> Int {
        var index = min(start, bytes.count)
        while index < bytes.count, belongs(bytes[index]) { index += 1 }
        return index
    }
    private static func isDigit(_ byte: UInt8) -> Bool { byte >= 48 && byte <= 57 }
    private static func isLetter(_ byte: UInt8) -> Bool { (byte | 32) >= 97 && (byte | 32) <= 122 }
    private static func isWord(_ byte: UInt8) -> Bool { isDigit(byte) || isLetter(byte) || byte == 0x5F || byte == 0x2D }
}
