"""Clients that use the servers while the world falls down, and what they saw of it; the judge of that. Nothing here knows how the servers work."""

import http.client
import json
import random
import threading
import time

from kernel import PASSWORD
from tiny_browser import Browser, Lost

DEADLINE = 20.0  # in which each request is answered or refused
CLEAN = {200, 201, 204, 404, 409, 410, 429, 503}


class Seen:
    """Everything that was asked, from all threads."""

    def __init__(self):
        self.lock, self.requests, self.found, self.counts = threading.Lock(), 0, [], {}
        self.slowest, self.excused = 0.0, []  # excused: (node, since, until) at which a server was stopped by us

    def count(self, what, how):
        with self.lock:
            self.requests += 1
            self.counts[f"{what} {how}"] = self.counts.get(f"{what} {how}", 0) + 1

    def find(self, *what):
        with self.lock:
            self.found.append(what)

    def excuse(self, node, since, until):
        with self.lock:
            self.excused.append((node, since, until))

    def is_excused(self, node, since, until):
        with self.lock:
            return any(n == node and a <= until and since <= b for n, a, b in self.excused)


class Customer:
    """Somebody with a token, the words that only they may see, and the others' words."""

    def __init__(self, name, kernel, organization):
        self.name, self.address, self.organization = name, f"{name}@example.com", organization
        kernel.sign_up(self.address, organization)
        kernel.verify(self.address)
        self.token = kernel.login(self.address)["access_token"]
        self.license, self.others = None, []
        self.spans = []  # (device, from, until): seats that were surely held
        self.granted = self.early = 0

    def buy(self, kernel, quantity):
        self.license = kernel.paid_license(self.token, quantity=quantity)["id"]


class Onlooker:
    """One client: a thread that asks one server or the other until it is told to stop."""

    def __init__(self, world, customer, seed):
        self.world, self.customer, self.dice = world, customer, random.Random(seed)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.world.stopping.is_set():
            try:
                self.act()
            except Exception as error:  # pylint: disable=broad-except
                self.world.seen.find("a client broke", repr(error))
                return

    def rest(self, most):
        self.world.stopping.wait(self.dice.uniform(most / 3, most))

    def node(self):
        avoided = self.world.avoided
        return self.dice.randrange(2) if avoided is None or self.dice.random() < 0.02 else 1 - avoided

    def call(self, what, method, path, body=None, key=None):
        """Status or None where there was no whole answer, the body, when it was sent, when answered."""
        seen, customer = self.world.seen, self.customer
        node = self.node()
        began = time.monotonic()
        try:
            line = http.client.HTTPConnection("127.0.0.1", self.world.kernels[node].port, timeout=DEADLINE + 12)
            headers = {"Content-Type": "application/json", "Connection": "close", "Authorization": "Bearer " + customer.token}
            if key:
                headers["Idempotency-Key"] = key
            line.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = line.getresponse()
            status, raw = answer.status, answer.read()
            line.close()
            how = str(status)
        except TimeoutError:
            status, raw, how = None, b"", "no answer"
        except (OSError, http.client.HTTPException):
            status, raw, how = None, b"", "cut"
        ended = time.monotonic()
        seen.count(what, how)
        if not seen.is_excused(node, began, ended):
            with seen.lock:
                seen.slowest = max(seen.slowest, ended - began)
            if ended - began > DEADLINE:
                seen.find("not answered in time", what, how, round(ended - began, 1), f"{began - self.world.began:.0f} s into it, by server {node}")
            elif how == "cut":
                seen.find("cut off by a server that was not touched", what, node, f"{began - self.world.began:.0f} s into it")
        if status is not None and status not in CLEAN:
            seen.find("not a clean refusal", what, status, raw[:200], f"{began - self.world.began:.0f} s into it, by server {node}")
        for word in customer.others:
            if word.encode() in raw:
                seen.find("another tenant's word in an answer", what, word)
        if status is None:
            self.rest(0.4)
        try:
            found = json.loads(raw or b"{}")
        except ValueError:
            found = {}
        return status, found, began, ended


