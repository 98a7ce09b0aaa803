import Vocabulary

extension CheckoutIntent.Status: LifecycleState {}
extension BillingOperation.Status: LifecycleState {}
extension PaymentEvent.Status: LifecycleState {}
extension QuantityWish.Status: LifecycleState {}

/// Every life of the room beside the subscription's. The README shows them; a test compares.
package enum BillingLifecycles {
    static let checkout = Lifecycle<CheckoutIntent.Status>(
        "Checkout", "What the provider is asked to sell.", initial: [.asking],
        [
            Transition(
                "open", "opened", from: [.asking, .refused], to: .open, by: [.provider], why: "the provider gave a page to pay on"),
            Transition("refuse", "refused", from: [.asking], to: .refused, by: [.provider], why: "the provider refused for good"),
            Transition(
                "ask again", "intended", from: [.refused], to: .asking, by: [.customer], why: "the same `Idempotency-Key` comes again"),
        ])
    static let operation = Lifecycle<BillingOperation.Status>(
        "Operation", "Something that a provider is asked to do, once.", initial: [.asking],
        [
            Transition(
                "do", "done", from: [.asking, .unknown, .refused], to: .done, by: [.provider],
                why: "it was done, or is found to be, also where another look at it was refused"),
            Transition(
                "refuse", "refused", from: [.asking, .unknown], to: .refused, by: [.provider], why: "it was certainly not done"),
            Transition(
                "lose", "unknown", from: [.asking], to: .unknown, by: [.kernel], why: "nobody knows whether it was done; a job finds out"),
            Transition(
                "ask again", "intended", from: [.refused], to: .asking, by: [.customer, .staff],
                why: "the same `Idempotency-Key` comes again"),
        ])
    static let event = Lifecycle<PaymentEvent.Status>(
        "Payment event", "Something that a provider told.", initial: [.received],
        [
            Transition(
                "apply", "applied", from: [.received], to: .applied, by: [.kernel, .policy], why: "everything that follows is done"),
            Transition("ignore", "ignored", from: [.received], to: .ignored, by: [.kernel], why: "it says nothing that matters"),
            Transition("refuse", "refused", from: [.received], to: .refused, by: [.kernel], why: "it can never be applied"),
            Transition("park", "parked", from: [.received], to: .parked, by: [.kernel], why: "its object is not known yet"),
            Transition(
                "take again", "received", from: [.parked, .applied, .ignored, .refused], to: .received, by: [.kernel, .staff],
                why: "its object has appeared, or staff replays it"),
        ])

    static let quantityWish = Lifecycle<QuantityWish.Status>(
        "Quantity wish", "How many units a customer wants, gathered for a moment and asked for once.", initial: [.waiting],
        [
            Transition("ask", "asked", from: [.waiting], to: .asked, by: [.time], why: "the window of the first wish is over"),
            Transition(
                "put off", "put_off", from: [.asked], to: .waiting, by: [.provider], why: "the provider had no time for it"),
            Transition(
                "do", "done", from: [.waiting, .asked], to: .done, by: [.provider], why: "the provider did it, or has it so already"),
            Transition(
                "refuse", "refused", from: [.waiting, .asked], to: .refused, by: [.provider, .policy, .kernel],
                why: "it is not possible any more, or not wanted; owners are told"),
            Transition(
                "withdraw", "withdrawn", from: [.waiting], to: .withdrawn, by: [.customer],
                why: "somebody takes it back, or wishes for what is billed already"),
            Transition(
                "replace", "replaced", from: [.waiting], to: .replaced, by: [.customer, .kernel],
                why: "a change at once, a cancellation or a pause was done meanwhile"),
        ])

    package static let all: [any DeclaredLifecycle] = [standingLifecycle, checkout, operation, event, quantityWish]
}
