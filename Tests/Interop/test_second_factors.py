#!/usr/bin/env python3
"""Second factors before judges of others: oathtool shows the codes, zxing reads the QR code, fido2 (Yubico) writes what an authenticator says,
and Python's cryptography signs it. Then what a thief would try."""

import concurrent.futures
import hashlib
import json
import os
import re
import subprocess
import sys
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import zxingcpp  # noqa: E402
from cryptography.hazmat.primitives import hashes  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa  # noqa: E402
from fido2.cose import ES256, RS256, EdDSA  # noqa: E402
from fido2.utils import websafe_decode, websafe_encode  # noqa: E402
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData, CollectedClientData  # noqa: E402
from kernel import PASSWORD, Kernel  # noqa: E402
from tiny_browser import Browser  # noqa: E402

ORIGIN, PARTY = "https://coditect.example", "coditect.example"
passed = 0


def check(words, holds, told=""):
    global passed
    assert holds, f"{words}: {told}"
    passed += 1


def oathtool(secret, offset=0):
    """The code that an app shows, `offset` seconds from now."""
    when = f"now {'+' if offset >= 0 else '-'} {abs(offset)} seconds"
    return subprocess.run(["oathtool", "--totp", "--base32", f"--now={when}", secret], capture_output=True, text=True, check=True).stdout.strip()


