import Vocabulary

// What those who pay read of a correction.

extension Correction {
    var json: JSONValue {
        [
            "id": .string(id.description), "provider": .string(provider), "found_in": .string(place.rawValue),
            "kind": .string(kind.rawValue), "what": .string(what), "done": .string(done.rawValue), "summary": .string(words),
            "subscription_id": subscription.map { .string($0.description) } ?? .null, "changes_access": .bool(changesAccess),
            "changes_money": .bool(changesMoney), "amount": amount?.json ?? .null, "before": before?.json ?? .null,
            "after": after?.json ?? .null, "found_at": .string(foundAt.iso8601), "corrected_at": .string(settledAt.iso8601),
        ]
    }

    /// For a person, as part of a sentence.
    package var words: String {
        let of = amount.map { " of \($0.display)" } ?? ""
        let text =
            switch kind {
            case .missedEvent: "news of the provider\(amount.map { " about \($0.display)" } ?? "") had not arrived"
            case .payment: what == "failed" ? "a failed payment\(of) was not recorded" : "a payment\(of) was not fully recorded"
            case .refund: "a refund\(of) was not recorded"
            case .dispute: "a dispute\(of) was not recorded as it is"
            case .checkoutOpen: "a purchase was paid and not recorded as complete"
            case .access where what == "overdue": "the licence had not followed a date that was over"
            case .access: "the licence did not show what was bought"
            case .subscription: "\(Self.parts[what] ?? "the subscription") was not as the provider has it"
            }
        return done == .corrected ? text : "\(text); our staff looks after it"
    }

    private static let parts = [
        "status": "the subscription's status", "ended": "the subscription's end", "quantity": "the quantity", "tier": "the plan",
        "interval": "the billing interval", "period_end": "the end of the paid period", "cancels_at": "the date of a cancellation",
        "trial_end": "the end of the trial",
    ]
}

extension Correction.Terms {
    var json: JSONValue {
        [
            "status": .string(status.rawValue), "tier": .string(tier), "quantity": .int(Int64(quantity)),
            "period_end": periodEnd.map { .string($0.iso8601) } ?? .null,
        ]
    }
}
