"""Schedules against the ledger alone: many requests at once, real kill -9 and SIGSTOP, clocks that jump; judged chapter by chapter.

A chapter ends when everybody has been gone for longer than anything lasts. What a later one must know of it is little: the highest epoch of
each device, the last receipt's number, sessions that are over. So a licence's history may be as long as it likes.
"""

import random
import time

from checker import check
from desk import CLAIM, GAP, LOW_WATER, QUEUE_LIMIT, TTL, WINDOW
from history import Op, World
from schedule import Notebook

LICENSE, WALL = "one", 1_800_000_000
# Seconds of silence after which nothing of a chapter lives on: two hours is the longest loan, and a step of the wall clock may double it.
SILENCE = 60_000
BURSTS, PACES = (1, 1, 2, 2, 3, 4, 6, 8), (0.5, 3.0, 10.0, 25.0)


class Story:
    """A licence from its first day, over many chapters and many lives of its server."""

    def __init__(self, desk, seed, secret=None):
        """`secret`: what is done without telling the history, so that the checker has something to find: "overdraft" or "oblivion"."""
        self.desk, self.seed, self.dice, self.secret = desk, seed, random.Random(f"story {seed}"), secret
        self.micros, self.number, self.counts, self.kinds = 1_000_000_000, 0, {}, {}
        self.offset, self.terms, self.seats, self.version, self.kept = 0, (0, 0, 0), self.dice.randint(2, 5), 0, (0, [])
        self.past, self.waiting, self.ops = {}, {}, []
        self.book = Notebook(LICENSE, self.seats + self.dice.randint(2, 4), seed, TTL)
        self.start()
        self.tell("active")

    def start(self):
        self.desk.start(self.seed, self.micros, self.offset, self.true_terms())

    def true_terms(self):
        overdraft, linger, hold = self.terms
        return overdraft + (self.secret == "overdraft"), linger, hold

    def set_terms(self):
        return "terms {} {} {}".format(*self.true_terms())

    # The clients' clock: each event a microsecond of its own, so that what came after is seen to.

    def now(self):
        self.micros += 1
        return self.micros / 1e6

    def line(self, text):
        self.number += 1
        return f"{self.number} {self.micros} {text}"

    # One chapter.

    def play(self, operations):
        """Plays and judges; answers the history and what was found."""
        dice, now = self.dice, self.now()
        overdraft, linger, hold = self.terms
        self.ops = [World.mark(World.BEGIN, {
            "ttl": TTL, "revive_window": WINDOW, "longest_gap": GAP, "longest_request": 60, "wall": WALL, "wall_slack": 0, "offset": self.offset,
            "claim": CLAIM, "queue_limit": QUEUE_LIMIT, "low_water": LOW_WATER, "seats": {LICENSE: self.seats}, "overdraft": overdraft,
            "linger": linger, "hold": hold, "kept": self.kept[0], "members": self.kept[1], "past": self.past}, now, now)]
        end, pace, disturbed = len(self.ops) + operations, dice.choice(PACES), 0
        while len(self.ops) < end:
            disturbance = None
            if dice.random() < 0.02:
                disturbance = dice.choice(
                    [World.KILL, World.KILL, World.STOP, World.STEP, World.SEATS, World.SEATS, World.OVERDRAFT, World.LINGER, World.RESERVE,
                     World.RESERVE, World.SUSPEND, "jobs", "pace", "pace"])
            if disturbance == "pace":
                pace = dice.choice(PACES)
            self.burst(dice.choice(BURSTS), disturbance)
            roll = dice.random()
            if roll > 0.3:
                self.micros += int(1e6 * dice.uniform(0.0, 2.0 if roll < 0.93 else 10.0 if roll < 0.99 else 60.0) * pace)
        self.close()
        return self.ops, check(self.ops)

    def burst(self, size, disturbance=None):
        """So many requests at once, and what happens to the server meanwhile."""
        dice, lines = self.dice, []
        for _ in range(size):
            name, request = self.book.next(dice, self.micros / 1e6)
            op = Op("client", LICENSE, name, request, self.now())
            lines.append(self.line(self.words(name, request)))
            self.waiting[self.number] = op
            if dice.random() < 0.05:
                self.micros += dice.choice([1_000, 1_000_000, 20_000_000])
        if disturbance in (None, "pace"):
            self.desk.send(lines)
            return self.hear()
        self.counts[disturbance] = self.counts.get(disturbance, 0) + 1
        place = dice.randint(0, size)
        if place:
            self.desk.send(lines[:place])
        {World.SEATS: self.change_seats}.get(disturbance, getattr(self, disturbance, None))(lines[place:])
        self.hear()

    @staticmethod
    def words(name, request):
        user = {"ada": 1, "ben": 2, "cora": 3}.get(request.get("user"), 0)
        if name == "acquire":
            named, waits = 0 if request.get("unnamed") else 1, 1 if request.get("wait") else 0
            return f"acquire {request['hardware_id']} {user} {request.get('key') or '-'} {named} {waits}"
        if name == "heartbeat":
            return f"heartbeat {request['session_id']} {user} {request.get('epoch') or '-'}"
        if name == "release":
            return f"release {request['session_id']} {user}"
        if name == "force":
            return f"force {request['session_id']} {request['reason'].replace(' ', '_')}"
        if name == "borrow":
            return f"borrow {request['session_id']} {request['hardware_id']} {request['hours']} {user}"
        return name

    def hear(self):
        """Until everybody has his answer."""
        while self.waiting:
            self.desk.lines(60)
            self.listen()

    def listen(self, asked=None):
        """Hears what has come; answers the answer to what was `asked` by hand, if it is among them."""
        answer = None
        for number, status, body in self.desk.take():
            if number == asked:
                answer = status, body
            op = self.waiting.pop(number, None)
            if op is None:
                continue
            op.received = self.now()
            if self.dice.random() < 0.02:
                op.until = op.received  # it went astray
            else:
                op.status, op.answer = status, body
            self.told(op)
        return answer

    def told(self, op):
        self.ops.append(op)
        self.book.learn(op)
        kind = (op.op, op.status, op.error)
        self.kinds[kind] = self.kinds.get(kind, 0) + 1

    def ask(self, text):
        """One thing for which everybody else waits; it is asked again if the server dies."""
        line = self.line(text)
        number = self.number
        self.desk.send([line])
        answer = None
        while answer is None:
            self.desk.lines(60)
            answer = self.listen(number)
        return answer

    def mark(self, what, request, sent, license=None):
        self.ops.append(World.mark(what, request, sent, self.now(), license))

    # The world. Each gets the requests that are still to be sent.

    def kill(self, lines):
        sent = self.now()
        if lines:
            self.desk.send(lines)
        time.sleep(self.dice.choice([0, 0, 0.0001, 0.0003, 0.001, 0.003]) * self.dice.random())
        self.desk.kill()
        self.listen()
        dead = self.now()
        for op in self.waiting.values():
            op.received = op.until = self.now()
            self.told(op)
        self.waiting = {}
        self.micros += int(1e6 * self.dice.choice([0.0, 0.2, 2.0, 20.0, 200.0]) * self.dice.random())
        if self.secret == "oblivion":
            self.desk.forget()
        spawned = self.now()
        self.start()
        self.mark(World.KILL, {"dead": dead, "spawned": spawned}, sent)

    def stop(self, lines):
        sent = self.now()
        self.desk.send([f"0 {self.micros} wall {self.offset}"])  # until then it ran
        self.desk.pause()
        stopped = self.now()
        self.micros += int(1e6 * self.dice.choice([1.0, 8.0, 90.0]) * self.dice.uniform(0.5, 1.5))
        self.desk.send([f"0 {self.micros} frozen"] + [self.late(line) for line in lines])
        self.desk.resume()
        continued = self.now()
        self.hear()
        self.mark(World.STOP, {"stopped": stopped, "continued": continued}, sent)

    def late(self, line):
        """It was sent while the clock stood elsewhere: the server's clock is not behind the client's."""
        number, _, text = line.split(" ", 2)
        return f"{number} {self.micros} {text}"

    def world(self, what, lines, request, text, license=None):
        sent = self.now()
        self.desk.send(lines) if lines else None
        status, _ = self.ask(text)
        if status == 200:
            self.mark(what, request, sent, license)
        return status == 200

    def step(self, lines):
        self.offset = self.dice.randint(-20_000, 20_000)
        self.world(World.STEP, lines, {"offset": self.offset}, f"wall {self.offset}")

    def tell(self, standing, lines=(), what=None, request=None):
        self.version += 1
        text = f"seats {self.seats} {standing} {self.version}"
        return self.ask(text) if what is None else self.world(what, list(lines), request, text, LICENSE)

    def change_seats(self, lines):
        self.seats = self.dice.randint(1, 6)
        self.tell("active", lines, World.SEATS, {"seats": self.seats})

    def suspend(self, lines):
        self.tell("suspended", lines, World.SUSPEND, {})
        for _ in range(self.dice.randint(1, 8)):
            self.burst(self.dice.choice(BURSTS))
            self.micros += int(1e6 * self.dice.uniform(0, 20))
        self.tell("active", (), World.REINSTATE, {})

    def overdraft(self, lines):
        self.terms = (self.dice.choice([0, 1, 2]),) + self.terms[1:]
        self.world(World.OVERDRAFT, lines, {"seats": self.terms[0]}, self.set_terms())

    def linger(self, lines):
        linger, hold = self.dice.choice([(0, 0), (0, 0), (40, 0), (0, 90), (20, 60)])
        self.terms = (self.terms[0], linger, hold)
        self.world(World.LINGER, lines, {"linger": linger, "hold": hold}, self.set_terms())

    def reserve(self, lines):
        seats, members = self.dice.choice([0, 1, 1, 2]), self.dice.choice([["ada"], ["ada"], ["ada"], ["ada", "ben"]])
        numbers = {"ada": "1", "ben": "2", "cora": "3"}
        if seats == 0:
            gone = self.world(World.RESERVE, lines, {"seats": 0, "members": []}, "unreserve team", LICENSE)
            self.kept = (0, []) if gone else self.kept
        elif self.world(World.RESERVE, lines, {"seats": seats, "members": members},
                        f"reserve team {seats} {','.join(numbers[x] for x in members)}", LICENSE):
            self.kept = (seats, members)

    def jobs(self, lines):
        self.world("jobs", lines, {}, "jobs")
        self.ops = [op for op in self.ops if op.op != "jobs"]

    # The end of a chapter.

    def close(self):
        """Silence, and then: as many as may come in do, and not one more."""
        if self.kept[0]:
            self.world(World.RESERVE, [], {"seats": 0, "members": []}, "unreserve team", LICENSE)
            self.kept = (0, [])
        self.micros += SILENCE * 1_000_000
        for number in range(self.seats + self.terms[0] + 1):
            request = {"hardware_id": f"{LICENSE}-last-{number:03}", "user": "cora"}
            op = Op("client", LICENSE, "acquire", request, self.now())
            op.status, op.answer = self.ask(self.words("acquire", request))
            op.received = self.now()
            self.told(op)
        self.micros += 1_000_000_000
        # Idle seconds are in no file: a kill would give them back to the leases, and the next chapter knows of none.
        for op in self.ops[-1 - self.seats - self.terms[0]:]:
            if op.is_ok:
                self.ask(self.words("release", {"session_id": op.answer["session_id"], "user": "cora"}))
        epochs = dict(self.past.get("epochs", {}))
        for op in self.ops:
            if op.is_ok and op.op == "acquire":
                name = op.request["hardware_id"]
                epochs[name] = max(epochs.get(name, 0), op.answer["epoch"])
        told = [session for sessions in self.book.told.values() for session, _ in sessions]
        last = max(op.answer["receipt"]["sequence"] for op in self.ops if op.answer and "receipt" in op.answer)
        self.past = {"epochs": epochs, "sequence": last, "over": told}
        self.book.waiting, self.book.over = {}, self.book.over & set(told)
        self.book.holders = {session: user for session, user in self.book.holders.items() if session in set(told)}
        self.book.keys = []
