import Vocabulary

package enum WebhookProblems {
    package static let address = Problem(
        "webhook_address_refused", status: 422, title: "Webhooks do not go to this address.",
        hint: "Use https:// and a public name or address, without user name, password or fragment.")
    package static let tooMany = Problem(
        "too_many_webhooks", status: 409, title: "The organisation has as many webhooks as it may.",
        hint: "Remove one, or let one endpoint take more kinds of events.")
    package static let disabled = Problem(
        "webhook_disabled", status: 409, title: "The webhook is disabled.", hint: "Enable it first: see disabled_reason for why it is.")
    package static let all = [address, tooMany, disabled]
}
