"""The platform's own people in the pages, over a real server: they find a tenant, look after its licence, an account and a hold, read the figures,
and act in a member's place until its time, the tenant or they themselves end it. Standard library only."""

import re

from kernel import Kernel
from test_people import CONFIG, signed_in

WHY = "ticket 4711: seats are stuck"


def looking(kernel, staff, tenant):
    page = staff.open(kernel.base + "/staff")
    assert page.headings[0] == "Tenants" and f"/staff/tenants/{tenant}" in page.source, page.text
    assert "suspended" in staff.follow("Only suspended").text
    assert f"/staff/tenants/{tenant}" not in staff.page.source, "the filter"
    staff.open(kernel.base + "/staff")
    staff.fill("Tenant or mail address", "ada@example.com")
    page = staff.press("Find")
    assert page.url.endswith(f"/staff/tenants/{tenant}") and "Seats sold" in page.text, page.text
    assert "active" in page.text and "Invoices, the newest" in page.text and "Legal holds" in page.text, page.text
    for missing in ("nobody@example.com", "00000000-0000-7000-8000-000000000000"):
        staff.open(kernel.base + "/staff")
        staff.fill("Tenant or mail address", missing)
        assert staff.press("Find").status == 404, missing


def looking_after(kernel, staff, token, tenant):
    """A licence is suspended and let go of, a hold placed and lifted; without a reason neither."""
    here = kernel.base + f"/staff/tenants/{tenant}"
    status = lambda: kernel.want(200, "GET", "/api/v1/licenses", token=token).json["licenses"][-1]["status"]
    staff.open(here)
    staff.follow("Look after Team")
    assert staff.press("Suspend it").status == 422 and status() == "active", "a reason is asked for"
    assert staff.follow("Back").headings == ["Tenants", "Tenants", "Find one"], staff.page.headings
    for button, after in (("Suspend it", "suspended"), ("Let go of it", "active")):
        staff.open(here)
        staff.follow("Look after Team")
        staff.fill("Reason", WHY)
        if button == "Let go of it":
            form = next(form for form in staff.page.forms if form.action.endswith("/reinstate"))
            next(field for field in form.fields if field.name == "reason").value = WHY
        assert staff.press(button).url == here and status() == after, staff.page.text
    titles = ("A licence is suspended", "A licence works again")
    kernel.until("both mails", lambda: all(any(title == str(mail["Subject"]) and WHY in mail.as_string() for mail in kernel.mails()) for title in titles))
    staff.open(here)
    staff.fill("Reason", "a court asks for it, 4 C 12/26")
    lifts = lambda: [button.label for form in staff.page.forms for button in form.buttons if button.label.startswith("Lift")]
    staff.press("Let nothing be deleted")
    assert lifts() == ["Lift a court asks for it, 4 C 12/26"], staff.page.text
    staff.press("Lift")
    assert "4 C 12/26" in staff.page.text and not lifts(), staff.page.text
    assert staff.press("Look at it now").url == here


def filled(page, action, **values):
    """The form that leads there, filled; the only one left on the page."""
    form = next(form for form in page.forms if form.action.endswith(action))
    for name, value in values.items():
        next(field for field in form.fields if field.name == name).value = value
    page.forms = [form]


def licences(kernel, staff, token, tenant):
    """Found across tenants by what may be seen of them, held and let go of from there; no whole key on any page."""
    team = kernel.licenses(token)[-1]
    key = kernel.want(200, "GET", f"/api/v1/licenses/{team['id']}", token=token).json["license"]["key"]
    staff.open(kernel.base + "/staff")
    page = staff.follow("Licences")
    assert f"… {key[-4:]}" in page.text and tenant in page.text and key not in page.source, page.text
    filled(page, "/staff/licences", key_end=key[-4:].lower(), tier="team", tenant=tenant)
    page = staff.press("Look")
    assert page.text.count("… ") == 2 or f"… {key[-4:]}" in page.text, page.text
    assert key not in page.source and "tier=team" in page.url, page.url
    filled(page, "/staff/licences", key_end="", status="suspended")
    page = staff.press("Look")
    assert "None." in page.text, page.text
    assert staff.open(kernel.base + "/staff/licences?key_end=" + key).status == 422
    staff.open(kernel.base + "/staff/licences")
    page = staff.follow("Suspend")
    assert page.url.split("#")[0].endswith(f"/licences/{team['id']}"), page.url
    filled(page, "/suspend", reason=WHY)
    staff.press("Suspend it")
    page = staff.open(kernel.base + "/staff/licences?status=suspended")
    assert "suspended, by staff" in page.text, page.text
    page = staff.follow("Reinstate")
    filled(page, "/reinstate", reason=WHY)
    staff.press("Let go of it")
    assert "None." in staff.open(kernel.base + "/staff/licences?status=suspended").text


