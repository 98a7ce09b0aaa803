"""Finds in a history what SPEC forbids. Knows the wire and SPEC, nothing of how a ledger works.

Whatever is not sure speaks for the server: each rule compares the least that must have been with the most that may have been.
"""

from bounds import FOREVER, Limits, Time, Wall
from history import World
from lending import told as moment
from lives import Lives
from pool import Pool
from waiting import Queue


class Violation:
    def __init__(self, rule, sentence, evidence):
        self.rule, self.sentence = rule, sentence
        self.evidence = sorted({id(op): op for op in evidence}.values(), key=lambda op: op.sent)

    @property
    def at(self):
        return self.evidence[-1].received

    def __str__(self):
        return "\n".join([f"{self.rule}: {self.sentence}"] + ["    " + op.line() for op in self.evidence])


EXPECTED = {
    "acquire": {(200, None), (202, None), (429, "no_seats_available"), (403, "license_suspended")},
    "heartbeat": {
        (200, None), (409, "lease_released"), (409, "lease_expired"), (409, "superseded"), (409, "lease_ended_by_operator"),
        (403, "license_suspended"), (403, "not_lease_holder")},
    "release": {(200, None), (403, "not_lease_holder"), (409, "borrow_returned_before")},
    "force": {(200, None), (409, "lease_is_borrowed")},
    "borrow": {
        (200, None), (404, "not_found"), (409, "lease_released"), (409, "lease_expired"), (409, "superseded"),
        (409, "lease_ended_by_operator"), (403, "license_suspended"), (403, "not_lease_holder"), (409, "borrow_limit_reached"),
        (409, "lease_of_other_device")},
    "list": {(200, None)},
}


def check(ops):
    """Every violation, the earliest first."""
    world = sorted((op for op in ops if op.client == "world"), key=lambda op: op.sent)
    asked = [op for op in ops if op.client != "world"]
    begin = dict(next(op for op in world if op.op == World.BEGIN).request)
    begin["time"] = min(op.sent for op in world if op.op == World.BEGIN)
    for op in asked:
        if op.status == 503:  # it says that it does not know
            op.status, op.answer, op.until = None, None, None
        if op.is_lost:
            settle(op, world, begin["longest_request"])
    keys = set()
    for op in sorted((op for op in asked if op.request.get("key")), key=lambda op: op.sent):
        op.again = op.request["key"] in keys
        keys.add(op.request["key"])
    time, wall = Time(world, [op for op in asked if not op.is_lost], begin), Wall(world, begin)
    found = []
    for license in begin["seats"]:
        mine = sorted((op for op in asked if op.license == license), key=lambda op: op.sent)
        found += Checker(mine, time, wall, Limits(license, world, begin), begin).run()
    return sorted(found, key=lambda violation: violation.at)


def settle(op, world, longest):
    """A lost request may still be under way when its client has given up. A dead server does nothing more."""
    if op.until is None:
        op.until = op.received + longest
        op.until += sum(o.received - o.sent for o in world if o.op == World.STOP and op.sent < o.received and o.sent < op.until)
    for other in world:
        if other.op == World.KILL and other.request["dead"] > op.sent:
            op.until = min(op.until, max(other.request["dead"], op.sent))
            break


