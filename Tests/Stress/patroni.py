"""PostgreSQL as Debian's Patroni keeps it: two members over one etcd, each commit confirmed by both, and PgBouncer told by the callback of who becomes
the primary. Nobody here promotes anything. Loopback and sockets only."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "Interop"))
from drill import Postgres  # noqa: E402
from test_many_processes import free_port, wait_for  # noqa: E402

# The shortest that Patroni takes: a leader that says nothing for so long has none of it any more.
TTL = 20


class Etcd:
    def __init__(self):
        self.folder, self.port, peer = tempfile.mkdtemp(prefix="chaos-etcd-"), free_port(), free_port()
        here, other = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{peer}"
        self.process = subprocess.Popen(
            ["etcd", "--data-dir", self.folder, "--listen-client-urls", here, "--advertise-client-urls", here, "--listen-peer-urls", other,
             "--initial-advertise-peer-urls", other, "--initial-cluster", f"default={other}", "--logger", "zap", "--log-outputs", "/dev/null"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.port)

    def close(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Member(Postgres):
    """One machine: Patroni and the PostgreSQL that it starts, stops and promotes."""

    def __init__(self, number, etcd):  # pylint: disable=super-init-not-called
        self.folder, self.name = tempfile.mkdtemp(prefix="drill-pg-", dir="/tmp"), f"member{number}"
        self.settings, self.server, self.identity = [], None, []
        self.data = os.path.join(self.folder, "data")
        self.port, self.rest = free_port(), free_port()
        self.take_folder()
        callback = os.path.join(self.folder, "on_role_change")
        with open(callback, "w", encoding="utf-8") as file:
            file.write(
                f"#!/bin/sh\n# Patroni calls it with what happened, the role and the cluster.\n[ -f {self.folder}/pooler ] || exit 0\n. {self.folder}/pooler\n"
                f'case "$2" in master|primary)\n  sed -i "s|= host=.* dbname|= {self.place} dbname|" "$INI" && kill -HUP "$PID";;\nesac\n')
        os.chmod(callback, 0o755)
        trust = ["local all all trust", "local replication all trust", "host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"]
        settings = {
            "scope": "chaos", "name": self.name, "etcd3": {"host": f"127.0.0.1:{etcd.port}"}, "watchdog": {"mode": "off"},
            "restapi": {"listen": f"127.0.0.1:{self.rest}", "connect_address": f"127.0.0.1:{self.rest}"},
            "bootstrap": {
                "dcs": {"ttl": TTL, "loop_wait": 2, "retry_timeout": 3, "synchronous_mode": True,
                        "postgresql": {"use_slots": True, "use_pg_rewind": True, "parameters": {"max_connections": 100}}},
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}], "pg_hba": trust},
            "postgresql": {
                "listen": f"127.0.0.1:{self.port}", "connect_address": f"127.0.0.1:{self.port}", "data_dir": self.data, "bin_dir": self.programs,
                "pgpass": os.path.join(self.folder, "pgpass"), "use_unix_socket": True, "pg_hba": trust, "basebackup": [{"checkpoint": "fast"}],
                "authentication": {"superuser": {"username": "postgres"}, "replication": {"username": "postgres"}, "rewind": {"username": "postgres"}},
                # Who went on writing what nobody confirmed begins anew where that cannot be wound back.
                "remove_data_directory_on_diverged_timelines": True, "remove_data_directory_on_rewind_failure": True,
                "parameters": {"unix_socket_directories": self.folder}, "callbacks": {"on_role_change": callback}}}
        # JSON is YAML.
        with open(os.path.join(self.folder, "patroni.yml"), "w", encoding="utf-8") as file:
            json.dump(settings, file)
        self.start()

    @property
    def place(self):
        return f"host={self.folder} port={self.port}"

    def url(self, role, database="coditect"):
        return f"postgresql://{role}@/{database}?host={self.folder}&port={self.port}"

    def start(self):
        self.server = subprocess.Popen(
            self.identity + ["/usr/bin/patroni", os.path.join(self.folder, "patroni.yml")], stdout=subprocess.DEVNULL,
            stderr=open(os.path.join(self.folder, "log"), "a"), cwd="/")
        return self

    def tells(self, bouncer):
        """From now on it tells this pooler when it becomes the primary."""
        with open(os.path.join(self.folder, "pooler"), "w", encoding="utf-8") as file:
            file.write(f"INI={bouncer.folder}/pgbouncer.ini\nPID={bouncer.process.pid}\n")

    def family(self):
        """Patroni, the server that it started, and that one's processes."""
        pids = [self.server.pid]
        try:
            with open(os.path.join(self.data, "postmaster.pid"), encoding="utf-8") as file:
                postmaster = int(file.readline())
            children = subprocess.run(["pgrep", "-P", str(postmaster)], capture_output=True, text=True, check=False).stdout.split()
            pids += [postmaster, *map(int, children)]
        except (OSError, ValueError):
            pass
        return pids

    def signal(self, how):
        for pid in self.family():
            try:
                os.kill(pid, how)
            except ProcessLookupError:
                pass

    def kill(self):
        """The machine is gone, and its disk."""
        self.signal(signal.SIGKILL)
        self.server.wait()
        shutil.rmtree(self.data, ignore_errors=True)

    def ask(self, path):
        """Status and body of Patroni's own API; nothing where it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.rest}{path}", timeout=2) as answer:
                return answer.status, json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            return error.code, {}
        except (OSError, ValueError):
            return None, {}

    def is_primary(self):
        return self.ask("/primary")[0] == 200

    def close(self):
        self.signal(signal.SIGCONT)
        if self.server.poll() is None:
            self.server.terminate()
            try:
                self.server.wait(30)
            except subprocess.TimeoutExpired:
                self.signal(signal.SIGKILL)
                self.server.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def until(what, true, seconds=90):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not in {seconds} s: {what}"
        time.sleep(0.1)


def follows(primary, member):
    """The other one streams, and confirms what is committed."""
    def there():
        found = [x for x in primary.ask("/cluster")[1].get("members", []) if x["name"] == member.name]
        return bool(found) and found[0]["role"] == "sync_standby" and found[0]["state"] in ("streaming", "running")
    try:
        until(f"{member.name} confirms", there)
    except AssertionError as error:
        with open(os.path.join(member.folder, "log"), encoding="utf-8") as file:
            raise AssertionError(f"{error}: {primary.ask('/cluster')[1]}: {file.read()[-4000:]}") from error


def lost(world):
    """Its disk with it. The one that is left waits until the leader's time is over, promotes itself and tells PgBouncer."""
    first, second, began = world.database, world.standby, time.monotonic()
    first.kill()
    until("a fail-over", second.is_primary)
    world.database, world.standby = second, first
    return "the primary lost with its disk, Patroni fails over (from the loss on)", began


