#!/usr/bin/env python3
"""The world falls down while people work: two servers over PgBouncer, PostgreSQL with a standby that confirms, and Redis; each line between them is in our
hands. Seats, payments, sign-ins and edited policies go on all the time, and an onlooker who knows only the answers judges them. Loopback and sockets only;
some five minutes.

    chaos.py                CHAOS_SEED=1 CHAOS_ONLY=redis,freeze
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "Interop"))
from drill import Postgres  # noqa: E402
from kernel import BUILD, ROOT, Kernel  # noqa: E402
from lines import Line  # noqa: E402
import patroni  # noqa: E402
from onlookers import Buyer, Customer, Passer, Seen, Sitter, most_at_once  # noqa: E402
from scenes import SCENES, TERM  # noqa: E402
from test_backup import program  # noqa: E402
from test_many_processes import Bouncer, free_port, wait_for  # noqa: E402

SEATS, DEVICES, SITTING, BUYING = 2, 4, 2, 6
CONFIG = f"""
log: {{level: notice}}
http: {{limits_enabled: false, drain_notice_seconds: 0}}
seats: {{lease_ttl_seconds: {TERM}, signature_algorithm: ed25519}}
"""


class Redis:
    def __init__(self, folder):
        self.folder, self.port, self.process = os.path.join(folder, "redis"), free_port(), None
        os.mkdir(self.folder)
        self.start()

    def start(self):
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--dir", self.folder, "--save", "", "--appendonly", "yes",
                   "--appendfsync", "always", "--maxmemory-policy", "noeviction"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.port)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def forget(self):
        shutil.rmtree(self.folder)
        os.mkdir(self.folder)


class World:
    def __init__(self, seed):
        self.seed, self.seen, self.stopping, self.began = seed, Seen(), threading.Event(), time.monotonic()
        self.folder = tempfile.mkdtemp(prefix="chaos-")
        self.closing, self.kernels, self.rows, self.onlookers, self.edits = [], [], [], [], 0
        self.avoided = None  # the server that most onlookers leave alone, as a proxy would
        self.policies = os.path.join(self.folder, "policies")
        shutil.copytree(os.path.join(ROOT, "policies"), self.policies)
        self.plugins = os.path.join(self.folder, "plugins")
        shutil.copytree(os.path.join(BUILD, "plugins", "sandbox"), os.path.join(self.plugins, "sandbox"))

    def databases(self, data):
        """The primary with what the first server needs in it, and a standby that confirms each commit."""
        first, standby = Postgres(["wal_level=replica", "max_wal_senders=4"]), Postgres(base=True)
        self.closing += [first, standby]
        first.start()
        first.prepare(data)
        standby.run("pg_basebackup", "-D", standby.data, "-d", f"host={first.folder} user=postgres", "-R", "-X", "stream", "--checkpoint=fast")
        standby.start()
        first.psql("ALTER SYSTEM SET synchronous_standby_names = '*'", database="postgres")
        first.run("pg_ctl", "reload", "-D", first.data)
        return first, standby

    def open(self):
        data = [os.path.join(self.folder, f"node-{n}") for n in range(2)]
        for folder in data:
            os.mkdir(folder, 0o700)
        self.database, self.standby = self.databases(data[0])
        # The keys are the same, and mails come to one box, whichever server sends them.
        os.makedirs(os.path.join(data[0], "mailbox"), mode=0o700, exist_ok=True)
        for name in ("keys", "mailbox"):
            os.symlink(os.path.join(data[0], name), os.path.join(data[1], name))
        # Without the last line PgBouncer refuses for 15 s after it once could not connect.
        self.bouncer = Bouncer(self.database, size=16, more="server_login_retry = 1\n")
        self.redis = Redis(self.folder)
        self.closing += [self.bouncer]
        library = os.path.join(self.folder, "clock.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, os.path.join(HERE, "clock.c"), "-ldl"], check=True)
        self.lines, self.clocks = [], []
        for number, folder in enumerate(data):
            lines = Line(self.bouncer.port), Line(self.redis.port)
            self.lines += lines
            clock = os.path.join(self.folder, f"clock-{number}")
            with open(clock, "wb") as file:
                file.write(bytes(4096))
            self.clocks.append(clock)
            env = {"DATABASE_URL": f"postgresql://coditect_serve@127.0.0.1:{lines[0].port}/coditect",
                   "REDIS_URL": f"redis://127.0.0.1:{lines[1].port}", "LD_PRELOAD": library, "STRESS_CLOCK": clock, "STRESS_SPEED": "1",
                   "STRESS_FIRST": str(time.monotonic_ns())}
            self.kernels.append(Kernel(data=folder, env=env, config=CONFIG, policies=self.policies, plugins=self.plugins).start())
        self.people()

    def people(self):
        one = self.kernels[0]
        self.sitting = [Customer(f"sitter{n}", one, f"Sitting Engines {n}") for n in range(SITTING)]
        self.buying = [Customer(f"buyer{n}", one, f"Buying Engines {n}") for n in range(BUYING)]
        self.prober = Customer("prober", one, "Probing Engines")
        for customer in self.sitting:
            customer.buy(one, SEATS)
        self.prober.buy(one, 200)
        everybody = [*self.sitting, *self.buying, self.prober]
        for customer in everybody:
            customer.others = [x for o in everybody if o is not customer for x in (o.organization, o.license) if x]
        self.began = time.monotonic()
        for customer in self.sitting:
            self.onlookers += [Sitter(self, customer, n, TERM) for n in range(DEVICES)] + [Passer(self, customer, f"{self.seed}/pass/{customer.name}")]
        self.onlookers += [Buyer(self, customer, f"{self.seed}/buy/{customer.name}") for customer in self.buying]
        self.editor = threading.Thread(target=self.edit, daemon=True)
        self.editor.start()

    def edit(self):
        """A policy's text changes every few seconds, its meaning never."""
        path = os.path.join(self.policies, "init.lua")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        while not self.stopping.wait(3):
            self.edits += 1
            with open(path + ".new", "w", encoding="utf-8") as file:
                file.write(text + f"-- edit {self.edits}\n")
            os.replace(path + ".new", path)

    def serves(self, node):
        """Whether a seat is given and taken back there now."""
        kernel, body = self.kernels[node], {"license_id": self.prober.license, "hardware_id": f"{node + 1:064x}"}
        try:
            answer = kernel.call("POST", "/api/v1/licenses/acquire", body, token=self.prober.token)
            if answer.status != 200:
                return False
            done = kernel.call("POST", "/api/v1/licenses/release", {"session_id": answer.json["session_id"]}, token=self.prober.token)
            return done.status in (200, 204)
        except OSError:
            return False

    def served_again(self, what, since):
        deadline = time.monotonic() + 60
        for node in range(2):
            while not self.serves(node):
                assert time.monotonic() < deadline, f"{what}: server {node} does not serve again: {open(self.kernels[node].log).read()[-2000:]}"
                time.sleep(0.05)
        took = time.monotonic() - since
        self.rows.append((what, took))
        print(f"chaos: {what}: {took:.2f} s", flush=True)
        self.stopping.wait(3)

    def close(self):
        self.stopping.set()
        for kernel in self.kernels:
            if kernel.process and kernel.process.poll() is None:
                kernel.process.send_signal(signal.SIGCONT)
                kernel.kill()
        for line in getattr(self, "lines", []):
            line.close()
        if getattr(self, "redis", None):
            self.redis.kill()
        for thing in reversed(self.closing):
            thing.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def judge(world):
    seen, database = world.seen, world.database
    for customer in world.sitting:
        most = most_at_once(customer.spans)
        print(f"chaos: {customer.name}: {customer.granted} seats granted, at most {most} of {SEATS} surely at once; {customer.early} ended before their time")
        if most > SEATS:
            seen.find("over-granted", customer.name, most)
        if not customer.granted:
            seen.find("the seats were not used", customer.name)
        if customer.early:
            seen.find("a seat was taken from who kept it", customer.name, customer.early)
    # The bought licences come by events: those are told again until they are taken.
    one, missing = world.kernels[0], list(world.buying)
    deadline = time.monotonic() + 60
    while missing and time.monotonic() < deadline:
        missing = [x for x in missing if not any(y["tier"] == "team" for y in one.licenses(x.token))]
        time.sleep(0.2)
    for customer in world.buying:
        team = [x for x in one.licenses(customer.token) if x["tier"] == "team"]
        if len(team) != 1 or team[0]["seats"] != 3:
            seen.find("a payment is lost or doubled", customer.name, team)
    bought = len(world.buying) + len(world.sitting) + 1
    for what, table in (("subscriptions", "subscription_all"), ("invoices", "billing_invoice_all")):
        # These come by events of their own, told again like the others.
        while (there := int(database.psql(f"SELECT count(*) FROM coditect.{table}"))) < bought and time.monotonic() < deadline:
            time.sleep(0.2)
        if there != bought:
            seen.find(f"{there} {what} of {bought} purchases")
    stray = database.psql(
        "SELECT count(*) FROM coditect.seat_all s WHERE s.session_id IS NOT NULL AND NOT EXISTS "
        "(SELECT FROM coditect.license_all l WHERE l.tenant_id = s.tenant_id AND l.license_id = s.license_id)")
    if stray != "0":
        seen.find("rows of one tenant point at another's", stray)
    dead = database.psql("SELECT count(*) FROM coditect.store_job WHERE state = 'dead'")
    if dead != "0":
        seen.find("jobs were given up", database.psql("SELECT kind, reason FROM coditect.store_job WHERE state = 'dead'"))
    said = program("audit", "verify", "--data", world.kernels[0].data, env={"DATABASE_URL": world.bouncer.url()})
    if "BROKEN" in said or "intact" not in said:
        seen.find("a journal is broken", said)
    paid = sum(x.paid for x in world.onlookers if isinstance(x, Buyer))
    if paid != len(world.buying):
        seen.find(f"{paid} of {len(world.buying)} could pay")
    print(f"chaos: {said.count('intact')} journals intact; {seen.requests} requests, the slowest answered after {seen.slowest:.2f} s; "
          f"{paid} of {len(world.buying)} bought, once each; {world.edits} edits of a policy")
    print("chaos: " + ", ".join(f"{what}: {count}" for what, count in sorted(seen.counts.items())))


