import Foundation
import HookEngine
import Testing

@testable import PolicyHost

/// What a new version means to a policy: changes are planted in the hooks, uses in a policy, and exactly those lines must come.
@Suite("changes of hooks and the lines that they break")
struct ChangesTests {
    private static let base = HookCatalogue(version: "1", hooks: Hooked.all + [extra], given: PolicyEngine.givenNames)
    private static let extra = HookDefinition(
        "on_extra", kind: .decide, summary: "More.",
        input: [
            HookField("user", .object([HookField("role", .string, "Role"), HookField("name", .string, "Name", optional: true)]), "Who"),
            HookField("mode", .choice(["slow", "fast"]), "How"), HookField("count", .integer, "How many", range: 0...10),
        ], terms: [HookField("limit", .integer, "Most", optional: true, tight: .lowest, range: 0...100)], whenAllAbstain: .allow)

    /// The base with one hook made anew.
    private static func changed(_ name: String, given: [String] = PolicyEngine.givenNames, _ edit: (HookDefinition) -> HookDefinition?)
        -> HookCatalogue
    {
        HookCatalogue(version: "2", hooks: base.hooks.compactMap { $0.name == name ? edit($0) : $0 }, given: given)
    }
    private static func redefined(
        _ hook: HookDefinition, input: [HookField]? = nil, terms: [HookField]? = nil, actions: [HookAction]? = nil,
        kind: HookDefinition.Kind? = nil, asked: Bool? = nil, open: Bool? = nil
    ) -> HookDefinition {
        HookDefinition(
            hook.name, kind: kind ?? hook.kind, summary: hook.summary, input: input ?? hook.input, terms: terms ?? hook.terms,
            actions: actions ?? hook.actions, whenAllAbstain: hook.whenAllAbstain, whenFailing: hook.whenFailing,
            isAsked: asked ?? hook.isAsked, isOpenToTenants: open ?? hook.isOpenToTenants)
    }
    /// Edits one field of an input, by its path.
    private static func editing(_ fields: [HookField], _ path: [String], _ edit: (HookField) -> HookField?) -> [HookField] {
        fields.compactMap { field in
            guard field.name == path.first else { return field }
            guard path.count > 1, case .object(let inner) = field.kind else { return edit(field) }
            return HookField(
                field.name, .object(editing(inner, Array(path.dropFirst()), edit)), field.summary, optional: field.isOptional)
        }
    }
    private static func without(_ hook: String, _ path: String) -> HookCatalogue {
        changed(hook) { redefined($0, input: editing($0.input, path.split(separator: ".").map(String.init)) { _ in nil }) }
    }
    private static let withoutRole = without("on_seat_request", "user.role")

    private struct Found: Equatable {
        var certain: Set<Int> = []
        var unsure: Set<Int> = []
    }
    /// Lines of x/y/policy.lua under the one change of this path.
    private static func lines(_ body: String, _ after: HookCatalogue, path: String? = nil, file: String = "x/y/policy.lua") throws -> Found
    {
        let folder = try PolicyFolder.single(body)
        let changes = PolicyChanges(directory: folder.url, before: base, after: after)
        var found = Found()
        for item in changes.items where path == nil || item.change.path == path {
            for place in item.places where place.file == "policies/\(file)" {
                if place.isCertain { found.certain.insert(place.line) } else { found.unsure.insert(place.line) }
            }
        }
        return found
    }

    // MARK: Lines

