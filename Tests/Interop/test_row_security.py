#!/usr/bin/env python3
"""pgrls (PyPI), a prover of row-level security, on the database that the migrations make.

    test_row_security.py

Anonymous sessions must be proven to read nothing of any table. In its modes across tenants and for writes it must find no leak; it cannot
prove them, as the policies turn on a function (the seal), which is outside of what it decides: LeakTests try those on the live server.
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


def main():
    cluster, data = Cluster(), tempfile.mkdtemp(prefix="kernel-")
    try:
        roles = subprocess.run([os.path.join(BUILD, "coditectd"), "migrate", "roles"], check=True, capture_output=True, text=True).stdout
        for statement in roles.strip().split(";\n"):
            cluster.psql(statement.rstrip(";"), database="postgres")
        migrate(cluster, data, "coditect_migrate", "up")
        tables = int(cluster.psql("SELECT count(*) FROM pg_tables WHERE schemaname = 'coditect'"))
        for mode, wanted in (("anon", {"PROVEN"}), ("cross-tenant", {"PROVEN", "UNVERIFIED"}), ("write", {"PROVEN", "UNVERIFIED"})):
            command = [os.path.join(os.path.dirname(sys.executable), "pgrls"), "verify", "--database-url", cluster.url("postgres")]
            command += ["--schemas", "coditect", "--mode", mode]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            verdicts = collections.Counter(
                word for line in done.stdout.splitlines() if line.startswith("coditect.") for word in line.split()[1:2])
            assert done.returncode == 0 and sum(verdicts.values()) == tables > 40 and set(verdicts) <= wanted, (done.stdout, done.stderr)
            print(f"ok  {mode}: {json.dumps(verdicts)}")
        # It is no blind judge: an opened table is a leak to it.
        cluster.psql("CREATE POLICY open ON coditect.seat_all USING (true); DROP POLICY tenant_sealed ON coditect.seat_all")
        command[-1] = "anon"
        assert subprocess.run(command, capture_output=True, text=True, check=False).returncode != 0
        print("ok  a table that was opened by hand is found")
    finally:
        cluster.close()
        shutil.rmtree(data, ignore_errors=True)


if __name__ == "__main__":
    main()
