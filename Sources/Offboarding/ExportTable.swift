import Store

/// Every SQL statement of exports. Tenant scope.
enum ExportTable {
    private static let columns =
        "export_id, cause, asked_by, state, shelf, turn, rooms, pieces, bytes, entries, asked_at, made_at, expires_at"

    static let insert = SQL(
        "offboarding.insert_export",
        """
        INSERT INTO tenant_export
            (tenant_id, export_id, cause, asked_by, state, shelf, turn, rooms, pieces, bytes, entries, asked_at, made_at, expires_at)
        VALUES ($1, $2, $3, $4, 'making', $5, 0, 0, 0, 0, 0, $6, NULL, NULL)
        """)
    static let find = SQL("offboarding.find_export", "SELECT \(columns) FROM tenant_export WHERE export_id = $1")
    static let list = SQL("offboarding.exports", "SELECT \(columns) FROM tenant_export ORDER BY export_id DESC LIMIT $1")
    static let making = SQL(
        "offboarding.export_at_work", "SELECT 1 FROM tenant_export WHERE cause = 'asked' AND state = 'making' LIMIT 1")
    static let countSince = SQL(
        "offboarding.exports_since", "SELECT count(*) FROM tenant_export WHERE cause = 'asked' AND asked_at > $1")
    /// The attempt that counts up is the one that writes.
    static let turn = SQL(
        "offboarding.take_export", "UPDATE tenant_export SET turn = turn + 1 WHERE export_id = $1 AND state = 'making' RETURNING turn")
    static let isTurn = SQL(
        "offboarding.export_turn", "SELECT 1 FROM tenant_export WHERE export_id = $1 AND state = 'making' AND turn = $2")
    static let stand = SQL(
        "offboarding.advance_export",
        "UPDATE tenant_export SET rooms = $2, pieces = $3, bytes = $4, entries = $5 WHERE export_id = $1")
    static let ready = SQL(
        "offboarding.finish_export",
        """
        UPDATE tenant_export SET state = 'ready', rooms = $2, pieces = $3, bytes = $4, entries = $5, made_at = $6, expires_at = $7
        WHERE export_id = $1
        """)
    static let over = SQL(
        "offboarding.end_export", "UPDATE tenant_export SET state = 'over' WHERE export_id = $1 RETURNING export_id")

    static let insertPiece = SQL(
        "offboarding.insert_export_piece",
        """
        INSERT INTO tenant_export_piece (tenant_id, export_id, number, begins_at, bytes, path, box) VALUES ($1, $2, $3, $4, $5, $6, $7)
        """)
    /// The piece with this byte.
    static let pieceAt = SQL(
        "offboarding.export_piece",
        """
        SELECT number, begins_at, bytes, path, box FROM tenant_export_piece WHERE export_id = $1 AND begins_at <= $2
        ORDER BY begins_at DESC LIMIT 1
        """)
    static let dropPieces = SQL(
        "offboarding.drop_export_pieces",
        """
        DELETE FROM tenant_export_piece WHERE export_id = $1 AND begins_at IN (
            SELECT begins_at FROM tenant_export_piece WHERE export_id = $1 AND begins_at >= $2 ORDER BY begins_at LIMIT 50) RETURNING path
        """)

    static let insertEntry = SQL(
        "offboarding.insert_export_entry",
        """
        INSERT INTO tenant_export_entry (tenant_id, export_id, number, name, name_key, source, begins_at, bytes, crc, sha256)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        """)
    static let hasSource = SQL(
        "offboarding.export_has_source", "SELECT 1 FROM tenant_export_entry WHERE export_id = $1 AND source = $2")
    static let hasName = SQL(
        "offboarding.export_has_name", "SELECT 1 FROM tenant_export_entry WHERE export_id = $1 AND name_key = $2")
    static let entries = SQL(
        "offboarding.export_entries",
        """
        SELECT name, source, begins_at, bytes, crc, sha256 FROM tenant_export_entry WHERE export_id = $1 AND number >= $2
        ORDER BY number LIMIT 500
        """)
    static let dropEntries = SQL(
        "offboarding.drop_export_entries",
        """
        DELETE FROM tenant_export_entry WHERE export_id = $1 AND number IN (
            SELECT number FROM tenant_export_entry WHERE export_id = $1 ORDER BY number LIMIT 500) RETURNING number
        """)
}
