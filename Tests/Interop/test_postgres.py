#!/usr/bin/env python3
"""Two servers over one PostgreSQL database, started on a socket in a temporary folder: each sees what the other did, jobs are done once.

    test_postgres.py
"""

import collections
import glob
import os
import pwd
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kernel import BUILD, Kernel  # noqa: E402


class Cluster:
    def __init__(self, options=("fsync=off",)):
        self.programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
        self.folder = tempfile.mkdtemp(prefix="coditect-pg-", dir="/tmp")
        self.identity = []
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self.identity = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
        data = os.path.join(self.folder, "data")
        self.run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        self.server = subprocess.Popen(
            self.identity + [os.path.join(self.programs, "postgres"), "-D", data]
            + [part for option in ("listen_addresses=", f"unix_socket_directories={self.folder}", *options) for part in ("-c", option)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        for _ in range(600):
            if subprocess.run([os.path.join(self.programs, "pg_isready"), "-q", "-h", self.folder], check=False).returncode == 0:
                return
            time.sleep(0.05)
        raise AssertionError("the database server does not start")

    @property
    def place(self):
        """For PgBouncer."""
        return f"host={self.folder}"

    def run(self, program, *arguments):
        subprocess.run(self.identity + [os.path.join(self.programs, program), *arguments], check=True, stdout=subprocess.DEVNULL, cwd="/")

    def url(self, role, database="coditect"):
        return f"postgresql://{role}@/{database}?host={self.folder}"

    def psql(self, text, database="coditect"):
        command = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", self.url("postgres", database), "-c", text]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def close(self):
        self.server.send_signal(signal.SIGINT)
        self.server.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)


def migrate(cluster, data, role, *arguments, code=0):
    command = [os.path.join(BUILD, "coditectd"), "migrate", *arguments, "--data", data]
    done = subprocess.run(command, env={**os.environ, "DATABASE_URL": cluster.url(role)}, capture_output=True, text=True, check=False)
    assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


# A crowd from one address, and signatures that cost little: what is tried is who decides.
CONFIG = "http:\n  limits_enabled: false\nseats:\n  signature_algorithm: ed25519\n"


def acquire(kernel, token, license_id, device):
    return kernel.call("POST", "/api/v1/licenses/acquire", {"license_id": license_id, "hardware_id": device}, token=token)


def ask_at_once(kernels, token, license_id, devices):
    answers = []
    threads = [
        threading.Thread(target=lambda d=device, k=kernels[number % 2]: answers.append(acquire(k, token, license_id, d).status))
        for number, device in enumerate(devices)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def lives(kernels, token, license_id):
    """What people are answered who take seats, beat and give them back, each request at one of the servers by chance."""
    seen = collections.Counter()

    def live(number):
        dice = random.Random(number)
        for turn in range(4):
            taken = acquire(dice.choice(kernels), token, license_id, f"{20_000 + number * 10 + turn % 2:064x}")
            seen["acquire", taken.status] += 1
            if taken.status != 200:
                continue
            body = {"session_id": taken.json["session_id"]}
            for act in ["heartbeat"] * 4 + ["release"]:
                seen[act, dice.choice(kernels).call("POST", f"/api/v1/licenses/{act}", body, token=token).status] += 1

    threads = [threading.Thread(target=live, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


def unconfirmed(cluster, kernel, token, license_id):
    """The server waits for a standby that is away, and an operator cancels what hangs: PostgreSQL then answers that it has committed, and warns."""
    device, seats = f"{99_999:064x}", "SELECT count(*) FROM coditect.seat_all WHERE session_id IS NOT NULL"
    before, answers = int(cluster.psql(seats)), []
    cluster.psql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", database="postgres")
    cluster.psql("SELECT pg_reload_conf()")
    asking = threading.Thread(target=lambda: answers.append(acquire(kernel, token, license_id, device)))
    asking.start()
    deadline = time.monotonic() + 60
    while asking.is_alive():
        assert time.monotonic() < deadline, "nobody answers"
        cluster.psql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
        asking.join(0.05)
    cluster.psql("ALTER SYSTEM RESET synchronous_standby_names", database="postgres")
    cluster.psql("SELECT pg_reload_conf()")
    assert answers[0].status == 503 and answers[0].json["error"] == "outcome_unknown", answers[0].body
    again = acquire(kernel, token, license_id, device)
    assert again.status == 200 and int(cluster.psql(seats)) == before + 1, again.body


def main():
    cluster = Cluster()
    folders = [tempfile.mkdtemp(prefix="kernel-") for _ in range(2)]
    kernels = []
    try:
        roles = subprocess.run([os.path.join(BUILD, "coditectd"), "migrate", "roles"], check=True, capture_output=True, text=True).stdout
        for statement in roles.strip().split(";\n"):
            cluster.psql(statement.rstrip(";"), database="postgres")
        assert "0 of" in migrate(cluster, folders[0], "coditect_migrate", "status", code=75)
        migrate(cluster, folders[0], "coditect_migrate", "up")
        assert "nothing to do" in migrate(cluster, folders[0], "coditect_migrate", "up")
        assert "is not" not in migrate(cluster, folders[0], "coditect_migrate", "status")
        # Each server has a folder of its own; the keys are the same, and so is the mailbox: either of them may send a mail.
        os.makedirs(os.path.join(folders[0], "mailbox"), mode=0o700, exist_ok=True)
        for name in ("keys", "mailbox"):
            os.symlink(os.path.join(folders[0], name), os.path.join(folders[1], name))
        env = {"DATABASE_URL": cluster.url("coditect_serve")}
        for folder in folders:
            kernel = Kernel(data=folder, config=CONFIG, env=env)
            kernel.start()
            kernels.append(kernel)
        one, two = kernels
        print("ok  two servers over one database are ready")

        token = one.member()
        assert two.call("GET", "/api/v1/users/me", token=token).status == 200
        assert two.login()["access_token"]
        print("ok  who signs up at one signs in at the other")

        license_id = one.paid_license(token, quantity=7)["id"]
        seen = [sorted(x["id"] for x in kernel.licenses(token)) for kernel in kernels]
        assert seen[0] == seen[1] and license_id in seen[0], (seen, license_id)
        answers = ask_at_once(kernels, token, license_id, [f"{number:064x}" for number in range(30)])
        held = int(cluster.psql("SELECT count(*) FROM coditect.seat_all WHERE session_id IS NOT NULL"))
        assert answers.count(200) == held > 0 and set(answers) <= {200, 429}, (answers, held)
        print(f"ok  {len(answers)} devices ask two servers at once: {held} seats granted, as many as there are")

        # Each server decides for many at once, and they meet at every seat: nobody is told of it.
        crowd = one.member("crowd@example.com")
        large = one.paid_license(crowd, quantity=1_000)["id"]
        answers = [status for start in range(0, 900, 60)
                   for status in ask_at_once(kernels, crowd, large, [f"{number + 10_000:064x}" for number in range(start, start + 60)])]
        granted = int(cluster.psql("SELECT count(*) FROM coditect.seat_all WHERE session_id IS NOT NULL")) - held
        assert answers == [200] * 900 and granted == 900, (set(answers), granted)
        print("ok  900 devices, 60 at a time, ask two servers for one licence's seats: each has one")

        seen = lives(kernels, crowd, large)
        assert set(seen) == {("acquire", 200), ("heartbeat", 200), ("release", 200)}, seen
        print(f"ok  40 people take, hold and give back seats at both servers, {sum(seen.values())} requests: none is told to come back")

        left = int(cluster.psql("SELECT count(*) FROM coditect.store_job WHERE state = 'dead' OR attempt > 1"))
        assert left == 0, cluster.psql("SELECT kind, attempt, reason FROM coditect.store_job WHERE state = 'dead' OR attempt > 1")
        print("ok  no job was lost, repeated or given up")

        unconfirmed(cluster, one, crowd, large)
        print("ok  a seat whose commit no standby has, as the wait was broken off, is not said to be granted; asked for again it is, once")
    finally:
        for kernel in kernels:
            kernel.stop(keep=True)
        cluster.close()
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
