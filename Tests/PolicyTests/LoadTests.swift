import Foundation
import HookEngine
import PolicyHost
import Testing

@Suite("a policy directory becomes a set, or says why not")
struct LoadTests {
    private static let good = "return { id = \"x.y\", api = 1, on_seat_request = function(request) return allow{} end }"

    @Test("a good directory loads and names itself by its contents and settings")
    func loads() throws {
        let folder = try PolicyFolder.single(Self.good)
        let engine = folder.engine()
        let first = try engine.load()
        #expect(first.hex.count == 64)
        #expect(try engine.load() == first)
        try folder.write("x/y/policy.lua", Self.good + " -- changed")
        #expect(try engine.load() != first)
    }

    @Test(
        "every mistake in a policy is blamed on its line and lists what is accepted",
        arguments: [
            (
                "return {\n  id = \"x.y\", api = 1,\n  on_seat_reqest = function() end,\n}", 3,
                "on_seat_reqest is not a field of a policy; did you mean on_seat_request? accepted are: id, api, summary, settings, data, on_payment, on_role_check, on_seat_request, on_signup"
            ),
            (
                "return {\n  id = \"x.y\",\n  api = 2, on_signup = function() end,\n}", 3,
                "api must be 1, the version of the policy interface that this server speaks"
            ),
            (
                "return {\n  id = \"X Y\", api = 1, on_signup = function() end }", 2,
                "id must be a text of a-z, 0-9, . - and _, like \"seats.contractor-hours\""
            ),
            (
                "return {\n  id = \"x.y\", api = 1 }", 1,
                "answers no hook; accepted are: on_payment, on_role_check, on_seat_request, on_signup"
            ),
            (
                "return {\n  id = \"x.y\", api = 1,\n  on_signup = true }", 3,
                "on_signup is true or false; a hook is a function(request, settings, data)"
            ),
            (
                "return {\n  id = \"x.y\", api = 1, on_signup = function() end\n  data = {} }", 3,
                "'}' expected (to close '{' at line 1) near 'data'; is a comma missing before it?"
            ),
            ("local x = nil\nlocal y = x.z\nreturn {}", 2, "attempt to index a nil value (local 'x'); \(maybe)"),
            ("return 7", 1, "returns a whole number; a policy returns one table: return { id = …, api = 1, on_… = function … }"),
            (
                "return { id = \"x.y\", api = 1, on_signup = function() end,\n  settings = {\n    n = { type = \"integer\", default = 1.5 } } }",
                3, "settings.n.default: 1.5 is not a whole number; \(whole)"
            ),
            (
                "return { id = \"x.y\", api = 1, on_signup = function() end,\n  settings = {\n    n = { type = \"number\" } } }", 3,
                "setting n: type must be one of integer, string, boolean, choice"
            ),
            (
                "return { id = \"x.y\", api = 1, on_signup = function() end,\n  settings = {\n    n = { type = \"integer\",\n min = 0, max = 5, default = 9 } } }",
                4, "setting n: default is 9; accepted is a whole number, 0 … 5"
            ),
            (
                "return { id = \"x.y\", api = 1, on_signup = function() end,\n  settings = {\n    n = { type = \"choice\", defualt = 1 } } }",
                3, "setting n: defualt is not a field here; accepted are: type, default, min, max, values, summary"
            ),
            (
                "return { id = \"x.y\", api = 1, on_signup = function() end,\n  data = { \"tires\" } }", 2,
                "there is no data \"tires\"; accepted are: nothing: this server has no data files"
            ),
            ("while true do end", 1, "ran out of its budget of instructions; does every loop end? A decision has 100,000 instructions"),
        ])
    func policyMistakes(body: String, line: Int, message: String) throws {
        let place = line > 0 ? ":\(line)" : ""
        #expect(try PolicyFolder.single(body).findings().first == "policies/x/y/policy.lua\(place): \(message)")
    }

