import Store

/// Every SQL statement of the room. Kernel scope.
enum DataRequestTable {
    private static let columns = """
        request_id, user_id, asked_in, kind, state, note_box, answer_box, plan, act_at, address_box, asked_at, due_at, outcome, remainders,
        closed_at
        """
    static let insert = SQL(
        "data_requests.insert",
        """
        INSERT INTO data_request
            (request_id, user_id, asked_in, kind, state, note_box, answer_box, plan, act_at, address_box, asked_at, due_at, outcome,
             remainders, closed_at, changed_at)
        VALUES ($1, $2, $3, $4, $5, $6, NULL, $7, $8, $13, $9, $10, $11, '[]', $12, $9)
        """)
    static let find = SQL("data_requests.find", "SELECT \(columns) FROM data_request WHERE request_id = $1")
    static let ofPerson = SQL(
        "data_requests.of_person", "SELECT \(columns) FROM data_request WHERE user_id = $1 ORDER BY request_id DESC LIMIT 200")
    static let openOne = SQL(
        "data_requests.open_one", "SELECT 1 FROM data_request WHERE user_id = $1 AND kind = $2 AND closed_at IS NULL LIMIT 1")
    static let page = SQL(
        "data_requests.page", "SELECT \(columns) FROM data_request WHERE request_id < $1 ORDER BY request_id DESC LIMIT $2")
    /// Only from the state that was seen: of two racing moves one wins.
    static let close = SQL(
        "data_requests.close",
        """
        UPDATE data_request SET state = $3, outcome = $4, remainders = $5, answer_box = $6, address_box = NULL, closed_at = $7, changed_at = $7
        WHERE request_id = $1 AND state = $2 RETURNING request_id
        """)
    static let lapse = SQL(
        "data_requests.lapse",
        """
        UPDATE data_request SET state = 'overdue', changed_at = $2 WHERE request_id = $1 AND state IN ('open', 'waiting')
        RETURNING request_id
        """)
    static let postpone = SQL(
        "data_requests.postpone", "UPDATE data_request SET act_at = $2, changed_at = $3 WHERE request_id = $1 AND closed_at IS NULL")
    static let blank = SQL(
        "data_requests.blank", "UPDATE data_request SET note_box = NULL, answer_box = NULL WHERE user_id = $1")
}
