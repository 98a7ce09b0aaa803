import Foundation
import Testing

@testable import PolicyHost

@Suite("Lua is read as Lua reads it")
struct SyntaxTests {
    /// Whether Debian's compiler takes the text.
    private static func compiles(_ source: String) -> Bool {
        guard let state = try? LuaState(.description), (try? state.actions([LuaInstrument.report])) != nil else { return false }
        return (try? state.load(source)) != nil
    }

    private static let snippets = [
        "local a <const>, b <close> = 1, nil; ;; return a", "goto done; do local x = 1 end ::done::",
        "return -2 ^ -3, not nil == false, #'x' .. 'y'",
        "local t = { 1, x = 2, [3] = 4; 'five', f = function(...) return ... end, } return t.x, t[1], t:f(1)",
        "for i = 1, 10, 2 do if i > 3 then break end end for k, v in pairs{} do end", "local s = [==[\n]] ]=] ]==] --[[ c\n ]] return s",
        "while true do repeat local x = 1 until x == 1 break end",
        "local function f(a, ...) return f(...) end function g() end local t = {} function t.a.b:c() end",
        "return 0x1F, 3 // 2, 1 << 2 | 3 ~ 4 & 5 >> 1, 'a\\z\n  b', \"\\u{48}\", 1e3, 0x1p4, .5, 3.",
        "f'x' f{1} f(2)(3)[4].x = 5; (f or g)()",
        "local a = a.b.c; a.b, a[1] = 1, 2 return", "if a then elseif b then else end return (...)", "return 1 < 2 == true and 3 or 4",
    ]

    @Test("what the compiler takes is parsed, and stays what it is with probes in it", arguments: snippets)
    func parses(_ source: String) throws {
        #expect(Self.compiles(source))
        let tree = try LuaParser.parse(source)
        for once in [true, false] {
            let probed = LuaInstrument(tree, once: once).source
            #expect(Self.compiles(probed), "\(probed)")
            #expect(probed.count { $0 == "\n" } == source.count { $0 == "\n" }, "lines stay where they are")
        }
    }

    @Test("the shipped policies and the attacks are parsed where the compiler takes them")
    func files() throws {
        var seen = 0
        for root in [Checkout.policies, Checkout.ownAttacks] {
            for case let file as URL in FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil) ?? .init() {
                guard file.pathExtension == "lua", let source = try? String(contentsOf: file, encoding: .utf8), Self.compiles(source) else {
                    continue
                }
                seen += 1
                do {
                    let tree = try LuaParser.parse(source)
                    #expect(Self.compiles(LuaInstrument(tree, once: true).source), "\(file.lastPathComponent)")
                } catch { Issue.record("\(file.lastPathComponent):\(error.line): \(error.message)") }
            }
        }
        #expect(seen > 20)
    }

    @Test(
        "what the compiler refuses is refused with its line",
        arguments: [("return {\n x = = 1 }", 2), ("x = 'a\nb'", 1), ("if x", 1), ("\n[[", 2)])
    func refuses(_ source: String, _ line: Int) {
        #expect(!Self.compiles(source))
        let fault = #expect(throws: LuaLexer.Fault.self) { try LuaParser.parse(source) }
        #expect(fault?.line == line)
    }

    @Test("a tree is no higher than a stack can bear")
    func height() {
        for source in [
            "return 1" + String(repeating: " + 1", count: 50_000), "return " + String(repeating: "(", count: 5_000),
            "return a" + String(repeating: ".b", count: 50_000), "return " + String(repeating: "{", count: 5_000),
            String(repeating: "do ", count: 5_000),
        ] { #expect(throws: LuaLexer.Fault.self) { try LuaParser.parse(source) } }
    }
}
