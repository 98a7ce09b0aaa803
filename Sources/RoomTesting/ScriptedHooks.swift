import Foundation
import HookEngine
import Vocabulary

/// Answers hooks as a test says and remembers what was asked. Without a script a hook's own default holds.
package final class ScriptedHooks: Hooks {
    package enum Answer: Sendable {
        case allow(HookValue)
        case deny(reason: String, retryAfterSeconds: Int64?)
        case plan([PlannedAction])
        case fail(String)
    }
    package struct Question: Sendable {
        package let hook: String
        package let input: HookValue
        package let subject: HookSubject
    }
    private struct State {
        var answers: [String: Answer] = [:]
        var questions: [Question] = []
    }
    private let state = Guarded(State())
    private let entropy: any Entropy

    package init(entropy: any Entropy = SeededEntropy(7)) { self.entropy = entropy }

    package func script(_ hook: String, _ answer: Answer?) { state.with { $0.answers[hook] = answer } }
    package var questions: [Question] { state.with { $0.questions } }
    package func count(_ hook: String) -> Int { questions.filter { $0.hook == hook }.count }

    private func ask(_ hook: String, _ input: HookValue, _ subject: HookSubject) -> Answer? {
        state.with {
            $0.questions.append(Question(hook: hook, input: input, subject: subject))
            return $0.answers[hook]
        }
    }

    package func decide<Hook: DecideHook>(_ hook: Hook.Type, _ input: Hook.Input, _ subject: HookSubject) async throws -> Verdict<
        Hook.Terms
    > {
        let decision: DecisionID = entropy.id(subject.now)
        func verdict(_ outcome: Verdict<Hook.Terms>.Outcome, _ terms: HookValue = .object([])) -> Verdict<Hook.Terms> {
            Verdict(decision: decision, outcome: outcome, terms: Hook.terms(terms), policyHash: "scripted")
        }
        switch ask(Hook.definition.name, Hook.encode(input), subject) {
        case .allow(let terms): return verdict(.allow, terms)
        case .deny(let reason, let seconds): return verdict(.deny(reason: reason, retryAfterSeconds: seconds))
        case .fail(let reason): throw HookFailure(hook: Hook.definition.name, reason: reason)
        case .plan, nil:
            return Hook.definition.whenAllAbstain == .deny
                ? verdict(.deny(reason: "no_policy_allows", retryAfterSeconds: nil)) : verdict(.allow)
        }
    }

    package func plan<Hook: PlanHook>(_ hook: Hook.Type, _ input: Hook.Input, _ subject: HookSubject) async throws -> Plan {
        let answer = ask(Hook.definition.name, Hook.encode(input), subject)
        let decision: DecisionID = entropy.id(subject.now)
        switch answer {
        case .plan(let actions): return Plan(decision: decision, actions: actions, policyHash: "scripted")
        case .fail(let reason): throw HookFailure(hook: Hook.definition.name, reason: reason)
        default: return Plan(decision: decision, actions: Hook.shippedPlan(input), policyHash: "scripted")
        }
    }
}