    @Test(
        "every mistake in the written order is blamed on its line",
        arguments: [
            ("return {\n  plattform = {} }", ":2: plattform is not a layer; accepted are: platform, tier"),
            (
                "return { platform = {\n  { \"x/y\", settings = { n = 1 } },\n  \"x/z\" } }",
                ":3: there is no policy x/z; did you mean x/y? there are: x/y"
            ),
            ("return { platform = {\n  { \"x/y\", setting = {} } } }", ":2: setting is not a field here; accepted is: settings"),
            (
                "return { platform = {\n  { \"x/y\", settings = {\n    n = \"five\" } } } }",
                ":3: setting n: is \"five\"; accepted is a whole number, 0 … 5"
            ),
            ("return { platform = {\n  { \"x/y\", settings = { m = 1 } } } }", ":2: x.y has no setting m; accepted are: n"),
            ("return { platform = {\n  { \"x/y\" } } }", ":2: x.y needs the setting n: a whole number, 0 … 5"),
            (
                "return { platform = \"x/y\" }",
                ":1: platform is a text; accepted is a list of \"feature/rule\" and { \"feature/rule\", settings = { … } }"
            ),
            ("return 1", ": returns a whole number; accepted is a table with platform, tier"),
            (
                "return { platform = {\n  { \"x/y\", settings = { n = 2.5 } } } }",
                ":2: platform[1].settings.n: 2.5 is not a whole number; \(whole)"
            ),
        ])
    func orderMistakes(order: String, message: String) throws {
        let body =
            "return { id = \"x.y\", api = 1, settings = { n = { type = \"integer\", min = 0, max = 5 } }, on_signup = function() end }"
        #expect(try PolicyFolder.single(body, order: order).findings().first == "policies/init.lua\(message)")
    }

