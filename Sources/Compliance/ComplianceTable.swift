import Store

/// Every SQL statement of the room, all in tenant scope. Results are inserted and, when too old, dropped with their run; never changed.
enum ComplianceTable {
    private static let runColumns = "run_id, framework, edition, plugin, cause, ran_at, passed, failed, not_evaluated, broken"

    static let insertRun = SQL(
        "compliance.insert_run",
        """
        INSERT INTO compliance_run
            (tenant_id, run_id, framework, edition, plugin, cause, ran_at, passed, failed, not_evaluated, broken)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        """)
    static let insertEvidence = SQL(
        "compliance.insert_evidence", "INSERT INTO compliance_evidence (tenant_id, run_id, kind, document) VALUES ($1, $2, $3, $4)")
    static let insertResult = SQL(
        "compliance.insert_result",
        """
        INSERT INTO compliance_result (tenant_id, run_id, place, framework, control, outcome, said_by, reason, details, since)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        """)
    static let lastRun = SQL(
        "compliance.last_run", "SELECT \(runColumns) FROM compliance_run WHERE framework = $1 ORDER BY run_id DESC LIMIT 1")
    static let run = SQL("compliance.run", "SELECT \(runColumns) FROM compliance_run WHERE run_id = $1")
    static let evidence = SQL("compliance.evidence", "SELECT document FROM compliance_evidence WHERE run_id = $1 ORDER BY kind")
    static let results = SQL(
        "compliance.results",
        "SELECT control, outcome, said_by, reason, details, since FROM compliance_result WHERE run_id = $1 ORDER BY place")
    static let history = SQL(
        "compliance.history",
        """
        SELECT r.control, r.outcome, r.said_by, r.reason, r.details, r.since, r.run_id, n.ran_at
        FROM compliance_result r JOIN compliance_run n ON n.run_id = r.run_id
        WHERE r.framework = $1 AND r.control = $2 AND (r.run_id < $3 OR $3 IS NULL) ORDER BY r.run_id DESC LIMIT $4
        """)
    static let runs = SQL(
        "compliance.runs",
        "SELECT \(runColumns) FROM compliance_run WHERE framework = $1 ORDER BY run_id DESC LIMIT $2")
    static let forget = SQL(
        "compliance.forget",
        """
        DELETE FROM compliance_run WHERE run_id IN (SELECT run_id FROM compliance_run WHERE ran_at < $1 ORDER BY ran_at LIMIT $2)
        RETURNING run_id
        """)

    // Reviews of access
    private static let reviewColumns = "review_id, opened_at, opened_by, signed_off_at, signed_off_by"
    static let openReview = SQL(
        "compliance.open_review",
        """
        INSERT INTO access_review (tenant_id, review_id, opened_at, opened_by, signed_off_at, signed_off_by)
        VALUES ($1, $2, $3, $4, NULL, NULL)
        """)
    static let insertItem = SQL(
        "compliance.insert_review_item",
        """
        INSERT INTO access_review_item (tenant_id, review_id, membership_id, user_id, role, decision, decided_at, decided_by)
        VALUES ($1, $2, $3, $4, $5, 'pending', NULL, NULL)
        """)
    static let reviews = SQL(
        "compliance.reviews",
        "SELECT \(reviewColumns) FROM access_review WHERE (review_id < $1 OR $1 IS NULL) ORDER BY review_id DESC LIMIT $2")
    static let review = SQL("compliance.review", "SELECT \(reviewColumns) FROM access_review WHERE review_id = $1")
    static let items = SQL(
        "compliance.review_items",
        """
        SELECT membership_id, user_id, role, decision, decided_at, decided_by FROM access_review_item
        WHERE review_id = $1 ORDER BY membership_id
        """)
    static let decide = SQL(
        "compliance.decide_review_item",
        """
        UPDATE access_review_item SET decision = $3, decided_at = $4, decided_by = $5
        WHERE review_id = $1 AND membership_id = $2 AND decision IN ('pending', 'confirmed') RETURNING membership_id
        """)
    static let signOff = SQL(
        "compliance.sign_off_review",
        """
        UPDATE access_review SET signed_off_at = $2, signed_off_by = $3 WHERE review_id = $1 AND signed_off_at IS NULL
        RETURNING review_id
        """)
}
