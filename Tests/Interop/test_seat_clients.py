"""Clients of seats against a real server that dies, answers that get lost, processes that are stopped and killed, clocks set back.

    test_seat_clients.py [NAME …]      all cases at once, or those named
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

from kernel import BUILD, PASSWORD, ROOT, Kernel

# The shortest lease there is: a minute, with a heartbeat each ten seconds.
CONFIG = "seats:\n  lease_ttl_seconds: 60\n  heartbeat_interval_seconds: 10\nhttp:\n  limits_enabled: false\n"
COMMAND = os.path.join(BUILD, "coditect")


class Proxy:
    """Passes connections on, and cuts the answers of as many requests for a path as it is told to, after the server did what it was asked."""

    def __init__(self, port):
        self.target, self.cuts, self.lost = port, {}, []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.base = "http://127.0.0.1:%d" % self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, client):
        """One request a connection, so that it is known which answer is which."""
        try:
            request = self.message(client)
            if not request:
                return
            path = request.split(b" ")[1].decode()
            with socket.create_connection(("127.0.0.1", self.target)) as server:
                server.sendall(request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
                answer = b""
                while chunk := server.recv(65536):
                    answer += chunk
            if self.cuts.get(path, 0) > 0:
                self.cuts[path] -= 1
                self.lost.append((path, request, answer))
                return
            client.sendall(answer.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
        except OSError:
            pass
        finally:
            client.close()

    @staticmethod
    def message(connection):
        data = b""
        while b"\r\n\r\n" not in data:
            chunk = connection.recv(65536)
            if not chunk:
                return b""
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        length = next((int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length:")), 0)
        while len(body) < length:
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body

    def close(self):
        self.socket.close()


class Customer:
    """Somebody with a licence and a machine: a home folder of its own."""

    number = 0
    lock = threading.Lock()

    def __init__(self, kernel, quantity=1, server=None):
        with Customer.lock:
            Customer.number += 1
            self.email = f"c{Customer.number}@example.com"
        self.kernel, self.server = kernel, server or kernel.base
        self.home = tempfile.mkdtemp(prefix="client-")
        kernel.sign_up(self.email, f"Company {self.email}")
        kernel.verify(self.email)
        self.token = kernel.login(self.email)["access_token"]
        self.license = kernel.paid_license(self.token, "team", quantity=quantity)
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("CODITECT_")}
        self.env.update(HOME=self.home, XDG_CONFIG_HOME=self.home, CODITECT_SERVER=self.server)
        ran = self.run("login", "--email", self.email, "--password-stdin", input=PASSWORD + "\n")
        assert ran.returncode == 0, ran

    def run(self, *arguments, input=None, prefix=()):
        return subprocess.run([*prefix, COMMAND, *arguments], env=self.env, cwd=self.home, input=input, capture_output=True, text=True, timeout=180)

    def start(self, *arguments, command=(COMMAND,), env=None):
        """Standard error goes to a file that can be read meanwhile."""
        path = os.path.join(self.home, f"err-{time.monotonic_ns()}")
        process = subprocess.Popen(
            [*command, *arguments], env={**self.env, **(env or {})}, cwd=self.home, stdout=subprocess.PIPE, stderr=open(path, "w"), text=True)
        process.told = lambda: open(path).read()
        return process

    def seat(self, *options, script="exec sleep 300"):
        """`seat run` that has its seat when this returns."""
        ready = os.path.join(self.home, f"ready-{time.monotonic_ns()}")
        process = self.start("seat", "run", *options, "--", "sh", "-c", f": > {ready}; {script}")
        wait_for("the command to start", lambda: os.path.exists(ready) or process.poll() is not None)
        assert process.poll() is None, process.told()
        return process

    def sessions(self):
        return self.kernel.want(200, "GET", "/api/v1/sessions", token=self.token).json["sessions"]

    def activate(self):
        key = self.kernel.want(200, "GET", f"/api/v1/licenses/{self.license['id']}", token=self.token).json["license"]["key"]
        ran = self.run("activate", key)
        assert ran.returncode == 0, ran
        return key

    def close(self):
        shutil.rmtree(self.home, ignore_errors=True)


def wait_for(what, probe, seconds=120, pause=0.05):
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(pause)
    return found


def ended(process, code, *told, seconds=120):
    assert process.wait(seconds) == code, f"ended with {process.returncode} instead of {code}: {process.told()}"
    for text in told:
        assert text in process.told(), f"'{text}' was not told: {process.told()}"


# The cases. Each gets a server of its own only if it kills it.


def server_dies(_):
    """kill -9 and start again during a seat run: one warning, the same lease, nothing leaks."""
    kernel = Kernel(config=CONFIG).start()
    try:
        customer = Customer(kernel)
        run = customer.seat(script=f"until [ -e {customer.home}/go ]; do sleep 0.1; done; exit 7")
        session = customer.sessions()[0]["session_id"]
        kernel.kill()
        wait_for("the warning", lambda: "the seat is kept for" in run.told())
        kernel.start()
        wait_for("the good news", lambda: "the server is back; the seat was kept" in run.told())
        assert [x["session_id"] for x in customer.sessions()] == [session]
        assert "the seat is gone" not in run.told()
        open(f"{customer.home}/go", "w").close()
        ended(run, 7)
        assert customer.sessions() == []
        customer.close()
    finally:
        if kernel.process.poll() is None:
            kernel.stop()


def server_stays_away(_):
    """Without a file the seat is lost at the end of its lease; with one the command goes on."""
    kernel = Kernel(config=CONFIG).start()
    with_file, without = Customer(kernel), Customer(kernel)
    with_file.activate()
    goes_on = with_file.seat(script=f"until [ -e {with_file.home}/go ]; do sleep 0.1; done")
    stops = without.seat("--on-loss", "stop")
    started = time.monotonic()
    kernel.kill()
    wait_for("the file to stand in", lambda: "running under the offline licence" in goes_on.told(), 90)
    ended(stops, 75, "the seat is gone", "this device is not activated", "stopping the command", seconds=90)
    assert time.monotonic() - started > 40, "the seat was given up long before its lease ended"
    open(f"{with_file.home}/go", "w").close()
    ended(goes_on, 0)
    for customer in (with_file, without):
        customer.close()


def stopped(kernel):
    """SIGSTOP for longer than the lease, then SIGCONT: revived where the seat is free, told and ended where it is taken."""
    free, taken = Customer(kernel), Customer(kernel)
    kept, lost = free.seat(), taken.seat("--grace-seconds", "3")
    session = free.sessions()[0]["session_id"]
    for run in (kept, lost):
        run.send_signal(signal.SIGSTOP)
    other = taken.seat("--device", "other", "--wait-seconds", "90")
    for run in (kept, lost):
        run.send_signal(signal.SIGCONT)
    wait_for("the lease to be revived", lambda: "given back" in kept.told() or "there is a seat again" in kept.told())
    assert len(free.sessions()) == 1 and kept.poll() is None, (session, free.sessions())
    ended(lost, 75, "no seat free: 1 of 1 in use", "save your work")
    assert len(taken.sessions()) == 1
    for run in (kept, other):
        run.terminate()
        ended(run, 143)
    assert free.sessions() == [] and taken.sessions() == []
    free.close(), taken.close()


def answers_lost(kernel):
    """Acquire, heartbeat and release whose answers never arrive: one lease, one seat, given back."""
    proxy = Proxy(kernel.port)
    customer = Customer(kernel, quantity=3, server=proxy.base)
    proxy.cuts = {"/api/v1/licenses/acquire": 2, "/api/v1/licenses/heartbeat": 1, "/api/v1/licenses/release": 1}
    run = customer.seat()
    assert len(customer.sessions()) == 1, customer.sessions()
    acquires = [x for x in proxy.lost if x[0].endswith("acquire")]
    keys = {line for _, request, _ in acquires for line in request.split(b"\r\n") if line.lower().startswith(b"idempotency-key")}
    bodies = {request.partition(b"\r\n\r\n")[2] for _, request, _ in acquires}
    assert len(acquires) == 2 and len(keys) == 1 and len(bodies) == 1, (keys, bodies)
    assert all(answer.startswith(b"HTTP/1.1 200") for _, _, answer in acquires)
    wait_for("a heartbeat's answer to get lost", lambda: "the server is back; the seat was kept" in run.told())
    run.terminate()
    ended(run, 143)
    assert customer.sessions() == []
    assert proxy.cuts == {path: 0 for path in proxy.cuts}, proxy.cuts
    customer.close()
    proxy.close()


def refresh_lost(kernel):
    """The answer to a refresh gets lost: asked again at once, the server gives the same successor, and the user stays signed in."""
    proxy = Proxy(kernel.port)
    customer = Customer(kernel, quantity=6, server=proxy.base)
    path = os.path.join(customer.home, "coditect", "account.json")
    account = json.load(open(path))
    account["expires_at"] = time.time() - 10
    json.dump(account, open(path, "w"))
    proxy.cuts = {"/api/v1/auth/refresh": 1}
    runs = [customer.start("seat", "run", "--device", f"d{n}", "--", "true") for n in range(6)]
    for run in runs:
        ended(run, 0, seconds=120)
    assert len(proxy.lost) == 1
    assert json.load(open(path))["access_token"] != account["access_token"]
    customer.close()
    proxy.close()


def one_device(kernel):
    """Processes of one device share a lease; one that was killed is not counted; the last gives it back."""
    customer = Customer(kernel)
    first, second, third = customer.seat(), customer.seat(), customer.seat()
    assert len(customer.sessions()) == 1
    first.kill()
    first.wait()
    assert len(customer.sessions()) == 1
    second.send_signal(signal.SIGTERM)
    ended(second, 143)
    assert len(customer.sessions()) == 1, "a process took the seat of another along"
    third.send_signal(signal.SIGINT)
    assert third.wait(30) in (0, 130)
    assert customer.sessions() == [], "nobody gave the seat back"
    customer.close()


def signed_out(kernel):
    """No seat is left behind when the session of the user ends under a running command."""
    customer = Customer(kernel)
    run = customer.seat("--on-loss", "continue", script=f"until [ -e {customer.home}/go ]; do sleep 0.1; done; exit 3")
    assert customer.run("logout").returncode == 0
    wait_for("the warning", lambda: "the seat is kept for" in run.told())
    assert customer.run("login", "--email", customer.email, "--password-stdin", input=PASSWORD + "\n").returncode == 0
    wait_for("the good news", lambda: "the seat was kept" in run.told())
    open(f"{customer.home}/go", "w").close()
    ended(run, 3)
    assert customer.sessions() == []
    customer.close()


def clock_set_back(_):
    """By libfaketime: the offline file holds for 72 hours, and setting the clock back does not lengthen them."""
    kernel = Kernel(config=CONFIG).start()
    customer = Customer(kernel)
    customer.activate()
    kernel.kill()

    def at(offset, *arguments):
        ran = customer.run(*(arguments or ("status", "--json")), prefix=("faketime", "-f", offset))
        return ran.returncode, json.loads(ran.stdout or ran.stderr)

    code, early = at("-10m")
    assert (code, early["code"]) == (78, "clock_behind"), (code, early)
    code, fresh = at("+0h")
    assert (code, fresh["valid"], fresh["source"]) == (0, True, "file"), (code, fresh)
    code, late = at("+50h")
    assert (code, late["valid"]) == (0, True), (code, late)
    code, back = at("+1h")
    assert (code, back["code"]) == (78, "clock_set_back"), (code, back)
    assert "was set back" in back["notice"] and "connect to the server once" in back["notice"].lower(), back
    ran = customer.run("seat", "run", "--json", "--", "echo", "ran", prefix=("faketime", "-f", "+1h"))
    assert ran.returncode == 78 and ran.stdout == "" and json.loads(ran.stderr.splitlines()[-1])["error"] == "clock_set_back", ran
    ran = customer.run("seat", "run", "--", "echo", "ran", prefix=("faketime", "-f", "+71h"))
    assert ran.returncode == 0 and ran.stdout == "ran\n", ran
    code, over = at("+73h")
    assert (code, over["code"]) == (69, "offline_grace_over"), (code, over)
    kernel.start()
    code, online = at("+0h")
    assert (code, online["source"]) == (0, "server"), (code, online)
    kernel.kill()
    code, again = at("+0h")
    assert (code, again["valid"]) == (0, True), (code, again)
    customer.close()


CASES = [server_dies, server_stays_away, stopped, answers_lost, refresh_lost, one_device, signed_out, clock_set_back]


def main():
    wanted = [case for case in CASES if not sys.argv[1:] or case.__name__ in sys.argv[1:]]
    failed = []
    with Kernel(config=CONFIG) as kernel:

        def take(case):
            started = time.monotonic()
            try:
                case(kernel)
                print(f"seat clients: {case.__name__}: as it should be, {time.monotonic() - started:.0f} s", flush=True)
            except BaseException:
                failed.append(case.__name__)
                print(f"seat clients: {case.__name__} FAILED\n{traceback.format_exc()}", flush=True)

        threads = [threading.Thread(target=take, args=(case,)) for case in wanted]
        for thread in threads:
            thread.start()
            time.sleep(1)  # signing up is limited per address and minute
        for thread in threads:
            thread.join()
    print(f"seat clients: {len(wanted) - len(failed)} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
