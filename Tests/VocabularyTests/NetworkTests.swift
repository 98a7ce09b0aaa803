import Testing
import Vocabulary

/// Prefixes of addresses: what is in, what is out, and one spelling for each.
struct NetworkTests {
    @Test(
        "a range holds its first and its last address and neither neighbour",
        arguments: [
            ("203.0.113.0/24", ["203.0.113.0", "203.0.113.255", "::ffff:203.0.113.9"], ["203.0.112.255", "203.0.114.0", "::203.0.113.1"]),
            ("10.0.0.1", ["10.0.0.1"], ["10.0.0.0", "10.0.0.2"]),
            ("10.0.0.0/31", ["10.0.0.0", "10.0.0.1"], ["10.0.0.2", "9.255.255.255"]),
            ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255"], ["::", "::1"]),
            ("::/0", ["::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"], ["1.2.3.4", "::ffff:1.2.3.4"]),
            ("2001:db8::/32", ["2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"], ["2001:db7:ffff::", "2001:db9::"]),
            ("2001:db8:0:1::/64", ["2001:db8:0:1::", "2001:db8:0:1:ffff::1"], ["2001:db8:0:2::", "2001:db8::ffff"]),
            ("2001:db8::8/125", ["2001:db8::8", "2001:db8::f"], ["2001:db8::7", "2001:db8::10"]),
        ] as [(String, [String], [String])])
    func edges(range: String, inside: [String], outside: [String]) throws {
        let range = try #require(NetworkRange(range))
        for text in inside { #expect(range.contains(try #require(NetworkAddress(text))), "\(text) in \(range)") }
        for text in outside { #expect(!range.contains(try #require(NetworkAddress(text))), "\(text) not in \(range)") }
    }

    @Test(
        "one spelling for each range",
        arguments: [
            ("10.9.8.7/8", "10.0.0.0/8"), ("10.0.0.1", "10.0.0.1/32"), ("2001:DB8:0:0:1::/33", "2001:db8::/33"), ("::1", "::1/128"),
            ("2001:db8::ff/128", "2001:db8::ff/128"), ("1.2.3.4/0", "0.0.0.0/0"), ("::ffff:192.0.2.1", "192.0.2.1/32"),
        ])
    func spelling(given: String, shown: String) throws {
        let range = try #require(NetworkRange(given))
        #expect(range.description == shown)
        #expect(NetworkRange(shown)?.description == shown)
    }

    @Test(
        "what is no range is none",
        arguments: [
            "", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0", "010.0.0.1", "10.0.0.0/8/8", "::/129", "example.com", "::g",
            "10.0.0.1 ", "fe80::1%eth0", "::ffff:10.0.0.0/104", "99999999999999999999.0.0.0/8",
        ])
    func nonsense(text: String) { #expect(NetworkRange(text) == nil) }
}
