#!/usr/bin/env python3
"""The fire drill: a server is filled with known acts, its disk is taken away with kill -9, and it comes back from a backup, from a standby and to a moment.
Prints how long nobody was served and what of the acknowledged acts was lost. Loopback and sockets only; a few minutes.

    drill.py [ACTS]
"""

import glob
import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "Interop"))
from kernel import Kernel  # noqa: E402
from test_backup import backup, places, program  # noqa: E402
from test_postgres import acquire  # noqa: E402

CONFIG = "http: {limits_enabled: false}\n"


class Postgres:
    """A PostgreSQL server that flushes what it commits, on a socket in a folder of its own."""

    programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]

    def __init__(self, settings=(), base=None):
        self.folder = tempfile.mkdtemp(prefix="drill-pg-", dir="/tmp")
        self.settings, self.server = list(settings), None
        self.identity, self.data = [], os.path.join(self.folder, "data")
        self.take_folder()
        if base is None:
            self.run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C")
            with open(os.path.join(self.data, "pg_hba.conf"), "a") as file:
                file.write("local replication all trust\n")

    def take_folder(self):
        """PostgreSQL refuses root: its folder is its own user's."""
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self.identity = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]

    @property
    def place(self):
        """For PgBouncer."""
        return f"host={self.folder}"

    def run(self, name, *arguments):
        done = subprocess.run(
            self.identity + [os.path.join(self.programs, name), *arguments], capture_output=True, text=True, cwd="/", check=False)
        assert done.returncode == 0, (name, arguments, done.stderr)
        return done.stdout

    def start(self):
        options = [f"unix_socket_directories={self.folder}", "listen_addresses=", "max_connections=100", *self.settings]
        command = [os.path.join(self.programs, "postgres"), "-D", self.data] + [x for o in options for x in ("-c", o)]
        self.server = subprocess.Popen(
            self.identity + command, stdout=subprocess.DEVNULL, stderr=open(os.path.join(self.folder, "log"), "a"), cwd="/")
        deadline = time.monotonic() + 60
        while subprocess.run([os.path.join(self.programs, "pg_isready"), "-q", "-h", self.folder], check=False).returncode:
            assert time.monotonic() < deadline and self.server.poll() is None, open(os.path.join(self.folder, "log")).read()[-2000:]
            time.sleep(0.05)
        return self

    def kill(self):
        """The machine is gone: the whole server at once, and its disk."""
        children = subprocess.run(["pgrep", "-P", str(self.server.pid)], capture_output=True, text=True, check=False).stdout.split()
        for pid in [str(self.server.pid), *children]:
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.server.wait()
        shutil.rmtree(self.data, ignore_errors=True)

    def url(self, role, database="coditect"):
        return f"postgresql://{role}@/{database}?host={self.folder}"

    def psql(self, text, database="coditect"):
        command = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", self.url("postgres", database), "-c", text]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (text, done.stderr)
        return done.stdout.strip()

    def prepare(self, data):
        for statement in program("migrate", "roles").strip().split(";\n"):
            self.psql(statement.rstrip(";"), database="postgres")
        self.psql("CREATE ROLE coditect_backup LOGIN BYPASSRLS IN ROLE pg_read_all_data", database="postgres")
        self.psql("GRANT CONNECT ON DATABASE coditect TO coditect_backup", database="postgres")
        program("migrate", "up", "--data", data, env={"DATABASE_URL": self.url("coditect_migrate")})

    def sessions(self):
        return set(self.psql("SELECT encode(session_id, 'hex') FROM coditect.seat_all WHERE session_id IS NOT NULL").split())

    def close(self):
        if self.server and self.server.poll() is None:
            self.server.send_signal(signal.SIGINT)
            self.server.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


class Acts:
    """Seats that were granted: each answer is an act that must be there afterwards."""

    def __init__(self, kernel, most):
        self.kernel, self.done = kernel, []
        self.token = kernel.member()
        self.license = kernel.paid_license(self.token, quantity=most)["id"]

    def do(self, count):
        for _ in range(count):
            answer = acquire(self.kernel, self.token, self.license, f"{len(self.done) + 1:064x}")
            assert answer.status == 200, answer
            self.done.append(answer.json["session_id"].replace("-", "").lower())
        return list(self.done)

    def serve_again(self, token=None):
        """Asks until a seat is granted; answers when that was."""
        deadline = time.monotonic() + 120
        while True:
            try:
                who = token or self.kernel.login()["access_token"]
                device = f"{900_000 + int(time.monotonic() * 1000) % 90_000:064x}"
                if acquire(self.kernel, who, self.license, device).status == 200:
                    return time.monotonic()
            except (OSError, AssertionError):
                pass
            assert time.monotonic() < deadline, "nobody is served again"
            time.sleep(0.05)


