import Store

/// Every SQL statement of the saga. Unsuffixed names run in tenant scope; the link and what staff sees in kernel scope.
enum OffboardingTable {
    private static let columns = """
        tenant_id, offboarding_id, state, reason, asked_by, offer, has_refused, wanted_at, leaves_at, retention_days, retained_until, asked_at,
        certificate, certificate_key, certificate_signature, cause, is_early, called_off_at, changed_at
        """
    static let insert = SQL(
        "offboarding.insert",
        """
        INSERT INTO offboarding
            (tenant_id, offboarding_id, state, reason, feedback_box, asked_by, offer, has_refused, wanted_at, leaves_at, retention_days,
             retained_until, address_box, certificate, certificate_key, certificate_signature, asked_at, changed_at, cause, is_early,
             called_off_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9, $10, NULL, NULL, NULL, NULL, NULL, $11, $11, $12, $13, NULL)
        """)
    // What explains how long a record stays. Kernel scope.
    static let endOfTenant = SQL(
        "offboarding.end_of_tenant",
        "SELECT state, retained_until FROM offboarding_all WHERE tenant_id = $1 ORDER BY offboarding_id DESC LIMIT 1")
    static let nextRun = SQL(
        "offboarding.next_run", "SELECT min(run_at) FROM store_job WHERE kind = $1 AND state IN ('due', 'leased')")
    // What of the holds the jobs of retention see. Kernel scope.
    static let keepHeld = SQL(
        "offboarding.keep_held",
        """
        INSERT INTO tenant_keep (tenant_id, keep_id, kind, days, why, since)
        SELECT tenant_id, hold_id, '*', NULL, reason, placed_at FROM legal_hold_all WHERE lifted_at IS NULL
        ON CONFLICT (keep_id) DO NOTHING
        """)
    static let keepLifted = SQL(
        "offboarding.keep_lifted",
        """
        DELETE FROM tenant_keep WHERE kind = '*' AND EXISTS (
            SELECT 1 FROM legal_hold_all h
            WHERE h.tenant_id = tenant_keep.tenant_id AND h.hold_id = tenant_keep.keep_id AND h.lifted_at IS NOT NULL)
        """)
    static let latest = SQL(
        "offboarding.latest", "SELECT \(columns) FROM offboarding ORDER BY offboarding_id DESC LIMIT 1")
    static let find = SQL("offboarding.find", "SELECT \(columns) FROM offboarding WHERE offboarding_id = $1")
    static let open = SQL(
        "offboarding.open",
        """
        SELECT \(columns) FROM offboarding_all WHERE state IN ('offered', 'scheduled', 'leaving', 'retained', 'purging') AND tenant_id > $1
        ORDER BY tenant_id LIMIT $2
        """)
    /// Only from the state that was seen: of two racing moves one wins.
    static let move = SQL(
        "offboarding.move",
        "UPDATE offboarding SET state = $2, changed_at = $4 WHERE offboarding_id = $1 AND state = $3 RETURNING offboarding_id"
    )
    static let reschedule = SQL(
        "offboarding.reschedule", "UPDATE offboarding SET leaves_at = $2, has_refused = 1, changed_at = $3 WHERE offboarding_id = $1")
    /// The end of what is paid for is another one than was thought.
    static let shift = SQL(
        "offboarding.shift", "UPDATE offboarding SET wanted_at = $2, leaves_at = $3, changed_at = $4 WHERE offboarding_id = $1")
    static let callOff = SQL("offboarding.call_off", "UPDATE offboarding SET called_off_at = $2 WHERE offboarding_id = $1")
    static let plan = SQL("offboarding.plan", "UPDATE offboarding SET retention_days = $2 WHERE offboarding_id = $1")
    static let retain = SQL("offboarding.retain", "UPDATE offboarding SET retained_until = $2 WHERE offboarding_id = $1")
    static let keepAddresses = SQL("offboarding.keep_addresses", "UPDATE offboarding SET address_box = $2 WHERE offboarding_id = $1")
    static let addresses = SQL("offboarding.addresses", "SELECT address_box FROM offboarding WHERE offboarding_id = $1")
    static let certify = SQL(
        "offboarding.certify",
        """
        UPDATE offboarding SET state = 'purged', certificate = $2, certificate_key = $3, certificate_signature = $4, address_box = NULL,
            feedback_box = NULL, asked_by = NULL, changed_at = $5
        WHERE offboarding_id = $1 AND state = 'purging' RETURNING offboarding_id
        """)
    static let blankOthers = SQL(
        "offboarding.blank_feedback", "UPDATE offboarding SET feedback_box = NULL, asked_by = NULL, changed_at = $1")

