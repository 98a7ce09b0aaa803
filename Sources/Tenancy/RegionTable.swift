import Store

/// Every statement of the shared directory, in its own database. Kernel scope.
enum DirectoryTable {
    static let claimMail = SQL(
        "directory.claim_mail",
        "INSERT INTO mail_region_directory (mail_digest, region, user_id, claimed_at) VALUES ($1, $2, $3, $4) ON CONFLICT (mail_digest) DO NOTHING"
    )
    static let mail = SQL("directory.mail", "SELECT region, user_id FROM mail_region_directory WHERE mail_digest = $1")
    /// Of this account alone: what was claimed anew since stays.
    static let releaseMail = SQL(
        "directory.release_mail", "DELETE FROM mail_region_directory WHERE mail_digest = $1 AND region = $2 AND user_id = $3")
    static let routeTenant = SQL(
        "directory.route_tenant",
        "INSERT INTO tenant_region_directory (tenant_id, region) VALUES ($1, $2) ON CONFLICT (tenant_id) DO NOTHING")
    static let tenant = SQL("directory.tenant", "SELECT region FROM tenant_region_directory WHERE tenant_id = $1")
    static let mailsOf = SQL(
        "directory.mails_of",
        """
        SELECT mail_digest, user_id FROM mail_region_directory WHERE region = $1 AND mail_digest > $2 AND claimed_at < $3
        ORDER BY mail_digest LIMIT $4
        """)
    static let counts = SQL(
        "directory.counts",
        "SELECT (SELECT count(*) FROM tenant_region_directory WHERE region = $1), (SELECT count(*) FROM mail_region_directory WHERE region = $1)"
    )
}

/// What this region has claimed. Kernel scope.
enum ClaimTable {
    static let intend = SQL(
        "tenancy.intend_claim", "INSERT INTO mail_claim (user_id, claim_digest, state, changed_at) VALUES ($1, $2, 'claiming', $3)")
    /// Of two racing ones, the account's end of the claim and its giving up, one gets the row.
    static let hold = SQL(
        "tenancy.hold_claim",
        "UPDATE mail_claim SET state = 'held', changed_at = $2 WHERE user_id = $1 AND state = 'claiming' RETURNING user_id")
    static let giveUp = SQL(
        "tenancy.give_claim_up",
        "UPDATE mail_claim SET state = 'releasing', changed_at = $2 WHERE user_id = $1 AND state <> 'releasing' RETURNING user_id")
    static let abandon = SQL(
        "tenancy.abandon_claim",
        "UPDATE mail_claim SET state = 'releasing', changed_at = $2 WHERE user_id = $1 AND state = 'claiming' RETURNING user_id")
    static let one = SQL("tenancy.claim", "SELECT claim_digest, state FROM mail_claim WHERE user_id = $1")
    static let holder = SQL("tenancy.claim_holder", "SELECT user_id FROM mail_claim WHERE claim_digest = $1 AND state = 'held'")
    static let forget = SQL("tenancy.forget_claim", "DELETE FROM mail_claim WHERE user_id = $1 AND state = 'releasing'")
    /// Accounts that the directory does not know yet: an installation that becomes one of several regions.
    static let unclaimed = SQL(
        "tenancy.unclaimed",
        """
        SELECT m.user_id FROM mail_directory m LEFT JOIN mail_claim c ON c.user_id = m.user_id
        WHERE m.user_id > $1 AND c.user_id IS NULL ORDER BY m.user_id LIMIT $2
        """)
    static let tenants = SQL(
        "tenancy.all_routes", "SELECT tenant_id FROM tenant_directory WHERE tenant_id > $1 ORDER BY tenant_id LIMIT $2")
}
