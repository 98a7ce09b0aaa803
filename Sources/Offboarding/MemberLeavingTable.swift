import Store

/// Every SQL statement about members who leave. Tenant scope.
enum MemberLeavingTable {
    private static let columns = "leaving_id, membership_id, user_id, role, cause, state, ended_at, kept_until, is_handed_over"
    static let insert = SQL(
        "member_leaving.insert",
        """
        INSERT INTO member_leaving
            (tenant_id, leaving_id, membership_id, user_id, role, cause, state, ended_at, kept_until, is_handed_over, changed_at)
        VALUES ($1, $2, $3, $4, $5, $6, 'ended', $7, NULL, 0, $7)
        """)
    static let find = SQL("member_leaving.find", "SELECT \(columns) FROM member_leaving WHERE leaving_id = $1")
    static let openOf = SQL(
        "member_leaving.open_of",
        "SELECT \(columns) FROM member_leaving WHERE user_id = $1 AND state IN ('ended', 'leaving', 'kept', 'purging')")
    static let page = SQL(
        "member_leaving.page", "SELECT \(columns) FROM member_leaving WHERE leaving_id < $1 ORDER BY leaving_id DESC LIMIT $2")
    /// Whose workstation is not to be taken away yet.
    static let keeping = SQL(
        "member_leaving.keeping",
        "SELECT \(columns) FROM member_leaving WHERE state IN ('ended', 'leaving', 'kept') ORDER BY leaving_id LIMIT 10000")
    /// Whether the end of a membership at this moment, or a later one, was heard of.
    static let isKnown = SQL(
        "member_leaving.is_known", "SELECT 1 FROM member_leaving WHERE membership_id = $1 AND ended_at >= $2 LIMIT 1")
    /// Only from the state that was seen: of two racing moves one wins.
    static let move = SQL(
        "member_leaving.move",
        "UPDATE member_leaving SET state = $2, changed_at = $4 WHERE leaving_id = $1 AND state = $3 RETURNING leaving_id")
    static let decide = SQL(
        "member_leaving.decide", "UPDATE member_leaving SET kept_until = $2, is_handed_over = $3 WHERE leaving_id = $1")
    static let insertStep = SQL(
        "member_leaving.insert_step",
        """
        INSERT INTO member_leaving_step (tenant_id, leaving_id, place, phase, step, done_at, remainders)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """)
    static let steps = SQL(
        "member_leaving.steps",
        "SELECT place, phase, step, done_at, remainders FROM member_leaving_step WHERE leaving_id = $1 ORDER BY place")
    static let finish = SQL(
        "member_leaving.finish_step",
        "UPDATE member_leaving_step SET done_at = $3 WHERE leaving_id = $1 AND place = $2 AND done_at IS NULL RETURNING place")
    static let isPurged = SQL(
        "member_leaving.is_purged", "SELECT 1 FROM offboarding WHERE state IN ('purging', 'purged') LIMIT 1")
}
