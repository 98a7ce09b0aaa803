"""From a history to the lives of leases: since when and until when each surely lived, and when a device may have held a seat at all.

A life is a (session, epoch): SPEC says that whoever comes back does so under the next epoch. So all moments between two answers of one
life belong to it.
"""

from bisect import bisect_left

from bounds import FOREVER, Spans

RELEASES = ("release", "force")
# Said by a heartbeat: this session is over and never comes back.
FINAL = {"lease_released", "lease_ended_by_operator", "superseded", "license_suspended", "license_expired", "license_revoked"}


class Life:
    __slots__ = ("device", "session", "epoch", "oks", "entry_from", "entry_to", "sure_until", "is_revival")

    def __init__(self, device, session, epoch):
        self.device, self.session, self.epoch, self.oks = device, session, epoch, []
        self.entry_from = self.entry_to = self.sure_until = 0.0
        self.is_revival = False

    def is_sure(self, start, end):
        """Whether it lived throughout start … end."""
        return self.entry_to <= start and self.sure_until > end

    @property
    def last(self):
        return self.oks[-1][2]


class SuffixLeast:
    """The least `received` among the ops sent at or after a moment."""

    def __init__(self, pairs):
        pairs = sorted(pairs)
        self.sent, self.least = [s for s, _ in pairs], [r for _, r in pairs]
        for place in range(len(pairs) - 2, -1, -1):
            self.least[place] = min(self.least[place], self.least[place + 1])

    def after(self, moment):
        place = bisect_left(self.sent, moment)
        return self.least[place] if place < len(self.least) else FOREVER


class Device:
    def __init__(self, name):
        self.name = name
        self.acquires, self.touches = [], []
        self.lives = []  # by epoch
        self.spans = Spans([])
        self.extensions = []  # (sent, latest effect, session or None, op), by sent


class Session:
    def __init__(self, name, device):
        self.name, self.device = name, device
        self.beats, self.ends = [], []  # ends: releases of any outcome
        self.lives = []
        self.dead_by, self.death = FOREVER, None


class Replay:
    """An answer given again for an Idempotency-Key: it says nothing of now."""

    def __init__(self, op, first):
        self.op, self.first = op, first


