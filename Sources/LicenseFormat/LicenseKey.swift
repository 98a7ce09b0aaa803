import Vocabulary

/// The text of a licence key: `PREFIX-XXXX-…-XXXX`, Crockford's base32, the last sign a check modulo 32 over all others.
///
/// A key is read without knowing its tier: case, spaces, dashes and look-alike signs do not matter, and the prefix counts
/// into the check, so that whoever holds a key finds a typing error without asking anybody.
package enum LicenseKey {
    package enum Fault: Error, Sendable, Hashable {
        /// Not between 8 and 64 signs, separators left out.
        case length
        /// Neither a letter, a digit nor a separator.
        case sign
        /// The check does not fit: a sign is wrong or two are swapped.
        case check
    }

    /// Crockford's 32 signs: no I, L, O, U.
    static let alphabet = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8)
    package static let signsPerGroup = 4

    /// Random bits of a key of so many groups: 95 for five, 55 for three.
    package static func randomBits(groups: Int) -> Int { (groups * signsPerGroup - 1) * 5 }

    /// A new key. Each sign takes five bits of its own random byte.
    package static func make(prefix: String, groups: Int, entropy: some Entropy) -> String {
        let random = entropy.bytes(groups * signsPerGroup - 1).map { alphabet[Int($0 & 31)] }
        let head = prefix.unicodeScalars.compactMap { try? sign($0) }
        let body = random + [check(head + random)]
        let parts = stride(from: 0, to: body.count, by: signsPerGroup).map {
            String(decoding: body[$0..<($0 + signsPerGroup)], as: UTF8.self)
        }
        return ([prefix.uppercased()] + parts).joined(separator: "-")
    }

    /// The one form of a key as somebody typed it, from which its digest is taken: signs alone, look-alikes replaced.
    package static func canonical(_ text: String) throws(Fault) -> String {
        let signs = Array(try signs(text).utf8)
        guard (8...64).contains(signs.count), let last = signs.last else { throw .length }
        guard check(Array(signs.dropLast())) == last else { throw .check }
        return String(decoding: signs, as: UTF8.self)
    }

    /// The signs of a key, or of a part of one, in the form that they have in the key.
    package static func signs(_ text: String) throws(Fault) -> String {
        guard text.utf8.count <= 160 else { throw .length }
        var signs: [UInt8] = []
        for scalar in text.unicodeScalars {
            if let found = try sign(scalar) { signs.append(found) }
        }
        return String(decoding: signs, as: UTF8.self)
    }

    /// Nil for a separator.
    private static func sign(_ scalar: Unicode.Scalar) throws(Fault) -> UInt8? {
        switch scalar {
        case " ", "\t", "\n", "\r", "\u{a0}", "-", "_", "\u{2010}"..."\u{2015}", "\u{2212}": return nil
        case "O", "o": return UInt8(ascii: "0")
        case "I", "i", "L", "l": return UInt8(ascii: "1")
        case "U", "u": return UInt8(ascii: "V")
        case "0"..."9", "A"..."Z": return UInt8(truncatingIfNeeded: scalar.value)
        case "a"..."z": return UInt8(truncatingIfNeeded: scalar.value - 32)
        default: throw .sign
        }
    }

    /// The weights are odd, so each wrong sign changes the sum; neighbours differ by two, so a swap goes unseen only where
    /// the two signs stand exactly 16 apart.
    private static func check(_ signs: [UInt8]) -> UInt8 {
        var sum = 0
        for (distance, sign) in signs.reversed().enumerated() {
            sum += (2 * distance + 1) * (alphabet.firstIndex(of: sign) ?? 0)
        }
        return alphabet[sum % 32]
    }
}
