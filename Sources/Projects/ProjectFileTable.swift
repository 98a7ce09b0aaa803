import Store

/// Every statement about files and what lies in their stores. Tenant scope.
enum ProjectFileTable {
    private static let object =
        "o.object_id, o.project_id, o.file_id, o.version, o.path, o.path_key, o.content_type, o.bytes, o.hash, o.store, o.store_upload, o.state, "
        + "o.made_by, o.made_at, o.due_at, o.looks"
    static let fileColumns = 16

    // Objects
    static let declare = SQL(
        "projects.declare_object",
        """
        INSERT INTO project_object
            (tenant_id, object_id, project_id, file_id, version, path, path_key, content_type, bytes, hash, store, store_upload, state, made_by,
            made_at, due_at, looks)
        VALUES ($1, $2, $3, NULL, NULL, $4, $5, $6, $7, $8, $9, NULL, 'declared', $10, $11, $12, 0)
        """)
    static let one = SQL("projects.object", "SELECT \(object) FROM project_object o WHERE o.object_id = $1")
    static let countDeclared = SQL("projects.count_declared", "SELECT count(*) FROM project_object WHERE state = 'declared'")
    static let begun = SQL(
        "projects.begun_upload",
        "UPDATE project_object SET store_upload = $2 WHERE object_id = $1 AND state = 'declared' AND store_upload IS NULL RETURNING object_id"
    )
    static let complete = SQL(
        "projects.complete_object",
        """
        UPDATE project_object SET state = 'stored', file_id = $2, version = $3, due_at = NULL WHERE object_id = $1 AND state = 'declared'
        RETURNING bytes
        """)
    static let drop = SQL(
        "projects.drop_object",
        "UPDATE project_object SET state = 'dropped', due_at = $3, looks = $4 WHERE object_id = $1 AND state = $2 RETURNING bytes")
    static let looked = SQL(
        "projects.looked_at_object",
        "UPDATE project_object SET looks = looks - 1, due_at = $2 WHERE object_id = $1 AND state = 'dropped' AND looks > 1 RETURNING looks")
    static let remove = SQL(
        "projects.remove_object", "DELETE FROM project_object WHERE object_id = $1 AND state = 'dropped' RETURNING object_id")
    static let due = SQL(
        "projects.due_objects",
        "SELECT \(object) FROM project_object o WHERE o.state = $1 AND o.due_at <= $2 ORDER BY o.due_at, o.object_id LIMIT $3")
    static let nextDue = SQL(
        "projects.next_due", "SELECT min(due_at) FROM project_object WHERE state = $1")
    static let ofProject = SQL(
        "projects.objects_of_project",
        "SELECT \(object) FROM project_object o WHERE o.project_id = $1 AND o.state = $2 ORDER BY o.object_id LIMIT $3")
    static let countOfProject = SQL("projects.count_objects_of_project", "SELECT count(*) FROM project_object WHERE project_id = $1")
    static let old = SQL(
        "projects.old_versions",
        "SELECT \(object) FROM project_object o WHERE o.file_id = $1 AND o.version <= $2 AND o.state = 'stored' ORDER BY o.version LIMIT $3"
    )
    static let versions = SQL(
        "projects.versions",
        "SELECT \(object) FROM project_object o WHERE o.file_id = $1 AND o.state = 'stored' ORDER BY o.version DESC LIMIT $2")
    static let version = SQL(
        "projects.version",
        "SELECT \(object) FROM project_object o WHERE o.file_id = $1 AND o.version = $2 AND o.state = 'stored'")

    // Pieces
    static let pieces = SQL(
        "projects.pieces", "SELECT number, digest, token FROM project_piece WHERE object_id = $1 ORDER BY number LIMIT 1024")
    static let piece = SQL("projects.piece", "SELECT digest FROM project_piece WHERE object_id = $1 AND number = $2")
    static let keepPiece = SQL(
        "projects.keep_piece", "INSERT INTO project_piece (tenant_id, object_id, number, digest, token) VALUES ($1, $2, $3, $4, $5)")
    static let replacePiece = SQL(
        "projects.replace_piece",
        "UPDATE project_piece SET digest = $3, token = $4 WHERE object_id = $1 AND number = $2 RETURNING number")
    static let dropPieces = SQL("projects.drop_pieces", "DELETE FROM project_piece WHERE object_id = $1")

    // Files
    private static let file = "f.file_id, f.path, f.version, f.created_at, f.changed_at"
    static let insert = SQL(
        "projects.insert_file",
        """
        INSERT INTO project_file (tenant_id, file_id, project_id, path, path_key, object_id, version, created_at, changed_at)
        VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $7)
        """)
    static let replace = SQL(
        "projects.replace_file",
        """
        UPDATE project_file SET path = $2, object_id = $3, version = version + 1, changed_at = $4 WHERE file_id = $1 RETURNING version
        """)
    static let at = SQL("projects.file_at", "SELECT file_id FROM project_file WHERE project_id = $1 AND path_key = $2")
    static let get = SQL(
        "projects.file",
        "SELECT \(object), \(file) FROM project_file f JOIN project_object o ON o.object_id = f.object_id WHERE f.file_id = $1")
    static let list = SQL(
        "projects.files",
        """
        SELECT \(object), \(file) FROM project_file f JOIN project_object o ON o.object_id = f.object_id
        WHERE f.project_id = $1 AND f.path_key > $2 AND substr(f.path_key, 1, CAST($3 AS INTEGER)) = $4 ORDER BY f.path_key LIMIT $5
        """)
    static let removeFile = SQL("projects.remove_file", "DELETE FROM project_file WHERE file_id = $1 RETURNING file_id")
    static let removeFiles = SQL("projects.remove_files", "DELETE FROM project_file WHERE project_id = $1")
}
