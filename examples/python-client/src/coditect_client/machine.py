"""What the holder of a seat does next, whatever happens: event in, actions out. No clock, no network, no file.

The same machine as the Swift client's; times are readings of one monotonic clock, in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, List, Optional, Tuple

from .errors import LicenseError

PATIENCE = 10.0
Action = Tuple[Any, ...]


@dataclass(frozen=True)
class Lease:
    """As the server told it, its end counted from when it was asked: never later than the server's own."""

    session: str
    license: str
    epoch: int
    end: float
    interval: float
    used: int = 0
    total: int = 0


@dataclass(frozen=True)
class Notice:
    """What happened to a seat: held, waiting, refused, unsure, answered, revived, asking, offline, borrowed, regained, lost, released."""

    event: str
    message: str
    error: Optional[LicenseError] = None


@dataclass(frozen=True)
class Event:
    """start, due, granted, beaten, refused, unanswered, adopted, file_holds, file_refused, release."""

    kind: str
    lease: Optional[Lease] = None
    error: Optional[LicenseError] = None
    end: float = 0.0
    epoch: int = 0
    resurrected: bool = False
    until: str = ""
    # How long the file may be believed without another look; None: it is looked at often enough.
    left: Optional[float] = None
    borrowed: bool = False


def back_off(attempt: int, first: float, most: float, jitter: float) -> float:
    """Doubles from `first` to `most`; half of it is chance, so that many clients do not come back at once."""
    return min(most, first * 2.0 ** min(max(attempt, 1) - 1, 16)) * (0.5 + jitter / 2)