class Checker:
    def __init__(self, ops, time, wall, limits, begin):
        self.ops, self.time, self.wall, self.limits, self.begin = ops, time, wall, limits, begin
        self.ttl, self.window = begin["ttl"], begin["revive_window"]
        self.lives = Lives(ops, time, wall, limits, begin)
        self.queue = Queue(self.lives, begin)
        self.pool = Pool(self)
        self.past = begin.get("past", {})
        self.over = set(self.past.get("over", ()))
        self.found = []

    def blame(self, rule, sentence, *evidence):
        self.found.append(Violation(rule, sentence, evidence))

    def run(self):
        for op in self.ops:
            if op.is_lost:
                continue
            if (op.status, op.error) not in EXPECTED[op.op]:
                if op.status == 404 and (op.request.get("session_id") in self.lives.sessions or op.request.get("session_id") in self.over):
                    self.blame("forgotten", "a session that was given out is unknown", op)
                else:
                    self.blame("unexpected answer", f"{op.op} answered {op.status} {op.error}", op)
                continue
            getattr(self, op.op)(op)
        for replay in self.lives.replays:
            same = ("session_id", "epoch", "license_id", "expires_at", "seats_used", "seats_total")
            if any(replay.op.answer.get(name) != replay.first.answer.get(name) for name in same):
                self.blame("idempotency", "one Idempotency-Key got two different answers", replay.first, replay.op)
        for op, session in self.lives.strangers:
            self.blame("two devices", f"a session of {session.device.name} was given to another device", op)
        for device in self.lives.devices.values():
            self.device(device)
            self.pool.device(device)
        for life in self.pool.entered:
            self.pool.entry(life.device, life)
        self.receipts()
        return self.found

    def receipts(self):
        """Each act has a number of its own, and a later act a higher one."""
        told = [op for op in self.ops if not op.is_lost and "receipt" in op.answer and id(op) not in self.lives.replayed]
        told.sort(key=lambda op: op.answer["receipt"]["sequence"])
        newest = None
        for before, op in zip([None] + told, told):
            receipt, start = op.answer["receipt"], op.begun
            if before is not None and before.answer["receipt"]["sequence"] == receipt["sequence"]:
                self.blame("receipt", "two receipts have one number", before, op)
            if newest is not None and newest.begun > op.received:
                self.blame("receipt", "the receipt of a later act has a lower number", newest, op)
            if newest is None or start > newest.begun:
                newest = op
            if op.is_ok and (receipt["epoch"] != op.answer.get("epoch", receipt["epoch"]) or receipt["session_id"] not in (
                    op.answer.get("session_id"), op.request.get("session_id"))):
                self.blame("receipt", "the receipt tells of another lease", op)
        numbers = {op.answer["receipt"]["sequence"] for op in told}
        first = self.past.get("sequence", min(numbers, default=1) - 1) + 1
        if numbers and min(numbers) < first:
            self.blame("receipt", f"after the receipt with number {first - 1} came one with a lower number", told[0])
        missing = len(numbers) and max(numbers) - first + 1 - len(numbers)
        # Acts whose answers were lost have the missing ones, and refusals of a suspended licence may.
        unheard = sum(1 for op in self.ops if "receipt" not in (op.answer or {}) and (op.is_lost or op.status == 403))
        if missing > unheard:
            self.blame("receipt", f"{missing} numbers are missing, and only {unheard} acts went unheard", told[-1])

    # Lives.

    def device(self, device):
        newest = None
        for life in device.lives[:1]:
            if life.epoch <= self.past.get("epochs", {}).get(device.name, 0):
                self.blame("epoch", "a new life has an epoch that the device had already", life.oks[0][2])
        for before, life in zip([None] + device.lives, device.lives):
            if before is not None and before.session != life.session and before.epoch == life.epoch:
                self.blame("epoch", "two lives of a device have one epoch", before.last, life.last)
            if newest is not None and newest.entry_from > life.entry_to:
                self.blame("epoch", "a later life has a lower epoch", life.oks[0][2], newest.oks[0][2])
            if newest is None or life.entry_from > newest.entry_from:
                newest = life
            if before is not None and before.sure_until > life.entry_to and before.user == life.user:
                self.blame("replaced alive", "a device has a new life while the one before surely lives", before.last, life.oks[0][2])
        self.lateness(device)
        for life in device.lives:
            session = self.lives.sessions[life.session]
            for moment, _, op in life.oks:
                if moment >= session.dead_by:
                    self.blame("revived", "a lease that was over answers ok", session.death, op)

    def lateness(self, device):
        """Past its end a lease goes on as a new epoch or not at all, and after the revive window not at all."""
        latest = latest_revival = -FOREVER
        extensions = device.extensions
        for place, (start, effect, seconds, session, op) in enumerate(extensions):
            is_alone = place + 1 == len(extensions) or extensions[place + 1][0] > effect
            if op.is_ok and is_alone:
                life = next(x for x in self.lives.sessions[session].lives if x.epoch == op.answer["epoch"])
                is_first = life.oks[0][2] is op
                if not is_first and start > latest + 1.0:
                    self.blame("revived expired", "an expired lease goes on under its epoch", life.oks[0][2], op)
                elif is_first and op.op == "heartbeat" and start > latest_revival + 1.0:
                    self.blame("revived too late", f"a heartbeat revives more than {self.window} s after the end", op)
            latest = max(latest, self.time.latest_end(effect, seconds))
            latest_revival = max(latest_revival, self.time.latest_end(effect, seconds + self.window))

    # Answers.

    def acquire(self, op):
        start, end, answer = op.begun, op.received, op.answer
        if id(op) in self.lives.replayed:
            return
        device = self.lives.devices[op.request["hardware_id"]]
        if op.status == 403:
            if not self.limits.may_be_suspended(start, end):
                self.blame("suspended for nothing", "the licence is not suspended", op)
            return
        life = device.life(start, end)
        if not op.is_ok:
            self.refused(op, device, life)
            return
        if self.limits.is_suspended(start, end):
            self.blame("suspended", "a seat was given under a suspended licence", op)
        if life is not None and life.user == op.user and (life.session, life.epoch) != (answer["session_id"], answer["epoch"]):
            self.blame("same device", "the lease lives, and the device got another", life.last, op)
        self.figures(op, start, end, answer, device)
        if not 1 <= answer["heartbeat_interval"] <= self.ttl * 5 / 6:
            self.blame("figures", f"heartbeat_interval is {answer['heartbeat_interval']}", op)
        self.end_told(op, start, end, answer["expires_at"], device)

    def refused(self, op, device, life):
        """A refusal, or a place in the queue."""
        start, end, answer = op.begun, op.received, op.answer
        if life is not None:
            self.blame("own lease refused", "a device whose lease lives was refused", life.last, op)
        elif device.holds.covers(start, end):
            self.blame("own lease refused", "a device was refused its own seat", self.lives.witness(device, start, end).last, op)
        self.pool.refused(op, device, start, end)
        most = self.ttl + 1
        if max(self.limits.linger.during(-FOREVER, end)) + max(self.limits.hold.during(-FOREVER, end)):
            most = FOREVER
        if not 1 <= answer.get("retry_after", 0) <= most and not any(d.loans for d in self.lives.devices.values()):
            self.blame("figures", f"retry_after is {answer.get('retry_after')}", op)
        self.figures(op, start, end, answer)

    def figures(self, op, start, end, answer, device=None):
        own = 0 if device is None else 1
        totals = self.limits.seats.during(start, end)
        if answer.get("seats_total") not in totals:
            self.blame("figures", f"seats_total is {answer.get('seats_total')}, and may be {sorted(set(totals))}", op)
        used = answer.get("seats_used", -1)
        most = self.lives.possible(start, end, but=device) + own
        if used == most:
            return
        sure = self.lives.holders(start, end, but=device)
        if not len(sure) + own <= used <= most:
            self.blame("figures", f"seats_used is {used}, and lies in {len(sure) + own} … {most}", op)

    def end_told(self, op, start, end, text, device):
        told = moment(text)
        earliest, latest = self.wall.during(start, end)
        slack = self.begin["wall_slack"]
        # A lent lease lives on to its file's end.
        most = FOREVER if self.lives.may_be_lent(device, start, end) else latest + self.ttl + 1 + slack
        if not earliest + self.ttl - 2 - slack <= told <= most:
            self.blame("expires_at", f"expires_at is {text}: {told - earliest:.1f} s on, and a lease has {self.ttl} s", op)

    def heartbeat(self, op):
        session = self.lives.sessions.get(op.request["session_id"])
        if session is None:
            if op.is_ok:
                self.blame("revived", "a heartbeat passed with a session that was over long ago, or that nobody was given", op)
            return
        if not self.is_holder(op, session):
            return
        start, end, epoch = op.sent, op.received, op.request.get("epoch")
        known = max((life.epoch for life in session.lives if life.entry_to <= start), default=None)
        if op.is_ok:
            if self.limits.is_suspended(start, end):
                self.blame("suspended", "a heartbeat passed under a suspended licence", op)
            if op.answer["expires_in"] != self.ttl:
                self.blame("expires_in", f"expires_in is {op.answer['expires_in']}, and a lease has {self.ttl} s", op)
            if epoch is not None and epoch < op.answer["epoch"]:
                is_revived = op.answer.get("resurrected") and op.answer["epoch"] == epoch + 1
                if not is_revived or (known is not None and known > epoch):
                    self.blame("old epoch", f"epoch {epoch} was accepted, the lease's is {op.answer['epoch']}", op)
            if known is not None and op.answer["epoch"] > known and not op.answer.get("resurrected"):
                self.blame("epoch", "a new epoch is not marked resurrected", op)
            return
        life = self.life(session, start, end)
        is_stale = epoch is not None and known is not None and epoch < known
        if life is not None and not is_stale and not (op.error == "license_suspended" and self.limits.may_be_suspended(start, end)):
            self.blame("killed", f"a lease that surely lives is answered {op.error}", life.last, op)
        self.reason(op, session, is_stale)
        if op.error == "lease_expired":
            self.unrevived(op, session)

    @staticmethod
    def life(session, start, end):
        return next((life for life in session.lives if life.is_sure(start, end)), None)

    def reason(self, op, session, is_stale):
        """What a heartbeat is told has happened."""
        before = [end for end in session.ends if end.sent < op.received]
        others = session.device.lives[-1].epoch > max((life.epoch for life in session.lives), default=0)
        is_lost = any(x.is_lost and x.sent < op.received for x in session.device.acquires + session.beats)
        what = op.error
        if what == "lease_released" and not any(x.op == "release" for x in before):
            self.blame("reason", "told released, and nobody released it", op)
        if what == "lease_ended_by_operator":
            if op.answer.get("reason") not in [x.request["reason"] for x in before if x.op == "force"]:
                self.blame("reason", "told ended by an operator, with a reason that none gave", op)
        if what == "superseded" and not is_stale and not others and not is_lost:
            if op.request.get("epoch") is None or len(session.lives) < 2:
                self.blame("reason", "told superseded, and the device has no newer life", op)
        if what == "license_suspended" and not any(s[0] < op.received for s in self.limits.suspensions):
            self.blame("suspended for nothing", "the licence was never suspended", op)
        if what == "lease_ended_by_operator" or is_stale or not session.lives:
            return
        # Ended by an operator while it lived, and by nobody else: then its holder is told so, and why.
        force = session.ends[0] if session.ends else None
        if force is None or force.op != "force" or not force.is_ok or len(session.ends) > 1 or force.received > op.sent:
            return
        if any(s[0] < force.received for s in self.limits.suspensions):
            return
        last = max((ok[0] for life in session.lives for ok in life.oks if ok[1] <= force.sent), default=None)
        if last is not None and session.device.others(session.user, last, force.received):
            return
        if last is not None and self.time.earliest_end(last, self.ttl) > force.received:
            self.blame("reason", f"ended by an operator, and told {op.error}", force, op)

    def unrevived(self, op, session):
        """Late, within the window, its seat surely free: it comes back."""
        top = max((life.epoch for life in session.lives), default=0)
        if any(end.sent < op.received for end in session.ends) or not top:
            return
        if any(life.epoch > top and life.entry_from < op.received for life in session.device.lives):
            return
        if self.limits.may_be_suspended(session.lives[0].entry_from, op.received):
            return
        last = max((ok[0] for life in session.lives for ok in life.oks if ok[1] <= op.sent), default=None)
        if last is None or op.received > self.time.earliest_end(last, self.ttl + self.window):
            return
        since = self.time.earliest_end(last, self.ttl)
        if since > op.received:
            return
        # Newcomers take seats that nobody lost first, then of those who are late the longest: only when all others are taken, this one.
        entries = 0
        for device in self.lives.devices.values():
            entries += device is not session.device and sum(1 for life in device.lives if life.entry_to >= since and life.entry_from <= op.received)
            entries += sum(1 for x in device.acquires if x.is_lost and x.until >= since and x.sent <= op.received)
        possible = self.lives.possible(since, op.received, but=session.device) + self.pool.kept_at_most(session.device, since, op.received)
        if possible + entries < min(self.limits.seats.during(since, op.received)):
            self.blame("not revived", "late by less than the window, its seat surely free, and refused", op)

    def is_holder(self, op, session):
        """Only its holder may use a lease."""
        if op.error == "not_lease_holder":
            if op.user == session.user:
                self.blame("holder", "a lease's holder is told that it is another's", op)
            return False
        if op.user != session.user and op.error != "not_found":
            self.blame("holder", f"{op.op} of another user's lease", op)
            return False
        return op.user == session.user

    def release(self, op):
        session = self.lives.sessions.get(op.request["session_id"])
        if session is not None and self.is_holder(op, session):
            self.pool.release(op, session)

    def force(self, op):
        session = self.lives.sessions.get(op.request["session_id"])
        if session is not None:
            self.pool.force(op, session)

    def borrow(self, op):
        session = self.lives.sessions.get(op.request["session_id"])
        if session is not None and self.is_holder(op, session):
            self.pool.borrow(op, session)

    def list(self, op):
        start, end = op.sent, op.received
        rows = op.answer["sessions"]
        names = [row["hostname"] for row in rows]
        for name in {name for name in names if names.count(name) > 1}:
            self.blame("same device", f"{name} is listed with two sessions", op)
        for row in rows:
            session, device = self.lives.sessions.get(row["session_id"]), self.lives.devices.get(row["hostname"])
            if session is not None and session.dead_by <= start:
                self.blame("listed", "a lease that is over is listed as live", session.death, op)
            elif device is None or not device.spans.meets(start, end):
                self.blame("listed", f"{row['hostname']} cannot have a lease, and is listed", op)
        listed = {(row["session_id"], row["epoch"]) for row in rows}
        for life in self.lives.sure(start, end):
            if (life.session, life.epoch) not in listed and self.lives.seen(life, start, end):
                self.blame("listed", "a lease that surely lives is not listed", life.last, op)
