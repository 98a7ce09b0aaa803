"""A floating-seat server in memory, with the wire's semantics and a clock that is only a number; and the faults that one could have.

It exists to try the checker: without a fault nothing may be found, with each of them something must.
"""

from datetime import datetime, timezone

# What the wall clock shows at moment 0.
WALL = 1_800_000_000

# Each fault that a ledger may have, and what it does. The table in README.md is compared with this one.
FAULTS = {
    "over_grant_by_one": "counts one seat more than there is",
    "race_on_count": "counts before the transaction and grants in it",
    "double_release_frees_two": "keeps a counter, which a second release counts down again",
    "counter_leaks_on_expiry": "keeps a counter, which expiry does not count down",
    "expired_still_counted": "counts an expired lease until its device comes back",
    "release_frees_nothing": "answers released and keeps the seat until it expires",
    "same_device_takes_two": "gives a device that asks again a second lease",
    "live_lease_new_session": "gives a device that asks again a new session for its live lease",
    "revived_after_release": "lets a heartbeat bring a released lease back",
    "revived_after_supersede": "lets the session before the device's newest go on",
    "resurrected_without_free_seat": "revives a late lease though every seat is taken",
    "resurrected_keeps_epoch": "revives a late lease under its old epoch",
    "revived_after_window": "revives however late the heartbeat comes",
    "never_revived": "refuses a late heartbeat though its seat is free",
    "overdraft_revived": "revives a late lease into the overdraft",
    "old_epoch_accepted": "does not look at the epoch that a heartbeat says",
    "epoch_reset": "begins each life with epoch 1",
    "lost_answer_takes_second_seat": "gives a request repeated under its key another seat",
    "repeated_key_answers_anew": "answers a repeated key with what holds now",
    "replay_grants_again": "lets a key repeated after release begin its lease again",
    "restart_forgets_leases": "begins after a restart without leases",
    "restart_forgets_the_last_second": "has not written what it answered in the second before a kill",
    "restart_expires_everybody": "counts the outage of a restart in full",
    "restart_doubles_leases": "gives each lease a second term per restart, for ever",
    "freeze_expires_everybody": "counts a freeze in full",
    "wall_step_expires_all": "takes the wall clock for time, and a step forward for time gone",
    "wall_step_back_never_expires": "takes the wall clock for time, and a step back for time to come",
    "drain_kills": "ends leases when the seats become fewer",
    "fewer_seats_ignored": "goes on with the seats it had at start",
    "more_seats_ignored": "never grants more than the seats it had at start",
    "overdraft_unlimited": "refuses nobody while there is an overdraft",
    "overdraft_stays": "keeps an overdraft that policy took back",
    "suspended_still_beats": "does not look at the licence at a heartbeat",
    "suspended_still_grants": "does not look at the licence at an acquire",
    "forced_release_ignored": "answers released, and the lease goes on",
    "forced_reason_lost": "tells the holder that he released it himself",
    "expires_at_lies": "tells an end that lies half a term later",
    "expires_in_lies": "tells a heartbeat that the lease has a minute more",
    "seats_used_lies": "tells one more in use than there is",
    "seats_total_lies": "tells seats and overdraft as the licence's seats",
    "list_omits": "leaves the oldest lease out of the list",
    "list_shows_dead": "lists what was released",
    "receipts_numbered_anew": "begins the numbers of receipts at 1 after a restart",
    "receipts_skip_numbers": "leaves a number out now and then",
    "receipt_of_another": "gives a repeated acquire the receipt of the act before",
}


class Lease:
    def __init__(self, session, device, epoch, ends):
        self.session, self.device, self.epoch, self.ends = session, device, epoch, ends
        self.is_resurrected = False


