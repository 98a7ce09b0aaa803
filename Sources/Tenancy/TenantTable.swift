import Store

/// Every statement of the room. Unsuffixed names run in tenant scope, `…_all` and the directory in kernel scope.
enum TenantTable {
    static let routeTenant = SQL(
        "tenancy.route_tenant", "INSERT INTO tenant_directory (tenant_id, region) VALUES ($1, $2)")
    static let routeMember = SQL(
        "tenancy.route_member", "INSERT INTO member_directory (user_id, tenant_id) VALUES ($1, $2)")
    static let routeMail = SQL(
        "tenancy.route_mail", "INSERT INTO mail_directory (mail_digest, region, user_id) VALUES ($1, $2, $3)")
    static let findMail = SQL(
        "tenancy.find_mail", "SELECT user_id, region FROM mail_directory WHERE mail_digest = $1")
    static let regionOf = SQL(
        "tenancy.region_of", "SELECT region FROM tenant_directory WHERE tenant_id = $1")
    static let tenantsOf = SQL(
        "tenancy.tenants_of", "SELECT tenant_id FROM member_directory WHERE user_id = $1 ORDER BY tenant_id")

    static let insertTenant = SQL(
        "tenancy.insert_tenant",
        """
        INSERT INTO tenant (tenant_id, kind, region, status, name_box, owner_membership_id, owner_role, owner_standing, created_at, changed_at)
        VALUES ($1, $2, $3, 'founding', $4, NULL, 'owner', 'active', $5, $5)
        """)
    static let insertMembership = SQL(
        "tenancy.insert_membership",
        """
        INSERT INTO membership
            (tenant_id, membership_id, user_id, role, standing, scope, ends_at, origin, created_at, changed_at)
        VALUES ($1, $2, $3, $4, 'active', $5, $6, $7, $8, $8)
        """)
    static let nameOwner = SQL(
        "tenancy.name_owner",
        "UPDATE tenant SET owner_membership_id = $1, status = CASE status WHEN 'founding' THEN 'active' ELSE status END, changed_at = $2")
    static let setStatus = SQL(
        "tenancy.set_status", "UPDATE tenant SET status = $1, changed_at = $2 WHERE status = $3 RETURNING tenant_id")
    static let tenant = SQL(
        "tenancy.tenant", "SELECT kind, region, status, name_box, created_at, owner_membership_id FROM tenant")
    static let members = SQL(
        "tenancy.members",
        "SELECT membership_id, user_id, role, standing, scope, ends_at FROM membership ORDER BY membership_id")
    static let writeMembership = SQL(
        "tenancy.write_membership",
        """
        UPDATE membership SET role = $2, standing = $3, scope = $4, ends_at = $5, changed_at = $6 WHERE membership_id = $1
        RETURNING membership_id
        """)
    static let standing = SQL(
        "tenancy.standing",
        """
        SELECT m.membership_id, m.user_id, m.role, m.standing, m.scope, m.ends_at, t.kind, t.status,
            r.networks, r.covers_license_keys, r.set_at, r.lifted_until
        FROM membership_all m JOIN tenant_all t ON t.tenant_id = m.tenant_id
        LEFT JOIN address_rule_all r ON r.tenant_id = m.tenant_id
        WHERE m.tenant_id = $1 AND m.user_id = $2
        """)
    static let owners = SQL(
        "tenancy.owners",
        "SELECT user_id FROM membership_all WHERE tenant_id = $1 AND role = 'owner' AND standing = 'active' ORDER BY membership_id")
    static let statusOf = SQL(
        "tenancy.status_of", "SELECT kind, region, status, name_box, created_at, owner_membership_id FROM tenant_all WHERE tenant_id = $1")
    static let departed = SQL(
        "tenancy.departed",
        """
        SELECT membership_id, user_id, standing, ends_at, changed_at FROM membership
        WHERE standing = 'ended' OR ends_at <= $1 ORDER BY membership_id LIMIT $2
        """)
    static let member = SQL(
        "tenancy.member",
        "SELECT membership_id, user_id, role, standing, scope, ends_at, created_at FROM membership WHERE membership_id = $1")
    static let memberOfUser = SQL(
        "tenancy.member_of_user",
        "SELECT membership_id, user_id, role, standing, scope, ends_at, created_at FROM membership WHERE user_id = $1")
    static let memberPage = SQL(
        "tenancy.member_page",
        """
        SELECT membership_id, user_id, role, standing, scope, ends_at, created_at FROM membership
        WHERE membership_id > $1 AND standing = 'active' AND (ends_at IS NULL OR ends_at > $2) ORDER BY membership_id LIMIT $3
        """)
    static let countMembers = SQL(
        "tenancy.count_members", "SELECT count(*) FROM membership WHERE standing = 'active' AND (ends_at IS NULL OR ends_at > $1)")
    /// What stays of a tenant that is gone. Kernel scope.
    static let blank = SQL(
        "tenancy.blank_tenant",
        "UPDATE tenant_all SET status = 'purged', name_box = $2, owner_membership_id = NULL, changed_at = $3 WHERE tenant_id = $1")
    static let unrouteMail = SQL("tenancy.unroute_mail", "DELETE FROM mail_directory WHERE user_id = $1")
    static let unrouteUser = SQL("tenancy.unroute_user", "DELETE FROM member_directory WHERE user_id = $1")
    static let page = SQL(
        "tenancy.tenant_page",
        """
        SELECT tenant_id, kind, region, status, created_at FROM tenant_all WHERE tenant_id < $1 ORDER BY tenant_id DESC LIMIT $2
        """)
    static let isRouted = SQL("tenancy.is_routed", "SELECT 1 FROM member_directory WHERE user_id = $1 AND tenant_id = $2")
    static let rename = SQL("tenancy.rename", "UPDATE tenant SET name_box = $1, changed_at = $2 RETURNING tenant_id")
}