def files_of(path):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        return {x.hex() for (x,) in database.execute("SELECT session_id FROM seat_all WHERE session_id IS NOT NULL")}


def embedded(folder, count):
    data, store, back = (os.path.join(folder, x) for x in ("sqlite", "sqlite-backups", "sqlite-back"))
    os.mkdir(data, 0o700)
    kernel = Kernel(data=data, config=CONFIG).start()
    acts = Acts(kernel, count * 2 + 5)
    before = acts.do(count)
    master = os.path.join(folder, "sqlite-master.key")
    shutil.copy(os.path.join(data, "keys", "master.key"), master)
    began = time.monotonic()
    made = backup(data, store)
    took = time.monotonic() - began
    after = acts.do(count // 10)
    kernel.kill()
    gone = time.monotonic()
    shutil.rmtree(data)
    program("restore", made, *places(back), "--master-key", master)
    kept = files_of(os.path.join(back, "coditect.db"))
    acts.kernel = Kernel(data=back, config=CONFIG)
    acts.kernel.start()
    served = acts.serve_again() - gone
    acts.kernel.stop(keep=True)
    assert set(before) <= kept, "an act from before the backup is lost"
    return "SQLite, `backup` and `restore`", len(after), len(after) - len(kept & set(after)), took, served


def dumped(folder, count):
    data, store, back = (os.path.join(folder, x) for x in ("dump", "dump-backups", "dump-back"))
    os.mkdir(data, 0o700)
    first, second = Postgres().start(), None
    try:
        first.prepare(data)
        kernel = Kernel(data=data, env={"DATABASE_URL": first.url("coditect_serve")}, config=CONFIG).start()
        acts = Acts(kernel, count * 2 + 5)
        before = acts.do(count)
        master = os.path.join(folder, "dump-master.key")
        shutil.copy(os.path.join(data, "keys", "master.key"), master)
        began = time.monotonic()
        made = backup(data, store, env={"DATABASE_URL": first.url("coditect_backup")})
        took = time.monotonic() - began
        after = acts.do(count // 10)
        kernel.kill()
        first.kill()
        gone = time.monotonic()
        second = Postgres().start()
        for statement in program("migrate", "roles").strip().split(";\n"):
            second.psql(statement.rstrip(";"), database="postgres")
        program("restore", made, *places(back), "--master-key", master, env={"DATABASE_URL": second.url("postgres")})
        kept = second.sessions()
        acts.kernel = Kernel(data=back, env={"DATABASE_URL": second.url("coditect_serve")}, config=CONFIG).start()
        served = acts.serve_again() - gone
        acts.kernel.stop(keep=True)
        assert set(before) <= kept, "an act from before the backup is lost"
        return "PostgreSQL, `backup` and `restore`", len(after), len(after) - len(kept & set(after)), took, served
    finally:
        first.close()
        if second:
            second.close()


def streamed(folder, count):
    """A standby that confirms each commit takes over; the server stays up and finds it by itself."""
    data = os.path.join(folder, "stream")
    os.mkdir(data, 0o700)
    first, standby = Postgres(["wal_level=replica", "max_wal_senders=4", "synchronous_standby_names=*"]), Postgres(base=True)
    try:
        first.settings[-1] = "synchronous_standby_names="
        first.start()
        began = time.monotonic()
        standby.run("pg_basebackup", "-D", standby.data, "-d", f"host={first.folder} user=postgres", "-R", "-X", "stream", "--checkpoint=fast")
        took = time.monotonic() - began
        standby.start()
        first.prepare(data)
        first.psql("ALTER SYSTEM SET synchronous_standby_names = '*'", database="postgres")
        first.server.send_signal(signal.SIGINT)
        first.server.wait(30)
        first.settings.pop()
        first.start()
        url = f"postgresql://coditect_serve@/coditect?host={first.folder},{standby.folder}&target_session_attrs=read-write"
        kernel = Kernel(data=data, env={"DATABASE_URL": url}, config=CONFIG).start()
        acts = Acts(kernel, count * 2 + 5)
        acts.do(count)
        assert first.psql("SELECT sync_state FROM pg_stat_replication", database="postgres") == "sync"
        first.kill()
        gone = time.monotonic()
        # The new primary has no standby of its own yet: it must not wait for one.
        standby.psql("ALTER SYSTEM RESET synchronous_standby_names", database="postgres")
        standby.run("pg_ctl", "promote", "-D", standby.data)
        standby.run("pg_ctl", "reload", "-D", standby.data)
        served = acts.serve_again(acts.token) - gone
        kept = standby.sessions()
        kernel.stop(keep=True)
        lost = len(set(acts.done) - kept)
        assert lost == 0, f"{lost} acknowledged acts are lost with a synchronous standby"
        assert "BROKEN" not in program("audit", "verify", "--data", data, env={"DATABASE_URL": standby.url("coditect_serve")})
        return "PostgreSQL, a synchronous standby takes over", len(acts.done), lost, took, served
    finally:
        first.close()
        standby.close()


def to_a_moment(folder, count):
    """Somebody deletes what they should not; the log is played until just before."""
    data, wal = os.path.join(folder, "moment"), tempfile.mkdtemp(prefix="drill-wal-", dir="/tmp")
    os.chmod(wal, 0o777)
    os.mkdir(data, 0o700)
    first = Postgres(["wal_level=replica", "archive_mode=on", f"archive_command=test ! -f {wal}/%f && cp %p {wal}/%f"])
    second = Postgres(base=True)
    try:
        first.start()
        first.prepare(data)
        kernel = Kernel(data=data, env={"DATABASE_URL": first.url("coditect_serve")}, config=CONFIG).start()
        acts = Acts(kernel, count * 2 + 5)
        acts.do(count // 2)
        began = time.monotonic()
        second.run("pg_basebackup", "-D", second.data, "-d", f"host={first.folder} user=postgres", "-X", "stream", "--checkpoint=fast")
        took = time.monotonic() - began
        acts.do(count // 2)
        moment = first.psql("SELECT clock_timestamp()", database="postgres")
        time.sleep(0.01)
        first.psql("DELETE FROM coditect_guard.seal_key; DROP TABLE coditect.seat_all CASCADE")
        first.psql("SELECT pg_switch_wal()", database="postgres")
        deadline = time.monotonic() + 60
        while first.psql("SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'", database="postgres") != "0":
            assert time.monotonic() < deadline, "the log is not archived"
            time.sleep(0.05)
        kernel.kill()
        first.kill()
        gone = time.monotonic()
        open(os.path.join(second.data, "recovery.signal"), "w").close()
        second.settings = [f"restore_command=cp {wal}/%f %p", f"recovery_target_time={moment}", "recovery_target_action=promote"]
        second.start()
        env = {"DATABASE_URL": second.url("coditect_serve")}
        deadline = time.monotonic() + 60
        while second.psql("SELECT pg_is_in_recovery()", database="postgres") != "f":
            assert time.monotonic() < deadline, "the log is not played to its end"
            time.sleep(0.05)
        lines = program("audit", "verify", "--data", data, env=env)
        assert "BROKEN" not in lines, lines
        acts.kernel = Kernel(data=data, env=env, config=CONFIG).start()
        served = acts.serve_again(acts.token) - gone
        lost = len(set(acts.done) - second.sessions())
        acts.kernel.stop(keep=True)
        assert lost == 0, f"{lost} acts from before the moment are lost"
        return "PostgreSQL, to a moment before a mistake", len(acts.done), lost, took, served
    finally:
        first.close()
        second.close()
        shutil.rmtree(wal, ignore_errors=True)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    folder = tempfile.mkdtemp(prefix="drill-")
    rows = []
    try:
        for drill in (embedded, dumped, streamed, to_a_moment):
            rows.append(drill(folder, count))
            print(f"drill: {rows[-1][0]}: served again after {rows[-1][4]:.1f} s", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"\n| {count} acts and more, then kill -9 and the disk gone | backup took | served again after | acts acknowledged in all | of these lost |")
    print("| --- | --- | --- | --- | --- |")
    for name, since, lost, took, served in rows:
        print(f"| {name} | {took:.1f} s | {served:.1f} s | {since} | {lost} |")
    assert all(row[4] < 1_800 for row in rows), "the goal is 30 minutes"
    print("drill: passed")


if __name__ == "__main__":
    main()
