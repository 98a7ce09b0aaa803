import Foundation
import LuaPeer
import Testing

@testable import PolicyHost

/// Our string and table functions against Debian's own, on the same random questions: a script runs in both and what it says is compared.
@Suite("the library answers as Debian's does")
struct LibraryPeerTests {
    /// Room for a script that says much; what is compared is not the budgets.
    private static let wide: LuaLimits = {
        var limits = LuaLimits(
            fuel: .max / 2, cpu: .seconds(3_600), memoryBytes: 512 << 20, stringBytes: 64 << 20, allocationBytes: 1 << 40)
        limits.nodes = 10
        return limits
    }()

    private static func ours(_ script: String) -> String {
        PolicyThreads.runAndWait {
            do throws(LuaFault) {
                let state = try LuaState(Self.wide)
                return try state.run(try state.load(script), entry: "none").string ?? "no text"
            } catch {
                return "error: \(error.line): \(error.text)"
            }
        }
    }

    private static func theirs(_ script: String) -> String {
        guard let text = lua_peer_run(script, script.utf8.count) else { return "no memory" }
        defer { free(text) }
        return String(cString: text)
    }

    private static func compare(_ script: String, lines expected: Int) {
        let (ours, theirs) = (ours(script), theirs(script))
        if ours == theirs {
            #expect(ours.utf8.count { $0 == 10 } == expected)
            return
        }
        let pairs = zip(ours.split(separator: "\n"), theirs.split(separator: "\n"))
        let first = pairs.first { $0 != $1 } ?? (ours.suffix(200), theirs.suffix(200))
        Issue.record("ours   \(first.0)\ntheirs \(first.1)")
    }

    private static let prelude = """
        local state = SEED
        local function draw(n)
          state = state * 6364136223846793005 + 1442695040888963407
          return (state >> 33) % n + 1
        end
        local function pick(t) return t[draw(#t)] end
        local hex = {}
        for i = 0, 255 do hex[i] = string.format("%02x", i) end
        local function shown(v)
          if type(v) ~= "string" then return tostring(v) end
          local t = {}
          for i = 1, #v do t[i] = hex[v:byte(i)] end
          return "'" .. table.concat(t) .. "'"
        end
        local function run(f, ...)
          local r = table.pack(pcall(f, ...))
          if not r[1] then
            local e = tostring(r[2])
            return "!" .. (e:sub(1, 19) == "pattern too complex" and e:sub(1, 19) or e)
          end
          for i = 1, r.n do r[i] = shown(r[i]) end
          return table.concat(r, ",")
        end
        local out = {}

        """

    private static let patterns = """
        local items = { "a", "b", "1", " ", "-", "%", "(", ")", "[", "]", "^", "$", ".", "*", "+", "?", "%a", "%d", "%s", "%w", "%p", "%A", "%S",
          "%z", "%x", "%g", "%c", "%l", "%u", "%b()", "%bab", "%b", "%f[%w]", "%f[^a]", "%f", "%f[%z]", "[a-c]", "[^b]", "[%a1]", "[]]", "[^]a]",
          "[a-", "[%", "()", "(a)", "(.-)", "(a*(.)%w(%s*))", "%1", "%2", "%0", "%9", "%%", "%]", "%.", ".-", ".*", ".+", "a?", "[%w-]", "[a-%a]",
          "\\200", "[\\1-\\200]", "\\0", "[^\\0]", "(", ")", "(", ")" }
        local letters = { "a", "a", "a", "b", "b", "c", "1", " ", "(", ")", "-", "[", "]", "%", "^", "$", ".", "A", "\\0", "\\200", "\\n", "f" }
        local replacements = { "", "x", "%0", "%1", "%2", "%%", "%", "%x", "<%1%0>", "%0%0", 7, "%9" }
        local function text(t, most)
          local r = {}
          for i = 1, draw(most + 1) - 1 do r[i] = pick(t) end
          return table.concat(r)
        end
        local function all(s, p, init)
          local r = {}
          for a, b, c in s:gmatch(p, init) do
            r[#r + 1] = shown(a) .. shown(b) .. shown(c)
            if #r > 30 then break end
          end
          return table.concat(r, ";")
        end
        for i = 1, COUNT do
          local p, s = text(items, 5), text(letters, 12)
          if draw(4) == 1 then p = "^" .. p end
          if draw(4) == 1 then p = p .. "$" end
          local init, many = draw(19) - 8, draw(4) - 1
          local repl = pick(replacements)
          local kind = draw(4)
          if kind == 1 then repl = { a = "<a>", b = false, ab = 12, [""] = "-", ["1"] = "%1" }
          elseif kind == 2 then repl = function(a, b) if a == "a" then return nil end return (b or "") .. "!" end end
          out[#out + 1] = table.concat({ shown(p), shown(s), tostring(init), run(string.find, s, p, init),
            run(string.find, s, p, init, draw(6) == 1), run(string.match, s, p, init), run(all, s, p, init),
            run(string.gsub, s, p, repl, draw(3) > 1 and many or nil) }, " ")
        end
        return table.concat(out, "\\n") .. "\\n"
        """

