"""One server from its first start to the last count of its seats: clients who ask, and a world that gets in their way."""

import glob
import os
import random
import shutil
import threading
import time

from history import Op, World
from house import CLAIM, LOW_WATER, QUEUE_LIMIT, TTL, WINDOW, Customer, House, Lost, Wire
from schedule import Notebook

PATHS = {"acquire": "/api/v1/licenses/acquire", "heartbeat": "/api/v1/licenses/heartbeat", "release": "/api/v1/licenses/release",
         "borrow": "/api/v1/licenses/borrow"}
NOISE = ("signature", "message", "hint", "request_id", "receipt", "file")
CUSTOMERS, CLIENTS = 6, 4  # clients of each customer
# A tenant has one user here: another cannot be invited yet. Somebody else for whom seats can be kept is only an id.
USERS, OTHER = ("ada",), "00000000-0000-7000-8000-000000000001"


class Round:
    """`secret`: what is done without telling the history, so that the checker has something to find: "overdraft" or "oblivion"."""

    def __init__(self, seed, operations, speed, secret=None):
        self.secret = secret
        self.seed, self.operations, self.speed = seed, operations, speed
        self.dice = random.Random(f"world {seed}")
        self.house = House(speed).start()
        self.ops, self.lock, self.asked = [], threading.Lock(), 0
        self.done, self.faults, self.counts = threading.Event(), [], {}
        self.customers, self.books, self.lent, self.terms = [], {}, 0, (0, 0)
        for number in range(CUSTOMERS):
            seats = self.dice.randint(2, 6)
            customer = Customer(self.house, f"c{number}", seats)
            self.customers.append(customer)
            self.books[customer.license] = Notebook(customer.license, seats + self.dice.randint(2, 5), seed, TTL, USERS)
        begin = {
            "ttl": TTL, "revive_window": WINDOW, "longest_gap": self.house.gap, "longest_request": 30 * speed, "overdraft": 0,
            "claim": CLAIM, "queue_limit": QUEUE_LIMIT, "low_water": LOW_WATER,
            "wall": self.house.wall() - self.house.now(), "wall_slack": 0, "is_pulsed": True,
            "seats": {customer.license: customer.seats for customer in self.customers}, "seed": seed, "speed": speed}
        now = self.house.now()
        self.ops.append(World.mark(World.BEGIN, begin, now, now))
        if secret == "overdraft":
            self.house.edit_overdraft(1)
            self.house.kernel.kill()
            self.house.start()

    def run(self):
        clients = [threading.Thread(target=self.client, args=(n,), daemon=True) for n in range(CUSTOMERS * CLIENTS)]
        pulse, world = (threading.Thread(target=action, daemon=True) for action in (self.pulse, self.disturb))
        for thread in clients + [pulse, world]:
            thread.start()
        shown = time.monotonic()
        while any(thread.is_alive() for thread in clients):
            time.sleep(0.2)
            if time.monotonic() - shown > 10:
                shown = time.monotonic()
                print(f"stress: {self.asked} of {self.operations} operations, {self.counts}", flush=True)
        self.done.set()
        world.join()
        pulse.join()
        if not self.faults:
            self.count()

    # Clients.

    def ask(self, wire, client, customer, name, request, drop=False, abort=False):
        """One operation, told to the history. None: nobody listened, and nothing was sent."""
        try:
            wire.connect()
        except OSError:
            wire.close()
            return None
        body, path, method = dict(request), PATHS.get(name), "POST"
        key = body.pop("key", None)
        body.pop("user", None)
        if name == "acquire":
            body["hostname"] = request["hardware_id"]
            if not body.pop("unnamed", False):
                body["license_id"] = customer.license
        elif name == "force":
            path = f"/api/v1/sessions/{body.pop('session_id')}/release"
        elif name == "list":
            method, path, body = "GET", f"/api/v1/sessions?limit=100&license_id={customer.license}", None
        op = Op(client, customer.license, name, request, self.house.now())
        try:
            wire.send(method, path, body, key)
            if abort:
                wire.close()
                raise Lost
            op.status, op.answer = wire.receive()
        except Lost:
            pass
        op.received = self.house.now()
        if op.answer is not None:
            receipt = op.answer.get("receipt")
            op.answer = {field: value for field, value in op.answer.items() if field not in NOISE}
            if receipt:
                told = receipt["document"]
                op.answer["receipt"] = {field: told[field] for field in ("sequence", "act", "session_id", "epoch")}
            if "sessions" in op.answer:
                rows = op.answer["sessions"]
                op.answer = {"sessions": [{field: row[field] for field in ("session_id", "epoch", "hostname")} for row in rows]}
        if drop and not op.is_lost:
            # The answer went astray on its way to the client; that it was sent bounds when it was given.
            op.status, op.answer, op.until = None, None, op.received
        with self.lock:
            self.ops.append(op)
            self.books[customer.license].learn(op)
        return op

    def wire(self, customer):
        return Wire(self.house.kernel.port, customer.token)

    def client(self, number):
        dice, customer = random.Random(f"client {self.seed} {number}"), self.customers[number % CUSTOMERS]
        book, wire, again = self.books[customer.license], self.wire(customer), None
        while not self.done.is_set():
            with self.lock:
                if self.asked >= self.operations:
                    break
                self.asked += 1
                name, request = again or book.next(dice, self.house.now())
            op = self.ask(wire, number, customer, name, request, drop=dice.random() < 0.02, abort=dice.random() < 0.002)
            if op is None:
                again = (name, request)
                with self.lock:
                    self.asked -= 1
                time.sleep(0.05)
                continue
            again = (name, dict(request)) if op.is_lost and book.again(dice, op) else None
            if dice.random() < 0.02:
                time.sleep(dice.uniform(0, 0.5))
        wire.close()

    def pulse(self):
        """Somebody asks all the time, so that it shows when the server does not run."""
        wires, number = [self.wire(customer) for customer in self.customers], 0
        while not self.done.is_set():
            number = (number + 1) % CUSTOMERS
            self.ask(wires[number], "pulse", self.customers[number], "list", {})
            time.sleep(0.2)

    # The world.

    def mark(self, what, request, sent, license=None):
        with self.lock:
            self.ops.append(World.mark(what, request, sent, self.house.now(), license))
            self.counts[what] = self.counts.get(what, 0) + 1

    def disturb(self):
        weights = {self.kill: 3, self.stop: 3, self.step: 2, self.change_seats: 5, self.lend: 2, self.linger: 2,
                   self.reserve: 4, self.suspend: 2}
        try:
            if self.secret:
                return self.forget() if self.secret == "oblivion" else None
            while not self.done.wait(self.dice.uniform(0.1, 1.0)):
                self.dice.choices(list(weights), list(weights.values()))[0]()
        except (Exception, SystemExit) as error:  # the round must end, and say why
            self.faults.append(f"{type(error).__name__}: {error}")
            self.done.set()

    def kill(self, between=None):
        """`between`: what is done while nobody listens."""
        dice, house, sent = self.dice, self.house, self.house.now()
        if self.speed == 1 and dice.random() < 0.25:
            house.kernel.stop(keep=True)  # the polite way, with requests under way
        else:
            house.kernel.kill()
        dead = house.now()
        time.sleep(dice.choice([0.0, 0.0, 0.3, 3.0]) * dice.random())
        if between:
            between()
        spawned = house.now()
        house.start()
        self.mark(World.KILL, {"dead": dead, "spawned": spawned}, sent)

    def forget(self):
        """A disk that loses what was written to it: the database of one restart comes back at the next."""
        data = os.path.join(self.house.folder, "data")
        kept = data + ".kept"
        self.done.wait(0.5)
        self.kill(lambda: shutil.copytree(data, kept))
        self.done.wait(1.0)
        self.kill(lambda: self.restore(data, kept))

    @staticmethod
    def restore(data, kept):
        for path in glob.glob(os.path.join(data, "*.db*")):
            os.unlink(path)
        for path in glob.glob(os.path.join(kept, "*.db*")):
            shutil.copy(path, data)

    def stop(self):
        seconds = self.dice.choice([0.5, 2.0, 8.0] if self.speed == 1 else [0.1, 1.0, 2.5, 5.0, 10.0])
        if self.speed == 1 and not self.counts.get(World.STOP) and self.operations >= 10_000:
            seconds = TTL + 10  # in true time a freeze longer than a lease is dear: one a round
        sent = self.house.now()
        stopped, continued = self.house.freeze(seconds)
        self.mark(World.STOP, {"stopped": stopped, "continued": continued}, sent)

    def step(self):
        offset, sent = self.dice.randint(-36_000, 36_000), self.house.now()
        self.house.step(offset)
        self.mark(World.STEP, {"offset": offset}, sent)

    def tell(self, customer, status, seats, stale):
        """Tells of the subscription: once, twice, with a kill after it was taken, or followed by an event that is older."""
        customer.deliver(body := customer.event(status, seats))
        roll = self.dice.random()
        if roll < 0.2:
            self.kill()
        elif roll < 0.4:
            customer.deliver(body)
        elif roll < 0.6:
            customer.deliver(customer.event(*stale, is_stale=True))
        customer.wait("suspended" if status == "paused" else "active", seats)

    def change_seats(self):
        customer, sent = self.dice.choice(self.customers), self.house.now()
        old, customer.seats = customer.seats, self.dice.randint(1, 8)
        self.tell(customer, "active", customer.seats, stale=("active", old))
        self.mark(World.SEATS, {"seats": customer.seats}, sent, customer.license)

    def lend(self):
        sent = self.house.now()
        self.lent = self.dice.randint(1, 2) if self.lent == 0 else 0
        self.house.lend(self.lent)
        self.mark(World.OVERDRAFT, {"seats": self.lent}, sent)

    def linger(self):
        sent = self.house.now()
        # The same again would be no edit.
        self.terms = self.dice.choice([terms for terms in [(0, 0), (40, 0), (0, 90), (20, 60)] if terms != self.terms])
        linger, hold = self.terms
        self.house.linger(linger, hold)
        self.mark(World.LINGER, {"linger": linger, "hold": hold}, sent)

    def reserve(self, customer=None, seats=None):
        customer, sent = customer or self.dice.choice(self.customers), self.house.now()
        seats = self.dice.choice([0, 1, 1, 2]) if seats is None else seats
        member = self.dice.choice(["ada", "zoe"])
        path, token = f"/api/v1/licenses/{customer.license}/reservations/team", customer.token
        if seats:
            body = {"seats": seats, "user_ids": [customer.user if member == "ada" else OTHER]}
            status = self.house.kernel.call("PUT", path, body, token=token).status
        else:
            status = self.house.kernel.call("DELETE", path, token=token).status
        if status == 200:
            self.mark(World.RESERVE, {"seats": seats, "members": [member] if seats else []}, sent, customer.license)
        elif status not in (404, 409):
            raise AssertionError(f"a reservation was answered {status}")

    def suspend(self):
        customer, sent = self.dice.choice(self.customers), self.house.now()
        self.tell(customer, "paused", customer.seats, stale=("active", customer.seats))
        self.mark(World.SUSPEND, {}, sent, customer.license)
        self.done.wait(self.dice.uniform(0.2, 3.0))
        sent = self.house.now()
        self.tell(customer, "active", customer.seats, stale=("paused", customer.seats))
        self.mark(World.REINSTATE, {}, sent, customer.license)

    # The last count.

    def count(self):
        """Everybody leaves, and as many as may come in do: no seat has leaked, and none is too many."""
        for customer in self.customers:
            self.reserve(customer, 0)
            wire, book = self.wire(customer), self.books[customer.license]
            # Who waits gets his seat and leaves, too; what lingers is ended; what is lent may come home once.
            # Seats taken away meanwhile let nobody in until enough have left, so those who wait may need several turns.
            for _ in range(5):
                turn = [self.visit(wire, customer, book, device) for device in book.devices]
                if all(turn):
                    break
            for row in self.sessions(wire, customer):
                self.leave(wire, customer, row["session_id"])
            lent = len(self.sessions(wire, customer))
            allowed = max(0, customer.seats + self.lent - lent)
            granted = sum(
                self.ask(wire, "count", customer, "acquire", {"hardware_id": f"{customer.license}-last-{number:03}", "user": "ada"}).is_ok
                for number in range(allowed + 2))
            if granted != allowed:
                self.faults.append(f"of {allowed} seats {granted} can be had once everybody has left, and {lent} are lent")
            wire.close()

    def visit(self, wire, customer, book, device):
        came = self.ask(wire, "count", customer, "acquire", {"hardware_id": device, "user": "ada"}).is_ok
        for session, _ in book.told[device][-1:]:
            self.leave(wire, customer, session)
        return came

    def leave(self, wire, customer, session):
        self.ask(wire, "count", customer, "release", {"session_id": session, "user": "ada"})
        self.ask(wire, "count", customer, "force", {"session_id": session, "reason": "the house closes"})

    def sessions(self, wire, customer):
        return self.ask(wire, "count", customer, "list", {}).answer["sessions"]