def qr_text(page):
    """What a camera reads: the path of the drawing, four pixels a module."""
    span = int(re.search(r'viewBox="0 0 (\d+) ', page).group(1))
    dark = {(int(x), int(y)) for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", page)}
    side = span * 4
    pixels = bytearray(b"\xff" * side * side)
    for x, y in dark:
        for row in range(4):
            start = (y * 4 + row) * side + x * 4
            pixels[start : start + 4] = b"\0\0\0\0"
    found = zxingcpp.read_barcodes(memoryview(bytes(pixels)).cast("B", shape=[side, side]))
    return [code.text for code in found]


def the_app():
    """A person with a browser and an authenticator app."""
    with Kernel(config="http:\n  limits_enabled: false\n") as kernel:
        kernel.member()
        person = Browser()
        person.open(kernel.base + "/sign-in")
        person.fill("Email", "ada@example.com")
        person.fill("Password", PASSWORD)
        person.press("Sign in")
        person.open("/account/security")
        check("where there is no name there are no passkeys", "asskey" not in person.page.text, person.page.text)
        person.press("Set up an app")
        page = person.page.source
        secret = re.search(r'<code class="key">([A-Z2-7]{32})</code>', page).group(1)
        read = qr_text(page)
        check("zxing reads the QR code", len(read) == 1 and read[0].startswith("otpauth://totp/"), read)
        address = urllib.parse.urlsplit(read[0])
        fields = urllib.parse.parse_qs(address.query)
        check("and finds what stands beside it", fields["secret"] == [secret] and "ada@example.com" in urllib.parse.unquote(address.path), read)
        person.fill("Code", oathtool(secret, 3_600))
        person.press("Confirm")
        check("a code of another hour is none", "not the app's" in person.page.text, person.page.text)
        first = oathtool(secret)
        person.fill("Code", first)
        person.press("Confirm")
        codes = re.findall(r"<li><code>([0-9A-Z-]{19})</code></li>", person.page.source)
        check("ten recovery codes are shown", len(set(codes)) == 10, person.page.text)
        person.follow("I have kept them")
        check("and counted, not shown", "10 left" in person.page.text and codes[0] not in person.page.source, person.page.text)
        check("the owner is told", kernel.until("the mail", lambda: [m for m in kernel.mails() if "second factor was added" in str(m["Subject"])]))

        login = lambda: kernel.want(200, "POST", "/api/v1/auth/login", {"email": "ada@example.com", "password": PASSWORD}).json
        step = login()
        check("the password opens nothing", set(step) == {"mfa_required", "mfa_token"} and step["mfa_required"] is True, step)
        verify = lambda **more: kernel.call("POST", "/api/v1/auth/mfa/verify", {"mfa_token": step["mfa_token"], **more})
        check("the token of the first step is no access token", kernel.call("GET", "/api/v1/users/me", token=step["mfa_token"]).status == 401)
        check("the code of the enrolment is spent", verify(code=first).json["error"] == "second_factor_invalid")
        check("one of none, or two, is no answer", [verify().status, verify(code="123456", recovery_code=codes[0]).status] == [422, 422])
        late = oathtool(secret, 30)
        tokens = verify(code=late)
        check("a telephone half a minute ahead is on time", tokens.status == 200, tokens)
        token = tokens.json["access_token"]
        check("the token says nothing of factors that nobody asked", "amr" not in str(tokens.json))
        sessions = kernel.want(200, "GET", "/api/v1/auth/sessions", token=token).json["sessions"]
        check("the session names both", "password+totp" in {one["factor"] for one in sessions}, sessions)
        step = login()
        check("a code is good once", verify(code=late).json["error"] == "second_factor_invalid")

        # Thirty guesses at once, from thirty sign-ins that all know the password: five are looked at.
        steps = [login()["mfa_token"] for _ in range(30)]
        guess = lambda n: kernel.call("POST", "/api/v1/auth/mfa/verify", {"mfa_token": steps[n], "code": f"{n:06d}"}).json["error"]
        with concurrent.futures.ThreadPoolExecutor(30) as crowd:
            told = list(crowd.map(guess, range(30)))
        # One of the five was spent on the replay above; a success would have wiped the sheet.
        check("guesses are counted one by one", told.count("second_factor_invalid") == 4 and told.count("account_locked") == 26, told)
        check("the lock says when", verify(code="000000").headers["Retry-After"].isdigit())
        check("recovery stays open", verify(recovery_code=codes[0].lower()).status == 200)
        step = login()
        check("and serves once", verify(recovery_code=codes[0]).json["error"] == "second_factor_invalid")

        # The pages lead through the second step, and back to where somebody was going.
        person.press("Sign out")
        person.open("/sign-in?next=/account/security")
        person.fill("Email", "ada@example.com")
        person.fill("Password", PASSWORD)
        person.press("Sign in")
        check("the page asks for one more step", "One more step" in person.page.headings, person.page.text)
        person.fill("Code", "12345")
        person.press("Continue")
        check("what is wrong is said there", "locked" in person.page.text.lower() or "Too many" in person.page.text, person.page.text)
        person.fill("Code", codes[1])
        person.press("Continue")
        check("then one is where one wanted to be", person.page.url.endswith("/account/security"), person.page.url)
        check("with one code less", "8 left" in person.page.text, person.page.text)
        log = open(kernel.log).read()
        for text in (secret, codes[0], codes[1], late, step["mfa_token"]):
            check("nothing of it stands in the log", text not in log)


class Authenticator:
    """What fido2 knows of an authenticator's words, and keys of `cryptography`."""

    KINDS = {"ES256": (ES256, lambda: ec.generate_private_key(ec.SECP256R1())), "EdDSA": (EdDSA, ed25519.Ed25519PrivateKey.generate),
             "RS256": (RS256, lambda: rsa.generate_private_key(65537, 2048))}

    def __init__(self, kind="ES256"):
        cose, make = self.KINDS[kind]
        self.kind, self.key, self.id, self.count, self.handle = kind, make(), os.urandom(32), 0, None
        self.public = cose.from_cryptography_key(self.key.public_key())

    def credential(self, response):
        name = websafe_encode(self.id)
        return {"id": name, "rawId": name, "type": "public-key", "response": response, "clientExtensionResults": {},
                "authenticatorAttachment": "platform"}

    def make(self, options, origin=ORIGIN, fmt="none", statement=None):
        self.handle = options["user"]["id"]
        data = AuthenticatorData.create(
            hashlib.sha256(options["rp"]["id"].encode()).digest(), 0x45, 0, AttestedCredentialData.create(bytes(16), self.id, self.public))
        client = CollectedClientData.create("webauthn.create", websafe_decode(options["challenge"]), origin)
        return self.credential({"clientDataJSON": websafe_encode(client), "transports": ["internal"],
                                "attestationObject": websafe_encode(AttestationObject.create(fmt, data, statement or {}))})

    def answer(self, options, origin=ORIGIN, flags=0x05, count=None, extensions=None, handle=None):
        self.count += 1
        if extensions is not None:
            flags |= 0x80
        data = AuthenticatorData.create(
            hashlib.sha256(options["rpId"].encode()).digest(), flags, self.count if count is None else count, extensions=extensions)
        client = CollectedClientData.create("webauthn.get", websafe_decode(options["challenge"]), origin)
        message = data + client.hash
        if self.kind == "ES256":
            signature = self.key.sign(message, ec.ECDSA(hashes.SHA256()))
        elif self.kind == "EdDSA":
            signature = self.key.sign(message)
        else:
            signature = self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return self.credential({"clientDataJSON": websafe_encode(client), "authenticatorData": websafe_encode(data),
                                "signature": websafe_encode(signature), "userHandle": handle or self.handle})


def the_keys():
    """Passkeys of three kinds, as a second factor and alone."""
    with Kernel(config=f"http:\n  limits_enabled: false\n  public_url: {ORIGIN}\nidentity:\n  step_up_seconds: 43200\n") as kernel:
        token = kernel.member()
        post = lambda path, body=None, who=None: kernel.call("POST", "/api/v1/auth/" + path, body or {}, token=who)
        asked = lambda: post("passkeys/options", who=token).json["public_key"]
        keys = {}
        # Attestations other than "none" are taken for none: a certificate in one changes nothing.
        statements = {"ES256": ("none", {}), "EdDSA": ("packed", {"alg": -8, "sig": b"\1" * 64}),
                      "RS256": ("packed", {"alg": -257, "sig": b"\1" * 256, "x5c": [b"\2" * 700]})}
        for kind, (fmt, statement) in statements.items():
            key = Authenticator(kind)
            made = post("passkeys", {"label": kind, "credential": key.make(asked(), fmt=fmt, statement=statement)}, token)
            check(f"{kind} with {fmt} attestation is registered", made.status == 201, made)
            check("codes come with the first alone", len(made.json["recovery_codes"]) == (10 if not keys else 0), made)
            keys[kind] = key
        again = post("passkeys", {"label": "again", "credential": keys["ES256"].make(asked())}, token)
        check("a credential is registered once", again.status == 409 and again.json["error"] == "passkey_taken", again)
        check("the own ones are named", len(asked()["excludeCredentials"]) == 3)
        for origin in ("https://coditect.example.evil.net", "http://coditect.example", "https://CODITECT.example:444"):
            bad = post("passkeys", {"label": "x", "credential": Authenticator().make(asked(), origin=origin)}, token)
            check(f"a page of {origin} registers nothing", bad.status == 422 and bad.json["error"] == "passkey_not_registered", bad)

        def first(key, **lies):
            opened = kernel.want(200, "POST", "/api/v1/auth/passkeys/sign-in/options", {}).json
            state = lies.pop("state", opened["state"])
            return post("passkeys/sign-in", {"state": state, "credential": key.answer(opened["public_key"], **lies)})

        for kind, key in keys.items():
            answer = first(key)
            check(f"{kind} signs in alone", answer.status == 200 and answer.json["user"]["email"] == "ada@example.com", answer)
            step = kernel.want(200, "POST", "/api/v1/auth/login", {"email": "ada@example.com", "password": PASSWORD}).json["mfa_token"]
            options = kernel.want(200, "POST", "/api/v1/auth/mfa/passkey-options", {"mfa_token": step}).json["public_key"]
            check("the second step names the own ones", len(options["allowCredentials"]) == 3)
            answer = post("mfa/verify", {"mfa_token": step, "passkey": key.answer(options, flags=0x01)})
            check(f"{kind} is a second step, by possession alone", answer.status == 200, answer)
        check("with extensions as well", first(keys["ES256"], extensions={"credProps": True}).status == 200)

        def refused(words, answer):
            check(f"{words} is refused", answer.status == 401 and answer.json["error"] == "passkey_invalid", answer)
            check("and told nothing", set(answer.json) == {"error", "message", "hint", "request_id"}, answer)

        key = keys["EdDSA"]
        refused("another origin", first(key, origin="https://evil.example"))
        refused("a person who was not verified", first(key, flags=0x01))
        refused("nobody present", first(key, flags=0x04))
        refused("another browser's challenge", first(key, state=websafe_encode(os.urandom(32))))
        refused("another name of the person", first(key, handle=websafe_encode(os.urandom(32))))
        refused("an unknown authenticator", first(Authenticator(), handle=key.handle))
        opened = kernel.want(200, "POST", "/api/v1/auth/passkeys/sign-in/options", {}).json
        body = {"state": opened["state"], "credential": key.answer(opened["public_key"])}
        with concurrent.futures.ThreadPoolExecutor(8) as crowd:
            told = [answer.status for answer in crowd.map(lambda _: post("passkeys/sign-in", body), range(8))]
        check("an answer serves once, of eight at once", sorted(told) == [200] + [401] * 7, told)
        refused("a counter that goes back", first(key, count=2))
        refused("and what comes after it", first(key, count=9_000))
        check("the owner is told of the copy", kernel.until("the mail", lambda: [m for m in kernel.mails() if "copied" in str(m["Subject"])]))
        own = first(keys["RS256"]).json["access_token"]
        held = {one["label"]: one for one in kernel.want(200, "GET", "/api/v1/auth/mfa", token=own).json["passkeys"]}
        check("and sees which", [label for label, one in held.items() if one["is_suspect"]] == ["EdDSA"], held)
        check("it goes", kernel.call("DELETE", f"/api/v1/auth/passkeys/{held['EdDSA']['id']}", token=own).status == 204)

        # What the journal says of it, as the tenant's own record.
        log = open(kernel.log).read()
        check("no challenge stands in the log", json.dumps(opened["state"]) not in log)


def main():
    the_app()
    the_keys()
    print(f"second factors: {passed} passed, 0 failed")


if __name__ == "__main__":
    main()
