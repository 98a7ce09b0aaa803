enum JobTable {
    static let enqueue = SQL(
        "job.enqueue",
        """
        INSERT INTO store_job (id, kind, key, tenant_id, payload, state, run_at, attempt, request_id, created_at, trace)
        VALUES ($1, $2, $3, $4, $5, 'due', $6, 0, $7, $8, $9) ON CONFLICT (kind, key) WHERE state <> 'done' DO NOTHING
        """)
    static let settle = SQL(
        "job.settle",
        """
        UPDATE store_job SET state = 'done', finished_at = $3, lease_token = NULL, lease_until = NULL, reason = NULL
        WHERE id = $1 AND state = 'leased' AND lease_token = $2 AND lease_until > $3 RETURNING id
        """)
    static let claim = SQL(
        "job.claim",
        """
        UPDATE store_job SET state = 'leased', attempt = attempt + 1, lease_token = $1, lease_until = $2
        WHERE id IN (
            SELECT id FROM store_job WHERE state = 'due' AND run_at <= $3 AND kind IN (SELECT value FROM json_each($4))
            ORDER BY run_at, id LIMIT $5)
        RETURNING id, kind, key, tenant_id, payload, attempt, request_id, run_at, trace
        """,
        postgres: """
            UPDATE store_job SET state = 'leased', attempt = attempt + 1, lease_token = $1, lease_until = $2
            WHERE id IN (
                SELECT id FROM store_job WHERE state = 'due' AND run_at <= $3 AND kind IN (SELECT jsonb_array_elements_text($4::jsonb))
                ORDER BY run_at, id LIMIT $5 FOR UPDATE SKIP LOCKED)
            RETURNING id, kind, key, tenant_id, payload, attempt, request_id, run_at, trace
            """)
    static let reclaim = SQL(
        "job.reclaim",
        """
        UPDATE store_job SET state = CASE WHEN attempt >= $2 THEN 'dead' ELSE 'due' END,
            finished_at = CASE WHEN attempt >= $2 THEN $1 END, lease_token = NULL, lease_until = NULL,
            reason = 'the lease of attempt ' || attempt || ' ran out'
        WHERE state = 'leased' AND lease_until <= $1 AND kind IN (SELECT value FROM json_each($3))
        """,
        postgres: """
            UPDATE store_job SET state = CASE WHEN attempt >= $2 THEN 'dead' ELSE 'due' END,
                finished_at = CASE WHEN attempt >= $2 THEN $1 END, lease_token = NULL, lease_until = NULL,
                reason = 'the lease of attempt ' || attempt || ' ran out'
            WHERE id IN (
                SELECT id FROM store_job
                WHERE state = 'leased' AND lease_until <= $1 AND kind IN (SELECT jsonb_array_elements_text($3::jsonb))
                FOR UPDATE SKIP LOCKED)
            """)
    static let takeOver = SQL(
        "job.take_over",
        """
        UPDATE store_job SET state = CASE WHEN attempt >= $2 THEN 'dead' ELSE 'due' END,
            finished_at = CASE WHEN attempt >= $2 THEN $1 END, lease_token = NULL, lease_until = NULL,
            reason = 'the process of attempt ' || attempt || ' ended'
        WHERE state = 'leased'
        """)
    static let postpone = SQL(
        "job.postpone",
        """
        UPDATE store_job SET state = 'due', run_at = $3, reason = $4, lease_token = NULL, lease_until = NULL
        WHERE id = $1 AND state = 'leased' AND lease_token = $2 RETURNING id
        """)
    static let bury = SQL(
        "job.bury",
        """
        UPDATE store_job SET state = 'dead', finished_at = $3, reason = $4, lease_token = NULL, lease_until = NULL
        WHERE id = $1 AND state = 'leased' AND lease_token = $2 RETURNING id
        """)
    static let nextDue = SQL(
        "job.next_due",
        """
        SELECT min(at) FROM (
            SELECT min(run_at) AS at FROM store_job WHERE state = 'due' AND kind IN (SELECT value FROM json_each($1))
            UNION ALL
            SELECT min(lease_until) FROM store_job WHERE state = 'leased' AND kind IN (SELECT value FROM json_each($1)))
        """,
        postgres: """
            SELECT min(at) FROM (
                SELECT min(run_at) AS at FROM store_job WHERE state = 'due' AND kind IN (SELECT jsonb_array_elements_text($1::jsonb))
                UNION ALL
                SELECT min(lease_until) FROM store_job
                WHERE state = 'leased' AND kind IN (SELECT jsonb_array_elements_text($1::jsonb))) soonest
            """)
    static let dead = SQL(
        "job.dead",
        """
        SELECT id, kind, key, tenant_id, attempt, reason, finished_at FROM store_job
        WHERE state = 'dead' ORDER BY finished_at DESC LIMIT $1
        """)
    static let backlog = SQL(
        "job.backlog",
        """
        SELECT kind, count(*) FILTER (WHERE state = 'due'), count(*) FILTER (WHERE state = 'leased'), count(*) FILTER (WHERE state = 'dead'),
            min(CASE WHEN state = 'due' THEN run_at END)
        FROM store_job WHERE state <> 'done' GROUP BY kind ORDER BY kind
        """)
    static let revive = SQL(
        "job.revive",
        """
        UPDATE store_job SET state = 'due', run_at = $2, attempt = 0, finished_at = NULL WHERE id = $1 AND state = 'dead' RETURNING id
        """)
    static let forgetTenant = SQL(
        "job.forget_tenant",
        """
        DELETE FROM store_job WHERE id IN (
            SELECT id FROM store_job WHERE tenant_id = $1 AND state <> 'leased' LIMIT $2) RETURNING id
        """)
    static let purgeDone = SQL(
        "job.purge_done",
        """
        DELETE FROM store_job WHERE id IN (
            SELECT id FROM store_job WHERE state = 'done' AND finished_at < $1 LIMIT $2) RETURNING id
        """)
}

enum IdempotencyTable {
    static let find = SQL("idempotency.find", "SELECT fingerprint, box FROM store_idempotency WHERE id = $1 AND expires_at > $2")
    static let keep = SQL(
        "idempotency.keep",
        """
        INSERT INTO store_idempotency (id, fingerprint, box, expires_at) VALUES ($1, $2, $3, $4)
        ON CONFLICT (id) DO UPDATE SET fingerprint = excluded.fingerprint, box = excluded.box, expires_at = excluded.expires_at
        """)
    static let purge = SQL(
        "idempotency.purge",
        "DELETE FROM store_idempotency WHERE id IN (SELECT id FROM store_idempotency WHERE expires_at <= $1 LIMIT $2) RETURNING id")
}
