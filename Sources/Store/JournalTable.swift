enum JournalTable {
    static let append = SQL(
        "journal.append",
        """
        INSERT INTO journal_entry_all (tenant_id, segment, seq, previous, at, actor, request_id, origin, action, subject, outcome, decision,
            details, hash)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
        """)
    static let openSegment = SQL(
        "journal.open_segment", "INSERT INTO journal_segment_all (tenant_id, segment, opened_at) VALUES ($1, $2, $3)")
    static let page = SQL(
        "journal.page",
        """
        SELECT segment, seq, previous, at, actor, request_id, origin, action, subject, outcome, decision, details, hash
        FROM journal_entry_all WHERE tenant_id = $1 AND (segment, seq) > ($2, $3) ORDER BY segment, seq LIMIT $4
        """)
    static let tenants = SQL(
        "journal.tenants", "SELECT DISTINCT tenant_id FROM journal_segment_all WHERE tenant_id > $1 ORDER BY tenant_id LIMIT $2")
    static let movedHeads = SQL(
        "journal.moved_heads",
        """
        SELECT s.segment, e.seq, e.hash FROM journal_segment_all s
        JOIN journal_entry_all e ON e.tenant_id = s.tenant_id AND e.segment = s.segment AND e.seq =
            (SELECT max(x.seq) FROM journal_entry_all x WHERE x.tenant_id = s.tenant_id AND x.segment = s.segment)
        LEFT JOIN journal_mark_all m ON m.tenant_id = s.tenant_id AND m.segment = s.segment
        WHERE s.tenant_id = $1 AND e.seq > coalesce(m.entry_count, 0) ORDER BY s.segment
        """)
    static let lastCheckpoint = SQL(
        "journal.last_checkpoint",
        "SELECT seq, document, key_id, signature FROM journal_checkpoint_all WHERE tenant_id = $1 ORDER BY seq DESC LIMIT 1")
    static let checkpoints = SQL(
        "journal.checkpoints",
        """
        SELECT seq, document, key_id, signature FROM journal_checkpoint_all WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT $3
        """)
    static let addCheckpoint = SQL(
        "journal.add_checkpoint",
        "INSERT INTO journal_checkpoint_all (tenant_id, seq, document, key_id, signature) VALUES ($1, $2, $3, $4, $5)")
    static let mark = SQL(
        "journal.mark",
        """
        INSERT INTO journal_mark_all (tenant_id, segment, entry_count) VALUES ($1, $2, $3)
        ON CONFLICT (tenant_id, segment) DO UPDATE SET entry_count = excluded.entry_count
        WHERE excluded.entry_count > journal_mark_all.entry_count
        """)
    /// A bounded step: of ten segments 500 entries each.
    static let expiredHeads = SQL(
        "journal.expired_heads",
        """
        WITH span AS (
            SELECT m.segment AS segment, m.entry_count AS covered, coalesce(b.entry_count, 0) AS dropped
            FROM journal_mark_all m LEFT JOIN journal_begin_all b ON b.tenant_id = m.tenant_id AND b.segment = m.segment
            WHERE m.tenant_id = $1 AND m.entry_count > coalesce(b.entry_count, 0)
        )
        SELECT e.segment, e.seq, e.hash FROM span
        JOIN journal_entry_all e ON e.tenant_id = $1 AND e.segment = span.segment AND e.seq = min(
            span.covered, span.dropped + 500,
            coalesce((
                SELECT x.seq - 1 FROM journal_entry_all x
                WHERE x.tenant_id = $1 AND x.segment = span.segment AND x.seq > span.dropped AND x.seq <= span.dropped + 500 AND x.at >= $2
                ORDER BY x.seq LIMIT 1), span.covered))
        ORDER BY e.segment LIMIT 10
        """,
        postgres: """
            WITH span AS (
                SELECT m.segment AS segment, m.entry_count AS covered, coalesce(b.entry_count, 0) AS dropped
                FROM journal_mark_all m LEFT JOIN journal_begin_all b ON b.tenant_id = m.tenant_id AND b.segment = m.segment
                WHERE m.tenant_id = $1 AND m.entry_count > coalesce(b.entry_count, 0)
            )
            SELECT e.segment, e.seq, e.hash FROM span
            JOIN journal_entry_all e ON e.tenant_id = $1 AND e.segment = span.segment AND e.seq = LEAST(
                span.covered, span.dropped + 500,
                coalesce((
                    SELECT x.seq - 1 FROM journal_entry_all x
                    WHERE x.tenant_id = $1 AND x.segment = span.segment AND x.seq > span.dropped AND x.seq <= span.dropped + 500 AND x.at >= $2
                    ORDER BY x.seq LIMIT 1), span.covered))
            ORDER BY e.segment LIMIT 10
            """)
    static let begin = SQL(
        "journal.begin",
        """
        INSERT INTO journal_begin_all (tenant_id, segment, entry_count) VALUES ($1, $2, $3)
        ON CONFLICT (tenant_id, segment) DO UPDATE SET entry_count = excluded.entry_count
        WHERE excluded.entry_count > journal_begin_all.entry_count
        """)
    static let drop = SQL(
        "journal.drop", "DELETE FROM journal_entry_all WHERE tenant_id = $1 AND segment = $2 AND seq <= $3")
}