    @Test("find, match, gmatch and gsub on 200,000 random patterns and subjects, errors included", arguments: 1...20)
    func patterns(seed: Int) {
        let script = (Self.prelude + Self.patterns).replacing("SEED", with: "\(seed)").replacing("COUNT", with: "10000")
        Self.compare(script, lines: 10_000)
    }

    private static let functions = """
        local numbers = { 0, 1, 2, 3, 5, 7, 40, -1, -2, -3, -40, 4.0, 2.5, math.maxinteger, math.mininteger, 1e300, -0.0 }
        local texts = { "", "a", "ab", "abc", "hello world", "0x10", "1e2", " 12 ", "\\0a\\0", "grün", "\\200\\201", "9223372036854775808", "1_0" }
        local specs = { "%d", "%5d", "%-5d|", "%05d", "%+d", "%x", "%X", "%#x", "%o", "%c", "%s", "%10s", "%-10s|", "%.2s", "%5.1s", "%f", "%.3f",
          "%10.2f", "%e", "%g", "%G", "%.14g", "%a", "%i", "%%", "%q", "%q", "%u", "%5", "%", "%y", "%.20s", "%.0f", "%100d", "%-#5x|", "% d",
          "% 5d", "%+.3e", "%.99f", "%5%", "%.3q", "%05s", "%#d" }
        local function list(most) local t = {} for i = 1, draw(most + 1) - 1 do t[i] = draw(9) end return t end
        local function flat(t, n) local r = {} for i = 1, n do r[i] = shown(t[i]) end return table.concat(r, " ") .. "#" .. #t end
        local function any() return draw(2) == 1 and pick(numbers) or pick(texts) end
        local calls = {
          function() return run(string.sub, pick(texts), pick(numbers), pick(numbers)) end,
          function() return run(string.byte, pick(texts), pick(numbers), pick(numbers)) end,
          function() return run(string.upper, pick(texts)) .. run(string.lower, pick(texts)) .. run(string.reverse, pick(texts)) end,
          function() return run(string.rep, pick(texts), draw(6) - 2, pick(texts)) end,
          function() return run(string.len, any()) end,
          function() return run(string.char, draw(258) - 2, draw(256) - 1) end,
          function() return run(string.format, "<" .. pick(specs) .. ">", any()) end,
          function() return run(string.format, pick(specs) .. pick(specs), any(), any()) end,
          function() return run(tonumber, any()) .. run(tonumber, pick(texts), draw(36) + 1) .. run(tonumber, pick(texts), draw(40)) end,
          function() return run(tostring, any()) .. run(math.tointeger, any()) .. run(math.type, any()) end,
          function() return run(table.concat, list(6), pick(texts), draw(9) - 3, draw(9) - 2) end,
          function() local t = list(6) return run(table.insert, t, draw(9) - 1, 99) .. flat(t, 9) end,
          function() local t = list(6) return run(table.insert, t, 99) .. run(table.remove, t, draw(9) - 1) .. run(table.remove, t) .. flat(t, 9) end,
          function() local t, u = list(6), list(6)
            return run(function() table.move(t, draw(7) - 2, draw(8) - 2, draw(7) - 2) end) .. flat(t, 12)
              .. run(function() table.move(t, draw(7), draw(8), draw(7), u) end) .. flat(u, 12) end,
          function() return run(table.unpack, list(6), draw(9) - 3, draw(9) - 3) end,
          function() return run(select, pick{ "#", 1, 2, -1, -2, 3 }, 1, nil, 3) end,
          function() local t = list(30) table.sort(t) local s = flat(t, 30) table.sort(t, function(a, b) return a > b end) return s .. flat(t, 30) end,
          function() return run(utf8.len, pick(texts), draw(5) - 2, draw(5) - 2) .. run(utf8.codepoint, pick(texts), draw(4) - 1, draw(4) - 1) end,
          function() return run(utf8.char, draw(70000)) .. run(utf8.offset, pick(texts), draw(5) - 2) end,
          function() return run(math.floor, any()) .. run(math.fmod, pick(numbers), pick(numbers)) .. run(math.ult, pick(numbers), pick(numbers)) end,
          function() return run(rawequal, any(), any()) .. run(rawlen, pick{ "abc", { 1, 2 }, 5 }) .. run(rawget, { 1 }, 1) end,
          function() return run(ipairs) .. run(next, {}) .. run(next, { 7 }) .. run(type) .. run(assert, false, "m") .. run(assert, nil) end,
        }
        for i = 1, COUNT do
          local kind = draw(#calls)
          -- Where a call fails, both do; what they say of it may differ.
          out[#out + 1] = kind .. " " .. calls[kind]():gsub("!.*", "!"):gsub("function.*", "function")
        end
        return table.concat(out, "\\n") .. "\\n"
        """

    @Test("every other function on 60,000 random arguments", arguments: 1...6)
    func functions(seed: Int) {
        let script = (Self.prelude + Self.functions).replacing("SEED", with: "\(seed)").replacing("COUNT", with: "10000")
        Self.compare(script, lines: 10_000)
    }
}