    /// Each line that ends in `-- !` reads the removed field, each in `-- ?` cannot be told, and no other.
    @Test(
        "exactly the lines that read a removed field are named, by whatever way",
        arguments: [
            "on_seat_request = function(request)\n if request.user.role == 'x' then -- !\n return deny('a') end\n local id = request.user.id end",
            "on_seat_request = function(request)\n local u = request.user\n local v = u\n return v.role == 'x' and deny('a') end -- !",
            "on_seat_request = function(request)\n local r = request['user']['role'] -- !\n end",
            "on_seat_request = function(request)\n local key = 'role'\n local r = request.user[key] -- !\n local id = request.user['id'] end",
            "on_seat_request = function(request)\n local r = request.user['ro' .. 'le'] -- !\n end",
            "on_seat_request = function(request, settings)\n local t = { who = request.user, what = request.device }\n local r = t.who.role -- !\n local d = t.what.id end",
            "on_seat_request = function(q)\n local u\n if q.license.seats > 1 then u = q.user else u = q.device end\n local r = u.role -- !\n end",
            "on_seat_request = function(request)\n local u, d = request.user, request.device\n local a, b = u.role, d.id -- !\n end",
            "on_seat_request = function(request)\n for key, value in pairs(request.user) do -- ?\n if value == 'x' then return deny('a') end end end",
            "on_seat_request = function(request)\n local r = request.user[request.device.id] -- ?\n end",
            "on_seat_request = function(request)\n local r = rawget(request.user, 'role') -- !\n end",
            "on_seat_request = function(request)\n local ok, r = pcall(function() return request.user.role end) -- !\n end",
            "on_seat_request = function(request)\n local list = {}\n table.insert(list, request.user)\n for _, one in ipairs(list) do\n local r = one.role -- !\n end end",
            "on_seat_request = function(request)\n local t = setmetatable({}, { __index = request.user })\n local r = t.role -- !\n end",
            "on_seat_request = function(request)\n local who = request.user or {}\n local r = who.role -- !\n end",
            "on_seat_request = function(request)\n local r = request.device.os\n local s = request.license.status end",
            "on_seat_request = function(request)\n local role = { role = 1 }\n local r = role.role end",
            "on_role_check = function(request)\n if request.user.role == 'x' then return allow{} end end",
            "on_seat_request = function(request)\n local text = request.user.role:upper() -- !\n end",
            "on_seat_request = function(request)\n local r = (request.user).role -- !\n end",
            "on_seat_request = function(request)\n local r = _G.next(request.user) -- ?\n end",
        ])
    func planted(_ entry: String) throws {
        let body = "return { id = 'x.y', api = 1,\n\(entry)\n}"
        var wanted = Found()
        for (index, line) in body.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if line.contains("-- !") { wanted.certain.insert(index + 1) }
            if line.contains("-- ?") { wanted.unsure.insert(index + 1) }
        }
        #expect(try Self.lines(body, Self.withoutRole) == wanted)
    }

    @Test("a field is followed into functions: parameters, what they return, tables that they are given, methods and helpers in between")
    func functions() throws {
        let body = """
            local function role(user)
              return user.role
            end
            local pass = function(thing) return thing end
            local M = {}
            function M.check(box, other)
              if box.user.role == "x" then return true end
              return other.id
            end
            function M:hop(user)
              return role(user)
            end
            local function twice(f, value) return f(value) end
            local function nobody(user) return user.role end
            M.id = "x.y"
            M.api = 1
            M.on_seat_request = function(request)
              local a = pass(request.user).role
              local b = M.check({ user = request.user }, request.device)
              local c = M:hop(request.user)
              local d = twice(function(u) return u.role end, request.user)
              local e = pass(request.device).id
            end
            return { id = M.id, api = M.api, on_seat_request = M.on_seat_request }
            """
        #expect(try Self.lines(body, Self.withoutRole) == Found(certain: [2, 7, 18, 21]))
    }

    @Test("contracts are read as policies are: the question's fields, terms and actions of the answer")
    func contracts() throws {
        let folder = try PolicyFolder([
            "init.lua": "return { platform = {} }",
            "contracts.lua": """
            return { api = 1, contracts = {
              { name = "a", hook = "on_seat_request", holds = function(request, answer)
                local over = answer.terms.overdraft_seats or 0
                return request.user.role ~= "x" or over == 0 end },
              { name = "b", hook = "on_payment", holds = function(request, answer)
                local ending = answer.does.end_subscription
                return not answer.does.suspend_license and not (ending and ending.when == "now") end },
            } }
            """,
        ])
        func found(_ after: HookCatalogue) -> [String: [Int]] {
            PolicyChanges(directory: folder.url, before: Self.base, after: after).items.reduce(into: [:]) {
                $0[$1.change.path] = $1.places.map(\.line)
            }
        }
        #expect(found(Self.withoutRole) == ["user.role": [4]])
        #expect(found(Self.changed("on_seat_request") { Self.redefined($0, terms: [$0.terms[1]]) }) == ["overdraft_seats": [3]])
        let actions = Self.changed("on_payment") { hook in
            Self.redefined(hook, actions: hook.actions.filter { $0.name != "suspend_license" })
        }
        #expect(found(actions) == ["suspend_license": [7]])
        let fields = Self.changed("on_payment") { hook in
            Self.redefined(
                hook, actions: hook.actions.map { $0.name == "end_subscription" ? HookAction($0.name, summary: $0.summary) : $0 })
        }
        #expect(found(fields) == ["end_subscription.when": [7]])
    }

    @Test("terms and actions are found where they are answered, through helpers too; another hook's are not")
    func answers() throws {
        let body = """
            local function terms(count) return { overdraft_seats = count, lease_ttl_seconds = 60 } end
            local function grant(count)
              local answer = terms(count)
              answer.overdraft_seats = 5
              return allow(answer)
            end
            return { id = "x.y", api = 1,
              on_seat_request = function(request)
                if request.license.seats > 5 then return allow{ overdraft_seats = 2, delegate = { "overdraft_seats" } } end
                return grant(request.license.seats)
              end,
              on_extra = function(request) return allow{ limit = 50 } end,
              on_payment = function(request)
                return plan{ start_grace{ days = 7 }, notify_staff{ reason = "a" } }
              end }
            """
        func terms(_ name: String, _ edit: @escaping (HookField) -> HookField?) -> HookCatalogue {
            Self.changed("on_seat_request") { Self.redefined($0, terms: Self.editing($0.terms, [name], edit)) }
        }
        #expect(try Self.lines(body, terms("overdraft_seats") { _ in nil }).certain == [1, 4, 9])
        #expect(try Self.lines(body, terms("lease_ttl_seconds") { _ in nil }).certain == [1])
        // 2 and 5 still fit; what is computed may not.
        let narrow = terms("overdraft_seats") { HookField($0.name, .integer, $0.summary, optional: true, tight: .lowest, range: 0...5) }
        #expect(try Self.lines(body, narrow).certain == [1])
        let narrower = terms("overdraft_seats") { HookField($0.name, .integer, $0.summary, optional: true, tight: .lowest, range: 0...4) }
        #expect(try Self.lines(body, narrower).certain == [1, 4])
        func action(_ edit: @escaping (HookAction) -> HookAction?) -> HookCatalogue {
            Self.changed("on_payment") { hook in
                Self.redefined(hook, actions: hook.actions.compactMap { $0.name == "start_grace" ? edit($0) : $0 })
            }
        }
        #expect(try Self.lines(body, action { _ in nil }).certain == [14])
        let needy = action { HookAction($0.name, summary: $0.summary, fields: $0.fields + [HookField("why", .string, "Why")]) }
        #expect(try Self.lines(body, needy).certain == [14])
        let optional = action { HookAction($0.name, summary: "", fields: $0.fields + [HookField("why", .string, "Why", optional: true)]) }
        #expect(try Self.lines(body, optional) == Found())
        #expect(try Self.lines(body, Self.changed("on_signup") { _ in nil }) == Found())
        #expect(try Self.lines(body, Self.changed("on_extra") { _ in nil }).certain == [12])
        let lost = Self.changed("", given: PolicyEngine.givenNames.filter { $0 != "allow" }) { $0 }
        #expect(try Self.lines(body, lost).certain == [5, 9, 12])
    }

    @Test("every kind of change is told with its class, and a renamed field by its new name")
    func kinds() {
        func told(_ after: HookCatalogue) -> [String] {
            Self.base.changes(to: after).map { "\($0.impact.rawValue) \($0.kind.rawValue) \($0.title)" }
        }
        func extra(_ path: String, _ edit: @escaping (HookField) -> HookField?) -> [String] {
            told(
                Self.changed("on_extra") {
                    Self.redefined($0, input: Self.editing($0.input, path.split(separator: ".").map(String.init), edit))
                })
        }
        #expect(told(Self.base).isEmpty)
        #expect(extra("user.role") { _ in nil } == ["breaking removed on_extra: request.user.role was removed"])
        #expect(
            extra("user.role") { HookField("duty", $0.kind, $0.summary) }
                == ["breaking renamed on_extra: request.user.role is called request.user.duty now"])
        #expect(
            extra("mode") { HookField("mode", .integer, $0.summary) }
                == ["breaking retyped on_extra: request.mode was one of \"slow\", \"fast\" and is a whole number"])
        #expect(
            extra("mode") { HookField("mode", .choice(["slow"]), $0.summary) }
                == ["caution narrowed on_extra: request.mode is no longer one of \"fast\"; it is one of \"slow\""])
        #expect(
            extra("mode") { HookField("mode", .choice(["slow", "fast", "off"]), $0.summary) }
                == ["caution widened on_extra: request.mode may also be \"off\""])
        #expect(
            extra("count") { HookField("count", .integer, $0.summary, range: 0...5) }
                == ["compatible narrowed on_extra: request.count was a whole number, 0 … 10 and is a whole number, 0 … 5"])
        #expect(
            extra("count") { HookField("count", .integer, $0.summary, optional: true, range: 0...10) }
                == ["breaking loosened on_extra: request.count may be absent now"])
        #expect(
            extra("user.name") { HookField("name", .string, $0.summary) }
                == ["breaking required on_extra: request.user.name must always be there now"])
        func hook(_ edit: (HookDefinition) -> HookDefinition?) -> [String] { told(Self.changed("on_extra", edit)) }
        #expect(hook { _ in nil } == ["breaking removed on_extra: the hook was removed; a set that answers it is refused"])
        #expect(hook { Self.redefined($0, kind: .observe) } == ["breaking redefined on_extra: the hook was decide and is observe"])
        #expect(
            hook { Self.redefined($0, asked: false) }.first?.hasPrefix("caution redefined on_extra: the hook is no longer asked") == true)
        #expect(hook { Self.redefined($0, open: true) }.isEmpty, "what is opened breaks nothing")
        let opened = Self.changed("on_extra") { Self.redefined($0, open: true) }
        #expect(
            opened.changes(to: Self.base).map { "\($0.impact.rawValue) \($0.kind.rawValue) \($0.title)" }
                == ["caution redefined on_extra: the hook is closed to tenants: their own policies for it decide nothing"])
        #expect(
            hook { Self.redefined($0, terms: [HookField("limit", .integer, "Most", optional: true, tight: .highest, range: 0...100)]) }
                == ["caution refolded on_extra: the term limit folds to the other end when several policies answer"])
        #expect(
            hook { Self.redefined($0, terms: [HookField("limit", .integer, "Most", optional: true, tight: .lowest, range: 0...50)]) }
                == ["breaking narrowed on_extra: the term limit was a whole number, 0 … 100 and is a whole number, 0 … 50"])
        #expect(
            hook { Self.redefined($0, input: $0.input + [HookField("more", .string, "More", optional: true)]) }
                == ["compatible added on_extra: request.more was added"])
        #expect(
            hook { Self.redefined($0, input: $0.input + [HookField("more", .string, "More")]) }
                == ["breaking added on_extra: request.more was added and is always there: a text"])
    }

    @Test("a row of a test that is refused from now on is named: it would keep the set from going live")
    func rows() throws {
        let folder = try PolicyFolder([
            "init.lua": "return { platform = { 'x/y' } }",
            "x/y/policy.lua": "return { id = 'x.y', api = 1, on_extra = function(request) end }",
            "x/y/policy_test.lua": """
            return {
              { name = "one", hook = "on_extra", input = { user = { role = "a" }, mode = "fast", count = 7 }, expect = { outcome = "abstain" } },
              { name = "two", hook = "on_extra",
                input = { user = { role = "a", name = "n" }, mode = "slow", count = 1 }, expect = { outcome = "abstain" } },
            }
            """,
        ])
        func rows(_ edit: (HookDefinition) -> HookDefinition?) -> [String] {
            PolicyChanges(directory: folder.url, before: Self.base, after: Self.changed("on_extra", edit)).items.filter(\.breaks)
                .flatMap { $0.places.map(\.finding.description) }
        }
        let at = "policies/x/y/policy_test.lua"
        #expect(
            rows { Self.redefined($0, input: $0.input + [HookField("more", .string, "More")]) }
                == [
                    "\(at):2: the test \"one\" is refused: input: more: is missing; accepted is a text",
                    "\(at):3: the test \"two\" is refused: input: more: is missing; accepted is a text",
                ])
        #expect(
            rows { Self.redefined($0, input: Self.editing($0.input, ["count"]) { HookField($0.name, $0.kind, $0.summary, range: 0...5) }) }
                == ["\(at):2: the test \"one\" is refused: input: count: is 7; accepted is a whole number, 0 … 5"])
        #expect(
            rows { Self.redefined($0, input: Self.editing($0.input, ["user", "name"]) { _ in nil }) }
                == ["\(at):3: the test \"two\" is refused: input: user.name: is not a field here; accepted are: role"])
    }

    // MARK: The refusal

    @Test("a set that reads what was removed is refused in the words of the report, which also says what became of it")
    func refusal() throws {
        let body =
            "return { id = 'x.y', api = 1,\n on_extra = function(request)\n local u = request.user\n if u.role == 'x' then return deny('a') end end }"
        let folder = try PolicyFolder.single(body)
        let after = Self.changed("on_extra") {
            Self.redefined($0, input: Self.editing($0.input, ["user", "role"]) { HookField("duty", $0.kind, $0.summary) })
        }
        let refused = PolicyEngine.check(directory: folder.url, definitions: after.hooks, data: [])
        #expect(refused.map(\.description) == ["policies/x/y/policy.lua:4: request.user.role is not there; request.user has: duty, name"])
        let changes = PolicyChanges(directory: folder.url, before: Self.base, after: after)
        #expect(
            changes.explained(refused).map(\.description)
                == [
                    "policies/x/y/policy.lua:4: request.user.role is not there; request.user has: duty, name; it is called request.user.duty now"
                ])
        #expect(changes.items.flatMap { $0.places.map(\.finding) } == changes.explained(refused))
    }

    @Test("the shipped policies are followed to the end, and each read of theirs is found again")
    func shipped() throws {
        let catalogue = HookCatalogue(version: "1", hooks: Hooked.shipped, given: PolicyEngine.givenNames)
        var findings = Findings(label: "policies")
        let files = PolicyDirectory.read(Checkout.policies, &findings).files
        for (path, text) in files where path.hasSuffix("/policy.lua") {
            let tree = try LuaParser.parse(text)
            let uses = PolicyUses(tree, catalogue)
            #expect(uses.unsure.isEmpty, "\(path) \(uses.unsure)")
            let reads = PolicyReads(tree, definitions: Hooked.shipped, settings: [], data: [], actions: []).fields
            for (hook, fields) in reads {
                for field in fields {
                    #expect(uses.uses.contains { $0.hook == hook && $0.path == field.path && $0.line == field.line }, "\(path) \(field)")
                }
            }
        }
    }
}

