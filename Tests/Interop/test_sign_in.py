"""Sign-in through an OpenID provider whose cryptography is joserfc's: who is let in, and every hostile answer refused with its reason in the log.

openid_stand_in.py is the provider.
"""

import http.cookiejar
import json
import os
import re
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request

from kernel import BUILD, PASSWORD, Kernel
from openid_stand_in import CLIENT, SECRET, Provider

START = "/api/v1/auth/oauth/sso/start"
passed = 0


def check(what, holds, more=""):
    global passed
    assert holds, f"{what} {more}"
    passed += 1


def named(headers):
    return {name.title(): value for name, value in headers.items()}


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


class Person:
    """A browser that follows nothing by itself."""

    def __init__(self, base):
        self.base, self.jar = base, http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(NoRedirect, urllib.request.HTTPCookieProcessor(self.jar))

    def go(self, url, form=None):
        url = url if url.startswith("http") else self.base + url
        data = urllib.parse.urlencode(form).encode() if form is not None else None
        try:
            with self.opener.open(urllib.request.Request(url, data=data), timeout=30) as answer:
                return answer.status, named(answer.headers), answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, named(error.headers), error.read().decode()

    def away(self, start=START):
        """The address at the provider, and that to which the provider sends back."""
        status, headers, body = self.go(start)
        assert status == 303, (status, body[:300])
        status, back, _ = self.go(headers["Location"])
        assert status == 302, status
        return headers["Location"], back["Location"]

    def come(self, start=START):
        return self.go(self.away(start)[1])

    def is_in(self):
        return self.go("/account/sign-in")[0] == 200

    def send(self, path, **fields):
        """Fills in the form of a page of that path."""
        page = self.go(path)[2]
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))
        return self.go(path, dict(hidden, **fields))


def main():
    provider = Provider()
    other = Provider()
    env = {"OIDC_ISSUER": provider.issuer, "OIDC_CLIENT_ID": CLIENT, "OIDC_CLIENT_SECRET": SECRET}
    config = "http:\n  limits_enabled: false\nplugins:\n  oidc:\n    label: Stand-in\n    isolation: process\n"
    try:
        with Kernel(env=env, config=config) as kernel:
            flows(kernel, provider, other)
            accounts(kernel, provider)
            device(kernel, provider)
            log = open(kernel.log).read()
            for secret in (SECRET, *provider.spent):
                check("no secret stands in the log", secret not in log)
    finally:
        provider.close()
        other.close()
    print(f"sign-in: {passed} passed, 0 failed")


def refused(kernel, provider, what, reason):
    person = Person(kernel.base)
    provider.cheat = what
    status, headers, body = person.come()
    provider.cheat = None
    check(f"{what} is refused", status == 403 and not person.is_in(), (status, body[:500]))
    check(f"{what} teaches nothing", reason not in body and "This sign-in could not be completed" in body, body[:500])
    last = [json.loads(line) for line in open(kernel.log) if "A sign-in through a provider was refused" in line][-1]
    check(f"the log says why of {what}", reason in json.dumps(last), last)


def flows(kernel, provider, other):
    offered = kernel.want(200, "GET", "/api/v1/auth/oauth").json["providers"]
    check("what the operator set up is offered", [each["label"] for each in offered] == ["Stand-in"], offered)
    for algorithm in ("RS256", "ES256", "PS256"):
        provider.cheat = algorithm
        person = Person(kernel.base)
        status, headers, body = person.come()
        check(f"a token signed {algorithm} signs in", status == 303 and headers["Location"] == "/start" and person.is_in(), (status, body[:800]))
    provider.cheat = None
    asked = provider.seen[-1]
    check("the challenge leaves, the verifier does not", "code_challenge" in asked and "code_verifier" not in asked)

    for what, reason in [
        ("none", "algorithm none"), ("HS256 with the public key", "algorithm HS256"), ("embedded key", "brings a key"), ("jku", "brings a key"),
        ("key id with a path", "key id is none"), ("another's key", "signature does not hold"), ("wrong typ", "another type"),
        ("duplicate claims", "one member twice"), ("future nbf", "does not hold yet"), ("wrong audience", "for another client"),
        ("wrong issuer", "another issuer"), ("wrong azp", "for another client"), ("expired", "has expired"), ("another nonce", "nonce"),
    ]:
        refused(kernel, provider, what, reason)

    # A code is used twice; with another browser's state; in another browser.
    person, thief = Person(kernel.base), Person(kernel.base)
    _, back = person.away()
    check("another browser cannot use an answer", thief.go(back)[0] == 403 and not thief.is_in())
    check("its own browser can", person.go(back)[0] == 303)
    check("an answer serves once", person.go(back)[0] == 403)
    victim = Person(kernel.base)
    _, attackers = thief.away()
    victim.away()
    check("an attacker's answer signs no victim in", victim.go(attackers)[0] == 403 and not victim.is_in())
    mine = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(victim.away()[1]).query))
    code = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(attackers).query))["code"]
    mixed = "/api/v1/auth/oauth/sso/callback?" + urllib.parse.urlencode(dict(mine, code=code))
    check("a code of another flow is refused at the provider", victim.go(mixed)[0] == 403 and not victim.is_in())
    # The answer names another provider.
    person = Person(kernel.base)
    _, back = person.away()
    check("a mix-up of providers is refused", person.go(back.replace(urllib.parse.quote(provider.issuer, safe=""), urllib.parse.quote(other.issuer, safe="")))[0] == 403)
    _, back = person.away()
    check("nor without the provider's name", person.go(re.sub(r"&iss=[^&]*", "", back))[0] == 403)
    for where in ("//evil.example", "https://evil.example/", "/%5Cevil.example", "javascript:alert(1)"):
        person = Person(kernel.base)
        status, headers, _ = person.come(START + "?next=" + where)
        check(f"a sign-in never leads to {where}", status == 303 and headers["Location"] == "/start", headers)
    status, headers, _ = Person(kernel.base).go(START + "?redirect_uri=https://evil.example/callback")
    sent = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(headers["Location"]).query))
    check("the redirect address is our own, whoever asks", sent["redirect_uri"] == kernel.base + "/api/v1/auth/oauth/sso/callback", sent)


