"""The server under test, as its clients know it: started on a free loopback port over a folder of its own. Standard library only."""

import email
import email.policy
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from tiny_browser import Browser  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("CODITECT_BUILD", os.path.join(ROOT, ".build", "debug"))
PASSWORD = "maple-otter-lantern-42"


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:500]!r}"


class Kernel:
    def __init__(self, data=None, env=None, config=None, plugins=None, policies=None):
        self.owned = data is None
        self.data = data or tempfile.mkdtemp(prefix="kernel-")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("STRIPE_", "CODITECT_"))}
        self.env.update(env or {})
        self.config = config
        self.prefix = []  # what starts it in its place
        self.policies = policies or os.path.join(ROOT, "policies")
        self.plugins = plugins or os.path.join(BUILD, "plugins")
        self.build = BUILD
        self.port = 0  # a free one; the same again after a restart, as addresses in mails and payment pages name it
        self.process, self.base, self.log = None, None, os.path.join(self.data, "server.log")

    def start(self):
        command = self.prefix + [os.path.join(self.build, "coditectd"), "serve", "--data", self.data, "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--policies", self.policies, "--plugins", self.plugins]
        if self.config:
            path = os.path.join(self.data, "coditect.yaml")
            with open(path, "w", encoding="utf-8") as file:
                file.write(self.config)
            command += ["--config", path]
        # Which tests and contracts of the policies have passed, as after a restart: trying them all is most of what a first start costs.
        passed, known = os.path.join(self.data, "policies", "passed"), os.path.join(self.build, "policies-passed")
        if not os.path.exists(passed) and os.path.exists(known):
            os.makedirs(os.path.dirname(passed), mode=0o700, exist_ok=True)
            with os.fdopen(os.open(passed, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file, open(known, "rb") as kept:
                file.write(kept.read())
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=open(self.log, "a"), env=self.env, text=True)
        first = self.process.stdout.readline()
        if not first.startswith("listening on "):
            raise SystemExit(f"the server said {first!r} first; its log:\n{open(self.log).read()[-4000:]}")
        self.remember(passed, known)
        self.base = first.split()[-1]
        self.port = int(self.base.rsplit(":", 1)[1])
        return self

    @staticmethod
    def remember(passed, known):
        """For the next server, what this one found out beyond what was known; a list that has grown long begins anew. Nobody needs it."""
        try:
            mine = os.path.getsize(passed)
            others = os.path.getsize(known) if os.path.exists(known) else 0
            if mine == others or mine < others < 1_000_000:
                return
            draft, name = tempfile.mkstemp(dir=os.path.dirname(known))
            with os.fdopen(draft, "wb") as file, open(passed, "rb") as kept:
                file.write(kept.read())
            os.replace(name, known)
        except OSError:
            pass

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def stop(self, keep=False):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                code = self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError("the server did not drain within 30 s of SIGTERM")
            self.process.stdout.close()
            assert code == 0, f"the server left with {code}:\n{open(self.log).read()[-3000:]}"
        if self.owned and not keep:
            shutil.rmtree(self.data, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def call(self, method, path, body=None, token=None, headers=None, raw=None):
        data = raw if raw is not None else (json.dumps(body).encode() if body is not None else None)
        request = urllib.request.Request(self.base + path, data=data, method=method)
        if data is not None:
            request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("Authorization", "Bearer " + token)
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read())

    def want(self, status, method, path, *args, **more):
        answer = self.call(method, path, *args, **more)
        assert answer.status == status, f"{method} {path}: wanted {status}, got {answer}\nlog: {open(self.log).read()[-3000:]}"
        return answer

    def until(self, what, probe, seconds=120):
        deadline = time.monotonic() + seconds
        pause = 0.05
        while True:
            found = probe()
            if found:
                return found
            assert time.monotonic() < deadline, f"waited {seconds} s for {what}\nlog: {open(self.log).read()[-3000:]}"
            # A probe may cost a request, and a user has 100 of them a minute.
            time.sleep(pause)
            pause = min(pause * 1.5, 1.0)

    def mails(self):
        found = []
        for path in sorted(glob.glob(os.path.join(self.data, "mailbox", "*.eml"))):
            with open(path, "rb") as file:
                found.append(email.message_from_binary_file(file, policy=email.policy.default))
        return found

    def mail_token(self, address):
        def probe():
            for message in reversed(self.mails()):
                if address in str(message["To"]):
                    text = message.get_body(preferencelist=("plain",)).get_content()
                    found = re.search(r"token=([A-Za-z0-9_.~-]+)", text)
                    if found:
                        return found.group(1)
            return None

        return self.until(f"a mail with a link to {address}", probe)

    # The life of a customer, as its clients see it.

    def sign_up(self, address="ada@example.com", organization="Analytical Engines"):
        body = {"email": address, "password": PASSWORD, "first_name": "Ada", "last_name": "Lovelace", "organization": organization}
        return self.want(201, "POST", "/api/v1/auth/signup", body)

    def verify(self, address="ada@example.com"):
        return self.want(200, "POST", "/api/v1/auth/verify-email", {"token": self.mail_token(address)})

    def login(self, address="ada@example.com"):
        return self.want(200, "POST", "/api/v1/auth/login", {"email": address, "password": PASSWORD}).json

    def member(self, address="ada@example.com"):
        self.sign_up(address)
        self.verify(address)
        return self.login(address)["access_token"]

    def administrator(self, address="root@example.com"):
        """The first platform administrator, by the link that the server prints at its first start."""
        line = ""
        while "first-administrator?token=" not in line:
            line = self.process.stdout.readline()
            assert line, "the server printed no link for an administrator"
        body = {"token": line.split("token=")[1].split()[0], "email": address, "password": PASSWORD, "first_name": "Root", "last_name": "Admin"}
        self.want(201, "POST", "/api/v1/auth/first-administrator", body)
        return self.login(address)["access_token"]

    def checkout(self, token, tier="team", interval="month", quantity=1, key=None):
        body = {"tier": tier, "interval": interval, "quantity": quantity}
        headers = {"Idempotency-Key": key} if key else None
        return self.want(200, "POST", "/api/v1/billing/checkout", body, token=token, headers=headers).json

    def pay(self, url):
        """Presses the first button of the sandbox provider's page: pay, or start the trial."""
        browser = Browser()
        browser.open(url)
        buttons = [button.label for form in browser.page.forms for button in form.buttons]
        if not buttons:
            return browser  # paid already
        browser.press(buttons[0])
        return browser

    def licenses(self, token):
        return self.want(200, "GET", "/api/v1/licenses", token=token).json["licenses"]

    def paid_license(self, token, tier="team", quantity=1):
        self.pay(self.checkout(token, tier, quantity=quantity)["url"])
        return self.until(f"the {tier} licence", lambda: next((x for x in self.licenses(token) if x["tier"] == tier), None))
