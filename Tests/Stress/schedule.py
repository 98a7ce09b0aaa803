"""What clients do next: dice over what they know. The same for the model and for the server, so that one finds what the other has."""


class Notebook:
    """What the clients of one licence know: the sessions that each device was told of, the newest last."""

    def __init__(self, license, devices, seed):
        self.license = license
        self.devices = [f"{license}-device-{number:03}" for number in range(devices)]
        self.told = {device: [] for device in self.devices}
        self.keys, self.counter, self.seed = [], 0, seed

    def learn(self, op):
        if op.op == "acquire" and op.is_ok:
            self._tell(op.request["hardware_id"], op.answer["session_id"], op.answer["epoch"])
            if op.request.get("key"):
                self.keys = self.keys[-20:] + [op.request]
        elif op.op == "heartbeat" and op.is_ok and op.answer.get("resurrected"):
            for device, told in self.told.items():
                if any(session == op.request["session_id"] for session, _ in told):
                    self._tell(device, op.request["session_id"], op.answer["epoch"])

    def _tell(self, device, session, epoch):
        told = self.told[device]
        if (session, epoch) in told:
            return
        told.append((session, epoch))
        told.sort(key=lambda pair: pair[1])
        del told[:-6]

    def next(self, dice):
        """An operation and its request."""
        device = dice.choice(self.devices)
        told = self.told[device]
        roll = dice.random()
        if roll < 0.40 or not told:
            if roll < 0.02 and self.keys:
                return "acquire", dict(dice.choice(self.keys))  # long after it was answered
            request = {"hardware_id": device}
            if dice.random() < 0.3:
                self.counter += 1
                request["key"] = f"{self.license}-{self.seed}-{self.counter}"
            return "acquire", request
        # Mostly the newest session; now and then one that should be over.
        session, epoch = told[-1] if dice.random() < 0.85 else dice.choice(told)
        if roll < 0.82:
            request = {"session_id": session}
            said = dice.random()
            if said < 0.4:
                request["epoch"] = epoch
            elif said < 0.55:
                request["epoch"] = dice.choice(told)[1]
            return "heartbeat", request
        if roll < 0.90:
            return "release", {"session_id": session}
        if roll < 0.93:
            return "force", {"session_id": session, "reason": f"needed elsewhere {dice.randrange(1000)}"}
        return "list", {}

    @staticmethod
    def again(dice, op):
        """After a lost answer: most clients ask again, under the same key where they had one."""
        return op.op in ("acquire", "heartbeat", "release") and dice.random() < 0.7