def disk(plugins):
    """In a mount namespace of its own, so that the small disk is nobody else's."""
    command = ["unshare", "-m", *([] if os.getuid() == 0 else ["-r"]), sys.executable, os.path.join(HERE, "full_disk.py"), plugins]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.strip().splitlines()[-1]
    print(f"chaos: a full disk: {said} s", flush=True)
    return "a full disk, and room again", float(said.rsplit(" ", 1)[1])


class PatroniWorld(World):
    """The same, over a PostgreSQL that nobody here promotes."""

    def databases(self, data):
        etcd = patroni.Etcd()
        self.closing.append(etcd)
        first = patroni.Member(0, etcd)
        self.closing.append(first)
        patroni.until("a primary", first.is_primary)
        first.prepare(data)
        second = patroni.Member(1, etcd)
        self.closing.append(second)
        patroni.follows(first, second)
        return first, second

    def people(self):
        for member in (self.database, self.standby):
            member.tells(self.bouncer)
        super().people()


def play(world, scenes):
    """What was found, after these scenes one after the other."""
    world.open()
    world.stopping.wait(3)
    for scene in scenes:
        what, since = scene(world)
        world.served_again(what, since)
    deadline = time.monotonic() + 90
    while not all(x.paid for x in world.onlookers if isinstance(x, Buyer)) and time.monotonic() < deadline:
        time.sleep(0.2)
    world.stopping.set()
    for onlooker in world.onlookers:
        onlooker.thread.join(40)
    judge(world)
    found = list(world.seen.found)
    if found:
        kept = tempfile.mkdtemp(prefix="chaos-found-")
        for number, kernel in enumerate(world.kernels):
            shutil.copy(kernel.log, os.path.join(kept, f"server-{number}.log"))
        print(f"chaos: the servers' logs: {kept}")
    return found


def main():
    seed = os.environ.get("CHAOS_SEED") or str(random.randrange(1_000_000))
    worlds = ((World, SCENES), (PatroniWorld, patroni.SCENES))
    names = os.environ.get("CHAOS_ONLY")
    chosen = names.split(",") if names else ["disk", *SCENES, *patroni.SCENES]
    print(f"chaos: CHAOS_SEED={seed}", flush=True)
    began, found, rows = time.monotonic(), [], []
    for kind, scenes in worlds:
        played = [scene for name, scene in scenes.items() if name in chosen]
        has_disk = kind is World and "disk" in chosen
        if not played and not has_disk:
            continue
        world = kind(seed)
        try:
            if has_disk:
                world.rows.append(disk(world.plugins))
            if played:
                found += play(world, played)
        finally:
            world.close()
            rows += world.rows
    print("\n| what befell it | both servers gave seats again after |\n| --- | --- |")
    for what, took in rows:
        print(f"| {what} | {took:.2f} s |")
    for what in found[:40]:
        print("chaos: FOUND", *what)
    print(f"chaos: {time.monotonic() - began:.0f} s")
    assert not found, f"{len(found)} findings; CHAOS_SEED={seed}"
    print("chaos: passed")


if __name__ == "__main__":
    main()