class Model:
    def __init__(self, seats, ttl=60, window=20, gap=5, fault=None):
        self.seats, self.first_seats, self.ttl, self.window, self.gap, self.fault = seats, seats, ttl, window, gap, fault
        self.overdraft, self.is_suspended = 0, False
        self.rows = {}  # the device's lease, live or late
        self.extra = []  # leases that only a fault gives
        self.ended, self.epochs, self.keys, self.sessions, self.counter = {}, {}, {}, {}, 0
        self.freed = self.leaked = 0
        self.reading, self.at, self.written, self.offset = 0.0, 0.0, 0.0, 0.0
        self.undo, self.receipts, self.receipt = [], 0, None

    def is_(self, fault):
        return self.fault == fault

    # Time: what a ledger may know of it.

    def now(self, moment):
        self.reading += moment - self.at
        self.at = moment
        reading = self.reading
        if self.is_("wall_step_expires_all"):
            reading += max(0, self.offset)
        if self.is_("wall_step_back_never_expires"):
            reading += min(0, self.offset)
        return reading

    def freeze(self, start, end):
        self.now(start)
        self.at = end
        self.reading += end - start if self.is_("freeze_expires_everybody") else min(end - start, self.gap)

    def restart(self, start, end):
        self.now(start)
        self.at = end
        if self.is_("restart_expires_everybody"):
            self.reading += end - start + self.ttl
        else:
            self.reading = self.written
        if self.is_("restart_forgets_leases"):
            self.rows = {}
        if self.is_("restart_doubles_leases"):
            for lease in self.rows.values():
                if lease.ends > self.reading:
                    lease.ends += 2 * self.ttl
        if self.is_("restart_forgets_the_last_second"):
            for moment, rows in self.undo:
                if moment >= start - 1:
                    self.rows = {device: self.copy(lease) for device, lease in rows.items()}
                    break
        self.undo = []
        if self.is_("receipts_numbered_anew"):
            self.receipts = 0

    @staticmethod
    def copy(lease):
        twin = Lease(lease.session, lease.device, lease.epoch, lease.ends)
        twin.is_resurrected = lease.is_resurrected
        return twin

    def remember(self, moment):
        if self.is_("restart_forgets_the_last_second"):
            self.undo = [(m, rows) for m, rows in self.undo if m >= moment - 1.5]
            self.undo.append((moment, {device: self.copy(lease) for device, lease in self.rows.items()}))

    def set_seats(self, seats, moment):
        self.seats = seats
        if self.is_("drain_kills"):
            live = sorted((x for x in self.rows.values() if x.ends > self.now(moment)), key=lambda x: x.ends)
            for lease in live[seats:]:
                self.end(lease, "lease_expired")

    def set_overdraft(self, seats):
        self.overdraft = max(seats, self.overdraft) if self.is_("overdraft_stays") else seats

    # Rules.

    def live(self, now):
        count = sum(1 for lease in self.rows.values() if lease.ends > now) + sum(1 for lease in self.extra if lease.ends > now)
        if self.is_("expired_still_counted") or self.is_("counter_leaks_on_expiry"):
            count = len(self.rows)
        return count - self.freed + self.leaked

    def allowed(self):
        seats = self.seats
        if self.is_("fewer_seats_ignored"):
            seats = max(seats, self.first_seats)
        if self.is_("more_seats_ignored"):
            seats = min(seats, self.first_seats)
        if self.is_("over_grant_by_one"):
            seats += 1
        if self.is_("overdraft_unlimited") and self.overdraft:
            return 1_000_000
        return seats + self.overdraft

    def end(self, lease, reason, note=None):
        if self.rows.get(lease.device) is lease:
            del self.rows[lease.device]
        self.ended[lease.session] = (reason, note)

    def begin(self, device, now):
        before = self.rows.get(device)
        if before is not None:
            if self.is_("counter_leaks_on_expiry") and before.ends <= now:
                self.leaked += 1
            self.end(before, "superseded")
        self.counter += 1
        epoch = 1 if self.is_("epoch_reset") else self.epochs.get(device, 0) + 1
        self.epochs[device] = epoch
        lease = Lease(f"session-{self.counter:06}", device, epoch, now + self.ttl)
        self.rows[device] = self.sessions[lease.session] = lease
        return lease

    def peek(self, op, request, moment):
        """What is read before the transaction."""
        return self.live(self.now(moment)) if self.is_("race_on_count") and op == "acquire" else None

    def answer(self, op, request, moment, seen=None):
        """Status and body, as the wire has them."""
        if op != "list":
            self.remember(moment)
        now = self.now(moment)
        status, body = getattr(self, op)(request, now, moment, seen)
        if op != "list" and not body.pop("is_replay", False):
            self.written = max(self.written, self.reading)
        return status, body

    def acquire(self, request, now, moment, seen):
        key, device = request.get("key"), request["hardware_id"]
        if key in self.keys and not self.is_("lost_answer_takes_second_seat"):
            answer = dict(self.keys[key])
            if self.is_("repeated_key_answers_anew"):
                answer["expires_at"] = self.wall(now + self.ttl, now, moment)
            if self.is_("replay_grants_again") and answer["session_id"] in self.ended and device not in self.rows:
                lease = self.sessions[answer["session_id"]]
                lease.ends = now + self.ttl
                del self.ended[lease.session]
                self.rows[device] = lease
            return 200, dict(answer, is_replay=True)
        if self.is_suspended and not self.is_("suspended_still_grants"):
            return 403, {"error": "license_suspended"}
        own, live = self.rows.get(device), self.live(now)
        if seen is not None:
            live = seen
        is_own = own is not None and own.ends > now
        is_second = (self.is_("same_device_takes_two") and self.counter % 5 == 0) or (
            self.is_("lost_answer_takes_second_seat") and key in self.keys)
        if is_own and is_second and live < self.allowed():
            self.extra.append(own)
            del self.rows[device]
            self.ended.pop(own.session, None)
            is_own = False
        if is_own and self.is_("live_lease_new_session"):
            own = self.begin(device, now)
        if is_own:
            lease = own
            lease.ends = max(lease.ends, now + self.ttl)
        else:
            if live >= self.allowed():
                ends = [x.ends - now for x in self.rows.values() if x.ends > now]
                wait = max(1, min(self.ttl, int(min(ends, default=self.ttl) + 1)))
                refusal = {"error": "no_seats_available", "retry_after": wait, **self.figures(live)}
                return 429, dict(refusal, receipt=self.signed("refused", None, None))
            lease = self.begin(device, now)
            live += 1
        ends = lease.ends + (self.ttl / 2 if self.is_("expires_at_lies") else 0)
        answer = {"license_id": "one", "session_id": lease.session, "epoch": lease.epoch, "heartbeat_interval": self.ttl * 5 // 6,
                  "expires_at": self.wall(ends, now, moment), **self.figures(live)}
        if not (is_own and self.is_("receipt_of_another") and self.receipt):
            self.receipt = self.signed("repeated" if is_own else "granted", lease.session, lease.epoch)
        answer["receipt"] = self.receipt
        if key:
            self.keys[key] = answer
        return 200, dict(answer)

    def signed(self, act, session, epoch):
        self.receipts += 2 if self.is_("receipts_skip_numbers") and self.receipts % 7 == 0 else 1
        return {"sequence": self.receipts, "act": act, "session_id": session, "epoch": epoch}

    def figures(self, live):
        return {"seats_used": live + (1 if self.is_("seats_used_lies") else 0),
                "seats_total": self.seats + (self.overdraft if self.is_("seats_total_lies") else 0)}

    def wall(self, ends, now, moment):
        return datetime.fromtimestamp(int(WALL + moment + self.offset + ends - now), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

    def heartbeat(self, request, now, moment, seen):
        session, epoch = request["session_id"], request.get("epoch")
        lease = self.sessions.get(session)
        if lease is None:
            return 404, {"error": "not_found"}
        is_held = self.rows.get(lease.device) is lease or lease in self.extra
        if session in self.ended or not is_held:
            reason, note = self.ended.get(session, ("gone", None))
            if reason == "gone":
                return 404, {"error": "not_found"}
            if self.is_("revived_after_release") and reason == "lease_released" and lease.device not in self.rows:
                if self.live(now) < self.seats:
                    self.rows[lease.device] = lease
                    del self.ended[session]
                    self.epochs[lease.device] = lease.epoch = self.epochs[lease.device] + 1
                    lease.ends, lease.is_resurrected = now + self.ttl, True
                    return self.alive(lease)
            if self.is_("revived_after_supersede") and reason == "superseded":
                return self.alive(lease)
            if self.is_("forced_reason_lost") and reason == "lease_ended_by_operator":
                reason = "lease_released"
            status = 403 if reason == "license_suspended" else 409
            return status, {"error": reason, **({"reason": note} if note else {})}
        if epoch is not None and epoch != lease.epoch and not self.is_("old_epoch_accepted"):
            return 409, {"error": "superseded"}
        if self.is_suspended and not self.is_("suspended_still_beats"):
            self.end(lease, "license_suspended")
            return 403, {"error": "license_suspended"}
        if lease.ends > now:
            lease.ends = max(lease.ends, now + self.ttl)
            return self.alive(lease)
        window = 1_000_000 if self.is_("revived_after_window") else -1 if self.is_("never_revived") else self.window
        is_free = self.live(now) < self.seats + (self.overdraft if self.is_("overdraft_revived") else 0)
        if now - lease.ends < window and (is_free or self.is_("resurrected_without_free_seat")):
            if not self.is_("resurrected_keeps_epoch"):
                lease.epoch += 1
                lease.is_resurrected = True
            self.epochs[lease.device] = lease.epoch
            lease.ends = now + self.ttl
            return self.alive(lease)
        return 409, {"error": "lease_expired"}

    def alive(self, lease):
        answer = {"status": "ok", "expires_in": self.ttl + (60 if self.is_("expires_in_lies") else 0), "epoch": lease.epoch}
        return 200, dict(answer, resurrected=True) if lease.is_resurrected else answer

    def release(self, request, now, moment, seen, reason="lease_released"):
        lease = self.sessions.get(request["session_id"])
        if lease is None:
            return 404, {"error": "not_found"}
        if self.rows.get(lease.device) is not lease:
            if lease in self.extra:
                self.extra.remove(lease)
            self.ended.setdefault(lease.session, (reason, request.get("reason")))
            if self.is_("double_release_frees_two") and reason == "lease_released" and self.counter % 3 == 0:
                self.freed += 1 if self.live(now) > 0 else 0
            return 200, {"status": "released"}
        if self.is_("release_frees_nothing") and reason == "lease_released":
            self.extra.append(self.copy(lease))
        self.end(lease, "lease_expired" if lease.ends <= now else reason, request.get("reason"))
        return 200, {"status": "released"}

    def force(self, request, now, moment, seen):
        if self.is_("forced_release_ignored"):
            return 200, {"status": "released"}
        return self.release(request, now, moment, seen, "lease_ended_by_operator")

    def list(self, request, now, moment, seen):
        live = [x for x in list(self.rows.values()) + self.extra if x.ends > now]
        if self.is_("list_omits"):
            live = live[1:]
        if self.is_("list_shows_dead"):
            live += [lease for session, lease in self.sessions.items() if session in self.ended and lease.ends > now and lease not in live]
        return 200, {"sessions": [{"session_id": x.session, "epoch": x.epoch, "hostname": x.device} for x in live]}
