import HookEngine
import RoomTesting
import Vocabulary

/// Policy as the schedule sets it: every request is allowed on the terms that hold now.
final class DeskHooks: Hooks {
    private let terms = Guarded<HookValue>(.object([]))
    private let entropy: any Entropy
    init(entropy: any Entropy) { self.entropy = entropy }

    func set(overdraft: Int64, linger: Int64, hold: Int64) {
        let named = [("overdraft_seats", overdraft), ("linger_seconds", linger), ("minimum_hold_seconds", hold)]
        terms.with { $0 = .object(named.filter { $0.1 > 0 }.map { ($0.0, .int($0.1)) }) }
    }
    func decide<Hook: DecideHook>(_ hook: Hook.Type, _ input: Hook.Input, _ subject: HookSubject) async throws -> Verdict<Hook.Terms> {
        Verdict(
            decision: entropy.id(subject.now), outcome: .allow, terms: Hook.terms(terms.with { $0 }), policyHash: "desk")
    }
    func plan<Hook: PlanHook>(_ hook: Hook.Type, _ input: Hook.Input, _ subject: HookSubject) async throws -> Plan {
        Plan(decision: entropy.id(subject.now), actions: Hook.shippedPlan(input), policyHash: "desk")
    }
}
