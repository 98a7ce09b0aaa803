import Foundation
import Vocabulary

/// An address of the internet protocol; an IPv4 address mapped into IPv6 is that IPv4 address.
struct NetworkAddress: Sendable, Hashable {
    let isV4: Bool
    /// The 128 bits; for IPv4 the lowest 32 of `low`.
    let high: UInt64
    let low: UInt64

    init?(_ text: some StringProtocol) {
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

    var isLoopback: Bool { isV4 ? low >> 24 == 127 : high == 0 && low == 1 }
    /// What limits count as one network (SPEC 15): the address itself, or the /64 around it.
    var network: String { isV4 ? "4.\(String(low, radix: 16))" : "6.\(String(high, radix: 16))" }
}

/// Addresses from one prefix: `10.0.0.0/8`, `::1`.
struct NetworkRange: Sendable, Hashable {
    private let base: NetworkAddress
    private let highMask: UInt64
    private let lowMask: UInt64

    init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let base = NetworkAddress(parts[0]) else { return nil }
        let width = base.isV4 ? 32 : 128
        guard let length = parts.count == 1 ? width : Int(parts[1]), (0...width).contains(length) else { return nil }
        self.base = base
        let ones = { (count: Int) -> UInt64 in count <= 0 ? 0 : count >= 64 ? .max : .max << UInt64(64 - count) }
        highMask = base.isV4 ? 0 : ones(length)
        lowMask = ones((base.isV4 ? 32 : -64) + length)
    }
    func contains(_ address: NetworkAddress) -> Bool {
        address.isV4 == base.isV4 && address.high & highMask == base.high & highMask && address.low & lowMask == base.low & lowMask
    }
}

/// Where a request comes from and how the client names us, forwarded values believed only from listed proxies.
struct Provenance: Sendable {
    let address: NetworkAddress?
    /// The client's address as text, for journal and log.
    let text: String
    /// `https://example.com`
    let origin: String
    /// The same by the Host header, whatever the settings call us.
    let hostOrigin: String
    let isSecure: Bool
    let isFromTrustedProxy: Bool
    let isLoopback: Bool

    /// Forwarded addresses looked at, from the right.
    static let maxHops = 32

    init(_ raw: RawRequest, incoming: Incoming, rules: EdgeRules) throws(Problem) {
        let peer = NetworkAddress(raw.remoteAddress)
        let isTrusted = peer.map { peer in rules.trustedProxies.contains { $0.contains(peer) } } ?? false
        var (address, text) = (peer, raw.remoteAddress)
        if isTrusted, let list = incoming.forwardedFor {
            for entry in list.split(separator: ",").reversed().prefix(Self.maxHops) {
                guard let (found, shown) = Self.hop(entry) else { break }
                (address, text) = (found, shown)
                guard rules.trustedProxies.contains(where: { $0.contains(found) }) else { break }
            }
        }
        var host = incoming.host
        var isSecure = raw.isTLS
        if isTrusted {
            if let proto = incoming.forwardedProto?.split(separator: ",").last { isSecure = Self.trimmed(proto).lowercased() == "https" }
            if let name = incoming.forwardedHost?.split(separator: ",").last { host = Self.trimmed(name) }
        }
        let name = host ?? "localhost"
        guard Self.isHost(name) else { throw HTTPProblems.malformedHost }
        self.address = address
        self.text = text
        self.isSecure = rules.publicOrigin.map { $0.hasPrefix("https:") } ?? isSecure
        hostOrigin = (isSecure ? "https://" : "http://") + name.lowercased()
        origin = rules.publicOrigin ?? hostOrigin
        isFromTrustedProxy = isTrusted
        // A forwarding header from a peer that is not listed means a proxy nobody told us of: then nobody is local.
        let isForwarded =
            incoming.forwardedFor != nil || incoming.forwardedProto != nil || incoming.forwardedHost != nil || incoming.isForwarded
        isLoopback = address?.isLoopback == true && (isTrusted || !isForwarded) && Self.isLoopbackName(name)
    }

    private static func hop(_ entry: Substring) -> (NetworkAddress, String)? {
        var text = trimmed(entry)
        if text.hasPrefix("[") {
            text = String(text.dropFirst().prefix { $0 != "]" })
        } else if text.utf8.count(where: { $0 == UInt8(ascii: ":") }) == 1 {
            text = String(text.prefix { $0 != ":" })
        }
        return NetworkAddress(text).map { ($0, text) }
    }
    private static func trimmed(_ text: some StringProtocol) -> String {
        let isSpace = { (sign: Character) in sign == " " || sign == "\t" }
        return String(text.drop(while: isSpace).reversed().drop(while: isSpace).reversed())
    }
    /// A name or address with an optional port, as RFC 9110 has it, no more than 255 bytes.
    static func isHost(_ text: String) -> Bool {
        guard !text.isEmpty, text.utf8.count <= 255 else { return false }
        return text.utf8.allSatisfy { byte in
            switch byte {
            case 48...57, 65...90, 97...122, UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: ":"), UInt8(ascii: "["),
                UInt8(ascii: "]"):
                true
            default: false
            }
        }
    }
    /// A page of another site cannot reach us under such a name, whatever its own name resolves to.
    static func isLoopbackName(_ host: String) -> Bool {
        if host.hasPrefix("[") { return host == "[::1]" || host.hasPrefix("[::1]:") }
        let name = host.prefix { $0 != ":" }.lowercased()
        return name == "localhost" || name.hasSuffix(".localhost") || NetworkAddress(name)?.isLoopback == true
    }
}
