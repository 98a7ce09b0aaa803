import Store

/// Every SQL statement of the room. Unsuffixed names run in tenant scope, `…_all` in kernel scope.
enum WebhookTable {
    private static let endpointColumns =
        "endpoint_id, url, events, description, state, disabled_reason, previous_until, failing_since, created_at"

    static let create = SQL(
        "webhooks.create",
        """
        INSERT INTO webhook_endpoint (tenant_id, endpoint_id, url, events, description, state, secret_box, busy_until, created_at)
        VALUES ($1, $2, $3, $4, $5, 'enabled', $6, 0, $7)
        """)
    static let endpoints = SQL("webhooks.endpoints", "SELECT \(endpointColumns) FROM webhook_endpoint ORDER BY endpoint_id")
    static let endpoint = SQL("webhooks.endpoint", "SELECT \(endpointColumns) FROM webhook_endpoint WHERE endpoint_id = $1")
    static let change = SQL(
        "webhooks.change",
        """
        UPDATE webhook_endpoint
        SET url = $2, events = $3, description = $4, state = $5, disabled_reason = $6, failing_since = $7
        WHERE endpoint_id = $1 RETURNING endpoint_id
        """)
    static let drop = SQL("webhooks.drop", "DELETE FROM webhook_endpoint WHERE endpoint_id = $1 RETURNING endpoint_id")
    static let secrets = SQL(
        "webhooks.secrets", "SELECT secret_box, previous_box, previous_until FROM webhook_endpoint WHERE endpoint_id = $1")
    static let rotate = SQL(
        "webhooks.rotate",
        "UPDATE webhook_endpoint SET secret_box = $2, previous_box = $3, previous_until = $4 WHERE endpoint_id = $1 RETURNING endpoint_id")

    // Messages
    static let count = SQL(
        "webhooks.count", "UPDATE webhook_object SET sequence = sequence + 1 WHERE object = $1 RETURNING sequence")
    static let beginCount = SQL(
        "webhooks.begin_count", "INSERT INTO webhook_object (tenant_id, object, sequence) VALUES ($1, $2, 1)")
    static let message = SQL("webhooks.message", "SELECT type, body, created_at FROM webhook_message WHERE message_id = $1")
    static let keep = SQL(
        "webhooks.keep",
        "INSERT INTO webhook_message (tenant_id, message_id, type, body, created_at) VALUES ($1, $2, $3, $4, $5)")
    static let begin = SQL(
        "webhooks.begin",
        """
        INSERT INTO webhook_delivery (tenant_id, endpoint_id, message_id, state, tries, attempts, next_at)
        VALUES ($1, $2, $3, 'pending', 0, 0, $4)
        """)
    static let forget = SQL(
        "webhooks.forget",
        """
        DELETE FROM webhook_message_all WHERE (tenant_id, message_id) IN
            (SELECT tenant_id, message_id FROM webhook_message_all WHERE tenant_id = $1 AND created_at < $2
                AND \(TenantKeep.unheld("webhook_message_all")) ORDER BY created_at LIMIT $3)
        RETURNING 1
        """)
    static let tenants = SQL(
        "webhooks.tenants", "SELECT DISTINCT tenant_id FROM webhook_message_all WHERE tenant_id > $1 ORDER BY tenant_id LIMIT $2")

    // All tenants together, for the metrics.
    static let endpointsEverywhere = SQL(
        "webhooks.endpoints_everywhere", "SELECT state, count(*) FROM webhook_endpoint_all GROUP BY state ORDER BY state")
    static let failingEverywhere = SQL(
        "webhooks.failing_everywhere",
        "SELECT count(*), min(failing_since) FROM webhook_endpoint_all WHERE state = 'enabled' AND failing_since IS NOT NULL")
    static let pendingEverywhere = SQL(
        "webhooks.pending_everywhere",
        """
        SELECT coalesce(sum((
            SELECT count(*) FROM webhook_delivery_all d
            WHERE d.tenant_id = e.tenant_id AND d.endpoint_id = e.endpoint_id AND d.state = 'pending')), 0)
        FROM webhook_endpoint_all e WHERE e.state = 'enabled'
        """)