def back(world):
    """The machine that was lost comes back with an empty disk, follows, and becomes the primary by intention."""
    world.standby.start()
    follows(world.database, world.standby)
    began = time.monotonic()
    command = ["patronictl", "-c", os.path.join(world.database.folder, "patroni.yml"), "switchover", "--force", "--master", world.database.name,
               "--candidate", world.standby.name, "chaos"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    until("a switch-over", world.standby.is_primary)
    world.database, world.standby = world.standby, world.database
    return "the lost one back with an empty disk, then Patroni switches over to it", began


def frozen(world):
    """Longer than its time as the leader, with transactions open: the other one promotes itself. The one that wakes believes for a moment that nothing has changed."""
    first, second = world.database, world.standby
    # Patroni hands over to nobody who has not confirmed all.
    follows(first, second)
    began = time.monotonic()
    # Once more for those that were born meanwhile: the one that bears them stands still now.
    first.signal(signal.SIGSTOP)
    first.signal(signal.SIGSTOP)
    until("a fail-over", second.is_primary)
    world.database, world.standby = second, first
    what = "the primary and its Patroni stand still, Patroni fails over (from the stop on)", began
    world.served_again(*what)
    first.signal(signal.SIGCONT)
    woken = time.monotonic()
    # What it had begun is judged at the end; it comes back as the standby that confirms.
    follows(second, first)
    return "the one that stood still wakes, and follows", woken


SCENES = {"patroni": lost, "switchover": back, "woken": frozen}
