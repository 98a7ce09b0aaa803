import HookEngine
import Testing

@testable import PolicyHost

@Suite("values over the boundary")
struct LuaBoundaryTests {
    private static func answer(_ source: String, seed: UInt64 = 0) throws(LuaFault) -> WireValue {
        let state = try LuaState(.decision)
        return try state.ask(try state.load("return { f = function(request) \(source) end }"), "f", seed: seed)
    }

    private static func text(_ source: String, seed: UInt64 = 0) throws -> String { try answer(source, seed: seed).string ?? "no text" }

    @Test("what goes in comes back the same")
    func roundTrip() throws {
        let tree = HookValue.object([
            ("a", .int(.min)), ("b", .int(.max)), ("c", .string("Grüße\n\"x\"")), ("d", .bool(false)),
            ("e", .list([.int(1), .object([("z", .bool(true))]), .string("")])), ("f", .object([])),
        ])
        let state = try LuaState(.decision)
        state.input.value(tree)
        let unit = try state.load("return { f = function(request) return request end }")
        #expect(try state.ask(unit, "f", seed: 0).plain == tree)
    }

    @Test(
        "what no answer may hold is refused with its place",
        arguments: [
            ("return { a = { 1, 1.5 } }", "a[2]: 1.5 is not a whole number"), ("return { a = 19.0 }", "a: 19.0 is not a whole number"),
            ("return 0/0", "nan is not a whole number"), ("return { a = { b = print or error } }", "a.b: a function is not accepted"),
            ("return { 'a', x = 1 }", "a table must have either names or 1, 2, 3 … as its keys"),
            ("return { [2] = 1 }", "a table must have either names or 1, 2, 3 … as its keys"),
            ("return { x = 'a\\0b' }", "x: a text with NUL is not accepted"), ("return 'a\\xff'", "a text must be valid UTF-8"),
            ("local t = {} t.t = t return t", "nested deeper than 16 (a table that contains itself?)"),
            ("return { ['a\\0b'] = 1 }", "a text with NUL is not accepted"),
        ])
    func refused(source: String, message: String) throws {
        let fault = #expect(throws: LuaFault.self) { try Self.answer(source) }
        #expect(fault?.kind == .error)
        #expect(fault?.message.hasSuffix(message) == true, "\(fault?.message ?? "no fault")")
    }

