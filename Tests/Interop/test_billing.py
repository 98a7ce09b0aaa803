"""A customer's money from this side, against a running server with two real providers: preview, change, refund, cancel, resume, a comparison by staff,
a crash in between, the move from the sandbox to invoices, with one licence all the way, and a purchase with a coupon. Standard library only."""

import sys
import uuid

from kernel import Kernel
from tiny_browser import Browser

SELLER = {
    "SELLER_NAME": "Tools GmbH", "SELLER_STREET": "Hauptstrasse 1", "SELLER_POSTAL_CODE": "10115", "SELLER_CITY": "Berlin", "SELLER_COUNTRY": "DE",
    "SELLER_VAT_ID": "DE123456789", "IBAN": "DE89370400440532013000", "CURRENCY": "USD",
}
passed = 0


def check(claim, holds, more=""):
    global passed
    assert holds, f"{claim}: {more}"
    passed += 1


class Customer:
    def __init__(self, kernel, address="ada@example.com"):
        self.kernel, self.token = kernel, kernel.member(address)

    def get(self, path):
        return self.kernel.want(200, "GET", "/api/v1/billing/" + path, token=self.token).json

    def post(self, path, body, status=200, key=None):
        headers = {"Idempotency-Key": key} if key else None
        return self.kernel.want(status, "POST", "/api/v1/billing/" + path, body, token=self.token, headers=headers).json

    @property
    def subscription(self):
        return self.get("subscription")["subscription"]

    def portal(self):
        browser = Browser()
        browser.open(self.post("portal", {})["url"])
        return browser

    def until(self, what, holds):
        return self.kernel.until(what, lambda: holds(self.subscription) and self.subscription)


def change(customer):
    kernel = customer.kernel
    license = kernel.paid_license(customer.token, "team", quantity=3)
    customer.portal().press("Renew now")
    paid = kernel.until("a paid invoice", lambda: next((x for x in customer.get("invoices")["invoices"] if (x["amount"] or {}).get("amount_minor", 0) > 0), None))
    check("the first period costs what the tier says", paid["amount"] == {"amount_minor": 3 * 2900, "currency": "USD"}, paid)

    quote = customer.post("subscription/preview", {"quantity": 5})
    check("more holds now and costs something now", quote["when"] == "now" and 0 < quote["due_now"]["amount_minor"] <= 2 * 2900, quote)
    check("a preview changes nothing", customer.subscription["quantity"] == 3)
    check("and says what comes then", quote["next_amount"]["amount_minor"] == 5 * 2900, quote)
    agreed = {"quantity": 5, "proration_at": quote["proration_at"], "due_now_minor": quote["due_now"]["amount_minor"]}
    wrong = customer.post("subscription/change", {**agreed, "due_now_minor": 1}, status=409)
    check("another amount is not agreed to", wrong["error"] == "amount_changed", wrong)
    key = str(uuid.uuid4())
    done = customer.post("subscription/change", agreed, key=key)
    check("the upgrade holds at once", done["operation"]["status"] == "done" and done["subscription"]["quantity"] == 5, done)
    check("the same key is the same upgrade", customer.post("subscription/change", agreed, key=key)["operation"]["id"] == done["operation"]["id"])
    extra = kernel.until("its invoice", lambda: next((x for x in customer.get("invoices")["invoices"] if x["amount"] == quote["due_now"]), None))
    detail = customer.get(f"invoices/{extra['id']}")
    check("one invoice shows its lines", detail["document_source"] == "provider" and detail["document"]["lines"][0]["is_proration"], detail)
    kernel.until("seats", lambda: next(x for x in kernel.licenses(customer.token) if x["id"] == license["id"])["seats"] == 5)

    less = customer.post("subscription/change", {"quantity": 2, "apply": "now"})
    check("less waits", less["subscription"]["quantity"] == 5 and less["subscription"]["change"]["quantity"] == 2, less)
    check("no upgrade meanwhile", customer.post("subscription/change", {"quantity": 9}, status=409)["error"] == "downgrade_waits")
    back = customer.post("subscription/change", {"quantity": 5, "due_now_minor": 0})
    check("taken back for nothing", back["subscription"]["change"] is None, back)
    return license, paid