def contracts(kernel, staff, token, tenant):
    """Agreed, changed and ended by pages; what it changes of the tier stands beside the tier's own."""
    seats = lambda: kernel.licenses(token)[-1]["seats"]
    before = seats()
    staff.open(kernel.base + f"/staff/tenants/{tenant}")
    page = staff.follow("Agree a contract")
    filled(page, "/agree", tier="team", seats_per_unit="4", price_month="19.90", currency="eur", terms='{"entitlements": {"sla": true}', reason=WHY)
    page = staff.press("Agree it")
    assert page.status == 422 and "must be a JSON object" in page.text, page.text
    held = {field.name: field.value for form in page.forms for field in form.fields if form.action.endswith("/agree")}
    assert held["seats_per_unit"] == "4" and held["reason"] == WHY, held
    filled(page, "/agree", terms='{"entitlements": {"sla": true}, "seats": 3}')
    page = staff.press("Agree it")
    assert page.status == 422 and "tiers.team.seats" in page.text, page.text
    filled(page, "/agree", terms='{"entitlements": {"sla": true}}')
    page = staff.press("Agree it")
    here = page.url
    assert page.status == 200 and "State active" in page.text and "seats_per_unit 1 4" in page.text and "19.90 EUR" in page.text, page.text
    assert "entitlements.sla nothing yes" in page.text, page.text
    assert seats() == 4 * before, seats()

    page = staff.follow("Change it")
    held = {field.name: field.value for form in page.forms for field in form.fields if form.action.endswith("/revise")}
    assert (held["seats_per_unit"], held["price_month"], held["currency"]) == ("4", "19.90", "EUR") and "sla" in held["terms"], held
    filled(page, "/revise", seats_per_unit="5", last_day="2999-12-31", reason="the second offer")
    page = staff.press("Write the version")
    assert page.url == here and "3000-01-01 00:00 UTC" in page.text and "the second offer" in page.text and seats() == 5 * before, page.text
    # Somebody else was quicker.
    filled(page, "/end", version="1", reason=WHY)
    assert staff.press("End it now").status == 409
    staff.open(kernel.base + f"/staff/tenants/{tenant}")
    page = staff.follow("Agree a contract")
    filled(page, "/agree", tier="team", seats_per_unit="9", reason=WHY)
    page = staff.press("Agree it")
    assert page.status == 409 and "Another contract about this tier" in page.text, page.text
    staff.open(here)
    page = staff.page
    filled(page, "/end", reason="it was a trial")
    page = staff.press("End it now")
    assert "State ended" in page.text and "it was a trial" in page.text and seats() == before, page.text

    # One that has not begun, and never does.
    staff.open(kernel.base + f"/staff/tenants/{tenant}")
    page = staff.follow("Agree a contract")
    filled(page, "/agree", tier="team", devices="unlimited", first_day="2998-01-01", reason=WHY)
    page = staff.press("Agree it")
    assert "State scheduled" in page.text and "devices nothing unlimited" in page.text, page.text
    filled(page, "/end", reason=WHY)
    assert "State ended" in staff.press("Let it never begin").text, staff.page.text
    seen = kernel.want(200, "GET", "/api/v1/billing/contracts", token=token).json["contracts"]
    assert [one["versions"][0]["reason"] for one in seen] == [WHY, "it was a trial"], seen


def accounts(kernel, staff):
    kernel.member("bob@example.com")
    staff.open(kernel.base + "/staff/users")
    staff.fill("Mail address", "bob@example.com")
    page = staff.press("Find")
    assert "bob@example.com" in page.text and "Live sessions" in page.text, page.text
    here = page.url
    form = next(form for form in page.forms if form.action.endswith("/deactivate"))
    next(field for field in form.fields if field.name == "reason").value = WHY
    assert "deactivated, by staff" in staff.press("Deactivate the account").text, staff.page.text
    kernel.until("the mail", lambda: any("deactivated" in str(mail["Subject"]) and "bob@example.com" in str(mail["To"]) for mail in kernel.mails()))
    assert "Act in this place" not in staff.page.source
    staff.fill("Reason", WHY)
    assert "State active" in staff.press("Open the account again").text and staff.page.url == here, staff.page.text


