#!/usr/bin/env python3
"""A stand-in for Paddle Billing, written here, for tests: a world in memory that answers the part of Paddle's API which paddle-payments
uses. It is no proof of what Paddle does; test_paddle.py shows that Paddle's own SDK reads every answer of it. Standard library only.

    paddle_stand_in.py          serves on a free loopback port until its standard input ends; prints the address

One world for each API key. `POST /_test/stage {"currency": …}` makes a paid subscription in the world of the key, `/_test/populate`
more of them, `/_test/truth` says what is so, `/_test/buy {"transaction": …}` is a buyer who pays at the checkout.
"""

import hashlib
import hmac
import itertools
import json
import re
import sys
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

CURRENCIES = set("USD EUR GBP JPY AUD CAD CHF HKD SGD SEK ARS BRL CLP CNY COP CZK DKK HUF ILS INR KRW MXN NOK NZD PEN PLN THB TRY TWD UAH VND ZAR".split())
PAGES = {"transactions": 30, "adjustments": 50}


def stamp(moment):
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"


def header(body, secrets, seconds):
    """A Paddle-Signature, under every secret."""
    marks = [hmac.new(secret.encode(), b"%d:" % seconds + body, hashlib.sha256).hexdigest() for secret in secrets]
    return ";".join(["ts=%d" % seconds] + ["h1=" + mark for mark in marks])


class Refusal(Exception):
    def __init__(self, code, detail="Refused.", status=400, errors=()):
        self.code, self.detail, self.status, self.errors = code, detail, status, list(errors)


def need(condition, code, detail="Refused.", status=400):
    if not condition:
        raise Refusal(code, detail, status)


def fields(body, allowed, required=()):
    """Paddle refuses members that it does not know."""
    wrong = [{"field": name, "message": "unknown field"} for name in body if name not in allowed]
    wrong += [{"field": name, "message": "is required"} for name in required if name not in body]
    if wrong:
        raise Refusal("bad_request", "Invalid request.", 400, wrong)


