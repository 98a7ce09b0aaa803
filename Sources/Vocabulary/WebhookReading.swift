/// A payment provider whose webhooks are read elsewhere than on the caller's thread: in a process of its own.
package protocol WebhookReading: Sendable {
    func verified(_ delivery: WebhookDelivery) async throws -> VerifiedEvent
    func interpreted(_ event: VerifiedEvent) async throws -> [PaymentFact]
}

extension PaymentProvider {
    /// `verify`, without blocking a thread where the plugin lives in another process.
    package func verifiedApart(_ delivery: WebhookDelivery) async throws -> VerifiedEvent {
        if let reader = self as? any WebhookReading { return try await reader.verified(delivery) }
        return try verify(delivery)
    }
    /// `interpret`, likewise.
    package func interpretedApart(_ event: VerifiedEvent) async throws -> [PaymentFact] {
        if let reader = self as? any WebhookReading { return try await reader.interpreted(event) }
        return try interpret(event)
    }
}