def accounts(kernel, provider):
    kernel.member("ada@example.com")
    for verified in (False, None, "yes"):
        provider.person = {"sub": "666", "email": "ada@example.com", "email_verified": verified}
        person = Person(kernel.base)
        status, _, body = person.come()
        check(f"an address that is verified: {verified} takes no account over", status == 403 and not person.is_in(), body[:300])
    provider.person = {"sub": "2001", "email": "ada@example.com", "email_verified": True}
    person = Person(kernel.base)
    status, headers, _ = person.come()
    check("a verified one asks the owner first", status == 303 and headers["Location"] == "/sign-in/confirm" and not person.is_in(), headers)
    mail = kernel.until("the mail", lambda: next((m for m in kernel.mails() if "Connect a provider" in str(m["subject"])), None))
    token = re.search(r"/link\?token=([A-Za-z0-9_-]+)", mail.get_body(("plain",)).get_content()).group(1)
    owner = Person(kernel.base)
    status, _, body = owner.send("/link?token=" + token)
    check("the owner connects the two", status == 200 and "is connected" in body, body[:500])
    status, _, _ = person.come()
    check("from then on the provider signs the owner in", status == 303 and person.is_in())


def device(kernel, provider):
    home = tempfile.mkdtemp(prefix="device-")
    program = os.path.join(BUILD, "coditect")
    environment = {"PATH": os.environ["PATH"], "HOME": home, "XDG_STATE_HOME": home, "XDG_CONFIG_HOME": home, "CODITECT_SERVER": kernel.base}
    login = subprocess.Popen([program, "login", "--device", "--server", kernel.base], env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        told = login.stderr.readline()
        code = re.search(r"[B-Z]{4}-[B-Z]{4}", told)
        check("the command line shows a code and where to enter it", code and kernel.base + "/device" in told, told)
        person = Person(kernel.base)
        check("nobody enters a code who is not signed in", person.go("/device")[0] == 303)
        person.come()
        status, _, body = person.send("/device", user_code="BBBB-BBBB")
        check("a wrong code is unknown", status == 404, status)
        status, _, body = person.send("/device", user_code=code.group(0).lower())
        check("the page says what asks", status == 200 and "coditect" in body, body[:800])
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', body))
        status, _, body = person.go("/device/answer", hidden)
        check("the device is let in", status == 200 and "signed in" in body, body[:500])
        out, _ = login.communicate(timeout=60)
        check("the command line is signed in", login.returncode == 0 and "ada@example.com" in out, out)
    finally:
        if login.poll() is None:
            login.kill()
            login.wait()

    key = "oidc:" + provider.kid(provider.rsa)
    revoke = [os.path.join(BUILD, "coditectd"), "sessions", "revoke", "--server", kernel.base, "--issued-by", key, "--between", "2000-01-01T00:00:00Z..2100-01-01T00:00:00Z"]
    listed = subprocess.run(revoke + ["--dry-run"], capture_output=True, text=True, timeout=60)
    check("a trial lists and ends nothing", listed.returncode == 0 and person.is_in() and "nothing was ended" in listed.stderr, listed)
    ended = subprocess.run(revoke, capture_output=True, text=True, timeout=60)
    check("every session that the key opened is ended", ended.returncode == 0 and not person.is_in(), ended)
    check("and what was done is listed", "device.approved" in ended.stdout, ended.stdout[-2000:])
    status = subprocess.run([program, "license", "status", "--server", kernel.base], env=environment, capture_output=True, text=True, timeout=60)
    check("the device's too", "sign in" in (status.stdout + status.stderr).lower() or status.returncode != 0, status)
    token = kernel.want(200, "POST", "/api/v1/auth/login", {"email": "ada@example.com", "password": PASSWORD}).json["access_token"]
    check("a session by password stays", kernel.call("GET", "/api/v1/users/me", token=token).status == 200)


if __name__ == "__main__":
    main()
