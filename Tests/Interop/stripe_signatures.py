"""Stripe's official SDK signs webhooks and judges them; our receiver judges the same ones. Where the two differ, ours is the stricter.

    stripe_signatures.py                        starts the server with Stripe configured and tries it
    stripe_signatures.py --url URL --secret S [--secret S2]
                                                tries a server that runs: URL is its webhook address, S its STRIPE_WEBHOOK_SECRET
    stripe_signatures.py --print --now SECONDS  prints the cases as JSON lines, for a verifier that is no server

Needs the package `stripe` from PyPI; nothing is sent but to the address given.
"""

import argparse
import base64
import json
import random
import sys
import time
import urllib.error
import urllib.request

import stripe

OLD, NEW, OTHER = "whsec_interop_old", "whsec_interop_new", "whsec_of_somebody_else"
TOLERANCE = 300


def mark(body, seconds, secret):
    """One v1 signature, computed by the SDK."""
    return stripe.WebhookSignature._compute_signature("%d.%s" % (seconds, body.decode("utf-8")), secret)


def sdk_accepts(body, header, secrets, now):
    """Whether the SDK takes the webhook under any of the secrets, at the moment `now`."""
    real = time.time
    time.time = lambda: now
    try:
        for secret in secrets:
            try:
                stripe.WebhookSignature.verify_header(body.decode("utf-8"), header, secret, TOLERANCE)
                return True
            except (stripe.SignatureVerificationError, UnicodeDecodeError, AttributeError, ValueError, IndexError, TypeError):
                continue
        return False
    finally:
        time.time = real


def event(number, text="plain"):
    return json.dumps(
        {
            "id": "evt_interop_%d" % number, "object": "event", "api_version": "2026-10-28.endive", "created": int(time.time()),
            "type": "customer.created", "livemode": False, "pending_webhooks": 1, "request": {"id": None, "idempotency_key": None},
            "data": {"object": {"id": "cus_interop", "object": "customer", "description": text}},
        }, indent=2, ensure_ascii=False).encode("utf-8")


def named_cases(now, secrets):
    """name, body, header, what our receiver must say"""
    main = secrets[0]
    body = event(1)
    v1 = mark(body, now, main)
    yield "signed by the SDK", body, "t=%d,v1=%s" % (now, v1), True
    yield "with a v0 beside it", body, "t=%d,v1=%s,v0=%s" % (now, v1, "6ffbb59b2300aae63f272406069a9788598b792a"), True
    yield "signature before the time", body, "v1=%s,t=%d" % (v1, now), True
    yield "two signatures, the first of another secret", body, "t=%d,v1=%s,v1=%s" % (now, mark(body, now, OTHER), v1), True
    yield "an unknown scheme beside it", body, "t=%d,v1=%s,v9=abc" % (now, v1), True
    for number, text in enumerate(["Grüße, 東京, 🎟", "line\nbreak\ttab", "x" * 200_000, ""]):
        odd = event(10 + number, text)
        yield "a body with %r" % text[:12], odd, "t=%d,v1=%s" % (now, mark(odd, now, main)), True
    for secret in secrets[1:]:
        yield "signed under a further secret", body, "t=%d,v1=%s" % (now, mark(body, now, secret)), True
    # Seconds are kept clear of the border, so that the way to a server does not decide.
    for age in (-250, 250, -600, 600, -86_400, 86_400):
        moment = now + age
        yield "signed %d s from now" % age, body, "t=%d,v1=%s" % (moment, mark(body, moment, main)), abs(age) <= TOLERANCE
    yield "signed under another secret", body, "t=%d,v1=%s" % (now, mark(body, now, OTHER)), False
    yield "signed under the empty secret", body, "t=%d,v1=%s" % (now, mark(body, now, "")), False
    yield "a changed body", body.replace(b"plain", b"plaim"), "t=%d,v1=%s" % (now, v1), False
    yield "a body printed anew", json.dumps(json.loads(body)).encode(), "t=%d,v1=%s" % (now, v1), False
    yield "a body with one more byte", body + b"\n", "t=%d,v1=%s" % (now, v1), False
    yield "a changed time", body, "t=%d,v1=%s" % (now - 1, v1), False
    yield "the right signature as v0 only", body, "t=%d,v0=%s" % (now, v1), False
    yield "a signature in upper case", body, "t=%d,v1=%s" % (now, v1.upper()), False
    yield "a signature cut short", body, "t=%d,v1=%s" % (now, v1[:-1]), False
    yield "no signature", body, "t=%d" % now, False
    yield "no time", body, "v1=%s" % v1, False
    yield "an empty time", body, "t=,v1=%s" % v1, False
    yield "a time in words", body, "t=now,v1=%s" % v1, False
    yield "an empty header", body, "", False
    yield "no header", body, None, False
    yield "rubbish", body, "v1,t=,,=,%s" % v1, False


