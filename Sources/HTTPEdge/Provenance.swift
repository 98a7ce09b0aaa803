import Foundation
import Vocabulary

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

    /// As the region says that took the request from its client. Nobody whom another region lets in is local here.
    init(_ relay: RegionRelay, rules: EdgeRules) {
        address = NetworkAddress(relay.address)
        text = relay.address
        hostOrigin = relay.origin
        origin = rules.publicOrigin ?? hostOrigin
        isSecure = relay.origin.hasPrefix("https://")
        isFromTrustedProxy = false
        isLoopback = false
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
        let name = Substring(host.utf8.prefix { $0 != UInt8(ascii: ":") })
        if let address = NetworkAddress(name) { return address.isLoopback }
        let lower = name.lowercased()
        return lower == "localhost" || lower.hasSuffix(".localhost")
    }
}
