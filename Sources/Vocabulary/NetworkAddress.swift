import Foundation

/// An address of the internet protocol; an IPv4 address mapped into IPv6 is that IPv4 address.
package struct NetworkAddress: Sendable, Hashable {
    package let isV4: Bool
    /// The 128 bits; for IPv4 the lowest 32 of `low`.
    package let high: UInt64
    package let low: UInt64

    package init?(_ text: some StringProtocol) {
        guard text.utf8.count <= 45 else { return nil }
        if let low = Self.v4(text) {
            (isV4, high, self.low) = (true, 0, low)
            return
        }
        guard text.utf8.contains(UInt8(ascii: ":")) else { return nil }
        var raw = in6_addr()
        guard inet_pton(AF_INET6, String(text), &raw) == 1 else { return nil }
        let bytes = withUnsafeBytes(of: raw) { Array($0) }
        let high = bytes[0..<8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        let low = bytes[8..<16].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        isV4 = high == 0 && low >> 32 == 0xFFFF
        self.high = high
        self.low = isV4 ? low & 0xFFFF_FFFF : low
    }
    private static func v4(_ text: some StringProtocol) -> UInt64? {
        var (value, part, digits, parts): (UInt64, UInt64, Int, Int) = (0, 0, 0, 1)
        for byte in text.utf8 {
            switch byte {
            case 48...57:
                guard digits < 3, !(digits > 0 && part == 0) else { return nil }
                part = part * 10 + UInt64(byte - 48)
                digits += 1
                guard part <= 255 else { return nil }
            case UInt8(ascii: "."):
                guard digits > 0, parts < 4 else { return nil }
                value = value << 8 | part
                (part, digits) = (0, 0)
                parts += 1
            default: return nil
            }
        }
        return parts == 4 && digits > 0 ? value << 8 | part : nil
    }

    package var isLoopback: Bool { isV4 ? low >> 24 == 127 : high == 0 && low == 1 }
    /// What limits count as one network (SPEC 15): the address itself, or the /64 around it.
    package var network: String { isV4 ? "4.\(String(low, radix: 16))" : "6.\(String(high, radix: 16))" }
}

/// Addresses from one prefix: `10.0.0.0/8`, `::1`.
package struct NetworkRange: Sendable, Hashable, CustomStringConvertible {
    private let base: NetworkAddress
    private let length: Int

    package init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let base = NetworkAddress(parts[0]) else { return nil }
        let width = base.isV4 ? 32 : 128
        guard let length = parts.count == 1 ? width : Int(parts[1]), (0...width).contains(length) else { return nil }
        self.base = base
        self.length = length
    }
    package func contains(_ address: NetworkAddress) -> Bool {
        let (high, low) = masks
        return address.isV4 == base.isV4 && address.high & high == base.high & high && address.low & low == base.low & low
    }
    private var masks: (high: UInt64, low: UInt64) {
        let ones = { (count: Int) -> UInt64 in count <= 0 ? 0 : count >= 64 ? .max : .max << UInt64(64 - count) }
        return (base.isV4 ? 0 : ones(length), ones((base.isV4 ? 32 : -64) + length))
    }

    /// The first address of the range and its length, one spelling for each range: `10.1.2.3/8` is `10.0.0.0/8`.
    package var description: String {
        let (high, low) = (base.high & masks.high, base.low & masks.low)
        guard !base.isV4 else {
            let parts = stride(from: 24, through: 0, by: -8).map { String(low >> UInt64($0) & 0xFF) }
            return "\(parts.joined(separator: "."))/\(length)"
        }
        var raw = in6_addr()
        withUnsafeMutableBytes(of: &raw) { bytes in
            for index in 0..<8 {
                bytes[index] = UInt8(truncatingIfNeeded: high >> UInt64(56 - 8 * index))
                bytes[index + 8] = UInt8(truncatingIfNeeded: low >> UInt64(56 - 8 * index))
            }
        }
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        _ = inet_ntop(AF_INET6, &raw, &text, socklen_t(INET6_ADDRSTRLEN))
        return "\(String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))/\(length)"
    }
}