def refund(customer, root, invoice):
    kernel = customer.kernel
    tenant = kernel.want(200, "GET", "/api/v1/orgs/current", token=customer.token).json
    tenant = (tenant.get("org") or tenant.get("tenant") or tenant)["id"]
    path = f"/api/v1/admin/tenants/{tenant}/refunds"
    body = {"invoice_id": invoice["id"], "amount_minor": 1000, "reason": "requested_by_customer", "note": "goodwill"}
    check("customers give nothing back to themselves", kernel.call("POST", path, body, token=customer.token).status == 403)
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = kernel.want(200, "POST", path, body, token=root, headers=key).json
    check("money goes back", first["operation"]["status"] == "done" and first["operation"]["amount"]["amount_minor"] == 1000, first)
    check("once", kernel.want(200, "POST", path, body, token=root, headers=key).json == first)
    over = kernel.want(409, "POST", path, {**body, "amount_minor": 7701}, token=root).json
    check("never more than was paid", over["error"] == "not_refundable" and over["left_minor"] == 7700, over)
    rest = kernel.want(200, "POST", path, {key: value for key, value in body.items() if key != "amount_minor"}, token=root).json
    check("all that is left", rest["operation"]["amount"]["amount_minor"] == 7700, rest)
    kernel.want(409, "POST", path, {key: value for key, value in body.items() if key != "amount_minor"}, token=root)
    listed = kernel.want(200, "GET", f"/api/v1/admin/tenants/{tenant}/invoices", token=root).json["invoices"]
    check("staff see the invoices", invoice["id"] in [x["id"] for x in listed])


def end(customer):
    stopped = customer.post("subscription/cancel", {"reason": "unused"})
    check("it ends with its period", stopped["subscription"]["cancels_at"] == stopped["subscription"]["period_end"], stopped)
    check("and nothing is changed meanwhile", customer.post("subscription/change", {"quantity": 9}, status=409)["error"] == "subscription_state")
    customer.kernel.kill()
    customer.kernel.start()
    check("a crash forgets nothing", customer.subscription["cancels_at"])
    resumed = customer.post("subscription/resume", {})
    check("it is taken back", resumed["subscription"]["cancels_at"] is None and resumed["subscription"]["status"] == "active", resumed)
    check("the sandbox cannot pause", customer.post("subscription/pause", {}, status=409)["error"] == "provider_cannot")
    kinds = [x["kind"] for x in customer.get("operations")["operations"]]
    check("what was asked is listed, newest first", kinds == ["resume", "cancel", "refund", "refund", "change", "change", "change"], kinds)


def compare(kernel, root):
    kernel.want(202, "POST", "/api/v1/admin/payments/reconcile", {}, token=root)
    path = "/api/v1/admin/payments/reconciliations"
    report = kernel.until("the comparison", lambda: next(
        (x for x in kernel.want(200, "GET", path, token=root).json["reconciliations"] if x["provider"] == "sandbox" and x["status"] != "running"), None))
    check("nothing differs", report["status"] == "done" and report["found"] == 0 and report["compared"]["subscription"] == 1, report)
    kernel.want(200, "GET", f"{path}/{report['id']}", token=root)
    events = kernel.want(200, "GET", "/api/v1/admin/payments/events?limit=100", token=root).json["events"]
    check("every event was applied", events and {x["status"] for x in events} == {"applied"}, events)
    kernel.want(202, "POST", f"/api/v1/admin/payments/events/{events[0]['id']}/replay", {}, token=root)


def coupon(kernel):
    """What a code takes off, from the checkout to the bill; who has no coupons says so."""
    customer = Customer(kernel, "grace@example.com")
    order = {"tier": "team", "interval": "month", "quantity": 2}
    for code, reason in {"NONE": "unknown", "SANDBOXUSED": "not_valid", "SANDBOX10EUR": "currency"}.items():
        refused = customer.post("checkout", {**order, "coupon": code}, status=422)
        check(f"{code} takes nothing off", (refused["error"], refused["reason"]) == ("coupon_invalid", reason), refused)
    refused = customer.post("checkout", {**order, "coupon": "SANDBOX25", "provider": "bank-invoice"}, status=409)
    check("invoices take no coupons", refused["error"] == "coupon_not_supported", refused)
    browser = Browser()
    page = browser.open(customer.post("checkout", {**order, "coupon": "SANDBOX25"})["url"])
    check("the page shows it", "SANDBOX25" in page.text and "43.50" in page.text, page.text)
    browser.press("start the trial")
    bought = customer.until("the subscription", lambda it: it and it["status"] == "active")
    check("it is shown with what was bought", bought["coupon"]["basis_points_off"] == 2500 and bought["coupon"]["months"] is None, bought)
    customer.portal().press("Renew now")
    paid = kernel.until("a bill", lambda: next((x for x in customer.get("invoices")["invoices"] if (x["amount"] or {}).get("amount_minor", 0) > 0), None))
    check("less is billed", paid["amount"] == {"amount_minor": 4350, "currency": "USD"}, paid)
    lines = [x["amount"]["amount_minor"] for x in customer.get(f"invoices/{paid['id']}")["document"]["lines"]]
    check("and the bill says why", lines == [5800, -1450], lines)
    quote = customer.post("subscription/preview", {"quantity": 4})
    check("so does a preview", any(x["amount"]["amount_minor"] < 0 and "25 %" in x["summary"] for x in quote["lines"]), quote)
    check("nothing of it was a correction", customer.get("corrections")["corrections"] == [])


