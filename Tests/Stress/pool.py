"""Who may come in, and who must: seats, overdraft, the queue, reservations and loans together."""

from bounds import FOREVER


class Pool:
    """The rules that look at all devices of a licence; what they find goes to the checker."""

    def __init__(self, checker):
        self.lives, self.limits, self.queue, self.begin = checker.lives, checker.limits, checker.queue, checker.begin
        self.blame = checker.blame
        self.entered = sorted((life for device in self.lives.devices.values() for life in device.lives), key=lambda life: life.entry_to)
        for life in self.entered:
            life.is_kept = self._is_kept(life)

    # Reservations.

    def _is_kept(self, life):
        """Whether it surely counts against the reservation: its user has a seat reserved, and none of those can be taken."""
        start, end = life.entry_from, life.entry_to
        if life.may_go_on or not self.limits.is_steady(start, end) or not self.limits.is_member(life.user, start, end):
            return False
        return self.limits.kept.during(start, end)[0] > self._filled_at_most(life.device, start, end)

    def _filled_at_most(self, but, start, end):
        """Devices whose lease may count against the reservation."""
        count = 0
        for device in self.lives.devices.values():
            if device is but or not device.spans.meets(start, end):
                continue
            since = device.beginning(start)
            count += any(self.limits.may_be_member(user, since, end) for user in device.users(since, end))
        return count

    def _is_filled(self, but, start, end):
        """Whether as many as are reserved surely count against it."""
        most = max(self.limits.kept.during(start, end))
        filled = 0
        for device in self.lives.devices.values():
            if device is not but:
                filled += any(
                    life.is_kept and life.entry_to <= start and life.hold_until > end and self.limits.is_steady(life.entry_from, end)
                    for life in device.lives)
        return filled >= most

    def _reserved_at_least(self, user, but, start, end):
        """Seats that are surely free for others than this user."""
        if self.limits.may_be_member(user, start, end):
            return 0
        least = min(self.limits.kept.during(start, end))
        return max(0, least - self._filled_at_most(but, start, end)) if least else 0

    def _may_pass(self, user, but, start, end):
        """Whether a reserved seat may be his, so that he overtakes the queue."""
        return self.limits.may_be_member(user, start, end) and not self._is_filled(but, start, end)

    def kept_at_most(self, device, start, end, since=FOREVER):
        """Seats that may be kept from this device: for the reservation, and for those who may come before it."""
        return max(self.limits.kept.during(start, end)) + self.queue.possible(start, end, device, since)

    # Whoever comes in finds a seat that is nobody else's.

    def entry(self, device, life):
        start, end = life.entry_from, life.entry_to
        if not life.may_go_on:
            others = self.lives.holders(start, end, but=device)
            most = max(self.limits.seats.during(start, end)) if life.is_revival else self.limits.most(start, end)
            shown = [self.lives.witness(other, start, end).last for other in others] + [life.oks[0][2]]
            if len(others) + 1 > most:
                kind = "revived over the seats" if life.is_revival else "over-grant"
                self.blame(kind, f"{len(others) + 1} live at once where {most} may", *shown)
                return
            waiting = [x for x in self.queue.sure(start, end, device, self.queue.since(device, start)) if x not in others]
            if waiting and self._may_pass(life.user, device, start, end):
                # That he could pass shows that the seat was a reserved one.
                life.is_kept = life.is_kept or len(others) + len(waiting) + 1 > most and self.limits.is_steady(start, end)
                waiting = []
            reserved = self._reserved_at_least(life.user, device, start, end)
            if len(others) + len(waiting) + 1 > most:
                self.blame("overtaken", f"{device.name} came in at {end:.3f} past {len(waiting)} who wait longer", *shown, *(x.asks[0] for x in waiting))
            elif len(others) + reserved + len(waiting) + 1 > most:
                self.blame("reserved", f"{device.name} came in at {end:.3f} where {reserved} free seats are reserved for others", *shown)
        alive = self.lives.holders(end, end)
        if len(alive) < 2:
            return
        newest = [self.lives.witness(other, end, end) for other in alive]
        start, end = max([x.tenure_from for x in newest] + [min(start, life.tenure_from)]), max([x.entry_to for x in newest] + [end])
        most = self.limits.most(start, end)
        if len(alive) > most:
            self.blame("over-grant", f"{len(alive)} live at once where {most} may", *(x.last for x in newest), life.oks[0][2])

    def refused(self, op, device, start, end):
        possible, least = self.lives.possible(start, end, but=device), self.limits.least(start, end)
        since = self.queue.since_latest(device, start, end)
        if op.request.get("wait"):
            since = min(since, end)
        ahead = self.queue.possible(start, end, device, since)
        reserved = 0 if self.limits.is_member(op.user, start, end) else max(self.limits.kept.during(start, end))
        if possible + ahead + reserved < least:
            self.blame("leaked seat", f"refused, though at most {possible} of at least {least} seats could be in use, {ahead} waited for "
                       f"and {reserved} reserved", op)
        if op.is_waiting:
            self.place(op, device, start, end, ahead)
        elif op.request.get("wait") and self.queue.possible(start, end, device) < self.begin.get("queue_limit", 1_000):
            self.blame("turned away", "refused a place in a queue that cannot be full", op)

    def place(self, op, device, start, end, ahead):
        """The place told, and the time for which it is kept."""
        position = op.answer["position"] - 1
        # Who did not wait before does so from now on, behind all others.
        least = len(self.queue.sure(start, end, device, min(self.queue.since(device, start), start)))
        if not least <= position <= ahead:
            self.blame("position", f"{position} are said to wait longer, and {least} … {ahead} do", op)
        waiting = len(self.queue.sure(start, end, device)) + 1
        if waiting > self.begin.get("queue_limit", 1_000):
            self.blame("queue too long", f"{waiting} wait at once", op)
        if op.answer["claim_seconds"] != self.queue.claim or not 1 <= op.answer["retry_after"] <= self.queue.claim:
            self.blame("figures", f"claim_seconds {op.answer['claim_seconds']}, retry_after {op.answer['retry_after']}", op)

    # Loans.

    def borrow(self, op, session):
        start, end, device = op.sent, op.received, session.device
        life = next((life for life in session.lives if life.is_sure(start, end)), None)
        if op.error in ("borrow_limit_reached", "lease_of_other_device"):
            out = sum(1 for other in self.lives.devices.values() if other is not device and self.lives.may_be_lent(other, start, end))
            if op.error == "borrow_limit_reached" and out < min(map(self.lent_at_most, self.limits.seats.during(start, end))):
                self.blame("not lent", f"refused, though at most {out} seats are lent", op)
            if op.error == "lease_of_other_device" and op.request["hardware_id"] == device.name:
                self.blame("not lent", "the device holds the lease, and is said not to", op)
        elif not op.is_ok:
            # What is not there was only looked for.
            is_seen = op.error != "not_found" or (life is not None and self.lives.seen(life, start, end))
            if op.error != "license_suspended" and life is not None and is_seen:
                self.blame("killed", f"a lease that surely lives is answered {op.error}", life.last, op)
            if op.error == "license_suspended" and not self.limits.may_be_suspended(start, end):
                self.blame("suspended for nothing", "the licence is not suspended", op)
        else:
            self.lent(op, session, device, start, end)

    def lent_at_most(self, seats):
        return seats - seats * self.begin.get("low_water", 10) // 100

    def lent(self, op, session, device, start, end):
        if op.request["hardware_id"] != device.name:
            self.blame("lent elsewhere", f"the lease is {device.name}'s", op)
        if self.limits.is_suspended(start, end):
            self.blame("suspended", "a seat was lent under a suspended licence", op)
        out = [loan for other in self.lives.devices.values() if other is not device
               for loan in [next((x for x in other.loans if x.is_surely_out(start, end)), None)] if loan is not None]
        most = max(map(self.lent_at_most, self.limits.seats.during(start, end)))
        if len(out) + 1 > most:
            self.blame("low water", f"{len(out) + 1} seats are lent where {most} may", *(loan.op for loan in out), op)
        loan = next(x for x in device.loans if x.op is op)
        earliest, latest = self.lives.wall.during(start, end)
        span, slack = op.request["hours"] * 3_600, self.begin["wall_slack"]
        longest = max([latest + span] + [x.until for x in device.loans if x is not loan and x.op.sent < end])
        if not earliest + span - 2 - 2 * slack <= loan.until <= longest + 1 + 2 * slack:
            self.blame("lent", f"borrowed_until is {op.answer['borrowed_until']}", op)

    def release(self, op, session):
        device = session.device
        loans = [x for x in device.loans if x.op.sent < op.received]
        if op.error == "borrow_returned_before":
            if len(loans) < 2 or all(x.until + 1 < self.lives.wall.during(op.sent, op.received)[0] for x in loans):
                self.blame("not taken back", "refused, though no file can have been returned before", op)

    def force(self, op, session):
        may_be = self.lives.may_be_lent(session.device, op.sent, op.received)
        if op.error == "lease_is_borrowed" and not may_be:
            self.blame("not ended", "said to be lent, and is not", op)
        loan = next((x for x in session.device.loans if x.session == session.name and x.is_surely_out(op.sent, op.received)), None)
        life = next((life for life in session.lives if life.is_sure(op.sent, op.received)), None)
        if op.is_ok and loan is not None and life is not None:
            self.blame("called back", "an operator freed a seat that is lent", loan.op, op)

    def device(self, device):
        """One file at a time may have been brought home early."""
        home = sorted((loan for loan in device.loans if loan.return_ is not None), key=lambda loan: loan.return_.sent)
        for before, loan in zip(home, home[1:]):
            if before.return_ is not loan.return_ and not before.may_be_over(loan.return_.sent, loan.return_.received):
                self.blame("returned twice", "a second file came home early while the first still counts", before.op, before.return_,
                           loan.op, loan.return_)
