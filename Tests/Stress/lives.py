"""From a history to the lives of leases: since when and until when each surely lived, and when a device may have held a seat at all.

A life is a (session, epoch): SPEC says that whoever comes back does so under the next epoch. So all moments between two answers of one
life belong to it.
"""

from bisect import bisect_right

from bounds import FOREVER, Reach, Spans, SuffixLeast
from lending import Loan

RELEASES = ("release", "force")
# Said by a heartbeat: this session is over and never comes back.
FINAL = {"lease_released", "lease_ended_by_operator", "superseded", "license_suspended", "license_expired", "license_revoked"}


class Life:
    __slots__ = ("device", "session", "user", "epoch", "oks", "entry_from", "entry_to", "sure_until", "hold_until", "is_revival",
                 "may_go_on", "tenure_from", "given_from", "is_kept", "linger", "hold")

    def __init__(self, device, session, user, epoch):
        self.device, self.session, self.user, self.epoch, self.oks = device, session, user, epoch, []
        self.entry_from = self.entry_to = self.sure_until = self.hold_until = self.tenure_from = 0.0
        self.is_revival = self.may_go_on = self.is_kept = False
        self.linger = self.hold = (0,)

    def is_sure(self, start, end):
        """Whether it lived throughout start … end."""
        return self.entry_to <= start and self.sure_until > end

    @property
    def last(self):
        return self.oks[-1][2]


class Device:
    def __init__(self, name):
        self.name = name
        self.acquires, self.touches, self.asks = [], [], []  # asks: whatever may have asked for a place in the queue or for a seat
        self.lives = []  # by epoch
        self.spans = Spans([])  # when it may have held a seat, live, lent or lingering
        self.holds = Reach([])  # when it surely did
        self.traces = []  # (start, end, session or None, user): what `spans` is made of
        self.extensions = []  # (sent, latest effect, seconds, session or None, op), by sent
        self.loans, self.places = [], []
        self.place_sent, self.place_until = [], []  # of its places: when each was asked for, and the latest possible end so far
        self.entered, self.reached = [], []  # of its lives: when each had surely begun, and the latest sure end so far

    def life(self, start, end):
        """The newest life that surely lived throughout."""
        place = bisect_right(self.entered, start) - 1
        while place >= 0 and self.reached[place] > end:
            if self.lives[place].is_sure(start, end):
                return self.lives[place]
            place -= 1
        return None

    def others(self, user, start, end):
        """Acquires of the device by other users that may have had their effect meanwhile."""
        return [op for op in self.acquires if op.user != user and (op.is_ok or op.is_lost) and op.begun <= end and op.effect >= start]

    def beginning(self, start):
        """Since when what it holds may go on, over lives that were taken over and revived."""
        since = min(self.spans.since(start), start)
        for _ in range(4):
            earlier = min([since] + [life.given_from for life in self.lives if life.hold_until >= since and life.entry_from <= start])
            since = min(self.spans.since(earlier), earlier)
        return since

    def users(self, start, end):
        return {op.user for op in self.acquires + self.touches if (op.is_ok or op.is_lost) and op.begun <= end and op.effect >= start}


class Session:
    def __init__(self, name, device, user):
        self.name, self.device, self.user = name, device, user
        self.beats, self.ends = [], []  # ends: releases that may have had an effect
        self.lives = []
        self.dead_by, self.death = FOREVER, None


class Replay:
    """An answer given again for an Idempotency-Key: it says nothing of now."""

    def __init__(self, op, first):
        self.op, self.first = op, first


