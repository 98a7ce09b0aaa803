import Store
import Vocabulary

/// Every statement of the room. Unsuffixed names run in tenant scope, `…_all` and ledger time in kernel scope.
enum SeatTable {
    // Ledger time.
    static let advanceTime = SQL(
        "seats.advance_time",
        "UPDATE seat_ledger_time SET reading = CASE WHEN reading > $1 THEN reading ELSE $1 END WHERE id = 1 RETURNING reading")
    static let beginTime = SQL("seats.begin_time", "INSERT INTO seat_ledger_time (id, reading) VALUES (1, $1)")
    static let readTime = SQL("seats.read_time", "SELECT reading FROM seat_ledger_time WHERE id = 1")

    // Looks. A lease is live while expires_at lies after the given ledger time; an empty seat's is 0.
    static let survey = SQL(
        "seats.survey",
        """
        SELECT license_id, count(*) FILTER (WHERE expires_at > $1), count(*) FILTER (WHERE expires_at > $1 AND device = $2)
        FROM seat GROUP BY license_id
        """)
    static let census = SQL(
        "seats.census",
        """
        SELECT count(*) FILTER (WHERE expires_at > $2), coalesce(max(slot), 0),
            min(slot) FILTER (WHERE session_id IS NULL AND slot <= $3), min(expires_at) FILTER (WHERE expires_at > $2)
        FROM seat WHERE license_id = $1
        """)
    static let lapsed = SQL(
        "seats.lapsed",
        """
        SELECT slot FROM seat WHERE license_id = $1 AND session_id IS NOT NULL AND expires_at <= $2 AND slot <= $3
        ORDER BY expires_at, slot LIMIT 1
        """)
    static let liveCount = SQL("seats.live_count", "SELECT count(*) FROM seat WHERE license_id = $1 AND expires_at > $2")

    private static let lease =
        "session_id, license_id, slot, device, user_id, epoch, ttl, expires_at, acquired_at, resurrected"
    static let bySession = SQL("seats.by_session", "SELECT \(lease) FROM seat WHERE session_id = $1")
    static let byDevice = SQL("seats.by_device", "SELECT \(lease) FROM seat WHERE license_id = $1 AND device = $2")
    static let bySlot = SQL("seats.by_slot", "SELECT \(lease) FROM seat WHERE license_id = $1 AND slot = $2 AND session_id IS NOT NULL")

    static let list = SQL(
        "seats.list",
        """
        SELECT \(lease), beat_at, hostname_box, os, version FROM seat
        WHERE session_id > $1 AND expires_at > $2 AND ($3 IS NULL OR user_id = $3) AND ($4 IS NULL OR license_id = $4)
        ORDER BY session_id LIMIT $5
        """)

    // Changes.
    static let openSeat = SQL(
        "seats.open",
        """
        INSERT INTO seat
            (tenant_id, license_id, slot, ceiling, session_id, device, user_id, epoch, ttl, expires_at, resurrected, acquired_at, beat_at,
             hostname_box, os, version)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, $11, $12, $13, $14)
        """)
    static let occupy = SQL(
        "seats.occupy",
        """
        UPDATE seat SET ceiling = $3, session_id = $4, device = $5, user_id = $6, epoch = $7, ttl = $8, expires_at = $9, resurrected = 0,
            acquired_at = $10, beat_at = $10, hostname_box = $11, os = $12, version = $13
        WHERE license_id = $1 AND slot = $2 RETURNING slot
        """)
    static let keep = SQL(
        "seats.keep",

        """
        UPDATE seat SET ttl = $3, expires_at = CASE WHEN expires_at > $4 THEN expires_at ELSE $4 END, beat_at = $5
        WHERE license_id = $1 AND slot = $2 RETURNING expires_at
        """)
    static let revive = SQL(
        "seats.revive",
        """
        UPDATE seat SET epoch = $3, expires_at = $4, beat_at = $5, resurrected = 1 WHERE license_id = $1 AND slot = $2 RETURNING slot
        """)
    static let vacate = SQL(
        "seats.vacate",
        """
        UPDATE seat SET session_id = NULL, device = NULL, user_id = NULL, expires_at = 0, ttl = 0, resurrected = 0, acquired_at = NULL,
            beat_at = NULL, hostname_box = NULL, os = NULL, version = NULL
        WHERE license_id = $1 AND slot = $2 RETURNING slot
        """)

    // Heartbeats, in kernel scope: one statement for the usual case. The tenant stands in the key.
    static let beat = SQL(
        "seats.beat",
        """
        UPDATE seat_all SET expires_at = CASE WHEN expires_at > $4 + ttl THEN expires_at ELSE $4 + ttl END, beat_at = $5
        WHERE tenant_id = $1 AND session_id = $2 AND user_id = $3 AND expires_at > $4 AND ($6 = 0 OR epoch = $6)
        RETURNING license_id, epoch, ttl, resurrected
        """)
    static let tally = SQL(
        "seats.tally",
        """
        INSERT INTO seat_beat_tally_all (tenant_id, second, beats) VALUES ($1, $2, $3)
        ON CONFLICT (tenant_id, second) DO UPDATE SET beats = beats + excluded.beats
        """)
    static let talliesUntil = SQL(
        "seats.tallies_until", "SELECT tenant_id, second, beats FROM seat_beat_tally_all WHERE second <= $1 ORDER BY second LIMIT $2")
    static let dropTally = SQL("seats.drop_tally", "DELETE FROM seat_beat_tally_all WHERE tenant_id = $1 AND second = $2")

    // History.
    private static let ended = "session_id, license_id, user_id, epoch, acquired_at, ended_at, end_reason, note"
    static let remember = SQL(
        "seats.remember",
        """
        INSERT INTO seat_history
            (tenant_id, session_id, license_id, device, user_id, epoch, acquired_at, ended_at, end_reason, note)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        """)
    static let endedBySession = SQL("seats.ended_by_session", "SELECT \(ended) FROM seat_history WHERE session_id = $1")
    static let lastEpoch = SQL(
        "seats.last_epoch", "SELECT epoch FROM seat_history WHERE license_id = $1 AND device = $2 ORDER BY epoch DESC LIMIT 1")
    static let history = SQL(
        "seats.history",
        """
        SELECT \(ended) FROM seat_history WHERE session_id > $1 AND ($2 IS NULL OR user_id = $2) AND ($3 IS NULL OR license_id = $3)
        ORDER BY session_id LIMIT $4
        """)
    static let purgeHistory = SQL(
        "seats.purge_history",
        """
        DELETE FROM seat_history_all WHERE (tenant_id, session_id) IN
            (SELECT tenant_id, session_id FROM seat_history_all WHERE ended_at < $1 LIMIT $2)
        RETURNING session_id
        """)
}