    @Test("nothing survives a call: globals, libraries, upvalues of the file")
    func fresh() throws {
        let state = try LuaState(.decision)
        let unit = try state.load(
            """
            local calls = 0
            return { f = function()
              calls = calls + 1; seen = (seen or 0) + 1; string.mark = (string.mark or 0) + 1
              return { calls, seen, string.mark }
            end }
            """)
        for _ in 0..<3 { #expect(try state.ask(unit, "f", seed: 0).plain == .list([.int(1), .int(1), .int(1)])) }
    }

    @Test("settings and data cannot be changed, by any way that Lua has")
    func readOnly() throws {
        let state = try LuaState(.decision)
        let unit = try state.load(
            """
            return { f = function(request, settings, data)
              local tries = { function() settings.a = 2 end, function() rawset(settings, "a", 2) end,
                function() table.insert(data.list, 4) end, function() table.sort(data.list) end, function() data.list[1] = 9 end,
                function() setmetatable(data.list, {}) end, function() table.move({ 1 }, 1, 1, 1, data.list) end }
              for i, try in ipairs(tries) do if pcall(try) then return "changed by " .. i end end
              local n, sum = 0, 0
              for k, v in pairs(data.list) do n = n + 1; sum = sum + v end
              return settings.a .. " " .. #data.list .. " " .. n .. " " .. sum .. " " .. type(settings) .. " " .. tostring(getmetatable(data))
                .. " " .. table.concat(data.list, "+") .. " " .. tostring(contains(data.list, 2))
            end }
            """)
        try state.bind(unit, settings: .object([("a", .int(1))]), data: .object([("list", .list([.int(1), .int(2), .int(3)]))]))
        for _ in 0..<2 { #expect(try state.ask(unit, "f", seed: 0).string == "1 3 3 6 table nil 1+2+3 true") }
    }

    @Test("pairs and next visit keys in one order, whatever the hashes are")
    func order() throws {
        let source = """
            local t = {}
            for _, k in ipairs{ "pear", "fig", "apple", "quince", "kiwi" } do t[k] = 1 end
            t[10] = 1 t[2] = 1 t[1] = 1 t[-3] = 1 t[1.5] = 1 t[true] = 1 t[false] = 1 t[0] = 1
            local a, b = {}, {}
            for k in pairs(t) do a[#a + 1] = tostring(k) end
            local k = next(t) while k ~= nil do b[#b + 1] = tostring(k) k = next(t, k) end
            return table.concat(a, " ") .. "|" .. table.concat(b, " ")
            """
        let order = "1 2 10 -3 0 1.5 apple fig kiwi pear quince false true"
        for _ in 0..<5 { #expect(try Self.text(source) == "\(order)|\(order)") }
    }

    @Test("the same seed draws the same numbers, another seed others")
    func random() throws {
        let source = "local t = {} for i = 1, 5 do t[i] = math.random(1, 1000) end return table.concat(t, ' ')"
        #expect(try Self.text(source, seed: 7) == (try Self.text(source, seed: 7)))
        #expect(try Self.text(source, seed: 7) != (try Self.text(source, seed: 8)))
        #expect(try Self.text("return tostring(math.random(5, 5))") == "5")
        #expect(try Self.text("local r = math.random() return tostring(r >= 0 and r < 1)") == "true")
    }

    @Test("the same call burns the same fuel in another state")
    func fuel() throws {
        let source =
            "return { f = function() local t = {} for i = 1, 3000 do t['k' .. i] = i end local n = 0 "
            + "for k in pairs(t) do n = n + 1 end table.sort(t) return n end }"
        let burnt = try (0..<3).map { _ in
            let state = try LuaState(.decision)
            _ = try state.ask(try state.load(source), "f", seed: 0)
            return state.fuel
        }
        #expect(burnt[0] > 10_000)
        #expect(Set(burnt).count == 1)
    }

    @Test("sorting is stable and takes the author's order")
    func sort() throws {
        let source = """
            local t = { { 2, "a" }, { 1, "b" }, { 2, "c" }, { 1, "d" }, { 2, "e" } }
            table.sort(t, function(x, y) return x[1] < y[1] end)
            local out = {}
            for i, v in ipairs(t) do out[i] = v[2] end
            local n = { 5, 3, 9, 1 } table.sort(n)
            local s = { "b", "B", "a" } table.sort(s)
            return table.concat(out) .. " " .. table.concat(n, ",") .. " " .. table.concat(s)
            """
        #expect(try Self.text(source) == "bdace 1,3,5,9 Bab")
    }

    @Test(
        "an error names the author's line, also where C raised it",
        arguments: [
            ("local x = nil\nreturn x.y", 2), ("\n\nerror('stop')", 3), ("\nlocal s = string.rep", 0),
            ("\nreturn ('x'):rep(1e9 // 1 | 0)", 2),
            ("local f = function()\n\n  error('deep', 2)\nend\nf()", 3), ("\nreturn deny('Not A Code')", 2), ("\nwhile true do end", 2),
        ])
    func lines(source: String, line: Int) throws {
        guard line > 0 else { return }
        let fault = #expect(throws: LuaFault.self) { try Self.answer(source) }
        #expect(fault?.line == line, "\(fault?.message ?? "")")
    }

    @Test("a killed state stays dead, whatever is asked of it")
    func dead() throws {
        let state = try LuaState(.decision)
        let spin = try state.load("return { f = function() while true do pcall(error) end end }")
        let fault = #expect(throws: LuaFault.self) { try state.ask(spin, "f", seed: 0) }
        #expect(fault?.kind == .cpu)
        let after = #expect(throws: LuaFault.self) { _ = try state.load("return 1") }
        #expect(after?.kind == .dead)
    }

    @Test("an ordinary error leaves the state usable and holds on to nothing")
    func errors() throws {
        let state = try LuaState(.decision)
        let unit = try state.load(
            "return { f = function(r) local t = {} for i = 1, 400 do t[i] = ('x'):rep(100) .. i end error('no') end }")
        _ = try? state.ask(unit, "f", seed: 0)
        let before = state.liveBytes
        for _ in 0..<300 { #expect(throws: LuaFault.self) { try state.ask(unit, "f", seed: 0) } }
        #expect(state.liveBytes < before + (1 << 20))
    }

    @Test("a call can be cancelled from another thread, before or while it runs")
    func cancel() async throws {
        let state = try LuaState(LuaLimits(fuel: .max / 2, cpu: .seconds(60)))
        let unit = try state.load("return { f = function() while true do end end }")
        async let stop: Void = Task.detached { state.cancel() }.value
        let fault = #expect(throws: LuaFault.self) { try state.ask(unit, "f", seed: 0) }
        await stop
        #expect(fault?.kind == .cancelled)
    }

    @Test("a misspelt name of the input is an error that lists the names; an absent optional one is nil")
    func shapes() throws {
        let state = try LuaState(.decision)
        try state.shape("request.user", ["id", "role"])
        let unit = try state.load("return { f = function(r) if r.id == nil then return r.rolle end return r.role end }")
        state.input.bytes.append([7, 0, 0, 0, 0, 11, 0, 0, 0, 0])
        state.input.string("owner")
        let fault = #expect(throws: LuaFault.self) { try state.ask(unit, "f", seed: 0) }
        #expect(fault?.message == "request.user has no field rolle; it has: id, role")
    }

    @Test("objects of the input are whole however they are read: by name, by pairs, by rawget, by answering them")
    func unread() throws {
        let state = try LuaState(.decision)
        try state.shape("request", ["id", "user", "place"])
        try state.shape("request.user", ["role", "team"])
        try state.shape("request.user.team", ["name"])
        try state.shape("request.place", ["x"])
        func ask(_ body: String) throws -> HookValue? {
            let unit = try state.load("return { f = function(r) \(body) end }")
            state.input.bytes.removeAll()
            func open(_ shape: Int) -> Int {
                state.input.tag(7)
                state.input.count(shape)
                state.input.count(0)
                return state.input.bytes.count
            }
            func close(_ start: Int) { state.input.bytes.replace(at: start - 4, UInt32(state.input.bytes.count - start)) }
            let request = open(0)
            state.input.int(1)
            let user = open(1)
            state.input.string("owner")
            let team = open(2)
            state.input.string("red")
            close(team)
            close(user)
            let place = open(3)
            state.input.int(7)
            close(place)
            close(request)
            return try state.ask(unit, "f", seed: 0).plain
        }
        #expect(try ask("return r.user.team.name .. r.place.x .. r.user.team.name") == .string("red7red"))
        #expect(
            try ask("local t = {} for k, v in pairs(r) do t[#t + 1] = k .. type(v) end return table.concat(t, ' ')")
                == .string("idnumber placetable usertable"))
        #expect(try ask("local n = 0 local k = next(r) while k do n = n + 1 k = next(r, k) end return n") == .int(3))
        #expect(try ask("return rawget(r, 'user').role") == .string("owner"))
        #expect(try ask("r.user.role = 'x' return r.user.role .. tostring(r.user == r.user)") == .string("xtrue"))
        let whole = HookValue.object([
            ("id", .int(1)), ("place", .object([("x", .int(7))])),
            ("user", .object([("role", .string("owner")), ("team", .object([("name", .string("red"))]))])),
        ])
        #expect(try ask("return r") == whole)
        #expect(try ask("return { r.user }") == .list([whole["user"] ?? .null]))
        let fault = #expect(throws: LuaFault.self) { _ = try ask("return r.user.team.nam") }
        #expect(fault?.message == "request.user.team has no field nam; it has: name")
    }

    @Test(
        "constructors say what they accept, at the author's line",
        arguments: [
            ("allow('x')", "wrong use, got string; write allow{ term = value }, or allow{} without terms"),
            ("deny('no', { retry = 5 })", "deny has no option retry; accepted: retry_after_seconds"),
            ("deny('no', { retry_after_seconds = 1.5 })", "retry_after_seconds is a whole number, 1 … 31536000"),
            ("plan{ 'mail' }", "item 1 of plan is a string; items are actions, like send_mail{ template = \"…\" }"),
            ("plan{ delegates = {} }", "plan has no option delegates; accepted: actions, and delegate = { names }"),
        ])
    func constructors(call: String, message: String) throws {
        let fault = #expect(throws: LuaFault.self) { try Self.answer("\nreturn \(call)") }
        #expect(fault?.message == message)
        #expect(fault?.line == 2)
    }
}
