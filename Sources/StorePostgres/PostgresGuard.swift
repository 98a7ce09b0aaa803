import Store
import Vocabulary

/// What holds tenants apart in the database itself: the seal, the lanes, and for each table its policies, its view and who may do what.
enum PostgresGuard {
    static let schema = "coditect"
    static let vault = "coditect_guard"
    static let laneCount = 64
    static let refusal = "the scope is not sealed"

    /// Writes of one tenant wait for each other here and nowhere else: two tenants seldom share a lane.
    static func lane(of tenant: [UInt8]) -> String {
        let number = StoreDigest.sha256(tenant).prefix(2).reduce(0) { $0 << 8 | Int($1) } % laneCount
        return laneName(number)
    }
    /// Taken in one order, so that nobody waits in a circle.
    static func locking(_ lanes: WriteLanes) -> String {
        switch lanes {
        case .alone(let tenant): "LOCK TABLE \(lane(of: tenant.uuid.bytes)) IN EXCLUSIVE MODE"
        case .beside(let tenants):
            "LOCK TABLE \(Set(tenants.map { lane(of: $0.uuid.bytes) }).sorted().joined(separator: ", ")) IN SHARE MODE"
        }
    }
    static func laneName(_ number: Int) -> String { "\(vault).lane_\(number < 10 ? "0" : "")\(number)" }

    /// Schemas, the key, the one function that runs as the owner, and the lanes. Runs at each migration.
    static func foundation(_ seal: Seal) -> [PostgresCommand] {
        var texts = [
            "CREATE SCHEMA IF NOT EXISTS \(schema)",
            "CREATE SCHEMA IF NOT EXISTS \(vault)",
            "REVOKE ALL ON SCHEMA \(schema) FROM PUBLIC",
            "REVOKE ALL ON SCHEMA \(vault) FROM PUBLIC",
            "GRANT USAGE ON SCHEMA \(schema), \(vault) TO \(PostgresRoles.tenant), \(PostgresRoles.kernel)",
            """
            CREATE TABLE IF NOT EXISTS \(vault).seal_key (
                id bigint PRIMARY KEY CHECK (id = 1), inner_pad bytea NOT NULL, outer_pad bytea NOT NULL)
            """,
            "REVOKE ALL ON \(vault).seal_key FROM PUBLIC, \(PostgresRoles.tenant), \(PostgresRoles.kernel)",
            sealed,
            "REVOKE ALL ON FUNCTION \(vault).sealed(text) FROM PUBLIC",
            "GRANT EXECUTE ON FUNCTION \(vault).sealed(text) TO \(PostgresRoles.tenant), \(PostgresRoles.kernel)",
            appendOnly, beginIsCovered,
            "REVOKE ALL ON FUNCTION \(vault).append_only() FROM PUBLIC",
            "REVOKE ALL ON FUNCTION \(vault).begin_is_covered() FROM PUBLIC",
        ]
        for number in 0..<laneCount {
            texts.append("CREATE TABLE IF NOT EXISTS \(laneName(number)) (nothing bigint)")
            texts.append("GRANT UPDATE ON \(laneName(number)) TO \(PostgresRoles.tenant)")
        }
        return texts.map { PostgresCommand("guard.foundation", $0) } + [
            PostgresCommand(
                "guard.key",
                """
                INSERT INTO \(vault).seal_key (id, inner_pad, outer_pad) VALUES (1, $1, $2)
                ON CONFLICT (id) DO UPDATE SET inner_pad = excluded.inner_pad, outer_pad = excluded.outer_pad
                """, [.blob(seal.inner), .blob(seal.outer)])
        ]
    }

    /// Reads the scope once and answers for that reading: a statement that sets another tenant on its way is refused, not believed.
    private static let sealed = """
        CREATE OR REPLACE FUNCTION \(vault).sealed(wanted text) RETURNS bytea
        LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL RESTRICTED
        SET search_path = pg_catalog, pg_temp
        AS $body$
        DECLARE
            tenant text := coalesce(current_setting('app.tenant_id', true), '');
            seal text := coalesce(current_setting('app.seal', true), '');
            expiry text := split_part(seal, '.', 1);
            pads record;
        BEGIN
            IF seal !~ '^[0-9]{1,18}[.][0-9a-f]{64}$' OR tenant !~ '^([0-9a-f]{32})?$' OR (tenant = '') <> (wanted = 'kernel') THEN
                RAISE insufficient_privilege USING MESSAGE = '\(refusal)';
            END IF;
            SELECT inner_pad, outer_pad INTO pads FROM \(vault).seal_key WHERE id = 1;
            IF pads IS NULL OR expiry::bigint < extract(epoch FROM clock_timestamp()) * 1000000
                OR sha256(decode(split_part(seal, '.', 2), 'hex')) IS DISTINCT FROM sha256(sha256(pads.outer_pad || sha256(pads.inner_pad
                    || convert_to(wanted || '|' || tenant || '|' || expiry || '|' || pg_backend_pid(), 'UTF8'))))
            THEN
                RAISE insufficient_privilege USING MESSAGE = '\(refusal)';
            END IF;
            RETURN decode(tenant, 'hex');
        END
        $body$
        """

