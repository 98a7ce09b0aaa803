"""Who waits for a seat: since when and until when surely, and perhaps. A free seat goes to whoever waits longest."""

from bisect import bisect_right

from bounds import FOREVER, SuffixLeast


class Place:
    """What one request for a place did, or may have done."""

    __slots__ = ("since_from", "since_to", "sure_from", "sure_until", "sent", "may_until")

    def __init__(self, since_from, since_to, sent):
        self.since_from, self.since_to, self.sent = since_from, since_to, sent
        self.sure_from = self.sure_until = -FOREVER
        self.may_until = sent


class Queue:
    def __init__(self, lives, begin):
        self.lives, self.claim = lives, begin.get("claim", 30)
        for device in lives.devices.values():
            if any(op.request.get("wait") for op in device.asks):
                self._places(device)
        self.devices = [device for device in lives.devices.values() if device.places]

    def _places(self, device):
        """By the time at which each was asked for. Whoever asks again within the claim time-out keeps his place, else he has left."""
        time = self.lives.time
        asks = sorted(device.asks, key=lambda op: op.sent)
        before = []
        granted = SuffixLeast([(op.begun, op.received) for op in asks if op.is_ok])
        for number, op in enumerate(asks):
            if not op.request.get("wait") or not (op.is_waiting or op.is_lost):
                continue
            kept = [place for place in before if place.may_until >= op.sent]
            since_from = min([op.sent] + [place.since_from for place in kept])
            # Surely the place that he had already: nothing in between can have taken it.
            sure = [place for place in before if place.sure_from <= op.sent and place.sure_until > op.effect]
            since_to = min([op.effect] + [place.since_to for place in sure])
            place = Place(since_from, since_to, op.sent)
            place.may_until = min(time.latest_end(op.effect, self.claim) + 1.0, granted.after(op.effect))
            if op.is_waiting:
                place.sure_from, place.sure_until = op.received, time.earliest_end(op.sent, self.claim)
                for other in asks[max(0, number - 8):]:
                    if other.begun >= place.sure_until and other.sent >= place.sure_until:
                        break
                    if other is not op and (other.is_ok or other.is_lost) and other.effect > op.sent:
                        place.sure_until = min(place.sure_until, max(other.begun, op.sent))
            before = before[-6:] + [place]
            device.places.append(place)
            device.place_sent.append(op.sent)
            device.place_until.append(max([place.may_until] + device.place_until[-1:]))

    @staticmethod
    def _near(device, start, end):
        """The places that may be held at some moment, the newest first."""
        number = bisect_right(device.place_sent, end) - 1
        while number >= 0 and device.place_until[number] >= start:
            yield device.places[number]
            number -= 1

    def since(self, device, start):
        """The earliest since when the device may wait at a moment; for ever: it does not."""
        return min((x.since_from for x in self._near(device, start, start) if x.may_until >= start), default=FOREVER)

    def since_latest(self, device, start, end):
        """The latest since when it waits, where it surely does."""
        return min((x.since_to for x in self._near(device, start, end) if x.sure_from <= start and x.sure_until > end), default=FOREVER)

    def sure(self, start, end, but, since=FOREVER):
        """The devices that surely wait throughout, and longer than whoever may wait since then."""
        found = []
        for device in self.devices:
            if device is not but:
                for x in self._near(device, start, end):
                    if x.sure_from <= start and x.sure_until > end and x.since_to < since:
                        found.append(device)
                        break
        return found

    def possible(self, start, end, but, since=FOREVER):
        """How many devices may wait at some moment, and not surely shorter than whoever surely waits since then."""
        count = 0
        for device in self.devices:
            if device is not but:
                for x in self._near(device, start, end):
                    if x.may_until >= start and x.since_from <= since:
                        count += 1
                        break
        return count
