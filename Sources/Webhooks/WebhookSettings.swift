import Vocabulary

package enum WebhookSettings {
    package static let opens = Setting(
        "webhooks.allow_private_addresses", default: false, range: "true or false",
        reason: "Whether tenants' webhooks may go to private addresses and by plain HTTP: for a server that only its own company uses. "
            + "Elsewhere a tenant could have the server call what only the server can reach.")
    package static let timeoutSeconds = Setting(
        "webhooks.timeout_seconds", default: 15, range: "1 to 20", accepts: { (1...20).contains($0) },
        reason: "How long an endpoint may take to answer.")
    package static let retentionDays = Setting(
        "webhooks.retention_days", default: 30, range: "4 to 365", accepts: { (4...365).contains($0) },
        reason:
            "How long messages and the log of their deliveries are kept, to look at and to replay; longer than the three days of retries.")
    package static let all: [AnySetting] = [opens.erased, timeoutSeconds.erased, retentionDays.erased]
}