    @Test("a directory without an order, two policies of one id, and a text that is no UTF-8 are refused")
    func wholes() throws {
        #expect(try PolicyFolder([:]).findings().first?.hasPrefix("policies/init.lua: is missing; it returns") == true)
        let folder = try PolicyFolder([
            "init.lua": "return { platform = { \"x/y\", \"x/z\" } }", "x/y/policy.lua": Self.good, "x/z/policy.lua": Self.good,
        ])
        #expect(folder.findings() == ["policies/x/z/policy.lua:1: the id x.y is taken by x/y/policy.lua; an id names one policy"])
        try Data([0x2d, 0x2d, 0xff]).write(to: folder.url.appending(path: "x/y/policy.lua"))
        #expect(
            folder.findings().first == "policies/x/y/policy.lua:1: is not UTF-8: the byte 0xff is no letter there; save the file as UTF-8")
    }

    @Test("a policy that no layer names is checked all the same")
    func unnamed() throws {
        let folder = try PolicyFolder.single("syntax error here", order: "return { platform = {} }")
        #expect(folder.findings() == ["policies/x/y/policy.lua:1: syntax error near 'error'"])
    }

    /// What would be right, at the end of a message.
    private static let whole = "answers take whole numbers only: money in minor units, ratios in basis points; write // to divide"
    private static let maybe = "what may be absent is nil: ask for it first, like request.subscription and request.subscription.tier"

    private static let tiers = DataFile(
        "tiers",
        fields: [
            HookField(
                "tiers",
                .list(
                    .object([
                        HookField("id", .string, ""), HookField("seats_per_unit", .integer, "", range: 1...1_000),
                        HookField("prices", .map(.object([HookField("amount_minor", .integer, "")])), "", optional: true),
                    ])), "")
        ], tiers: { $0["tiers"]?.list?.compactMap { $0["id"]?.string } ?? [] },
        check: { value in value["tiers"]?.list?.count == 1 ? ["tiers.pro.seats_per_unit: one tier is not enough"] : [] })

    @Test(
        "every mistake in a data file is blamed on its line, fractions of money too",
        arguments: [
            (
                "return { tiers = {\n  { id = \"pro\", seats_per_unit = 1, prices = { month = {\n    amount_minor = 19.0 } } } } }",
                ":3: tiers[1].prices.month.amount_minor: 19.0 is not a whole number; \(whole)"
            ),
            (
                "return { tiers = {\n  { id = \"pro\",\n seats_per_unit = \"many\" }, {} } }",
                ":3: tiers[1].seats_per_unit: is \"many\"; accepted is a whole number, 1 … 1000"
            ),
            (
                "return { tiers = {\n  { id = \"pro\", seats_per_unit = 1, colour = 1 } } }",
                ":2: tiers[1].colour: is not a field here; accepted are: id, seats_per_unit, prices"
            ),
            ("return { tiers = {\n  { id = \"pro\",\n    seats_per_unit = 1 } } }", ":3: tiers.pro.seats_per_unit: one tier is not enough"),
            ("return { tiers = {} , f = function() end }", ": must return one table of plain values, without functions"),
            ("return nil", ": must return one table of plain values, without functions"),
        ])
    func dataMistakes(text: String, message: String) throws {
        let folder = try PolicyFolder.single(Self.good)
        try folder.write("tiers.lua", text)
        #expect(folder.findings(data: [Self.tiers]).first == "policies/tiers.lua\(message)")
    }

    @Test("an order for a tier that does not exist is refused")
    func unknownTier() throws {
        let folder = try PolicyFolder.single(Self.good, order: "return { platform = {},\n  tier = { prp = { \"x/y\" } } }")
        try folder.write("tiers.lua", "return { tiers = { { id = \"pro\", seats_per_unit = 1 }, { id = \"team\", seats_per_unit = 1 } } }")
        #expect(folder.findings(data: [Self.tiers]) == ["policies/init.lua:2: there is no tier prp; there are: pro, team"])
    }

    @Test("a policy's own test that fails keeps its set from going live, with the row's line")
    func ownTests() throws {
        let folder = try PolicyFolder.single(Self.good)
        let input =
            "{ user = { id = \"u\", role = \"r\" }, device = { id = \"d\" }, "
            + "license = { id = \"l\", tier = \"t\", status = \"s\", seats = 1, seats_used = 0 } }"
        try folder.write(
            "x/y/policy_test.lua",
            "return {\n  { name = \"is refused\", hook = \"on_seat_request\", input = \(input), expect = { outcome = \"deny\" } },\n"
                + "  { name = \"is granted\", hook = \"on_seat_request\", input = \(input), expect = { outcome = \"allow\" } },\n"
                + "  { name = \"has terms\", hook = \"on_seat_request\", input = \(input), "
                + "expect = { outcome = \"allow\", terms = { overdraft_seats = 1 } } },\n"
                + "  { name = \"asks too little\", hook = \"on_seat_request\", input = { user = {} }, expect = { outcome = \"allow\" } },\n"
                + "  { name = \"asks another\", hook = \"on_signup\", input = \(input), expect = { outcome = \"allow\" } },\n}")
        #expect(
            folder.findings() == [
                "policies/x/y/policy_test.lua:2: is refused: expected deny, got allow{} at x/y/policy.lua:1",
                "policies/x/y/policy_test.lua:4: has terms: expected the terms {overdraft_seats = 1}, got allow{} at x/y/policy.lua:1",
                "policies/x/y/policy_test.lua:5: asks too little: input: user.id: is missing; accepted is a text",
                "policies/x/y/policy_test.lua:6: asks another: hook must be one that the policy answers: on_seat_request",
            ])
        #expect(throws: PolicyRefusal.self) { try folder.engine().load() }
        let (results, _) = PolicyEngine.test(directory: folder.url, definitions: Hooked.all)
        #expect(results.filter(\.passed).map(\.name) == ["is granted"])
    }

    @Test("the shipped policies load and all of their tests pass")
    func shipped() throws {
        let (results, findings) = PolicyEngine.test(directory: Checkout.policies, definitions: Hooked.shipped, data: Hooked.data)
        #expect(findings.map(\.description) == [])
        #expect(results.filter { !$0.passed } == [])
        #expect(results.count > 80)
    }

    @Test("the example and the test of the README are real")
    func readme() throws {
        let text = try String(contentsOf: Checkout.policies.appending(path: "README.md"), encoding: .utf8)
        let blocks = text.components(separatedBy: "```lua\n").dropFirst().map { String($0.components(separatedBy: "```")[0]) }
        let folder = try PolicyFolder([
            "init.lua": "return { platform = { { \"seats/contractor-hours\", settings = { from_hour = 9 } } } }", "roles.lua": "return {}",
            "seats/contractor-hours/policy.lua": blocks[0], "seats/contractor-hours/policy_test.lua": blocks[1],
        ])
        let (results, findings) = PolicyEngine.test(directory: folder.url, definitions: Hooked.all, data: [DataFile("roles")])
        #expect(findings.map(\.description) == [])
        #expect(results.map(\.message) == [""])
    }

    @Test("the shipped tiers have the prices and seats that were promised")
    func tiers() throws {
        let engine = PolicyEngine(
            definitions: Hooked.shipped, directory: Checkout.policies, sink: MemorySink(), entropy: CountingEntropy(), clock: StillClock(),
            data: Hooked.data)
        try engine.load()
        let tiers = engine.data("tiers")?["tiers"]?.list ?? []
        let rows = tiers.map { tier -> String in
            let prices = ["month", "year"].map { tier["prices"]?[$0]?["amount_minor"]?.int.map(String.init) ?? "–" }
            let devices = tier["devices"].map { $0.int.map(String.init) ?? "unlimited" } ?? "\(tier["devices_per_seat"]?.int ?? 0) a seat"
            return "\(tier["id"]?.string ?? "?") \(prices[0]) \(prices[1]) seats \(tier["seats_per_unit"]?.int ?? 0) devices \(devices)"
        }
        #expect(
            rows == [
                "free 0 – seats 1 devices 1", "pilot_starter 1900 19000 seats 1 devices 1",
                "pilot_professional 4900 49000 seats 3 devices 3",
                "pro 9900 99000 seats 50 devices 100", "team 2900 – seats 1 devices 2 a seat", "enterprise – – seats 500 devices unlimited",
            ])
    }
}