class Lives:
    def __init__(self, ops, time, wall, limits, begin):
        self.time, self.wall, self.limits, self.begin = time, wall, limits, begin
        self.devices, self.sessions, self.replays, self.strangers = {}, {}, [], []
        self.replayed = set()
        self._keys(ops)
        for op in ops:
            self._place(op)
        for device in self.devices.values():
            self._gather(device)
        for device in self.devices.values():
            for op in device.touches:
                if op.op == "borrow" and (op.is_ok or op.is_lost):
                    device.loans.append(Loan(op, device, self, device.loans))
        for session in self.sessions.values():
            self._bury(session)
        for device in self.devices.values():
            self._sure(device)
            self._possible(device)
        for device in self.devices.values():
            self._tenures(device)

    # Idempotency keys: of several requests with one key at most one has an effect.

    def _keys(self, ops):
        groups = {}
        for op in ops:
            if op.op == "acquire" and op.request.get("key"):
                groups.setdefault((op.user, op.request["key"]), []).append(op)
        for group in groups.values():
            if len(group) == 1:
                continue
            answered = sorted((op for op in group if op.is_ok), key=lambda op: op.received)
            if not answered:
                continue
            first = answered[0]
            lost = [op for op in group if op.is_lost and op.sent < first.received]
            first.begun = min([first.sent] + [op.sent for op in lost])
            for op in answered[1:]:
                self.replays.append(Replay(op, first))
                self.replayed.add(id(op))
            # What was sent after the answer can only replay it; what was lost before is the first's own effect or none.
            self.replayed.update(id(op) for op in group if op.is_lost)

    def _device(self, name):
        if name not in self.devices:
            self.devices[name] = Device(name)
        return self.devices[name]

    def _place(self, op):
        if op.op == "acquire":
            device = self._device(op.request["hardware_id"])
            if id(op) not in self.replayed or op.is_lost:
                device.asks.append(op)
            if id(op) in self.replayed:
                return
            device.acquires.append(op)
            if op.is_ok:
                name = op.answer["session_id"]
                session = self.sessions.get(name)
                if session is None:
                    session = self.sessions[name] = Session(name, device, op.user)
                elif session.device is not device or session.user != op.user:
                    self.strangers.append((op, session))
        elif op.op in RELEASES + ("heartbeat", "borrow"):
            session = self.sessions.get(op.request["session_id"])
            if session is None:
                return
            if op.op == "heartbeat" or op.op == "borrow":
                session.beats.append(op)
                if op.user == session.user or op.is_ok:
                    session.device.touches.append(op)
            elif op.is_ok or op.is_lost and (op.op == "force" or op.user == session.user):
                session.ends.append(op)

    # Lives, in the order of their epochs.

    def _gather(self, device):
        lives = {}

        def told(session, op, epoch):
            life = lives.get((session, epoch))
            if life is None:
                life = lives[(session, epoch)] = Life(device, session, self.sessions[session].user, epoch)
            life.oks.append((op.begun, op.received, op))

        lost = []
        for op in device.acquires + device.touches:
            if op.is_lost:
                lost.append(op)
            elif op.is_ok:
                session = op.answer["session_id"] if op.op == "acquire" else op.request["session_id"]
                told(session, op, op.answer.get("epoch"))
        for life in lives.values():
            life.oks.sort(key=lambda ok: (ok[0], ok[1]))
            first = min(life.oks, key=lambda ok: ok[1])
            life.entry_to = first[1]
            life.is_revival = first[2].op != "acquire"
            life.entry_from = min(ok[0] for ok in life.oks)
        # A lost request may have begun the life before anybody heard of it, but not before another one was last seen in its place.
        ordered = sorted(lives.values(), key=lambda life: (life.epoch, life.entry_to))
        denied = [(op.sent, op.received) for op in device.acquires if op.error == "no_seats_available" or op.is_waiting]
        for place, life in enumerate(ordered):
            floor = max([s for s, r in denied if r <= life.entry_to], default=-FOREVER)
            if place:
                floor = max([floor] + [ok[0] for ok in ordered[place - 1].oks if ok[1] <= life.entry_to])
            for op in lost:
                if op.sent < life.entry_to and op.until > floor and op.op != "borrow":
                    life.entry_from = min(life.entry_from, max(op.sent, floor))
                    life.is_revival = False if op.op == "acquire" else life.is_revival
        device.lives = ordered
        for life in ordered:
            lives = self.sessions[life.session].lives
            lives.append(life)
            # A revival goes on under the terms on which the seat was given.
            life.given_from = lives[0].entry_from
            life.linger = self.limits.linger.during(lives[0].entry_from, lives[0].entry_to)
            life.hold = self.limits.hold.during(lives[0].entry_from, lives[0].entry_to)

    def _bury(self, session):
        top = max((life.epoch for life in session.lives), default=0)

        def dead(moment, op):
            if moment < session.dead_by:
                session.dead_by, session.death = moment, op

        for op in session.ends:
            if op.is_ok:
                dead(op.received, op)
        for op in session.beats:
            if op.status in (403, 409) and op.error in FINAL:
                if op.error == "superseded" and op.request.get("epoch") is not None:
                    continue  # it may mean the epoch alone, as after a revival whose answer was lost
                if op.error == "license_suspended" and (op.op == "borrow" or self.may_be_lent(session.device, op.sent, op.received)):
                    continue  # a lent lease goes on
                dead(op.received, op)
        for life in session.device.lives:
            if life.epoch > top and life.session != session.name:
                dead(life.entry_to, life.oks[0][2])

    # Bounds.

    def _sure(self, device):
        """Until when each life surely lives, and its device surely holds its seat."""
        ttl, time = self.begin["ttl"], self.time
        suspensions = [(s[0], s[3], None) for s in self.limits.suspensions]
        ends = [(op.sent, op.effect, op) for life in device.lives for op in self.sessions[life.session].ends]
        for life in device.lives:
            own = suspensions + [end for end in ends if end[2].request["session_id"] == life.session]
            taken = own + [(op.begun, op.effect, op) for op in device.acquires if op.user != life.user and (op.is_ok or op.is_lost)]
            held = suspensions + ends
            life.sure_until = life.hold_until = -FOREVER
            for moment, _, op in life.oks:
                end = time.earliest_end(moment, ttl)
                life.sure_until = max(life.sure_until, self._cut(moment, end, taken))
                life.hold_until = max(life.hold_until, self._cut(moment, end, held))
            for loan in device.loans:
                if loan.is_sure and (loan.session, loan.op.answer["epoch"]) == (life.session, life.epoch):
                    life.sure_until = max(life.sure_until, self._cut(loan.sent, loan.sure_until, taken, but="force"))
                    life.hold_until = max(life.hold_until, loan.sure_until)
            self._linger(device, life)
        # The lives of one device by the order of their epochs: so also by time, where nothing is wrong.
        device.entered = []
        for life in device.lives:
            device.entered.append(max([life.entry_to] + device.entered[-1:]))
        device.reached = [life.sure_until for life in device.lives]
        for place in range(1, len(device.reached)):
            device.reached[place] = max(device.reached[place], device.reached[place - 1])
        device.holds = Reach([(life.entry_to, life.hold_until) for life in device.lives])

    @staticmethod
    def _cut(moment, end, windows, but=None):
        for start, until, op in windows:
            if until > moment and (but is None or op is None or op.op != but):
                end = min(end, max(start, moment))
        return end

    def _linger(self, device, life):
        """Released by its holder while it surely lived, the seat stays its device's by the terms on which it was given."""
        session = self.sessions[life.session]
        own = [op for op in session.ends if op.op == "release" and op.is_ok and op.user == session.user]
        if len(own) != 1 or max(life.linger) + max(life.hold) == 0 or min(life.linger) + min(life.hold) == 0:
            return
        release = own[0]
        before = [ok[0] for ok in life.oks if ok[1] <= release.sent]
        others = [op for op in session.ends if op is not release and op.sent <= release.received]
        if not before or others or self.may_be_lent(device, release.sent, release.received):
            return
        alive = self.time.earliest_end(max(before), self.begin["ttl"])
        alive = self._cut(max(before), alive, [(s[0], s[3], None) for s in self.limits.suspensions])
        alive = self._cut(max(before), alive, [(op.begun, op.effect, op) for op in device.others(life.user, max(before), release.received)])
        if alive <= release.received:
            return
        until = self.time.earliest_end(release.sent, min(life.linger)) if min(life.linger) else -FOREVER
        if min(life.hold):
            until = max(until, self.time.earliest_end(life.given_from, min(life.hold)))
        cuts = [(op.sent, op.effect, op) for op in session.ends if op.op == "force"]
        cuts += [(op.begun, op.effect, op) for op in device.acquires if op.is_ok or op.is_lost]
        for start, effect, _ in cuts:
            if effect > release.sent:
                until = min(until, max(start, release.sent))
        life.hold_until = max(life.hold_until, until)

    def _possible(self, device):
        ttl, time = self.begin["ttl"], self.time
        extensions = []
        for op in device.acquires + device.touches:
            if not op.is_ok and not op.is_lost:
                continue
            seconds = ttl if op.op != "borrow" else next(loan.seconds for loan in device.loans if loan.op is op)
            session = op.request["session_id"] if op.op != "acquire" else op.answer["session_id"] if op.is_ok else None
            extensions.append((op.begun, op.effect, seconds, session, op))
        extensions.sort(key=lambda e: e[0])
        device.extensions = extensions
        denied = SuffixLeast([(op.sent, op.received) for op in device.acquires if op.error == "no_seats_available" or op.is_waiting])
        answered = SuffixLeast([
            (op.begun, op.received) for op in device.acquires
            if op.is_ok or op.error == "no_seats_available" or op.is_waiting])
        expired = {}
        for op in device.touches:
            if op.error == "lease_expired":
                expired.setdefault(op.request["session_id"], []).append((op.sent, op.received))
        expired = {name: SuffixLeast(pairs) for name, pairs in expired.items()}
        spans = []
        for start, effect, seconds, session, op in extensions:
            end = time.latest_end(effect, seconds) + 1.0
            end = min(end, denied.after(effect))
            if op.op == "borrow":
                pass
            elif session is None:
                end = min(end, answered.after(effect))
            else:
                end = min(end, self.sessions[session].dead_by)
                if session in expired:
                    end = min(end, expired[session].after(effect))
            spans.append((start, end))
        for loan in device.loans:
            if loan.home < FOREVER:
                spans = [(s, min(e, loan.home)) if x[4] is loan.op else (s, e) for (s, e), x in zip(spans, extensions)]
        lingering = self._lingering(device, denied)
        device.spans = Spans(spans + [(start, end) for start, end, _ in lingering])
        device.traces = [(s, e, x[3], x[4].user) for (s, e), x in zip(spans, extensions)] + [(s, e, name, None) for s, e, name in lingering]

    def _lingering(self, device, denied):
        """When a seat that was given back may have lingered."""
        spans = []
        for name in {life.session for life in device.lives}:
            session = self.sessions[name]
            linger, hold = max(max(life.linger) for life in session.lives), max(max(life.hold) for life in session.lives)
            begun = max(life.entry_to for life in session.lives)
            for op in session.ends:
                if op.op != "release" or linger + hold == 0:
                    continue
                end = max(self.time.latest_end(op.effect, linger), self.time.latest_end(begun, hold) if hold else 0) + 1.0
                end = min([end, denied.after(op.effect)] + [x.received for x in session.ends if x.op == "force" and x.is_ok and x.sent > op.effect])
                spans.append((op.sent, end, name))
        return spans

    def _tenures(self, device):
        """A life may begin on the seat that its device has already: taken over by another user, or while it lingers."""
        for before, life in zip([None] + device.lives, device.lives):
            life.tenure_from = life.entry_from
            # Its own lost requests are no earlier life.
            earlier = (end for start, end, name, user in device.traces
                       if name != life.session and (name is not None or user != life.user) and start < life.entry_to)
            if max(earlier, default=-FOREVER) >= life.entry_from:
                life.may_go_on = True
                life.tenure_from = min(life.entry_from, device.spans.since(life.entry_from), *(x.tenure_from for x in [before] if x))

    # Loans.

    def may_be_lent(self, device, start, end):
        return any(loan.may_be_out(start, end) for loan in device.loans)

    # Counts.

    def sure(self, start, end):
        """A life of each device that surely lived throughout."""
        found = (device.life(start, end) for device in self.devices.values())
        return [life for life in found if life is not None]

    def holders(self, start, end, but=None):
        """The devices that surely held a seat throughout."""
        return [device for device in self.devices.values() if device is not but and device.holds.covers(start, end)]

    def witness(self, device, start, end):
        """What shows that the device held a seat."""
        return max((life for life in device.lives if life.entry_to <= start), key=lambda life: life.hold_until)

    def seen(self, life, start, end):
        """Whether whoever only looks sees it live throughout.

        A look writes nothing down: what is being renewed meanwhile it may see expired, and after a kill time may lie before it.
        """
        last = max((moment for moment, received, _ in life.oks if received <= start), default=None)
        return last is not None and self.time.earliest_end(last, self.begin["ttl"]) > end

    def possible(self, start, end, but=None):
        """How many devices may have held a seat at some moment."""
        return sum(1 for device in self.devices.values() if device is not but and device.spans.meets(start, end))
