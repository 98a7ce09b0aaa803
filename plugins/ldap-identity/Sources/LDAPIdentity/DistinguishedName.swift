/// A name in a directory (RFC 4514), as far as it is compared and shown; what goes to the directory is the text as it came.
struct DistinguishedName: Sendable, Hashable {
    static let maxBytes = 2_000
    static let maxParts = 50

    struct Part: Sendable, Hashable {
        /// Lower case.
        var attribute: String
        /// Without escapes.
        var value: String
    }
    /// From the leaf to the root; of a part with several values each.
    let parts: [[Part]]

    /// Nil for what is none. The empty name is one to LDAP and none here: to bind with it is to be nobody.
    init?(_ text: String) {
        guard (1...Self.maxBytes).contains(text.utf8.count), !text.utf8.contains(0) else { return nil }
        var found: [[Part]] = []
        for whole in Self.split(text, at: [44, 59]) {
            var parts: [Part] = []
            for piece in Self.split(whole, at: [43]) {
                guard let part = Self.part(piece) else { return nil }
                parts.append(part)
            }
            found.append(parts)
        }
        guard found.count <= Self.maxParts else { return nil }
        parts = found
    }

    /// `example.com` of `ou=People,dc=example,dc=com`; the whole name where it ends in no domain. The same for every place in one directory.
    var domain: String {
        let labels = parts.reversed().prefix { $0.count == 1 && $0[0].attribute == "dc" }.map { $0[0].value.lowercased() }
        return labels.isEmpty ? comparable : labels.reversed().joined(separator: ".")
    }
    /// The same for two spellings of one name, as far as case and spaces go.
    var comparable: String {
        parts.map { $0.map { "\($0.attribute)=\(Self.escaped($0.value.lowercased()))" }.sorted().joined(separator: "+") }
            .joined(separator: ",")
    }
    /// Whether it lies at or below that place.
    func isWithin(_ place: DistinguishedName) -> Bool {
        comparable == place.comparable || comparable.hasSuffix("," + place.comparable)
    }

    /// RFC 4514, 2.4.
    static func escaped(_ value: String) -> String {
        var out = ""
        let scalars = Array(value.unicodeScalars)
        for (index, scalar) in scalars.enumerated() {
            let isEdge = (index == 0 && (scalar == " " || scalar == "#")) || (index == scalars.count - 1 && scalar == " ")
            if scalar.value == 0 {
                out += "\\00"
            } else if isEdge || "\"+,;<>\\=".unicodeScalars.contains(scalar) {
                out += "\\\(scalar)"
            } else {
                out.unicodeScalars.append(scalar)
            }
        }
        return out
    }

    private static func split(_ text: String, at signs: Set<UInt8>) -> [String] {
        var (pieces, piece): ([String], [UInt8]) = ([], [])
        var isEscaped = false
        for byte in text.utf8 {
            if !isEscaped, signs.contains(byte) {
                pieces.append(String(decoding: piece, as: UTF8.self))
                piece = []
            } else {
                piece.append(byte)
            }
            isEscaped = !isEscaped && byte == 92
        }
        return pieces + [String(decoding: piece, as: UTF8.self)]
    }

    private static func part(_ text: String) -> Part? {
        guard let equals = text.utf8.firstIndex(of: 61) else { return nil }
        let attribute = text[..<equals].split(separator: " ")
        guard attribute.count == 1, AttributeName.isName(String(attribute[0])), let value = opened(Array(text[equals...].utf8.dropFirst()))
        else { return nil }
        return Part(attribute: attribute[0].lowercased(), value: value)
    }

    /// Without escapes and without the spaces around it.
    private static func opened(_ bytes: [UInt8]) -> String? {
        var (out, kept): ([UInt8], Int) = ([], 0)
        var place = bytes.firstIndex { $0 != 32 } ?? bytes.count
        while place < bytes.count {
            guard bytes[place] == 92 else {
                out.append(bytes[place])
                if bytes[place] != 32 { kept = out.count }
                place += 1
                continue
            }
            guard place + 1 < bytes.count else { return nil }
            let pair = bytes[(place + 1)...].prefix(2)
            if pair.count == 2, pair.allSatisfy(isHex), let value = UInt8(String(decoding: pair, as: UTF8.self), radix: 16) {
                out.append(value)
                place += 3
            } else {
                out.append(bytes[place + 1])
                place += 2
            }
            kept = out.count
        }
        let text = String(validating: out.prefix(kept), as: UTF8.self)
        return text.flatMap { $0.isEmpty ? nil : $0 }
    }
    private static func isHex(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (65...70).contains(byte) || (97...102).contains(byte)
    }
}
