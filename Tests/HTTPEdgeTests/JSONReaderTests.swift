import Foundation
import Testing
import Vocabulary

@testable import HTTPEdge

@Suite("Reading JSON strictly")
struct JSONReaderTests {
    private static func deep(_ depth: Int) -> String { String(repeating: "[", count: depth) + String(repeating: "]", count: depth) }

    @Test(
        "accepts what RFC 8259 accepts",
        arguments: [
            ("null", JSONValue.null), (" \t\r\n true \n", true), ("false", false), ("0", 0), ("-0", 0), ("-1", -1),
            ("9223372036854775807", .int(.max)), ("-9223372036854775808", .int(.min)),
            ("9223372036854775808", .double(9_223_372_036_854_775_808)),
            ("18446744073709551616", .double(18_446_744_073_709_551_616)), ("1.5", .double(1.5)), ("1e2", .double(100)),
            ("1E+2", .double(100)),
            ("-1.25e-2", .double(-0.0125)), ("0.0", .double(0)), ("1e-400", .double(0)), ("\"\"", ""),
            ("\"a/\\/\\\\\\\"\\b\\f\\n\\r\\t\"", "a//\\\"\u{8}\u{c}\n\r\t"),
            ("\"\\u0041\\u00e9\\u20AC\"", "Aé€"), ("\"\\uD83D\\uDE00\"", "😀"), ("\"\u{7f}é😀\u{2028}\"", "\u{7f}é😀\u{2028}"),
            ("\"\\ufffe\"", "\u{fffe}"), ("[]", []),
            ("[1,[2],{}]", [1, [2], [:]]), ("{}", [:]), ("{\"a\":{\"b\":[null]},\"\":1}", ["a": ["b": [nil]], "": 1]),
            ("{ \"a\" : 1 , \"b\" : 2 }", ["a": 1, "b": 2]),
        ] as [(String, JSONValue)])
    func accepts(text: String, expected: JSONValue) throws { #expect(try JSONReader.read(Data(text.utf8)) == expected) }

    @Test(
        "refuses what RFC 8259 refuses, and what only confuses",
        arguments: [
            "", " ", "nul", "nulll", "True", "undefined", "NaN", "Infinity", "-Infinity", "-", "+1", "01", "-01", "00", ".5", "1.", "1.e1",
            "1e", "1e+", "0x10", "1 2",
            "1,", "[1,]", "[,1]", "[1 2]", "[", "]", "[1", "{", "}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}", "{a:1}", "{'a':1}",
            "{\"a\" 1}",
            "{\"a\":1 \"b\":2}", "{1:2}", "\"", "\"a", "\"\\\"", "\"\\x41\"", "\"\\u12\"", "\"\\u12G4\"", "\"\\", "\"a\nb\"", "\"a\tb\"",
            "\"\u{0}\"", "\"\\u0000\"", "\"\\uD800\"", "\"\\uD800x\"", "\"\\uDC00\"", "\"\\uD800\\uD800\"", "\"\\uD800\\u0041\"", "1e999",
            "-1e999",
            "{\"a\":1,\"a\":1}", "{\"a\":1,\"\\u0061\":2}", "{\"x\":{\"k\":1,\"k\":2}}", "\u{FEFF}{}", "// c\n1", "/* c */1", "[1]x",
            "{}{}", "\"a\"\"b\"", deep(33), deep(100_000),
            String(repeating: "{\"a\":", count: 33) + "1" + String(repeating: "}", count: 33), "1" + String(repeating: "0", count: 2_000),
        ])
    func refuses(text: String) { #expect(throws: JSONRefusal.self) { _ = try JSONReader.read(Data(text.utf8)) } }

    @Test(
        "refuses bytes that are not UTF-8, wherever they stand",
        arguments: [
            [0x22, 0xFF, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22], [0x22, 0xE2, 0x82, 0x22],
            [0x22, 0xF5, 0x80, 0x80, 0x80, 0x22],
            [0x22, 0x5C, 0x6E, 0x80, 0x22], [0x7B, 0x22, 0xFE, 0x22, 0x3A, 0x31, 0x7D], [0xFF, 0xFE, 0x7B, 0x00], [0x31, 0x00],
        ] as [[UInt8]])
    func refusesBytes(bytes: [UInt8]) { #expect(throws: JSONRefusal.self) { _ = try JSONReader.read(Data(bytes)) } }

    @Test("accepts 32 levels")
    func depth() throws {
        #expect(try JSONReader.read(Data(Self.deep(32).utf8)) == (0..<31).reduce(JSONValue.array([])) { inner, _ in .array([inner]) })
    }

    @Test("names the byte and the reason")
    func places() {
        #expect(throws: JSONRefusal(reason: "a key stands twice", position: 7)) { _ = try JSONReader.read(Data("{\"a\":1,\"a\":2}".utf8)) }
        #expect(throws: JSONRefusal(reason: "nested too deeply", position: 32)) { _ = try JSONReader.read(Data(Self.deep(40).utf8)) }
    }

    @Test("bounds the number of values")
    func bounded() {
        let many = "[" + String(repeating: "0,", count: 99_998) + "0]"
        #expect((try? JSONReader.read(Data(many.utf8)))?.array?.count == 99_999)
        #expect(throws: JSONRefusal.self) { _ = try JSONReader.read(Data(("[" + String(repeating: "0,", count: 100_000) + "0]").utf8)) }
    }

    @Test("mutilated documents are refused or read as the reference reads them, never trapped on")
    func mutilated() throws {
        let seed = Array(#"{"a":[1,-2.5e3,"x\u00e9\n",{"b":null,"c":[true,false]}],"d":"\uD83D\uDE00","e":12345678901234567890}"#.utf8)
        var state: UInt64 = 42
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        var accepted = 0
        for _ in 0..<5_000 {
            var bytes = seed
            for _ in 0..<(1 + random(3)) {
                switch random(3) {
                case 0: bytes[random(bytes.count)] = UInt8(random(256))
                case 1: bytes.remove(at: random(bytes.count))
                default: bytes.insert(bytes[random(bytes.count)], at: random(bytes.count))
                }
            }
            guard let ours = try? JSONReader.read(Data(bytes)) else { continue }
            accepted += 1
            let theirs = try JSONDecoder().decode(JSONValue.self, from: Data(bytes))
            #expect(Self.isSame(ours, theirs), "\(String(decoding: bytes, as: UTF8.self))")
        }
        #expect(accepted > 100)
    }

    /// The reference makes whole numbers of `1e2` and `1.0`.
    private static func isSame(_ left: JSONValue, _ right: JSONValue) -> Bool {
        switch (left, right) {
        case (.double(let one), .int(let other)): one == Double(other)
        case (.array(let one), .array(let other)): one.count == other.count && zip(one, other).allSatisfy(isSame)
        case (.object(let one), .object(let other)):
            one.count == other.count && one.allSatisfy { key, value in other[key].map { isSame(value, $0) } == true }
        default: left == right
        }
    }

    @Test("what is written is read back the same")
    func roundTrip() throws {
        let value: JSONValue = [
            "text": "a\"b\\c\u{1}\u{7f}\n€😀/", "numbers": [0, -5, .int(.min), .double(0.1), .double(1e300), .double(-2.5)],
            "nested": ["": [nil, true, [:], []]],
        ]
        #expect(try JSONReader.read(JSONWriter.data(value)) == value)
        #expect(String(decoding: JSONWriter.data(["b": 1, "a": ["\u{1f}"]]), as: UTF8.self) == "{\"a\":[\"\\u001f\"],\"b\":1}")
    }
}
