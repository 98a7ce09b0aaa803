import Testing

@testable import PolicyHost

@Suite("finding the author's line")
struct OutlineTests {
    private static let source = """
        -- a comment with return { x = 1 }
        local function helper(a) if a then return { y = 2 } end end
        return {
          api = 1, name = [[
        long { text
        ]],
          tiers = {
            { id = "free", prices = { month = { amount_minor = 0 } } },
            {
              id = "pro", -- here
              prices = {
                month = { amount_minor = 9900,
                  currency = "USD" },
              },
            },
          },
          ["with space"] = 1,
          on_x = function(request)
            local t = { a = 1, tiers = 2 }
            for i = 1, 3 do if i then return { b = 1 } end end
          end,
          after = make { 1, 2 },
          last = 3
        }
        """

    @Test(
        "paths lead to lines",
        arguments: [
            ("", 3), ("api", 4), ("name", 4), ("tiers", 7), ("tiers[1]", 8), ("tiers[2]", 9), ("tiers.pro", 9), ("tiers.pro.id", 10),
            ("tiers[2].prices.month.amount_minor", 12), ("tiers.pro.prices.month.currency", 13), ("tiers.pro.nothing.here", 9),
            ("with space", 17), ("on_x", 18), ("after", 22), ("last", 23), ("missing", 3),
        ])
    func line(path: String, line: Int) { #expect(LuaOutline(Self.source).line(path) == line) }

    @Test("a table that code makes has no lines, and hostile text no end in it")
    func none() {
        #expect(LuaOutline("local t = {} return t").line("x") == nil)
        #expect(LuaOutline("").line("x") == nil)
        _ = LuaOutline("return {" + String(repeating: "{", count: 20_000)).line("x")
        _ = LuaOutline("return { a = [==[ never ends").line("a")
        _ = LuaOutline("return { a = \"never ends\\").line("a")
        _ = LuaOutline("return { function end end end } } }").line("a")
    }

    @Test(
        "SHA-256 gives the standard's digests",
        arguments: [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
            ),
        ])
    func digest(text: String, expected: String) {
        var digest = SHA256()
        digest.update(text.utf8)
        #expect(digest.finish() == expected)
    }

    @Test("SHA-256 of a million letters, as the standard has it")
    func million() {
        var digest = SHA256()
        digest.update(repeatElement(UInt8(ascii: "a"), count: 1_000_000))
        #expect(digest.finish() == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }
}
