"""Seats that are lent for use without the network: since when and until when surely, and when perhaps."""

from datetime import datetime, timezone

from bounds import FOREVER


def told(text):
    """A moment of the wall clock, from an answer."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()


class Loan:
    """What one `borrow` did, or may have done.

    The file ends by the wall clock, the seat by the ledger's time. Only its holder brings the seat home before both.
    """

    __slots__ = ("op", "device", "session", "sent", "until", "seconds", "sure_until", "latest", "home", "is_sure", "lives", "return_")

    def __init__(self, op, device, lives, earlier):
        self.op, self.device, self.session, self.sent, self.lives = op, device, op.request["session_id"], op.sent, lives
        self.is_sure, self.return_ = op.is_ok, None
        span = op.request["hours"] * 3_600
        time, wall = lives.time, lives.wall
        slack = lives.begin["wall_slack"]
        first, last = wall.during(op.sent, op.effect)
        # Lent again, it is lent at least as long as before: by the wall clock, which may have been stepped back since.
        self.until = (told(op.answer["borrowed_until"]) if op.is_ok else max([last + span] + [x.until for x in earlier])) + slack
        self.seconds = max(span, self.until - first) + 2
        self.latest = time.latest_end(op.effect, self.seconds)
        self.sure_until = time.earliest_end(op.sent, span) if op.is_ok else -FOREVER
        self.home = FOREVER
        sessions = [lives.sessions[name] for name in {life.session for life in device.lives}]
        for session in sessions:
            for end in session.ends:
                if end.effect <= op.sent:
                    continue
                # An operator and a suspension end it only where the wall clock may say that the file is over.
                if end.op == "release" or end.is_lost or self.may_be_over(end.sent, end.effect):
                    if end.op == "release" or self.may_be_over(end.sent, end.effect):
                        self.sure_until = min(self.sure_until, max(end.sent, op.sent))
        for acquire in device.acquires:  # a new life takes the loan along only if the wall clock says that the file still counts
            if (acquire.is_ok or acquire.is_lost) and acquire.effect > op.sent and self.may_be_over(acquire.begun, acquire.effect):
                self.sure_until = min(self.sure_until, max(acquire.begun, op.sent))
        for since, _, _, until in lives.limits.suspensions:
            if until > op.sent and self.may_be_over(max(since, op.sent), min(until, self.latest)):
                self.sure_until = min(self.sure_until, max(since, op.sent))
        self._come_home()

    def _come_home(self):
        """The first release that surely brought it back, if nobody else can have had the device meanwhile."""
        session = self.lives.sessions[self.session]
        ends = sorted((end for end in session.ends if end.effect > self.op.sent), key=lambda end: end.sent)
        if not ends or not ends[0].is_ok or ends[0].op != "release" or not self.op.is_ok or ends[0].sent < self.op.received:
            return
        if self.device.others(session.user, self.op.sent - 1, ends[0].received):
            return
        self.home = ends[0].received
        if self.is_surely_out(ends[0].sent, ends[0].received, but=ends[0]) and (len(ends) == 1 or ends[1].sent > ends[0].received):
            self.return_ = ends[0]

    def may_be_over(self, start, end):
        """Whether the wall clock may have shown its end at some moment."""
        return start <= end and self.lives.wall.during(start, end)[1] >= self.until - 1 - 2 * self.lives.begin["wall_slack"]

    def may_be_out(self, start, end):
        if end < self.op.sent or start > self.home:
            return False
        return start <= self.latest or self.lives.wall.during(start, end)[0] <= self.until + 1

    def is_surely_out(self, start, end, but=None):
        """Surely lent throughout; `but`: a release of it."""
        if not self.is_sure or self.op.received > start or self.may_be_over(start, end):
            return False
        if but is None:
            return self.sure_until > end
        earliest = self.lives.time.earliest_end(self.op.sent, self.op.request["hours"] * 3_600)
        return self.sure_until >= but.sent and earliest > end