    static let insertStep = SQL(
        "offboarding.insert_step",
        """
        INSERT INTO offboarding_step (tenant_id, offboarding_id, place, phase, step, done_at, remainders)
        VALUES ($1, $2, $3, $4, $5, NULL, $6)
        """)
    static let steps = SQL(
        "offboarding.steps",
        "SELECT place, phase, step, done_at, remainders FROM offboarding_step WHERE offboarding_id = $1 ORDER BY place")
    static let finish = SQL(
        "offboarding.finish_step",
        """
        UPDATE offboarding_step SET done_at = $3, remainders = $4 WHERE offboarding_id = $1 AND place = $2 AND done_at IS NULL RETURNING place
        """)

    static let placeHold = SQL(
        "offboarding.place_hold",
        """
        INSERT INTO legal_hold (tenant_id, hold_id, reason, placed_by, placed_at, lifted_by, lifted_at)
        VALUES ($1, $2, $3, $4, $5, NULL, NULL)
        """)
    static let holds = SQL(
        "offboarding.holds", "SELECT hold_id, reason, placed_by, placed_at, lifted_at FROM legal_hold ORDER BY hold_id DESC LIMIT 100")
    static let isHeld = SQL("offboarding.is_held", "SELECT 1 FROM legal_hold WHERE lifted_at IS NULL LIMIT 1")
    static let liftHold = SQL(
        "offboarding.lift_hold",
        "UPDATE legal_hold SET lifted_by = $2, lifted_at = $3 WHERE hold_id = $1 AND lifted_at IS NULL RETURNING hold_id")

    static let lapse = SQL(
        "offboarding.lapse",
        "SELECT version, lapsed_at, went_on_version, answered_version FROM offboarding_lapse WHERE subscription_id = $1")
    static let lapsed = SQL(
        "offboarding.lapsed",
        "SELECT subscription_id, lapsed_at FROM offboarding_lapse WHERE lapsed_at IS NOT NULL ORDER BY subscription_id")
    static let insertLapse = SQL(
        "offboarding.insert_lapse",
        """
        INSERT INTO offboarding_lapse (tenant_id, subscription_id, version, lapsed_at, went_on_version, answered_version)
        VALUES ($1, $2, $3, $4, NULL, NULL)
        """)
    static let writeLapse = SQL(
        "offboarding.write_lapse",
        "UPDATE offboarding_lapse SET version = $2, lapsed_at = $3 WHERE subscription_id = $1 RETURNING subscription_id")
    static let wentOn = SQL(
        "offboarding.went_on", "UPDATE offboarding_lapse SET went_on_version = $2 WHERE subscription_id = $1 RETURNING subscription_id")
    static let answered = SQL(
        "offboarding.answered", "UPDATE offboarding_lapse SET answered_version = $2 WHERE subscription_id = $1 RETURNING subscription_id")

    static let insertLink = SQL(
        "offboarding.insert_link",
        "INSERT INTO offboarding_link (token_digest, tenant_id, offboarding_id, expires_at) VALUES ($1, $2, $3, $4)")
    static let findLink = SQL(
        "offboarding.find_link", "SELECT tenant_id, offboarding_id FROM offboarding_link WHERE token_digest = $1 AND expires_at > $2")
}
