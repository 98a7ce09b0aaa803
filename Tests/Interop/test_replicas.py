#!/usr/bin/env python3
"""A server over PostgreSQL with a real streaming standby: staff lists and reports are answered by the standby while it is near enough, and by the primary when it is
paused, dead, promoted or somebody else's; nothing else ever goes there.

    test_replicas.py
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kernel import BUILD, Kernel  # noqa: E402
from test_postgres import Cluster, migrate  # noqa: E402

LAG = 2


class Standby(Cluster):
    """Streams from another cluster."""

    def __init__(self, primary):
        self.programs, self.identity = primary.programs, primary.identity
        self.folder = tempfile.mkdtemp(prefix="coditect-sb-", dir="/tmp")
        if self.identity:
            shutil.chown(self.folder, "postgres", "postgres")
        self.run("pg_basebackup", "-D", self.data, "-h", primary.folder, "-U", "postgres", "-X", "stream", "-R", "-c", "fast", "--no-sync")
        self.start()

    @property
    def data(self):
        return os.path.join(self.folder, "data")

    def start(self):
        options = ("listen_addresses=", f"unix_socket_directories={self.folder}", "fsync=off", "hot_standby=on")
        self.server = subprocess.Popen(
            self.identity + [os.path.join(self.programs, "postgres"), "-D", self.data] + [part for option in options for part in ("-c", option)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        for _ in range(600):
            if subprocess.run([os.path.join(self.programs, "pg_isready"), "-q", "-h", self.folder], check=False).returncode == 0:
                return
            time.sleep(0.05)
        raise AssertionError("the standby does not start")

    def kill(self):
        self.server.send_signal(signal.SIGQUIT)
        self.server.wait(30)


def reads(kernel):
    """What became of reads that the standbys could have answered: {(replica, outcome): count}."""
    text = kernel.want(200, "GET", "/metrics").body.decode()
    found = {}
    for line in text.splitlines():
        if line.startswith("db_replica_reads_total{"):
            labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
            found[labels["replica"], labels["outcome"]] = int(float(line.split()[-1]))
    return found


def main():
    cluster = Cluster(options=("fsync=off", "wal_level=replica", "max_wal_senders=4"))
    roles = subprocess.run([os.path.join(BUILD, "coditectd"), "migrate", "roles"], check=True, capture_output=True, text=True).stdout
    for statement in roles.strip().split(";\n"):
        cluster.psql(statement.rstrip(";"), database="postgres")
    data = tempfile.mkdtemp(prefix="kernel-")
    migrate(cluster, data, "coditect_migrate", "up")
    standby = Standby(cluster)
    stranger = Cluster()
    env = {
        "DATABASE_URL": cluster.url("coditect_serve"), "CODITECT_STORE_REPLICAS": standby.url("coditect_serve"),
        "CODITECT_STORE_REPLICA_LAG_SECONDS": str(LAG), "CODITECT_HTTP_LIMIT_STANDARD_PER_MINUTE": "100000",
        "CODITECT_HTTP_LIMIT_SIGNUP_PER_MINUTE": "1000",
    }
    kernel = Kernel(data=data, env=env).start()
    try:
        root = kernel.administrator()

        def tenants():
            return [x["id"] for x in kernel.want(200, "GET", "/api/v1/admin/tenants?limit=100", token=root).json["tenants"]]

        def newcomer(number):
            address = f"member{number}@example.com"
            token = kernel.member(address)
            # What is not declared to lag is read where it was written: at once, whatever the standby does.
            return kernel.want(200, "GET", "/api/v1/users/me", token=token).json["tenant_id"]

        first = newcomer(1)
        kernel.until("a list from the standby", lambda: first in tenants() and reads(kernel)["replica-1", "answered"] > 0)
        before = reads(kernel)["replica-1", "answered"]
        kernel.want(200, "GET", "/api/v1/admin/analytics", token=root)
        kernel.want(200, "GET", "/api/v1/admin/users", token=root)
        assert reads(kernel)["replica-1", "answered"] > before + 2, reads(kernel)
        before = reads(kernel)
        for path in ("users/me", "licenses", "memberships", "audit"):
            kernel.call("GET", "/api/v1/" + path, token=root)
        assert reads(kernel) == before, (before, reads(kernel))
        served = standby.psql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'coditect_serve'")
        assert int(served) >= 1, served
        print("ok  staff lists and reports are answered by the standby, and nothing else is", flush=True)

        for statement in ("SELECT count(*) FROM coditect.tenant_all", "SET ROLE coditect_tenant; SELECT count(*) FROM coditect.tenant_all",
                          "SET ROLE coditect_kernel; SELECT count(*) FROM coditect.tenant_all"):
            done = subprocess.run(
                ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", standby.url("coditect_serve"), "-c", statement], capture_output=True, text=True, check=False)
            assert done.returncode != 0 or done.stdout.strip() in ("", "0"), (statement, done.stdout)
        print("ok  the standby shows its rows to nobody without a sealed scope", flush=True)

        standby.psql("SELECT pg_wal_replay_pause()", "postgres")
        second = newcomer(2)
        begun = time.monotonic()
        kernel.until("the newcomer in the list", lambda: second in tenants(), seconds=LAG + 4)
        took = time.monotonic() - begun
        kernel.until("the standby to be too far behind", lambda: tenants() and reads(kernel)["replica-1", "behind"] > 0)
        answered = reads(kernel)["replica-1", "answered"]
        assert second in tenants() and reads(kernel)["replica-1", "answered"] == answered, "a paused standby answered"
        standby.psql("SELECT pg_wal_replay_resume()", "postgres")
        kernel.until("the standby again", lambda: tenants() and reads(kernel)["replica-1", "answered"] > answered)
        assert second in tenants()
        print(f"ok  a standby that stands still is asked for {LAG} s and no longer: a new tenant was in the list after {took:.1f} s", flush=True)

        standby.kill()
        third = newcomer(3)
        for _ in range(5):
            assert third in tenants()
        assert reads(kernel)["replica-1", "failed"] > 0, reads(kernel)
        assert kernel.call("GET", "/health/ready").status == 200
        standby.start()
        answered = reads(kernel)["replica-1", "answered"]
        kernel.until("the standby after its restart", lambda: third in tenants() and reads(kernel)["replica-1", "answered"] > answered)
        print("ok  a standby that dies costs nobody an answer, and is asked again when it is back", flush=True)

        standby.psql("SELECT pg_promote()", "postgres")
        kernel.until("the promotion", lambda: standby.psql("SELECT pg_is_in_recovery()", "postgres") == "f")
        fourth = newcomer(4)
        answered = reads(kernel)["replica-1", "answered"]
        for _ in range(10):
            assert fourth in tenants()
        assert reads(kernel)["replica-1", "answered"] == answered, "a server that is no standby any more answered"
        print("ok  a promoted standby is not asked", flush=True)

        kernel.stop(keep=True)
        # Another platform's database, by mistake: it has roles and tables of that name, and an answer for everything.
        for statement in roles.strip().split(";\n"):
            stranger.psql(statement.rstrip(";"), database="postgres")
        migrate(stranger, data, "coditect_migrate", "up")
        wrong = Standby(stranger)
        try:
            kernel.env["CODITECT_STORE_REPLICAS"] = wrong.url("coditect_serve")
            kernel.start()
            root = kernel.login("root@example.com")["access_token"]
            for _ in range(5):
                assert {first, second, third, fourth} <= set(tenants())
            assert reads(kernel)["replica-1", "answered"] == 0 and reads(kernel)["replica-1", "behind"] > 0, reads(kernel)
        finally:
            wrong.close()
        print("ok  a standby of another server is not asked, though it would answer", flush=True)
    finally:
        if kernel.process and kernel.process.poll() is None:
            kernel.stop(keep=True)
        for server in (standby, stranger, cluster):
            server.close()
        shutil.rmtree(data, ignore_errors=True)


if __name__ == "__main__":
    main()
