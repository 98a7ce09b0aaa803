#!/usr/bin/env python3
"""pgrls (PyPI), a prover of row-level security, on the database that the migrations make.

    test_row_security.py

| mode | of | proven |
| --- | --- | --- |
| anon | every policy | who is nobody reads no row of any table |
| cross-tenant (read) | what a tenant's session is under | it reads no other tenant's row |
| write | the same | it writes none, neither as it was nor as it becomes |
| reachability | every view | none shows what the policies of its table withhold |

The kernel's role sees every tenant's rows, as it should, so the second and third are proven in a copy without its policies, once it is seen that
those are the kernel's alone. There the prover is told that the scope is the session's identity: what `sealed` answers (LeakTests try on the live
server that it answers nothing else) and what `decode` makes of the setting. In each mode a table that was opened by hand must be a leak.
"""

import collections
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kernel import BUILD  # noqa: E402
from test_postgres import Cluster, migrate  # noqa: E402

TENANT = "tenant_id = (SELECT decode(current_setting('app.tenant_id'), 'hex'))"
SEAL = "tenant_id = (SELECT coditect_guard.sealed('tenant'))"
IDENTITY = ["--auth-function", "decode", "--auth-function", "coditect_guard.sealed"]
# Its owner, the login that migrates, reads its own book; no row of it is a tenant's.
BOOK = "coditect.store_migration"


def verify(cluster, mode, database="coditect", more=()):
    """Exit code, table → verdict."""
    command = [os.path.join(os.path.dirname(sys.executable), "pgrls"), "verify", "--database-url", cluster.url("postgres", database)]
    command += ["--schemas", "coditect", "--mode", mode, "--format", "json", *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        raise AssertionError(done.stdout + done.stderr) from None
    return done.returncode, {x["table"]: x["verdict"] for x in report["tables"]}


def told(mode, verdicts):
    print(f"ok  {mode}: {json.dumps(collections.Counter(verdicts.values()))}")


def whose(cluster):
    """Every policy is the kernel's alone or a tenant's alone, and a tenant's are these two and no other."""
    rows = cluster.psql("SELECT roles, permissive, cmd, qual, with_check, count(*) FROM pg_policies GROUP BY 1, 2, 3, 4, 5").splitlines()
    assert {x.split("|")[0] for x in rows} == {"{coditect_kernel}", "{coditect_tenant}"}, rows
    tenants = sorted(x.split("|")[1:] for x in rows if x.startswith("{coditect_tenant}"))
    permissive = "(tenant_id = ( SELECT decode(current_setting('app.tenant_id'::text), 'hex'::text) AS decode))"
    restrictive = "(tenant_id = ( SELECT coditect_guard.sealed('tenant'::text) AS sealed))"
    count = tenants[0][-1]
    assert tenants == [["PERMISSIVE", "ALL", permissive, permissive, count], ["RESTRICTIVE", "ALL", restrictive, restrictive, count]], tenants
    return int(count)


def copy(cluster, name, of, which, statement):
    """A database like another, with its policies `which` changed by `statement`."""
    cluster.psql(f"CREATE DATABASE {name} TEMPLATE {of}", database="postgres")
    statement = statement.replace("'", "''")
    texts = cluster.psql(f"SELECT format('{statement}', policyname, schemaname, tablename) FROM pg_policies WHERE {which}", database=name)
    assert texts, name
    cluster.psql(texts.replace("\n", ";\n"), database=name)


def main():
    cluster, data = Cluster(), tempfile.mkdtemp(prefix="kernel-")
    try:
        roles = subprocess.run([os.path.join(BUILD, "coditectd"), "migrate", "roles"], check=True, capture_output=True, text=True).stdout
        for statement in roles.strip().split(";\n"):
            cluster.psql(statement.rstrip(";"), database="postgres")
        migrate(cluster, data, "coditect_migrate", "up")
        tables = int(cluster.psql("SELECT count(*) FROM pg_tables WHERE schemaname = 'coditect'"))
        walled = whose(cluster)
        assert walled == int(cluster.psql("SELECT count(*) FROM pg_tables WHERE schemaname = 'coditect' AND tablename LIKE '%\\_all'")) > 40, walled

        code, verdicts = verify(cluster, "anon")
        assert code == 0 and len(verdicts) == tables and set(verdicts.values()) == {"isolated"}, (code, verdicts)
        told("anon", verdicts)
        code, verdicts = verify(cluster, "reachability")
        assert code == 0 and not verdicts, (code, verdicts)
        print("ok  reachability: no view shows what its table withholds")

        # Both policies of a table, then each by itself: whichever of the two is lost, the other one still holds.
        copy(cluster, "both_policies", "coditect", "roles = '{coditect_kernel}'", "DROP POLICY %I ON %I.%I")
        copy(cluster, "setting_alone", "both_policies", "policyname = 'tenant_sealed'", "DROP POLICY %I ON %I.%I")
        copy(cluster, "seal_alone", "both_policies", "policyname = 'tenant_sealed'",
             "DROP POLICY %1$I ON %2$I.%3$I; DROP POLICY tenant ON %2$I.%3$I; "
             f"CREATE POLICY tenant ON %2$I.%3$I TO coditect_tenant USING ({SEAL}) WITH CHECK ({SEAL})")
        for database in ("both_policies", "setting_alone", "seal_alone"):
            for mode in ("cross-tenant", "write"):
                code, verdicts = verify(cluster, mode, database, IDENTITY)
                assert code == 0 and len(verdicts) == tables and verdicts.pop(BOOK) == "unverified", (database, mode, code, verdicts)
                assert set(verdicts.values()) == {"isolated"}, (database, mode, collections.Counter(verdicts.values()))
                told(f"{mode}, {database.replace('_', ' ')}", verdicts)

        # It is no blind judge: in each mode an opened table is a leak to it, and that table alone.
        for mode, opened, text in (
                ("anon", "shown", "CREATE POLICY open ON {0} USING (true)"),
                ("cross-tenant", "read", f"ALTER POLICY tenant ON {{0}} USING ({TENANT} OR slot > 5)"),
                ("write", "written", f"ALTER POLICY tenant ON {{0}} WITH CHECK ({TENANT} OR slot > 5)")):
            cluster.psql(f"CREATE DATABASE {opened} TEMPLATE setting_alone", database="postgres")
            cluster.psql(text.format("coditect.seat_all"), database=opened)
            code, verdicts = verify(cluster, mode, opened, IDENTITY if mode != "anon" else ())
            leaks = [x for x, verdict in verdicts.items() if verdict == "leak"]
            assert code != 0 and leaks == ["coditect.seat_all"], (mode, code, leaks, verdicts["coditect.seat_all"])
        print("ok  in each mode a table that was opened by hand is found, and no other")
    finally:
        cluster.close()
        shutil.rmtree(data, ignore_errors=True)


if __name__ == "__main__":
    main()
