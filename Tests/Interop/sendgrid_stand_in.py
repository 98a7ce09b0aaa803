"""A stand-in for SendGrid on loopback, our own: it takes what `v3/mail/send` takes, refuses what it refuses in the same shape, and posts signed
events. It is written after SendGrid's public errors and reference, not after our plugin; the official SDK's own mails pass it (test_sendgrid.py).

  python3 sendgrid_stand_in.py [PORT]      serves until it is ended
"""

import base64
import json
import secrets
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

KEY = "SG.stand-in-4711.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
RESERVED = {"x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding", "to", "from", "subject", "reply-to", "cc", "bcc"}
KNOWN = {
    "personalizations", "from", "reply_to", "reply_to_list", "subject", "content", "attachments", "template_id", "headers", "categories", "custom_args",
    "send_at", "batch_id", "asm", "ip_pool_name", "mail_settings", "tracking_settings",
}


def is_address(text):
    return isinstance(text, str) and text.isascii() and text.count("@") == 1 and not set(text) & set(" <>()[]\\,;:\"\r\n\0") and all(text.split("@"))


def size(value):
    return len(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())


def faults(letter, now):
    """Every rule that the letter breaks, as (field, message)."""
    found = []

    def fault(field, message):
        found.append((field, message))

    if not isinstance(letter, dict):
        return [(None, "Bad Request")]
    for name in letter.keys() - KNOWN:
        fault(name, f"Additional property {name} is not allowed")
    sender = letter.get("from") or {}
    if not is_address(sender.get("email")):
        fault("from.email", "The from email does not contain a valid address.")
    people = letter.get("personalizations") or []
    if not people:
        fault("personalizations", "The personalizations field is required and must have at least one personalization.")
    if len(people) > 1000:
        fault("personalizations", f"The personalization block is limited to 1000 personalizations per API request. You have provided {len(people)} personalizations.")
    total = 0
    for place, one in enumerate(people):
        here = f"personalizations.{place}"
        seen = set()
        if not one.get("to"):
            fault(f"{here}.to", "The to array is required for all personalization objects, and must have at least one email object.")
        for kind in ("to", "cc", "bcc"):
            for index, party in enumerate(one.get(kind) or []):
                total += 1
                address = party.get("email")
                if not is_address(address):
                    fault(f"{here}.{kind}.{index}.email", "Does not contain a valid address.")
                elif address.lower() in seen:
                    fault("personalizations", "Each email address in the personalization block should be unique between to, cc, and bcc. We found the first duplicate instance of "
                          f"[{address}] in the {here}.{kind} field.")
                seen.add(str(address).lower())
                if set(str(party.get("name", ""))) & set(",;"):
                    fault(f"{here}.{kind}.{index}.name", "The name cannot include a comma or semicolon.")
        if "subject" in one and not one["subject"]:
            fault(f"{here}.subject", "The subject of your email must be a string at least one character in length.")
        check_common(one, here + ".", fault, now)
        if size({**(letter.get("custom_args") or {}), **(one.get("custom_args") or {})}) > 10_000:
            fault("custom_args", "The length of custom arguments cannot be greater than 10000 bytes")
    if total > 1000:
        fault("personalizations", "There is a limit of 1000 total recipients (to + cc + bcc) per request.")
    if not letter.get("subject") and not all(one.get("subject") for one in people) and not letter.get("template_id"):
        fault("subject", "The subject is required. You can get around this requirement if you use a template with a subject defined or if every personalization has a subject defined.")
    content = letter.get("content") or []
    if not content and not letter.get("template_id"):
        fault("content", "Unless a valid template_id is provided, the content parameter is required. There must be at least one defined content block.")
    types = [part.get("type") for part in content]
    for index, part in enumerate(content):
        if not part.get("value"):
            fault(f"content.{index}.value", "The content value must be a string at least one character in length.")
        if not part.get("type") or set(part["type"]) & set("\r\n;"):
            fault(f"content.{index}.type", "The content type must be a string at least one character in length, without ; or CRLF.")
    if "text/plain" in types[1:]:
        fault("content", "If present, text/plain and text/html may only be provided once. If present, text/plain must be first, followed by text/html.")
    if "text/html" in types and types.index("text/html") not in (0, 1):
        fault("content", "text/html must follow text/plain or stand first.")
    if len(set(types)) != len(types):
        fault("content", "If present, text/plain and text/html may only be provided once.")
    categories = letter.get("categories") or []
    if len(categories) > 10:
        fault("categories", "You cannot have more than 10 categories.")
    if len(set(categories)) != len(categories):
        fault("categories", "Duplicate category.")
    for index, name in enumerate(categories):
        if not isinstance(name, str) or not 1 <= len(name) <= 255:
            fault(f"categories.{index}", "Categories have 1 to 255 characters.")
    settings = letter.get("mail_settings") or {}
    if sum(1 for name in settings if name.startswith("bypass_") and settings[name].get("enable")) > 1:
        fault("mail_settings", "Bypass filters cannot be combined.")
    check_common(letter, "", fault, now)
    return found


