"""Paddle's official SDK signs webhooks and judges them; our receiver judges the same ones. Where the two differ, ours is the stricter.

    paddle_signatures.py --print --now SECONDS  prints the cases as JSON lines, for a verifier that is no server
    paddle_signatures.py --read                 reads events, one a line, from standard input with the SDK's classes

Needs the package `paddle-python-sdk` from PyPI; nothing is sent anywhere. test_paddle.py tries a server with the same cases. Ends with 3 where the
SDK is not there.
"""

import argparse
import base64
import json
import random
import sys

try:
    from paddle_billing.Entities.Event import Event
    from paddle_billing.Notifications.PaddleSignature import PaddleSignature
    from paddle_billing.Notifications.Secret import Secret
except ImportError:
    sys.exit(3)

OLD, NEW, OTHER = "pdl_ntfset_interop_old", "pdl_ntfset_interop_new", "pdl_ntfset_of_somebody_else"
# The SDK allows 5 s and takes no other word; ours allows 300 s as every provider here: the time is judged by `expected` alone.
TOLERANCE = 300


def mark(body, seconds, secret):
    """One h1 signature, computed by the SDK."""
    return PaddleSignature.calculate_hmac(secret, b"%d:" % seconds + body).hexdigest()


def sdk_accepts(body, header, secrets):
    if header is None:
        return False
    # It refuses schemes that it does not know by an exception, of which a sender of tomorrow may use one: they are left out before.
    known = ";".join(part for part in header.split(";") if part.split("=")[0] in ("ts", "h1"))
    try:
        return PaddleSignature().verify(known, body.decode("utf-8"), [Secret(secret) for secret in secrets])
    except (ConnectionRefusedError, ValueError, TypeError, UnicodeDecodeError):
        return False


def event(number, text="plain"):
    data = {"id": "ctm_interop", "status": "active", "name": text}
    return json.dumps({"event_id": "evt_interop_%d" % number, "event_type": "customer.created", "occurred_at": "2027-01-15T08:00:00.000000Z",
                       "notification_id": "ntf_interop", "data": data}, indent=2, ensure_ascii=False).encode("utf-8")


def named_cases(now, secrets):
    """name, body, header, what our receiver must say"""
    main = secrets[0]
    body = event(1)
    h1 = mark(body, now, main)
    yield "signed by the SDK", body, "ts=%d;h1=%s" % (now, h1), True
    yield "signature before the time", body, "h1=%s;ts=%d" % (h1, now), True
    yield "two signatures while rotating, the first of another secret", body, "ts=%d;h1=%s;h1=%s" % (now, mark(body, now, OTHER), h1), True
    yield "two signatures while rotating, the second of another secret", body, "ts=%d;h1=%s;h1=%s" % (now, h1, mark(body, now, OTHER)), True
    yield "an unknown scheme beside it", body, "ts=%d;h1=%s;h2=abc" % (now, h1), True
    for number, text in enumerate(["Grüße, 東京, 🎟", "line\nbreak\ttab", "x" * 200_000, ""]):
        odd = event(10 + number, text)
        yield "a body with %r" % text[:12], odd, "ts=%d;h1=%s" % (now, mark(odd, now, main)), True
    for secret in secrets[1:]:
        yield "signed under a further secret", body, "ts=%d;h1=%s" % (now, mark(body, now, secret)), True
    for age in (-250, 250, -600, 600, -86_400, 86_400):
        moment = now + age
        yield "signed %d s from now" % age, body, "ts=%d;h1=%s" % (moment, mark(body, moment, main)), abs(age) <= TOLERANCE
    yield "signed under another secret", body, "ts=%d;h1=%s" % (now, mark(body, now, OTHER)), False
    yield "signed under the empty secret", body, "ts=%d;h1=%s" % (now, mark(body, now, "")), False
    yield "signed with Stripe's point between", body, "ts=%d;h1=%s" % (now, PaddleSignature.calculate_hmac(main, b"%d." % now + body).hexdigest()), False
    yield "a changed body", body.replace(b"plain", b"plaim"), "ts=%d;h1=%s" % (now, h1), False
    yield "a body printed anew", json.dumps(json.loads(body)).encode(), "ts=%d;h1=%s" % (now, h1), False
    yield "a body with one more byte", body + b"\n", "ts=%d;h1=%s" % (now, h1), False
    yield "a changed time", body, "ts=%d;h1=%s" % (now - 1, h1), False
    yield "two times", body, "ts=%d;ts=%d;h1=%s" % (now, now, h1), False
    yield "commas between", body, "ts=%d,h1=%s" % (now, h1), False
    yield "the right signature under another scheme only", body, "ts=%d;h2=%s" % (now, h1), False
    yield "a signature in upper case", body, "ts=%d;h1=%s" % (now, h1.upper()), False
    yield "a signature cut short", body, "ts=%d;h1=%s" % (now, h1[:-1]), False
    yield "no signature", body, "ts=%d" % now, False
    yield "no time", body, "h1=%s" % h1, False
    yield "an empty time", body, "ts=;h1=%s" % h1, False
    yield "a time in words", body, "ts=now;h1=%s" % h1, False
    yield "an empty header", body, "", False
    yield "no header", body, None, False
    yield "rubbish", body, "h1;ts=;;=;%s" % h1, False


def fuzzed_cases(now, secrets, count=400):
    """Headers changed at random, with a fixed seed: whatever ours takes, the SDK must take, too."""
    dice = random.Random(20_261_121)
    body = event(2)
    proper = "ts=%d;h1=%s;h1=%s" % (now, mark(body, now, OTHER), mark(body, now, secrets[0]))
    letters = "0123456789abcdefths=;+- _."
    for _ in range(count):
        text = list(proper)
        for _ in range(dice.randint(1, 4)):
            place = dice.randrange(len(text))
            action = dice.randrange(3)
            if action == 0:
                text[place] = dice.choice(letters)
            elif action == 1:
                del text[place]
            else:
                text.insert(place, dice.choice(letters))
        yield "changed at random", body, "".join(text), None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--print", action="store_true", dest="printing")
    parser.add_argument("--read", action="store_true")
    parser.add_argument("--now", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.printing:
        for name, body, header, expected in list(named_cases(arguments.now, [NEW, OLD])) + list(fuzzed_cases(arguments.now, [NEW, OLD])):
            print(json.dumps({"name": name, "body": base64.b64encode(body).decode(), "header": header, "expected": expected,
                              "sdk": sdk_accepts(body, header, [NEW, OLD])}))
    if arguments.read:
        lines = sys.stdin.read().splitlines()
        for line in lines:
            Event.from_dict(json.loads(line))
        print("%d read" % len(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
