import HookEngine
import Testing

@Suite("the reference comes from the definitions")
struct HookReferenceTests {
    private static let hooks = [
        HookDefinition(
            "on_seat_request", kind: .decide, summary: "May somebody have a seat?",
            input: [
                HookField("user", .object([HookField("role", .string, "Role")]), "Who"),
                HookField("tier", .choice(["a", "b"]), "Which", optional: true),
            ], terms: [HookField("overdraft_seats", .integer, "Over", optional: true, tight: .lowest, range: 0...9)], whenAllAbstain: .allow
        ),
        HookDefinition(
            "on_payment", kind: .plan, summary: "What follows?", input: [HookField("provider", .string, "Who told")],
            actions: [HookAction("start_grace", summary: "Wait", fields: [HookField("days", .integer, "Days", range: 0...90)])],
            whenAllAbstain: .shippedPlan),
    ]

    @Test("the page names every hook, field, term and action with what is accepted")
    func markdown() {
        let page = HookReference.markdown(Self.hooks)
        for line in [
            "| [`on_payment`](#on_payment) | plan | yes | – | the shipped plan | the event stays queued, staff is told |",
            "| [`on_seat_request`](#on_seat_request) | decide | yes | – | allow | deny |", "| `request.user` | table | Who |",
            "| `request.user.role` | a text | Role |", "| `request.tier` | one of \"a\", \"b\", may be absent | Which |",
            "| `overdraft_seats` | a whole number, 0 … 9 | the lowest holds | Over |",
            "| `start_grace` | `days`: a whole number, 0 … 90 | Wait |", "| `weekday` | 1 is Monday, 7 is Sunday |",
        ] { #expect(page.contains(line + "\n"), "\(line)") }
        #expect(HookReference.markdown(Self.hooks.reversed()) == page, "the order of registration does not show")
    }

    @Test("the stubs give editors the classes of every hook and a function for every action")
    func stubs() {
        let stubs = HookReference.stubs(Self.hooks)
        for line in [
            "---@meta hooks", "---@class OnSeatRequestInput", "---@field user OnSeatRequestUser Who", "---@field tier? \"a\"|\"b\" Which",
            "---@field now Now \(CommonInput.now.summary)", "---@class OnSeatRequestTerms", "---@field overdraft_seats? integer Over",
            "---@field on_payment? fun(request: OnPaymentInput, settings: table, data: table): Answer?",
            "---@param fields { days: integer }", "function start_grace(fields) end", "function deny(reason, options) end",
        ] { #expect(stubs.split(separator: "\n").contains { $0 == line }, "\(line)") }
    }
}
