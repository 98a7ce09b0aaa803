"""What clients asked and were told, and when: one JSON line an operation. Everything the checker knows.

Times are seconds on the clients' monotonic clock, multiplied by the speed at which the server's clocks were made to run.
"""

import json


class Op:
    """One request of a client, or one thing that was done to the world around the server.

    `status` is None where the answer was lost; then `until` is the last moment at which the request may still have had its effect.
    """

    __slots__ = ("client", "license", "op", "request", "sent", "received", "status", "answer", "until", "again", "begun")

    def __init__(self, client, license, op, request, sent, received=None, status=None, answer=None, until=None):
        self.client, self.license, self.op, self.request = client, license, op, request
        self.sent, self.received, self.status, self.answer, self.until = sent, received, status, answer, until
        # The checker's notes: its Idempotency-Key came before; the earliest moment of its effect, where a lost one had the same key.
        self.again, self.begun = False, sent

    @property
    def is_lost(self):
        return self.status is None

    @property
    def is_ok(self):
        return self.status == 200

    @property
    def is_waiting(self):
        """It was given a place in the queue."""
        return self.status == 202

    @property
    def user(self):
        return self.request.get("user")

    @property
    def effect(self):
        """The latest moment at which it had its effect."""
        return self.until if self.status is None else self.received

    @property
    def error(self):
        return None if self.answer is None else self.answer.get("error")

    def line(self):
        answer = "lost" if self.is_lost else dict(self.answer or {}, status_code=self.status)
        fields = {"client": self.client, "license": self.license, "op": self.op, "request": self.request,
                  "sent": round(self.sent, 6), "received": round(self.received, 6), "answer": answer}
        if self.until is not None:
            fields["until"] = None if self.until == float("inf") else round(self.until, 6)
        return json.dumps(fields, separators=(",", ":"))

    @staticmethod
    def parse(line):
        f = json.loads(line)
        op = Op(f["client"], f["license"], f["op"], f["request"], f["sent"], f["received"])
        if f["answer"] != "lost":
            op.answer = dict(f["answer"])
            op.status = op.answer.pop("status_code")
        if "until" in f:
            op.until = float("inf") if f["until"] is None else f["until"]
        return op

    def __repr__(self):
        return self.line()


def write(path, ops):
    with open(path, "w", encoding="utf-8") as file:
        for op in sorted(ops, key=lambda op: op.sent):
            file.write(op.line() + "\n")


def read(path):
    with open(path, encoding="utf-8") as file:
        return [Op.parse(line) for line in file if line.strip()]


class World:
    """The names under which things done to the server stand in a history. `client` is "world"; `sent` to `received` is when it took hold.

    begin: {ttl, revive_window, longest_gap, longest_request, wall, wall_slack, seats: {license: n}, overdraft, is_pulsed, claim, queue_limit,
        low_water, past}. `past`: what an earlier part of the history leaves behind, {epochs: {device: highest}, sequence, over: [session]}
    seats: {seats} · overdraft: {seats} · linger: {linger, hold}, by policy · suspend · reinstate · step: {offset}, of the wall clock
    reserve: {seats, members}; no seats where the reservation is gone · kill: {dead, spawned} · stop: {stopped, continued}
    """

    BEGIN, SEATS, OVERDRAFT, SUSPEND, REINSTATE = "begin", "seats", "overdraft", "suspend", "reinstate"
    LINGER, RESERVE, STEP, KILL, STOP = "linger", "reserve", "step", "kill", "stop"
    ALL = (BEGIN, SEATS, OVERDRAFT, LINGER, RESERVE, SUSPEND, REINSTATE, STEP, KILL, STOP)

    @staticmethod
    def mark(op, request, sent, received, license=None):
        return Op("world", license, op, request, sent, received, status=200, answer={})
