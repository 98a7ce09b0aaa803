"""A whole sale on invoice against a running server, judged by others at each step.

The buyer orders on the page; python-stdnum checks reference and account; UBL's schemas and the official rules of EN 16931 judge every
document that comes out; bank statements are written by pyiso20022, whose classes are generated from ISO 20022's own schemas.
"""

import os
import re
import shutil
import sys
import tempfile
from datetime import date
from decimal import Decimal
from importlib import import_module

from stdnum import iban, iso11649
from xsdata.formats.dataclass.serializers import XmlSerializer
from xsdata.models.datatype import XmlDate, XmlDateTime

import en16931
from kernel import PASSWORD, ROOT, Kernel
from tiny_browser import Browser

SECRET = "desk-secret-of-this-test-01"
IBAN = "DE89370400440532013000"
SETTINGS = {
    "SELLER_NAME": "Tools & Söhne GmbH", "SELLER_STREET": "Hauptstraße 1", "SELLER_POSTAL_CODE": "10115", "SELLER_CITY": "Berlin",
    "SELLER_COUNTRY": "DE", "SELLER_VAT_ID": "DE123456789", "SELLER_EMAIL": "billing@seller.example", "IBAN": IBAN, "BIC": "COBADEFFXXX",
    "CURRENCY": "USD", "CONSUMER_RATES": "FR=2000",
}
judge = en16931.Judge()
passed = 0


def check(claim, holds, more=""):
    global passed
    assert holds, f"{claim}: {more}"
    passed += 1


# Statements, by the classes of ISO 20022's schemas.

VERSIONS = {
    "02": {"statement": "AccountStatement2", "root": "BankToCustomerStatementV02", "header": "GroupHeader42", "account": "CashAccount20", "entry": "ReportEntry2",
           "details": "EntryDetails1", "transaction": "EntryTransaction2", "remittance": "RemittanceInformation5", "structured": "StructuredRemittanceInformation7",
           "day": "DateAndDateTimeChoice", "balance": "CashBalance3", "type": "BalanceType12", "choice": "BalanceType5Choice"},
    "08": {"statement": "AccountStatement9", "root": "BankToCustomerStatementV08", "header": "GroupHeader81", "account": "CashAccount39", "entry": "ReportEntry10",
           "details": "EntryDetails9", "transaction": "EntryTransaction10", "remittance": "RemittanceInformation16", "structured": "StructuredRemittanceInformation16",
           "day": "DateAndDateTime2Choice", "balance": "CashBalance8", "type": "BalanceType13", "choice": "BalanceType10Choice"},
}


def camt(version, name, entries):
    """entries: (bank's reference, amount, CRDT or DBIT, is a reversal, unstructured texts, structured reference)"""
    iso = import_module(f"pyiso20022.camt.camt_053_001_{version}")
    kinds = {key: getattr(iso, value) for key, value in VERSIONS[version].items()}
    today = XmlDate.from_date(date.today())
    money = lambda amount: iso.ActiveOrHistoricCurrencyAndAmount(value=Decimal(amount), ccy="USD")
    rows = []
    for reference, amount, direction, is_reversal, texts, structured in entries:
        strd = [kinds["structured"](cdtr_ref_inf=iso.CreditorReferenceInformation2(ref=structured))] if structured else []
        status = iso.EntryStatus2Code.BOOK if version == "02" else iso.EntryStatus1Choice(cd="BOOK")
        rows.append(kinds["entry"](
            amt=money(amount), cdt_dbt_ind=iso.CreditDebitCode(direction), rvsl_ind=is_reversal or None, sts=status, bookg_dt=kinds["day"](dt=today),
            acct_svcr_ref=reference, bk_tx_cd=iso.BankTransactionCodeStructure4(prtry=iso.ProprietaryBankTransactionCodeStructure1(cd="NTRF")),
            ntry_dtls=[kinds["details"](tx_dtls=[kinds["transaction"](rmt_inf=kinds["remittance"](ustrd=texts, strd=strd))])]))
    code = iso.BalanceType12Code.CLBD if version == "02" else "CLBD"
    balance = kinds["balance"](
        tp=kinds["type"](cd_or_prtry=kinds["choice"](cd=code)), amt=money("1.00"), cdt_dbt_ind=iso.CreditDebitCode.CRDT, dt=kinds["day"](dt=today))
    now = XmlDateTime.now()
    account = kinds["account"](id=iso.AccountIdentification4Choice(iban=IBAN))
    document = iso.Document(bk_to_cstmr_stmt=kinds["root"](
        grp_hdr=kinds["header"](msg_id=name, cre_dt_tm=now), stmt=[kinds["statement"](id=name, cre_dt_tm=now, acct=account, bal=[balance], ntry=rows)]))
    return XmlSerializer().render(document, ns_map={None: f"urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version}"})


