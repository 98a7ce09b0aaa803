import Store

/// Refuses a database whose catalogue does not keep tenants apart, whatever the migrations said: what is there counts.
package enum PostgresLint {
    package enum Rule: String, Sendable, CaseIterable {
        case rowSecurity, owner, policies, tenantFirst, indexByTenant, foreignKeyByTenant, foreignKeyAction, noDefault, plainTypes
        case onlyTables, viewInvokes, oneDefiner, noPublic, grants, roles, keyIsHidden
    }
    package struct Finding: Sendable, Hashable, CustomStringConvertible {
        package let rule: Rule
        package let sentence: String
        package var description: String { sentence }
    }

    /// True for a login that row-level security holds.
    static let login = SQL(
        "lint.login",
        """
        SELECT NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = session_user AND (rolsuper OR rolbypassrls OR rolcreaterole))
            AND NOT pg_catalog.pg_has_role(session_user, 'coditect_owner', 'MEMBER')
        """)

    static func findings(_ rows: (SQL, [any SQLBindable]) throws -> [Row]) throws -> [Finding] {
        try checks.flatMap { check in
            try rows(SQL("lint.\(check.rule.rawValue)", check.sql), []).map { row in
                Finding(rule: check.rule, sentence: try row.text(0) + check.sentence)
            }
        }
    }

    private struct Check {
        let rule: Rule
        let sentence: String
        /// Answers a name for each finding.
        let sql: String
    }

    private static let tables = """
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'coditect' AND c.relkind = 'r'
        """

    private static let checks: [Check] = [
        Check(
            rule: .rowSecurity, sentence: " is without ENABLE or FORCE ROW LEVEL SECURITY.",
            sql: """
                SELECT c.relname::text \(tables) AND NOT (c.relrowsecurity AND (c.relforcerowsecurity OR c.relname = 'store_migration'))
                """),
        Check(
            rule: .owner, sentence: " is not owned by coditect_owner.",
            sql: """
                SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname IN ('coditect', 'coditect_guard') AND c.relkind IN ('r', 'v', 'p', 'm', 'S', 'f')
                    AND c.relowner <> 'coditect_owner'::regrole
                """),
        Check(
            rule: .policies, sentence: " has other policies than the house's.",
            sql: """
                SELECT c.relname::text \(tables) AND (
                    SELECT coalesce(string_agg(
                        p.polname || ' ' || p.polpermissive || ' ' || p.polcmd::text || ' ' || p.polroles::regrole[]::text, ', ' ORDER BY p.polname), '')
                    FROM pg_policy p WHERE p.polrelid = c.oid AND (
                        p.polpermissive OR pg_get_expr(p.polqual, p.polrelid) ~ 'coditect_guard\\.sealed'
                            AND pg_get_expr(p.polwithcheck, p.polrelid) ~ 'coditect_guard\\.sealed')
                ) || ' ' || (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid)
                IS DISTINCT FROM CASE WHEN c.relname LIKE '%\\_all'
                    THEN 'kernel true * {coditect_kernel}, kernel_sealed false * {coditect_kernel}, tenant true * {coditect_tenant}, '
                        || 'tenant_sealed false * {coditect_tenant} 4'
                    ELSE 'kernel true * {coditect_kernel}, kernel_sealed false * {coditect_kernel} 2' END
                """),
        Check(
            rule: .tenantFirst, sentence: ": tenant_id bytea NOT NULL comes first in the PRIMARY KEY.",
            sql: """
                SELECT c.relname::text \(tables) AND c.relname LIKE '%\\_all' AND NOT EXISTS (
                    SELECT 1 FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
                    WHERE i.indrelid = c.oid AND i.indisprimary AND a.attname = 'tenant_id' AND a.attnotnull AND a.atttypid = 'bytea'::regtype)
                """),
        Check(
            rule: .indexByTenant, sentence: " does not begin with tenant_id and would lead through, or tell of, other tenants' rows.",
            sql: """
                SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
                JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'coditect'
                LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
                WHERE c.relname LIKE '%\\_all' AND a.attname IS DISTINCT FROM 'tenant_id'
                """),
        Check(
            rule: .foreignKeyByTenant, sentence: " crosses from a tenant's table, or does not begin with tenant_id on both sides.",
            sql: """
                SELECT k.conname || ' of ' || c.relname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
                JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'coditect' JOIN pg_class p ON p.oid = k.confrelid
                LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.conkey[1]
                LEFT JOIN pg_attribute b ON b.attrelid = p.oid AND b.attnum = k.confkey[1]
                WHERE k.contype = 'f' AND (c.relname LIKE '%\\_all') <> (p.relname LIKE '%\\_all')
                    OR k.contype = 'f' AND c.relname LIKE '%\\_all' AND (a.attname <> 'tenant_id' OR b.attname <> 'tenant_id')
                """),
        Check(
            rule: .foreignKeyAction, sentence: " sets columns when its parent goes, or is deferrable.",
            sql: """
                SELECT k.conname || ' of ' || c.relname FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
                JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'coditect'
                WHERE k.contype = 'f' AND (k.confdeltype IN ('n', 'd') OR k.confupdtype IN ('n', 'd', 'c') OR k.condeferrable)
                """),
        Check(
            rule: .noDefault, sentence: " has a default or is generated.",
            sql: """
                SELECT c.relname || '.' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r'
                JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'coditect'
                WHERE a.attnum > 0 AND c.relname LIKE '%\\_all' AND (a.atthasdef OR a.attidentity <> '' OR a.attgenerated <> '')
                """),
        Check(
            rule: .plainTypes, sentence: " is not bigint, bytea or text under the collation C.",
            sql: """
                SELECT c.relname || '.' || a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r'
                JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'coditect'
                WHERE a.attnum > 0 AND NOT a.attisdropped AND NOT (
                    a.atttypid IN ('bigint'::regtype, 'bytea'::regtype) OR a.atttypid = 'text'::regtype AND a.attcollation = 'pg_catalog."C"'::regcollation)
                """),
        Check(
            rule: .onlyTables,
            sentence: " is neither a plain table nor a view: sequences, partitions and materialized views have no row security.",
            sql: """
                SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = 'coditect' AND (c.relkind NOT IN ('r', 'v', 'i', 't', 'c') OR c.relispartition
                    OR EXISTS (SELECT 1 FROM pg_inherits h WHERE c.oid IN (h.inhrelid, h.inhparent))
                    OR c.relkind = 'r' AND EXISTS (SELECT 1 FROM pg_rewrite r WHERE r.ev_class = c.oid))
                """),
        Check(
            rule: .viewInvokes, sentence: " is a view without security_invoker: it would read as its owner.",
            sql: """
                SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname IN ('coditect', 'coditect_guard') AND c.relkind = 'v'
                    AND NOT coalesce(c.reloptions @> ARRAY['security_invoker=true'], false)
                """),
        Check(
            rule: .oneDefiner, sentence: " runs as its owner, or its search_path is not pinned.",
            sql: """
                SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
                WHERE n.nspname IN ('coditect', 'coditect_guard', 'public') AND n.nspowner <> 10 AND (
                    p.prosecdef AND p.oid <> 'coditect_guard.sealed(text)'::regprocedure
                    OR NOT coalesce(p.proconfig @> ARRAY['search_path=pg_catalog, pg_temp'], false))
                """),
        Check(
            rule: .noPublic, sentence: " is granted to PUBLIC.",
            sql: """
                SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) g
                WHERE n.nspname IN ('coditect', 'coditect_guard') AND g.grantee = 0
                UNION SELECT p.proname::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace, aclexplode(p.proacl) g
                WHERE n.nspname IN ('coditect', 'coditect_guard') AND g.grantee = 0
                UNION SELECT n.nspname::text FROM pg_namespace n, aclexplode(n.nspacl) g
                WHERE n.nspname IN ('coditect', 'coditect_guard') AND g.grantee = 0
                """),
        Check(
            rule: .grants,
            sentence: " gives a serving role more than rows (TRUNCATE, REFERENCES, TRIGGER), or a tenant a table of the kernel's.",
            sql: """
                SELECT DISTINCT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) g
                WHERE n.nspname = 'coditect' AND g.grantee <> c.relowner AND (
                    g.privilege_type IN ('TRUNCATE', 'REFERENCES', 'TRIGGER') OR g.is_grantable
                    OR g.grantee = 'coditect_tenant'::regrole AND c.relkind = 'r' AND c.relname NOT LIKE '%\\_all'
                    OR g.grantee NOT IN ('coditect_tenant'::regrole, 'coditect_kernel'::regrole))
                """),
        Check(
            rule: .roles, sentence: " logs in, creates, bypasses row security, or belongs to the owner.",
            sql: """
                SELECT r.rolname::text FROM pg_roles r WHERE r.rolname IN ('coditect_owner', 'coditect_tenant', 'coditect_kernel') AND (
                    r.rolcanlogin OR r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication
                    OR r.rolname <> 'coditect_owner' AND pg_has_role(r.oid, 'coditect_owner', 'MEMBER')
                    OR r.rolname = 'coditect_tenant' AND pg_has_role(r.oid, 'coditect_kernel', 'MEMBER'))
                """),
        Check(
            rule: .keyIsHidden, sentence: " can read the seal's key.",
            sql: """
                SELECT r.rolname::text FROM pg_roles r WHERE r.rolname IN ('coditect_tenant', 'coditect_kernel')
                    AND has_any_column_privilege(r.oid, 'coditect_guard.seal_key', 'SELECT, INSERT, UPDATE')
                """),
    ]
}
