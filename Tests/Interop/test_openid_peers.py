"""Sign-in through OpenID providers that others wrote, LemonLDAP::NG and Glewlwyd from Debian (openid_peers.py), by a person in Chromium: who is let in,
linking with an account that was there, keys that the provider changes, signing out here and there; and our own pages on the way, looked at closely.

    test_openid_peers.py [--shots FOLDER] [PEER …]
"""

import argparse
import os
import re
import sys
import tempfile
import urllib.parse

from kernel import PASSWORD, Kernel
from openid_peers import CLIENT, SECRET, Glewlwyd, LemonLDAP, free_port
from real_browser import with_chromium

checks = 0


def check(what, holds, *seen):
    global checks
    checks += 1
    assert holds, f"{what}: {seen}"


def through(browser, kernel, peer, start="/sign-in"):
    """From our sign-in page to the provider, through its own pages, and back."""
    browser.open(kernel.base + start)
    browser.tab.get_by_role("link", name=peer.name).or_(browser.tab.get_by_role("button", name=peer.name)).first.click()
    browser.tab.wait_for_load_state()
    asked = browser.tab.url.startswith(peer.issuer.split("/api")[0])
    if asked:
        peer.sign_in(browser.tab)
    browser.tab.wait_for_url(lambda url: url.startswith(kernel.base), timeout=30_000)
    browser.tab.wait_for_load_state()
    browser._look()
    return asked


def is_in(browser, kernel):
    browser.open(kernel.base + "/account/sign-in")
    return urllib.parse.urlsplit(browser.tab.url).path == "/account/sign-in"


def played(kernel, peer, browser):
    # Somebody new: an account by the address that the provider vouches for.
    check("the provider asks who it is", through(browser, kernel, peer))
    check(f"{peer.name} lets a newcomer in", is_in(browser, kernel), browser.page.text[:300])
    check("the page names the way in", peer.name in browser.page.text, browser.page.text[:500])
    for path in ("/sso", "/device", "/licence"):
        browser.open(kernel.base + path)

    # Out here; the provider still knows the person, so the way back is short.
    browser.open(kernel.base + "/")
    browser.press("Sign out")
    check("out", not is_in(browser, kernel))
    through(browser, kernel, peer)
    check("in again", is_in(browser, kernel))

    # Out at the provider as well: it asks again.
    browser.open(kernel.base + "/")
    browser.press("Sign out")
    peer.sign_out(browser.tab)
    browser.open(kernel.base + "/sign-in")
    browser.tab.get_by_role("link", name=peer.name).or_(browser.tab.get_by_role("button", name=peer.name)).first.click()
    browser.tab.wait_for_load_state()
    check("after a sign-out at the provider its password is asked for", peer.asks(browser.tab), browser.tab.url)

    # New keys at the provider: the next token is under one that nobody here has seen.
    peer.rotate()
    through(browser, kernel, peer)
    check("a token under a new key", is_in(browser, kernel))

    # Everywhere out, by the person's own page.
    browser.open(kernel.base + "/account/sign-in")
    browser.press("Sign out everywhere")
    check("everywhere out", not is_in(browser, kernel))


def linked(kernel, peer, browser):
    """An account with a password was there first."""
    kernel.member(peer.email)
    through(browser, kernel, peer)
    check("nobody is let into an account that was there", "/sign-in/confirm" in browser.tab.url and not is_in(browser, kernel), browser.tab.url)
    token = kernel.until("the mail that asks", lambda: next((m for m in kernel.mails() if "Connect a provider" in str(m["subject"])), None))
    link = re.search(r"/link\?token=([A-Za-z0-9_-]+)", token.get_body(("plain",)).get_content()).group(0)
    browser.open(kernel.base + link)
    browser.press("Yes, it was me")
    check("connected", "is connected" in browser.page.text, browser.page.text[:300])
    through(browser, kernel, peer)
    check("from then on the provider signs the owner in", is_in(browser, kernel))
    check("to the account that was there", kernel.login(peer.email)["user"]["email"] == peer.email)
    browser.open(kernel.base + "/account/sign-in")
    check("both ways stand there", peer.name in browser.page.text, browser.page.text[:400])


def main():
    options = argparse.ArgumentParser()
    options.add_argument("peers", nargs="*", default=["LemonLDAP", "Glewlwyd"])
    options.add_argument("--shots", help="a folder for pictures of our pages")
    given = options.parse_args()
    if given.shots:
        os.makedirs(given.shots, exist_ok=True)
    faults, pages = [], 0
    for kind in (LemonLDAP, Glewlwyd):
        if kind.__name__ not in given.peers:
            continue
        for act in (played, linked):
            with tempfile.TemporaryDirectory(prefix="peer-") as folder:
                port = free_port()
                with kind(folder, f"http://127.0.0.1:{port}/api/v1/auth/oauth/sso/callback") as peer:
                    config = f"http:\n  limits_enabled: false\nplugins:\n  oidc:\n    label: {peer.name}\n    refetch_seconds: 5\n"
                    kernel = Kernel(env={"OIDC_ISSUER": peer.issuer, "OIDC_CLIENT_ID": CLIENT, "OIDC_CLIENT_SECRET": SECRET}, config=config)
                    kernel.port = port

                    def walk(browser, act=act, kernel=kernel, peer=peer):
                        with kernel:
                            act(kernel, peer, browser)
                            browser.leave()
                            log = open(kernel.log).read()
                            check("no secret in the log", SECRET not in log and PASSWORD not in log and peer.password not in log)

                    browser = with_chromium(True, given.shots, walk)
                    # What is said of the providers' own pages is theirs.
                    faults += [fault for fault in browser.faults if fault.startswith(f"http://127.0.0.1:{port}/") and peer.issuer not in fault]
                    pages += len(browser.looked)
        print(f"openid peers: {kind.name} done", flush=True)
    for fault in faults:
        print(f"openid peers: {fault}")
    print(f"openid peers: {checks} checks passed, {pages} pages looked at, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
