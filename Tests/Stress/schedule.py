"""What clients do next: dice over what they know. The same for the model and for the server, so that one finds what the other has."""


USERS = ("ada", "ben", "cora")


class Notebook:
    """What the clients of one licence know: the sessions that each device was told of, the newest last."""

    def __init__(self, license, devices, seed, ttl, users=USERS, name="device"):
        self.license = license
        self.devices = [f"{license}-{name}-{number:03}" for number in range(devices)]
        self.owners = {device: users[number % len(users)] for number, device in enumerate(self.devices)}
        self.users, self.holders, self.waiting = users, {}, {}  # session: user; device: user
        self.told = {device: [] for device in self.devices}
        self.keys, self.counter, self.seed, self.ttl = [], 0, seed, ttl
        self.touched, self.asleep, self.over, self.beaten = {}, {}, set(), {}

    def learn(self, op):
        if op.op == "acquire" and op.is_waiting:
            self.waiting[op.request["hardware_id"]] = op.user
        elif op.op == "acquire" and op.is_ok:
            self.waiting.pop(op.request["hardware_id"], None)
            self.holders[op.answer["session_id"]] = op.user
            self.beaten[op.request["hardware_id"]] = op.received
            self._tell(op.request["hardware_id"], op.answer["session_id"], op.answer["epoch"])
            if op.request.get("key"):
                self.keys = self.keys[-20:] + [op.request]
        elif op.op == "heartbeat" and op.is_ok:
            for device, told in self.told.items():
                if any(session == op.request["session_id"] for session, _ in told):
                    self._tell(device, op.request["session_id"], op.answer["epoch"])
                    self.beaten[device] = op.received
        if op.is_ok if op.op in ("release", "force") else op.op == "heartbeat" and not op.is_ok and not op.is_lost:
            self.over.add(op.request["session_id"])

    def _tell(self, device, session, epoch):
        told = self.told.setdefault(device, [])
        if (session, epoch) in told:
            return
        told.append((session, epoch))
        told.sort(key=lambda pair: pair[1])
        del told[:-6]

    def _device(self, dice, now):
        """One that is awake. Each falls asleep now and then, for less than a lease's life or for more, whatever the pace."""
        awake = [device for device in self.devices if self.asleep.get(device, 0) <= now] or self.devices
        device = dice.choice(awake)
        idle = now - self.touched.get(device, now)
        if dice.random() < min(0.5, idle / (0.8 * self.ttl)):
            self.asleep[device] = now + dice.uniform(0.6, 2.2) * self.ttl
        self.touched[device] = now
        return device

    def _is_over(self, device):
        told = self.told[device]
        return not told or told[-1][0] in self.over

    def next(self, dice, now):
        """An operation and its request."""
        if self.waiting and dice.random() < 0.2:
            return self._ask_again(dice)
        late = [x for x in self.devices if self.told[x] and 1.0 <= (now - self.beaten.get(x, now)) / self.ttl <= 1.4]
        if late and dice.random() < 0.15:
            return self._beat(dice, dice.choice(late))
        device = self._device(dice, now)
        told = self.told.setdefault(device, [])
        roll = dice.random()
        is_over = not told or (told[-1][0] in self.over and dice.random() < 0.7)
        if roll < 0.40 or is_over:
            if roll < 0.02 and self.keys:
                return "acquire", dict(dice.choice(self.keys))  # long after it was answered
            # Now and then somebody else sits down at the device.
            request = {"hardware_id": device, "user": self.owners[device] if dice.random() < 0.93 else dice.choice(self.users)}
            if dice.random() < 0.1:
                request["unnamed"] = True  # whichever licence has a seat: the tenant has but one
            if dice.random() < 0.35:
                request["wait"] = True
            if dice.random() < 0.3:
                self.counter += 1
                request["key"] = f"{self.license}-{self.seed}-{self.counter}"
            return "acquire", request
        if roll < 0.80:
            return self._beat(dice, device)
        # Mostly the newest session; now and then one that should be over.
        session, _ = told[-1] if dice.random() < 0.85 else dice.choice(told)
        request = {"session_id": session, "user": self._user(dice, session, device)}
        if roll < 0.825:
            wrong = dice.random() < 0.05
            return "borrow", dict(request, hardware_id=dice.choice(self.devices) if wrong else device, hours=dice.choice([1, 1, 2]))
        if roll < 0.90:
            return "release", request
        if roll < 0.94:
            return "force", {"session_id": session, "reason": f"needed elsewhere {dice.randrange(1000)}"}
        return "list", {}

    def _beat(self, dice, device):
        told = self.told[device]
        session, epoch = told[-1] if dice.random() < 0.85 else dice.choice(told)
        request = {"session_id": session, "user": self._user(dice, session, device)}
        said = dice.random()
        if said < 0.4:
            request["epoch"] = epoch
        elif said < 0.55:
            request["epoch"] = dice.choice(told)[1]
        return "heartbeat", request

    def _user(self, dice, session, device):
        return self.holders.get(session, self.owners[device]) if dice.random() < 0.98 else dice.choice(self.users)

    def _ask_again(self, dice):
        """Most who wait ask again in time; some go away, and come back when it is too late, or without waiting."""
        device = dice.choice(list(self.waiting))
        request = {"hardware_id": device, "user": self.waiting[device]}
        if dice.random() < 0.9:
            request["wait"] = True
        if dice.random() < 0.05:
            del self.waiting[device]
        return "acquire", request

    @staticmethod
    def again(dice, op):
        """After a lost answer: most clients ask again, under the same key where they had one."""
        return op.op in ("acquire", "heartbeat", "release", "borrow") and dice.random() < 0.7
