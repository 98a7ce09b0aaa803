import Foundation
import HookEngine
import Testing

@testable import PolicyHost

@Suite("contracts refuse what no set may answer")
struct ContractTests {
    private static let contracts = """
        return { api = 1, contracts = {
          { name = "small overdraft", hook = "on_seat_request", holds = function(request, answer)
              return (answer.terms.overdraft_seats or 0) <= math.max(5, request.license.seats // 10) end },
          { name = "never cut off inside grace", hook = "on_payment", holds = function(request, answer)
              if not request.subscription or request.subscription.status ~= "grace" then return true end
              if request.event.type ~= "payment_failed" then return true end
              local ending = answer.does.end_subscription
              return not answer.does.suspend_license and not (ending and ending.when == "now") end },
          { name = "an auditor never writes", hook = "on_role_check", holds = function(request, answer)
              if request.user.role ~= "auditor" or answer.outcome ~= "allow" then return true end
              return request.permission:sub(-5) == ":read" or request.permission:sub(-7) == ":export" end },
          { name = "the last owner stays", hook = "on_offboard", holds = function(request, answer)
              return not (request.user.is_last_owner and answer.does.end_membership) end },
        } }
        """
    private static let offboard = HookDefinition(
        "on_offboard", kind: .plan, summary: "",
        input: [
            HookField("user", .object([HookField("role", .string, ""), HookField("is_last_owner", .boolean, "")]), ""),
            HookField("stage", .choice(["requested", "period_end"]), ""),
        ], actions: [HookAction("end_membership", summary: ""), HookAction("revoke_access", summary: "")], whenAllAbstain: .shippedPlan)
    private static let definitions = Hooked.all + [offboard]

    private func findings(_ files: [String: String]) throws -> [String] {
        let folder = try PolicyFolder(files.merging(["contracts.lua": Self.contracts]) { first, _ in first })
        return PolicyEngine.check(directory: folder.url, definitions: Self.definitions).map(\.description)
    }

    /// A body of the hook, and the contract that it breaks.
    private static let planted: [(hook: String, body: String, contract: String)] = {
        let seat = [
            "return allow{ overdraft_seats = 6 }", "if request.license.seats < 50 then return allow{ overdraft_seats = 9 } end",
            "if request.user.role == 'vip' then return allow{ overdraft_seats = 1000 } end",
            "return allow{ overdraft_seats = math.max(0, math.min(request.license.seats, 1000)) }",
            "if request.now.weekday == 7 then return allow{ overdraft_seats = 7 } end",
        ]
        let payment = [
            "return plan{ suspend_license{} }", "return plan{ end_subscription{ when = 'now' } }",
            "if request.event.type == 'payment_failed' then return plan{ send_mail{ template = 'x' }, suspend_license{} } end",
            "if request.subscription and request.subscription.failed_payments > 3 then return plan{ end_subscription{ when = 'now' } } end",
            "if request.subscription and request.subscription.tier == 'free' then return plan{ suspend_license{} } end",
            "if not request.payment then return plan{ suspend_license{} } end",
        ]
        let role = [
            "return allow{}", "if request.user.role == 'auditor' then return allow{} end",
            "if request.permission:find('seats') then return allow{} end if request.permission == 'seats:release' then return end",
            "if request.user.role == 'auditor' and request.permission == 'licenses:write' then return allow{} end",
            "if request.tenant.kind == 'enterprise' and request.permission ~= 'x' then return allow{} end",
            "if request.now.hour == 3 then return allow{} end", "if #request.permission > 4 then return allow{} end",
        ]
        let leaving = [
            "return plan{ end_membership{} }", "if request.user.is_last_owner then return plan{ revoke_access{}, end_membership{} } end",
            "if request.stage == 'period_end' and request.user.role == 'owner' then return plan{ end_membership{} } end",
        ]
        return seat.map { ("on_seat_request", $0, "small overdraft") } + payment.map { ("on_payment", $0, "never cut off inside grace") }
            + role.map { ("on_role_check", $0, "an auditor never writes") } + leaving.map { ("on_offboard", $0, "the last owner stays") }
    }()