class SeatMachine:
    """state: new, asking, waiting, held, unsure, judging, offline, lost, ended, released."""

    LONGEST_WAIT = 15.0

    def __init__(self, waits_until: Optional[float] = None, first_attempts: int = 4, first_patience: float = PATIENCE):
        self.first_attempts, self.first_patience = first_attempts, first_patience
        self.state = "new"
        self.lease: Optional[Lease] = None
        self.error: Optional[LicenseError] = None
        self.attempt = 0
        self.was_lost = False
        self.waits_until = waits_until

    def handle(self, event: Event, now: float, jitter: float) -> List[Action]:
        if event.kind == "release":
            return self._release()
        if event.kind == "refused" and event.error and event.error.code in ("not_signed_in", "rate_limited", "device_busy", "storage"):
            # Says nothing about a seat that is there already.
            if not (self.state == "asking" and self.lease is None):
                event = replace(event, kind="unanswered")
        return list(getattr(self, "_" + self.state)(event, now, jitter))

    # Asking

    def _new(self, event: Event, now: float, jitter: float) -> List[Action]:
        return self._ask(1, again=False) if event.kind == "start" else []

    def _ask(self, attempt: int, again: bool) -> List[Action]:
        self.state, self.attempt = "asking", attempt
        return [("acquire", again, PATIENCE if self.lease else self.first_patience)]

    def _asking(self, event: Event, now: float, jitter: float) -> List[Action]:
        if event.kind == "due":
            return self._ask(self.attempt, again=True)
        if event.kind == "granted" and event.lease:
            if event.lease.end <= now:
                # A repeated request is told the old answer, even when that lease has ended meanwhile.
                if self.attempt < self.first_attempts:
                    return self._ask(self.attempt + 1, again=False)
                return self._unavailable(
                    LicenseError(
                        "bad_answer", "the server grants leases that have ended", "tell whoever runs it: its clock may be wrong"), now, jitter)
            first = self.lease is None
            words = f"seat taken: {event.lease.used} of {event.lease.total} in use" if first else "there is a seat again"
            return self._hold(event.lease, [Notice("held" if first else "regained", words)], now, jitter)
        if event.kind == "adopted" and event.lease:
            return self._hold(event.lease, [Notice("regained", "there is a seat again")] if self.lease else [], now, jitter)
        if event.kind == "unanswered" and event.error:
            return self._unavailable(event.error, now, jitter)
        if event.kind == "refused" and event.error:
            if self.lease is not None:
                return self._lose(event.error, 1, now, jitter)
            pause = self._pause(event.error, jitter)
            if self.waits_until is not None and event.error.passing and pause is not None and now + pause <= self.waits_until:
                self.state, self.error = "waiting", event.error
                return [
                    ("tell", Notice("waiting", f"{event.error.message}; asking again in {pause:.0f} s", event.error)),
                    ("wake", now + pause),
                ]
            return self._end(event.error)
        return []

    def _pause(self, error: LicenseError, jitter: float) -> Optional[float]:
        """Seats come free before leases end, so a free seat is asked for more often than retry_after says."""
        if error.code != "no_seats_available" and error.retry_after is None:
            return None
        told = error.retry_after or self.LONGEST_WAIT
        return (min(told, self.LONGEST_WAIT) if error.code == "no_seats_available" else told) * (1 + jitter / 10)

    def _waiting(self, event: Event, now: float, jitter: float) -> List[Action]:
        return self._ask(1, again=False) if event.kind == "due" else []

    def _unavailable(self, error: LicenseError, now: float, jitter: float) -> List[Action]:
        if self.lease is None and self.attempt < self.first_attempts:
            self.attempt += 1
            return [("wake", now + max(min(error.retry_after or 0.0, 5.0), back_off(self.attempt - 1, 0.25, 2.0, jitter)))]
        return self._judge(error, 1)

    def _end(self, error: LicenseError) -> List[Action]:
        self.state, self.error = "ended", error
        return [("tell", Notice("refused", str(error), error))]

    # Holding

    def _hold(self, lease: Lease, notices: List[Notice], now: float, jitter: float) -> List[Action]:
        self.state, self.lease, self.attempt, self.error = "held", lease, 0, None
        beat = min(now + lease.interval * (0.8 + 0.2 * jitter), now + (lease.end - now) * 0.8)
        return [*(("tell", notice) for notice in notices), ("wake", beat)]

    def _held(self, event: Event, now: float, jitter: float) -> List[Action]:
        lease = self.lease
        assert lease is not None
        if event.kind == "due":
            return [self._beat(now)]
        if event.kind == "beaten":
            back = Notice("answered", "the server is back; the seat was kept")
            revived = Notice("revived", "the lease had run out and was given back")
            notices = [revived] if event.resurrected else [back] if self.attempt else []
            return self._hold(replace(lease, end=event.end, epoch=event.epoch), notices, now, jitter)
        if event.kind == "adopted" and event.lease:
            return self._hold(event.lease, [], now, jitter)
        if event.kind == "unanswered" and event.error:
            if now >= lease.end:
                return self._judge(event.error, 1)
            first = self.attempt == 0
            self.state, self.attempt, self.error = "unsure", self.attempt + 1, event.error
            most = min(30.0, max(1.0, lease.interval / 4))
            pause = max(back_off(self.attempt, 1.0, most, jitter), min(event.error.retry_after or 0.0, 60.0))
            words = f"{event.error.message}; the seat is kept for {lease.end - now:.0f} s, trying again"
            told: List[Action] = [("tell", Notice("unsure", words, event.error))] if first else []
            return [*told, ("wake", min(now + pause, lease.end))]
        if event.kind == "refused" and event.error:
            return self._refused(event.error, now, jitter)
        return []

    _unsure = _held

    def _beat(self, now: float) -> Action:
        lease = self.lease
        assert lease is not None
        return ("beat", lease, PATIENCE if now >= lease.end else min(PATIENCE, max(2.0, lease.end - now)))

    def _refused(self, error: LicenseError, now: float, jitter: float) -> List[Action]:
        if error.code == "lease_ended":
            return [("tell", Notice("asking", f"{error.message}; asking for a new lease", error)), *self._ask(1, again=False)]
        return self._lose(error, 1, now, jitter)

    # Without the server

    def _judge(self, error: LicenseError, attempt: int) -> List[Action]:
        self.was_lost = self.state == "lost"
        self.state, self.error, self.attempt = "judging", error, attempt
        return [("judge",)]

    def _judging(self, event: Event, now: float, jitter: float) -> List[Action]:
        reason = self.error
        assert reason is not None
        if event.kind == "file_holds":
            words = f"{reason.message}; running under the offline licence, which holds until {event.until}"
            news = Notice("offline", words, reason)
            if event.borrowed:
                words = f"{reason.message}; running under the borrowed seat, which ends on {event.until}"
                news = Notice("borrowed", words, reason)
            told: List[Action] = [("tell", news)] if self.attempt == 1 or self.was_lost else []
            self.state = "offline"
            pause = back_off(self.attempt, 2.0, 60.0, jitter)
            return [*told, ("wake", now + (pause if event.left is None else min(pause, max(event.left, 0.001))))]
        if event.kind == "file_refused" and event.error:
            fault = event.error
            code = reason.code if fault.code == "not_activated" else fault.code
            both = LicenseError(code, f"{reason.message}; and {fault.message}", reason.next if fault.code == "not_activated" else fault.next)
            if self.lease is None and self.attempt == 1:
                return self._end(both)
            return self._lose(both, self.attempt, now, jitter, known=self.was_lost)
        return []

    def _offline(self, event: Event, now: float, jitter: float) -> List[Action]:
        if event.kind == "due":
            return [self._beat(now) if self.lease else ("acquire", False, PATIENCE)]
        if event.kind == "unanswered" and event.error:
            return self._judge(event.error, self.attempt + 1)
        if event.kind == "refused" and event.error:
            return self._refused(event.error, now, jitter)
        return self._back(event, now, jitter)

    def _back(self, event: Event, now: float, jitter: float) -> List[Action]:
        again = [Notice("regained", "there is a seat again")]
        if event.kind == "beaten" and self.lease:
            return self._hold(replace(self.lease, end=event.end, epoch=event.epoch), again, now, jitter)
        if event.kind in ("granted", "adopted") and event.lease:
            return self._hold(event.lease, again, now, jitter)
        return []

    # Losing

    FINAL = {"lease_ended_by_operator", "superseded", "license_revoked", "not_lease_holder", "refused", "no_license"}
    SAID_NO = {"no_seats_available", "policy_denied", "license_suspended", "license_expired", "no_license"}

    def _lose(self, error: LicenseError, attempt: int, now: float, jitter: float, known: bool = False) -> List[Action]:
        news = not known
        if self.state == "lost" and self.error:
            news = self.error.code != error.code
        self.state, self.error, self.attempt = "lost", error, attempt
        told: List[Action] = [("tell", Notice("lost", f"the seat is gone: {error}", error))] if news else []
        if error.code in self.FINAL:
            return told
        pause = max(error.retry_after, 1.0) * (1 + jitter / 10) if error.retry_after else back_off(attempt, 2.0, 60.0, jitter)
        return [*told, ("wake", now + pause)]

    def _lost(self, event: Event, now: float, jitter: float) -> List[Action]:
        reason = self.error
        assert reason is not None
        said_no = reason.code in self.SAID_NO
        if event.kind == "due":
            if reason.code in self.FINAL:
                return []
            return [self._beat(now) if self.lease and not said_no else ("acquire", False, PATIENCE)]
        if event.kind == "unanswered" and event.error:
            return self._lose(reason, self.attempt + 1, now, jitter) if said_no else self._judge(event.error, self.attempt + 1)
        if event.kind == "refused" and event.error:
            if event.error.code == "lease_ended":
                return [("acquire", False, PATIENCE)]
            return self._lose(event.error, self.attempt + 1, now, jitter)
        return self._back(event, now, jitter)

    # The end

    def _ended(self, event: Event, now: float, jitter: float) -> List[Action]:
        return []

    def _released(self, event: Event, now: float, jitter: float) -> List[Action]:
        # Taken while it was given back.
        return [("give_back", event.lease)] if event.kind == "granted" else []

    def _release(self) -> List[Action]:
        state, self.state = self.state, "released"
        if state in ("new", "ended", "released"):
            return []
        over = state == "lost" and self.error is not None and self.error.code in self.FINAL
        back: List[Action] = [("give_back", self.lease)] if self.lease and not over else []
        return [*back, ("tell", Notice("released", "seat given back"))]