def fuzzed_cases(now, secrets, count=400):
    """Headers changed at random, with a fixed seed: whatever ours takes, the SDK must take, too."""
    dice = random.Random(20_261_121)
    body = event(2)
    proper = "t=%d,v1=%s,v1=%s" % (now, mark(body, now, OTHER), mark(body, now, secrets[0]))
    letters = "0123456789abcdeftv=,+- _."
    for _ in range(count):
        header = list(proper)
        for _ in range(dice.randint(1, 4)):
            place = dice.randrange(len(header))
            action = dice.randrange(3)
            if action == 0:
                header[place] = dice.choice(letters)
            elif action == 1:
                del header[place]
            else:
                header.insert(place, dice.choice(letters))
        yield "changed at random", body, "".join(header), None


def judge(cases, accepts, secrets, now):
    wrong, checked, stricter = [], 0, 0
    for name, body, header, expected in cases:
        theirs = sdk_accepts(body, header, secrets, now) if header is not None else False
        ours = accepts(body, header)
        checked += 1
        if expected is not None and ours != expected:
            wrong.append("%s: ours says %s, must say %s" % (name, ours, expected))
        if ours and not theirs:
            wrong.append("%s: ours takes what the SDK refuses: %r" % (name, header))
        if theirs and not ours:
            stricter += 1
    return wrong, checked, stricter


def by_server(url):
    def accepts(body, header):
        request = urllib.request.Request(url, data=body, method="POST")
        request.add_header("Content-Type", "application/json; charset=utf-8")
        if header is not None:
            request.add_header("Stripe-Signature", header)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                status = answer.status
        except urllib.error.HTTPError as error:
            status = error.code
        assert status in (200, 400), "the webhook answered %d to %r" % (status, header)
        return status == 200

    return accepts


def run(url, secrets, fuzz=400):
    now = int(time.time())
    cases = list(named_cases(now, secrets)) + list(fuzzed_cases(now, secrets, fuzz))
    wrong, checked, stricter = judge(cases, by_server(url), secrets, now)
    for line in wrong:
        print("stripe signatures: " + line)
    print("stripe signatures: in %d cases ours is stricter than the SDK" % stricter)
    print("stripe signatures: %d passed, %d failed" % (checked - len(wrong), len(wrong)))
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url")
    parser.add_argument("--secret", action="append")
    parser.add_argument("--print", action="store_true", dest="printing")
    parser.add_argument("--now", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    secrets = arguments.secret or [NEW, OLD]
    if arguments.printing:
        for name, body, header, expected in list(named_cases(arguments.now, secrets)) + list(fuzzed_cases(arguments.now, secrets)):
            theirs = sdk_accepts(body, header, secrets, arguments.now) if header is not None else False
            line = {"name": name, "body": base64.b64encode(body).decode(), "header": header, "expected": expected, "sdk": theirs}
            print(json.dumps(line))
        return 0
    if arguments.url:
        return run(arguments.url, secrets)
    from kernel import Kernel

    environment = {"STRIPE_SECRET_KEY": "sk_test_interop", "STRIPE_WEBHOOK_SECRET": ",".join(secrets), "STRIPE_API_BASE": "http://127.0.0.1:9"}
    with Kernel(env=environment) as kernel:
        return run(kernel.base + "/webhooks/stripe", secrets, fuzz=60)


if __name__ == "__main__":
    sys.exit(main())
