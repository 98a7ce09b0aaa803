"""A floating-seat server in memory, with the wire's semantics and a clock that is only a number; and the faults that one could have.

It exists to try the checker: without a fault nothing may be found, with each of them something must.
"""

import copy
from datetime import datetime, timezone

from faults import FAULTS
from turnstile import Turnstile


class Lease:
    def __init__(self, session, device, user, epoch, ends):
        self.session, self.device, self.user, self.epoch, self.ends = session, device, user, epoch, ends
        self.is_resurrected = self.is_lingering = False
        self.linger, self.hold_until = 0, 0.0
        self.lent_until = 0.0  # by the wall clock
        self.reservation = None


class Model(Turnstile):
    def __init__(self, seats, ttl=60, window=20, gap=5, claim=30, queue_limit=3, low_water=50, fault=None):
        assert fault is None or fault in FAULTS
        self.seats, self.first_seats, self.ttl, self.window, self.gap, self.fault = seats, seats, ttl, window, gap, fault
        self.claim_seconds, self.queue_limit, self.low_water = claim, queue_limit, low_water
        self.overdraft, self.is_suspended, self.linger, self.hold = 0, False, 0, 0
        self.rows = {}  # the device's lease, live or late
        self.extra = []  # leases that only a fault gives
        self.queue = {}  # device: [since, seen]
        self.kept, self.reservations = None, 0  # (number, seats, members)
        self.ended, self.epochs, self.keys, self.sessions, self.counter, self.returned = {}, {}, {}, {}, 0, {}
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
        if self.is_("places_forgotten"):
            self.queue = {}
        if self.is_("restart_doubles_leases"):
            for lease in self.rows.values():
                if lease.ends > self.reading:
                    lease.ends += 2 * self.ttl
        if self.is_("restart_forgets_the_last_second"):
            for moment, rows in self.undo:
                if moment >= start - 1:
                    self.rows = {device: copy.copy(lease) for device, lease in rows.items()}
                    break
        self.undo = []
        if self.is_("receipts_numbered_anew"):
            self.receipts = 0

    def remember(self, moment):
        if self.is_("restart_forgets_the_last_second"):
            self.undo = [(m, rows) for m, rows in self.undo if m >= moment - 1.5]
            self.undo.append((moment, {device: copy.copy(lease) for device, lease in self.rows.items()}))

    def set_seats(self, seats, moment):
        self.seats = seats
        if self.is_("drain_kills"):
            live = sorted((x for x in self.rows.values() if x.ends > self.now(moment)), key=lambda x: x.ends)
            for lease in live[seats:]:
                self.end(lease, "lease_expired")

    def set_terms(self, linger, hold):
        self.linger, self.hold = linger, hold

    def set_overdraft(self, seats):
        self.overdraft = max(seats, self.overdraft) if self.is_("overdraft_stays") else seats

    # Lives.

    def end(self, lease, reason, note=None, moment=None):
        if self.rows.get(lease.device) is lease:
            del self.rows[lease.device]
        if lease.is_lingering:
            return
        if moment is not None and reason != "superseded" and self.is_lent(lease, moment):
            self.returned.setdefault(lease.device, []).append(lease.lent_until)
        self.ended[lease.session] = (reason, note)

    def begin(self, device, user, now, moment, reservation):
        before = self.rows.get(device)
        if before is not None:
            if self.is_("counter_leaks_on_expiry") and before.ends <= now:
                self.leaked += 1
            if self.is_("takeover_keeps_first") and before.user != user and before.ends > now:
                self.extra.append(before)
                del self.rows[device]
            else:
                self.end(before, "superseded")
        self.counter += 1
        epoch = 1 if self.is_("epoch_reset") else self.epochs.get(device, 0) + 1
        self.epochs[device] = epoch
        lease = Lease(f"session-{self.counter:06}", device, user, epoch, now + self.ttl)
        if before is not None and self.is_lent(before, moment) and not self.is_("lent_lost_at_takeover"):
            lease.lent_until, lease.ends = before.lent_until, max(lease.ends, before.ends)
        lease.linger, lease.hold_until, lease.reservation = self.linger, now + self.hold if self.hold else 0.0, reservation
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
        device, user = request["hardware_id"], request.get("user")
        key = request.get("key") and (user, request["key"])
        if key in self.keys and not self.is_("lost_answer_takes_second_seat"):
            return self.replay(key, device, now, moment)
        if self.is_suspended and not self.is_("suspended_still_grants"):
            return 403, {"error": "license_suspended"}
        own, live = self.rows.get(device), self.live(now)
        if seen is not None:
            live = seen
        is_held = own is not None and own.ends > now
        is_own = is_held and own.user == user and not own.is_lingering
        if is_held and own.user != user and self.is_("takeover_same_session"):
            is_own, own.user = True, user
        is_second = (self.is_("same_device_takes_two") and self.counter % 5 == 0) or (
            self.is_("lost_answer_takes_second_seat") and key in self.keys) or (
            self.is_("takeover_takes_second_seat") and is_held and own.user != user)
        if is_held and not own.is_lingering and is_second and live < self.allowed():
            self.extra.append(own)
            del self.rows[device]
            self.ended.pop(own.session, None)
            is_held = is_own = False
        if is_held and own.is_lingering and self.is_("linger_refuses_own"):
            is_held = False
        reservation = own.reservation if own is not None else None
        if is_own and self.is_("live_lease_new_session"):
            own = self.begin(device, user, now, moment, reservation)
        if is_own:
            lease = own
            lease.ends = max(lease.ends, now + self.ttl)
        else:
            if not is_held:
                held, reservation = self.claim(user, device, now)
                if live + held >= self.allowed():
                    return self.refuse(request, device, live, now)
                live += 1
            lease = self.begin(device, user, now, moment, reservation)
        if not self.is_("place_leaked"):
            self.queue.pop(device, None)
        ends = lease.ends + (self.ttl / 2 if self.is_("expires_at_lies") else 0)
        answer = {"license_id": "one", "session_id": lease.session, "epoch": lease.epoch, "heartbeat_interval": self.ttl * 5 // 6,
                  "expires_at": self.wall(ends, now, moment), **self.figures(live)}
        if not (is_own and self.is_("receipt_of_another") and self.receipt):
            self.receipt = self.signed("repeated" if is_own else "granted", lease.session, lease.epoch)
        answer["receipt"] = self.receipt
        if key:
            self.keys[key] = answer
        return 200, dict(answer)

    def replay(self, key, device, now, moment):
        answer = dict(self.keys[key])
        if self.is_("repeated_key_answers_anew"):
            answer["expires_at"] = self.wall(now + self.ttl, now, moment)
        if self.is_("replay_grants_again") and answer["session_id"] in self.ended and device not in self.rows:
            lease = self.sessions[answer["session_id"]]
            lease.ends, lease.is_lingering = now + self.ttl, False
            del self.ended[lease.session]
            self.rows[device] = lease
        return 200, dict(answer, is_replay=True)

    def signed(self, act, session, epoch):
        self.receipts += 2 if self.is_("receipts_skip_numbers") and self.receipts % 7 == 0 else 1
        return {"sequence": self.receipts, "act": act, "session_id": session, "epoch": epoch}

    def figures(self, live):
        return {"seats_used": live + (1 if self.is_("seats_used_lies") else 0),
                "seats_total": self.seats + (self.overdraft if self.is_("seats_total_lies") else 0)}

    def wall(self, ends, now, moment):
        return self.text(self.wall_now(moment) + ends - now)

    @staticmethod
    def text(wall):
        return datetime.fromtimestamp(int(wall), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

    def over(self, lease, user):
        """Why a lease is not the caller's to use; None: it is there, perhaps late."""
        if lease is None:
            return 404, {"error": "not_found"}
        is_held = self.rows.get(lease.device) is lease or lease in self.extra
        if lease.session in self.ended or not is_held:
            reason, note = self.ended.get(lease.session, ("gone", None))
            if reason == "gone":
                return 404, {"error": "not_found"}
            if lease.user != user:
                return 403, {"error": "not_lease_holder"}
            if self.is_("forced_reason_lost") and reason == "lease_ended_by_operator":
                reason = "lease_released"
            return 403 if reason == "license_suspended" else 409, {"error": reason, **({"reason": note} if note else {})}
        return None if lease.user == user else (403, {"error": "not_lease_holder"})

    def heartbeat(self, request, now, moment, seen):
        session, epoch = request["session_id"], request.get("epoch")
        lease = self.sessions.get(session)
        user = lease.user if lease is not None and self.is_("stranger_beats") else request.get("user")
        refusal = self.over(lease, user)
        if refusal is not None:
            reason = self.ended.get(session, (None,))[0]
            if self.is_("revived_after_release") and reason == "lease_released" and lease.device not in self.rows:
                if self.live(now) < self.seats:
                    self.rows[lease.device] = lease
                    del self.ended[session]
                    self.epochs[lease.device] = lease.epoch = self.epochs[lease.device] + 1
                    lease.ends, lease.is_resurrected, lease.is_lingering = now + self.ttl, True, False
                    return self.alive(lease)
            if self.is_("revived_after_supersede") and reason == "superseded":
                return self.alive(lease)
            return refusal
        if epoch is not None and epoch != lease.epoch and not self.is_("old_epoch_accepted"):
            return 409, {"error": "superseded"}
        if self.is_suspended and not self.is_("suspended_still_beats"):
            if not self.is_lent(lease, moment) or self.is_("lent_ends_suspended"):
                self.end(lease, "license_suspended")
            return 403, {"error": "license_suspended"}
        if lease.ends > now:
            lease.ends = max(lease.ends, now + self.ttl)
            return self.alive(lease)
        window = 1_000_000 if self.is_("revived_after_window") else -1 if self.is_("never_revived") else self.window
        held, reservation = self.claim(lease.user, lease.device, now)
        if self.is_("revived_past_queue"):
            held = 0
        is_free = self.live(now) + held < self.seats + (self.overdraft if self.is_("overdraft_revived") else 0)
        if now - lease.ends < window and (is_free or self.is_("resurrected_without_free_seat")):
            if not self.is_("resurrected_keeps_epoch"):
                lease.epoch += 1
                lease.is_resurrected = True
            self.epochs[lease.device] = lease.epoch
            lease.ends = now + self.ttl
            if not self.is_("revived_uncounted"):
                lease.reservation = reservation
            return self.alive(lease)
        return 409, {"error": "lease_expired"}

    def alive(self, lease):
        answer = {"status": "ok", "expires_in": self.ttl + (60 if self.is_("expires_in_lies") else 0), "epoch": lease.epoch}
        return 200, dict(answer, resurrected=True) if lease.is_resurrected else answer

    def release(self, request, now, moment, seen):
        lease = self.sessions.get(request["session_id"])
        if lease is None:
            return 404, {"error": "not_found"}
        if lease.user != request.get("user") and not self.is_("stranger_releases"):
            return 403, {"error": "not_lease_holder"}
        if self.rows.get(lease.device) is not lease or lease.is_lingering:
            return self.release_again(lease, "lease_released", request)
        if self.is_("release_frees_nothing"):
            self.extra.append(copy.copy(lease))
        if lease.ends <= now:
            self.end(lease, "lease_expired", None, moment)
            return 200, {"status": "released"}
        if self.is_lent(lease, moment):
            if not self.is_("returned_twice") and any(x > self.wall_now(moment) for x in self.returned.get(lease.device, ())):
                return 409, {"error": "borrow_returned_before"}
            self.end(lease, "lease_released", None, moment)
            return 200, {"status": "released"}
        until = max(now + lease.linger, lease.hold_until)
        if until > now:
            self.ended[lease.session] = ("lease_released", None)
            lease.is_lingering, lease.ends = True, until
        else:
            self.end(lease, "lease_released", None, moment)
        return 200, {"status": "released"}

    def release_again(self, lease, reason, request):
        if lease in self.extra:
            self.extra.remove(lease)
        self.ended.setdefault(lease.session, (reason, request.get("reason")))
        if self.is_("double_release_frees_two") and reason == "lease_released" and self.counter % 3 == 0:
            self.freed += 1 if self.rows else 0
        return 200, {"status": "released"}

    def force(self, request, now, moment, seen):
        lease = self.sessions.get(request["session_id"])
        if lease is None:
            return 404, {"error": "not_found"}
        if self.is_("forced_release_ignored"):
            return 200, {"status": "released"}
        reason = "lease_ended_by_operator"
        if self.rows.get(lease.device) is not lease:
            return self.release_again(lease, reason, request)
        if lease.ends > now and not lease.is_lingering and self.is_lent(lease, moment) and not self.is_("lent_called_back"):
            return 409, {"error": "lease_is_borrowed"}
        is_live = lease.ends > now and not lease.is_lingering
        self.end(lease, reason if lease.ends > now else "lease_expired", request.get("reason"), moment)
        return 200, {"status": "released", **({"receipt": self.signed("forced", lease.session, lease.epoch)} if is_live else {})}

    def borrow(self, request, now, moment, seen):
        lease = self.sessions.get(request["session_id"])
        is_live = lease is not None and self.rows.get(lease.device) is lease and lease.ends > now and not lease.is_lingering
        if not is_live or lease.user != request.get("user"):
            return 404, {"error": "not_found"}
        if self.is_suspended:
            return 403, {"error": "license_suspended"}
        out = sum(1 for x in self.rows.values() if self.is_lent(x, moment) and x is not lease)
        if self.is_("never_lent") or (out >= self.seats - self.seats * self.low_water // 100 and not self.is_("low_water_ignored")):
            return 409, {"error": "borrow_limit_reached"}
        if lease.device != request["hardware_id"] and not self.is_("lent_to_any_device"):
            return 409, {"error": "lease_of_other_device"}
        issued, span = int(self.wall_now(moment)), request["hours"] * 3_600
        until = max(issued + span, lease.lent_until if self.is_lent(lease, moment) else 0)
        lease.lent_until = until
        if not self.is_("lent_seat_expires"):
            lease.ends = max(lease.ends, now + until - issued + 1)
        return 200, {"session_id": lease.session, "epoch": lease.epoch, "borrowed_until": self.text(until),
                     "receipt": self.signed("borrowed", lease.session, lease.epoch)}

    def list(self, request, now, moment, seen):
        live = [x for x in list(self.rows.values()) + self.extra if x.ends > now and not x.is_lingering]
        if self.is_("list_omits"):
            live = live[1:]
        if self.is_("list_shows_dead"):
            live += [lease for session, lease in self.sessions.items() if session in self.ended and lease.ends > now and lease not in live]
        return 200, {"sessions": [{"session_id": x.session, "epoch": x.epoch, "hostname": x.device} for x in live]}
