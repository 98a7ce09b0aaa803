import Store

/// Every statement of the room. Tenant scope.
enum UsageTable {
    static let plan = SQL("usage.find_plan", "SELECT version, standing, anchor_at FROM usage_plan WHERE subscription_id = $1")
    static let insertPlan = SQL(
        "usage.insert_plan",
        "INSERT INTO usage_plan (tenant_id, subscription_id, version, standing, anchor_at) VALUES ($1, $2, $3, $4, $5)")
    static let writePlan = SQL(
        "usage.write_plan",
        "UPDATE usage_plan SET version = $2, standing = $3, anchor_at = $4 WHERE subscription_id = $1 RETURNING version")
    static let plans = SQL(
        "usage.plans", "SELECT subscription_id, standing, anchor_at FROM usage_plan ORDER BY subscription_id DESC LIMIT 100")

    private static let periodColumns = "starts_at, ends_at, used, warned_at_limit, exhausted_at_limit"
    /// The newest period that begins at or before a moment.
    static let periodBefore = SQL(
        "usage.period_before",
        "SELECT \(periodColumns) FROM usage_period WHERE meter = $1 AND starts_at <= $2 ORDER BY starts_at DESC LIMIT 1")
    static let periodAfter = SQL(
        "usage.period_after", "SELECT starts_at FROM usage_period WHERE meter = $1 AND starts_at > $2 ORDER BY starts_at LIMIT 1")
    static let periods = SQL(
        "usage.periods", "SELECT \(periodColumns) FROM usage_period WHERE meter = $1 ORDER BY starts_at DESC LIMIT $2")
    static let everyPeriod = SQL(
        "usage.every_period",
        """
        SELECT meter, starts_at, ends_at, used FROM usage_period
        WHERE (meter, starts_at) > ($1, $2) ORDER BY meter, starts_at LIMIT $3
        """)
    static let insertPeriod = SQL(
        "usage.insert_period",
        """
        INSERT INTO usage_period (tenant_id, meter, starts_at, ends_at, used, warned_at_limit, exhausted_at_limit)
        VALUES ($1, $2, $3, $4, 0, NULL, NULL)
        """)
    /// Holds the row for the rest of the transaction.
    static let hold = SQL(
        "usage.hold_period", "UPDATE usage_period SET used = used WHERE meter = $1 AND starts_at = $2 RETURNING meter")
    static let count = SQL(
        "usage.count", "UPDATE usage_period SET used = used + $3 WHERE meter = $1 AND starts_at = $2 RETURNING used")
    static let tell = SQL(
        "usage.tell",
        "UPDATE usage_period SET warned_at_limit = $3, exhausted_at_limit = $4 WHERE meter = $1 AND starts_at = $2 RETURNING used")
    /// Ends what is open, where the tenant starts anew.
    static let open = SQL("usage.open_periods", "SELECT meter FROM usage_period WHERE starts_at < $1 AND ends_at > $1 ORDER BY meter")
    static let cut = SQL("usage.cut_periods", "UPDATE usage_period SET ends_at = $1 WHERE starts_at < $1 AND ends_at > $1")

    static let record = SQL("usage.find_record", "SELECT meter, quantity, occurred_at FROM usage_record WHERE record_key = $1")
    static let insertRecord = SQL(
        "usage.insert_record",
        """
        INSERT INTO usage_record (tenant_id, record_key, meter, starts_at, quantity, occurred_at, received_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """)
    static let everyRecord = SQL(
        "usage.every_record",
        """
        SELECT record_key, meter, quantity, occurred_at, received_at FROM usage_record WHERE record_key > $1 ORDER BY record_key LIMIT $2
        """)
    /// The oldest of one tenant first, some at a time. Kernel scope.
    static let forget = SQL(
        "usage.forget_records",
        """
        DELETE FROM usage_record_all WHERE tenant_id = $1 AND record_key IN
            (SELECT record_key FROM usage_record_all WHERE tenant_id = $1 AND occurred_at < $2
                AND \(TenantKeep.unheld("usage_record_all")) ORDER BY occurred_at LIMIT $3) RETURNING record_key
        """)
    static let tenants = SQL(
        "usage.tenants", "SELECT DISTINCT tenant_id FROM usage_record_all WHERE tenant_id > $1 ORDER BY tenant_id LIMIT $2")

    static let purgeRecords = SQL("usage.purge_records", "DELETE FROM usage_record")
    static let purgePeriods = SQL("usage.purge_periods", "DELETE FROM usage_period")
    static let purgePlans = SQL("usage.purge_plans", "DELETE FROM usage_plan")

    static let all = [
        plan, insertPlan, writePlan, plans, periodBefore, periodAfter, periods, everyPeriod, insertPeriod, hold, count, tell, open, cut,
        record,
        insertRecord, everyRecord, forget, tenants, purgeRecords, purgePeriods, purgePlans,
    ]
}
