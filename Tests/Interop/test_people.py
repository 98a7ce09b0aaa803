"""A firm's people as they live it, over a real server, in the pages and the API: the owner who invites, the contractor whose time runs out in the
middle of a session, the auditor who tries to write, keys, sessions and networks. Standard library only."""

import datetime
import re

from kernel import PASSWORD, Kernel
from tiny_browser import Browser

CONFIG = "http:\n  limits_enabled: false\n"


def signed_in(kernel, address):
    browser = Browser()
    browser.open(kernel.base + "/sign-in")
    browser.fill("Email", address)
    browser.fill("Password", PASSWORD)
    browser.press("Sign in")
    return browser


def accept(kernel, address):
    link = kernel.mail_token(address)
    answer = {"token": link, "password": PASSWORD, "first_name": "Grace", "last_name": address.split("@")[0]}
    kernel.want(200, "POST", "/api/v1/invitations/accept", answer)
    return kernel.login(address)["access_token"]


def inviting(kernel, owner):
    """By the page: a developer, an auditor whose end is asked for, and an invitation that is taken back."""
    page = owner.open(kernel.base + "/people")
    assert "ada@example.com" in page.text and "owner" in page.text, page.text

    def invite(email, role, day=""):
        owner.open(kernel.base + "/people")
        owner.fill("Email", email)
        owner.fill("Role", role)
        if day:
            owner.fill("Last day", day)
        return owner.press("Send the invitation")

    assert "dev@example.com" in invite("dev@example.com", "developer").text
    assert "needs an end" in invite("eyes@example.com", "auditor").text
    assert "eyes@example.com" in invite("eyes@example.com", "auditor", "2099-12-31").text
    assert "wrong@example.com" in invite("wrong@example.com", "viewer").text
    taken = owner.open(kernel.base + "/people")
    assert "wrong@example.com" in taken.text
    after = owner.press("Take back wrong@example.com")
    assert "wrong@example.com" not in after.text, after.text
    dev, eyes = accept(kernel, "dev@example.com"), accept(kernel, "eyes@example.com")
    page = owner.open(kernel.base + "/people")
    assert "2100-01-01 00:00 UTC" in page.text, page.text
    owner.follow("Change Grace dev")
    owner.fill("Role", "admin")
    assert "admin" in owner.press("Change it").text
    kernel.want(200, "GET", "/api/v1/invitations", token=dev)
    return dev, eyes


def watching(kernel, eyes):
    """The auditor reads what the role says, writes nothing, and is seen reading."""
    for path in ("memberships", "licenses", "sessions", "billing/invoices"):
        kernel.want(200, "GET", "/api/v1/" + path, token=eyes)
    seat = {"hardware_id": "hw", "hostname": "h", "os": "linux", "version": "1"}
    for method, path, body in (
        ("POST", "licenses/acquire", seat), ("POST", "teams", {"name": "Mine"}), ("PATCH", "orgs/current", {"name": "Mine"}),
        ("POST", "invitations", {"email": "x@example.com", "role": "viewer"}), ("GET", "webhooks", None),
        ("PUT", "orgs/current/allowed-networks", {"networks": ["0.0.0.0/0"]}), ("GET", "admin/tenants", None),
    ):
        kernel.want(403, method, "/api/v1/" + path, body, token=eyes)
    page = signed_in(kernel, "eyes@example.com").open(kernel.base + "/people")
    assert "Send the invitation" not in page.source and "Change" not in [form.action for form in page.forms], page.text


def running_out(kernel, token):
    """The contractor holds a seat and a page when the time is over: at that moment both are worth nothing, with no sweep in between."""
    form = {"email": "con@example.com", "role": "contractor", "ends_at": "2099-12-31T00:00:00Z"}
    kernel.want(201, "POST", "/api/v1/invitations", form, token=token)
    own = accept(kernel, "con@example.com")
    browser = signed_in(kernel, "con@example.com")
    seat = {"hardware_id": "hw-con", "hostname": "h", "os": "linux", "version": "1"}
    lease = kernel.want(200, "POST", "/api/v1/licenses/acquire", seat, token=own).json["session_id"]
    members = kernel.want(200, "GET", "/api/v1/memberships", token=token).json["memberships"]
    membership = next(member["id"] for member in members if member["email"] == "con@example.com")
    ends = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=8)
    sooner = {"ends_at": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}
    kernel.want(200, "PATCH", "/api/v1/memberships/" + membership, sooner, token=token)
    kernel.want(200, "POST", "/api/v1/licenses/heartbeat", {"session_id": lease}, token=own)
    kernel.until("the end", lambda: kernel.call("GET", "/api/v1/users/me", token=own).status == 401)
    assert datetime.datetime.now(datetime.timezone.utc) >= ends.replace(microsecond=0)
    kernel.want(401, "POST", "/api/v1/licenses/heartbeat", {"session_id": lease}, token=own)
    assert browser.open(kernel.base + "/account/keys").url.split("?")[0].endswith("/sign-in")
    kernel.want(403, "POST", "/api/v1/auth/login", {"email": "con@example.com", "password": PASSWORD})


def own_things(kernel, owner, token):
    """Keys that are shown once, sessions that are ended, networks that nobody locks himself out with."""
    owner.open(kernel.base + "/account/keys")
    owner.fill("Name", "build server")
    owner.fill("Permissions", "team:read licenses:read")
    owner.fill("Days", "30")
    page = owner.press("Make the key")
    secret = re.search(r"cok_[A-Za-z0-9_.-]{40,}", page.source).group(0)
    kernel.want(200, "GET", "/api/v1/memberships", token=secret)
    assert secret not in owner.open(kernel.base + "/account/keys").source, "shown once"
    page = owner.press("Rotate build server")
    second = re.search(r"cok_[A-Za-z0-9_.-]{40,}", page.source).group(0)
    assert second != secret
    kernel.want(200, "GET", "/api/v1/memberships", token=second)
    owner.open(kernel.base + "/account/keys")
    owner.press("Revoke build server")
    kernel.want(401, "GET", "/api/v1/memberships", token=second)

    other = signed_in(kernel, "ada@example.com")
    page = owner.open(kernel.base + "/account/sessions")
    assert "(this one)" in page.text
    before = page.source.count("/end\"")
    page = owner.press("End")
    assert page.source.count("/end\"") == before - 1, page.text

    owner.open(kernel.base + "/networks")
    owner.fill("Networks", "192.0.2.0/24")
    assert "keep you out" in owner.press("Keep the list").text
    owner.open(kernel.base + "/networks")
    owner.fill("Networks", "127.0.0.9/8 ::1")
    assert "127.0.0.0/8" in owner.press("Keep the list").text
    kernel.want(200, "GET", "/api/v1/users/me", token=token)
    kernel.want(200, "GET", "/api/v1/users/me", token=token, headers={"x-forwarded-for": "198.51.100.7"})
    assert "from anywhere" in owner.press("Let people in from anywhere").text
    return other


def main():
    with Kernel(config=CONFIG) as kernel:
        token = kernel.member()
        kernel.paid_license(token, "team", quantity=3)
        owner = signed_in(kernel, "ada@example.com")
        _, eyes = inviting(kernel, owner)
        watching(kernel, eyes)
        running_out(kernel, token)
        own_things(kernel, owner, token)
    print("people: 4 passed, 0 failed")


if __name__ == "__main__":
    main()