    // Sending
    static let take = SQL(
        "webhooks.take",
        """
        UPDATE webhook_endpoint SET busy_until = $2 WHERE endpoint_id = $1 AND busy_until <= $3 AND state = 'enabled'
        RETURNING url, secret_box, previous_box, previous_until, failing_since
        """)
    static let busy = SQL("webhooks.busy", "SELECT busy_until FROM webhook_endpoint WHERE endpoint_id = $1 AND state = 'enabled'")
    static let due = SQL(
        "webhooks.due",
        """
        SELECT d.message_id, d.tries, d.attempts, m.body
        FROM webhook_delivery d JOIN webhook_message m ON m.message_id = d.message_id
        WHERE d.endpoint_id = $1 AND d.state = 'pending' AND d.next_at <= $2
        ORDER BY d.next_at, d.message_id LIMIT $3
        """)
    static let next = SQL(
        "webhooks.next", "SELECT min(next_at) FROM webhook_delivery WHERE endpoint_id = $1 AND state = 'pending'")
    static let tell = SQL(
        "webhooks.tell",
        """
        INSERT INTO webhook_attempt (tenant_id, endpoint_id, message_id, attempt, at, milliseconds, status, answer, failure)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """)
    static let settle = SQL(
        "webhooks.settle",
        """
        UPDATE webhook_delivery SET state = $3, tries = $4, attempts = $5, next_at = $6
        WHERE endpoint_id = $1 AND message_id = $2 AND (state = 'pending' OR $3 = 'delivered') RETURNING message_id
        """)
    static let done = SQL(
        "webhooks.done",
        """
        UPDATE webhook_endpoint
        SET busy_until = 0, failing_since = $2, disabled_reason = coalesce($3, disabled_reason),
            state = CASE WHEN $3 IS NULL THEN state ELSE 'disabled' END
        WHERE endpoint_id = $1 RETURNING state
        """)
    static let giveUp = SQL(
        "webhooks.give_up",
        "UPDATE webhook_delivery SET state = 'failed', next_at = NULL WHERE endpoint_id = $1 AND state = 'pending' RETURNING message_id")

    // The log
    static let deliveries = SQL(
        "webhooks.deliveries",
        """
        SELECT d.message_id, m.type, d.state, d.attempts, d.next_at, m.created_at
        FROM webhook_delivery d JOIN webhook_message m ON m.message_id = d.message_id
        WHERE d.endpoint_id = $1 AND (d.state = $2 OR $2 IS NULL) AND (d.message_id < $3 OR $3 IS NULL)
        ORDER BY d.message_id DESC LIMIT $4
        """)
    static let delivery = SQL(
        "webhooks.delivery",
        """
        SELECT d.message_id, m.type, d.state, d.attempts, d.next_at, m.created_at, m.body
        FROM webhook_delivery d JOIN webhook_message m ON m.message_id = d.message_id
        WHERE d.endpoint_id = $1 AND d.message_id = $2
        """)
    static let attempts = SQL(
        "webhooks.attempts",
        """
        SELECT attempt, at, milliseconds, status, answer, failure FROM webhook_attempt
        WHERE endpoint_id = $1 AND message_id = $2 ORDER BY attempt DESC LIMIT 100
        """)
    static let replay = SQL(
        "webhooks.replay",
        """
        SELECT m.message_id, d.state FROM webhook_message m
        LEFT JOIN webhook_delivery d ON d.endpoint_id = $1 AND d.message_id = m.message_id
        WHERE m.created_at >= $2 AND m.created_at < $3 ORDER BY m.created_at, m.message_id LIMIT $4
        """)
    static let again = SQL(
        "webhooks.again",
        """
        UPDATE webhook_delivery SET state = 'pending', tries = 0, next_at = $3 WHERE endpoint_id = $1 AND message_id = $2
        RETURNING message_id
        """)
}
