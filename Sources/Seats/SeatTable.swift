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

    // All tenants together, for the metrics.
    static let activeEverywhere = SQL(
        "seats.active_everywhere",
        """
        SELECT coalesce(sum(p.occupied - (
            SELECT count(*) FROM seat_all s
            WHERE s.tenant_id = p.tenant_id AND s.license_id = p.license_id AND s.expires_at > 0 AND s.expires_at <= $1)), 0)
        FROM seat_pool_all p
        """)
    static let usedEverywhere = SQL(
        "seats.used_everywhere", "SELECT coalesce(sum(occupied), 0), coalesce(sum(waiting), 0) FROM seat_pool_all")

    // Looks. A lease is live while expires_at lies after the given ledger time; an empty seat's is 0.
    static let survey = SQL(
        "seats.survey",
        """
        SELECT p.license_id,
            p.occupied - (SELECT count(*) FROM seat s WHERE s.license_id = p.license_id AND s.expires_at > 0 AND s.expires_at <= $1)
        FROM seat_pool p
        """)
    /// The sign keeps the index over ends out of it: the one over devices finds one row.
    static let surveyOwn = SQL(
        "seats.survey_own",
        """
        SELECT p.license_id FROM seat_pool p
        WHERE EXISTS (SELECT 1 FROM seat s WHERE s.license_id = p.license_id AND s.device = $2 AND +s.expires_at > $1)
        """)
    /// A device stands once with each licence, so that most often a count of rows is enough: telling them apart costs eight times as much.
    static let recentDevices = SQL(
        "seats.recent_devices",
        """
        SELECT CASE
            WHEN seen.least = seen.most AND NOT EXISTS (SELECT 1 FROM seat_history WHERE user_id = $1 AND acquired_at > $2)
                THEN seen.others
            ELSE (\(devices)) END
        FROM (
            SELECT min(license_id) AS least, max(license_id) AS most, sum(device <> $3) AS others
            FROM (SELECT license_id, device FROM seat WHERE user_id = $1 AND acquired_at > $2 LIMIT 200) present) seen
        """, postgres: devices)
    private static let devices = """
        SELECT count(DISTINCT device) FROM (
            SELECT device FROM (SELECT device FROM seat_history WHERE user_id = $1 AND acquired_at > $2 ORDER BY acquired_at DESC LIMIT 200) past
            UNION ALL
            SELECT device FROM (SELECT device FROM seat WHERE user_id = $1 AND acquired_at > $2 LIMIT 200) present) seen
        WHERE device <> $3
        """
    /// Every decision on a licence's seats begins here. Where processes share a store the second one waits at this row, and then looks anew at
    /// what the first one did, before it has done anything of its own.
    static let pool = SQL("seats.pool", poolRow, postgres: "\(poolRow) FOR UPDATE")
    private static let poolRow = "SELECT highest, occupied, waiting, reserved, sequence FROM seat_pool WHERE license_id = $1"
    static let vacant = SQL(
        "seats.vacant", "SELECT slot FROM seat WHERE license_id = $1 AND expires_at = 0 AND slot <= $2 ORDER BY slot LIMIT $3")
    static let lapsed = SQL(
        "seats.lapsed",
        """
        SELECT slot FROM seat WHERE license_id = $1 AND expires_at > 0 AND expires_at <= $2 AND slot <= $3 ORDER BY expires_at, slot LIMIT $4
        """)
    static let lapsedCount = SQL(
        "seats.lapsed_count", "SELECT count(*) FROM seat WHERE license_id = $1 AND expires_at > 0 AND expires_at <= $2")
    static let beyond = SQL("seats.beyond", "SELECT count(*) FROM seat WHERE license_id = $1 AND slot > $2 AND +expires_at > $3")
    static let nextExpiry = SQL(
        "seats.next_expiry", "SELECT expires_at FROM seat WHERE license_id = $1 AND expires_at > $2 ORDER BY expires_at LIMIT 1")
    static let borrowedCount = SQL(
        "seats.borrowed_count",
        "SELECT count(*) FROM seat WHERE license_id = $1 AND borrowed_until > $2 AND slot <> $3")

    private static let lease =
        """
        session_id, license_id, slot, device, user_id, epoch, ttl, expires_at, acquired_at, resurrected, released_at, linger, hold_until,
        borrowed_until, reservation_id
        """
    static let bySession = SQL("seats.by_session", "SELECT \(lease) FROM seat WHERE session_id = $1")
    static let byDevice = SQL("seats.by_device", "SELECT \(lease) FROM seat WHERE license_id = $1 AND device = $2")
    static let bySlot = SQL("seats.by_slot", "SELECT \(lease) FROM seat WHERE license_id = $1 AND slot = $2 AND session_id IS NOT NULL")

    static let list = SQL(
        "seats.list",
        """
        SELECT \(lease), beat_at, hostname_box, os, version FROM seat
        WHERE session_id > $1 AND expires_at > $2 AND released_at IS NULL AND (user_id = $3 OR $3 IS NULL) AND (license_id = $4 OR $4 IS NULL)
            AND (session_id = $6 OR $6 IS NULL)
        ORDER BY session_id LIMIT $5
        """)

    // Changes.
    static let openSeat = SQL(
        "seats.open",
        """
        INSERT INTO seat
            (tenant_id, license_id, slot, ceiling, session_id, device, user_id, epoch, ttl, expires_at, resurrected, acquired_at, beat_at,
             hostname_box, os, version, released_at, linger, hold_until, borrowed_until, reservation_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, $11, $12, $13, $14, NULL, $15, $16, $17, $18)
        """)
    static let occupy = SQL(
        "seats.occupy",
        """
        UPDATE seat SET ceiling = $3, session_id = $4, device = $5, user_id = $6, epoch = $7, ttl = $8, expires_at = $9, resurrected = 0,
            acquired_at = $10, beat_at = $10, hostname_box = $11, os = $12, version = $13, released_at = NULL, linger = $14,
            hold_until = $15, borrowed_until = $16, reservation_id = $17
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
        UPDATE seat SET epoch = $3, expires_at = $4, beat_at = $5, resurrected = 1, reservation_id = $6
        WHERE license_id = $1 AND slot = $2 RETURNING slot
        """)
    static let vacate = SQL(
        "seats.vacate",
        """
        UPDATE seat SET session_id = NULL, device = NULL, user_id = NULL, expires_at = 0, ttl = 0, resurrected = 0, acquired_at = NULL,
            beat_at = NULL, hostname_box = NULL, os = NULL, version = NULL, released_at = NULL, linger = NULL, hold_until = NULL,
            borrowed_until = NULL, reservation_id = NULL
        WHERE license_id = $1 AND slot = $2 RETURNING slot
        """)

    static let linger = SQL(
        "seats.linger", "UPDATE seat SET released_at = $3, expires_at = $4 WHERE license_id = $1 AND slot = $2 RETURNING slot")
    static let lend = SQL(
        "seats.lend",
        """
        UPDATE seat SET borrowed_until = $3, expires_at = CASE WHEN expires_at > $4 THEN expires_at ELSE $4 END
        WHERE license_id = $1 AND slot = $2 RETURNING slot
        """)
    static let openPool = SQL(
        "seats.open_pool",
        """
        INSERT INTO seat_pool (tenant_id, license_id, highest, occupied, waiting, reserved, sequence) VALUES ($1, $2, $3, $4, $5, $6, $7)
        """)
    static let keepPool = SQL(
        "seats.keep_pool",
        """
        UPDATE seat_pool SET highest = $2, occupied = $3, waiting = $4, reserved = $5, sequence = $6 WHERE license_id = $1
        RETURNING sequence
        """)

    // The queue.
    static let waiter = SQL(
        "seats.waiter", "SELECT since, ticket FROM seat_wait WHERE license_id = $1 AND device = $2 AND seen > $3")
    static let ahead = SQL(
        "seats.ahead",
        """
        SELECT count(*) FROM seat_wait
        WHERE license_id = $1 AND seen > $2 AND device <> $3 AND (since < $4 OR (since = $4 AND ticket < $5) OR $4 IS NULL)
        """)
    static let enqueue = SQL(
        "seats.enqueue",
        "INSERT INTO seat_wait (tenant_id, license_id, device, user_id, ticket, since, seen) VALUES ($1, $2, $3, $4, $5, $6, $6)")
    static let stillWaiting = SQL(
        "seats.still_waiting", "UPDATE seat_wait SET seen = $3 WHERE license_id = $1 AND device = $2 AND seen > $4 RETURNING seen")
    static let leaveQueue = SQL("seats.leave_queue", "DELETE FROM seat_wait WHERE license_id = $1 AND device = $2 RETURNING device")
    static let dropWaiters = SQL(
        "seats.drop_waiters", "DELETE FROM seat_wait WHERE license_id = $1 AND seen <= $2 RETURNING device")
    static let queue = SQL(
        "seats.queue",
        """
        SELECT license_id, ticket, user_id, since FROM seat_wait WHERE seen > $1 AND (license_id = $2 OR $2 IS NULL)
        ORDER BY license_id, since, ticket LIMIT $3
        """)

    // Reservations.
    static let reservations = SQL(
        "seats.reservations",
        """
        SELECT r.reservation_id, r.seats,
            (SELECT count(*) FROM seat s WHERE s.license_id = r.license_id AND s.reservation_id = r.reservation_id AND s.expires_at > $2),
            EXISTS (SELECT 1 FROM seat_reservation_member m WHERE m.reservation_id = r.reservation_id AND m.user_id = $3)
        FROM seat_reservation r WHERE r.license_id = $1 ORDER BY r.reservation_id
        """)
    static let reservationList = SQL(
        "seats.reservation_list",
        """
        SELECT r.reservation_id, r.license_id, r.name, r.seats,
            (SELECT count(*) FROM seat s WHERE s.license_id = r.license_id AND s.reservation_id = r.reservation_id AND s.expires_at > $2)
        FROM seat_reservation r WHERE r.license_id = $1 ORDER BY r.name
        """)
    static let reservationMembers = SQL(
        "seats.reservation_members", "SELECT user_id FROM seat_reservation_member WHERE reservation_id = $1 ORDER BY user_id")
    static let reserve = SQL(
        "seats.reserve",
        "INSERT INTO seat_reservation (tenant_id, reservation_id, license_id, name, seats) VALUES ($1, $2, $3, $4, $5)")
    static let reserveMember = SQL(
        "seats.reserve_member", "INSERT INTO seat_reservation_member (tenant_id, reservation_id, user_id) VALUES ($1, $2, $3)")
    static let changeReservation = SQL(
        "seats.change_reservation", "UPDATE seat_reservation SET seats = $2 WHERE reservation_id = $1 RETURNING reservation_id")
    static let dropMembers = SQL(
        "seats.drop_members", "DELETE FROM seat_reservation_member WHERE reservation_id = $1 RETURNING user_id")
    static let dropReservation = SQL(
        "seats.drop_reservation", "DELETE FROM seat_reservation WHERE license_id = $1 AND name = $2 RETURNING reservation_id")

    // Heartbeats, in kernel scope: one statement for the usual case. The tenant stands in the key.
    /// The lease that this beat prolongs, if nothing stands against it. Over PostgreSQL it is prolonged with the same; SQLite builds a table of its own for what
    /// an update returns, which costs more than to look and then to write.
    static let beat = SQL(
        "seats.beat", "SELECT \(beaten) FROM seat_all WHERE \(beating)",
        postgres: """
            UPDATE seat_all SET expires_at = CASE WHEN expires_at > $4 + ttl THEN expires_at ELSE $4 + ttl END, beat_at = $5
            WHERE \(beating) RETURNING \(beaten)
            """)
    private static let beaten = "license_id, epoch, ttl, resurrected, slot"
    private static let beating = """
        tenant_id = $1 AND session_id = $2 AND user_id = $3 AND expires_at > $4 AND released_at IS NULL AND ($6 = 0 OR epoch = $6)
            AND borrowed_until IS NULL
        """
    /// Prolongs what `beat` found.
    static let prolong = SQL(
        "seats.prolong",
        """
        UPDATE seat_all SET expires_at = CASE WHEN expires_at > $4 + ttl THEN expires_at ELSE $4 + ttl END, beat_at = $5
        WHERE tenant_id = $1 AND license_id = $2 AND slot = $3
        """, isForSQLite: true)
    static let tally = SQL(
        "seats.tally",
        """
        INSERT INTO seat_beat_tally_all (tenant_id, second, beats) VALUES ($1, $2, $3)
        ON CONFLICT (tenant_id, second) DO UPDATE SET beats = seat_beat_tally_all.beats + excluded.beats
        """)
    static let talliesUntil = SQL(
        "seats.tallies_until", "SELECT tenant_id, second, beats FROM seat_beat_tally_all WHERE second <= $1 ORDER BY second LIMIT $2")
    static let dropTally = SQL("seats.drop_tally", "DELETE FROM seat_beat_tally_all WHERE tenant_id = $1 AND second = $2")

    /// Lent and lingering ones keep their ends: nobody beats for them.
    static let prolongAll = SQL(
        "seats.prolong_all",
        """
        UPDATE seat_all SET expires_at = $1 + ttl
        WHERE expires_at > $1 AND expires_at < $1 + ttl AND released_at IS NULL AND borrowed_until IS NULL RETURNING slot
        """)

    // Ends that stand in the shared store.
    static let memory = SQL("seats.memory", "SELECT generation, memories FROM seat_memory WHERE id = 1")
    static let beginMemory = SQL("seats.begin_memory", "INSERT INTO seat_memory (id, generation, memories) VALUES (1, $1, $2)")
    static let keepMemory = SQL(
        "seats.keep_memory", "UPDATE seat_memory SET generation = $1, memories = $2 WHERE id = 1 RETURNING generation")
    static let aboard = SQL("seats.aboard", "SELECT generation, token FROM seat_aboard_all WHERE tenant_id = $1")
    static let goAboard = SQL(
        "seats.go_aboard", "INSERT INTO seat_aboard_all (tenant_id, generation, token) VALUES ($1, $2, $3)")
    static let stayAboard = SQL(
        "seats.stay_aboard", "UPDATE seat_aboard_all SET generation = $2, token = $3 WHERE tenant_id = $1 RETURNING token")
    static let tenantsAboard = SQL(
        "seats.tenants_aboard", "SELECT tenant_id FROM seat_aboard_all WHERE tenant_id > $1 AND generation > 0 ORDER BY tenant_id LIMIT $2")
    private static let standing = "session_id, license_id, epoch, ttl, resurrected, user_id, expires_at"
    static let held = SQL("seats.held", "SELECT \(standing) FROM seat_all WHERE tenant_id = $1 AND session_id = $2")
    /// So many of one tenant; where there are fewer, one of them is named again.
    static let heldAtOnce = 32
    /// SQLite takes a long list for a reason to read all of the tenant's rows, and looks up what is joined one by one.
    static let heldMany = SQL(
        "seats.held_many",
        """
        SELECT \(standing) FROM (VALUES \(wanted.map { "(\($0))" }.joined(separator: ", "))) wanted
        CROSS JOIN seat_all ON tenant_id = $1 AND session_id = wanted.column1
        """,
        postgres: "SELECT \(standing) FROM seat_all WHERE tenant_id = $1 AND session_id IN (\(wanted.joined(separator: ", ")))")
    private static let wanted = (2..<(2 + heldAtOnce)).map { "$\($0)" }
    static let heldOnes = SQL(
        "seats.held_ones",
        """
        SELECT session_id, expires_at, ttl FROM seat
        WHERE expires_at >= 2305843009213693952 AND session_id > $1 ORDER BY session_id LIMIT $2
        """)
    static let setEnd = SQL(
        "seats.set_end", "UPDATE seat SET expires_at = $3 WHERE session_id = $1 AND expires_at = $2 RETURNING slot")
    static let landAll = SQL(
        "seats.land_all", "UPDATE seat SET expires_at = $1 + ttl WHERE expires_at >= 2305843009213693952 RETURNING slot")

    // History.
    private static let ended = "session_id, license_id, user_id, epoch, acquired_at, ended_at, end_reason, note, sequence"
    static let remember = SQL(
        "seats.remember",
        """
        INSERT INTO seat_history
            (tenant_id, session_id, license_id, device, user_id, epoch, acquired_at, ended_at, end_reason, note, borrowed_until, sequence)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        """)
    static let endedBySession = SQL("seats.ended_by_session", "SELECT \(ended) FROM seat_history WHERE session_id = $1")
    static let lastEpoch = SQL(
        "seats.last_epoch", "SELECT epoch FROM seat_history WHERE license_id = $1 AND device = $2 ORDER BY epoch DESC LIMIT 1")
    static let history = SQL(
        "seats.history",
        """
        SELECT \(ended) FROM seat_history WHERE session_id > $1 AND (user_id = $2 OR $2 IS NULL) AND (license_id = $3 OR $3 IS NULL)
        ORDER BY session_id LIMIT $4
        """)
    static let returnedEarly = SQL(
        "seats.returned_early",
        "SELECT borrowed_until FROM seat_history WHERE license_id = $1 AND device = $2 AND borrowed_until > $3 LIMIT 1")
    static let pools = SQL(
        "seats.pools",
        """
        SELECT tenant_id, license_id FROM seat_pool_all WHERE (tenant_id, license_id) > ($1, $2) ORDER BY tenant_id, license_id LIMIT $3
        """)
    static let purgeHistory = SQL(
        "seats.purge_history",
        """
        DELETE FROM seat_history_all WHERE (tenant_id, session_id) IN
            (SELECT tenant_id, session_id FROM seat_history_all WHERE ended_at < $1 AND \(TenantKeep.unheld("seat_history_all")) LIMIT $2)
        RETURNING session_id
        """)
    static let isHistoryLeft = SQL("seats.is_history_left", "SELECT 1 FROM seat_history_all WHERE ended_at < $1 LIMIT 1")
}
