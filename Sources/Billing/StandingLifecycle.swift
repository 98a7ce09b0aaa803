import Vocabulary

extension Standing.State: LifecycleState {}

/// The life of a subscription. The diagram in the README is rendered from this value, and a test walks every derived change along it.
package let standingLifecycle = Lifecycle<Standing.State>(
    "Subscription", "What a subscription entitles to, read from what its provider tells and from the time.", initial: [.pending],
    [
        Transition(
            "activate", "activated", from: [.pending], to: .active, by: [.provider, .policy], why: "paid or in trial, and approved"),
        Transition(
            "start grace", "grace_started", from: [.pending, .active], to: .grace, by: [.provider, .time],
            why: "a payment failed, or the renewal is missing"),
        Transition(
            "suspend", "suspended", from: [.pending, .active, .grace], to: .suspended, by: [.time, .policy],
            why: "the grace is over, or a plan suspends"),
        Transition(
            "reinstate", "reinstated", from: [.grace, .suspended], to: .active, by: [.provider, .policy],
            why: "paid after all, or a plan restores access"),
        Transition(
            "relieve", "relieved", from: [.suspended], to: .grace, by: [.provider, .policy],
            why: "a later failure or a longer grace became known"),
        Transition(
            "cancel", "cancelled", from: [.pending, .active, .grace, .suspended], to: .cancelled,
            by: [.customer, .provider, .time, .policy],
            why: "the provider ended it, its date came, or a plan ends it"),
        Transition(
            "correct", "corrected", from: [.cancelled], to: .active, by: [.provider],
            why: "late news of a payment made, or of a date taken back, before the end"),
        Transition("correct", "corrected", from: [.cancelled], to: .grace, by: [.provider], why: "the same, with a payment open"),
        Transition("correct", "corrected", from: [.cancelled], to: .suspended, by: [.provider], why: "the same, with the grace over"),
    ])
