import Vocabulary

/// What customers can hear of. One literal a type: the route that lists them, the check of filters and the reference come from it.
package struct WebhookEventType: Sendable, Hashable {
    package let name: String
    package let summary: String

    package static let all = licenses + subscriptions + payments + seats + tenants + projects + leaving

    private static let licenses = [
        WebhookEventType(name: "license.issued", summary: "A licence was issued."),
        WebhookEventType(name: "license.renewed", summary: "A licence's end moved on: the next period is paid."),
        WebhookEventType(name: "license.grace_started", summary: "A payment is open; the licence works until its grace ends."),
        WebhookEventType(name: "license.suspended", summary: "A licence does not work until what is open is paid."),
        WebhookEventType(name: "license.reinstated", summary: "A suspended licence works again."),
        WebhookEventType(name: "license.expired", summary: "A licence reached its end."),
        WebhookEventType(name: "license.changed", summary: "A licence grants another tier or quantity."),
        WebhookEventType(name: "license.revoked", summary: "A person ended a licence for good."),
    ]
    private static let subscriptions = [
        WebhookEventType(name: "subscription.updated", summary: "What a subscription entitles to has changed; the data holds it whole.")
    ]
    private static let payments = [
        WebhookEventType(name: "payment.succeeded", summary: "An invoice was paid."),
        WebhookEventType(name: "payment.failed", summary: "An attempt to collect an invoice failed; each attempt once."),
        WebhookEventType(
            name: "invoice.updated", summary: "An invoice became known, or its status, amount, period or next attempt changed."),
        WebhookEventType(name: "refund.created", summary: "Money went back, or is on its way."),
        WebhookEventType(name: "dispute.opened", summary: "A buyer disputes a payment."),
        WebhookEventType(name: "dispute.updated", summary: "A dispute's status changed."),
        WebhookEventType(name: "dispute.closed", summary: "A dispute was won, lost or withdrawn."),
    ]
    private static let seats = [
        WebhookEventType(name: "seat.released", summary: "An operator of the organisation released somebody's seat."),
        WebhookEventType(name: "seat.borrowed", summary: "A seat left for use without the network."),
        WebhookEventType(
            name: "seat.nearly_full", summary: "Nearly all seats of a licence are taken; at most once each time use rises over the mark."),
    ]
    private static let tenants = [
        WebhookEventType(name: "member.joined", summary: "A member proved the mail address and can work."),
        WebhookEventType(name: "tenant_policy.activated", summary: "A version of the organisation's own policies is in force."),
        WebhookEventType(name: "tenant_policy.switched_off", summary: "None of the organisation's own policies is in force."),
        WebhookEventType(
            name: "webhook.test", summary: "Somebody of the organisation asked for a test; goes to one endpoint, whatever it wants."),
    ]

    private static let projects = [
        WebhookEventType(name: "project.created", summary: "A project was made."),
        WebhookEventType(name: "project.updated", summary: "A project has another name or summary."),
        WebhookEventType(name: "project.shared", summary: "A project is shared with others than before, or otherwise."),
        WebhookEventType(name: "project.archived", summary: "A project's files change no more."),
        WebhookEventType(name: "project.reopened", summary: "Work on an archived project goes on."),
        WebhookEventType(name: "project.deleted", summary: "A project is out of sight; for some days it can be restored."),
        WebhookEventType(name: "project.restored", summary: "A deleted project is back with its files."),
        WebhookEventType(name: "project.purged", summary: "A project and all its files are destroyed."),
        WebhookEventType(name: "file.stored", summary: "A file was added, or has a further version."),
        WebhookEventType(name: "file.removed", summary: "A file was removed with all its versions."),
    ]
    private static let leaving = [
        WebhookEventType(name: "offboarding.requested", summary: "The organisation asked to leave; it can still be withdrawn."),
        WebhookEventType(name: "offboarding.withdrawn", summary: "The organisation stays after all."),
        WebhookEventType(name: "offboarding.begun", summary: "The organisation leaves: nobody works in it any more."),
        WebhookEventType(name: "offboarding.reactivated", summary: "The organisation came back, with everything it had."),
        WebhookEventType(name: "offboarding.purging", summary: "The deletion begins: the last message that there will be."),
    ]

    /// A name, `license.*` with at least one name behind it, or `*`.
    static func isPattern(_ text: String) -> Bool {
        text == "*" || all.contains { $0.name == text } || (text.hasSuffix(".*") && all.contains { $0.name.hasPrefix(text.dropLast(1)) })
    }
}

