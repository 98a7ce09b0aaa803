"""The model's rules of who may come in: seats in use, the queue, reservations. Each may be faulty."""

# What the wall clock shows at moment 0.
WALL = 1_800_000_000


class Turnstile:
    def reserve(self, seats, members):
        """No seats: the reservation is gone."""
        if seats == 0:
            self.kept = self.kept if self.is_("reservation_stays") else None
            return
        if self.kept is None:
            self.reservations += 1
        self.kept = (self.kept[0] if self.kept else self.reservations, seats, frozenset(members))

    def live(self, now):
        def counts(lease):
            if self.is_("lent_seat_freed") and lease.lent_until and lease.ends - now < 3_600 - self.ttl:
                return False
            return not (lease.is_lingering and (self.is_("linger_ignored") or self.is_("minimum_hold_ignored") and lease.linger == 0))

        count = sum(1 for lease in self.rows.values() if lease.ends > now and counts(lease))
        count += sum(1 for lease in self.extra if lease.ends > now)
        if self.is_("expired_still_counted") or self.is_("counter_leaks_on_expiry"):
            count = len(self.rows)
        if self.is_("linger_forever"):
            count += sum(1 for lease in self.rows.values() if lease.ends <= now and lease.is_lingering)
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

    def ahead(self, device, now):
        """Those who wait and come before this device."""
        if self.is_("queue_overtaken") and device not in self.queue:
            return 0

        def is_here(place):
            return place[1] > now - self.claim_seconds or self.is_("place_never_times_out")

        own = self.queue.get(device)
        if own is not None and not is_here(own) and not self.is_("latecomer_keeps_place"):
            own = None
        others = [place for name, place in self.queue.items() if name != device and is_here(place)]
        if own is None:
            return len(others)
        if self.is_("queue_last_first"):
            return sum(1 for place in others if place[0] > own[0])
        return sum(1 for place in others if place[0] < own[0])

    def claim(self, user, device, now):
        """Seats kept back from this asker, and the reservation against which he counts."""
        held = 0
        if self.kept is not None and not self.is_("reservation_ignored"):
            number, seats, members = self.kept
            filled = sum(1 for lease in self.rows.values() if lease.reservation == number and lease.ends > now)
            unfilled = seats if self.is_("reserved_seat_twice") and user in members else max(0, seats - filled)
            if user in members and unfilled and not self.is_("reservation_for_nobody"):
                return 0, number
            if user not in members or self.is_("reservation_for_nobody"):
                held = unfilled
        return held + self.ahead(device, now), None

    def wall_now(self, moment):
        return WALL + moment + self.offset

    def is_lent(self, lease, moment):
        return lease.lent_until > self.wall_now(moment)

    def refuse(self, request, device, live, now):
        ends = [x.ends - now for x in self.rows.values() if x.ends > now]
        wait = max(1, min(3 * 3_600 + self.ttl, int(min(ends, default=self.ttl) + 1)))
        if request.get("wait"):
            own = self.queue.get(device)
            if own is not None and (own[1] > now - self.claim_seconds or self.is_("latecomer_keeps_place")):
                own[1] = now
            else:
                self.queue.pop(device, None)
                if not self.is_("place_never_times_out"):
                    self.queue = {name: place for name, place in self.queue.items() if place[1] > now - self.claim_seconds}
                if len(self.queue) < self.queue_limit + (2 if self.is_("queue_unlimited") else 0):
                    self.queue[device] = [now, now]
            if device in self.queue:
                position = self.ahead(device, now) + (0 if self.is_("position_lies") else 1)
                return 202, {"status": "waiting", "position": position, "claim_seconds": self.claim_seconds,
                             "retry_after": max(1, min(wait, self.claim_seconds // 3)), **self.figures(live)}
        refusal = {"error": "no_seats_available", "retry_after": wait, **self.figures(live)}
        return 429, dict(refusal, receipt=self.signed("refused", None, None))
