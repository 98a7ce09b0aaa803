"""What a customer does in the pages beside people and licences, over a real server: teams, projects with files, usage, mails, a workstation's page, and
leaving with a way back. Standard library only."""

import urllib.parse
import urllib.request

from kernel import Kernel
from test_people import CONFIG, accept, signed_in
from tiny_browser import Page


def send_file(browser, name, content, folder="", token=None):
    """As a browser sends a form with a file."""
    form = next(form for form in browser.page.forms if form.action.endswith("/upload"))
    fields = {field.name: field.value for field in form.fields if field.kind != "file"}
    fields.update({"folder": folder, **({} if token is None else {"csrf_token": token})})
    mark = "----form-4711"
    body = b"".join(f'--{mark}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode() for key, value in fields.items())
    body += f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\nContent-Type: text/plain\r\n\r\n'.encode()
    body += content + f"\r\n--{mark}--\r\n".encode()
    target = urllib.parse.urljoin(browser.page.url, form.action)
    origin = "://".join(urllib.parse.urlsplit(target)[:2])
    request = urllib.request.Request(target, data=body, headers={"Content-Type": f"multipart/form-data; boundary={mark}", "Origin": origin})
    try:
        answer = browser.opener.open(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    browser.page = Page(answer.geturl(), answer.status, answer.read().decode("utf-8", "replace"))
    return browser.page


def teams(kernel, owner, token):
    kernel.want(201, "POST", "/api/v1/invitations", {"email": "dev@example.com", "role": "developer"}, token=token)
    accept(kernel, "dev@example.com")
    owner.open(kernel.base + "/teams")
    owner.fill("Name", "Engines <b>")
    page = owner.press("Make the team")
    assert page.headings[0] == "Engines <b>", page.headings
    owner.fill("Member", "dev@example.com")
    assert "dev@example.com" in owner.press("Put in").text
    owner.fill("Name", "Engines")
    assert owner.press("Rename it").headings[0] == "Engines"
    dev = signed_in(kernel, "dev@example.com")
    page = dev.open(owner.page.url)
    assert page.status in (200, 403) and "Take out" not in page.source, page.text
    assert "None." in owner.press("Take out Grace dev").text, owner.page.text
    owner.fill("Member", "dev@example.com")
    owner.press("Put in")
    return dev


def files(kernel, owner, dev):
    owner.open(kernel.base + "/projects")
    owner.fill("Name", "Difference engine")
    page = owner.press("Make the project")
    here = page.url
    page = send_file(owner, "notes.txt", b"one and two", "drafts/")
    assert page.url == here and "drafts/notes.txt" in page.text and "11 bytes" in page.text, page.text
    content = owner.follow("Download drafts/notes.txt")
    assert content.source == "one and two", content.source
    # What no page sent, what climbs out, what is too large, what is no file.
    owner.open(here)
    assert send_file(owner, "x.txt", b"x", token="forged").status == 403
    for name, content, folder, status in (("x.txt", b"x", "../..", 422), ("x.txt", b"x" * 1_000_001, "", 422), ("", b"x", "", 422)):
        owner.open(here)
        assert send_file(owner, name, content, folder).status == status, (name, folder, owner.page.text)
    owner.open(here)
    assert send_file(owner, "../../etc/passwd", b"root").text.count("passwd") >= 1 and "etc/" not in owner.page.text, owner.page.text
    assert dev.open(here).status == 404
    owner.open(here)
    owner.fill("With", "Team Engines")
    owner.fill("They may", "read")
    assert "Team Engines" in owner.press("Share it").text
    page = dev.open(here)
    assert page.status == 200 and "drafts/notes.txt" in page.text and "Upload it" not in page.text and "Delete" not in page.text, page.text
    owner.press("End Team Engines")
    assert dev.open(here).status == 404
    owner.press("Delete drafts/notes.txt")
    assert "drafts/notes.txt" not in owner.page.text
    assert "archived" in owner.press("Archive it").text
    assert "active" in owner.press("Go on with it").text
    assert "Difference engine" not in owner.press("Delete it").text
    owner.follow("Deleted ones too")
    owner.follow("Open Difference engine")
    assert "active" in owner.press("Bring it back").text


def own(kernel, owner):
    page = owner.open(kernel.base + "/usage")
    assert "Projects 1 of" in page.text and "Quotas of your plan" in page.text and "svg" in page.source, page.text
    page = owner.open(kernel.base + "/account/mails")
    assert "Stop" in page.text, page.text
    before = page.text.count("Stop")
    assert owner.press("Stop").text.count("Stop") == before - 1
    assert owner.press("Let come").text.count("Stop") == before
    page = owner.open(kernel.base + "/workstation")
    assert page.status == 200 and page.headings[0] == "Your workstation", page.text


def leaving(kernel, owner, dev):
    assert "Its owners can ask for it" in dev.open(kernel.base + "/leaving").text or dev.page.status == 403
    owner.open(kernel.base + "/leaving")
    owner.fill("Why", "price")
    owner.fill("When", "At the end")
    page = owner.press("Let the whole organization leave")
    assert "Nothing has happened yet" in page.text, page.text
    page = owner.press("Withdraw and stay")
    assert "and stayed" in page.text, page.text
    owner.fill("Why", "other")
    owner.fill("When", "Now")
    page = owner.press("Let the whole organization leave")
    if "we have an offer" in page.text:
        page = owner.press("Refuse it and leave")
    page = kernel.until("that it is kept", lambda: next((p for p in [owner.open(kernel.base + "/leaving")] if "Come back" in p.text), None))
    assert "Kept until" in page.text and "close" in page.text, page.text
    assert owner.open(kernel.base + "/projects").url.split("?")[0].endswith("/sign-in"), "nothing but leaving is there"
    again = signed_in(kernel, "ada@example.com")
    assert again.page.url.endswith("/leaving"), again.page.url
    page = again.press("Come back with everything")
    kernel.until("that it is back", lambda: "came back" in again.open(kernel.base + "/leaving").text)
    assert "Difference engine" in again.open(kernel.base + "/projects").text


def main():
    with Kernel(config=CONFIG) as kernel:
        token = kernel.member()
        kernel.paid_license(token, "team", quantity=3)
        owner = signed_in(kernel, "ada@example.com")
        dev = teams(kernel, owner, token)
        files(kernel, owner, dev)
        own(kernel, owner)
        leaving(kernel, owner, dev)
    print("customer pages: 4 passed, 0 failed")


if __name__ == "__main__":
    main()
