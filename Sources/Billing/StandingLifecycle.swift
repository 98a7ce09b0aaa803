/// One way from a state to another.
package struct StandingTransition: Hashable, Sendable {
    /// Imperative, as the journal names it in the past: `suspend`, `subscription.suspended`.
    package let name: String
    /// The verb's past form in the journal.
    package let past: String
    package let from: [Standing.State]
    package let to: Standing.State
    package let why: String
}

/// The life of a subscription. The diagram in the README is rendered from this value, and a test walks every derived change along it.
package enum StandingLifecycle {
    package static let activate = StandingTransition(
        name: "activate", past: "activated", from: [.pending], to: .active, why: "paid or in trial, and approved")
    package static let startGrace = StandingTransition(
        name: "start grace", past: "grace_started", from: [.pending, .active], to: .grace,
        why: "a payment failed, or the renewal is missing")
    package static let suspend = StandingTransition(
        name: "suspend", past: "suspended", from: [.pending, .active, .grace], to: .suspended, why: "the grace is over, or a plan suspends")
    package static let reinstate = StandingTransition(
        name: "reinstate", past: "reinstated", from: [.grace, .suspended], to: .active, why: "paid after all, or a plan restores access")
    package static let relieve = StandingTransition(
        name: "relieve", past: "relieved", from: [.suspended], to: .grace, why: "a later failure or a longer grace became known")
    package static let cancel = StandingTransition(
        name: "cancel", past: "cancelled", from: [.pending, .active, .grace, .suspended], to: .cancelled,
        why: "the provider ended it, its date came, or a plan ends it")
    package static let correct = StandingTransition(
        name: "correct", past: "corrected", from: [.cancelled], to: .active,
        why: "late news of a payment made, or of a date taken back, before the end")
    package static let correctToGrace = StandingTransition(
        name: "correct", past: "corrected", from: [.cancelled], to: .grace, why: "the same, with a payment open")
    package static let correctToSuspension = StandingTransition(
        name: "correct", past: "corrected", from: [.cancelled], to: .suspended, why: "the same, with the grace over")

    package static let all = [
        activate, startGrace, suspend, reinstate, relieve, cancel, correct, correctToGrace, correctToSuspension,
    ]

    /// Nil for a change that no transition names, and for none.
    package static func transition(from: Standing.State, to: Standing.State) -> StandingTransition? {
        all.first { $0.from.contains(from) && $0.to == to }
    }

    /// A Mermaid state diagram.
    package static var diagram: String {
        var lines = ["stateDiagram-v2", "    [*] --> pending"]
        for transition in all {
            for state in transition.from { lines.append("    \(state.rawValue) --> \(transition.to.rawValue): \(transition.name)") }
        }
        return lines.joined(separator: "\n")
    }

    /// The same with reasons, as a table.
    package static var table: String {
        let rows = all.map { transition in
            "| \(transition.name) | \(transition.from.map(\.rawValue).joined(separator: ", ")) | \(transition.to.rawValue) | \(transition.why) |"
        }
        return (["| transition | from | to | when |", "| --- | --- | --- | --- |"] + rows).joined(separator: "\n")
    }
}
