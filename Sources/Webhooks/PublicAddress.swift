import Foundation

/// Which addresses of the internet protocol a tenant may have us connect to: those that anybody can reach. After the special-purpose
/// registries of IANA (RFC 6890 and its successors); what is not listed here is public.
package enum PublicAddress {
    private static let v4: [(UInt32, Int)] = [
        (0x0000_0000, 8), (0x0A00_0000, 8), (0x6440_0000, 10), (0x7F00_0000, 8), (0xA9FE_0000, 16), (0xAC10_0000, 12), (0xC000_0000, 24),
        (0xC000_0200, 24), (0xC058_6300, 24), (0xC0A8_0000, 16), (0xC612_0000, 15), (0xC633_6400, 24), (0xCB00_7100, 24), (0xE000_0000, 4),
        (0xF000_0000, 4),
        // Not in a registry, and yet no stranger's: the host of a virtual machine in Azure answers there, from inside only.
        (0xA83F_8110, 32),
    ]
    /// Global unicast is 2000::/3; of that these are not for everybody, or carry an IPv4 address within.
    private static let v6Within: [([UInt8], Int)] = [
        ([0x20, 0x01, 0x00], 23), ([0x20, 0x01, 0x0d, 0xb8], 32), ([0x20, 0x02], 16), ([0x3f, 0xff, 0x00], 20), ([0x5f, 0x00], 16),
    ]

    /// Of an address as text; a name is none.
    package static func isPublic(_ text: String) -> Bool? {
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 { return isPublic(v4: UInt32(bigEndian: four.s_addr)) }
        var six = in6_addr()
        guard inet_pton(AF_INET6, text, &six) == 1 else { return nil }
        return isPublic(v6: withUnsafeBytes(of: six) { Array($0) })
    }

    static func isPublic(v4 address: UInt32) -> Bool {
        !v4.contains { base, length in address >> (32 - UInt32(length)) == base >> (32 - UInt32(length)) }
    }

    static func isPublic(v6 bytes: [UInt8]) -> Bool {
        // ::ffff:a.b.c.d and 64:ff9b::a.b.c.d lead to the IPv4 address.
        let isMapped = bytes[0..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xFF && bytes[11] == 0xFF
        let isTranslated = bytes[0..<4] == [0x00, 0x64, 0xFF, 0x9B] && bytes[4..<12].allSatisfy { $0 == 0 }
        if isMapped || isTranslated { return isPublic(v4: bytes[12...].reduce(0) { $0 << 8 | UInt32($1) }) }
        guard bytes[0] & 0xE0 == 0x20 else { return false }
        return !v6Within.contains { prefix, length in matches(bytes, prefix, length) }
    }

    private static func matches(_ bytes: [UInt8], _ prefix: [UInt8], _ length: Int) -> Bool {
        for bit in 0..<length {
            let mask = UInt8(0x80 >> (bit % 8))
            let wanted = bit / 8 < prefix.count ? prefix[bit / 8] : 0
            if bytes[bit / 8] & mask != wanted & mask { return false }
        }
        return true
    }
}

/// What an endpoint's address must look like.
package struct WebhookAddress: Sendable, Hashable {
    package let host: String
    package let port: Int
    package let isTLS: Bool

    /// Nil where it may not be used. `opens`: the operator lets plain HTTP and private addresses through.
    package init?(_ text: String, opens: Bool) {
        guard (8...2_000).contains(text.utf8.count), text.utf8.allSatisfy({ (33...126).contains($0) }), !text.contains("\\"),
            let parts = URLComponents(string: text), let scheme = parts.scheme?.lowercased(),
            scheme == "https" || (opens && scheme == "http"),
            parts.user == nil, parts.password == nil, parts.fragment == nil, let host = parts.encodedHost, !host.isEmpty
        else { return nil }
        let bare = host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
        if let isPublic = PublicAddress.isPublic(bare) {
            guard isPublic || opens else { return nil }
        } else {
            // Names have letters: 2130706433, 0x7f.1 and 127.1 are addresses to some resolvers.
            let last = bare.split(separator: ".").last.map(String.init) ?? ""
            let isName = bare.utf8.allSatisfy { (97...122).contains($0 | 32) || (48...57).contains($0) || $0 == 45 || $0 == 46 }
            guard isName, last.first?.isLetter == true, bare.utf8.count <= 253, opens || bare.contains(".") else { return nil }
            guard opens || !(bare.lowercased() == "localhost" || bare.lowercased().hasSuffix(".localhost")) else { return nil }
        }
        let port = parts.port ?? (scheme == "https" ? 443 : 80)
        guard (1...65_535).contains(port) else { return nil }
        self.host = bare
        self.port = port
        isTLS = scheme == "https"
    }
}
