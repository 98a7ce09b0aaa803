"""Mail by the plugin sendgrid-mail: a real server, our own stand-in of SendGrid (sendgrid_stand_in.py), and the official Python SDK as a second
opinion: its mails must pass the stand-in as ours do, and of every webhook, genuine or not, it must say of the signature what the server says.
"""

import base64
import random
import re
import time

from cryptography.hazmat.primitives.asymmetric import ec
from sendgrid import SendGridAPIClient
from sendgrid.helpers.eventwebhook import EventWebhook
from sendgrid.helpers.mail import Category, CustomArg, Header, Mail

from kernel import PASSWORD, Kernel
from sendgrid_stand_in import KEY, SendGrid, faults

checks = 0


def check(what, holds, *seen):
    global checks
    checks += 1
    assert holds, f"{what}: {seen}"


def config(peer, isolation):
    return f"""
http:
  limits_enabled: false
mail:
  channel: sendgrid
plugins:
  sendgrid:
    api_base: {peer.base}
    timeout_seconds: 5
    isolation: {isolation}
"""


def sign_up(kernel, address, first="Ada"):
    body = {"email": address, "password": PASSWORD, "first_name": first, "last_name": "Lovelace", "organization": "Analytical Engines"}
    kernel.want(201, "POST", "/api/v1/auth/signup", body)


def mailed(kernel, peer, address, count=1, seconds=60):
    kernel.until(f"{count} mails to {address}", lambda: len(peer.to(address)) >= count, seconds)
    return peer.to(address)[count - 1]


def link(mail):
    text = next(part["value"] for part in mail["letter"]["content"] if part["type"] == "text/plain")
    return re.search(r"token=([A-Za-z0-9_.~-]+)", text).group(1)


def member(kernel, peer, address):
    sign_up(kernel, address)
    kernel.want(200, "POST", "/api/v1/auth/verify-email", {"token": link(mailed(kernel, peer, address))})
    return kernel.login(address)["access_token"]


def sdk(peer):
    """What the official SDK writes passes the stand-in; what breaks a rule does not."""
    client = SendGridAPIClient(KEY, host=peer.base)
    mail = Mail(from_email=("no-reply@example.com", "Acme"), to_emails=["a@example.com", "b@example.com"], subject="Hello", plain_text_content="Hi", html_content="<p>Hi</p>")
    mail.add_category(Category("verify_email"))
    mail.add_custom_arg(CustomArg("coditect_mail", "1@example.com"))
    mail.add_header(Header("Message-ID", "<1@example.com>"))
    answer = client.send(mail)
    check("the SDK's mail is taken", answer.status_code == 202 and answer.headers["X-Message-Id"], answer.status_code)
    good = mail.get()
    for what, change in [
        ("no subject", {"subject": ""}), ("HTML first", {"content": list(reversed(good["content"]))}), ("empty part", {"content": [{"type": "text/plain", "value": ""}]}),
        ("two categories of one name", {"categories": ["a", "a"]}), ("eleven categories", {"categories": [str(n) for n in range(11)]}),
        ("large arguments", {"custom_args": {"x": "y" * 10_000}}), ("a number as argument", {"custom_args": {"x": 1}}), ("reserved header", {"headers": {"Reply-To": "a@b.c"}}),
        ("header of two lines", {"headers": {"X-A": "a\r\nBcc: b@c.d"}}), ("too far", {"send_at": int(time.time()) + 73 * 3600}), ("unknown member", {"bcc": "x"}),
        ("one address twice", {"personalizations": [{"to": [{"email": "a@b.c"}], "cc": [{"email": "A@B.C"}]}]}), ("nobody", {"personalizations": []}),
        ("1001", {"personalizations": [{"to": [{"email": f"p{n}@b.c"}]} for n in range(1001)]}), ("comma", {"personalizations": [{"to": [{"email": "a@b.c", "name": "Doe, Jane"}]}]}),
        ("no address", {"personalizations": [{"to": [{"email": "a b@c"}]}]}), ("no sender", {"from": {}}),
    ]:
        check(f"the stand-in refuses {what}", faults({**good, **change}, time.time()))
    check("and nothing of the good one", not faults(good, time.time()))


