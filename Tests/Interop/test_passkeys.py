#!/usr/bin/env python3
"""Second factors in Chromium, with its virtual authenticator: set up, proved at sign-in, alone, and again before a change; looked at closely,
by day, by night and on a phone.

    test_passkeys.py [--shots FOLDER]"""

import argparse
import os
import socket
import sqlite3
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kernel import PASSWORD, Kernel  # noqa: E402
from real_browser import with_chromium  # noqa: E402

KEY = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True,
       "automaticPresenceSimulation": True}


def app(secret):
    return subprocess.run(["oathtool", "--totp", "--base32", secret], capture_output=True, text=True, check=True).stdout.strip()


def says(browser, words):
    assert words in browser.page.text, f"not '{words}' on {browser.tab.url}: {browser.page.text[:600]}"


def sign_in(browser, base, path="/account/security"):
    browser.open(f"{base}/sign-in?next={path}")
    browser.fill("Email", "ada@example.com")
    browser.fill("Password", PASSWORD)
    browser.press("Sign in")


def age(kernel):
    """Makes every proof an hour old, where it is kept: the server's clock is nobody's to move."""
    with sqlite3.connect(os.path.join(kernel.data, "coditect.db"), timeout=20) as db:
        assert db.execute("UPDATE session_factor SET proved_at = proved_at - 3600000000").rowcount > 0


def life(browser, kernel, base):
    wire = browser.context.new_cdp_session(browser.tab)
    wire.send("WebAuthn.enable")
    key = wire.send("WebAuthn.addVirtualAuthenticator", {"options": KEY})["authenticatorId"]
    held = lambda: wire.send("WebAuthn.getCredentials", {"authenticatorId": key})["credentials"]

    sign_in(browser, base)
    browser.follow("Add a passkey")
    browser.fill("Name", "This telephone")
    browser.press("Add a passkey")
    says(browser, "Keep your recovery codes")
    assert len(held()) == 1 and held()[0]["rpId"] == "localhost" and held()[0]["isResidentCredential"], held()
    browser.follow("I have kept them")
    says(browser, "This telephone")

    # The same authenticator makes no second one.
    browser.follow("Add a passkey")
    browser.fill("Name", "Again")
    browser.tab.get_by_role("button", name="Add a passkey").click()
    browser.tab.get_by_text("registered already").wait_for()

    # An app beside it; its code is proved, and the picture is read by no one here but eyes.
    browser.open(base + "/account/security")
    browser.press("Set up an app")
    secret = browser.tab.locator("code.key").inner_text()
    browser.fill("Code", "000000" if app(secret) != "000000" else "111111")
    browser.press("Confirm", expecting=422)
    browser.fill("Code", app(secret))
    browser.press("Confirm")
    says(browser, "Set up on")

    browser.press("Sign out")
    sign_in(browser, base)
    says(browser, "One more step")
    browser.press("Use a passkey")
    says(browser, "Your second factor")

    browser.press("Sign out")
    browser.open(base + "/sign-in?next=/account/security")
    browser.follow("Sign in with a passkey")
    browser.press("Use a passkey")
    says(browser, "Your second factor")
    token = kernel.call("POST", "/api/v1/auth/login", {"email": "ada@example.com", "password": PASSWORD}).json
    assert token["mfa_required"], token

    # Proved long ago: the page asks again, and leads back.
    age(kernel)
    browser.press("Make new codes")
    says(browser, "Is it you?")
    browser.press("Use a passkey")
    assert browser.tab.url.endswith("/account/security"), browser.tab.url
    browser.press("Make new codes")
    says(browser, "Keep your recovery codes")

    # A copy of the authenticator that lags behind: its counter goes back.
    copy = held()[0]
    assert copy["signCount"] >= 3, copy
    wire.send("WebAuthn.removeCredential", {"authenticatorId": key, "credentialId": copy["credentialId"]})
    wire.send("WebAuthn.addCredential", {"authenticatorId": key, "credential": {**copy, "signCount": 1}})
    browser.press("Sign out")
    browser.open(base + "/sign-in/passkey?next=/account/security")
    browser.press("Use a passkey", expecting=401)
    says(browser, "The passkey was not accepted")
    assert kernel.until("the mail to the owner", lambda: [m for m in kernel.mails() if "copied" in str(m["Subject"])])

    # Refused by its person: nothing happens, and the page says so.
    wire.send("WebAuthn.setUserVerified", {"authenticatorId": key, "isUserVerified": False})
    browser.tab.get_by_role("button", name="Use a passkey").click()
    browser.tab.get_by_text("No passkey was used").wait_for()


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--shots", help="a folder for a picture of every page: by day, by night, on a phone")
    given = options.parse_args()
    if given.shots:
        os.makedirs(given.shots, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    base = f"http://localhost:{port}"

    def act(browser):
        kernel = Kernel(config=f"http:\n  limits_enabled: false\n  public_url: {base}\nidentity:\n  cache_entries: 0\n")
        kernel.port = port
        with kernel:
            kernel.member()
            life(browser, kernel, base)
            browser.leave()

    browser = with_chromium(True, given.shots, act)
    for fault in browser.faults:
        print(f"passkeys: {fault}")
    print(f"passkeys: {len(browser.looked)} pages looked at, {len(browser.faults)} faults")
    return 1 if browser.faults else 0


if __name__ == "__main__":
    sys.exit(main())