    @Test("each of the planted violations is refused with its question and its line")
    func planted() throws {
        #expect(Self.planted.count >= 20)
        for (hook, body, contract) in Self.planted {
            let found = try findings([
                "init.lua": "return { platform = { 'x/y' } }",
                "x/y/policy.lua": "return { id = 'x.y', api = 1,\n \(hook) = function(request)\n \(body) end }",
            ])
            #expect(found.count == 1, "\(body): \(found)")
            let message = found.first ?? ""
            #expect(message.hasPrefix("policies/contracts.lua:"), "\(message)")
            #expect(message.contains("\"\(contract)\" is broken: \(hook) with "), "\(message)")
            #expect(message.contains("by x/y/policy.lua:"), "\(message)")
        }
    }

    @Test("a policy of a tier is judged with the platform's above it")
    func tier() throws {
        let files = [
            "init.lua": "return { platform = { 'a/b' }, tier = { pro = { 'x/y' } } }",
            "a/b/policy.lua": "return { id = 'a.b', api = 1, on_seat_request = function() return allow{ overdraft_seats = 2 } end }",
            "x/y/policy.lua": "return { id = 'x.y', api = 1, on_seat_request = function() return allow{ overdraft_seats = 50 } end }",
        ]
        #expect(try findings(files).isEmpty)
        var wide = files
        wide["a/b/policy.lua"] = files["a/b/policy.lua"]?.replacing(
            "overdraft_seats = 2", with: "overdraft_seats = 2, delegate = { 'overdraft_seats' }")
        #expect(try findings(wide).first?.contains("on_seat_request in pro with") == true)
    }

    @Test("a set that keeps its contracts goes live; one without contracts as well")
    func kept() throws {
        #expect(
            try findings([
                "init.lua": "return { platform = { 'x/y' } }",
                "x/y/policy.lua": """
                return { id = 'x.y', api = 1,
                  on_seat_request = function(request) return allow{ overdraft_seats = math.max(0, math.min(5, request.license.seats)) } end,
                  on_role_check = function(request) if request.permission == 'seats:read' then return allow{} end end }
                """,
            ]).isEmpty)
        #expect(try PolicyFolder.single("return { id = 'x.y', api = 1, on_signup = function() end }").findings().isEmpty)
    }

    @Test(
        "what is wrong in the contracts themselves is told with its line",
        arguments: [
            ("return {}", "policies/contracts.lua: must return { api = 1, contracts"),
            (
                "return { api = 1, contracts = {\n { name = 'n', hook = 'on_moon', holds = function() end } } }",
                "policies/contracts.lua:2: hook must be one of: on_offboard, on_payment"
            ),
            (
                "return { api = 1, contracts = {\n { name = 'n', hook = 'on_signup' } } }",
                "policies/contracts.lua:2: holds must be a function"
            ),
            (
                "return { api = 1, contracts = { { name = 'n', hook = 'on_signup',\n holds = function(request) return request.usr end } } }",
                "policies/contracts.lua:2: request.usr is not there"
            ),
            (
                "return { api = 1, contracts = { { name = 'n', hook = 'on_signup',\n holds = function() end } } }",
                "policies/contracts.lua:2: \"n\" answers nothing instead of true or false: on_signup with"
            ),
            (
                "return { api = 1, contracts = { { name = 'n', hook = 'on_signup',\n\n holds = function(request, answer) return answer.x.y end } } }",
                "policies/contracts.lua:3: \"n\" cannot be judged, line 3: "
            ),
            (
                "return { api = 1, contracts = { { nam = 'n', hook = 'on_signup', holds = function() return true end } } }",
                "policies/contracts.lua:1: nam is not a field of a contract; accepted are: name, hook, holds"
            ),
        ])
    func mistakes(_ source: String, _ message: String) throws {
        let found = try findings([
            "init.lua": "return { platform = { 'x/y' } }", "contracts.lua": source,
            "x/y/policy.lua": "return { id = 'x.y', api = 1, on_signup = function() end }",
        ])
        #expect(found.first?.hasPrefix(message) == true, "\(found)")
    }
}
