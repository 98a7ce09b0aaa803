"""Plays a schedule against the model, in one thread and in no time: requests cross, answers get lost, the server dies and freezes."""

import heapq
import random

from history import Op, World
from model import Model
from schedule import Notebook
from turnstile import WALL

LICENSE = "one"

# Now and then a rush, in which requests race; mostly a calm, in which leases expire and heartbeats come late.
RUSH, PACES = 0.02, (0.5, 2.0, 5.0, 10.0)


class Simulation:
    def __init__(self, seed, operations, fault=None, clients=6):
        self.dice = random.Random(seed)
        self.operations = operations
        self.seats = self.dice.randint(2, 4)
        self.model = Model(self.seats, fault=fault)
        self.book = Notebook(LICENSE, self.seats + self.dice.randint(2, 4), seed, self.model.ttl)
        self.ops, self.queue, self.order, self.in_flight = [], [], 0, set()
        self.asked, self.down_until, self.frozen_until, self.is_suspended, self.overdraft = 0, 0.0, 0.0, False, 0
        self.pace = self.dice.choice(PACES)
        begin = {"ttl": 60, "revive_window": 20, "longest_gap": 5, "wall": WALL, "wall_slack": 0, "longest_request": 30,
                 "seats": {LICENSE: self.seats}, "overdraft": 0, "claim": 30, "queue_limit": 3, "low_water": 50}
        self.ops.append(World.mark(World.BEGIN, begin, 0.0, 0.0))
        for client in range(clients):
            self.at(self.dice.uniform(0, 2), self.think, client)
        self.at(self.dice.uniform(5, 30), self.disturb)

    def at(self, moment, action, *arguments):
        self.order += 1
        heapq.heappush(self.queue, (moment, self.order, action, arguments))

    def run(self):
        while self.queue and (self.asked < self.operations or self.in_flight):
            moment, _, action, arguments = heapq.heappop(self.queue)
            action(moment, *arguments)
        return self.ops

    # Clients.

    def pause(self):
        roll = self.dice.random()
        longest = 2.0 if roll < 0.8 else 20.0 if roll < 0.95 else 120.0
        return self.dice.uniform(0.001, longest * self.pace)

    def think(self, moment, client, again=None):
        if self.asked >= self.operations:
            return
        if moment < self.down_until:
            self.at(self.down_until + self.dice.uniform(0, 0.1), self.think, client, again)
            return
        name, request = again or self.book.next(self.dice, moment)
        self.asked += 1
        op = Op(client, LICENSE, name, request, moment)
        self.in_flight.add(op)
        self.at(moment + self.dice.uniform(0.0005, 0.01), self.peek, op)

    def peek(self, moment, op):
        if op in self.in_flight:
            seen = self.model.peek(op.op, op.request, moment)
            self.at(moment + self.dice.uniform(0.0005, 0.05), self.take, op, seen)

    def take(self, moment, op, seen):
        if op not in self.in_flight:
            return
        if moment < self.frozen_until:
            self.at(self.frozen_until + self.dice.uniform(0, 0.05), self.take, op, seen)
            return
        status, body = self.model.answer(op.op, op.request, moment, seen)
        self.at(moment + self.dice.uniform(0.0005, 0.02), self.hear, op, status, body)

    def hear(self, moment, op, status, body):
        if op not in self.in_flight:
            return
        if self.dice.random() < 0.03:
            self.lose(moment, op, until=moment)
            return
        op.received, op.status, op.answer = moment, status, body
        self.in_flight.discard(op)
        self.ops.append(op)
        self.book.learn(op)
        self.at(moment + self.pause(), self.think, op.client)

    def lose(self, moment, op, until=None):
        op.received, op.until = moment, until
        self.in_flight.discard(op)
        self.ops.append(op)
        again = (op.op, dict(op.request)) if self.book.again(self.dice, op) else None
        self.at(moment + self.dice.uniform(0.01, 1.0), self.think, op.client, again)

    # The world.

    def disturb(self, moment):
        """One thing at a time; each names the next."""
        dice, model = self.dice, self.model
        what = dice.choice([
            World.KILL, World.KILL, World.STOP, World.STEP, World.SEATS, World.SEATS, World.OVERDRAFT, World.LINGER, World.RESERVE,
            World.RESERVE, World.SUSPEND, "rush", "pace"])
        end = moment + dice.uniform(0.01, 1.0)
        if what == World.KILL:
            end = moment + dice.choice([0.2, 2.0, 20.0, 200.0]) * dice.uniform(0.5, 1.5)
            self.down_until = end
            model.restart(moment, end)
            for op in sorted(self.in_flight, key=lambda op: op.sent):
                self.lose(moment + 0.001, op)
            self.mark(what, {"dead": moment + 0.001, "spawned": end - 0.05}, moment, end)
        elif what == World.STOP:
            end = moment + dice.choice([1.0, 8.0, 90.0]) * dice.uniform(0.5, 1.5)
            self.frozen_until = end - 0.002
            model.freeze(moment + 0.002, end - 0.002)
            self.mark(what, {"stopped": moment + 0.002, "continued": end - 0.002}, moment, end)
        elif what == World.STEP:
            offset = dice.randint(-40_000, 40_000)
            self.at((moment + end) / 2, self.change, lambda at: setattr(model, "offset", offset))
            self.mark(what, {"offset": offset}, moment, end)
        elif what == World.SEATS:
            seats = dice.randint(1, self.seats + 2)
            self.at((moment + end) / 2, self.change, lambda at: model.set_seats(seats, at))
            self.mark(what, {"seats": seats}, moment, end, LICENSE)
        elif what == World.OVERDRAFT:
            self.overdraft = dice.randint(1, 2) if self.overdraft == 0 else 0
            seats = self.overdraft
            self.at((moment + end) / 2, self.change, lambda at: model.set_overdraft(seats))
            self.mark(what, {"seats": seats}, moment, end)
        elif what == World.LINGER:
            linger, hold = dice.choice([(0, 0), (0, 0), (40, 0), (0, 90), (20, 60)])
            self.at((moment + end) / 2, self.change, lambda at: model.set_terms(linger, hold))
            self.mark(what, {"linger": linger, "hold": hold}, moment, end)
        elif what == World.RESERVE:
            seats, members = dice.choice([0, 1, 1, 2]), dice.choice([["ada"], ["ada"], ["ada"], ["ada", "ben"]])
            self.at((moment + end) / 2, self.change, lambda at: model.reserve(seats, members))
            self.mark(what, {"seats": seats, "members": members if seats else []}, moment, end, LICENSE)
        elif what == World.SUSPEND:
            self.at((moment + end) / 2, self.change, lambda at: setattr(model, "is_suspended", True))
            self.mark(what, {}, moment, end, LICENSE)
            back = end + dice.uniform(1, 40)
            end = back + 0.5
            self.at(back + 0.25, self.change, lambda at: setattr(model, "is_suspended", False))
            self.mark(World.REINSTATE, {}, back, end, LICENSE)
        else:
            self.pace = RUSH if what == "rush" else dice.choice(PACES)
        if self.pace == RUSH and what != "rush":
            self.pace = dice.choice(PACES)
        elif self.pace == RUSH:
            self.at(end + dice.uniform(0.1, 1.0), self.disturb)
            return
        self.at(end + dice.uniform(2, 120), self.disturb)

    def change(self, moment, action):
        action(moment)

    def mark(self, what, request, sent, received, license=None):
        self.ops.append(World.mark(what, request, sent, received, license))