def figures(kernel, staff):
    page = staff.open(kernel.base + "/staff/analytics")
    assert "Recurring a month" in page.text and re.search(r"Seats in use 0 of [4-9]", page.text) and "<svg" in page.source, page.text
    staff.follow("90 days")
    assert staff.follow("as a file").source.startswith("metric,detail,value")
    assert staff.open(kernel.base + "/staff/leaving").headings[0] == "Leaving tenants"


def in_a_place(kernel, staff, token, me):
    def take():
        staff.open(kernel.base + f"/staff/users/{me['id']}")
        staff.follow("Act in this place")
        staff.fill("Reason", WHY)
        staff.fill("For how long", "5 minutes")
        return staff.press("Act in this place")

    page = take()
    assert page.url.endswith("/licence") and "You act in a member's place until" in page.text, page.text
    assert "/staff\"" not in page.source and staff.open(kernel.base + "/staff").status == 403
    assert "ada@example.com" in staff.open(kernel.base + "/people").text and "act in a member's place" in staff.page.text
    # What is the person's own, and what would outlive the place, nobody does in it.
    for path, button in (("/account/keys", "Make the key"), ("/account/sessions", "End"), ("/people", "Send the invitation"), ("/device", "Continue")):
        staff.open(kernel.base + path)
        if staff.page.status == 200 and any(button in b.label for form in staff.page.forms for b in form.buttons if "leave" not in form.action):
            form = next(f for f in staff.page.forms if "leave" not in f.action and any(button in b.label for b in f.buttons))
            staff.page.forms = [form]
            assert staff.press(button).status == 403 and "do in a member's place" not in staff.page.url, (path, staff.page.text)
    seen = kernel.want(200, "GET", "/api/v1/orgs/current/impersonations", token=token).json["impersonations"]
    assert seen[0]["is_live"] and seen[0]["reason"] == WHY, seen
    staff.open(kernel.base + "/licence")
    page = staff.press("End it and go back")
    assert page.url.endswith("/staff/places") and WHY in page.text and "over" in page.text, page.text
    assert not kernel.want(200, "GET", "/api/v1/orgs/current/impersonations", token=token).json["impersonations"][0]["is_live"]

    # The tenant ends it: at the next step the browser is itself again.
    take()
    one = kernel.want(200, "GET", "/api/v1/orgs/current/impersonations", token=token).json["impersonations"][0]["id"]
    kernel.want(204, "DELETE", f"/api/v1/orgs/current/impersonations/{one}", token=token)
    assert staff.open(kernel.base + "/people").url.endswith("/staff/places"), staff.page.url
    assert "Staff" in [words for words, _ in staff.page.links] and "act in a member's place until" not in staff.page.text

    # Signing out ends both.
    take()
    staff.press("Sign out")
    assert not kernel.want(200, "GET", "/api/v1/orgs/current/impersonations", token=token).json["impersonations"][0]["is_live"]
    assert staff.open(kernel.base + "/staff").url.split("?")[0].endswith("/sign-in"), staff.page.url


def kept_out(kernel, tenant):
    """A customer's owner comes to nothing of it, whatever is sent."""
    owner = signed_in(kernel, "ada@example.com")
    for path in ("", "/users", "/analytics", "/analytics/export", "/leaving", "/places", "/licences", f"/tenants/{tenant}", f"/tenants/{tenant}/agree"):
        assert owner.open(kernel.base + "/staff" + path).status == 403, path
    assert "/staff" not in owner.open(kernel.base + "/licence").source


def main():
    with Kernel(config=CONFIG) as kernel:
        kernel.administrator()
        token = kernel.member()
        kernel.paid_license(token, "team", quantity=3)
        me = kernel.want(200, "GET", "/api/v1/users/me", token=token).json
        staff = signed_in(kernel, "root@example.com")
        looking(kernel, staff, me["tenant_id"])
        looking_after(kernel, staff, token, me["tenant_id"])
        licences(kernel, staff, token, me["tenant_id"])
        contracts(kernel, staff, token, me["tenant_id"])
        accounts(kernel, staff)
        figures(kernel, staff)
        kept_out(kernel, me["tenant_id"])
        in_a_place(kernel, staff, token, me)
    print("staff: 8 passed, 0 failed")


if __name__ == "__main__":
    main()
