import Foundation
import Testing
import Vocabulary

@testable import HTTPEdge

@Suite("Checking values against schemas")
struct SchemaTests {
    @Test("lists every bad field with its place and rule, sorted by place")
    func findings() {
        let schema = Schema.object([
            SchemaField("name", .string(min: 1, max: 3)), SchemaField("age", .integer(0...150)), SchemaField("kind", .choice(["a", "b"])),
            SchemaField("ok", .boolean), SchemaField("list", .array(.object([SchemaField("x", .integer(1...2))]), max: 2)),
            SchemaField("maybe", .nullable(.string(max: 1))), SchemaField("free", .map(.integer(0...1)), optional: true),
        ])
        let bad: JSONValue = [
            "name": "", "age": 151, "kind": "c", "ok": "yes", "list": [["x": 3], 4, ["x": 1, "y": 1]], "extra": 1, "free": ["k": 2],
        ]
        #expect(
            schema.check(bad).map { "\($0.place): \($0.rule)" } == [
                "age: must be a whole number from 0 to 150", "extra: is not a known field", "free.k: must be a whole number from 0 to 1",
                "kind: must be one of: a, b", "list: must have at most 2 entries", "maybe: is required", "name: must not be empty",
                "ok: must be true or false",
            ])
        #expect(
            schema.check(["name": "abcd", "age": 1, "kind": "a", "ok": true, "list": [["x": 3], 4], "maybe": nil]).map(\.place)
                == ["list[0].x", "list[1]", "name"])
        #expect(schema.check(["name": "äöü", "age": 0, "kind": "b", "ok": false, "list": [], "maybe": "x"]).isEmpty)
        #expect(schema.check([1]).map(\.place) == ["body"])
        #expect(
            schema.check(["name": "abc", "age": .double(1.5), "kind": "b", "ok": false, "list": [], "maybe": "x"]).map(\.place) == ["age"])
    }

    @Test("stops after a hundred findings")
    func bounded() {
        let members = Dictionary(uniqueKeysWithValues: (0..<5_000).map { ("k\($0)", JSONValue.null) })
        #expect(Schema.object([]).check(.object(members)).count == 100)
    }

    @Test(
        "judges formats",
        arguments: [
            (
                Schema.Format.email, ["a@b.co", "a.b+c'd@ex-ample.co.uk", "jörg@bücher.example"],
                [
                    "", "a", "@b.co", "a@", "a@b", "a@@b.co", "a b@c.de", "a..b@c.de", ".a@c.de", "a@-b.co", "a@b-.co", "a@b..co",
                    "a@b.co\n", "a@\u{202e}b.co.",
                ]
            ),
            (
                .uuid, ["018F1b2c-7a3b-7c4d-8e5f-0123456789ab"],
                ["", "018f1b2c7a3b7c4d8e5f0123456789ab", "018f1b2c-7a3b-7c4d-8e5f-0123456789ag", "{018f1b2c-7a3b-7c4d-8e5f-0123456789ab}"]
            ),
            (
                .dateTime, ["2026-10-02T12:00:00Z", "2026-10-02T12:00:00.5+02:00"],
                ["2026-10-02", "2026-13-02T12:00:00Z", "2026-10-02 12:00:00"]
            ),
            (.uri, ["https://a.b/c?d#e", "mailto:a@b.c"], ["", "a", "//a/b", "https:", "1ab:c", "http://a b", "http://a\"b"]),
            (.hex, ["", "00ff"], ["0G", "FF"]), (.token, ["", "a!~"], ["a b", "é", "\u{7f}"]),
        ] as [(Schema.Format, [String], [String])])
    func formats(format: Schema.Format, good: [String], bad: [String]) {
        let schema = Schema.string(max: 200, format: format)
        for text in good { #expect(schema.check(.string(text)).isEmpty, "\(text)") }
        for text in bad { #expect(!schema.check(.string(text)).isEmpty, "\(text)") }
    }
}

@Suite("Patterns")
struct PatternTests {
    @Test(
        "match as their expression says",
        arguments: [
            ("^[A-Z]{3}$", ["EUR"], ["EU", "EURO", "eur", ""]), ("^\\d{6}$", ["012345"], ["12345", "0123456", "01234x", "٠١٢٣٤٥"]),
            ("ab+c", ["abc", "xxabbbcyy"], ["ac", "ab", ""]),
            ("^(foo|bar)-?[0-9a-f]*$", ["foo", "bar-12af", "foo-"], ["baz", "foo--", "foo-g"]),
            ("^a{2,3}$", ["aa", "aaa"], ["a", "aaaa"]), ("^a{2,}$", ["aa", "aaaaa"], ["a"]),
            ("^[^\\s@]+@[^\\s@]+$", ["a@b"], ["a b@c", "@b", "a@"]),
            ("^\\$\\.[\\w-]+$", ["$.a-b_1"], ["$a", "x.a"]), ("^.$", ["é", "😀"], ["", "ab", "\n"]), ("^$", [""], ["a"]),
            ("", ["", "anything"], []),
            ("^[a\\-z]$", ["a", "-", "z"], ["b"]), ("^[a-]$", ["a", "-"], ["b"]), ("a|b", ["xa", "b"], ["c"]),
            ("^(?:a|b)c$", ["ac", "bc"], ["c"]), ("^[!-~]+$", ["a~!"], ["a b", ""]),
        ])
    func matches(expression: String, good: [String], bad: [String]) throws {
        let pattern = try #require(Pattern(expression))
        for text in good { #expect(pattern.matches(text), "\(expression) \(text)") }
        for text in bad { #expect(!pattern.matches(text), "\(expression) \(text)") }
    }

    @Test(
        "refuse what is not understood instead of guessing",
        arguments: [
            "(a", "a)", "[a", "a**", "a+?", "(?=a)", "(?<n>a)", "\\1", "\\bx", "a{3,1}", "a{", "^a|b$", "*a", "a^b", "(a{1000}){1000}",
            "\\p{L}",
        ])
    func refuses(expression: String) { #expect(Pattern(expression) == nil) }

    @Test("take time in proportion to the text, also where backtracking would never end")
    func linear() throws {
        let pattern = try #require(Pattern("^(a+)+$"))
        let text = String(repeating: "a", count: 5_000) + "b"
        #expect(!pattern.matches(text))
        #expect(pattern.matches(String(repeating: "a", count: 5_000)))
    }
}
