import Store

/// Every SQL statement of the room. Unsuffixed names run in tenant scope, `…_all` in kernel scope.
enum ProvisioningTable {
    // Home
    static let home = SQL(
        "provisioning.home",
        "SELECT tier, is_live, is_closed, namespace, disk_bytes, size, key_id, key_owner, key_box, version FROM provision_home")
    static let found = SQL(
        "provisioning.found",
        """
        INSERT INTO provision_home
            (tenant_id, tier, is_live, is_closed, namespace, disk_bytes, size, key_id, key_owner, key_box, version)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1)
        """)
    static let furnish = SQL(
        "provisioning.furnish",
        """
        UPDATE provision_home
        SET tier = $1, is_live = $2, is_closed = $3, namespace = $4, disk_bytes = $5, size = $6, key_id = $7, key_owner = $8,
            key_box = $9, version = version + 1
        WHERE version = $10 RETURNING version
        """)
    static let raze = SQL("provisioning.raze", "DELETE FROM provision_home RETURNING 1")
    static let homes = SQL(
        "provisioning.homes", "SELECT tenant_id FROM provision_home_all WHERE tenant_id > $1 ORDER BY tenant_id LIMIT $2")

    // Plans
    static let begin = SQL(
        "provisioning.begin",
        """
        INSERT INTO provision_plan (tenant_id, plan_id, cause, tier, state, decision, note, before, created_at)
        VALUES ($1, $2, $3, $4, 'running', $5, '', $6, $7)
        """)
    private static let planColumns = "plan_id, cause, tier, state, decision, note, before, created_at, finished_at"
    static let plan = SQL("provisioning.plan", "SELECT \(planColumns) FROM provision_plan WHERE plan_id = $1")
    static let latest = SQL("provisioning.latest", "SELECT \(planColumns) FROM provision_plan ORDER BY plan_id DESC LIMIT 1")
    static let open = SQL(
        "provisioning.open", "SELECT plan_id FROM provision_plan WHERE state IN ('running', 'undoing') ORDER BY plan_id LIMIT 1")
    static let turn = SQL(
        "provisioning.turn", "UPDATE provision_plan SET state = $2, note = $3, finished_at = $4 WHERE plan_id = $1 RETURNING plan_id")
    static let forgetPlans = SQL("provisioning.forget_plans", "DELETE FROM provision_plan RETURNING 1")
    static let write = SQL(
        "provisioning.write",
        "INSERT INTO provision_step (tenant_id, plan_id, number, action, fields, state) VALUES ($1, $2, $3, $4, $5, 'waiting')")
    static let steps = SQL(
        "provisioning.steps", "SELECT number, action, fields, state, at FROM provision_step WHERE plan_id = $1 ORDER BY number")
    static let mark = SQL(
        "provisioning.mark", "UPDATE provision_step SET state = $3, at = $4 WHERE plan_id = $1 AND number = $2 RETURNING number")

    // Workstations
    private static let columns =
        """
        workstation_id, user_id, state, wish, size, made, work, began_at, step, attempt, is_unknown, next_at, note, address, credential,
        active_at, turn, busy_until, busy_by, created_at, changed_at
        """
    static let request = SQL(
        "provisioning.request",
        """
        INSERT INTO workstation
            (tenant_id, workstation_id, user_id, state, wish, size, step, attempt, is_unknown, note, active_at, turn, busy_until, created_at,
            changed_at)
        VALUES ($1, $2, $3, $4, $5, $6, 0, 0, 0, $7, $8, 1, 0, $8, $8)
        """)
    static let one = SQL("provisioning.one", "SELECT \(columns) FROM workstation WHERE workstation_id = $1")
    static let ofUser = SQL("provisioning.of_user", "SELECT \(columns) FROM workstation WHERE user_id = $1")
    static let page = SQL(
        "provisioning.page", "SELECT \(columns) FROM workstation WHERE workstation_id > $1 ORDER BY workstation_id LIMIT $2")
    static let save = SQL(
        "provisioning.save",
        """
        UPDATE workstation
        SET state = $2, wish = $3, size = $4, made = $5, work = $6, began_at = $7, step = $8, attempt = $9, is_unknown = $10, next_at = $11,
            note = $12, address = $13, credential = $14, active_at = $15, turn = $16, busy_until = $17, busy_by = $18, changed_at = $19
        WHERE workstation_id = $1 RETURNING workstation_id
        """)
    static let touch = SQL(
        "provisioning.touch", "UPDATE workstation SET active_at = $2 WHERE workstation_id = $1 RETURNING workstation_id")
    static let forget = SQL("provisioning.forget", "DELETE FROM workstation RETURNING 1")
    static let clear = SQL(
        "provisioning.clear", "DELETE FROM workstation_step WHERE workstation_id = $1 AND number >= $2 RETURNING 1")
    static let done = SQL(
        "provisioning.done", "INSERT INTO workstation_step (tenant_id, workstation_id, number, name, at) VALUES ($1, $2, $3, $4, $5)")
    static let stepsDone = SQL(
        "provisioning.steps_done", "SELECT name, at FROM workstation_step WHERE workstation_id = $1 ORDER BY number")
    static let busy = SQL(
        "provisioning.busy", "SELECT workstation_id, busy_until FROM workstation WHERE busy_until > $1 ORDER BY workstation_id LIMIT 1")

    static let takeOver = SQL("provisioning.take_over", "UPDATE workstation_all SET busy_until = 0 WHERE busy_until > 0")

    static let all = [
        home, found, furnish, raze, homes, begin, plan, latest, open, turn, forgetPlans, write, steps, mark, request, one, ofUser, page,
        save, touch, forget, clear, done, stepsDone, busy,
    ]
}