class Buyer:
    def __init__(self, kernel, address, fields, quantity=2):
        self.kernel, self.browser = kernel, Browser()
        self.token = kernel.member(address)
        body = {"tier": "pro", "interval": "month", "quantity": quantity, "provider": "bank-invoice"}
        self.browser.open(kernel.want(200, "POST", "/api/v1/billing/checkout", body, token=self.token).json["url"])
        for label, value in fields.items():
            self.browser.fill(label, value)
        page = self.browser.press("Order with obligation")
        check("the order is thanked for", page.status == 200 and "Thank you" in page.text, page.text)
        page = self.browser.follow("Open the invoice")
        self.reference = re.search(r'class="reference">([^<]*)<', page.source).group(1)
        self.number = re.search(r"Invoice (INV-[0-9-]+)", page.title).group(1)
        self.address = page.url
        check("the reference is one of ISO 11649", iso11649.is_valid(self.reference), self.reference)
        account = re.search(r"IBAN</dt><dd>([^<]*)<", page.source).group(1)
        check("the account is an IBAN", iban.is_valid(account) and account.replace(" ", "") == IBAN, account)
        self.total = re.search(r"PayableAmount currencyID=\"USD\">([0-9.]+)<", self.document(self.address)).group(1)

    def document(self, address):
        answer = self.kernel.want(200, "GET", address.replace(self.kernel.base, "") + "/xml")
        faults = judge.faults(answer.body)
        check(f"the official rules find no fault in {address.split('/')[-2]}", not faults, "\n".join(faults))
        return answer.body.decode()

    def subscription(self):
        answer = self.kernel.call("GET", "/api/v1/billing/subscription", token=self.token)
        return answer.json

    def status(self):
        found = self.subscription()
        return (found.get("subscription") or found).get("status")

    def until(self, status):
        return self.kernel.until(f"the subscription {status}", lambda: self.status() == status)


class Desk:
    def __init__(self, kernel):
        self.kernel, self.browser = kernel, Browser()
        self.browser.open(kernel.base + "/plugins/bank-invoice/desk")
        self.browser.fill("Secret", SECRET)
        page = self.browser.press("Open")
        check("the secret opens the desk", page.status == 200 and "Bank statement" in page.text, page.text)

    def take(self, statement, status=200):
        self.browser.fill("camt.053 or CSV", statement)
        page = self.browser.press("Take in")
        check("the statement is answered", page.status == status, page.text[:500])
        return page.text


