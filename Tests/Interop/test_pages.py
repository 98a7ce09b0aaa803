#!/usr/bin/env python3
"""The pages in a real browser: what the README's tour says to do, with scripts on and with scripts off, then every page beside the tour.

    test_pages.py [README.md] [--shots FOLDER]

Nothing may fail to load, no console may complain, axe-core may find nothing, and a person must get through by keyboard and on a phone."""

import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kernel import PASSWORD, ROOT, Kernel  # noqa: E402
from real_browser import with_chromium  # noqa: E402
from walk import Walk, steps  # noqa: E402


def the_tour(readme, base, browser):
    with open(readme, encoding="utf-8") as file:
        text = file.read().replace("http://127.0.0.1:8080", base)
    walk, rows = Walk(browser), 0
    for kind, body in steps(text.split("<!-- tour -->")[1].split("<!-- /tour -->")[0]):
        if kind == "table":
            rows += walk.table(body)
    assert rows >= 6, f"the README's tour has only {rows} steps in a browser"
    assert walk.remembered.get("KEY", "").startswith("CODITECT-"), f"no key was seen: {walk.remembered}"
    for cookie in browser.context.cookies():
        assert cookie["httpOnly"] and cookie["sameSite"] in ("Lax", "Strict"), f"a cookie that scripts or strangers can use: {cookie}"


def beside_the_tour(kernel, browser):
    """What a customer comes to beside the straight way; signed in, as the tour leaves off."""
    base = kernel.base
    token = kernel.login()["access_token"]
    team = next(license for license in kernel.licenses(token) if license["tier"] == "team")
    seat = {"license_id": team["id"], "hardware_id": "studio-1", "hostname": "studio", "os": "linux", "version": "1"}
    kernel.want(200, "POST", "/api/v1/licenses/acquire", seat, token=token)
    browser.looked.clear()
    browser.open(base + "/licence")
    assert "Who holds a seat" in browser.page.text, browser.page.text
    browser.tab.get_by_text("A machine without network").click()
    browser.fill("Hardware id", "cellar-7")
    assert browser.download("download the licence file").strip(), "the licence file is empty"
    browser.open(base + "/plans")
    browser.open(base + "/licence")
    browser.press("Card, invoices and cancelling")
    browser.open(base + "/docs/api")
    browser.open(base + "/no/such/page", expecting=404)
    browser.open(base + "/")
    words, is_visible, is_outlined = browser.first_stop()
    assert words == "Skip to content" and is_visible and is_outlined, f"Tab comes to '{words}' first (visible: {is_visible}, outlined: {is_outlined})"
    browser.press("Sign out")
    browser.open(base + "/forgot")
    browser.fill("Email", "ada@example.com")
    browser.press("Send")
    link = kernel.until("the link to a new password", lambda: next((m for m in kernel.mails() if "assword" in str(m["Subject"])), None))
    assert link
    browser.open(base + "/reset?token=" + kernel.mail_token("ada@example.com"))
    browser.open(base + "/sign-in")
    browser.fill("Email", "ada@example.com")
    browser.fill("Password", "not-" + PASSWORD)
    browser.press("Sign in", expecting=401)
    browser.open(base + "/sign-up")
    browser.fill("Email", "grace@example.com")
    browser.fill("Password", "passwordpassword")  # long enough for the browser, too common for the server
    browser.fill("First name", "Grace")
    browser.fill("Last name", "Hopper")
    browser.fill("Organization", "Navy")
    browser.press("Create account", expecting=422)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("readme", nargs="?", default=os.path.join(ROOT, "README.md"))
    options.add_argument("--shots", help="a folder for a picture of every page: by day, by night, on a phone")
    given = options.parse_args()
    if given.shots:
        os.makedirs(given.shots, exist_ok=True)
    faults, pages = [], 0
    for scripts in (True, False):
        print(f"pages: scripts {'on' if scripts else 'off'}", flush=True)

        def act(browser, scripts=scripts):
            with Kernel() as kernel:
                the_tour(given.readme, kernel.base, browser)
                if scripts:
                    beside_the_tour(kernel, browser)
                browser.leave()

        browser = with_chromium(scripts, given.shots if scripts else None, act)
        faults += [f"scripts {'on' if scripts else 'off'}: {fault}" for fault in browser.faults]
        pages += len(browser.looked)
    for fault in faults:
        print(f"pages: {fault}")
    print(f"pages: {pages} looked at, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
