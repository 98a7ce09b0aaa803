import Store
import Vocabulary

extension Webhooks {
    /// What waits to be delivered, of all tenants. A step for each endpoint, and one for each message that waits.
    package var figures: [StoreFigure] {
        [
            StoreFigure("webhook_endpoints", "Endpoints of all tenants.", labels: ["state"]) { db, _ in
                try db.rows(WebhookTable.endpointsEverywhere).map { ([try $0.text(0)], Double(try $0.integer(1))) }
            },
            StoreFigure("webhook_endpoints_failing", "Enabled endpoints that are tried and take nothing, of all tenants.") { db, _ in
                [([], try Double(db.row(WebhookTable.failingEverywhere)?.integer(0) ?? 0))]
            },
            StoreFigure("webhook_longest_failing_seconds", "Since when the endpoint that fails for longest takes nothing.") { db, now in
                let since = try db.row(WebhookTable.failingEverywhere).flatMap { row in try row.optional(1) { try row.integer($0) } }
                return [([], since.map { Double(max(0, now.microseconds - $0)) / 1_000_000 } ?? 0)]
            },
            StoreFigure("webhook_deliveries_pending", "Messages that an enabled endpoint has not taken yet, of all tenants.") { db, _ in
                [([], try Double(db.row(WebhookTable.pendingEverywhere)?.integer(0) ?? 0))]
            },
        ]
    }
}