    private static let appendOnly = """
        CREATE OR REPLACE FUNCTION \(vault).append_only() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
        AS $body$
        BEGIN
            IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'journal_entry_all' AND EXISTS (
                SELECT 1 FROM \(schema).journal_begin_all b
                WHERE b.tenant_id = OLD.tenant_id AND b.segment = OLD.segment AND b.entry_count >= OLD.seq) THEN RETURN OLD;
            END IF;
            RAISE integrity_constraint_violation USING MESSAGE = 'the journal is append-only';
        END
        $body$
        """
    private static let beginIsCovered = """
        CREATE OR REPLACE FUNCTION \(vault).begin_is_covered() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
        AS $body$
        BEGIN
            IF NOT EXISTS (
                SELECT 1 FROM \(schema).journal_mark_all m
                WHERE m.tenant_id = NEW.tenant_id AND m.segment = NEW.segment AND m.entry_count >= NEW.entry_count)
                OR (TG_OP = 'UPDATE'
                    AND (NEW.entry_count < OLD.entry_count OR NEW.segment <> OLD.segment OR NEW.tenant_id <> OLD.tenant_id)) THEN
                RAISE integrity_constraint_violation USING MESSAGE = 'no checkpoint covers these entries';
            END IF;
            RETURN NEW;
        END
        $body$
        """

    /// The journal's own triggers, as `OwnSchema` has them for SQLite.
    static let triggers: [String] =
        ["journal_entry_all", "journal_segment_all", "journal_checkpoint_all"].flatMap { table in
            trigger(table, "keeps_rows", "BEFORE DELETE", "append_only") + trigger(table, "keeps_values", "BEFORE UPDATE", "append_only")
        } + trigger("journal_begin_all", "keeps_rows", "BEFORE DELETE", "append_only")
        + trigger("journal_begin_all", "is_covered", "BEFORE INSERT OR UPDATE", "begin_is_covered")

    private static func trigger(_ table: String, _ name: String, _ event: String, _ function: String) -> [String] {
        [
            "DROP TRIGGER IF EXISTS \(table)_\(name) ON \(schema).\(table)",
            "CREATE TRIGGER \(table)_\(name) \(event) ON \(schema).\(table) FOR EACH ROW EXECUTE FUNCTION \(vault).\(function)()",
        ]
    }

    /// Row-level security, grants and, for a tenant's table, the view that tenant code names.
    static func walls(_ table: PostgresCatalogue.Table) -> [String] {
        let base = "\(schema).\(table.name)"
        var texts = [
            "ALTER TABLE \(base) ENABLE ROW LEVEL SECURITY",
            // The migrator reads its own book as the owner; no row of it is a tenant's.
            "ALTER TABLE \(base) \(table.name == "store_migration" ? "NO FORCE" : "FORCE") ROW LEVEL SECURITY",
            "REVOKE ALL ON \(base) FROM PUBLIC, \(PostgresRoles.tenant), \(PostgresRoles.kernel)",
            "GRANT SELECT\(table.name == "store_migration" ? "" : ", INSERT, UPDATE, DELETE") ON \(base) TO \(PostgresRoles.kernel)",
        ]
        for policy in ["kernel", "kernel_sealed", "tenant", "tenant_sealed"] {
            texts.append("DROP POLICY IF EXISTS \(policy) ON \(base)")
        }
        let kernel = "((SELECT \(vault).sealed('kernel')) IS NOT NULL)"
        texts += [
            "CREATE POLICY kernel ON \(base) AS PERMISSIVE FOR ALL TO \(PostgresRoles.kernel) USING (true) WITH CHECK (true)",
            """
            CREATE POLICY kernel_sealed ON \(base) AS RESTRICTIVE FOR ALL TO \(PostgresRoles.kernel) USING \(kernel) WITH CHECK \(kernel)
            """,
        ]
        guard table.isTenants else { return texts }
        let plain = "(tenant_id = (SELECT decode(current_setting('app.tenant_id'), 'hex')))"
        let sealed = "(tenant_id = (SELECT \(vault).sealed('tenant')))"
        texts += [
            "CREATE POLICY tenant ON \(base) AS PERMISSIVE FOR ALL TO \(PostgresRoles.tenant) USING \(plain) WITH CHECK \(plain)",
            """
            CREATE POLICY tenant_sealed ON \(base) AS RESTRICTIVE FOR ALL TO \(PostgresRoles.tenant) USING \(sealed) WITH CHECK \(sealed)
            """,
        ]
        let columns = table.columns.map { "\"\($0)\"" }.joined(separator: ", ")
        let view = "\(schema).\(table.view)"
        texts.append("CREATE VIEW \(view) WITH (security_invoker = true) AS SELECT \(columns) FROM \(base)")
        let rest = table.columns.filter { !table.primaryKey.contains($0) }.map { "\"\($0)\"" }.joined(separator: ", ")
        for name in [base, view] {
            guard !OwnTables.readOnly.contains(table.name) else {
                texts.append("GRANT SELECT ON \(name) TO \(PostgresRoles.tenant)")
                continue
            }
            texts.append("GRANT SELECT, INSERT, DELETE ON \(name) TO \(PostgresRoles.tenant)")
            // A key never changes.
            if !rest.isEmpty { texts.append("GRANT UPDATE (\(rest)) ON \(name) TO \(PostgresRoles.tenant)") }
        }
        return texts
    }
}
