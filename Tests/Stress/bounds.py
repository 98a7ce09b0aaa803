"""What can be known of time and limits from outside: never a moment, always an earliest and a latest."""

from bisect import bisect_left, bisect_right

from history import World

FOREVER = float("inf")


def merged(segments):
    """Segments that touch become one; sorted."""
    found = []
    for start, end in sorted(segments):
        if end <= start:
            continue
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


class Spans:
    """Disjoint spans of time, asked many times whether one of them meets an interval."""

    def __init__(self, segments):
        found = merged(segments)
        self.starts, self.ends = [s for s, _ in found], [e for _, e in found]

    def meets(self, start, end):
        """Whether some moment of start … end lies in a span."""
        place = bisect_right(self.starts, end) - 1
        return place >= 0 and self.ends[place] >= start

    def covers(self, start, end):
        """Whether every moment of start … end lies in one span."""
        place = bisect_right(self.starts, start) - 1
        return place >= 0 and self.ends[place] > end

    def since(self, moment):
        """Since when the span lasts in which `moment` lies, or the one before it."""
        place = bisect_right(self.starts, moment) - 1
        return self.starts[place] if place >= 0 else moment


class Reach:
    """Spans that may overlap: until when the one that reaches farthest lasts, of those that began by a moment."""

    def __init__(self, spans):
        spans = sorted(spans, key=lambda span: span[0])
        self.starts, self.ends, farthest = [start for start, _ in spans], [], -FOREVER
        for _, end in spans:
            farthest = max(farthest, end)
            self.ends.append(farthest)

    def covers(self, start, end):
        place = bisect_right(self.starts, start) - 1
        return place >= 0 and self.ends[place] > end


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


class Time:
    """When a lease ends: its life in ledger seconds, plus the outages that are given back.

    Ledger time never runs ahead of real time, and may stand still only while the server did not run. Of a freeze at most
    `longest_gap` seconds count; a restart goes on at the last reading that was written.
    """

    def __init__(self, world, acks, begin):
        gap = begin["longest_gap"]
        sure, maybe = [], []
        writes = sorted((op.received, op.sent) for op in acks if op.op in ("acquire", "heartbeat", "release", "borrow") and op.is_ok and not op.again)
        received = [r for r, _ in writes]
        newest, newest_sent = [], -FOREVER
        for _, sent in writes:
            newest_sent = max(newest_sent, sent)
            newest.append(newest_sent)
        for op in world:
            if op.op == World.STOP:
                sure.append((op.request["stopped"] + gap, op.request["continued"]))
                maybe.append((op.sent, op.received))
            elif op.op == World.KILL:
                sure.append((op.request["dead"], op.request["spawned"]))
                place = bisect_right(received, op.sent) - 1
                written = newest[place] if place >= 0 else begin["time"]
                maybe.append((written - gap, op.received))
        if begin.get("is_pulsed"):
            # Where a machine is too busy to run the server, its ledger stands still, too. Somebody asks every second, so that it shows.
            newest_sent = begin["time"]
            for op in sorted(acks, key=lambda op: op.received):
                if op.received - newest_sent > gap:
                    maybe.append((newest_sent, op.received))
                newest_sent = max(newest_sent, op.sent)
        self._sure, self._maybe = merged(sure), merged(maybe)
        self._sure_ends, self._maybe_ends = [e for _, e in self._sure], [e for _, e in self._maybe]

    @staticmethod
    def _walk(segments, ends, start, seconds):
        end = start + seconds
        for place in range(bisect_right(ends, start), len(segments)):
            begins, stops = segments[place]
            if begins >= end:
                break
            end += stops - max(begins, start)
        return end

    def earliest_end(self, start, seconds):
        """A lease renewed at `start` or later lives at least until then."""
        return self._walk(self._sure, self._sure_ends, start, seconds)

    def latest_end(self, start, seconds):
        """A lease renewed at `start` or earlier is surely over then."""
        return self._walk(self._maybe, self._maybe_ends, start, seconds)


class Setting:
    """A number that somebody changes: which values may have been in force."""

    def __init__(self, first, marks, name="seats", kind=int):
        self.values = [first] + [kind(op.request[name]) for op in marks]
        self.sent = [-FOREVER] + [op.sent for op in marks]
        self.gone = [op.received for op in marks] + [FOREVER]

    def during(self, start, end):
        """Every value that may have held at some moment of start … end."""
        first, last = bisect_left(self.gone, start), bisect_right(self.sent, end)
        return self.values[first:last]


class Limits:
    """Seats, overdraft, reservation, terms and standing of one licence."""

    def __init__(self, license, world, begin):
        mine = [op for op in world if op.license in (None, license)]
        self.seats = Setting(begin["seats"][license], [op for op in mine if op.op == World.SEATS])
        self.overdraft = Setting(begin["overdraft"], [op for op in mine if op.op == World.OVERDRAFT])
        terms = [op for op in mine if op.op == World.LINGER]
        self.linger = Setting(begin.get("linger", 0), terms, "linger")
        self.hold = Setting(begin.get("hold", 0), terms, "hold")
        kept = [op for op in mine if op.op == World.RESERVE]
        self.kept = Setting(begin.get("kept", 0), kept)
        self.members = Setting(frozenset(begin.get("members", ())), kept, "members", frozenset)
        self.suspensions = []
        for op in mine:
            if op.op == World.SUSPEND:
                self.suspensions.append([op.sent, op.received, FOREVER, FOREVER])
            elif op.op == World.REINSTATE and self.suspensions:
                self.suspensions[-1][2:] = [op.sent, op.received]
        self._maybe = Spans([(s[0], s[3]) for s in self.suspensions])
        self._sure = Spans([(s[1], s[2]) for s in self.suspensions])

    def most(self, start, end):
        return max(self.seats.during(start, end)) + max(self.overdraft.during(start, end))

    def least(self, start, end):
        return min(self.seats.during(start, end)) + min(self.overdraft.during(start, end))

    def is_steady(self, start, end):
        """Whether the reservation stayed as it was."""
        return len(self.kept.during(start, end)) == 1

    def is_member(self, user, start, end):
        return all(user in members for members in self.members.during(start, end))

    def may_be_member(self, user, start, end):
        return any(user in members for members in self.members.during(start, end))

    def may_be_suspended(self, start, end):
        return self._maybe.meets(start, end)

    def is_suspended(self, start, end):
        """Throughout."""
        return self._sure.covers(start, end)


class Wall:
    """What the server's wall clock may have shown: the clients' own, plus the offset that was put under it."""

    def __init__(self, world, begin):
        self.base = begin["wall"]
        self.offset = Setting(begin.get("offset", 0), [op for op in world if op.op == World.STEP], name="offset")

    def during(self, start, end):
        """The earliest and the latest reading at some moment of start … end."""
        offsets = self.offset.during(start, end)
        return self.base + start + min(offsets), self.base + end + max(offsets)
