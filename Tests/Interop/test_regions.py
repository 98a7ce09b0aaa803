#!/usr/bin/env python3
"""Three regions of one platform: us, eu and apac, each a server with a database, a Redis and a folder of its own, and a directory that they share. People sign up,
buy, invite and keep files in each region through any of the three doors; then everything that was personal is looked for where it must not be. The directory goes
down, a region goes down, and a server is killed in the middle of sign-ups.

    test_regions.py [sqlite]
"""

import base64
import contextlib
import hashlib
import http.client
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kernel import BUILD, PASSWORD, Kernel  # noqa: E402
from test_many_processes import free_port, wait_for  # noqa: E402
from test_postgres import Cluster  # noqa: E402
from tiny_browser import Browser  # noqa: E402

REGIONS = ("us", "eu", "apac")
EMBEDDED = "sqlite" in sys.argv[1:]


class Redis:
    def __init__(self):
        self.port, self.folder = free_port(), tempfile.mkdtemp(prefix="redis-")
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", self.folder]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.port)

    def everything(self):
        """Every key and its value, as the server serialises it."""
        def ask(*words):
            return subprocess.run(["redis-cli", "-p", str(self.port), *words], check=True, capture_output=True).stdout
        found = []
        for key in ask("--scan").splitlines():
            found += [key, ask("--raw", "DUMP", key.decode())]
            kind = ask("TYPE", key.decode()).strip()
            read = {b"string": ("GET",), b"hash": ("HGETALL",), b"list": ("LRANGE", "0", "-1"), b"set": ("SMEMBERS",), b"zset": ("ZRANGE", "0", "-1")}
            if kind in read:
                command = read[kind]
                found.append(ask(command[0], key.decode(), *command[1:]))
        return b"\n".join(found)

    def close(self):
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)