def sale(kernel):
    buyer = Buyer(kernel, "ada@example.com", {
        "Name": "Ada <Engines> & Co", "Street": "Rue de l'Été 1", "Postal": "75001", "City": "Paris", "Country": "FR", "VAT": "FR 40 303265045",
        "order number": "PO-7"})
    check("a business elsewhere in the Union owes the VAT itself", buyer.total == "198.00", buyer.total)
    check("nothing is granted before the money is there", not [x for x in kernel.licenses(buyer.token) if x["tier"] == "pro"])
    desk = Desk(kernel)
    half, rest = "98.00", "100.00"
    spaced = [buyer.reference[:11], buyer.reference[11:].lower()]
    first = camt("02", "S1", [("B1", half, "CRDT", False, spaced, None), ("B2", "3.00", "DBIT", False, ["fee"], None)])
    text = desk.take(first)
    check("a part is posted", "1 posted" in text and "1 outgoing ignored" in text, text[:300])
    check("a part grants nothing", not [x for x in kernel.licenses(buyer.token) if x["tier"] == "pro"])
    second = camt("08", "S2", [("B1", half, "CRDT", False, spaced, None), ("B3", rest, "CRDT", False, [], iso11649.compact(buyer.reference))])
    text = desk.take(second)
    check("the overlap is known", "1 posted, 1 known" in text, text[:300])
    kernel.until("the licence", lambda: [x for x in kernel.licenses(buyer.token) if x["tier"] == "pro"])
    buyer.until("active")
    for statement in (first, second, first):
        check("a repetition changes nothing", "0 posted" in desk.take(statement))
    check("one licence", len([x for x in kernel.licenses(buyer.token) if x["tier"] == "pro"]) == 1)

    # Twice paid, then the bank takes one back, then the other.
    whole = ["%s" % buyer.reference]
    desk.take(camt("08", "S3", [("B4", "198.00", "CRDT", False, whole, None)]))
    check("what is owed stands at the desk", "USD 198.00" in desk.browser.page.text.split("Money to send back")[1].split("Open invoices")[0])
    desk.take(camt("08", "S4", [("B5", "198.00", "DBIT", True, whole, None)]))
    check("a reversal of the excess settles it", "None." in desk.browser.page.text.split("Money to send back")[1].split("Open invoices")[0])
    check("and leaves the subscription alone", buyer.status() == "active", buyer.status())
    desk.take(camt("02", "S5", [("B6", "100.00", "DBIT", True, whole, None)]))
    buyer.until("grace")
    desk.take(camt("02", "S6", [("B7", "100.00", "CRDT", False, whole, None)]))
    buyer.until("active")
    return buyer, desk


def enterprise(kernel, desk, root):
    """Offer, contract, order on the page, invoice, transfer, licence."""
    token = kernel.member("owner@enterprise.example")
    org = kernel.want(200, "GET", "/api/v1/orgs/current", token=token).json
    path = "/api/v1/admin/tenants/" + (org.get("org") or org.get("tenant") or org)["id"] + "/contracts"
    wanted = {"tier": "enterprise", "interval": "year", "quantity": 1}
    refused = kernel.call("POST", "/api/v1/billing/checkout", wanted, token=token)
    check("without a contract there is no price", (refused.status, refused.json["error"]) == (409, "tier_by_contract"), refused)
    terms = {"prices": {"year": {"amount_minor": 1_200_000}}, "seats_per_unit": 750, "entitlements": {"sla": True}}
    kernel.want(201, "POST", path, {"tier": "enterprise", "terms": terms, "reason": "offer 114"}, token=root)

    owner = Browser()
    owner.open(kernel.base + "/sign-in")
    owner.fill("Email", "owner@enterprise.example")
    owner.fill("Password", PASSWORD)
    owner.press("Sign in")
    page = owner.open(kernel.base + "/plans?tier=enterprise")
    check("the plan stands there at its price", "As agreed with you" in page.text and "12,000.00" in page.text.replace("12000.00", "12,000.00"), page.text[:1500])
    owner.choose("Every year")
    page = owner.press("Continue to payment")
    check("the page leads to the order", "/plugins/bank-invoice/checkout/" in page.url, page.url + page.text[:500])
    for label, value in {"Name": "Enterprise & Sons", "Street": "Weg 1", "Postal": "10115", "City": "Berlin", "Country": "DE"}.items():
        owner.fill(label, value)
    owner.press("Order with obligation")
    page = owner.follow("Open the invoice")
    reference = re.search(r'class="reference">([^<]*)<', page.source).group(1)
    document = kernel.want(200, "GET", page.url.replace(kernel.base, "") + "/xml").body
    faults = judge.faults(document)
    check("the official rules find no fault in it", not faults, "\n".join(faults))
    total = re.search(r'PayableAmount currencyID="USD">([0-9.]+)<', document.decode()).group(1)
    check("the price that was agreed, and the tax", total == "14280.00", total)
    check("an order alone grants nothing", not [x for x in kernel.licenses(token) if x["tier"] == "enterprise"])
    desk.take(camt("08", "E1", [("E1", total, "CRDT", False, [reference], None)]))
    granted = lambda: [x for x in kernel.licenses(token) if x["tier"] == "enterprise"]
    kernel.until("the licence", granted)
    check("it grants what was agreed", granted()[0]["seats"] == 750, granted())
    rights = kernel.want(200, "GET", "/api/v1/licenses/features", token=token).json
    check("an entitlement that only this customer has", rights["features"].get("sla") is True, rights)


