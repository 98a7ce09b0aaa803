import Catalog
import Vocabulary

// What crosses the wire when a subscription is changed from this side.

struct ChangeBody: Decodable {
    let subscription: SubscriptionID?
    let tier: String?
    let interval: BillingInterval?
    let quantity: Int?
    let prorationAt: String?
    let dueNowMinor: Int64?
    let apply: QuantityWish.Apply?
    enum CodingKeys: String, CodingKey {
        case tier, interval, quantity, apply
        case subscription = "subscription_id"
        case prorationAt = "proration_at"
        case dueNowMinor = "due_now_minor"
    }
    func order() throws(Problem) -> ChangeOrder {
        ChangeOrder(
            subscription: subscription, tier: tier, interval: interval, quantity: quantity,
            prorationAt: try Timestamp.given(prorationAt, "proration_at"), dueNowMinor: dueNowMinor)
    }
}

struct CancelBody: Decodable {
    let subscription: SubscriptionID?
    let when: SubscriptionCancellation.When?
    let reason: String?
    enum CodingKeys: String, CodingKey {
        case when, reason
        case subscription = "subscription_id"
    }
    static let reasons = ["too_expensive", "missing_features", "switched", "unused", "quality", "other"]
}

struct PauseBody: Decodable {
    let subscription: SubscriptionID?
    let resumes: String?
    enum CodingKeys: String, CodingKey {
        case subscription = "subscription_id"
        case resumes = "resumes_at"
    }
    var resumesAt: Timestamp? { get throws(Problem) { try Timestamp.given(resumes, "resumes_at") } }
}

extension Timestamp {
    static func given(_ text: String?, _ field: String) throws(Problem) -> Timestamp? {
        guard let text else { return nil }
        guard let moment = Timestamp(iso8601: text) else { throw CommonProblems.invalid(field, "must be an ISO 8601 time") }
        return moment
    }
}

extension BillingOperation {
    var json: JSONValue {
        [
            "id": .string(id.description), "kind": .string(kind.rawValue), "provider": .string(provider),
            "status": .string(status.rawValue),
            "code": code.map { .string($0) } ?? .null, "amount": amount?.json ?? .null, "created_at": .string(createdAt.iso8601),
            "settled_at": settledAt.map { .string($0.iso8601) } ?? .null,
        ]
    }
}

extension OnTierChange.Offer {
    var json: JSONValue {
        [
            "tier": .string(tier), "quantity": .int(Int64(quantity)), "interval": .string(interval.rawValue), "unit_price": price.json,
        ]
    }
}

extension InvoiceLine {
    var json: JSONValue {
        [
            "summary": .string(String(summary.prefix(500))), "quantity": quantity.map { .int(Int64($0)) } ?? .null, "amount": amount.json,
            "period_start": periodStart.map { .string($0.iso8601) } ?? .null, "period_end": periodEnd.map { .string($0.iso8601) } ?? .null,
            "is_proration": .bool(isProration),
        ]
    }
}

extension ChangeQuote {
    var json: JSONValue {
        [
            "subscription_id": .string(subscription.description), "from": from.json, "to": to.json, "when": .string(when.rawValue),
            "at": .string(at.iso8601), "due_now": dueNow?.json ?? .null, "prorated": prorated?.json ?? .null,
            "lines": .array(lines.prefix(250).map(\.json)), "proration_at": prorationAt.map { .string($0.iso8601) } ?? .null,
            "next_amount": nextAmount.json,
        ]
    }
}

extension ProviderInvoice {
    var json: JSONValue {
        func time(_ moment: Timestamp?) -> JSONValue { moment.map { .string($0.iso8601) } ?? .null }
        return [
            "number": number.map { .string(String($0.prefix(255))) } ?? .null, "status": .string(status.rawValue), "total": total.json,
            "due": due.json, "issued_at": time(issuedAt), "due_at": time(dueAt), "paid_at": time(paidAt),
            "lines": .array(lines.prefix(250).map(\.json)), "has_more_lines": .bool(hasMoreLines),
            "hosted_url": hostedURL.map { .string($0) } ?? .null,
        ]
    }
}

extension SubscriptionView {
    var json: JSONValue {
        func time(_ moment: Timestamp?) -> JSONValue { moment.map { .string($0.iso8601) } ?? .null }
        return [
            "id": .string(id.description), "provider": .string(provider), "status": .string(standing.state.rawValue),
            "reason": .string(standing.reason.rawValue), "tier": .string(standing.tier), "interval": .string(standing.interval.rawValue),
            "quantity": .int(Int64(standing.quantity)), "seats": seats.map { .int(Int64($0)) } ?? .null,
            "period_end": time(standing.periodEnd), "grace_until": time(standing.graceUntil), "cancels_at": time(standing.cancelsAt),
            "trial_ends_at": time(standing.trialEndsAt),
            "change": standing.change.map {
                ["tier": .string($0.tier), "quantity": .int(Int64($0.quantity)), "at": .string($0.at.iso8601)]
            } ?? .null, "quantity_wish": wish?.json ?? .null, "coupon": coupon?.json ?? .null, "created_at": time(createdAt),
        ]
    }
}

extension QuantityWish {
    var json: JSONValue {
        [
            "id": .string(id.description), "status": .string(status.rawValue), "quantity": .int(Int64(quantity)),
            "wished_by": .string(wishedBy.description), "opened_at": .string(openedAt.iso8601), "wished_at": .string(wishedAt.iso8601),
            "carried_out_at": .string(dueAt.iso8601), "operation_id": operation.map { .string($0.description) } ?? .null,
            "code": code.map { .string($0) } ?? .null,
        ]
    }
}

extension Reconciliation {
    var json: JSONValue {
        [
            "id": .string(id.description), "provider": .string(provider), "status": .string(status.rawValue),
            "since": .string(since.iso8601),
            "started_at": .string(startedAt.iso8601), "finished_at": finishedAt.map { .string($0.iso8601) } ?? .null,
            "failure": report.failure.map { .string($0) } ?? .null, "compared": .object(report.compared.mapValues { .int(Int64($0)) }),
            "foreign": .int(Int64(report.foreign)), "unlisted": .array(report.unlisted.map { .string($0) }),
            "found": .int(Int64(report.found)),
            "findings": .array(
                report.findings.map {
                    [
                        "kind": .string($0.kind.rawValue), "object": .string($0.object),
                        "tenant_id": $0.tenant.map { .string($0.description) } ?? .null, "what": .string($0.what),
                        "is_mended": .bool($0.isMended),
                    ]
                }),
        ]
    }
}

extension PaymentEvent {
    var json: JSONValue {
        [
            "id": .string(id.description), "provider": .string(provider), "event": .string(event), "type": .string(type),
            "status": .string(status.rawValue), "tenant_id": tenant.map { .string($0.description) } ?? .null,
            "reason": reason.map { .string($0) } ?? .null, "deliveries": .int(Int64(deliveries)), "failures": .int(Int64(failures)),
            "decision_id": decision.map { .string($0.description) } ?? .null, "occurred_at": .string(occurredAt.iso8601),
            "received_at": .string(receivedAt.iso8601), "settled_at": settledAt.map { .string($0.iso8601) } ?? .null,
        ]
    }
}
