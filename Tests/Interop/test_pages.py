#!/usr/bin/env python3
"""The pages in a real browser: what the README's tour says to do, with scripts on and with scripts off, then every page beside the tour.

    test_pages.py [README.md] [--shots FOLDER]

Nothing may fail to load, no console may complain, axe-core may find nothing, and a person must get through by keyboard and on a phone."""

import argparse
import os
import random
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
    what_is_theirs(base, browser)
    large_files(kernel, browser, token)
    browser.press("Sign out")
    of_the_house(kernel, browser)
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


def what_is_theirs(base, browser):
    """Teams, a project with a file, and what a customer sees of the rest."""
    browser.open(base + "/teams")
    browser.fill("Name", "Engines")
    browser.press("Make the team")
    browser.open(base + "/projects")
    browser.fill("Name", "Difference engine")
    browser.press("Make the project")
    browser.tab.locator("input[type=file]").set_input_files({"name": "notes.txt", "mimeType": "text/plain", "buffer": b"one and two"})
    browser.press("Upload it")
    assert "notes.txt" in browser.page.text, browser.page.text
    browser.looked.clear()  # a project looks otherwise with a file in it
    browser.tab.locator("select[name=target]").select_option(label="Team Engines")
    browser.press("Share it")
    assert "Team Engines" in browser.page.text
    for path in ("/usage", "/account/mails", "/workstation", "/people", "/networks", "/leaving"):
        browser.open(base + path)
    browser.fill("What would have made you stay", "A steam engine")
    browser.press("Let the whole organization leave")
    assert "Nothing has happened yet" in browser.page.text, browser.page.text
    browser.press("Withdraw and stay")


def large_files(kernel, browser, token):
    """A file of three pieces, by the page's script; one that is not what it says is refused in words, and can be sent again."""
    browser.open(kernel.base + "/projects")
    browser.follow("Open Difference engine")
    if not browser.scripts:
        return
    chosen = browser.tab.locator("input[type=file]")
    chosen.set_input_files({"name": "forged.png", "mimeType": "image/png", "buffer": b"no picture"})
    browser.tab.get_by_role("button", name="Upload it").click()
    browser.tab.get_by_text("forged.png was not uploaded").wait_for()
    # The server lets go of what it refuses by itself, before the script asks for it.
    browser.faults = [fault for fault in browser.faults if "422 for" not in fault and "/abandon" not in fault]
    content = random.Random(7).randbytes(12_000_000)
    chosen.set_input_files({"name": "engine.bin", "mimeType": "application/octet-stream", "buffer": content})
    browser.fill("Folder", "parts/1837")
    browser.press("Upload it")
    assert "parts/1837/engine.bin" in browser.page.text and "11.4 MiB" in browser.page.text, browser.page.text
    project = kernel.want(200, "GET", "/api/v1/projects", token=token).json["projects"][0]["id"]
    files = kernel.want(200, "GET", f"/api/v1/projects/{project}/files", token=token).json["files"]
    one = next(file for file in files if file["path"] == "parts/1837/engine.bin")
    assert kernel.want(200, "GET", f"/api/v1/files/{one['id']}/content", token=token).body == content


def of_the_house(kernel, browser):
    """Staff looks at the customer, and acts in its place."""
    kernel.administrator()
    browser.open(kernel.base + "/sign-in")
    browser.fill("Email", "root@example.com")
    browser.fill("Password", PASSWORD)
    browser.press("Sign in")
    browser.open(kernel.base + "/staff")
    browser.fill("Tenant or mail address", "ada@example.com")
    browser.press("Find")
    browser.follow("Look after Team")
    browser.open(kernel.base + "/staff/licences")
    browser.open(kernel.base + "/staff")
    browser.fill("Tenant or mail address", "ada@example.com")
    browser.press("Find")
    browser.follow("Agree a contract")
    browser.fill("Seats for each unit", "4")
    browser.fill("Price a month", "19.90")
    browser.fill("Reason", "the offer of May")
    browser.press("Agree it")
    assert "seats_per_unit" in browser.page.text, browser.page.text
    browser.follow("Change it")
    for path in ("/staff/users", "/staff/analytics", "/staff/leaving"):
        browser.open(kernel.base + path)
    browser.open(kernel.base + "/staff/users")
    browser.fill("Mail address", "ada@example.com")
    browser.press("Find")
    browser.follow("Act in this place")
    browser.fill("Reason", "ticket 4711: seats are stuck")
    browser.press("Act in this place")
    assert "You act in a member's place until" in browser.page.text, browser.page.text
    browser.looked.clear()  # every page says so now
    browser.open(kernel.base + "/licence")
    browser.press("End it and go back")
    assert "In a member's place" in browser.page.text, browser.page.text
    browser.press("Sign out")


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
