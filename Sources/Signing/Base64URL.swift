import Foundation

/// RFC 4648 section 5 without padding. Decoding accepts exactly one form of each value.
package enum Base64URL {
    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
    private static let values: [UInt8] = {
        var table = [UInt8](repeating: 255, count: 256)
        for (value, digit) in digits.enumerated() { table[Int(digit)] = UInt8(value) }
        return table
    }()

    package static func encode(_ bytes: [UInt8]) -> String {
        var out: [UInt8] = []
        out.reserveCapacity((bytes.count * 4 + 2) / 3)
        var index = 0
        while index < bytes.count {
            let first = bytes[index]
            let second = index + 1 < bytes.count ? bytes[index + 1] : 0
            let third = index + 2 < bytes.count ? bytes[index + 2] : 0
            out.append(digits[Int(first >> 2)])
            out.append(digits[Int((first & 3) << 4 | second >> 4)])
            if index + 1 < bytes.count { out.append(digits[Int((second & 15) << 2 | third >> 6)]) }
            if index + 2 < bytes.count { out.append(digits[Int(third & 63)]) }
            index += 3
        }
        return String(decoding: out, as: UTF8.self)
    }

    package static func decode(_ text: String) -> [UInt8]? { decode(Array(text.utf8)[...]) }

    /// Nil for another alphabet, padding, an impossible length, or spare bits that are not zero.
    package static func decode(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        guard text.count % 4 != 1 else { return nil }
        var bits: UInt32 = 0
        var isInAlphabet = true
        // Through plain memory: of every token that is verified, each byte comes here.
        let out = [UInt8](unsafeUninitializedCapacity: text.count * 3 / 4) { out, count in
            values.withUnsafeBufferPointer { values in
                var held: UInt32 = 0
                for digit in text {
                    let value = values[Int(digit)]
                    isInAlphabet = isInAlphabet && value != 255
                    bits = bits << 6 | UInt32(value & 63)
                    held += 6
                    if held >= 8 {
                        held -= 8
                        out[count] = UInt8(truncatingIfNeeded: bits >> held)
                        count += 1
                        bits &= (1 << held) - 1
                    }
                }
            }
        }
        return isInAlphabet && bits == 0 ? out : nil
    }
}