class Sitter(Onlooker):
    """One device of a customer: takes a seat, keeps it for a while, gives it back."""

    def __init__(self, world, customer, number, term):
        self.device, self.term = f"{customer.name}-{number}".encode().hex().rjust(64, "0"), term
        super().__init__(world, customer, f"{world.seed}/{customer.name}/{number}")

    def act(self):
        customer = self.customer
        status, seat, sent, answered = self.call(
            "acquire", "POST", "/api/v1/licenses/acquire", {"license_id": customer.license, "hardware_id": self.device})
        if status != 200:
            return self.rest(1.2)
        customer.granted += 1
        since, until, session = answered, sent + self.term, {"session_id": seat["session_id"]}
        for _ in range(self.dice.randrange(1, 7)):
            self.rest(0.9)
            status, _, sent, answered = self.call("heartbeat", "POST", "/api/v1/licenses/heartbeat", session)
            if status == 200:
                until = max(until, sent + self.term)
            elif status in (404, 409, 410):
                if sent < until:
                    customer.early += 1
                customer.spans.append((self.device, since, min(sent, until)))
                return None
            if self.world.stopping.is_set():
                break
        first = time.monotonic()
        customer.spans.append((self.device, since, min(first, until)))
        for _ in range(40):
            status, *_ = self.call("release", "POST", "/api/v1/licenses/release", session)
            if status in (200, 204, 404, 409, 410) or self.world.stopping.is_set():
                return None
            self.rest(1.0)
        return None


class Passer(Onlooker):
    """Signs in, looks at its own licences, and tries those of others."""

    def act(self):
        customer = self.customer
        chance = self.dice.random()
        if chance < 0.3:
            self.call("sign-in", "POST", "/api/v1/auth/login", {"email": customer.address, "password": PASSWORD})
        elif chance < 0.65 or not customer.others:
            self.call("look", "GET", "/api/v1/licenses")
        else:
            foreign = self.dice.choice(self.world.sitting)
            if foreign is not customer:
                status, *_ = self.call("foreign", "GET", f"/api/v1/licenses/{foreign.license}")
                if status == 200:
                    self.world.seen.find("another tenant's licence was shown", customer.name, foreign.name)
        self.rest(0.8)


class Buyer(Onlooker):
    """Buys once, as often as it takes: the same checkout under the same key, the same payment page."""

    url = None
    paid = False

    def act(self):
        world, customer = self.world, self.customer
        if self.paid:
            self.rest(3.0)
            return
        if self.url is None:
            if self.dice.random() < 0.8:
                self.rest(1.0)
                return
            status, answer, *_ = self.call(
                "checkout", "POST", "/api/v1/billing/checkout", {"tier": "team", "interval": "month", "quantity": 3}, key=f"buy-{customer.name}")
            if status == 200:
                if "/plugins/" not in answer["url"]:
                    world.seen.find("a checkout without a page", answer["url"])
                self.url = answer["url"]
            else:
                self.rest(1.0)
            return
        node = self.node()
        browser = Browser()
        how = "cut"
        try:
            page = browser.open(world.kernels[node].base + self.url[self.url.index("/plugins/"):])
            how = str(page.status)
            labels = [button.label for form in browser.page.forms for button in form.buttons]
            if page.status == 200 and labels:
                how = f"pressed, {browser.press(labels[0]).status}"
            elif page.status == 200:
                self.paid, how = True, "paid"  # what was pressed before has had its effect
        except (OSError, Lost, http.client.HTTPException):
            pass
        world.seen.count("payment page", how)
        self.rest(1.0)


def most_at_once(spans):
    """How many seats were surely held at one moment, one a device."""
    by_device = {}
    for device, since, until in spans:
        if since < until:
            by_device.setdefault(device, []).append((since, until))
    steps = []
    for pieces in by_device.values():
        pieces.sort()
        joined = [list(pieces[0])]
        for since, until in pieces[1:]:
            if since <= joined[-1][1]:
                joined[-1][1] = max(joined[-1][1], until)
            else:
                joined.append([since, until])
        steps += [(moment, change) for since, until in joined for moment, change in ((since, 1), (until, -1))]
    # Where one ends as another begins, the end comes first.
    most = now = 0
    for _, change in sorted(steps):
        now += change
        most = max(most, now)
    return most
