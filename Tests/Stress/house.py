"""A real server whose clocks can be stepped, that can be killed and frozen, and the payment provider that speaks to it."""

import hashlib
import hmac
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Interop"))
from kernel import ROOT, Kernel  # noqa: E402
from tiny_browser import Browser  # noqa: E402

SECRET = "stress-" * 6
TTL, WINDOW, CLAIM, QUEUE_LIMIT, LOW_WATER = 60, 20, 30, 3, 50
# A policy of this house's own, so that seats linger; what it says is edited in init.lua.
LINGER = """return {
  id = "stress.linger", api = 1, summary = "Lets seats linger.",
  settings = {
    linger_seconds = { type = "integer", min = 0, max = 3600, default = 0, summary = "After a release." },
    hold_seconds = { type = "integer", min = 0, max = 3600, default = 0, summary = "From the grant." },
  },
  on_seat_request = function(request, settings)
    if settings.linger_seconds + settings.hold_seconds == 0 then return end
    return allow{ linger_seconds = settings.linger_seconds, minimum_hold_seconds = settings.hold_seconds }
  end,
}
"""
LINGER_TEST = """return {
  {
    name = "lets nothing linger as written", hook = "on_seat_request", expect = { outcome = "abstain" },
    input = {
      user = { id = "u1", role = "developer" }, device = { id = "d1" },
      license = { id = "l1", tier = "pro", status = "active", seats = 1, seats_used = 0 },
    },
  },
}
"""


class Lost(Exception):
    """The connection broke: what became of the request is not known."""


class Wire:
    """One keep-alive connection."""

    def __init__(self, port, token):
        self.port, self.token, self.socket, self.rest = port, token, None, b""

    def close(self):
        if self.socket is not None:
            self.socket.close()
        self.socket, self.rest = None, b""

    def connect(self):
        """Raises OSError where nobody listens."""
        if self.socket is None:
            self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=120)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, method, path, body=None, key=None):
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nAuthorization: Bearer {self.token}\r\n"
        if body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n"
        if key:
            head += f"Idempotency-Key: {key}\r\n"
        try:
            self.socket.sendall(head.encode() + b"\r\n" + data)
        except OSError as error:
            self.close()
            raise Lost from error

    def receive(self):
        """Status and body."""
        try:
            while b"\r\n\r\n" not in self.rest:
                self._more()
            head, _, self.rest = self.rest.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
            length = int(fields["content-length"])
            while len(self.rest) < length:
                self._more()
            body, self.rest = self.rest[:length], self.rest[length:]
            if fields.get("connection", "").lower() == "close":
                self.close()
            return int(lines[0].split()[1]), json.loads(body)
        except (OSError, ValueError) as error:
            self.close()
            raise Lost from error

    def _more(self):
        more = self.socket.recv(65_536)
        if not more:
            raise OSError("closed")
        self.rest += more


