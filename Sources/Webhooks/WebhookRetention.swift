import Store
import Vocabulary

/// What the room keeps, and how long.
package enum WebhookRetention {
    package static let kinds = [
        RetentionKind(
            "webhook_messages", "Messages to webhooks, and each try to deliver them", .tenant,
            tables: ["webhook_message_all", "webhook_delivery_all", "webhook_attempt_all"],
            [
                RetentionDuty(
                    .contract, "they are looked at and sent again; longer than the three days of tries", from: "when it was written",
                    clock: "created_at", .days(WebhookSettings.retentionDays))
            ], end: .deleted, job: RetentionJob("webhooks.sweep", every: .days(1)),
            probe: RetentionProbe("webhook_message_all", by: "message_id")),
        RetentionKind(
            "webhook_endpoints", "Where a tenant wants messages, and how many it got", .tenant,
            tables: ["webhook_endpoint_all", "webhook_object_all"], [.lasting(.tenant, "messages go there")], end: .deleted,
            probe: RetentionProbe("webhook_endpoint_all", by: "endpoint_id")),
    ]
}
