import Foundation
import HookEngine
import Testing

@testable import PolicyHost

@Suite("a question at a desk")
struct WorkbenchTests {
    private static let hours = """
        local function early(now, from)
          return now.hour < from
        end
        return {
          id = "x.y", api = 1,
          settings = { from_hour = { type = "integer", default = 8 } },
          on_seat_request = function(request, settings)
            local role = request.user.role
            if role == "contractor" and early(request.now, settings.from_hour) then
              return deny("outside_hours")
            end
            for _, word in ipairs{ "a", "b" } do
              if word == role then return deny("odd_role") end
            end
          end,
        }
        """
    private static func input(_ role: String, hour: Int64) -> HookValue {
        guard case .object(let members) = SeatHook.encode(.init(role: role)) else { return .null }
        return .object(members + [("now", .object([("hour", .int(hour))]))])
    }
    private func bench(_ body: String = hours) throws -> PolicyWorkbench {
        let folder = try PolicyFolder.single(body)
        return try PolicyWorkbench(directory: folder.url, definitions: Hooked.all)
    }

    @Test("a run tells the answer, the fuel and the lines that ran, with the way each condition went")
    func trace() throws {
        let run = try bench().run("on_seat_request", Self.input("contractor", hour: 7), tier: nil, seed: 1, traces: true)
        #expect(run.ruling.description == "deny outside_hours")
        #expect(run.fuel > 0 && run.fuel == run.steps[0].answer.fuel)
        #expect(run.steps[0].answer.place == "x/y/policy.lua:10")
        let lines = run.steps[0].trace.lines
        #expect(lines.map(\.line) == [8, 9, 2, 9, 10])
        #expect(lines[1].conditions == ["role == \"contractor\" is true"])
        #expect(lines[3].conditions == ["role == \"contractor\" and early(request.now, settings.from_hour) is true"])

        let late = try bench().run("on_seat_request", Self.input("b", hour: 9), tier: nil, seed: 1, traces: true)
        #expect(late.steps[0].trace.lines.map(\.line) == [8, 9, 12, 13])
        #expect(late.steps[0].trace.lines.last?.conditions == ["word == role is false", "word == role is true"])
    }

    @Test("a trace costs the decision nothing: fuel is that of the policy as it is written")
    func fuel() throws {
        let bench = try bench()
        let traced = try bench.run("on_seat_request", Self.input("b", hour: 9), tier: nil, seed: 1, traces: true)
        let plain = try bench.run("on_seat_request", Self.input("b", hour: 9), tier: nil, seed: 1, traces: false)
        #expect(traced.fuel == plain.fuel)
    }

    @Test("a question that does not fit is refused with what is accepted")
    func refusal() throws {
        let bench = try bench()
        let wrong = HookValue.object([("user", .object([("rol", .string("x"))]))])
        let issues = bench.issues("on_seat_request", wrong).map(\.description)
        #expect(issues.contains("user.rol: is not a field here; accepted are: id, role"))
        #expect(bench.issues("on_seats", wrong).first?.description.contains("there is no hook on_seats; there are: on_payment") == true)
        #expect(throws: OperatorQuestion.self) { try bench.run("on_seat_request", wrong, tier: nil, seed: 1, traces: false) }
    }

    @Test("the smallest change that flips is found, numbers as close as they can be")
    func flip() throws {
        let bench = try bench()
        let early = try #require(bench.flip("on_seat_request", Self.input("contractor", hour: 5), tier: nil, seed: 1))
        #expect(early.changes == [.init(path: "request.now.hour", before: "5", after: "8")])
        #expect(early.ruling.description == "allow")
        // Two fields: the role alone changes nothing at noon.
        let odd = try self.bench(Self.hours.replacing("\"a\", \"b\"", with: "\"z9\""))
        let noon = try #require(odd.flip("on_seat_request", Self.input("developer", hour: 12), tier: nil, seed: 1))
        #expect(noon.changes == [.init(path: "request.user.role", before: "developer", after: "z9")])
        let never = try self.bench("return { id = 'x.y', api = 1, on_seat_request = function() return allow{} end }")
        #expect(never.flip("on_seat_request", Self.input("developer", hour: 12), tier: nil, seed: 1) == nil)
    }

    @Test("two sets are compared by file, hook, setting and order, and by what they answer")
    func difference() throws {
        let before = try PolicyFolder([
            "init.lua": "return { platform = { 'x/y', 'x/z' } }", "x/y/policy.lua": Self.hours,
            "x/z/policy.lua": "return { id = 'x.z', api = 1, on_signup = function() end }",
            "x/y/policy_test.lua": """
            return { { name = "n", hook = "on_seat_request", expect = { outcome = "deny" },
              input = { user = { id = "u", role = "contractor" }, device = { id = "d" }, now = { hour = 8 },
                license = { id = "l", tier = "t", status = "active", seats = 1, seats_used = 0 } } } }
            """,
        ])
        let after = try PolicyFolder([
            "init.lua": "return { platform = { 'x/z', { 'x/y', settings = { from_hour = 9 } } } }",
            "x/y/policy.lua": Self.hours, "x/w/policy.lua": "return { id = 'x.w', api = 1, on_signup = function() end }",
            "x/z/policy.lua": "return {\n id = 'x.z', api = 1, on_role_check = function() end }",
        ])
        let old = try PolicyWorkbench(directory: before.url, definitions: Hooked.all)
        let new = try PolicyWorkbench(directory: after.url, definitions: Hooked.all)
        let changes = PolicyDifference(old, new).changes.map { "\($0.kind) \($0.text)" }
        for line in [
            "file ~ x/z/policy.lua:1, 1 lines out, 2 in", "file + x/w/policy.lua, 1 lines", "file - x/y/policy_test.lua, 3 lines",
            "hook + x/z answers on_role_check", "hook - x/z answered on_signup", "order ~ platform asks in another order: x/z, x/y",
            "setting platform x/y.from_hour: 8 → 9",
        ] { #expect(changes.contains(line), "\(line) in \(changes)") }
        let flips = old.flips(new, over: old.fixtures().map { ($0.hook, $0.input, nil) })
        #expect(flips.count == 1)
        #expect(flips.first?.before.description == "allow")
        #expect(flips.first?.after.description == "deny outside_hours")
    }
}