class House:
    """The server over a folder of its own. `speed` 1: its wall clock can be stepped; higher: all its clocks run so many times faster.

    See clock.c for how.
    """

    def __init__(self, speed=1):
        self.speed = speed
        self.folder = tempfile.mkdtemp(prefix="stress-")
        self.policies = os.path.join(self.folder, "policies")
        shutil.copytree(os.path.join(ROOT, "policies"), self.policies)
        self._write_linger()
        library, self.clock = os.path.join(self.folder, "clock.so"), os.path.join(self.folder, "clock")
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clock.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-Wall", "-o", library, source, "-ldl"], check=True)
        with open(self.clock, "wb") as file:
            file.write(bytes(4096))
        self.offset, first = 0, time.monotonic_ns()
        self.first = first / 1e9
        # What waits for somebody waits in the server's time.
        patience = 30 if speed == 1 else 600
        self.gap = 5 if speed == 1 else max(5, int(1.5 * speed))
        config = f"""
            log: {{level: notice}}
            http: {{limits_enabled: false, handler_timeout_seconds: {patience}, idle_timeout_seconds: 3600, header_timeout_seconds: 300,
              body_timeout_seconds: 3600}}
            licensing: {{free_tier: ""}}
            billing: {{reconcile_hours: 168}}
            seats: {{lease_ttl_seconds: {TTL}, revive_window_seconds: {WINDOW}, signature_algorithm: ed25519,
              longest_tick_gap_seconds: {self.gap}, claim_timeout_seconds: {CLAIM}, queue_limit: {QUEUE_LIMIT},
              borrow_low_water_percent: {LOW_WATER}}}
            """
        data = os.path.join(self.folder, "data")
        os.mkdir(data)
        env = {"SANDBOX_WEBHOOK_SECRET": SECRET, "LD_PRELOAD": library, "STRESS_CLOCK": self.clock, "STRESS_SPEED": str(speed),
               "STRESS_FIRST": str(first)}
        self.kernel = Kernel(data=data, env=env, config=config, policies=self.policies)

    def now(self):
        """Real seconds, as the server's clocks count them."""
        return time.monotonic() * self.speed

    def wall(self):
        return time.time() + (self.speed - 1) * (time.monotonic() - self.first) + self.offset

    def start(self):
        self.kernel.start()
        return self

    def step(self, offset):
        """Puts the wall clock `offset` seconds beside where it would be."""
        self.offset = offset
        with open(self.clock, "r+b", buffering=0) as file:
            file.write(struct.pack("=q", offset * 1_000_000_000))

    def freeze(self, seconds):
        """Stops every thread of the server; answers since when and until when it surely did not run."""
        pid = self.kernel.process.pid

        def is_stopped():
            with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
                return file.read().rpartition(")")[2].split()[0] == "T"

        os.kill(pid, signal.SIGSTOP)
        self.kernel.until("the server to stop", is_stopped)
        stopped = continued = self.now()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(min(0.1, max(0.0, end - time.monotonic())))
            seen = self.now()
            if not is_stopped():  # a shell that goes wakes the stopped children of its group
                break
            continued = seen
        os.kill(pid, signal.SIGCONT)
        return stopped, continued

    def _write_linger(self):
        folder = os.path.join(self.policies, "stress", "linger")
        os.makedirs(folder)
        for name, text in (("policy.lua", LINGER), ("policy_test.lua", LINGER_TEST)):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        self._edit(r"(?m)^( +\{ \"seats/overdraft\".*\n)", r'\1    { "stress/linger", settings = { linger_seconds = 0, hold_seconds = 0 } },\n')

    def _edit(self, pattern, text):
        path = os.path.join(self.policies, "init.lua")
        with open(path, encoding="utf-8") as file:
            before = file.read()
        after, count = re.subn(pattern, text, before, count=1)
        assert count == 1, f"nothing in {path} looks like {pattern}"
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(after)
        os.replace(path + ".new", path)

    def edit_overdraft(self, seats):
        self._edit(r"overdraft_seats = \d+", f"overdraft_seats = {seats}")

    def lend(self, seats):
        self._live(lambda: self.edit_overdraft(seats))

    def linger(self, linger, hold):
        self._live(lambda: self._edit(r"linger_seconds = \d+, hold_seconds = \d+", f"linger_seconds = {linger}, hold_seconds = {hold}"))

    def _live(self, edit):
        """Edits the policies and waits until the server says that it lives by them."""
        lives = self._count("policies live")
        edit()
        self.kernel.until("the edited policy", lambda: self._count("policies live") > lives)

    def _count(self, text):
        with open(self.kernel.log, encoding="utf-8", errors="replace") as file:
            return file.read().count(text)

    def close(self, keep=False):
        process = self.kernel.process
        if process is not None and process.poll() is None:
            self.kernel.kill()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)


class Customer:
    """A tenant with one licence, and the provider's word on what it has bought."""

    def __init__(self, house, name, seats, tier="team", quantity=None):
        self.house, self.name, self.seats, self.quantity = house, name, seats, quantity or seats
        kernel, address = house.kernel, f"{name}@example.com"
        self.token = kernel.member(address)
        self.user = kernel.want(200, "GET", "/api/v1/users/me", token=self.token).json["id"]
        self.license = kernel.paid_license(self.token, tier, self.quantity)["id"]
        browser = Browser()
        browser.open(kernel.want(200, "POST", "/api/v1/billing/portal", {}, token=self.token).json["url"])
        self.subscription = next(f.value for form in browser.page.forms for f in form.fields if f.name == "subscription")
        self.tier, self.begun, self.told, self.events = tier, house.wall() + 60, 0, 0

    def event(self, status, quantity, is_stale=False):
        """What the provider would send: each event is later than the one before, a stale one a little older than the last.

        Each tells of a period of its own, as fewer units hold from the next period on.
        """
        if not is_stale:
            self.told += 1
        self.events += 1

        def moment(at):
            return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

        created = self.begun + self.told - (0.5 if is_stale else 0)
        return json.dumps({
            "id": f"evt_{self.name}_{self.events}", "type": "subscription.changed", "created": moment(created), "data": {
                "id": self.subscription, "reference": None, "status": status, "price": None, "tier": self.tier, "interval": "month",
                "quantity": quantity, "period_start": moment(created), "period_end": moment(created + 400 * 86_400),
                "trial_end": None, "cancels_at": None, "ended_at": None}}).encode()

    def deliver(self, body):
        """As providers do: until it is taken."""
        def probe():
            at = int(self.house.wall())
            seal = hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
            try:
                answer = self.house.kernel.call("POST", "/webhooks/sandbox", raw=body, headers={"Sandbox-Signature": f"t={at},v1={seal}"})
            except OSError:
                return False
            return answer.status == 200

        self.house.kernel.until("a webhook to be taken", probe, 60)

    def standing(self):
        try:
            found = next(x for x in self.house.kernel.licenses(self.token) if x["id"] == self.license)
        except OSError:
            return None
        return found["status"], found["seats"]

    def wait(self, status, seats, seconds=60):
        wanted = ("active", "grace") if status == "active" else (status,)

        def probe():
            found = self.standing()
            return found is not None and found[0] in wanted and found[1] == seats

        self.house.kernel.until(f"the licence to be {status} with {seats} seats", probe, seconds)
