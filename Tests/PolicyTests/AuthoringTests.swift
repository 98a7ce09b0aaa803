import Foundation
import HookEngine
import Testing

@testable import PolicyHost

@Suite("what an author is told before anything runs")
struct AuthoringTests {
    private func findings(_ body: String) throws -> [String] { try PolicyFolder.single(body).findings() }
    private func lints(_ body: String) throws -> [String] {
        let folder = try PolicyFolder.single(body)
        return try PolicyWorkbench(directory: folder.url, definitions: Hooked.all).lints(label: "policies").map(\.description)
    }

    @Test("a field that the input, the settings or the data do not have is refused with its line and what there is")
    func unknownReads() throws {
        let found = try findings(
            """
            return { id = "x.y", api = 1, settings = { cap = { type = "integer", default = 1 } },
              on_seat_request = function(request, settings, data)
                local user = request.usr and request.user
                user = request.user
                if request.user.rol == "x" then return end
                if request.license["seat"] == settings.cop then return end
                if request.now.hours then return deny("x") end
                return data.roles
              end }
            """)
        #expect(
            found == [
                "policies/x/y/policy.lua:3: request.usr is not there; on_seat_request gives: user, device, license, now",
                "policies/x/y/policy.lua:5: request.user.rol is not there; request.user has: id, role",
                "policies/x/y/policy.lua:6: request.license.seat is not there; request.license has: id, tier, status, seats, seats_used",
                "policies/x/y/policy.lua:6: settings.cop is not there; settings has: cap",
                "policies/x/y/policy.lua:7: request.now.hours is not there; request.now has: epoch_seconds, year, month, day, hour, minute, second, weekday",
                "policies/x/y/policy.lua:8: data.roles is not there; name the data file: data = { \"roles\" }",
            ])
    }

    @Test("a name that is bound anew, passed on or shadowed is not judged")
    func noFalseAlarm() throws {
        #expect(
            try findings(
                """
                local function pick(request) return request.anything end
                return { id = "x.y", api = 1,
                  on_seat_request = function(request)
                    local thing = request.user
                    thing = { rol = 1 }
                    if thing.rol == 2 then return end
                    do local request = { a = 1 } if request.a == 2 then return end end
                    local list = { request.license }
                    for _, license in ipairs(list) do if license.seats == 3 then return deny("x") end end
                    pick({})
                  end }
                """
            ).isEmpty)
    }

    @Test("likely mistakes are told with file, line and what would be right")
    func mistakes() throws {
        let found = try lints(
            """
            local names = { a = 1 }
            return { id = "x.y", api = 1,
              on_seat_request = function(request)
                total = 1
                if requst then return end
                for name, value in pairs(names) do
                  if name == request.user.id then return deny("x") end
                end
                local share = request.license.seats * 0.5
                local half = request.license.seats / 2
                if true then return allow{} end
                do return end
                local never = 1
              end }
            """)
        for (line, part) in [
            (4, "total is a global; write local total = …"), (5, "requst is not declared; did you mean request?"),
            (7, "takes the first match over pairs"), (9, "a number with a fraction; answers take whole numbers only"),
            (10, "/ always makes a number with a fraction; write // for whole division"), (11, "this condition is always true"),
            (13, "is never reached: every way through line 12 returns"),
        ] {
            #expect(found.contains { $0.hasPrefix("policies/x/y/policy.lua:\(line): ") && $0.contains(part) }, "\(line) \(part): \(found)")
        }
        #expect(found.contains("policies/x/y/policy.lua: has no policy_test.lua beside it"))
        #expect(found.count == 8)
    }

    @Test("a policy that nobody asks, and a hook that this server does not ask, are told")
    func unreachable() throws {
        let coming = HookDefinition("on_moon", kind: .decide, summary: "", input: [], whenAllAbstain: .allow, isAsked: false)
        let folder = try PolicyFolder([
            "init.lua": "return { platform = { 'x/y' } }", "x/y/policy.lua": "return { id = 'x.y', api = 1,\n on_moon = function() end }",
            "x/z/policy.lua": "return { id = 'x.z', api = 1, on_signup = function() end }", "x/y/policy_test.lua": "return {}",
            "x/z/policy_test.lua": "return {}",
        ])
        let bench = try PolicyWorkbench(directory: folder.url, definitions: Hooked.all + [coming])
        #expect(
            bench.lints(label: "policies").map(\.description) == [
                "policies/x/y/policy.lua:2: is never reached: this server does not ask on_moon yet",
                "policies/x/z/policy.lua: nobody asks it: no layer of init.lua names \"x/z\"; name it, or say in a comment there that it is off",
            ])
    }

    private static let hours = """
        return { id = "x.y", api = 1, settings = { from = { type = "integer", default = 8 } },
          on_seat_request = function(request, settings)
            if request.user.role == "contractor" and request.now.hour < settings.from then
              return deny("outside_hours")
            end
            if request.license.seats_used > 90 then
              return deny("odd")
            end
          end }
        """
    private static func row(_ role: String, _ hour: Int, _ outcome: String) -> String {
        """
        { name = "\(role) \(hour)", hook = "on_seat_request", expect = { outcome = "\(outcome)" }, input = { now = { hour = \(hour) },
          user = { id = "u", role = "\(role)" }, device = { id = "d" },
          license = { id = "l", tier = "t", status = "active", seats = 1, seats_used = 0 } } },
        """
    }
    private func bench(_ rows: [String]) throws -> PolicyWorkbench {
        let folder = try PolicyFolder([
            "init.lua": "return { platform = { 'x/y' } }", "x/y/policy.lua": Self.hours,
            "x/y/policy_test.lua": "return { \(rows.joined(separator: "\n")) }",
        ])
        return try PolicyWorkbench(directory: folder.url, definitions: Hooked.all)
    }

    @Test("coverage tells the lines that no test runs and the ways that no condition goes")
    func coverage() throws {
        let found = try #require(try bench([Self.row("contractor", 7, "deny"), Self.row("developer", 7, "abstain")]).coverage().first)
        #expect(found.lines == 5 && found.linesRun == 4)
        #expect(found.branches == 6 && found.branchesRun == 5)
        #expect(
            found.gaps == [
                .init(line: 6, text: "request.license.seats_used > 90 is never true"), .init(line: 7, text: ""),
            ])
    }

    @Test("a mutation run tells the conditions that no test pins down")
    func mutation() throws {
        let loose = try bench([Self.row("contractor", 5, "deny"), Self.row("developer", 5, "abstain")]).mutate()
        #expect(loose.survivors.contains(.init(file: "x/y/policy.lua", line: 3, before: "<", after: "<=")))
        let tight = try bench([
            Self.row("contractor", 7, "deny"), Self.row("contractor", 8, "abstain"), Self.row("developer", 7, "abstain"),
        ]).mutate()
        #expect(tight.mutants == loose.mutants && tight.mutants > 10)
        #expect(tight.survivors.allSatisfy { $0.line == 6 || $0.line == 7 }, "\(tight.survivors)")
        #expect(tight.survivors.count < loose.survivors.count)
    }

    @Test("a new policy checks and its tests pass, for every hook")
    func template() throws {
        for definition in Hooked.all {
            let template = PolicyTemplate(path: "new/rule", definition: definition)
            var files = ["init.lua": "return { platform = { 'new/rule' } }"]
            for (name, text) in template.files { files["new/rule/\(name)"] = text }
            let folder = try PolicyFolder(files)
            #expect(folder.findings().isEmpty, "\(folder.findings())")
            let bench = try PolicyWorkbench(directory: folder.url, definitions: Hooked.all)
            #expect(bench.lints(label: "p").isEmpty)
            #expect(bench.fixtures().count == 2)
        }
        #expect(PolicyTemplate.complaint("seats/hours-2") == nil)
        for path in ["seats", "Seats/x", "a/b/c", "../x", "a/"] { #expect(PolicyTemplate.complaint(path) != nil) }
    }

    @Test("at the prompt a line is Lua under the policies' budgets, and questions are asked of the set")
    func prompt() throws {
        var repl = PolicyREPL(try bench([Self.row("contractor", 7, "deny")]))
        #expect(repl.take("1 + 2") == "3")
        #expect(repl.take("local x = 20") == "nothing")
        #expect(repl.take("x // 3") == "6")
        #expect(repl.take("while true do end") == "ran out of its budget of instructions")
        #expect(repl.take("os.time()")?.contains("os") == true)
        #expect(repl.take(":hook on_moon")?.hasPrefix("there is no hook on_moon; there are:") == true)
        _ = repl.take(":hook on_seat_request")
        #expect(repl.take("request.user.role") == "x")
        #expect(repl.take(":set user.role contractor")?.hasPrefix("at sign 1: expected a value") == true)
        #expect(repl.take(":set user.rule \"contractor\"") == "user.rule: is not a field here; accepted are: id, role")
        _ = repl.take(":set user.role \"contractor\"")
        #expect(repl.take(":set now {\"hour\":5}")?.isEmpty == false)
        #expect(repl.take(":ask")?.hasPrefix("deny outside_hours") == true)
        #expect(repl.take(":explain") == "allow, if request.now.hour were 8 instead of 5")
        #expect(repl.take(":quit") == nil)
    }
}