/// Something that happened, as a message tells it.
package protocol WebhookNews: PlatformEvent {
    var tenant: TenantID { get }
    var webhook: (type: String, object: String, data: JSONValue) { get }
}

private func time(_ value: Timestamp?) -> JSONValue { value.map { .string($0.iso8601) } ?? .null }
private func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
private func count(_ value: Int?) -> JSONValue { value.map { .int(Int64($0)) } ?? .null }

extension OffboardingTold: WebhookNews {
    package var webhook: (type: String, object: String, data: JSONValue) {
        (
            "offboarding.\(step.rawValue)", "offboarding:\(offboarding)",
            ["offboarding_id": .string(offboarding), "until": time(until)]
        )
    }
}

extension LicenseIssued: WebhookNews {
    package var webhook: (type: String, object: String, data: JSONValue) {
        ("license.issued", "license:\(license)", ["license_id": .string(license.description), "tier": .string(tier)])
    }
}

extension LicenseChanged: WebhookNews {
    package var webhook: (type: String, object: String, data: JSONValue) {
        (
            "license.\(step.rawValue)", "license:\(license)",
            [
                "license_id": .string(license.description), "tier": .string(tier), "quantity": .int(Int64(quantity)),
                "status": .string(status), "expires_at": time(expiresAt),
            ]
        )
    }
}

extension LicenseRevoked: WebhookNews {
    package var webhook: (type: String, object: String, data: JSONValue) {
        ("license.revoked", "license:\(license)", ["license_id": .string(license.description), "reason": .string(reason)])
    }
}

extension StandingChanged: WebhookNews {
    package var webhook: (type: String, object: String, data: JSONValue) {
        (
            "subscription.updated", "subscription:\(subscription)",
            [
                "subscription_id": .string(subscription.description), "version": .int(version), "status": .string(standing.rawValue),
                "tier": .string(tier), "quantity": .int(Int64(quantity)), "interval": .string(interval.rawValue),
                "current_period_end": time(periodEnd), "grace_until": time(graceUntil), "cancels_at": time(cancelsAt),
            ]
        )
    }
}

extension PaymentTold: WebhookNews {
    package var webhook: (type: String, object: String, data: JSONValue) {
        let id = object.split(separator: ":").last.map(String.init) ?? object
        return (
            step.rawValue, object,
            [
                "\(object.prefix { $0 != ":" })_id": .string(id), "provider": .string(provider),
                "subscription_id": text(subscription?.description),
                "amount": amount.map { ["amount_minor": .int($0.amountMinor), "currency": .string($0.currency.code)] } ?? .null,
                "status": text(status), "reason": text(reason), "period_start": time(periodStart), "period_end": time(periodEnd),
            ]
        )
    }
}

extension SeatTold: WebhookNews {
    package var webhook: (type: String, object: String, data: JSONValue) {
        (
            "seat.\(step.rawValue)", "license:\(license)",
            [
                "license_id": .string(license.description), "session_id": text(session), "reason": text(reason), "until": time(until),
                "seats_used": count(seatsUsed), "seats_total": count(seatsTotal),
            ]
        )
    }
}

extension TenantPoliciesChanged: WebhookNews {
    package var webhook: (type: String, object: String, data: JSONValue) {
        (
            hash == nil ? "tenant_policy.switched_off" : "tenant_policy.activated", "tenant:\(tenant)",
            ["policy_hash": text(hash), "reason": text(reason)]
        )
    }
}

extension UserVerified: WebhookNews {
    package var webhook: (type: String, object: String, data: JSONValue) {
        ("member.joined", "user:\(user)", ["user_id": .string(user.description)])
    }
}

extension ProjectChanged: WebhookNews {
    package var webhook: (type: String, object: String, data: JSONValue) {
        ("project.\(step.rawValue)", "project:\(project)", ["project_id": .string(project.description)])
    }
}

extension ProjectFileChanged: WebhookNews {
    package var webhook: (type: String, object: String, data: JSONValue) {
        (
            "file.\(step.rawValue)", "file:\(file)",
            [
                "file_id": .string(file.description), "project_id": .string(project.description), "version": count(version),
                "size_bytes": .int(bytes), "hash": .string(hash),
            ]
        )
    }
}
