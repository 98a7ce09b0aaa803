import Vocabulary

package enum WebhookPermissions {
    package static let read = Permission("webhooks:read", "See webhooks and the log of their deliveries.")
    package static let write = Permission(
        "webhooks:write", "Add, change, test, replay and remove webhooks, and rotate their secrets.", delegates: .keys, isSensitive: true)
    package static let all = [read, write]
}
