import Tenancy
import Vocabulary

extension Webhooks {
    /// Endpoints hear to the end how their tenant leaves; then they go, with their secrets and all messages.
    package var closure: RoomClosure {
        RoomClosure(
            "webhooks", store: store,
            rows: [
                TenantRows("webhook_attempt_all", by: "message_id"), TenantRows("webhook_delivery_all", by: "message_id"),
                TenantRows("webhook_message_all", by: "message_id"), TenantRows("webhook_object_all", by: "object"),
                TenantRows("webhook_endpoint_all", by: "endpoint_id"),
            ])
    }
}