def rest(kernel, buyer, desk):
    consumer = Buyer(kernel, "bob@example.com", {"Name": "Bob", "Street": "Weg 1", "Postal": "1010", "City": "Lyon", "Country": "fr"}, quantity=1)
    check("a consumer elsewhere pays that place's rate", consumer.total == "118.80", consumer.total)
    local = Buyer(kernel, "eve@example.com", {"Name": "Eve", "Street": "Weg 1", "Postal": "10115", "City": "Berlin", "Country": "DE"}, quantity=1)
    check("numbers have no gap", [buyer.number[-2:], consumer.number[-2:], local.number[-2:]] == ["01", "02", "03"])
    typo = iso11649.compact(local.reference)[:-1] + ("1" if local.reference[-1] != "1" else "2")
    text = desk.take(camt("08", "S7", [("B8", local.total, "CRDT", False, ["Rechnung " + typo], None)]))
    check("a mistyped reference waits, with the invoice that was meant", "1 wait below" in text and f"Probably {local.number}" in text, text[:600])
    desk.browser.press("Assign")
    local.until("active")

    for hostile in ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "<a>" * 3000, "Date;Amount\n", camt("08", "S9", []).replace(IBAN, "GB82WEST12345698765432")):
        check("a hostile statement is refused whole", "Nothing was taken in" in desk.take(hostile, status=422))

    many = [(f"M{index}", "1.00", "CRDT", False, [f"somebody else's {index} " + "x" * 100], None) for index in range(250)]
    text = desk.take(camt("02", "S8", many))
    check("a month of movements fits into the form", "0 posted, 0 known already, 250 wait" in text, text[:300])
    check("and is known when it comes again", "250 known already, 0 wait" in desk.take(camt("08", "S8b", many)))

    desk.browser.fill("Net amount", "20.00")
    for form in desk.browser.page.forms:
        for field in form.fields:
            if field.id == "credit-number":
                field.value = local.number
    page = desk.browser.press("Write it")
    check("a credit note is written", "Credit note CRN-" in page.text and "USD 23.80" in page.text, page.text[:300])
    portal = Browser()
    portal.open(kernel.want(200, "POST", "/api/v1/billing/portal", {}, token=local.token).json["url"])
    check("the portal lists it", "CRN-" in portal.page.text)
    portal.follow("CRN-")
    check("its page says what it corrects", local.number in portal.page.text)
    local.document(portal.page.url)
    check("who asks without the key gets nothing", kernel.call("GET", "/plugins/bank-invoice/invoice/INV-2026-000001/0").status == 404)
    stranger = Browser()
    stranger.open(kernel.base + "/plugins/bank-invoice/desk")
    stranger.fill("Secret", SECRET + "x")
    check("without the secret the desk is shut", stranger.press("Open").status == 403 and "secret is wrong" in stranger.page.text)


def main():
    policies = os.path.join(tempfile.mkdtemp(prefix="policies-"), "policies")
    shutil.copytree(os.path.join(ROOT, "policies"), policies)
    tiers = os.path.join(policies, "tiers.lua")
    with open(tiers, encoding="utf-8") as file:
        text = re.sub(r"trial_days = \d+", "trial_days = 0", file.read())
    with open(tiers, "w", encoding="utf-8") as file:
        file.write(text)
    environment = {"CODITECT_PLUGINS_BANK_INVOICE_" + name: value for name, value in SETTINGS.items()}
    environment["BANK_INVOICE_DESK_SECRET"] = SECRET
    environment["CODITECT_BILLING_INVOICE_PROVIDER"] = "bank-invoice"
    try:
        with Kernel(env=environment, policies=policies) as kernel:
            root = kernel.administrator()
            buyer, desk = sale(kernel)
            # What was told before is not told again, and what waits is not lost.
            kernel.kill()
            kernel.start()
            check("a restart changes nothing", buyer.status() == "active")
            rest(kernel, buyer, Desk(kernel))
            enterprise(kernel, Desk(kernel), root)
    finally:
        shutil.rmtree(os.path.dirname(policies), ignore_errors=True)
    print(f"bank invoice: {passed} passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