def signatures(kernel, peer):
    """The server and the SDK judge the same deliveries, changed in every place."""
    sdk = EventWebhook(peer.verification_key)
    chance = random.Random(4711)
    mail = peer.to("ada@example.com")[0]
    counts = {True: 0, False: 0}
    for round in range(240):
        body, headers = peer.signed([peer.event(mail, "open", note="é" * (round % 3))], key=ec.generate_private_key(ec.SECP256R1()) if round % 12 == 5 else None)
        mark, stamp = bytearray(base64.b64decode(headers["X-Twilio-Email-Event-Webhook-Signature"])), headers["X-Twilio-Email-Event-Webhook-Timestamp"]
        body = bytearray(body)
        kind = round % 6
        if kind == 1:
            mark[chance.randrange(len(mark))] ^= 1 << chance.randrange(8)
        elif kind == 2:
            body[chance.randrange(2, len(body) - 2)] ^= 1 << chance.randrange(7)
        elif kind == 3:
            stamp = str(int(stamp) + chance.choice([-1, 1]))
        elif kind == 4:
            mark += b"\0"
        try:
            said = sdk.verify_signature(bytes(body).decode(), base64.b64encode(bytes(mark)).decode(), stamp)
        except (ValueError, UnicodeDecodeError):
            said = False
        sent = {"X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(bytes(mark)).decode(), "X-Twilio-Email-Event-Webhook-Timestamp": stamp}
        answer = kernel.call("POST", "/webhooks/mail/sendgrid", raw=bytes(body), headers=sent)
        held = not (answer.status == 400 and answer.json["error"] == "mail_report_signature_invalid")
        check("server and SDK agree on a signature", held == said, round, kind, answer, said)
        counts[said] += 1
    check("both kinds were there", counts[True] >= 60 and counts[False] >= 120, counts)


def played(isolation):
    peer = SendGrid()
    environment = {"SENDGRID_API_KEY": KEY, "SENDGRID_WEBHOOK_KEY": peer.verification_key, "SENDGRID_FROM_EMAIL": "no-reply@analytical.example"}
    with Kernel(config=config(peer, isolation), env=environment) as kernel:
        log = lambda: open(kernel.log).read()
        hook = kernel.base + "/webhooks/mail/sendgrid"
        body = {"token": "", "email": "root@example.com", "password": PASSWORD, "first_name": "Root", "last_name": "Admin"}
        line = ""
        while "first-administrator?token=" not in line:
            line = kernel.process.stdout.readline()
        body["token"] = line.split("token=")[1].split()[0]
        kernel.want(201, "POST", "/api/v1/auth/first-administrator", body)
        root = kernel.login("root@example.com")["access_token"]
        ada = member(kernel, peer, "ada@example.com")
        mail = peer.to("ada@example.com")[0]
        check("from the address of the environment", mail["letter"]["from"]["email"] == "no-reply@analytical.example")
        check("both bodies", [part["type"] for part in mail["letter"]["content"]] == ["text/plain", "text/html"])
        check("nothing tracked", not mail["letter"]["tracking_settings"]["click_tracking"]["enable"] and not mail["letter"]["tracking_settings"]["open_tracking"]["enable"])
        told = str(mail["letter"]["custom_args"]) + str(mail["letter"]["categories"])
        # Three letters alone may stand in the random part of an id.
        check("no person in arguments and categories", not any(word in told for word in ("ada@", "Ada", "Lovelace", "example.com")), told)
        sign_up(kernel, "zoe@example.com", "Zoë")
        check("names outside ASCII", mailed(kernel, peer, "zoe@example.com")["personalization"]["to"][0]["name"].startswith("Zoë"))
        signatures(kernel, peer)

        # Trouble while sending: each mail arrives, and each once but where nobody could know.
        me = kernel.want(200, "GET", "/api/v1/users/me", token=ada).json
        person = me.get("id") or me["user"]["id"]
        for name, plan, copies in [
            ("limited", ("limit", int(time.time()) + 1), 1), ("busy", 503, 1), ("unreachable", "cut before", 1), ("cut", "cut after", 2), ("gateway", 502, 1), ("poor", "no credits", 1),
        ]:
            peer.plans.append(plan)
            sign_up(kernel, f"{name}@example.com")
            mailed(kernel, peer, f"{name}@example.com", copies, 90)
            letters = [one["letter"] for one in peer.to(f"{name}@example.com")]
            check(f"{name}: {copies}, one Message-ID", len(letters) == copies and len({l["headers"]["Message-ID"] for l in letters}) == 1, len(letters))

        # Taken without an answer, and a report is faster than the second try: no second copy.
        peer.plans.append("cut after")
        sign_up(kernel, "fast@example.com")
        told = mailed(kernel, peer, "fast@example.com")
        check("told", peer.deliver(hook, [peer.event(told, "processed"), peer.event(told, "delivered", response="250 OK")]) == (200, {"received": True, "new": 2}))

        # Reports, in the wrong order and twice.
        letter = peer.to("ada@example.com")[0]
        delivered, processed = peer.event(letter, "delivered", response="250 OK"), peer.event(letter, "processed")
        for _ in range(2):
            peer.deliver(hook, [delivered, processed, peer.event(letter, "open"), {"nonsense": 1}, 7])
        check("repeated", peer.deliver(hook, [processed, delivered]) == (200, {"received": True, "new": 0}))
        shown = kernel.want(200, "GET", f"/api/v1/admin/mail/users/{person}", token=root).json
        check("delivered stands", shown["mails"][0]["fate"] == "delivered" and not shown["suppressions"], shown)
        stranger = {**peer.event(letter, "bounce", type="bounce", status="5.1.1"), "email": "someone.else@example.com"}
        check("of somebody else", peer.deliver(hook, [stranger]) == (200, {"received": True, "new": 0}))
        check("a block is no bounce for good", peer.deliver(hook, [peer.event(letter, "bounce", type="blocked", status="5.7.1")])[1]["new"] == 1)
        check("so nothing is held back", not kernel.want(200, "GET", f"/api/v1/admin/mail/users/{person}", token=root).json["suppressions"])

        # A hard bounce: nothing is sent there any more, owner and staff see why, staff lifts it.
        check("bounced", peer.deliver(hook, [peer.event(letter, "bounce", type="bounce", status="5.1.1", reason="550 5.1.1 <ada@example.com> unknown")])[0] == 200)
        sent = len(peer.to("ada@example.com"))
        check("asked for a link", kernel.call("POST", "/api/v1/auth/password/forgot", {"email": "ada@example.com"}).status in (200, 202))
        kernel.until(
            "the mail that is held back",
            lambda: any(m["fate"] == "suppressed" for m in kernel.want(200, "GET", f"/api/v1/admin/mail/users/{person}", token=root).json["mails"]))
        check("nothing was sent", len(peer.to("ada@example.com")) == sent)
        own = kernel.want(200, "GET", "/api/v1/orgs/current/mail", token=ada).json["suppressions"]
        check("the owner sees it", len(own) == 1 and own[0]["cause"] == "bounced" and own[0]["code"] == "5.1.1" and own[0]["user_id"] == person, own)
        listed = kernel.want(200, "GET", "/api/v1/admin/mail/suppressions", token=root).json["suppressions"]
        check("staff sees it", [one["id"] for one in listed] == [own[0]["id"]], listed)
        kernel.want(403, "GET", "/api/v1/admin/mail/suppressions", token=ada)
        kernel.want(403, "DELETE", f"/api/v1/admin/mail/suppressions/{own[0]['id']}", token=ada)
        kernel.want(204, "DELETE", f"/api/v1/admin/mail/suppressions/{own[0]['id']}", token=root)
        kernel.want(404, "DELETE", f"/api/v1/admin/mail/suppressions/{own[0]['id']}", token=root)
        kernel.call("POST", "/api/v1/auth/password/forgot", {"email": "ada@example.com"})
        mailed(kernel, peer, "ada@example.com", sent + 1)

        # What is not believed.
        for what, status, error in [
            (lambda: peer.deliver(hook, [processed], at=int(time.time()) - 400), 400, "mail_report_stale"),
            (lambda: peer.deliver(hook, [processed], at=int(time.time()) + 400), 400, "mail_report_stale"),
            (lambda: peer.deliver(hook, [processed], key=ec.generate_private_key(ec.SECP256R1())), 400, "mail_report_signature_invalid"),
            (lambda: peer.deliver(hook, b"{}"), 400, "mail_report_malformed"),
            (lambda: peer.deliver(hook, b""), 400, "mail_report_malformed"),
            (lambda: peer.deliver(kernel.base + "/webhooks/mail/smtp", [processed]), 404, "mail_channel_unknown"),
        ]:
            seen = what()
            check(error, seen[0] == status and seen[1]["error"] == error, seen)
        # One that was cut later, and that no report mentions, has its second copy by now: so the earlier one's turn has passed too.
        peer.plans.append("cut after")
        sign_up(kernel, "slow@example.com")
        mailed(kernel, peer, "slow@example.com", 2, 90)
        check("no second copy of what was reported", len(peer.to("fast@example.com")) == 1)
        check("no key in the log", KEY not in log() and "ada@example.com" not in log())
    peer.close()


def main():
    peer = SendGrid()
    sdk(peer)
    peer.close()
    played("in_process")
    played("process")
    print(f"sendgrid: {checks} checks passed")


if __name__ == "__main__":
    main()
