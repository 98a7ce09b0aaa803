import Foundation
import HookEngine
import Testing

@testable import PolicyHost

/// What authors do wrong, in `Tests/Fixtures/policy-mistakes.txt`: each with what must be said of it.
@Suite("every mistake is told with file, line, what was wrong and what would be right")
struct MistakeTests {
    struct Mistake: CustomTestStringConvertible, Sendable {
        let name: String
        var says: [String] = []
        var files: [(path: String, lines: [String])] = []
        var testDescription: String { name }
    }

    static let all: [Mistake] = {
        let file = Checkout.root.appending(path: "Tests/Fixtures/policy-mistakes.txt")
        var found: [Mistake] = []
        for line in ((try? String(contentsOf: file, encoding: .utf8)) ?? "").components(separatedBy: "\n") {
            if line.hasPrefix("=== ") {
                found.append(Mistake(name: String(line.dropFirst(4))))
            } else if found.isEmpty {
                continue
            } else if line.hasPrefix("says "), found[found.count - 1].files.isEmpty {
                found[found.count - 1].says.append(String(line.dropFirst(5)))
            } else if line.hasPrefix("--- ") {
                found[found.count - 1].files.append((String(line.dropFirst(4)), []))
            } else if !found[found.count - 1].files.isEmpty {
                found[found.count - 1].files[found[found.count - 1].files.count - 1].lines.append(line)
            }
        }
        return found
    }()

    /// The first finding, and the first likely mistake that is not a missing test.
    private static func said(_ folder: PolicyFolder) -> [String] {
        let lints =
            (try? PolicyWorkbench(directory: folder.url, definitions: Hooked.all))?.lints(label: "policies").map(\.description) ?? []
        return Array(folder.findings().prefix(1)) + Array(lints.filter { !$0.contains("has no policy_test.lua") }.prefix(1))
    }

    @Test("each of the fixtures is answered as it says", arguments: all)
    func fixtures(mistake: Mistake) throws {
        var files = ["init.lua": "return { platform = { 'x/y' }, tier = {} }"]
        for (path, lines) in mistake.files { files[path] = lines.joined(separator: "\n") }
        let said = Self.said(try PolicyFolder(files))
        #expect(Array(said.prefix(mistake.says.count)) == mistake.says)
    }

    @Test("there are many, each says something, and nothing is said without a file; where the fault stands on a line, with it")
    func table() {
        #expect(Self.all.count > 120)
        #expect(Set(Self.all.map(\.name)).count == Self.all.count)
        for mistake in Self.all {
            #expect(!mistake.says.isEmpty && !mistake.files.isEmpty, "\(mistake.name)")
            for line in mistake.says {
                let hasLine = line.contains(#/^policies\/[a-z_\/]+\.lua:[0-9]+: ./#) || line.contains("is asked 2 times")
                #expect(hasLine, "\(mistake.name): \(line)")
            }
        }
    }

    private static let good = "return {\n id = 'x.y', api = 1,\n on_seat_request = function(request)\n  return request.nope end }\n"

    private static let unread = "x/y/policy.lua:4: request.nope is not there; on_seat_request gives: user, device, license, now"
    private static let long = String(repeating: "-- x\n", count: 60_000)
    private static let deep: String =
        "return { id = 'x.y', api = 1,\n on_seat_request = function() return " + String(repeating: "(", count: 250) + "1"
        + String(repeating: ")", count: 250) + " end }"

    struct Bytes: Sendable {
        let content: Data
        let says: String
        init(_ content: Data, _ says: String) {
            self.content = content
            self.says = says
        }
        init(_ text: String, _ says: String) { self.init(Data(text.utf8), says) }
    }
    static let bytes: [Bytes] = [
        Bytes("\u{FEFF}" + good, unread),
        Bytes(good.replacingOccurrences(of: "\n", with: "\r\n"), unread),
        Bytes(good.replacingOccurrences(of: "\n", with: "\r"), unread),
        Bytes(good.data(using: .utf16) ?? Data(), "x/y/policy.lua:1: is UTF-16; save it as UTF-8"),
        Bytes(
            Data("return {\n -- gr".utf8) + Data([0xfc, 0x0a]),
            "x/y/policy.lua:2: is not UTF-8: the byte 0xfc is no letter there; save the file as UTF-8"),
        Bytes(Data([0x1b, 0x4c, 0x75, 0x61, 0x54, 0x00]), "x/y/policy.lua:1: is compiled Lua; a policy is its text"),
        Bytes(
            "return {\n id = 'x.y', \0 api = 1 }",
            "x/y/policy.lua:2: unexpected symbol; U+0000 is no sign of Lua outside a text or a comment"),
        Bytes(
            "return {\n id = “x.y” }", "x/y/policy.lua:2: unexpected symbol near '<\\226>'; U+201C is a typographic quote; write \" or '"),
        Bytes(
            "return {\n id = 'x.y',\u{A0}api = 1 }",
            "x/y/policy.lua:2: unexpected symbol near '<\\194>'; U+00A0 is a blank that Lua does not know; write a plain one"),
        Bytes(long, "x/y/policy.lua: is longer than 262144 bytes; a policy file is at most that long"),
        Bytes(deep, "x/y/policy.lua:2: C stack overflow; it is nested too deeply: at most 190 brackets and blocks within each other"),
    ]

    @Test(
        "what an editor or a copy did to the bytes is told as such, and lines are counted as the author's editor counts them",
        arguments: bytes)
    func encodings(bytes: Bytes) throws {
        let folder = try PolicyFolder.single("")
        try bytes.content.write(to: folder.url.appending(path: "x/y/policy.lua"))
        #expect(folder.findings() == ["policies/\(bytes.says)"])
    }
}
