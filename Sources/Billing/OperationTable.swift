import Store

/// Every statement over what providers were asked to do. Tenant scope.
enum OperationTable {
    private static let columns = BillingOperation.columns
    static let insert = SQL(
        "billing.insert_operation",
        """
        INSERT INTO billing_operation (tenant_id, id, provider, kind, object, claim, fingerprint, wish, attempt, status, tries, code, made,
            amount_minor, currency, asked_at, created_at, settled_at, reason)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, 'asking', 0, NULL, NULL, $9, $10, $11, $11, NULL, $12)
        """)
    static let find = SQL("billing.find_operation", "SELECT \(columns) FROM billing_operation WHERE tenant_id = $1 AND id = $2")
    static let byClaim = SQL("billing.operation_by_claim", "SELECT \(columns) FROM billing_operation WHERE tenant_id = $1 AND claim = $2")
    static let forgetClaim = SQL(
        "billing.forget_operation_claim", "UPDATE billing_operation SET claim = NULL WHERE tenant_id = $1 AND id = $2 RETURNING id")
    static let ofObject = SQL(
        "billing.operations_of_object",
        "SELECT \(columns) FROM billing_operation WHERE tenant_id = $1 AND provider = $2 AND object = $3")
    /// Whether somebody here asked for something of the object, and its news may still be under way.
    static let recent = SQL(
        "billing.recent_operation",
        """
        SELECT id FROM billing_operation
        WHERE tenant_id = $1 AND provider = $2 AND object = $3 AND (status IN ('asking', 'unknown') OR settled_at > $4) LIMIT 1
        """)
    /// Why it was cancelled, the last time that it was.
    static let cancelReason = SQL(
        "billing.cancel_reason",
        """
        SELECT reason FROM billing_operation
        WHERE tenant_id = $1 AND provider = $2 AND object = $3 AND kind = 'cancel' AND status = 'done' ORDER BY created_at DESC, id DESC LIMIT 1
        """)
    static let list = SQL(
        "billing.list_operations",
        """
        SELECT \(columns) FROM billing_operation
        WHERE tenant_id = $1 AND (created_at, id) < ($2, $3) ORDER BY created_at DESC, id DESC LIMIT $4
        """)
    /// Only one caller ends an operation; to nobody else is a row returned.
    /// What was done is done, though another look of the same attempt was refused meanwhile. What is in doubt is not ended by a refusal that
    /// leaves the key as it was ($8 = 0), as by a provider's limit of requests: it says nothing about the other request.
    static let finish = SQL(
        "billing.finish_operation",
        """
        UPDATE billing_operation SET status = $4, code = $5, made = $6, settled_at = $7, attempt = attempt + $8
        WHERE tenant_id = $1 AND id = $2 AND (
            (attempt = $3 AND (status = 'asking' OR (status = 'unknown' AND ($4 = 'done' OR $8 = 1))))
            OR ($4 = 'done' AND status = 'refused' AND attempt BETWEEN $3 AND $3 + 1))
        RETURNING id
        """)
    static let lose = SQL(
        "billing.lose_operation",
        """
        UPDATE billing_operation SET status = 'unknown', tries = tries + 1
        WHERE tenant_id = $1 AND id = $2 AND attempt = $3 AND status IN ('asking', 'unknown') RETURNING tries
        """)
    /// Somebody asks once more: from now on there is more than one answer.
    static let doubt = SQL(
        "billing.doubt_operation",
        """
        UPDATE billing_operation SET status = 'unknown' WHERE tenant_id = $1 AND id = $2 AND attempt = $3 AND status = 'asking' RETURNING id
        """)
    static let askAgain = SQL(
        "billing.ask_operation_again",
        """
        UPDATE billing_operation SET status = 'asking', code = NULL, settled_at = NULL, tries = 0, asked_at = $3
        WHERE tenant_id = $1 AND id = $2 AND status = 'refused' RETURNING id
        """)

    static let all = [insert, find, byClaim, forgetClaim, ofObject, recent, cancelReason, list, finish, lose, doubt, askAgain]
}
