"""A whole sale through paddle-payments on a real server, against our own stand-in for Paddle (paddle_stand_in.py).

Paddle's official SDK keeps the stand-in honest: its client walks through the stand-in's lists, its classes read every answer and every
event, and it signs and judges the webhooks. Nothing leaves the machine.
"""

import json
import os
import random
import re
import shutil
import sys
import tempfile
import time
from types import SimpleNamespace

from paddle_billing import Client, Options
from paddle_billing.Entities.Adjustment import Adjustment
from paddle_billing.Entities.CustomerPortalSession import CustomerPortalSession
from paddle_billing.Entities.Discount import Discount
from paddle_billing.Entities.Event import Event
from paddle_billing.Entities.Price import Price
from paddle_billing.Entities.Subscription import Subscription
from paddle_billing.Entities.SubscriptionPreview import SubscriptionPreview
from paddle_billing.Entities.Transaction import Transaction
from paddle_billing.Notifications.PaddleSignature import PaddleSignature
from paddle_billing.Notifications.Secret import Secret
from paddle_billing.Resources.Events.Operations import ListEvents
from paddle_billing.Resources.Shared.Operations import Pager

import paddle_signatures
from kernel import ROOT, Kernel
from paddle_stand_in import StandIn, Refusal, header

KEY = "pdl_sdbx_apikey_of_the_sale"
SECRETS = [paddle_signatures.NEW, paddle_signatures.OLD]
dice = random.Random(20_261_121)
passed = 0


def check(claim, holds, more=""):
    global passed
    assert holds, f"{claim}: {more}"
    passed += 1


