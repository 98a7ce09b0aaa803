import Testing

@testable import Identity

struct MailCanonTests {
    @Test(
        "two ways to write one address are one",
        arguments: [
            ("ada@example.com", "ADA@EXAMPLE.COM"), ("ada@example.com", "  Ada@Example.com \n"),
            ("straße@example.com", "STRASSE@example.com"), ("ﬁn@example.com", "fin@example.com"),
            ("jose\u{301}@example.com", "jos\u{e9}@example.com"), ("ａｄａ@example.com", "ada@example.com"),
            ("\u{3a3}igma@example.com", "\u{3c3}igma@example.com"), ("ada+tag@example.com", "Ada+Tag@example.com"),
        ])
    func sameCanon(_ pair: (String, String)) throws {
        let (left, right) = (try #require(MailCanon(pair.0)), try #require(MailCanon(pair.1)))
        #expect(left.text == right.text)
    }

    @Test(
        "what differs for the receiving server differs for us",
        arguments: [
            ("a.da@example.com", "ada@example.com"), ("ada+x@example.com", "ada@example.com"), ("ada@example.com", "ada@example.org"),
        ])
    func otherCanon(_ pair: (String, String)) throws {
        #expect(try #require(MailCanon(pair.0)).text != #require(MailCanon(pair.1)).text)
    }

    @Test("the address is kept as typed for sending")
    func display() throws {
        #expect(try #require(MailCanon(" Ada.Lovelace@Example.com ")).display == "Ada.Lovelace@Example.com")
    }

    @Test(
        "what is no address is refused",
        arguments: [
            "", "@", "ada", "ada@", "@example.com", "ada@@example.com", "ada@b@example.com", "ada@localhost", "ada@example..com",
            "ada@-example.com",
            "ada@example-.com", ".ada@example.com", "ada.@example.com", "a..da@example.com", "ada lovelace@example.com",
            "ada@exam ple.com", "ada\r\nBcc: eve@example.com@example.com", "ada\u{0}@example.com", "ada@example.com\u{0}x",
            "\"ada\"@example.com",
            "ada@[192.0.2.1]", "ada<eve@example.com>", "ada,eve@example.com", "ada;eve@example.com", "ada@example.com,eve@example.com",
            "ada\u{202E}@example.com", "ada\u{200B}@example.com", "ada@example\u{2028}.com", "ada@ex\u{AD}ample.com", "ada|sh@example.com",
            "$(id)@example.com", String(repeating: "a", count: 65) + "@example.com",
            "a@" + String(repeating: "b", count: 64) + ".com",
            "a@" + Array(repeating: String(repeating: "b", count: 60), count: 5).joined(separator: ".") + ".com",
            String(repeating: "a", count: 100_000) + "@example.com",
        ])
    func refused(_ text: String) { #expect(MailCanon(text) == nil) }

    @Test("an address that folds into more than it was still obeys the bounds")
    func expanding() {
        // One sign that NFKC spells out as eighteen.
        #expect(MailCanon(String(repeating: "\u{FDFA}", count: 20) + "@example.com") == nil)
    }
}

struct NetworkTests {
    @Test(
        "an IPv4 address is its own network, an IPv6 address its /64",
        arguments: [
            ("192.0.2.1", "192.0.2.1", true), ("192.0.2.1", "192.0.2.2", false), ("::ffff:192.0.2.1", "192.0.2.1", true),
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true), ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
            ("2001:DB8:1:2::1", "2001:db8:1:2::2", true), ("fe80::1%eth0", "fe80::2", true), ("::1", "::2", true),
        ])
    func prefixes(_ item: (String, String, Bool)) {
        #expect((Network(address: item.0) == Network(address: item.1)) == item.2)
    }

    @Test(
        "what is no address is one network of its own",
        arguments: ["", "host", "192.0.2", "192.0.2.1.", "1.2.3.4, 5.6.7.8", "300.1.1.1", "::g"])
    func nowhere(_ text: String) {
        #expect(Network(address: text) == Network(address: nil))
        #expect(Network(address: text) != Network(address: "192.0.2.1"))
    }
}
