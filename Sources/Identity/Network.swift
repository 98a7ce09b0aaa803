import Foundation

/// What counts as one network: the /32 of an IPv4 address, the /64 of an IPv6 address.
package struct Network: Hashable, Sendable {
    /// 4 or 8 bytes; none for a caller without an address.
    package let prefix: [UInt8]

    /// An IPv4 address mapped into IPv6 is the IPv4 network. What is no address counts as one network of its own.
    package init(address: String?) {
        guard let address else {
            prefix = []
            return
        }
        // A zone (`fe80::1%eth0`) names an interface of ours, not a network of theirs.
        let bare = String(address.prefix { $0 != "%" })
        var four = in_addr()
        var six = in6_addr()
        if inet_pton(AF_INET, bare, &four) == 1 {
            prefix = withUnsafeBytes(of: four) { Array($0) }
        } else if inet_pton(AF_INET6, bare, &six) == 1 {
            let bytes = withUnsafeBytes(of: six) { Array($0) }
            let isMapped = bytes[0..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xff && bytes[11] == 0xff
            prefix = isMapped ? Array(bytes[12...]) : Array(bytes[0..<8])
        } else {
            prefix = []
        }
    }
}