@Suite("the definitions as a file")
struct CatalogueTests {
    @Test("a catalogue is read back as it was written, and no change is found")
    func round() throws {
        let catalogue = HookCatalogue(version: "1.2.3", hooks: Hooked.shipped, given: ["allow", "deny"])
        let bytes = Array(catalogue.json.utf8)
        let read = try bytes.withUnsafeBytes { try HookCatalogue($0) }
        #expect(read.json == catalogue.json)
        #expect(catalogue.changes(to: read).isEmpty && read.version == "1.2.3")
    }

    @Test(
        "a file that is no catalogue is refused and says why",
        arguments: [
            ("{}", "is no catalogue of hooks; one is written by coditectd reference, as hooks.json"),
            (
                "{\"catalogue\": 1,\n \"version\": 1.5}",
                "line 2: a number with a fraction or exponent; policies take whole numbers only (money in minor units)"
            ),
            (
                "{\"catalogue\": 1, \"version\": \"1\", \"hooks\": [{\"name\": \"on_x\", \"kind\": \"guess\"}]}",
                "on_x has a kind or a default that this program does not know"
            ),
            (
                "{\"catalogue\": 1, \"version\": \"1\", \"hooks\": [{\"name\": \"on_x\", \"kind\": \"decide\", \"when_all_abstain\": \"deny\", \"when_failing\": \"deny\", \"input\": [{\"name\": \"a\", \"type\": \"float\"}]}]}",
                "on_x.a is of a type that this program does not know"
            ),
            (String(repeating: "[", count: 100_000), "line 1: nested deeper than 32"),
        ])
    func bad(_ text: String, _ why: String) {
        let bytes = Array(text.utf8)
        #expect { _ = try bytes.withUnsafeBytes { try HookCatalogue($0) } } throws: { "\($0)" == why }
    }
}
