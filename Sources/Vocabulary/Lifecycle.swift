/// The states that an object goes through.
package protocol LifecycleState: RawRepresentable<String>, Hashable, Sendable, CaseIterable {}

/// Who moves an object on.
package enum Mover: String, Hashable, Sendable, CaseIterable {
    /// Somebody of the tenant, with the permission of the route.
    case customer
    case staff
    /// What a plugin told or answered.
    case provider
    /// A policy's plan or refusal.
    case policy
    /// A moment came.
    case time
    /// The kernel by itself, while it works something off.
    case kernel
}

/// One way from a state to another.
package struct Transition<State: LifecycleState>: Hashable, Sendable {
    /// Imperative, as a person would say it: `start grace`.
    package let name: String
    /// The past form in journal and events: `grace_started`.
    package let past: String
    package let from: [State]
    package let to: State
    package let by: [Mover]
    package let why: String
    package init(_ name: String, _ past: String, from: [State], to: State, by: [Mover], why: String) {
        self.name = name
        self.past = past
        self.from = from
        self.to = to
        self.by = by
        self.why = why
    }
}

/// What the reference shows of a life, whatever its states.
package protocol DeclaredLifecycle: Sendable {
    /// As a title: `Subscription`.
    var name: String { get }
    var summary: String { get }
    /// A Mermaid state diagram.
    var diagram: String { get }
    /// The transitions with movers and reasons, in Markdown.
    var table: String { get }
    /// What is wrong with the declaration; empty in a sound one.
    var flaws: [String] { get }
}

/// The life of an object as a value: documents are rendered from it, and rooms ask it before they write a state.
package struct Lifecycle<State: LifecycleState>: DeclaredLifecycle {
    package let name: String
    package let summary: String
    /// What an object may begin in.
    package let initial: [State]
    package let transitions: [Transition<State>]
    package init(_ name: String, _ summary: String, initial: [State], _ transitions: [Transition<State>]) {
        self.name = name
        self.summary = summary
        self.initial = initial
        self.transitions = transitions
    }

    /// Nil for a change that no transition names, and for none.
    package func transition(from: State, to: State) -> Transition<State>? {
        transitions.first { $0.from.contains(from) && $0.to == to }
    }
    /// Whether an object stays in this state for ever.
    package func isFinal(_ state: State) -> Bool { !transitions.contains { $0.from.contains(state) } }

    package var diagram: String {
        var lines = ["stateDiagram-v2"] + initial.map { "    [*] --> \($0.rawValue)" }
        for transition in transitions {
            for state in transition.from { lines.append("    \(state.rawValue) --> \(transition.to.rawValue): \(transition.name)") }
        }
        for state in State.allCases where isFinal(state) { lines.append("    \(state.rawValue) --> [*]") }
        return lines.joined(separator: "\n")
    }

    package var table: String {
        let rows = transitions.map { transition in
            let (from, by) = (transition.from.map(\.rawValue), transition.by.map(\.rawValue))
            return
                "| \(transition.name) | \(from.joined(separator: ", ")) | \(transition.to.rawValue) | \(by.joined(separator: ", ")) | \(transition.why) |"
        }
        return (["| transition | from | to | by | when |", "| --- | --- | --- | --- | --- |"] + rows).joined(separator: "\n")
    }

    package var flaws: [String] {
        var flaws: [String] = []
        var reached = Set(initial)
        var isGrowing = true
        while isGrowing {
            let next = reached.union(transitions.filter { !reached.isDisjoint(with: $0.from) }.map(\.to))
            isGrowing = next.count > reached.count
            reached = next
        }
        for state in State.allCases where !reached.contains(state) { flaws.append("nothing leads to \(state.rawValue)") }
        var ways: Set<[State]> = []
        for transition in transitions {
            if transition.by.isEmpty || transition.from.isEmpty { flaws.append("\(transition.name) lacks who may, or from where") }
            for state in transition.from where !ways.insert([state, transition.to]).inserted {
                flaws.append("two transitions lead from \(state.rawValue) to \(transition.to.rawValue)")
            }
        }
        return flaws
    }
}