class Notifications:
    """Delivers what happened at the stand-in: in any order, some twice, under the old secret and the new one."""

    def __init__(self, kernel, world):
        self.kernel, self.world, self.sent = kernel, world, set()

    def post(self, body, signature):
        headers = {} if signature is None else {"Paddle-Signature": signature}
        return self.kernel.call("POST", "/webhooks/paddle", raw=body, headers=headers).status

    def deliver(self, wanted=lambda event: True):
        fresh = [event for id, event in self.world.events.items() if id not in self.sent and wanted(event)]
        queue = fresh + dice.sample(fresh, len(fresh) // 2)
        dice.shuffle(queue)
        for event in queue:
            body = json.dumps({**event, "notification_id": "ntf_" + event["event_id"]}).encode()
            signature = header(body, dice.choice([SECRETS, SECRETS[:1], SECRETS[1:]]), int(time.time()))
            check("the SDK believes the webhook", PaddleSignature().verify(signature, body.decode(), [Secret(secret) for secret in SECRETS]))
            status = self.post(body, signature)
            check("the webhook is taken", status == 200, f"{event['event_type']}: {status}")
            self.sent.add(event["event_id"])
        return len(fresh)


def status(kernel, token):
    found = kernel.call("GET", "/api/v1/billing/subscription", token=token).json
    return (found.get("subscription") or found).get("status")


def until(kernel, token, wanted):
    return kernel.until(f"the subscription {wanted}", lambda: status(kernel, token) == wanted)


def licences(kernel, token):
    return [licence for licence in kernel.licenses(token) if licence["tier"] == "pro"]


def open_checkout(kernel, token, key, quantity=2):
    body = {"tier": "pro", "interval": "month", "quantity": quantity, "provider": "paddle"}
    return kernel.call("POST", "/api/v1/billing/checkout", body, token=token, headers={"Idempotency-Key": key})


def sale(kernel, stand_in):
    world = stand_in.world(KEY)
    news = Notifications(kernel, world)
    ada = kernel.member("ada@example.com")
    # The answer to the first request is lost, though Paddle has carried it out.
    stand_in.lost = 1
    answer = open_checkout(kernel, ada, "sale-1")
    check("a lost answer is no session", answer.status >= 500, answer)
    answer = open_checkout(kernel, ada, "sale-1")
    check("the same key finds the transaction", answer.status == 200, answer)
    check("Paddle has one transaction", len(world.transactions) == 1 and world.checkouts == 1, world.checkouts)
    check("again the same", open_checkout(kernel, ada, "sale-1").json["url"] == answer.json["url"])
    transaction = next(iter(world.transactions.values()))
    check("the payment link is the answer", answer.json["url"] == transaction["checkout"]["url"], answer)
    check("the money is what the tier asks for", transaction["details"]["totals"]["total"] == "19800", transaction["details"]["totals"])
    news.deliver()
    check("nothing is granted before the money is there", not licences(kernel, ada))

    subscription = world.buy(transaction["id"])
    news.deliver()
    until(kernel, ada, "active")
    kernel.until("the licence", lambda: licences(kernel, ada))
    news.sent.clear()
    news.deliver()
    check("one licence, however often it is told", len(licences(kernel, ada)) == 1)

    kernel.kill()
    kernel.start()
    check("a restart changes nothing", status(kernel, ada) == "active")
    portal = kernel.want(200, "POST", "/api/v1/billing/portal", {}, token=ada).json["url"]
    check("the portal is Paddle's", portal.startswith("https://customer-portal.paddle.example/"), portal)

    renewal = world.renew(subscription["id"], error="not_enough_balance")
    news.deliver()
    until(kernel, ada, "grace")
    check("access lasts through the grace", len(licences(kernel, ada)) == 1)
    world.recover(renewal["id"])
    news.deliver()
    until(kernel, ada, "active")

    # A stranger's sale: nothing here opened its checkout.
    bob = world.stage()
    news.deliver()
    check("a stranger's events are taken and grant nothing", len(licences(kernel, ada)) == 1)
    world.chargeback(bob["transaction"])
    check("a dispute is taken", news.deliver() == 1)

    world.post_subscriptions([subscription["id"], "cancel"], {"effective_from": "next_billing_period"})
    news.deliver()
    kernel.until("the end is known", lambda: "cancels_at" in json.dumps(kernel.call("GET", "/api/v1/billing/subscription", token=ada).json))
    check("what is paid for lasts", status(kernel, ada) == "active")
    return news


def forgeries(kernel, news):
    now = int(time.time())
    cases = list(paddle_signatures.named_cases(now, SECRETS)) + list(paddle_signatures.fuzzed_cases(now, SECRETS, 60))
    for name, body, signature, expected in cases:
        taken = news.post(body, signature)
        check("the webhook answers", taken in (200, 400), taken)
        if expected is not None:
            check(name, (taken == 200) == expected, taken)
        check(f"{name}: ours takes no more than the SDK", taken != 200 or paddle_signatures.sdk_accepts(body, signature, SECRETS), signature)


def honesty(stand_in):
    """Whatever the stand-in said, Paddle's own SDK reads; what it does not know would be refused here."""
    world = stand_in.world(KEY)
    transaction, subscription = next(iter(world.transactions)), next(iter(world.subscriptions))
    client = Client(KEY, options=Options(environment=SimpleNamespace(base_url=stand_in.base)))
    for _ in range(7):
        world.stage()
    for name in ("transactions", "subscriptions", "adjustments", "discounts"):
        rows = list(getattr(client, name).list())
        check(f"the SDK's client walks through {name}", len(rows) == len(getattr(world, name)) > 0, len(rows))
    rows = [event for event in client.events.list(ListEvents(pager=Pager(per_page=3)))]
    check("the SDK's client walks through events, page by page", [row.event_id for row in rows] == list(world.events), len(rows))
    check("the SDK's client reads the document", client.transactions.get_invoice_pdf(transaction).url.startswith("https://"))

    items = [{"price_id": next(iter(world.prices)), "quantity": 9}]
    second = [id for id, row in world.subscriptions.items() if row["status"] == "active" and not row["scheduled_change"]][-1]
    for mode in ("prorated_immediately", "prorated_next_billing_period", "do_not_bill"):
        preview = world.patch_subscriptions([second, "preview"], {"items": items, "proration_billing_mode": mode})
        SubscriptionPreview.from_dict(json.loads(json.dumps(preview)))
    world.post_subscriptions([second, "pause"], {"effective_from": "immediately"})
    world.post_subscriptions([second, "resume"], {"effective_from": "immediately", "on_resume": "continue_existing_billing_period"})
    refunded = world.subscriptions[second]
    paid = next(row for row in world.transactions.values() if row["subscription_id"] == second)
    line = paid["details"]["line_items"][0]["id"]
    world.post_adjustments([], {"action": "refund", "type": "partial", "transaction_id": paid["id"], "reason": "x", "tax_mode": "internal",
                                "items": [{"item_id": line, "type": "partial", "amount": "100"}]})
    check("the subscription goes on", refunded["status"] == "active")
    world.post_subscriptions([second, "cancel"], {"effective_from": "immediately"})
    kinds = [(Transaction, world.transactions), (Subscription, world.subscriptions), (Adjustment, world.adjustments), (Discount, world.discounts),
             (Price, world.prices), (Event, world.events)]
    for kind, rows in kinds:
        for row in rows.values():
            kind.from_dict(json.loads(json.dumps(row)))
            check(f"the SDK reads a {kind.__name__}", True)
    CustomerPortalSession.from_dict(world.post_customers([world.subscriptions[subscription]["customer_id"], "portal-sessions"], {}))
    try:
        client.subscriptions.get("sub_none")
        check("an unknown subscription is refused", False)
    except Exception as error:
        check("the SDK reads the error", getattr(error, "error_code", None) == "entity_not_found", error)
    try:
        world.post_transactions([], {"items": [], "colour": "red"})
        check("an unknown member is refused", False)
    except Refusal as refusal:
        check("what Paddle does not know is refused", refusal.code == "bad_request")


def main():
    policies = os.path.join(tempfile.mkdtemp(prefix="policies-"), "policies")
    shutil.copytree(os.path.join(ROOT, "policies"), policies)
    tiers = os.path.join(policies, "tiers.lua")
    with open(tiers, encoding="utf-8") as file:
        text = re.sub(r"trial_days = \d+", "trial_days = 0", file.read())
    with open(tiers, "w", encoding="utf-8") as file:
        file.write(text)
    stand_in = StandIn().start()
    environment = {"PADDLE_API_KEY": KEY, "PADDLE_WEBHOOK_SECRET": ",".join(SECRETS), "PADDLE_API_BASE": stand_in.base}
    try:
        with Kernel(env=environment, policies=policies) as kernel:
            news = sale(kernel, stand_in)
            forgeries(kernel, news)
            with open(kernel.log, encoding="utf-8") as log:
                text = log.read()
            check("no secret is in the log", KEY not in text and not any(secret in text for secret in SECRETS))
        honesty(stand_in)
    finally:
        shutil.rmtree(os.path.dirname(policies), ignore_errors=True)
        stand_in.shutdown()
    print(f"paddle: {passed} passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
