import Foundation
import Testing
import Vocabulary

@testable import Signing

private func text(_ value: JSONValue) throws -> String { String(decoding: try CanonicalJSON.encode(value), as: UTF8.self) }
private func parse(_ text: String) throws(StrictJSON.Fault) -> JSONValue { try StrictJSON.parse(Array(text.utf8)) }

@Suite("Canonical JSON (RFC 8785)")
struct CanonicalJSONTests {
    @Test(
        "numbers are written as in appendix B",
        arguments: [
            (UInt64(0x0000_0000_0000_0000), "0"), (0x8000_0000_0000_0000, "0"), (0x0000_0000_0000_0001, "5e-324"),
            (0x8000_0000_0000_0001, "-5e-324"), (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
            (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"), (0x4340_0000_0000_0000, "9007199254740992"),
            (0xc340_0000_0000_0000, "-9007199254740992"), (0x4430_0000_0000_0000, "295147905179352830000"),
            (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"), (0x44b5_2d02_c7e1_4af6, "1e+23"),
            (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"), (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
            (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"), (0x444b_1ae4_d6e2_ef50, "1e+21"),
            (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"), (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
            (0x41b3_de43_5555_5553, "333333333.3333332"),
            (0x41b3_de43_5555_5554, "333333333.33333325"), (0x41b3_de43_5555_5555, "333333333.3333333"),
            (0x41b3_de43_5555_5556, "333333333.3333334"), (0x41b3_de43_5555_5557, "333333333.33333343"),
            (0xbecb_f647_612f_3696, "-0.0000033333333333333333"), (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
        ])
    func numbers(bits: UInt64, written: String) throws {
        #expect(try text(.double(Double(bitPattern: bits))) == written)
    }

    @Test("what has no canonical form is refused", arguments: [JSONValue.double(.nan), .double(.infinity), .int(1 << 53 + 1), .int(.min)])
    func refused(value: JSONValue) { #expect(throws: SigningFault.self) { try CanonicalJSON.encode([value]) } }

    @Test("integers up to 2^53 are written in full")
    func integers() throws {
        #expect(try text([0, -1, .int(1 << 53), .int(-(1 << 53))]) == "[0,-1,9007199254740992,-9007199254740992]")
    }

    @Test("members are sorted by UTF-16 code units, as in section 3.2.3")
    func sorting() throws {
        let value: JSONValue = [
            "\u{20ac}": "Euro Sign", "\r": "Carriage Return", "\u{fb33}": "Hebrew Letter Dalet With Dagesh", "1": "One",
            "\u{1f600}": "Emoji: Grinning Face", "\u{80}": "Control", "\u{f6}": "Latin Small Letter O With Diaeresis",
        ]
        let names = ["\\r", "1", "\u{80}", "\u{f6}", "\u{20ac}", "\u{1f600}", "\u{fb33}"]
        let written = try text(value)
        let places = try names.map { try #require(written.range(of: "\"\($0)\":")).lowerBound }
        #expect(places == places.sorted())
    }

    @Test("strings are written as in section 3.2.2")
    func strings() throws {
        let value: JSONValue = [
            "numbers": [
                .double(333_333_333.333_333_29), .double(1e30), .double(4.5), .double(2e-3), .double(0.000_000_000_000_000_000_000_000_001),
            ],
            "string": "\u{20ac}$\u{f}\nA'B\"\\\\\"/", "literals": [nil, true, false],
        ]
        #expect(
            try text(value)
                == #"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#)
    }

    @Test("what was written reads back the same, and is written the same again")
    func roundTrip() throws {
        let value: JSONValue = ["a": [1, .double(0.5), "\u{2028}\u{0}\u{7f}", ["z": nil, "é": false]], "": [:]]
        let written = try CanonicalJSON.encode(value)
        #expect(try StrictJSON.parse(written) == value)
        #expect(try CanonicalJSON.encode(try StrictJSON.parse(written)) == written)
    }

    @Test("two kinds of message never have the same bytes, nor those of a seat answer")
    func typed() throws {
        let body: JSONValue = ["a": 1]
        let license = try TypedMessage(.licenseFile, json: body).bytes
        let checkpoint = try TypedMessage(.journalCheckpoint, json: body).bytes
        #expect(license != checkpoint)
        #expect(license == Array("coditect:license-file.v1\u{0}{\"a\":1}".utf8))
        #expect(PythonJSON.dumps([:]).utf8.first != license.first)
    }
}

@Suite("What Python's json.dumps prints")
struct PythonJSONTests {
    @Test("keys sorted, one space after colon and comma, as clients in the field verify it")
    func format() {
        #expect(
            PythonJSON.dumps(["session_id": "s", "expires_at": "2026-11-21T09:30:00Z", "license_id": "l"])
                == #"{"expires_at": "2026-11-21T09:30:00Z", "license_id": "l", "session_id": "s"}"#)
        #expect(PythonJSON.dumps([:]) == "{}")
    }

    @Test("everything but printable ASCII is escaped, beyond the basic plane as a surrogate pair")
    func escapes() {
        #expect(
            PythonJSON.dumps(["é": "\u{1f600}\u{7f}\"\\\n\r\t\u{8}\u{c}\u{0}/"])
                == #"{"\u00e9": "\ud83d\ude00\u007f\"\\\n\r\t\b\f\u0000/"}"#)
    }

    @Test("keys are sorted by code points, not by UTF-16")
    func sorting() {
        #expect(PythonJSON.dumps(["\u{1f600}": "a", "\u{fb33}": "b"]) == #"{"\ufb33": "b", "\ud83d\ude00": "a"}"#)
    }

    @Test("Debian's Python prints the same for every scalar value and many mixtures", .enabled(if: Peers.python, "needs /usr/bin/python3"))
    func peer() throws {
        var samples: [[String: String]] = []
        var scalars: [Unicode.Scalar] = (0...0x2fff).compactMap { Unicode.Scalar(UInt32($0)) }
        scalars += (0xd000...0x10ffff).lazy.filter { $0 % 31 == 0 || $0 > 0x10fff0 }.compactMap { Unicode.Scalar(UInt32($0)) }
        for start in stride(from: 0, to: scalars.count, by: 64) {
            var sample: [String: String] = [:]
            for scalar in scalars[start..<min(start + 64, scalars.count)] { sample["k\(scalar)", default: ""] += "\(scalar)x" }
            samples.append(sample)
        }
        let input = try JSONEncoder().encode(samples)
        let output = try Peers.python(
            "import json,sys\nfor o in json.load(sys.stdin.buffer): print(json.dumps(o, sort_keys=True))", input: input)
        let lines = output.split(separator: "\n").map(String.init)
        #expect(lines.count == samples.count)
        for (line, sample) in zip(lines, samples) { #expect(line == PythonJSON.dumps(sample)) }
    }
}

@Suite("Strict JSON")
struct StrictJSONTests {
    @Test(
        "whatever is not one plain JSON value is refused",
        arguments: [
            "", " ", "{", "[1,]", "{\"a\":1,}", "{a:1}", "01", "1.", ".5", "+1", "1e", "- 1", "nul", "tru", "\"", "\"\u{1}\"", "\"\\x\"",
            "\"\\u12\"", "1 2", "[1] []", "NaN", "Infinity", "1e999", "'a'", "\u{feff}1", "{\"a\" 1}", "[1 2]", "//\n1",
        ])
    func refused(text: String) { #expect(throws: StrictJSON.Fault.self) { try parse(text) } }

    @Test(
        "a repeated member is refused, also when spelt otherwise",
        arguments: [#"{"a":1,"a":1}"#, #"{"a":1,"\u0061":2}"#, #"[{"b":{"c":1,"c":1}}]"#])
    func repeated(text: String) { #expect(throws: StrictJSON.Fault.repeatedMember) { try parse(text) } }

    @Test("lone surrogates and broken UTF-8 are refused")
    func unicode() {
        for text in [#""\ud800""#, #""\udc00""#, #""\ud800\u0041""#, #""\ud800x""#] {
            #expect(throws: StrictJSON.Fault.notUnicode) { try parse(text) }
        }
        for raw: [UInt8] in [[0x22, 0xff, 0x22], [0x22, 0xc0, 0x80, 0x22], [0x22, 0xed, 0xa0, 0x80, 0x22]] {
            #expect(throws: StrictJSON.Fault.notUnicode) { try StrictJSON.parse(raw) }
        }
    }

    @Test("depth and size are bounded")
    func bounds() throws {
        let deep = String(repeating: "[", count: 16) + String(repeating: "]", count: 16)
        #expect(throws: Never.self) { try parse(deep) }
        #expect(throws: StrictJSON.Fault.tooDeep) { try parse("[" + deep + "]") }
        #expect(throws: StrictJSON.Fault.tooLarge) { try StrictJSON.parse([0x31, 0x31], maxBytes: 1) }
    }

    @Test("values are read as they are meant")
    func values() throws {
        #expect(
            try parse(#" {"a": [1, -0, 9223372036854775807, 1.5, 1e2], "b": "\ud83d\ude00\/\b", "c": [true, false, null]} "#)
                == [
                    "a": [1, 0, .int(.max), .double(1.5), .double(100)], "b": "\u{1f600}/\u{8}", "c": [true, false, nil],
                ])
    }
}
