import Store

/// Every statement of the inbox and of routing. Kernel scope.
enum InboxTable {
    static let insert = SQL(
        "billing.insert_event",
        """
        INSERT INTO payment_event (id, provider, event, type, occurred_at, received_at, body_box, body_digest, status, tenant_id, round,
            delivery_count, altered_count, failure_count, plan, reason, settled_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'received', NULL, 0, 1, 0, 0, NULL, NULL, NULL)
        ON CONFLICT (provider, event) DO NOTHING RETURNING id
        """)
    static let countDelivery = SQL(
        "billing.count_delivery",
        """
        UPDATE payment_event SET delivery_count = delivery_count + 1,
            altered_count = altered_count + CASE WHEN body_digest = $3 THEN 0 ELSE 1 END
        WHERE provider = $1 AND event = $2 RETURNING id, CASE WHEN body_digest = $3 THEN 0 ELSE 1 END, altered_count
        """)
    static let find = SQL(
        "billing.find_event",
        """
        SELECT id, provider, event, type, occurred_at, received_at, status, tenant_id, round, delivery_count, altered_count, failure_count,
            plan, reason, settled_at, body_box FROM payment_event WHERE id = $1
        """)
    static let list = SQL(
        "billing.list_events",
        """
        SELECT id, provider, event, type, occurred_at, received_at, status, tenant_id, round, delivery_count, altered_count, failure_count,
            plan, reason, settled_at FROM payment_event
        WHERE (received_at, id) < ($1, $2) ORDER BY received_at DESC, id DESC LIMIT $3
        """)
    static let listByStatus = SQL(
        "billing.list_events_by_status",
        """
        SELECT id, provider, event, type, occurred_at, received_at, status, tenant_id, round, delivery_count, altered_count, failure_count,
            plan, reason, settled_at FROM payment_event
        WHERE status = $1 AND (received_at, id) < ($2, $3) ORDER BY received_at DESC, id DESC LIMIT $4
        """)
    /// The first answer stands.
    static let keepPlan = SQL(
        "billing.keep_plan", "UPDATE payment_event SET plan = $2, tenant_id = $3 WHERE id = $1 AND plan IS NULL RETURNING id")
    static let plan = SQL("billing.event_plan", "SELECT plan FROM payment_event WHERE id = $1")
    /// Only one caller leaves `received`; to nobody else is a row returned.
    static let finish = SQL(
        "billing.finish_event",
        """
        UPDATE payment_event SET status = $2, tenant_id = $3, reason = $4, settled_at = $5
        WHERE id = $1 AND status = 'received' RETURNING id
        """)
    static let wake = SQL(
        "billing.wake_event",
        """
        UPDATE payment_event SET status = 'received', reason = NULL, settled_at = NULL, round = round + 1
        WHERE id = $1 AND status = 'parked' RETURNING id, round
        """)
    static let again = SQL(
        "billing.replay_event",
        """
        UPDATE payment_event SET status = 'received', reason = NULL, settled_at = NULL, round = round + 1
        WHERE id = $1 RETURNING round, tenant_id
        """)
    static let fail = SQL(
        "billing.fail_event",
        """
        UPDATE payment_event SET failure_count = failure_count + 1, reason = $2, round = round + 1
        WHERE id = $1 AND status = 'received' RETURNING round, failure_count
        """)
    /// What still waits to be applied stays, however old: it is money. What waited long stays for as long after it was settled as $2 says.
    static let purge = SQL(
        "billing.purge_events",
        """
        DELETE FROM payment_event WHERE id IN (
            SELECT id FROM payment_event WHERE received_at < $1 AND status <> 'received' AND (settled_at IS NULL OR settled_at < $2)
                AND \(TenantKeep.unheld("payment_event"))
            ORDER BY received_at LIMIT $3) RETURNING id
        """)

    static let route = SQL("billing.find_route", "SELECT tenant_id FROM payment_route WHERE provider = $1 AND kind = $2 AND object = $3")
    static let addRoute = SQL(
        "billing.add_route",
        """
        INSERT INTO payment_route (provider, kind, object, tenant_id, since_at) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (provider, kind, object) DO NOTHING RETURNING tenant_id
        """)
    static let wait = SQL(
        "billing.add_wait",
        "INSERT INTO payment_wait (provider, kind, object, event_id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING")
    static let waiting = SQL(
        "billing.waiting_events", "SELECT event_id FROM payment_wait WHERE provider = $1 AND kind = $2 AND object = $3 ORDER BY event_id")
    static let endWait = SQL("billing.end_wait", "DELETE FROM payment_wait WHERE event_id = $1")

    static let all = [
        insert, countDelivery, find, list, listByStatus, keepPlan, plan, finish, wake, again, fail, purge, route, addRoute, wait, waiting,
        endWait,
    ]
}