def check_common(part, here, fault, now):
    for name, value in (part.get("headers") or {}).items():
        if name.lower() in RESERVED:
            fault(f"{here}headers", f"You cannot use reserved header {name}")
        if not isinstance(value, str) or not value.isprintable() or not name.isascii() or set(name) & set(" :\r\n"):
            fault(f"{here}headers", "Headers are ASCII names and single-line texts.")
    for name, value in (part.get("custom_args") or {}).items():
        if not isinstance(value, str):
            fault(f"{here}custom_args.{name}", "Custom arguments are texts.")
    if "send_at" in part and not (isinstance(part["send_at"], int) and part["send_at"] <= now + 72 * 3600):
        fault(f"{here}send_at", "Scheduling more than 72 hours in advance is forbidden.")


class SendGrid:
    def __init__(self, port=0):
        self.taken, self.requests, self.plans = [], [], []
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.limit, self.lock = None, threading.Lock()
        peer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                peer.post(self)

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    @property
    def verification_key(self):
        """As SendGrid shows it: SubjectPublicKeyInfo in Base64."""
        info = self.private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(info).decode()

    # MARK: v3/mail/send

    def post(self, handler):
        length = int(handler.headers.get("Content-Length", 0))
        raw = handler.rfile.read(min(length, 31_000_000))
        plan = self.plans.pop(0) if self.plans else None
        if plan == "cut before":
            handler.close_connection = True
            return handler.connection.close()
        status, headers, body = self.judge(handler, raw, length, plan)
        if plan == "cut after":
            handler.close_connection = True
            return handler.connection.close()
        handler.send_response(status)
        for name, value in {"X-RateLimit-Limit": "600", "X-RateLimit-Remaining": "599", **headers}.items():
            handler.send_header(name, value)
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def judge(self, handler, raw, length, plan):
        def refuse(status, *errors, **headers):
            return status, headers, {"errors": [{"message": message, "field": field, "help": None} for field, message in errors]}

        if handler.path != "/v3/mail/send":
            return refuse(404, (None, "Not found"))
        if handler.headers.get("Authorization") != f"Bearer {KEY}":
            return refuse(401, (None, "The provided authorization grant is invalid, expired, or revoked"))
        if plan == "no credits":
            return refuse(401, (None, "Maximum credits exceeded"))
        if plan == "no scope":
            return refuse(403, (None, "access forbidden"))
        if isinstance(plan, tuple) and plan[0] == "limit":
            return refuse(429, (None, "too many requests"), **{"X-RateLimit-Reset": str(plan[1])})
        if isinstance(plan, int):
            return plan, {}, b"<html>Bad Gateway</html>"
        if length > 30_000_000:
            return refuse(413, (None, "The JSON payload you have included in your request exceeds 30MB."))
        if not handler.headers.get("Content-Type", "").startswith("application/json"):
            return refuse(415, (None, "Content-Type should be application/json."))
        try:
            letter = json.loads(raw)
        except ValueError:
            return refuse(400, (None, "Bad Request"))
        with self.lock:
            self.requests.append(letter)
        found = faults(letter, time.time())
        if found:
            return refuse(400, *found)
        if letter["from"]["email"].endswith("@not-verified.example"):
            return refuse(403, ("from", "The from address does not match a verified Sender Identity. Mail cannot be sent until this error is resolved."))
        if (letter.get("mail_settings") or {}).get("sandbox_mode", {}).get("enable"):
            return 200, {}, None
        reference = secrets.token_urlsafe(16)
        with self.lock:
            for one in letter["personalizations"]:
                for party in one["to"]:
                    self.taken.append({"to": party["email"], "letter": letter, "personalization": one, "reference": reference})
        return 202, {"X-Message-Id": reference}, None

    def to(self, address):
        with self.lock:
            return [mail for mail in self.taken if mail["to"] == address]

    # MARK: the signed event webhook

    def event(self, mail, kind, **more):
        """One event about a mail that was taken, as SendGrid posts it."""
        arguments = {**(mail["letter"].get("custom_args") or {}), **(mail["personalization"].get("custom_args") or {})}
        return {
            "email": mail["to"], "timestamp": int(time.time()), "event": kind, "category": mail["letter"].get("categories", []),
            "smtp-id": (mail["letter"].get("headers") or {}).get("Message-ID", ""), "sg_event_id": secrets.token_urlsafe(16),
            "sg_message_id": f"{mail['reference']}.recvd-1-0", **arguments, **more,
        }

    def signed(self, events, at=None, key=None):
        """Body and headers of a delivery."""
        body = json.dumps(events, separators=(",", ":")).encode() if not isinstance(events, bytes) else events
        stamp = str(int(time.time()) if at is None else at)
        mark = (key or self.private).sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        return body, {
            "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(mark).decode(), "X-Twilio-Email-Event-Webhook-Timestamp": stamp,
            "Content-Type": "application/json", "User-Agent": "SendGrid Event API",
        }

    def deliver(self, address, events, at=None, key=None):
        """Posts events; the status that came."""
        body, headers = self.signed(events, at, key)
        request = urllib.request.Request(address, data=body, headers=headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())


if __name__ == "__main__":
    stand_in = SendGrid(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    print(f"{stand_in.base}  {KEY}  {stand_in.verification_key}", flush=True)
    threading.Event().wait()
