import Store

/// Every statement about projects, shares and what a tenant takes. Unsuffixed names run in tenant scope, `…_all` in kernel scope.
enum ProjectTable {
    private static let columns = "p.project_id, p.name, p.summary, p.state, p.created_by, p.created_at, p.changed_at, p.purge_at"

    static let insert = SQL(
        "projects.insert",
        """
        INSERT INTO project (tenant_id, project_id, name, summary, state, created_by, created_at, changed_at, purge_at)
        VALUES ($1, $2, $3, $4, 'active', $5, $6, $6, NULL)
        """)
    static let one = SQL("projects.one", "SELECT \(columns) FROM project p WHERE p.project_id = $1")
    /// Serialises what follows on one project, where two writers could meet.
    static let touch = SQL("projects.touch", "UPDATE project SET changed_at = $2 WHERE project_id = $1 RETURNING state")
    static let page = SQL(
        "projects.page",
        """
        SELECT \(columns) FROM project p
        WHERE p.project_id > $1 AND (p.state = 'active' OR p.state = 'archived' OR p.state = $2) ORDER BY p.project_id LIMIT $3
        """)
    /// Those of which some share concerns the member.
    static let sharedPage = SQL(
        "projects.shared_page",
        """
        SELECT \(columns) FROM project p
        WHERE p.project_id > $1 AND (p.state = 'active' OR p.state = 'archived')
            AND EXISTS (
                SELECT 1 FROM project_share s WHERE s.project_id = p.project_id
                    AND (s.kind = 'everyone' OR (s.kind = 'member' AND s.target_id = $2) OR (s.kind = 'team' AND EXISTS (
                        SELECT 1 FROM team_member m WHERE m.team_id = s.target_id AND m.membership_id = $2))))
        ORDER BY p.project_id LIMIT $3
        """)
    static let describe = SQL(
        "projects.describe", "UPDATE project SET name = $2, summary = $3, changed_at = $4 WHERE project_id = $1 RETURNING project_id")
    static let move = SQL(
        "projects.move",
        "UPDATE project SET state = $3, purge_at = $4, changed_at = $5 WHERE project_id = $1 AND state = $2 RETURNING project_id")
    static let remove = SQL("projects.remove", "DELETE FROM project WHERE project_id = $1 RETURNING project_id")
    static let all = SQL("projects.all", "SELECT \(columns) FROM project p WHERE p.project_id > $1 ORDER BY p.project_id LIMIT $2")

    // Shares
    static let shares = SQL(
        "projects.shares", "SELECT kind, target_id, level FROM project_share WHERE project_id = $1 ORDER BY kind, target_id LIMIT $2")
    static let share = SQL(
        "projects.share",
        "INSERT INTO project_share (tenant_id, project_id, kind, target_id, level, created_at) VALUES ($1, $2, $3, $4, $5, $6)")
    static let shareAgain = SQL(
        "projects.share_again",
        "UPDATE project_share SET level = $4 WHERE project_id = $1 AND kind = $2 AND target_id = $3 RETURNING level")
    static let unshare = SQL(
        "projects.unshare", "DELETE FROM project_share WHERE project_id = $1 AND kind = $2 AND target_id = $3 RETURNING kind")
    static let sharedWith = SQL(
        "projects.shared_with",
        "SELECT project_id FROM project_share WHERE kind = 'member' AND target_id = $1 ORDER BY project_id LIMIT 200")
    static let unshareAll = SQL("projects.unshare_all", "DELETE FROM project_share WHERE project_id = $1")

    // What a tenant takes
    static let usage = SQL("projects.usage", "SELECT projects, stored_bytes, reserved_bytes, is_closed FROM project_usage")
    static let beginUsage = SQL(
        "projects.begin_usage",
        "INSERT INTO project_usage (tenant_id, projects, stored_bytes, reserved_bytes, is_closed) VALUES ($1, 0, 0, 0, 0)")
    static let takeProject = SQL(
        "projects.take_project", "UPDATE project_usage SET projects = projects + 1 WHERE projects < $1 AND is_closed = 0 RETURNING projects"
    )
    static let giveProject = SQL("projects.give_project", "UPDATE project_usage SET projects = projects - 1 RETURNING projects")
    static let reserve = SQL(
        "projects.reserve",
        """
        UPDATE project_usage SET reserved_bytes = reserved_bytes + $1
        WHERE stored_bytes + reserved_bytes + $1 <= $2 AND is_closed = 0 RETURNING reserved_bytes
        """)
    static let keep = SQL(
        "projects.keep",
        "UPDATE project_usage SET stored_bytes = stored_bytes + $1, reserved_bytes = reserved_bytes - $1 RETURNING stored_bytes")
    static let release = SQL(
        "projects.release", "UPDATE project_usage SET reserved_bytes = reserved_bytes - $1 RETURNING reserved_bytes")
    static let free = SQL("projects.free", "UPDATE project_usage SET stored_bytes = stored_bytes - $1 RETURNING stored_bytes")
    static let close = SQL("projects.close", "UPDATE project_usage SET is_closed = $1 RETURNING is_closed")
    static let dropUsage = SQL("projects.drop_usage", "DELETE FROM project_usage RETURNING tenant_id")
    static let tenants = SQL(
        "projects.tenants", "SELECT tenant_id FROM project_usage_all WHERE tenant_id > $1 ORDER BY tenant_id LIMIT $2")
    static let purgeable = SQL(
        "projects.purgeable", "SELECT project_id FROM project WHERE state = 'deleted' AND purge_at <= $1 ORDER BY project_id LIMIT $2")
    static let nextPurge = SQL("projects.next_purge", "SELECT min(purge_at) FROM project WHERE state = 'deleted'")
    static let purging = SQL("projects.purging", "SELECT project_id FROM project WHERE state = 'purging' ORDER BY project_id LIMIT $1")
}