class Lives:
    def __init__(self, ops, time, limits, begin):
        self.time, self.limits, self.begin = time, limits, begin
        self.devices, self.sessions, self.replays, self.strangers = {}, {}, [], []
        self.effect_from = {}  # id(op): the earliest moment of its effect, where that is not `sent`
        self.replayed = set()
        self._keys(ops)
        for op in ops:
            self._place(op)
        for device in self.devices.values():
            self._gather(device)
        for session in self.sessions.values():
            self._bury(session)
        for device in self.devices.values():
            self._bound(device)

    def from_(self, op):
        return self.effect_from.get(id(op), op.sent)

    # Idempotency keys: of several requests with one key at most one has an effect.

    def _keys(self, ops):
        groups = {}
        for op in ops:
            if op.op == "acquire" and op.request.get("key"):
                groups.setdefault(op.request["key"], []).append(op)
        for group in groups.values():
            if len(group) == 1:
                continue
            answered = sorted((op for op in group if op.is_ok), key=lambda op: op.received)
            if not answered:
                continue
            first = answered[0]
            lost = [op for op in group if op.is_lost and op.sent < first.received]
            self.effect_from[id(first)] = min([first.sent] + [op.sent for op in lost])
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
            if id(op) in self.replayed:
                return
            device = self._device(op.request["hardware_id"])
            device.acquires.append(op)
            if op.is_ok:
                name = op.answer["session_id"]
                session = self.sessions.get(name)
                if session is None:
                    session = self.sessions[name] = Session(name, device)
                elif session.device is not device:
                    self.strangers.append((op, session))
        elif op.op in RELEASES + ("heartbeat",):
            session = self.sessions.get(op.request["session_id"])
            if session is None:
                return
            if op.op == "heartbeat":
                session.beats.append(op)
                session.device.touches.append(op)
            elif op.is_ok or op.is_lost:
                session.ends.append(op)

    # Lives, in the order of their epochs.

    def _gather(self, device):
        lives = {}

        def told(session, op, epoch):
            life = lives.get((session, epoch))
            if life is None:
                life = lives[(session, epoch)] = Life(device, session, epoch)
            life.oks.append((self.from_(op), op.received, op))

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
            life.is_revival = first[2].op == "heartbeat"
            life.entry_from = min(ok[0] for ok in life.oks)
        # A lost request may have begun the life before anybody heard of it, but not before another one was last seen in its place.
        ordered = sorted(lives.values(), key=lambda life: (life.epoch, life.entry_to))
        denied = [(op.sent, op.received) for op in device.acquires if op.error == "no_seats_available"]
        for place, life in enumerate(ordered):
            floor = max([s for s, r in denied if r <= life.entry_to], default=-FOREVER)
            if place:
                floor = max([floor] + [ok[0] for ok in ordered[place - 1].oks if ok[1] <= life.entry_to])
            for op in lost:
                if op.sent < life.entry_to and op.until > floor:
                    life.entry_from = min(life.entry_from, max(op.sent, floor))
                    life.is_revival = False if op.op == "acquire" else life.is_revival
        device.lives = ordered
        for life in ordered:
            self.sessions[life.session].lives.append(life)

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
                dead(op.received, op)
        for life in session.device.lives:
            if life.epoch > top and life.session != session.name:
                dead(life.entry_to, life.oks[0][2])

    # Bounds.

    def _bound(self, device):
        ttl, time = self.begin["ttl"], self.time
        for life in device.lives:
            windows = [(op.sent, op.received if op.is_ok else op.until) for op in self.sessions[life.session].ends]
            windows += [(s[0], s[3]) for s in self.limits.suspensions]
            for moment, _, _ in life.oks:
                end = time.earliest_end(moment, ttl)
                for start, until in windows:
                    if until > moment:
                        end = min(end, max(start, moment))
                life.sure_until = max(life.sure_until, end)
        extensions = []
        for op in device.acquires + device.touches:
            if not op.is_ok and not op.is_lost:
                continue
            session = op.request["session_id"] if op.op == "heartbeat" else op.answer["session_id"] if op.is_ok else None
            extensions.append((self.from_(op), op.received if op.is_ok else op.until, session, op))
        extensions.sort(key=lambda e: e[0])
        device.extensions = extensions
        denied = SuffixLeast([(op.sent, op.received) for op in device.acquires if op.error == "no_seats_available"])
        answered = SuffixLeast(
            [(self.from_(op), op.received) for op in device.acquires if op.is_ok or op.error == "no_seats_available"])
        expired = {}
        for op in device.touches:
            if op.error == "lease_expired":
                expired.setdefault(op.request["session_id"], []).append((op.sent, op.received))
        expired = {name: SuffixLeast(pairs) for name, pairs in expired.items()}
        spans = []
        for start, effect, session, _ in extensions:
            end = time.latest_end(effect, ttl) + 1.0
            end = min(end, denied.after(effect))
            if session is None:
                end = min(end, answered.after(effect))
            else:
                end = min(end, self.sessions[session].dead_by)
                if session in expired:
                    end = min(end, expired[session].after(effect))
            spans.append((start, end))
        device.spans = Spans(spans)

    # Counts.

    def sure(self, start, end, but=None):
        """A life of each device that surely held a seat throughout."""
        found = []
        for device in self.devices.values():
            if device is but:
                continue
            for life in reversed(device.lives):
                if life.is_sure(start, end):
                    found.append(life)
                    break
                if life.sure_until < start:
                    break
        return found

    def seen(self, life, start, end):
        """Whether whoever only looks sees it live throughout.

        A look writes nothing down: what is being renewed meanwhile it may see expired, and after a kill time may lie before it.
        """
        last = max((moment for moment, received, _ in life.oks if received <= start), default=None)
        return last is not None and self.time.earliest_end(last, self.begin["ttl"]) > end

    def possible(self, start, end, but=None):
        """How many devices may have held a seat at some moment."""
        return sum(1 for device in self.devices.values() if device is not but and device.spans.meets(start, end))