class Directory:
    """A database server of its own, so that it can be away while the regions' are not."""

    @contextlib.contextmanager
    def held(self):
        """Whoever writes where addresses lead waits meanwhile."""
        if self.cluster:
            session = subprocess.Popen(
                [os.path.join(self.cluster.programs, "psql"), "-qAtX", "-v", "ON_ERROR_STOP=1", self.cluster.url("postgres", "directory")], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, text=True)
            session.stdin.write("BEGIN; LOCK TABLE coditect.mail_region_directory IN SHARE ROW EXCLUSIVE MODE; SELECT 'held';\n")
            session.stdin.flush()
            assert session.stdout.readline() == "held\n"
            try:
                yield
            finally:
                session.communicate("COMMIT;\n", timeout=20)
        else:
            import sqlite3
            file = sqlite3.connect(self.path, isolation_level=None, timeout=20)
            file.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                file.execute("ROLLBACK")
                file.close()

    def __init__(self, folder):
        self.path, self.cluster = os.path.join(folder, "directory.sqlite"), None
        if EMBEDDED:
            return
        self.cluster = Cluster()
        roles(self.cluster, "directory")

    def url(self, role="coditect_serve"):
        return self.cluster.url(role, "directory") if self.cluster else self.path

    def stop(self):
        self.cluster.server.send_signal(signal.SIGINT)
        self.cluster.server.wait(30)

    def start(self):
        cluster = self.cluster
        options = ("listen_addresses=", f"unix_socket_directories={cluster.folder}", "fsync=off")
        cluster.server = subprocess.Popen(
            cluster.identity + [os.path.join(cluster.programs, "postgres"), "-D", os.path.join(cluster.folder, "data")]
            + [part for option in options for part in ("-c", option)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        for _ in range(400):
            if subprocess.run([os.path.join(cluster.programs, "pg_isready"), "-q", "-h", cluster.folder], check=False).returncode == 0:
                return
            time.sleep(0.05)
        raise AssertionError("the directory's database server does not start again")

    def rows(self, table):
        if self.cluster:
            return [line.split("|") for line in self.cluster.psql(f"SELECT * FROM coditect.{table}", "directory").splitlines()]
        import sqlite3
        with sqlite3.connect(f"file:{self.path}?mode=ro", uri=True) as file:
            return [[x.hex() if isinstance(x, bytes) else str(x) for x in row] for row in file.execute(f"SELECT * FROM {table}")]


def roles(cluster, database):
    command = [os.path.join(BUILD, "coditectd"), "migrate", "roles", "--database", database]
    for statement in subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip().split(";\n"):
        name = statement.split()[2]
        if statement.startswith("CREATE ROLE") and cluster.psql(f"SELECT 1 FROM pg_roles WHERE rolname = '{name}'", "postgres"):
            continue
        cluster.psql(statement.rstrip(";"), "postgres")


class Place(Kernel):
    """One region."""

    def __init__(self, region, world):
        super().__init__(env={"CODITECT_REGIONS_DIRECTORY": world.directory.url()})
        self.owned, self.region, self.redis, self.port, self.cluster = False, region, None, world.ports[region], world.cluster
        if not EMBEDDED:
            self.redis = Redis()
            roles(world.cluster, self.database)
            self.env["REDIS_URL"] = f"redis://127.0.0.1:{self.redis.port}"
            self.env["DATABASE_URL"] = world.cluster.url("coditect_migrate", self.database)
        self.config = world.config(region)
        with open(os.path.join(self.data, "coditect.yaml"), "w", encoding="utf-8") as file:
            file.write(self.config)
        if not EMBEDDED:
            self.program("migrate", "up")
            self.env["DATABASE_URL"] = world.cluster.url("coditect_serve", self.database)

    @property
    def database(self):
        return "coditect_" + self.region

    def program(self, *words, code=0, **env):
        command = [os.path.join(BUILD, "coditectd"), *words, "--data", self.data]
        done = subprocess.run(command, env={**self.env, **env}, capture_output=True, text=True, check=False)
        assert done.returncode == code, (words, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
        return done.stdout

    def rows(self, query):
        if self.cluster:
            return [line.split("|") for line in self.cluster.psql(query.replace("FROM ", "FROM coditect."), self.database).splitlines()]
        import sqlite3
        with sqlite3.connect(f"file:{self.data}/coditect.db?mode=ro", uri=True) as file:
            return [[str(x) for x in row] for row in file.execute(query)]

    def everything(self):
        """What this region keeps, by where it lies: its database, its Redis, its files and its log."""
        found = {}
        if self.cluster:
            dump = [os.path.join(self.cluster.programs, "pg_dump"), self.cluster.url("postgres", self.database)]
            found["database"] = subprocess.run(dump, check=True, capture_output=True).stdout
            found["redis"] = self.redis.everything()
            assert len(found["redis"]) > 1_000, "a Redis that nobody uses holds no canary either"
        for folder, _, files in os.walk(self.data):
            for name in files:
                with open(os.path.join(folder, name), "rb") as file:
                    found[os.path.relpath(os.path.join(folder, name), self.data)] = file.read()
        return found

    def close(self):
        if self.process and self.process.poll() is None:
            self.stop(keep=True)
        if self.redis:
            self.redis.close()
        shutil.rmtree(self.data, ignore_errors=True)


class World:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="regions-")
        self.ports = {region: free_port() for region in REGIONS}
        for name in ("directory.key", "relay.key"):
            with open(os.path.join(self.folder, name), "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                file.write(secrets.token_hex(32) + "\n")
        self.cluster = None if EMBEDDED else Cluster()
        self.directory = Directory(self.folder)
        self.places = {region: Place(region, self) for region in REGIONS}
        if not EMBEDDED:
            one = self.places["us"]
            one.program("regions", "migrate", CODITECT_REGIONS_DIRECTORY=self.directory.url("coditect_migrate"))
            assert "nothing to do" in one.program("regions", "migrate", CODITECT_REGIONS_DIRECTORY=self.directory.url("coditect_migrate"))
        threads = [threading.Thread(target=place.start) for place in self.places.values()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(place.base for place in self.places.values())

    def url(self, region):
        return f"http://127.0.0.1:{self.ports[region]}"

    def config(self, region):
        lines = [
            f"tenancy: {{region: {region}}}",
            f"http: {{public_url: '{self.url(region)}', handler_timeout_seconds: 10, limit_login_per_minute: 1000, limit_signup_per_minute: 1000,"
            " limit_standard_per_minute: 10000, limit_validate_per_minute: 1000, limit_activate_per_hour: 1000}",
            "regions:", f"  directory_key_file: {self.folder}/directory.key", f"  relay_key_files: [{self.folder}/relay.key]",
            "  claim_seconds: 12", "  pass_seconds: 8",
        ]
        return "\n".join(lines + [f"  {name}: {{url: '{self.url(name)}'}}" for name in REGIONS]) + "\n"

    def close(self):
        for place in self.places.values():
            place.close()
        for cluster in (self.cluster, self.directory.cluster):
            if cluster:
                cluster.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Person:
    """Somebody of one region, who comes through another's door; every word of hers is a canary."""

    def __init__(self, home, door):
        self.home, self.door, tag = home, door, secrets.token_hex(6)
        self.mail = f"Canary.Mail.{tag}@{home.region}-people.example"
        self.names = (f"Firstcanary{tag}", f"Lastcanary{tag}", f"Orgcanary {tag}", f"Projectcanary {tag}", f"file canary {tag}")

    def words(self):
        return [self.mail, self.mail.lower(), self.mail.split("@")[0], *self.names]

    def form(self):
        first, last, organization = self.names[:3]
        return {"email": self.mail, "password": PASSWORD, "first_name": first, "last_name": last, "organization": organization,
                "region": self.home.region}

    def sign_up(self):
        self.door.want(201, "POST", "/api/v1/auth/signup", self.form())
        self.door.want(200, "POST", "/api/v1/auth/verify-email", {"token": self.home.mail_token(self.mail)})
        self.session = self.door.login(self.mail)
        self.token = self.session["access_token"]
        return self


def claims(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def ok(text):
    print(f"ok  {text}", flush=True)


def doors_lead_everywhere(world):
    people = []
    for home in world.places.values():
        for door in world.places.values():
            people.append(Person(home, door).sign_up())
    for person in people:
        assert claims(person.token)["region"] == person.home.region, claims(person.token)
        seen = [place.want(200, "GET", "/api/v1/users/me", token=person.token).json for place in world.places.values()]
        assert seen[0]["email"] == person.mail and seen[0] == seen[1] == seen[2], seen
        via = person.door.call("GET", "/api/v1/users/me", token=person.token).headers.get("coditect-region")
        assert via == (None if person.door is person.home else person.home.region), via
    for region, place in world.places.items():
        kept = place.rows("SELECT region, count(*) FROM user_account GROUP BY region")
        assert kept == [[region, "3"]], (region, kept)
        assert place.rows("SELECT region, count(*) FROM tenant_all GROUP BY region") == [[region, "3"]]
    ok(f"{len(people)} sign-ups in each region through each door: rows lie in their own region, and every door knows every token")
    return people


def life_through_a_wrong_door(world, person, other):
    door, home = person.door, person.home
    refreshed = door.want(200, "POST", "/api/v1/auth/refresh", {"refresh_token": person.session["refresh_token"]}).json
    assert refreshed["refresh_token"].endswith("." + home.region)
    assert other.call("POST", "/api/v1/auth/refresh", {"refresh_token": refreshed["refresh_token"]}).status == 200
    person.token = other.login(person.mail)["access_token"]
    checkout = door.checkout(person.token, "team", quantity=3)
    assert checkout["url"].startswith(home.base), checkout
    door.pay(checkout["url"])
    license = door.until("the licence", lambda: next(iter(x for x in door.licenses(person.token) if x["tier"] == "team"), None))
    assert license["id"] in [x["id"] for x in home.licenses(person.token)]
    body = {"license_id": license["id"], "hardware_id": "ab" * 32, "hostname": "host", "os": "linux", "version": "1.0.0"}
    lease = door.want(200, "POST", "/api/v1/licenses/acquire", body, token=person.token).json
    beat = other.want(200, "POST", "/api/v1/licenses/heartbeat", {"session_id": lease["session_id"]}, token=person.token).json
    assert beat["status"] == "ok", beat
    door.want(200, "POST", "/api/v1/licenses/release", {"session_id": lease["session_id"]}, token=person.token)
    key = door.want(200, "GET", f"/api/v1/licenses/{license['id']}", token=person.token).json["license"]["key"]
    nobodys = unknown_key(door, key)
    proof = {"license_key": key, "hardware_id": "cd" * 32}
    for place in world.places.values():
        told = place.want(200, "POST", "/api/v1/licenses/validate", proof).json
        assert told["license"]["id"] == license["id"], (place.region, told)
        unknown = place.want(200, "POST", "/api/v1/licenses/validate", {**proof, "license_key": nobodys}).json
        assert unknown["valid"] is False and unknown["code"] == "unknown_key", unknown
    door.want(200, "POST", "/api/v1/licenses/activate", proof)
    other.want(200, "POST", "/api/v1/licenses/deactivate", proof)
    made = door.want(201, "POST", "/api/v1/api-keys", {"name": "ci", "permissions": ["licenses:read"]}, token=person.token).json
    assert made["secret"].endswith("." + home.region), sorted(made)
    assert other.want(200, "GET", "/api/v1/licenses", token=made["secret"]).json["licenses"]
    return key, nobodys


CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def unknown_key(place, key):
    """A key that nobody has, good by its check sign: of the 32 last signs one fits."""
    body = ("1" if key[-2] != "1" else "2").join((key[:-2], ""))
    for last in CROCKFORD:
        told = place.want(200, "POST", "/api/v1/licenses/validate", {"license_key": body + last, "hardware_id": "cd" * 32}).json
        if told["code"] != "malformed_key":
            return body + last
    raise AssertionError("no last sign fits")


def files(world, person, other):
    name, content = person.names[3], person.names[4].encode()
    door, token = person.door, person.token
    project = door.want(201, "POST", "/api/v1/projects", {"name": name}, token=token).json["id"]
    declared = {"path": "notes/canary.txt", "content_type": "text/plain", "size_bytes": len(content), "hash": hashlib.sha256(content).hexdigest()}
    upload = door.want(201, "POST", f"/api/v1/projects/{project}/uploads", declared, token=token).json
    url = urllib.parse.urlsplit(upload["address"]["url"])
    assert f"{url.scheme}://{url.netloc}" == person.home.base, url
    path = url.path + "?" + url.query
    wrong = http.client.HTTPConnection("127.0.0.1", other.port, timeout=20)
    wrong.request("PUT", path, body=content, headers={"content-type": "application/octet-stream"})
    answer = wrong.getresponse()
    assert answer.status == 307 and answer.headers["location"] == upload["address"]["url"], (answer.status, answer.headers.items(), answer.read())
    wrong.close()
    sent = person.home.call("PUT", path, raw=content, headers={"content-type": "application/octet-stream"})
    assert sent.status == 200, sent
    door.want(200, "POST", f"/api/v1/uploads/{upload['id']}/complete", token=token)
    listed = other.want(200, "GET", f"/api/v1/projects/{project}/files", token=token).json["files"]
    file = listed[0]["id"]
    got = other.want(200, "GET", f"/api/v1/files/{file}/content", token=token)
    assert got.body == content, got
    head = urllib.parse.urlsplit(other.want(200, "POST", f"/api/v1/files/{file}/address", token=token).json["url"])
    forged = http.client.HTTPConnection("127.0.0.1", other.port, timeout=20)
    forged.request("GET", head.path + "?" + head.query)
    assert forged.getresponse().status == 307
    forged.close()


def invitations(world, people):
    eu = next(x for x in people if x.home.region == "eu" and x.door.region == "us")
    guest = f"Canary.Guest.{secrets.token_hex(6)}@eu-people.example"
    eu.door.want(201, "POST", "/api/v1/invitations", {"email": guest, "role": "developer"}, token=eu.token)
    link = eu.home.mail_token(guest)
    assert link.endswith(".eu")
    apac = world.places["apac"]
    assert apac.want(200, "POST", "/api/v1/invitations/look", {"token": link}).json["email"] == guest
    answer = {"token": link, "password": PASSWORD, "first_name": "Guestcanary", "last_name": "Incanary"}
    joined = apac.want(200, "POST", "/api/v1/invitations/accept", answer).json
    tenant = claims(eu.token)["tenant_id"]
    assert joined["tenant_id"] == tenant, joined
    assert claims(apac.login(guest)["access_token"])["tenant_id"] == tenant
    # Somebody whose account is elsewhere: whom a tenant invites is that tenant's to know, so her address is no canary.
    stranger = Person(world.places["us"], world.places["us"]).sign_up()
    invited = eu.home.call("POST", "/api/v1/invitations", {"email": stranger.mail, "role": "developer"}, token=eu.token)
    assert invited.status == 201, invited
    link = eu.home.mail_token(stranger.mail)
    refused = eu.home.want(409, "POST", "/api/v1/invitations/accept", {**answer, "token": link}).json
    assert refused["error"] == "account_in_other_region" and refused["region"] == "us", refused
    ok("an invitation is accepted through any door; an account of another region is told so, and makes no second one")
    return [guest, guest.lower(), guest.split("@")[0], "Guestcanary", "Incanary"]


def nothing_is_told(world, people):
    person = next(x for x in people if x.home.region == "apac")
    nobody = f"nobody.{secrets.token_hex(6)}@example.com"
    for place in world.places.values():
        wrong = place.want(401, "POST", "/api/v1/auth/login", {"email": person.mail, "password": "wrong-" + PASSWORD}).json
        none = place.want(401, "POST", "/api/v1/auth/login", {"email": nobody, "password": "wrong-" + PASSWORD}).json
        assert {k: v for k, v in wrong.items() if k != "request_id"} == {k: v for k, v in none.items() if k != "request_id"}
    # Where requests about nobody go is as settled as where those about somebody do, and they go somewhere else as often.
    passed = {region: 0 for region in REGIONS}
    us = world.places["us"]
    for number in range(24):
        address = {"email": f"nobody{number}.{nobody}", "password": PASSWORD}
        ways = {us.call("POST", "/api/v1/auth/login", address).headers.get("coditect-region", "us") for _ in range(2)}
        assert len(ways) == 1, ways
        passed[ways.pop()] += 1
    assert all(passed.values()), passed
    # A second sign-up with a known address is answered as the first; its person hears of it, at home.
    before = len([x for x in person.home.mails() if person.mail in str(x["To"])])
    again = us.want(201, "POST", "/api/v1/auth/signup", {**person.form(), "region": "us"}).json
    stranger = {"email": nobody, "password": PASSWORD, "first_name": "Strangecanary", "last_name": "Nowcanary", "region": "us"}
    first = us.want(201, "POST", "/api/v1/auth/signup", stranger).json
    assert set(again) == set(first) and again["message"] == first["message"], (again, first)
    person.home.until("the mail", lambda: len([x for x in person.home.mails() if person.mail in str(x["To"])]) > before)
    assert not [x for x in us.mails() if person.mail in str(x["To"])]
    assert not us.rows("SELECT user_id FROM user_account WHERE region <> 'us'")
    us.want(202, "POST", "/api/v1/auth/password/forgot", {"email": person.mail})
    link = person.home.until("the link", lambda: next(
        (person.home.mail_token(person.mail) for x in person.home.mails() if person.mail in str(x["To"]) and "password" in str(x["Subject"]).lower()), None))
    us.want(200, "POST", "/api/v1/auth/password/reset", {"token": link, "password": PASSWORD + "-new"})
    assert us.call("POST", "/api/v1/auth/login", {"email": person.mail, "password": PASSWORD + "-new"}).status == 200
    ok(f"addresses of nobody, of here and of elsewhere are answered alike; nobody's lead to {passed}")
    return [nobody, "Strangecanary", "Nowcanary"]


def browsers_are_sent_home(world, people):
    person = next(x for x in people if x.home.region == "eu")
    us = world.places["us"]
    browser = Browser()
    page = browser.open(us.base + "/sign-up")
    assert "European Union" in page.text and any(person.home.base + "/sign-up" in str(link) for link in page.links), page.text
    browser.open(us.base + "/sign-in")
    browser.fill("Email", person.mail)
    browser.fill("Password", PASSWORD)
    page = browser.press("Sign in")
    assert page.url.startswith(person.home.base + "/sign-in"), page.url
    browser.fill("Email", person.mail)
    browser.fill("Password", PASSWORD)
    page = browser.press("Sign in")
    assert page.url.startswith(person.home.base) and "/sign-in" not in page.url, page.url
    ok("a browser at the wrong door is sent to where its account would be, whoever it is, and signs in there")


def forgeries(world, person):
    us, eu = world.places["us"], world.places["eu"]
    for header in ("x", "e30.00", "." * 100, "A" * 5000):
        refused = eu.call("GET", "/api/v1/users/me", token=person.token, headers={"Coditect-Relay": header})
        assert refused.status == 403 and refused.json["error"] == "relay_refused", refused
    for path, body in (("told", {"mail_digest": "00" * 32}), ("license-key", {"license_key": "CODITECT-0000-0000-0000-0000-0000"})):
        assert eu.call("POST", "/api/v1/regions/" + path, body).status == 404
    # A token that says eu and was signed by nobody is asked there, and refused there.
    parts = person.token.split(".")
    fake = parts[0] + "." + base64.urlsafe_b64encode(json.dumps({**claims(person.token), "region": "eu"}).encode()).decode().rstrip("=") + "." + parts[2]
    refused = us.call("GET", "/api/v1/users/me", token=fake)
    assert refused.status == 401 and refused.headers["coditect-region"] == "eu", refused
    assert us.want(422, "POST", "/api/v1/auth/signup", {**person.form(), "region": "moon"}).json["error"] == "validation_failed"
    listed = us.want(200, "GET", "/api/v1/regions").json
    assert listed["home"] == "us" and [x["id"] for x in listed["regions"]] == list(REGIONS), listed
    before = us.rows("SELECT count(*) FROM payment_event")
    bad = us.call("POST", "/webhooks/sandbox", {"id": "evt_1"}, headers={"Sandbox-Signature": "t=1,v1=00"})
    assert bad.status in (400, 404) and us.rows("SELECT count(*) FROM payment_event") == before, bad
    ok("forged relays, tokens and questions between regions are refused")


def spelled(word):
    raw = word.encode()
    return {raw, raw.hex().encode(), raw.hex().upper().encode(), urllib.parse.quote(word).encode(), *(
        base64.b64encode(b"\0" * pad + raw)[4 * (pad > 0):-4] for pad in range(3))}


def canaries(world, people, extra):
    kept = {region: place.everything() for region, place in world.places.items()}
    if world.directory.cluster:
        cluster = world.directory.cluster
        dump = [os.path.join(cluster.programs, "pg_dump"), cluster.url("postgres", "directory")]
        kept["directory"] = {"database": subprocess.run(dump, check=True, capture_output=True).stdout}
    else:
        kept["directory"] = {name: open(os.path.join(world.folder, name), "rb").read() for name in os.listdir(world.folder) if name.startswith("directory.sqlite")}
    words = {region: set() for region in REGIONS}
    for person in people:
        words[person.home.region] |= set(person.words())
    for region, more in extra.items():
        words[region] |= set(more)
    looked, size = 0, 0
    for region, canary in words.items():
        texts = {spelling: word for word in canary for spelling in spelled(word) if len(spelling) >= 8}
        at_home = b"".join(kept[region].values())
        assert any(word.encode() in at_home for word in canary), "a search that finds nothing at home finds nothing"
        for place, things in kept.items():
            if place == region:
                continue
            for where, content in things.items():
                size += len(content)
                for text, word in texts.items():
                    looked += 1
                    assert text not in content, f"{word!r} of {region} lies in {place}: {where}"
    for person in people:
        mine = hashlib.sha256(person.mail.lower().encode()).digest()
        assert mine not in b"".join(kept["directory"].values()) and mine.hex().encode() not in b"".join(kept["directory"].values())
    ok(f"{sum(map(len, words.values()))} canaries, {looked} looks in the other regions' databases, Redis, files, logs and the directory: none found")


def without_the_directory(world, people):
    home = next(x for x in people if x.home.region == "us" and x.door.region == "us")
    away = next(x for x in people if x.home.region == "eu" and x.door.region == "us")
    us, eu = world.places["us"], world.places["eu"]
    world.directory.stop()
    try:
        for person in (home, away):
            us.want(200, "GET", "/api/v1/users/me", token=person.token)
        session = us.login(home.mail)
        us.want(200, "POST", "/api/v1/auth/refresh", {"refresh_token": session["refresh_token"]})
        assert eu.login(away.mail)["access_token"]
        refusals = [
            us.call("POST", "/api/v1/auth/login", {"email": mail, "password": word})
            for mail, word in ((away.mail, PASSWORD), (home.mail, "wrong-" + PASSWORD), ("nobody@example.com", PASSWORD))
        ] + [us.call("POST", "/api/v1/auth/signup", {**home.form(), "email": mail}) for mail in (home.mail, "new@example.com")] + [
            us.call("POST", "/api/v1/auth/password/forgot", {"email": mail}) for mail in (home.mail, away.mail, "nobody@example.com")
        ]
        for refusal in refusals:
            assert refusal.status == 503 and refusal.json["error"] == "directory_unavailable" and refusal.headers["Retry-After"], refusal
        assert us.call("GET", "/health/ready").status == 200
        assert "BAD   directory" in us.program("regions", "status", code=75)
    finally:
        world.directory.start()
    us.until("a sign-in elsewhere", lambda: us.call("POST", "/api/v1/auth/login", {"email": away.mail, "password": PASSWORD}).status == 200)
    ok("without the directory everybody who is signed in works on, and whoever is at home signs in; the rest hears directory_unavailable")


def killed_between(world):
    """Sign-ups at one region are cut by kill -9; what was claimed and not made is given back, and its addresses are free elsewhere."""
    # Before the directory has any of them; then as it takes them, when some are the directory's and have no account.
    open_claims = [cut_sign_ups(world, is_held=True), cut_sign_ups(world, is_held=False)]
    assert open_claims[0] > 2, "nothing was cut"
    ok(f"killed with {open_claims[0]} and {open_claims[1]} addresses claimed and no account made: all were given back, and each leads to one account")


def cut_sign_ups(world, is_held):
    us, eu = world.places["us"], world.places["eu"]
    tag = secrets.token_hex(6)
    mails = [f"cut{number}.{tag}@example.com" for number in range(24)]
    begun = threading.Barrier(len(mails) + 1)

    def ask(mail):
        begun.wait()
        try:
            us.call("POST", "/api/v1/auth/signup", {"email": mail, "password": PASSWORD, "first_name": "Cut", "last_name": "Off"})
        except OSError:
            pass

    threads = [threading.Thread(target=ask, args=(mail,)) for mail in mails]
    for thread in threads:
        thread.start()
    with world.directory.held():
        begun.wait()
        us.until("first claims", lambda: len(us.rows("SELECT user_id FROM mail_claim WHERE state = 'claiming'")) > 2, seconds=60)
        if is_held:
            us.kill()
    if not is_held:
        us.kill()
    for thread in threads:
        thread.join()
    open_claims = len(us.rows("SELECT user_id FROM mail_claim WHERE state = 'claiming'"))
    us.start()
    us.until("nothing half made", lambda: not us.rows("SELECT user_id FROM mail_claim WHERE state <> 'held'"), seconds=40)
    held = {row[0].replace("\\x", "") for row in us.rows("SELECT user_id FROM mail_claim")}
    led = {row[2].replace("\\x", "") for row in world.directory.rows("mail_region_directory") if row[1] == "us"}
    if world.cluster:
        assert held == led, held ^ led
    assert len(held) == len(led) == int(us.rows("SELECT count(*) FROM user_account")[0][0]), (len(held), len(led))
    for mail in mails:
        form = {"email": mail, "password": PASSWORD, "first_name": "Cut", "last_name": "Off", "region": "eu"}
        eu.want(201, "POST", "/api/v1/auth/signup", form)
    total = len([row for row in world.directory.rows("mail_region_directory")])
    people = sum(int(place.rows("SELECT count(*) FROM user_account")[0][0]) for place in world.places.values())
    assert total == people, (total, people)
    assert "ok    directory" in us.program("regions", "status")
    return open_claims


def a_region_down(world, people, key, nobodys):
    apac, us, eu = world.places["apac"], world.places["us"], world.places["eu"]
    person = [x for x in people if x.home is apac][-1]  # the first has a new password, which ended her sessions
    apac.kill()
    # The first may have gone out on a connection that was still open: whether it was done is not known, and that is what it says.
    first = us.call("GET", "/api/v1/users/me", token=person.token)
    assert first.json["error"] in ("region_unanswered", "region_unavailable"), first
    refused = us.until("no connection", lambda: next((x for x in [us.call("GET", "/api/v1/users/me", token=person.token)] if x.status == 503), None))
    assert refused.status == 503 and refused.json["error"] == "region_unavailable" and refused.json["region_url"] == apac.base, refused
    proof = {"license_key": key, "hardware_id": "cd" * 32}
    assert us.want(200, "POST", "/api/v1/licenses/validate", proof).json["license"]
    unknown = us.call("POST", "/api/v1/licenses/validate", {**proof, "license_key": nobodys})
    assert unknown.status == 503 and unknown.json["error"] == "region_unavailable", unknown
    assert us.call("POST", "/api/v1/auth/login", {"email": person.mail, "password": PASSWORD}).status == 503
    assert eu.call("GET", "/health/ready").status == 200
    metrics = us.call("GET", "/metrics").body.decode()
    assert 'region_requests_total{outcome="region_unavailable",region="apac"}' in metrics or 'region="apac",outcome="region_unavailable"' in metrics, [
        line for line in metrics.splitlines() if "region_" in line]
    assert "told of 0 accounts and 0 tenants" in apac.program("regions", "publish")
    apac.start()
    us.want(200, "GET", "/api/v1/users/me", token=person.token)
    ok("a region that is down takes only its own people along, and says so by region_unavailable")


def main():
    begun = time.monotonic()
    world = World()
    try:
        ok(f"three regions and a directory are up, {'over files' if EMBEDDED else 'over PostgreSQL and Redis'}, after {time.monotonic() - begun:.0f} s")
        people = doors_lead_everywhere(world)
        strays = [x for x in people if x.home is not x.door]
        keys = {}
        for person in strays[:6:2] if EMBEDDED else strays:
            third = next(x for x in world.places.values() if x not in (person.home, person.door))
            keys[person.home.region] = life_through_a_wrong_door(world, person, third)
            files(world, person, third)
        ok("purchase, licence, seats, keys, projects and files through wrong doors")
        guests = invitations(world, people)
        nobodies = nothing_is_told(world, people)
        browsers_are_sent_home(world, people)
        forgeries(world, people[0])
        canaries(world, people, {"eu": guests, "us": nobodies})
        if not EMBEDDED:
            without_the_directory(world, people)
        killed_between(world)
        a_region_down(world, people, *next(key for region, key in keys.items() if region != "apac"))
        print(f"ok  {time.monotonic() - begun:.0f} s")
    finally:
        world.close()


if __name__ == "__main__":
    main()
