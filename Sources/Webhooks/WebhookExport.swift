import Tenancy

extension Webhooks {
    /// Endpoints without their secrets, what was told to them, and how they answered.
    package var export: RowExport {
        RowExport(
            "webhooks", store: store,
            [
                RowExport.Kind(
                    "endpoints", "webhook_endpoint_all",
                    [
                        ("endpoint_id", .id), ("url", .text), ("events", .json), ("description", .text), ("state", .text),
                        ("disabled_reason", .text), ("created_at", .time),
                    ]),
                RowExport.Kind(
                    "messages", "webhook_message_all",
                    [("message_id", .id), ("type", .text), ("body", .json), ("created_at", .time)]),
                RowExport.Kind(
                    "deliveries", "webhook_delivery_all", keys: 2,
                    [
                        ("endpoint_id", .id), ("message_id", .id), ("state", .text), ("tries", .integer), ("attempts", .integer),
                        ("next_at", .time),
                    ]),
                RowExport.Kind(
                    "attempts", "webhook_attempt_all", keys: 3,
                    [
                        ("endpoint_id", .id), ("message_id", .id), ("attempt", .integer), ("at", .time), ("milliseconds", .integer),
                        ("status", .integer), ("failure", .text),
                    ]),
            ])
    }
}