class World:
    def __init__(self, now=None, base="https://api.paddle.com"):
        self.clock, self.base = now or (lambda: datetime.now(timezone.utc)), base
        self.lock = threading.RLock()
        self.counter = itertools.count(1)
        self.prices, self.products, self.transactions, self.subscriptions, self.adjustments = {}, {}, {}, {}, {}
        self.events, self.discounts, self.changes, self.checkouts = {}, {}, 0, 0
        moment = stamp(self.clock())
        for code, id in (("SPRING", self.id("dsc")),):
            self.discounts[id] = {
                "id": id, "status": "active", "description": "Spring", "enabled_for_checkout": True, "code": code, "type": "percentage", "mode": "standard",
                "amount": "12.5", "currency_code": None, "recur": True, "maximum_recurring_intervals": 3, "usage_limit": None, "restrict_to": None,
                "expires_at": None, "times_used": 0, "created_at": moment, "updated_at": moment, "custom_data": None, "import_meta": None, "discount_group_id": None}

    def id(self, prefix):
        return "%s_%026d" % (prefix, next(self.counter))

    def now(self):
        return stamp(self.clock())

    def tell(self, type, data, at=None):
        id = self.id("evt")
        # The id of a notification comes with the webhook only.
        self.events[id] = {"event_id": id, "event_type": type, "occurred_at": at or self.now(), "data": json.loads(json.dumps(data))}

    # What things are

    def price(self, wish, currency=None):
        fields(wish, {"product_id", "product", "description", "name", "unit_price", "billing_cycle", "trial_period", "quantity", "tax_mode",
                      "custom_data", "unit_price_overrides"}, ("description", "unit_price"))
        money = wish["unit_price"]
        need(isinstance(money.get("amount"), str) and re.fullmatch(r"\d{1,12}", money["amount"]), "bad_request", "unit_price.amount is no text of digits")
        need(money.get("currency_code") in CURRENCIES, "bad_request", "unit_price.currency_code is not supported")
        now = self.now()
        if "product_id" in wish:
            need(wish["product_id"] in self.products, "not_found", "product", 404)
            product = wish["product_id"]
        else:
            fields(wish.get("product", {}), {"name", "description", "tax_category", "image_url", "custom_data"}, ("name", "tax_category"))
            product = self.id("pro")
            self.products[product] = {
                "id": product, "name": wish["product"]["name"], "description": None, "type": "custom", "tax_category": wish["product"]["tax_category"],
                "image_url": None, "custom_data": None, "status": "active", "created_at": now, "updated_at": now, "import_meta": None}
        id = self.id("pri")
        trial = wish.get("trial_period")
        self.prices[id] = {
            "id": id, "product_id": product, "type": "custom", "description": wish["description"], "name": wish.get("name"),
            "billing_cycle": wish.get("billing_cycle"), "trial_period": trial and {**trial, "requires_payment_method": True},
            "tax_mode": "account_setting", "unit_price": money, "unit_price_overrides": [], "custom_data": None, "status": "active",
            "quantity": wish.get("quantity") or {"minimum": 1, "maximum": 100}, "import_meta": None, "created_at": now, "updated_at": now}
        return self.prices[id]

    def items(self, wishes):
        need(isinstance(wishes, list) and wishes, "bad_request", "items is empty")
        found = []
        for wish in wishes:
            fields(wish, {"price_id", "price", "quantity"})
            if "price_id" in wish:
                need(wish["price_id"] in self.prices, "not_found", "price", 404)
                price = self.prices[wish["price_id"]]
            else:
                price = self.price(wish["price"])
            quantity = wish.get("quantity", 1)
            need(isinstance(quantity, int) and price["quantity"]["minimum"] <= quantity <= price["quantity"]["maximum"], "bad_request", "quantity")
            found.append((price, quantity))
        return found

    def totals(self, amount, currency, paid=False, credit=0):
        text = str(amount)
        return {"subtotal": text, "discount": "0", "tax": "0", "total": text, "credit": str(credit), "credit_to_balance": "0",
                "balance": "0" if paid else str(amount - credit), "grand_total": str(amount - credit), "grand_total_tax": "0", "fee": None,
                "earnings": None, "currency_code": currency}

    def line(self, price, quantity, amount, proration=None, preview=False):
        unit = price["unit_price"]["amount"]
        each = {"subtotal": unit, "discount": "0", "tax": "0", "total": unit}
        whole = {"subtotal": str(amount), "discount": "0", "tax": "0", "total": str(amount)}
        line = {"price_id": price["id"], "quantity": quantity, "tax_rate": "0", "unit_totals": each, "totals": whole,
                "product": self.products[price["product_id"]], "proration": proration}
        return line if preview else {"id": self.id("txnitm"), **line}

    def details(self, lines, currency, paid=False, credit=0):
        amount = sum(int(line["totals"]["total"]) for line in lines)
        rate = {"tax_rate": "0", "totals": {"subtotal": str(amount), "discount": "0", "tax": "0", "total": str(amount)}}
        details = {"tax_rates_used": [rate], "totals": self.totals(amount, currency, paid, credit), "line_items": lines}
        return details

    def period(self, start, months=1, days=None):
        return {"starts_at": stamp(start), "ends_at": stamp(start + timedelta(days=days or 30 * months))}

    def attempt(self, amount, error=None, at=None):
        now = at or self.now()
        card = {"type": "visa", "last4": "4242", "expiry_month": 1, "expiry_year": 2030, "cardholder_name": "Ada"}
        return {"payment_attempt_id": "0f8b0f5c-5a2a-4a3b-8a0e-%012d" % next(self.counter), "stored_payment_method_id": "0f8b0f5c-5a2a-4a3b-8a0e-000000000000",
                "payment_method_id": self.id("paymtd"), "amount": str(amount), "status": "error" if error else "captured", "error_code": error,
                "method_details": {"type": "card", "card": card, "underlying_details": None}, "created_at": now, "captured_at": None if error else now}

    def transaction(self, items, currency, origin="api", custom=None, customer=None, subscription=None, checkout=None, discount=None):
        id, now = self.id("txn"), self.now()
        lines = [self.line(price, quantity, 0 if price.get("trial_period") and origin == "api" else int(price["unit_price"]["amount"]) * quantity)
                 for price, quantity in items]
        page = checkout or "https://shop.example/pay"
        self.transactions[id] = {
            "id": id, "status": "ready" if customer else "draft", "customer_id": customer, "address_id": None, "business_id": None,
            "custom_data": custom, "origin": origin, "collection_mode": "automatic", "subscription_id": subscription, "invoice_id": None,
            "invoice_number": None, "billing_details": None, "billing_period": None, "currency_code": currency, "discount_id": discount,
            "created_at": now, "updated_at": now, "billed_at": None, "revised_at": None,
            "items": [{"price": price, "price_id": price["id"], "quantity": quantity, "proration": None} for price, quantity in items],
            "details": {**self.details(lines, currency), "adjusted_totals": None, "payout_totals": None, "adjusted_payout_totals": None},
            "payments": [], "checkout": {"url": "%s?_ptxn=%s" % (page, id)}}
        return self.transactions[id]

    def complete(self, transaction, period, at=None):
        at = at or self.now()
        amount = int(transaction["details"]["totals"]["grand_total"])
        transaction.update(status="completed", billed_at=at, updated_at=at, billing_period=period, invoice_id=self.id("inv"),
                           invoice_number="325-%05d" % next(self.counter), checkout={"url": None})
        transaction["details"]["totals"]["balance"] = "0"
        transaction["payments"] = [self.attempt(amount, at=at)] + transaction["payments"]

    def buy(self, id, at=None):
        """A buyer opens the payment link and pays: all that then happens at Paddle."""
        transaction = self.transactions[id]
        need(transaction["status"] in ("draft", "ready"), "transaction_immutable")
        start = at or self.clock()
        price, quantity = transaction["items"][0]["price"], transaction["items"][0]["quantity"]
        trial = price["trial_period"]
        cycle = price["billing_cycle"]
        days = trial["frequency"] if trial else (30 if cycle["interval"] == "month" else 365)
        period = self.period(start, days=days)
        transaction["customer_id"] = transaction["customer_id"] or self.id("ctm")
        transaction["address_id"] = self.id("add")
        sub, now = self.id("sub"), stamp(start)
        self.subscriptions[sub] = {
            "id": sub, "status": "trialing" if trial else "active", "customer_id": transaction["customer_id"], "address_id": transaction["address_id"],
            "business_id": None, "currency_code": transaction["currency_code"], "created_at": now, "updated_at": now, "started_at": now,
            "first_billed_at": None if trial else now, "next_billed_at": period["ends_at"], "paused_at": None, "canceled_at": None,
            "discount": None, "collection_mode": "automatic", "billing_details": None, "current_billing_period": period, "billing_cycle": cycle,
            "scheduled_change": None, "custom_data": transaction["custom_data"], "import_meta": None, "consent_requirements": [],
            "management_urls": {"update_payment_method": "https://shop.example/pay?_ptxn=x", "cancel": "https://buyer-portal.paddle.example/cancel"},
            "items": [self.item(price, quantity, now, period, trial)]}
        transaction["subscription_id"] = sub
        self.complete(transaction, period, now)
        subscription = self.subscriptions[sub]
        self.tell("transaction.paid", {**transaction, "status": "paid", "subscription_id": None}, now)
        self.tell("subscription.created", {**subscription, "transaction_id": id}, now)
        self.tell("subscription.trialing" if trial else "subscription.activated", subscription, now)
        self.tell("transaction.completed", transaction, now)
        return subscription

    def item(self, price, quantity, now, period, trial=None):
        return {"status": "trialing" if trial else "active", "quantity": quantity, "recurring": True, "created_at": now, "updated_at": now,
                "previously_billed_at": None if trial else now, "next_billed_at": period["ends_at"], "trial_dates": period if trial else None,
                "price": price, "product": self.products[price["product_id"]]}

    def renew(self, id, error=None):
        """The period is over; with an error the card is declined."""
        subscription = self.subscriptions[id]
        custom, now = subscription["custom_data"], self.now()
        items = [(item["price"], item["quantity"]) for item in subscription["items"]]
        transaction = self.transaction(items, subscription["currency_code"], "subscription_recurring", custom, subscription["customer_id"], id)
        start = datetime.fromisoformat(subscription["current_billing_period"]["ends_at"].replace("Z", "+00:00"))
        period = self.period(start)
        subscription["current_billing_period"], subscription["next_billed_at"], subscription["updated_at"] = period, period["ends_at"], now
        if error:
            transaction.update(status="past_due", billed_at=now, billing_period=period)
            transaction["payments"] = [self.attempt(transaction["details"]["totals"]["grand_total"], error)]
            subscription["status"] = "past_due"
            self.tell("transaction.payment_failed", transaction)
            self.tell("transaction.past_due", transaction)
            self.tell("subscription.past_due", subscription)
        else:
            self.complete(transaction, period)
            subscription["status"] = "active"
            self.tell("transaction.completed", transaction)
            self.tell("subscription.updated", subscription)
        return transaction

    def recover(self, id):
        """A later attempt of a renewal goes through."""
        transaction = self.transactions[id]
        subscription = self.subscriptions[transaction["subscription_id"]]
        self.complete(transaction, transaction["billing_period"])
        subscription["status"], subscription["updated_at"] = "active", self.now()
        self.tell("transaction.completed", transaction)
        self.tell("subscription.activated", subscription)

    def chargeback(self, id, action="chargeback"):
        adjustment = self.adjust({"action": action, "type": "full", "transaction_id": id, "reason": "fraud"}, by_bank=True)
        self.tell("adjustment.created", adjustment)
        return adjustment

    def stage(self, currency="USD", trial=False, age=3600):
        need(currency in CURRENCIES, "bad_request", "currency", 400)
        cycle = {"interval": "month", "frequency": 1}
        price = self.price({"product": {"name": "Team", "tax_category": "saas"}, "description": "Team", "name": "Team", "billing_cycle": cycle,
                            "unit_price": {"amount": "2900", "currency_code": currency}, "quantity": {"minimum": 1, "maximum": 1000},
                            **({"trial_period": {"interval": "day", "frequency": 14}} if trial else {})})
        custom = {"reference": "ref_1", "tenant": "ten_1", "tier": "team", "interval": "month"}
        transaction = self.transaction([(price, 5)], currency, custom=custom)
        subscription = self.buy(transaction["id"], self.clock() - timedelta(seconds=age))
        transaction["created_at"] = transaction["billed_at"]
        self.changes, self.checkouts = 0, 0
        return {"subscription": subscription["id"], "transaction": transaction["id"], "customer": subscription["customer_id"]}

    # Asking

    def answer(self, method, path, query, body):
        steps = [step for step in path.split("/") if step]
        with self.lock:
            if method == "GET" and len(steps) == 1:
                return self.listed(steps[0], query)
            found = getattr(self, "%s_%s" % (method.lower(), steps[0].replace("-", "_")), None) if steps else None
            need(found, "not_found", "no such path", 404)
            return 201 if method == "POST" and len(steps) != 3 else 200, {"data": found(steps[1:], body)}

    def get(self, store, id):
        need(id in store, "entity_not_found", "Unable to find %s" % id, 404)
        return store[id]

    def get_subscriptions(self, steps, body):
        return self.get(self.subscriptions, steps[0])

    def get_prices(self, steps, body):
        return self.get(self.prices, steps[0])

    def get_transactions(self, steps, body):
        transaction = self.get(self.transactions, steps[0])
        if len(steps) == 1:
            return transaction
        need(steps[1] == "invoice", "not_found", "no such path", 404)
        need(transaction["invoice_number"], "transaction_invoice_not_available")
        return {"url": "https://paddle-sandbox-invoice-service-pdfs.example/%s.pdf?X-Amz-Expires=3600" % transaction["invoice_number"]}

    def listed(self, name, query):
        stores = {"transactions": self.transactions, "subscriptions": self.subscriptions, "adjustments": self.adjustments, "events": self.events,
                  "discounts": self.discounts}
        need(name in stores, "not_found", "no such path", 404)
        allowed = {"after", "order_by", "per_page", "id", "status", "customer_id", "subscription_id", "transaction_id", "origin", "code", "from", "to", "action",
                   "created_at[GTE]", "updated_at[GTE]"}
        wrong = set(query) - allowed
        need(not wrong, "bad_request", "Invalid query: %s" % wrong)
        rows = []
        for id, row in stores[name].items():
            if any(query.get(key) and str(row.get(key)) not in query[key].split(",") for key in ("id", "status", "customer_id", "subscription_id", "transaction_id", "origin", "code", "action")):
                continue
            if any(query.get(key + "[GTE]") and row[key] < query[key + "[GTE]"].replace("Z", "") for key in ("created_at", "updated_at")):
                continue
            if query.get("from") and row["occurred_at"] < query["from"].replace("Z", ""):
                continue
            rows.append((id, row))
        field, direction = re.fullmatch(r"(\w+)\[(ASC|DESC|asc|desc)\]", query.get("order_by", "id[ASC]")).groups()
        need(field in ("id", "billed_at", "created_at", "updated_at"), "bad_request", "order_by")
        rows.sort(key=lambda pair: (pair[0] if field == "id" else pair[1][field] or "", pair[0]), reverse=direction.upper() == "DESC")
        names = [id for id, _ in rows]
        if query.get("after"):
            need(query["after"] in names, "bad_request", "after")
            rows = rows[names.index(query["after"]) + 1:]
        size = min(max(1, int(query.get("per_page", 50))), PAGES.get(name, 200))
        page = rows[:size]
        rest = {**query, "after": page[-1][0] if page else ""}
        address = "%s/%s?%s" % (self.base, name, "&".join("%s=%s" % pair for pair in rest.items()))
        meta = {"per_page": size, "next": address, "has_more": len(rows) > size, "estimated_total": len(names)}
        return 200, {"data": [row for _, row in page], "meta": {"request_id": "r", "pagination": meta}}

    # Writing

    def post_transactions(self, steps, body):
        fields(body, {"items", "collection_mode", "custom_data", "customer_id", "discount_id", "checkout", "currency_code"}, ("items",))
        items = self.items(body["items"])
        if body.get("discount_id"):
            self.get(self.discounts, body["discount_id"])
        self.checkouts += 1
        page = (body.get("checkout") or {}).get("url")
        transaction = self.transaction(items, items[0][0]["unit_price"]["currency_code"], "api", body.get("custom_data"), body.get("customer_id"),
                                       checkout=page, discount=body.get("discount_id"))
        self.tell("transaction.created", transaction)
        return transaction

    def post_customers(self, steps, body):
        need(steps[1:] == ["portal-sessions"], "not_found", "no such path", 404)
        need(any(row["customer_id"] == steps[0] for row in self.subscriptions.values()), "not_found", "customer", 404)
        return {"id": self.id("cpls"), "customer_id": steps[0], "created_at": self.now(),
                "urls": {"general": {"overview": "https://customer-portal.paddle.example/cpl_1?token=pga_1"}, "subscriptions": []}}

    def touched(self, subscription, type="subscription.updated"):
        self.changes += 1
        subscription["updated_at"] = self.now()
        self.tell(type, subscription)
        return subscription

    def post_subscriptions(self, steps, body):
        subscription = self.get(self.subscriptions, steps[0])
        action = steps[1]
        need(subscription["status"] != "canceled", "subscription_update_when_canceled")
        now = self.now()
        if action == "cancel":
            fields(body, {"effective_from"})
            need(not subscription["scheduled_change"], "subscription_locked_pending_changes")
            if body.get("effective_from") == "immediately":
                subscription.update(status="canceled", canceled_at=now, current_billing_period=None, next_billed_at=None, scheduled_change=None)
                return self.touched(subscription, "subscription.canceled")
            end = (subscription["current_billing_period"] or {}).get("ends_at") or now
            subscription.update(scheduled_change={"action": "cancel", "effective_at": end, "resume_at": None}, next_billed_at=None)
            return self.touched(subscription)
        if action == "pause":
            fields(body, {"effective_from", "resume_at", "on_resume"})
            need(not subscription["scheduled_change"], "subscription_locked_pending_changes")
            need(subscription["status"] != "paused", "subscription_is_paused")
            later = body.get("resume_at")
            subscription.update(status="paused", paused_at=now, next_billed_at=None,
                                scheduled_change=later and {"action": "resume", "effective_at": later, "resume_at": None})
            return self.touched(subscription, "subscription.paused")
        if action == "resume":
            fields(body, {"effective_from", "on_resume"}, ("effective_from",))
            need(subscription["status"] == "paused", "subscription_is_not_paused")
            end = subscription["current_billing_period"]["ends_at"]
            if body.get("on_resume") == "continue_existing_billing_period":
                need(end > now, "subscription_continuing_existing_billing_period_not_allowed")
            else:
                end = self.period(self.clock())["ends_at"]
            subscription.update(status="active", paused_at=None, next_billed_at=end)
            return self.touched(subscription, "subscription.resumed")
        if action == "activate":
            need(subscription["status"] == "trialing", "subscription_not_trialing")
            period = self.period(self.clock())
            subscription.update(status="active", current_billing_period=period, next_billed_at=period["ends_at"], first_billed_at=now)
            for item in subscription["items"]:
                item.update(status="active", trial_dates=None, next_billed_at=period["ends_at"])
            return self.touched(subscription, "subscription.activated")
        raise Refusal("not_found", "no such path", 404)

    def patch_subscriptions(self, steps, body):
        subscription = self.get(self.subscriptions, steps[0])
        fields(body, {"items", "proration_billing_mode", "on_payment_failure", "custom_data", "scheduled_change", "discount", "next_billed_at"})
        need(subscription["status"] != "canceled", "subscription_update_when_canceled")
        if "scheduled_change" in body:
            need(body["scheduled_change"] is None, "bad_request", "scheduled_change")
        else:
            need(not subscription["scheduled_change"], "subscription_locked_pending_changes")
        if "items" in body or "next_billed_at" in body:
            need(body.get("proration_billing_mode") in ("prorated_immediately", "prorated_next_billing_period", "full_immediately", "full_next_billing_period", "do_not_bill"),
                 "bad_request", "proration_billing_mode is required")
            if subscription["status"] == "trialing":
                need(body["proration_billing_mode"] == "do_not_bill", "subscription_trialing_items_update_invalid_proration")
        wanted = json.loads(json.dumps(subscription)) if steps[1:] == ["preview"] else subscription
        old = [(item["price"], item["quantity"]) for item in subscription["items"]]
        if "items" in body:
            items = self.items(body["items"])
            need(all(price["unit_price"]["currency_code"] == subscription["currency_code"] for price, _ in items), "subscription_currency_differs")
            wanted["items"] = [self.item(price, quantity, self.now(), subscription["current_billing_period"], None) for price, quantity in items]
            wanted["billing_cycle"] = items[0][0]["billing_cycle"]
        if "custom_data" in body:
            wanted["custom_data"] = body["custom_data"]
        if "scheduled_change" in body:
            wanted["scheduled_change"] = None
        if "discount" in body:
            if body["discount"]:
                fields(body["discount"], {"id", "effective_from"}, ("id", "effective_from"))
                self.get(self.discounts, body["discount"]["id"])
            wanted["discount"] = body["discount"] and {"id": body["discount"]["id"], "type": "recurring", "starts_at": self.now(), "ends_at": None}
        if "next_billed_at" in body:
            wanted["next_billed_at"] = body["next_billed_at"]
            wanted["current_billing_period"] = {**wanted["current_billing_period"], "ends_at": body["next_billed_at"]}
            for item in wanted["items"]:
                item["next_billed_at"] = body["next_billed_at"]
                if item["trial_dates"]:
                    item["trial_dates"] = {**item["trial_dates"], "ends_at": body["next_billed_at"]}
        return self.preview(wanted, old, items, body["proration_billing_mode"]) if steps[1:] == ["preview"] else self.touched(wanted)

    def preview(self, subscription, old, items, mode):
        """Half of the period is over: half of the new, less half of the old."""
        currency, period = subscription["currency_code"], subscription["current_billing_period"]
        rate = {"rate": "0.5", "billing_period": period}
        half = [self.line(price, quantity, int(price["unit_price"]["amount"]) * quantity // 2, rate, True) for price, quantity in items]
        whole = [self.line(price, quantity, int(price["unit_price"]["amount"]) * quantity, None, True) for price, quantity in items]
        credits = [int(price["unit_price"]["amount"]) * quantity // 2 for price, quantity in old]
        adjustments = [{
            "transaction_id": next(iter(self.transactions)), "items": [
                {"item_id": "txnitm_x", "type": "proration", "amount": None, "proration": rate, "totals": {"subtotal": str(credit), "tax": "0", "total": str(credit)}}],
            "totals": self.adjusted(credit, currency)} for credit in credits]
        now, later = mode.endswith("immediately"), mode == "prorated_next_billing_period"
        charge, credit = sum(int(line["totals"]["total"]) for line in half), sum(credits)
        summary = {"credit": {"amount": str(credit), "currency_code": currency}, "charge": {"amount": str(charge), "currency_code": currency},
                   "result": {"action": "charge" if charge >= credit else "credit", "amount": str(abs(charge - credit)), "currency_code": currency}}
        next_ = {"billing_period": period, "details": self.details(whole + (half if later else []), currency, credit=credit if later else 0), "adjustments": adjustments if later else []}
        bill = {"billing_period": period, "details": self.details(half, currency, credit=credit), "adjustments": adjustments}
        answer = {**subscription, "immediate_transaction": bill if now else None, "next_transaction": next_,
                  "recurring_transaction_details": self.details(whole, currency), "update_summary": summary if mode != "do_not_bill" else None}
        answer.pop("id")
        return answer

    def adjusted(self, amount, currency):
        return {"subtotal": str(amount), "tax": "0", "total": str(amount), "fee": "0", "retained_fee": "0", "earnings": "0", "currency_code": currency}

    def post_adjustments(self, steps, body):
        fields(body, {"action", "type", "items", "reason", "transaction_id", "tax_mode"}, ("action", "reason", "transaction_id"))
        need(body["action"] in ("refund", "credit"), "bad_request", "action")
        adjustment = self.adjust(body)
        self.tell("adjustment.created", adjustment)
        return adjustment

    def adjust(self, body, by_bank=False):
        transaction = self.get(self.transactions, body["transaction_id"])
        need(transaction["status"] == "completed", "adjustment_transaction_invalid_status_for_refund")
        currency = transaction["currency_code"]
        left = {line["id"]: int(line["totals"]["total"]) for line in transaction["details"]["line_items"]}
        whole = dict(left)
        for other in self.adjustments.values():
            if other["transaction_id"] == transaction["id"] and not by_bank:
                for item in other["items"]:
                    left[item["item_id"]] -= int(item["totals"]["total"])
        if body.get("type", "partial") == "full":
            need(left == whole, "adjustment_transaction_already_adjusted")
            parts = list(whole.items())
        else:
            for item in body["items"]:
                fields(item, {"item_id", "type", "amount"}, ("item_id", "type"))
                need(isinstance(item["amount"], str) and re.fullmatch(r"[1-9]\d*", item["amount"]), "bad_request", "items.amount")
            parts = [(item["item_id"], int(item["amount"])) for item in body["items"]]
        need(all(line in left and amount <= left[line] for line, amount in parts), "adjustment_total_amount_above_remaining_allowed")
        id, now = self.id("adj"), self.now()
        total = self.adjusted(sum(amount for _, amount in parts), currency)
        self.adjustments[id] = {
            "id": id, "action": body["action"], "type": body.get("type", "partial"), "transaction_id": transaction["id"],
            "subscription_id": transaction["subscription_id"], "customer_id": transaction["customer_id"], "reason": body["reason"],
            "credit_applied_to_balance": None, "currency_code": currency, "status": "approved", "totals": total, "payout_totals": None,
            "tax_rates_used": [{"tax_rate": "0", "totals": {"subtotal": total["subtotal"], "tax": "0", "total": total["total"]}}],
            "items": [{"id": self.id("adjitm"), "item_id": line, "type": "full" if amount == whole[line] else "partial", "amount": str(amount), "proration": None,
                       "totals": {"subtotal": str(amount), "tax": "0", "total": str(amount)}} for line, amount in parts],
            "created_at": now, "updated_at": now}
        for item in self.adjustments[id]["tax_rates_used"]:
            item["totals"] = self.adjusted(int(total["total"]), currency)
        return self.adjustments[id]

    def truth(self, subscription):
        row = self.subscriptions[subscription]
        refunds = [row["totals"]["total"] for row in self.adjustments.values() if row["action"] == "refund"]
        return {"status": row["status"], "quantity": row["items"][0]["quantity"], "tier": row["custom_data"].get("tier"),
                "isCancelling": (row["scheduled_change"] or {}).get("action") == "cancel", "changes": self.changes, "refunds": refunds, "checkouts": self.checkouts}

    def control(self, call, body):
        with self.lock:
            if call == "stage":
                return self.stage(body["currency"], body.get("trial", False))
            if call == "populate":
                return [self.stage(body["currency"], age=60) for _ in range(body["count"])] and {}
            if call == "truth":
                return self.truth(body["subscription"])
            if call == "buy":
                return self.buy(body["transaction"])
            if call == "chargeback":
                return self.chargeback(body["transaction"])
            raise Refusal("not_found", "no such control", 404)


class StandIn(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, now=None, port=0):
        super().__init__(("127.0.0.1", port), Handler)
        self.now, self.worlds, self.guard, self.seen = now, {}, threading.Lock(), []
        self.lost = 0  # so many next writes are carried out, and their answers never come
        self.base = "http://127.0.0.1:%d" % self.server_address[1]

    def world(self, key):
        with self.guard:
            if key not in self.worlds:
                self.worlds[key] = World(self.now, self.base)
            return self.worlds[key]

    def start(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle_one(self):
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        text = self.rfile.read(length)
        try:
            key = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            need(re.fullmatch(r"pdl_sdbx_apikey_\w+", key), "authentication_missing", "Authentication header missing", 401)
            world = self.server.world(key)
            body = json.loads(text) if text else {}
            if parts.path.startswith("/_test/"):
                status, answer = 200, {"data": world.control(parts.path[7:], body)}
            else:
                need(self.headers.get("Paddle-Version") == "1", "bad_request", "Paddle-Version")
                need(not text or self.headers.get("Content-Type", "").startswith("application/json"), "unsupported_media_type", "", 415)
                status, answer = world.answer(self.command, parts.path, dict(parse_qsl(parts.query)), body)
                answer.setdefault("meta", {"request_id": "r"})
                self.server.seen.append((self.command, parts.path, status, answer))
        except Refusal as refusal:
            status = refusal.status
            answer = {"error": {"type": "request_error", "code": refusal.code, "detail": refusal.detail, "documentation_url": "https://developer.paddle.com/errors",
                                **({"errors": refusal.errors} if refusal.errors else {})}, "meta": {"request_id": "r"}}
        except (ValueError, KeyError, TypeError, AttributeError) as fault:
            status = 500
            answer = {"error": {"type": "api_error", "code": "internal_error", "detail": repr(fault), "documentation_url": "x"}, "meta": {"request_id": "r"}}
        data = json.dumps(answer).encode()
        if self.command != "GET" and self.server.lost > 0:
            self.server.lost -= 1
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = handle_one


if __name__ == "__main__":
    fixed = datetime.fromtimestamp(int(sys.argv[1]), timezone.utc) if len(sys.argv) > 1 else None
    server = StandIn((lambda: fixed) if fixed else None).start()
    print(server.base, flush=True)
    sys.stdin.read()
