import Vocabulary

/// What customers can hear of. One literal a type: the route that lists them, the check of filters and the reference come from it.
package struct WebhookEventType: Sendable, Hashable {
    package let name: String
    package let summary: String

    package static let all = [
        WebhookEventType(name: "license.issued", summary: "A licence was issued."),
        WebhookEventType(name: "subscription.updated", summary: "What a subscription entitles to has changed; the data holds it whole."),
        WebhookEventType(
            name: "webhook.test", summary: "Somebody of the organisation asked for a test; goes to one endpoint, whatever it wants."),
    ]

    /// A name, `license.*` with at least one name behind it, or `*`.
    static func isPattern(_ text: String) -> Bool {
        text == "*" || all.contains { $0.name == text } || (text.hasSuffix(".*") && all.contains { $0.name.hasPrefix(text.dropLast(1)) })
    }
}

extension LicenseIssued {
    var webhook: (type: String, object: String, data: JSONValue) {
        ("license.issued", "license:\(license)", ["license_id": .string(license.description), "tier": .string(tier)])
    }
}

extension StandingChanged {
    var webhook: (type: String, object: String, data: JSONValue) {
        func time(_ value: Timestamp?) -> JSONValue { value.map { .string($0.iso8601) } ?? .null }
        return (
            "subscription.updated", "subscription:\(subscription)",
            [
                "subscription_id": .string(subscription.description), "version": .int(version), "status": .string(standing.rawValue),
                "tier": .string(tier), "quantity": .int(Int64(quantity)), "interval": .string(interval.rawValue),
                "current_period_end": time(periodEnd), "grace_until": time(graceUntil), "cancels_at": time(cancelsAt),
            ]
        )
    }
}