def gather(kernel):
    """Several changes of the quantity in a row are one at the provider, over a crash too; one that is taken back is none."""
    customer = Customer(kernel, "hopper@example.com")
    kernel.paid_license(customer.token, "team", quantity=3)
    customer.portal().press("Renew now")

    def billed():
        return [x for x in customer.get("invoices")["invoices"] if (x["amount"] or {}).get("amount_minor", 0) > 0]

    kernel.until("a paid invoice", billed)
    there = customer.post("subscription/change", {"quantity": 9}, status=202)
    check("nobody is asked yet", there["operation"] is None and there["subscription"]["quantity_wish"]["quantity"] == 9, there)
    back = customer.post("subscription/change", {"quantity": 3})
    check("there and back is nothing", back["operation"] is None and back["subscription"]["quantity_wish"] is None, back)
    customer.post("subscription/change", {"quantity": 7}, status=202)
    customer.post("subscription/withdraw", {})
    check("nothing waits", customer.post("subscription/withdraw", {}, status=409)["error"] == "no_quantity_wish")
    for quantity in (4, 8, 6):
        waits = customer.post("subscription/change", {"quantity": quantity}, status=202)
    check("the last wish waits", (waits["subscription"]["quantity_wish"]["quantity"], waits["subscription"]["quantity"]) == (6, 3), waits)
    kernel.kill()
    kernel.start()
    now = customer.until("the new quantity", lambda it: it["quantity"] == 6)
    check("nothing waits any more", now["quantity_wish"] is None, now)
    check("the provider was asked once", [(x["kind"], x["status"]) for x in customer.get("operations")["operations"]] == [("change", "done")])
    kernel.until("one invoice for it", lambda: len(billed()) == 2)
    kernel.until("the seats", lambda: [x["seats"] for x in kernel.licenses(customer.token) if x["tier"] == "team"] == [6])


def move(customer, license):
    kernel = customer.kernel
    old = customer.subscription
    answer = customer.post("checkout", {"provider": "bank-invoice", "replaces": old["id"]})
    check("nothing is cancelled before the new one stands", customer.subscription["cancels_at"] is None)
    browser = Browser()
    browser.open(answer["url"])
    for label, value in {"Name": "Ada GmbH", "Street": "Weg 1", "Postal": "10115", "City": "Berlin", "Country": "DE"}.items():
        browser.fill(label, value)
    page = browser.press("Order with obligation")
    check("the order is taken", page.status == 200, page.text)
    new = customer.until("the new one", lambda it: it["provider"] == "bank-invoice" and it["status"] == "active")
    check("nothing is paid twice", new["trial_ends_at"] and abs(days(new["trial_ends_at"]) - days(old["period_end"])) <= 1, new)

    def left():
        return next(x for x in customer.get("subscription")["subscriptions"] if x["id"] == old["id"])

    kernel.until("the old one's end", lambda: left()["cancels_at"])
    check("it ends with what is paid", left()["cancels_at"] == old["period_end"], left())
    licenses = [x for x in kernel.licenses(customer.token) if x["tier"] == "team"]
    check("one licence all the way", [x["id"] for x in licenses] == [license["id"]] and licenses[0]["status"] == "active", licenses)
    return old


def days(text):
    from datetime import datetime

    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() / 86_400


def late(customer, root, license, portal):
    """The old provider tells late that a payment is disputed, and that all is over."""
    kernel = customer.kernel
    for step in ("Dispute the last payment", "End now"):
        page = portal.press(step)
        check("the sandbox does it", page.status == 200, page.text)

    def told(kind):
        events = kernel.want(200, "GET", "/api/v1/admin/payments/events?limit=100", token=root).json["events"]
        return [x for x in events if x["type"] == kind and x["status"] == "applied"]

    kernel.until("the late news", lambda: told("dispute.opened") and told("subscription.ended"))
    licenses = [x for x in kernel.licenses(customer.token) if x["tier"] == "team"]
    check("late news do no harm", [(x["id"], x["status"], x["seats"]) for x in licenses] == [(license["id"], "active", 5)], licenses)
    check("the tenant is told of no cancellation", not [m for m in kernel.mails() if "cancelled" in str(m["Subject"]).lower()])


def main():
    environment = {"CODITECT_PLUGINS_BANK_INVOICE_" + name: value for name, value in SELLER.items()}
    environment["BANK_INVOICE_DESK_SECRET"] = "desk-secret-of-this-test-01"
    config = "http:\n  limits_enabled: false\nbilling:\n  default_provider: sandbox\n  quantity_window_seconds: 10\n"
    with Kernel(env=environment, config=config) as kernel:
        root = kernel.administrator()
        customer = Customer(kernel)
        license, invoice = change(customer)
        refund(customer, root, invoice)
        end(customer)
        root = kernel.login("root@example.com")["access_token"]
        compare(kernel, root)
        portal = customer.portal()
        move(customer, license)
        late(customer, root, license, portal)
        coupon(kernel)
        gather(kernel)
    print(f"billing: {passed} passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
