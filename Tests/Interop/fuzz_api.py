"""schemathesis over our OpenAPI, as an owner, limits off: no 5xx, no undocumented answer, and most operations answer 2xx at least once."""

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import urllib.parse

from kernel import BUILD, PASSWORD, Kernel
from tiny_browser import Browser

CONFIG = "http:\n  limits_enabled: false\n"
GOAL = 0.9


def main():
    own = shutil.copytree(os.path.join(BUILD, "plugins"), os.path.join(tempfile.mkdtemp(prefix="fuzz-"), "plugins"))
    # Nothing is there: what is published of us to a provider needs none.
    # Passkeys are for a name, not an address.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    given = {"SAML_METADATA_URL": "http://127.0.0.1:9/metadata", "CODITECT_HTTP_PUBLIC_URL": f"http://localhost:{port}"}
    kernel = Kernel(config=CONFIG, plugins=own, env=given)
    kernel.port = port
    with kernel:
        root = kernel.administrator()
        plugins(kernel, root)
        token = kernel.member()
        license = kernel.paid_license(token, "team", quantity=5)
        full = kernel.want(200, "GET", f"/api/v1/licenses/{license['id']}", token=token).json
        key = full["license"]["key"]
        live(kernel, token, license["id"], key)
        money(kernel, token, root)
        people(kernel, token)
        projects(kernel, token)
        sign_on(kernel, token)
        staff(kernel, token, root)
        leaving(kernel, root)
        rights(kernel, root)
        operators(kernel, root)
        factors(kernel, root)
        document = kernel.want(200, "GET", "/openapi.json").json
        operations = {
            operation["operationId"]: f"{method.upper()} {path}"
            for path, item in document["paths"].items()
            for method, operation in item.items()
            if method in ("get", "post", "put", "patch", "delete")
        }
        folder = tempfile.mkdtemp(prefix="schemathesis-")
        report = os.path.join(folder, "events.ndjson")
        hooks = os.path.join(folder, "known.py")
        with open(hooks, "w", encoding="utf-8") as file:
            file.write(KNOWN.replace("LICENSE_KEY", repr(key)))
        command = [
            os.path.join(os.path.dirname(sys.executable), "schemathesis"), "run", kernel.base + "/openapi.json", "--url", kernel.base,
            "--header", f"Authorization: Bearer {token}", "--max-examples", "25", "--seed", "7", "--workers", "1", "--no-color",
            "--phases", "examples,coverage,fuzzing", "--request-timeout", "20", "--report", "ndjson", "--report-ndjson-path", report,
            "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,response_headers_conformance",
            "--exclude-path-regex", r"/(logout|deactivate|health/live|leave)$|/auth/password/change$|/orgs/current/second-factor$|/allowed-networks$|/auth/sessions|/api/v1/offboarding|/api/v1/data-requests",
        ]
        ran = subprocess.run(command, env={**os.environ, "SCHEMATHESIS_HOOKS": "known", "PYTHONPATH": folder}, capture_output=True, text=True)
        print(ran.stdout[-6000:])
        fine = successes(kernel)
        reached = {name for name in operations if name in fine}
        missed = sorted(words for name, words in operations.items() if name not in reached)
        print(f"fuzz: {len(reached)} of {len(operations)} operations answered 2xx; never: {missed}")
        if ran.returncode != 0:
            raise SystemExit(f"fuzz: schemathesis found faults (exit {ran.returncode})\n{ran.stderr[-3000:]}")
        if len(reached) < GOAL * len(operations):
            raise SystemExit(f"fuzz: fewer than {GOAL:.0%} of the operations answered 2xx")
        print(f"fuzz: {len(reached)} passed, 0 failed")


def plugins(kernel, root):
    """What only a platform administrator may: each once, on a plugin that nothing here needs."""
    path = "/api/v1/admin/plugins"
    kernel.want(200, "GET", "/api/v1/admin/nodes", token=root)
    kernel.want(200, "GET", "/api/v1/admin/audit/checks", token=root)
    kernel.want(200, "GET", path, token=root)
    kernel.want(200, "GET", f"{path}/sandbox", token=root)
    kernel.want(200, "POST", f"{path}/reload", token=root)
    kernel.want(200, "POST", f"{path}/sandbox/disable", token=root)
    kernel.want(200, "POST", f"{path}/sandbox/enable", token=root)
    waiting = os.path.join(kernel.plugins, "sandbox.next")
    kernel.want(409, "POST", f"{path}/sandbox/upgrade", {}, token=root)
    shutil.copytree(os.path.join(kernel.plugins, "sandbox"), waiting)
    try:
        with open(os.path.join(waiting, "libSandboxPayments.so"), "ab") as library:
            library.write(b"next")
        kernel.want(200, "POST", f"{path}/sandbox/upgrade", {"share_basis_points": 100}, token=root)
    finally:
        shutil.rmtree(waiting)
    audit = "/api/v1/admin/compliance/frameworks"
    kernel.want(200, "GET", audit, token=root)
    kernel.want(201, "POST", f"{audit}/soc2/run", {}, token=root)
    for name in ("controls", "gaps", "export", "controls/CC6.1"):
        kernel.want(200, "GET", f"{audit}/soc2/{name}", token=root)
    kernel.want(200, "POST", f"{path}/sandbox/promote", token=root)
    kernel.want(200, "POST", f"{path}/sandbox/withdraw", {"reason": "tried"}, token=root)


def live(kernel, token, license, key):
    """One good call of each operation that needs an object or a secret which no fuzzer can guess."""
    device = {"hardware_id": "hw-1", "hostname": "engine", "os": "linux", "version": "1", "license_id": license}
    kernel.want(200, "GET", "/health/live")
    kernel.want(200, "POST", "/api/v1/licenses/activate", {"license_key": key, "hardware_id": "hw-1"})
    kernel.want(200, "POST", "/api/v1/licenses/deactivate", {"license_key": key, "hardware_id": "hw-1"})
    first = kernel.want(200, "POST", "/api/v1/licenses/acquire", device, token=token).json["session_id"]
    kernel.want(200, "POST", "/api/v1/licenses/heartbeat", {"session_id": first}, token=token)
    kernel.want(200, "POST", "/api/v1/licenses/release", {"session_id": first}, token=token)
    second = kernel.want(200, "POST", "/api/v1/licenses/acquire", device, token=token).json["session_id"]
    kernel.want(200, "POST", f"/api/v1/sessions/{second}/release", {"reason": "maintenance"}, token=token)
    third = kernel.want(200, "POST", "/api/v1/licenses/acquire", device, token=token).json["session_id"]
    loan = {"session_id": third, "hardware_id": "hw-1", "hours": 1}
    kernel.want(200, "POST", "/api/v1/licenses/borrow", loan, token=token)
    kernel.want(200, "POST", "/api/v1/licenses/release", {"session_id": third}, token=token)
    kernel.want(200, "POST", "/api/v1/billing/portal", {}, token=token)

    path = "/api/v1/orgs/current/policies"
    rule = "return { id = 'own.rule', api = 1, on_seat_request = function() end }"
    files = {"init.lua": "return { tenant = { 'own/rule' } }", "own/rule/policy.lua": rule}
    version = kernel.want(201, "POST", path, {"files": files}, token=token).json["policy_hash"]
    kernel.want(200, "GET", f"{path}/{version}", token=token)
    kernel.want(200, "POST", f"{path}/activate", {"policy_hash": version, "replaces": ""}, token=token)
    kernel.want(200, "POST", f"{path}/deactivate", {"replaces": version}, token=token)
    kernel.want(200, "DELETE", f"{path}/{version}", token=token)

    wanted = {"url": "https://example.com/hook", "events": ["*"]}
    hook = "/api/v1/webhooks/" + kernel.want(201, "POST", "/api/v1/webhooks", wanted, token=token).json["webhook"]["id"]
    kernel.want(200, "GET", hook, token=token)
    kernel.want(200, "PATCH", hook, {"description": "ours"}, token=token)
    kernel.want(200, "POST", f"{hook}/rotate-secret", {}, token=token)
    kernel.want(202, "POST", f"{hook}/replay", {"since": "2026-01-01T00:00:00Z"}, token=token)
    sent = kernel.want(202, "POST", f"{hook}/test", {}, token=token).json["message_id"]
    kernel.want(200, "GET", f"{hook}/deliveries", token=token)
    kernel.want(200, "GET", f"{hook}/deliveries/{sent}", token=token)
    kernel.want(200, "DELETE", hook, token=token)

    audit = "/api/v1/compliance"
    kernel.want(200, "GET", f"{audit}/frameworks", token=token)
    kernel.want(201, "POST", f"{audit}/frameworks/soc2/run", {}, token=token)
    for path in ("controls", "gaps", "export", "controls/CC6.1"):
        kernel.want(200, "GET", f"{audit}/frameworks/soc2/{path}", token=token)
    review = kernel.want(201, "POST", f"{audit}/access-reviews", {}, token=token).json
    here = f"{audit}/access-reviews/{review['id']}"
    decided = {"membership_id": review["items"][0]["membership_id"], "decision": "confirmed"}
    kernel.want(200, "POST", f"{here}/decisions", decided, token=token)
    kernel.want(200, "POST", f"{here}/sign-off", {}, token=token)
    kernel.want(200, "GET", here, token=token)
    kernel.want(200, "GET", f"{audit}/access-reviews", token=token)

    address = "second@example.com"
    own = kernel.member(address)
    grant = kernel.login(address)
    kernel.want(200, "POST", "/api/v1/auth/refresh", {"refresh_token": grant["refresh_token"]})
    me = kernel.want(200, "GET", "/api/v1/users/me", token=own).json
    tenant = me.get("tenant_id") or me["user"]["tenant_id"]
    kernel.want(200, "POST", "/api/v1/auth/switch", {"tenant_id": tenant}, token=own)
    sessions = kernel.want(200, "GET", "/api/v1/auth/sessions", token=own).json["sessions"]
    other = next(session["id"] for session in sessions if not session["is_current"])
    kernel.want(204, "DELETE", f"/api/v1/auth/sessions/{other}", token=own)
    changed = {"current_password": PASSWORD, "new_password": "walnut-heron-compass-77"}
    kernel.want(200, "POST", "/api/v1/auth/password/change", changed, token=own)
    kernel.want(202, "POST", "/api/v1/auth/password/forgot", {"email": address})
    link = kernel.until("the mail to reset", lambda: reset_token(kernel, address))
    kernel.want(200, "POST", "/api/v1/auth/password/reset", {"token": link, "password": PASSWORD})
    own = kernel.login(address)["access_token"]
    kernel.want(204, "POST", "/api/v1/users/me/deactivate", {"password": PASSWORD}, token=own)

    third = kernel.member("third@example.com")
    kernel.want(204, "POST", "/api/v1/auth/logout", {}, token=third)


def money(kernel, token, root):
    """What is changed, given back and compared; the sandbox neither pauses nor prints PDFs."""
    portal = Browser()
    portal.open(kernel.want(200, "POST", "/api/v1/billing/portal", {}, token=token).json["url"])
    portal.press("Renew now")
    base = "/api/v1/billing/"
    invoices = lambda: kernel.want(200, "GET", base + "invoices", token=token).json["invoices"]
    paid = kernel.until("a paid invoice", lambda: next((x for x in invoices() if (x["amount"] or {}).get("amount_minor")), None))
    kernel.want(200, "POST", base + "subscription/preview", {"quantity": 6}, token=token)
    done = kernel.want(200, "POST", base + "subscription/change", {"quantity": 6, "apply": "now"}, token=token).json
    kernel.want(202, "POST", base + "subscription/change", {"quantity": 8}, token=token)
    kernel.want(200, "POST", base + "subscription/withdraw", {}, token=token)
    kernel.want(200, "POST", base + "subscription/cancel", {}, token=token)
    kernel.want(200, "POST", base + "subscription/resume", {}, token=token)
    kernel.want(200, "GET", base + "operations/" + done["operation"]["id"], token=token)
    kernel.want(200, "GET", base + "invoices/" + paid["id"], token=token)
    kernel.want(200, "GET", base + "corrections", token=token)

    org = kernel.want(200, "GET", "/api/v1/orgs/current", token=token).json
    tenant = "/api/v1/admin/tenants/" + (org.get("org") or org.get("tenant") or org)["id"]
    kernel.want(200, "GET", tenant + "/invoices", token=root)
    body = {"invoice_id": paid["id"], "amount_minor": 100, "reason": "duplicate", "note": "twice"}
    kernel.want(200, "POST", tenant + "/refunds", body, token=root)
    body = {"tier": "enterprise", "terms": {"seats_per_unit": 600}, "reason": "as signed"}
    made = kernel.want(201, "POST", tenant + "/contracts", body, token=root).json
    kernel.want(200, "PUT", f"{tenant}/contracts/{made['id']}", {**body, "version": 1, "ends_at": None}, token=root)
    kernel.want(200, "GET", tenant + "/contracts", token=root)
    kernel.want(200, "GET", base + "contracts", token=token)
    kernel.want(204, "POST", f"{tenant}/subscriptions/{done['subscription']['id']}/release", {}, token=root)
    events = kernel.want(200, "GET", "/api/v1/admin/payments/events", token=root).json["events"]
    kernel.want(202, "POST", f"/api/v1/admin/payments/events/{events[0]['id']}/replay", {}, token=root)
    kernel.want(202, "POST", "/api/v1/admin/payments/reconcile", {}, token=root)
    reports = "/api/v1/admin/payments/reconciliations"
    first = kernel.until("a report", lambda: kernel.want(200, "GET", reports, token=root).json["reconciliations"])[0]
    kernel.want(200, "GET", f"{reports}/{first['id']}", token=root)


def people(kernel, token):
    """Members, invitations, teams and keys, each once."""
    base = "/api/v1/"
    made = kernel.want(201, "POST", base + "invitations", {"email": "new@example.com", "role": "developer"}, token=token).json
    kernel.want(200, "GET", base + "invitations/" + made["id"], token=token)
    link = kernel.mail_token("new@example.com")
    kernel.want(200, "POST", base + "invitations/look", {"token": link})
    answer = {"token": link, "password": PASSWORD, "first_name": "Grace", "last_name": "Hopper"}
    member = kernel.want(200, "POST", base + "invitations/accept", answer).json["membership_id"]
    other = kernel.want(201, "POST", base + "invitations", {"email": "other@example.com", "role": "viewer"}, token=token).json["id"]
    kernel.want(429, "POST", f"{base}invitations/{other}/resend", token=token)
    kernel.want(204, "DELETE", f"{base}invitations/{other}", token=token)
    own = kernel.login("new@example.com")["access_token"]
    kernel.want(200, "GET", f"{base}memberships/{member}", token=token)
    kernel.want(200, "PATCH", f"{base}memberships/{member}", {"role": "admin"}, token=token)
    team = f"{base}teams/" + kernel.want(201, "POST", base + "teams", {"name": "Engines"}, token=token).json["id"]
    kernel.want(200, "PATCH", team, {"name": "Motors"}, token=token)
    kernel.want(204, "PUT", f"{team}/members/{member}", token=token)
    kernel.want(200, "GET", f"{team}/members", token=token)
    kernel.want(204, "DELETE", f"{team}/members/{member}", token=token)
    kernel.want(204, "DELETE", team, token=token)
    asked = {"name": "ci", "permissions": ["team:read"]}
    keys = [kernel.want(201, "POST", base + "api-keys", asked, token=who).json for who in (token, own)]
    kernel.want(200, "GET", base + "memberships", token=keys[0]["secret"])
    kernel.want(200, "POST", f"{base}api-keys/{keys[0]['api_key']['id']}/rotate", {"overlap_hours": 1}, token=token)
    kernel.want(204, "DELETE", f"{base}api-keys/{keys[0]['api_key']['id']}", token=token)
    kernel.want(204, "DELETE", f"{base}orgs/current/api-keys/{keys[1]['api_key']['id']}", token=token)
    kernel.want(204, "PATCH", base + "orgs/current", {"name": "Analytical Engines"}, token=token)
    networks = base + "orgs/current/allowed-networks"
    kernel.want(409, "PUT", networks, {"networks": ["192.0.2.0/24"]}, token=token)
    kernel.want(200, "PUT", networks, {"networks": ["127.0.0.0/8", "::1"]}, token=token)
    kernel.want(200, "GET", networks, token=token)
    kernel.want(204, "POST", base + "orgs/current/leave", token=own)
    again = kernel.want(201, "POST", base + "invitations", {"email": "new@example.com", "role": "viewer"}, token=token)
    assert again.json["status"] == "pending"
    newest = kernel.until("another link", lambda: next((x for x in [kernel.mail_token("new@example.com")] if x != link), None))
    back = kernel.want(200, "POST", base + "invitations/accept", {"token": newest}).json["membership_id"]
    kernel.want(204, "DELETE", f"{base}memberships/{back}", token=token)


def own_path(url):
    """Addresses bear the name that the server is known by."""
    parts = urllib.parse.urlsplit(url)
    return f"{parts.path}?{parts.query}"


def projects(kernel, token):
    """A project with a file of its own, through each of its ways."""
    base, content = "/api/v1/", b"hello"
    project = base + "projects/" + kernel.want(201, "POST", base + "projects", {"name": "Engine"}, token=token).json["id"]
    kernel.want(200, "GET", project, token=token)
    kernel.want(200, "PATCH", project, {"summary": "ours"}, token=token)
    kernel.want(200, "PUT", project + "/shares/everyone", {"level": "read"}, token=token)
    kernel.want(200, "GET", project + "/shares", token=token)
    kernel.want(200, "DELETE", project + "/shares/everyone", token=token)
    new = {"path": "a.txt", "content_type": "text/plain", "size_bytes": len(content), "hash": hashlib.sha256(content).hexdigest()}
    given_up = kernel.want(201, "POST", project + "/uploads", new, token=token).json["id"]
    kernel.want(204, "DELETE", f"{base}uploads/{given_up}", token=token)
    upload = kernel.want(201, "POST", project + "/uploads", new, token=token).json
    kernel.want(200, "GET", f"{base}uploads/{upload['id']}", token=token)
    file = kernel.want(200, "PUT", own_path(upload["address"]["url"]), raw=content).json["file"]
    kernel.want(200, "POST", f"{base}uploads/{upload['id']}/complete", token=token)
    here = f"{base}files/{file['id']}"
    for path in (here, here + "/content", project + "/files", base + "files/usage"):
        kernel.want(200, "GET", path, token=token)
    way = kernel.want(200, "POST", here + "/address", token=token).json["url"]
    kernel.want(200, "GET", own_path(way))
    kernel.want(204, "DELETE", here, token=token)
    for step in ("archive", "reopen"):
        kernel.want(200, "POST", f"{project}/{step}", token=token)
    kernel.want(200, "DELETE", project, token=token)
    kernel.want(200, "POST", project + "/restore", token=token)


def sign_on(kernel, token):
    """What an administrator sets up; what needs a provider or DNS is test_sign_in.py's, what needs a directory test_directory.py's."""
    base = "/api/v1/sso/"
    for path in ("providers", "connections", "domains"):
        kernel.want(200, "GET", base + path, token=token)
    form = {"label": "Ours", "settings": {"preset": "generic", "issuer": "https://login.example.com", "client_id": "1"}}
    one = base + "connections/" + kernel.want(201, "POST", base + "connections", {"provider": "oidc", **form}, token=token).json["id"]
    kernel.want(200, "GET", one, token=token)
    draft = kernel.want(201, "POST", base + "connections", {"provider": "saml", "label": "Ours", "settings": {"preset": "okta"}}, token=token).json
    kernel.want(200, "GET", f"/api/v1/auth/sso/{draft['id']}/metadata")
    kernel.want(200, "GET", "/api/v1/auth/oauth/saml/metadata")
    kernel.want(200, "PUT", one, form, token=token)
    kernel.want(200, "POST", one + "/disable", {}, token=token)
    kernel.want(204, "DELETE", one, token=token)
    kernel.want(200, "POST", base + "domains", {"domain": "fuzz.example.com"}, token=token)
    kernel.want(204, "DELETE", base + "domains/fuzz.example.com", token=token)
    kernel.want(204, "DELETE", base + "requirement", token=token)
    kernel.want(200, "GET", "/api/v1/auth/links", token=token)
    kernel.want(200, "GET", "/api/v1/auth/oauth")
    kernel.want(200, "POST", "/api/v1/auth/sso/discover", {"email": "ada@example.com"})
    kernel.want(200, "POST", "/api/v1/auth/device", {})


def operators(kernel, root):
    """Policies as they are, read again, and a licence that the platform ends."""
    kernel.want(200, "GET", "/api/v1/policies", token=root)
    kernel.want(200, "POST", "/api/v1/policies/reload", {}, token=root)
    theirs = kernel.member("gone@example.com")
    kernel.paid_license(theirs, "pro")
    org = kernel.want(200, "GET", "/api/v1/orgs/current", token=theirs).json
    tenant = "/api/v1/admin/tenants/" + (org.get("org") or org.get("tenant") or org)["id"]
    held = kernel.want(200, "GET", tenant + "/licenses", token=root).json["licenses"]
    kernel.want(200, "GET", "/api/v1/admin/licenses?tier=pro&status=active", token=root)
    for step in ("suspend", "reinstate"):
        kernel.want(200, "POST", f"{tenant}/licenses/{held[0]['id']}/{step}", {"reason": "ticket 4711"}, token=root)
    kernel.want(200, "POST", f"{tenant}/licenses/{held[0]['id']}/revoke", {"reason": "fraud, ticket 4711"}, token=root)


def factors(kernel, root):
    """Second factors of somebody else, so that the fuzzer's own session asks for none; passkeys need an authenticator (test_second_factors.py)."""
    address, base = "factor@example.com", "/api/v1/auth/mfa"
    own = kernel.member(address)
    app = lambda secret: subprocess.run(["oathtool", "--totp", "--base32", secret], capture_output=True, text=True, check=True).stdout.strip()
    secret = kernel.want(200, "POST", base + "/totp", {}, token=own).json["secret"]
    codes = kernel.want(200, "POST", base + "/totp/confirm", {"code": app(secret)}, token=own).json["recovery_codes"]
    kernel.want(200, "POST", base + "/recovery-codes", {}, token=own)
    kernel.want(200, "GET", base, token=own)
    rule = "/api/v1/orgs/current/second-factor"
    kernel.want(200, "PUT", rule, {"grace_days": 30}, token=own)
    kernel.want(200, "GET", rule, token=own)
    kernel.want(204, "DELETE", rule, token=own)
    step = lambda: kernel.want(200, "POST", "/api/v1/auth/login", {"email": address, "password": PASSWORD}).json["mfa_token"]
    kernel.want(401, "POST", base + "/verify", {"mfa_token": step(), "recovery_code": codes[0]})
    codes = kernel.want(200, "POST", base + "/recovery-codes", {}, token=own).json["recovery_codes"]
    own = kernel.want(200, "POST", base + "/verify", {"mfa_token": step(), "recovery_code": codes[1]}).json["access_token"]
    kernel.want(200, "POST", base + "/step-up", {"recovery_code": codes[2]}, token=own)
    kernel.want(204, "DELETE", base + "/totp", token=own)
    me = kernel.want(200, "GET", "/api/v1/users/me", token=own).json["id"]
    gone = f"/api/v1/admin/users/{me}/second-factors?reason=lost+the+telephone"
    kernel.want(403, "DELETE", gone, token=root)
    secret = kernel.want(200, "POST", base + "/totp", {}, token=own).json["secret"]
    kernel.want(200, "POST", base + "/totp/confirm", {"code": app(secret)}, token=own)
    kernel.want(200, "POST", "/api/v1/auth/passkeys/sign-in/options", {})
    kernel.want(200, "POST", "/api/v1/auth/passkeys/options", {}, token=kernel.member("passkey@example.com"))
    mine = kernel.want(200, "POST", base + "/totp", {}, token=root).json["secret"]
    kernel.want(200, "POST", base + "/totp/confirm", {"code": app(mine)}, token=root)
    kernel.want(204, "DELETE", gone, token=root)


def staff(kernel, token, root):
    """Staff in a member's place, ended by either side; a platform role given and taken."""
    me = kernel.want(200, "GET", "/api/v1/users/me", token=token).json
    asked = {"user_id": me["id"], "tenant_id": me["tenant_id"], "reason": "ticket 4711: seats are stuck"}
    path = "/api/v1/admin/impersonations"
    one, other = [kernel.want(201, "POST", path, asked, token=root).json for _ in range(2)]
    kernel.want(200, "GET", "/api/v1/memberships", token=one["access_token"])
    kernel.want(200, "GET", path, token=root)
    kernel.want(204, "DELETE", f"{path}/{one['id']}", token=root)
    kernel.want(204, "DELETE", f"/api/v1/orgs/current/impersonations/{other['id']}", token=token)
    kernel.want(401, "GET", "/api/v1/memberships", token=other["access_token"])
    role = f"/api/v1/admin/users/{kernel.want(200, 'GET', '/api/v1/users/me', token=kernel.member('helper@example.com')).json['id']}/platform-role"
    kernel.want(204, "PUT", role, {"role": "staff"}, token=root)
    lift = f"/api/v1/admin/tenants/{me['tenant_id']}/allowed-networks/lift"
    kernel.want(200, "POST", lift, {"reason": "ticket 4712: locked out"}, token=root)
    kernel.want(204, "DELETE", lift, token=root)
    kernel.want(204, "DELETE", "/api/v1/orgs/current/allowed-networks", token=token)
    there = f"tenants/{me['tenant_id']}"
    for path in ("tenants", there, "analytics", "analytics/export", there + "/workstations"):
        kernel.want(200, "GET", "/api/v1/admin/" + path, token=root)
    kernel.call("POST", f"/api/v1/admin/{there}/workstations/review", {}, token=root)
    kernel.member("closed@example.com")
    people = "/api/v1/admin/users"
    kernel.want(200, "GET", people, token=root)
    whom = kernel.want(200, "POST", people + "/search", {"email": "closed@example.com"}, token=root).json["users"][0]["id"]
    why = {"reason": "ticket 4713: asked for it"}
    kernel.want(200, "GET", f"{people}/{whom}", token=root)
    kernel.want(200, "POST", f"{people}/{whom}/sign-out", why, token=root)
    kernel.want(204, "POST", f"{people}/{whom}/deactivate", why, token=root)
    known = {"email": "closed@example.com", "password": PASSWORD}
    kernel.want(403, "POST", "/api/v1/auth/reactivate", known)
    kernel.want(204, "POST", f"{people}/{whom}/reactivate", why, token=root)
    kernel.want(204, "POST", "/api/v1/auth/reactivate", known)
    way = kernel.until("a mail that can be stopped", lambda: next((str(m["List-Unsubscribe"]) for m in kernel.mails() if m["List-Unsubscribe"]), None))
    for method in ("GET", "POST"):
        kernel.want(200, method, own_path(way.strip("<> ")))
    kernel.want(200, "GET", "/api/v1/orgs/current/mail", token=token)
    kernel.want(200, "PUT", "/api/v1/orgs/current/mail-brand", {"name": "Engines", "accent": "#ffee00"}, token=token)
    kernel.want(200, "GET", "/api/v1/orgs/current/mail-brand", token=token)
    kernel.want(200, "GET", "/api/v1/orgs/current/mail-brand/preview/invitation", token=token)
    kernel.want(204, "DELETE", "/api/v1/orgs/current/mail-brand", token=token)
    kernel.want(200, "GET", "/api/v1/admin/mail/suppressions", token=root)
    kernel.want(200, "GET", f"/api/v1/admin/mail/users/{me['id']}", token=root)
    kernel.want(204, "PUT", role, {"role": None}, token=root)


def leaving(kernel, root):
    """Another customer leaves and comes back; a hold is placed and lifted. A fuzzer would take the tenant along that the rest needs."""
    path, address = "/api/v1/offboarding", "leaver@example.com"
    owner = kernel.member(address)
    tenant = kernel.want(200, "GET", "/api/v1/orgs/current", token=owner).json["id"]
    kernel.want(201, "POST", path, {"reason": "other", "when": "now"}, token=owner)
    kernel.want(200, "GET", path, token=owner)
    stays = kernel.member("stays@example.com")
    kernel.paid_license(stays, "pro")
    kernel.want(201, "POST", path, {"reason": "price"}, token=stays)
    kernel.want(200, "POST", path + "/withdraw", token=stays)
    kernel.want(200, "GET", path + "/members", token=stays)
    link = kernel.until("the mailed link", lambda: proof_token(kernel, address))
    kernel.until("the link leads somewhere", lambda: kernel.call("GET", f"{path}/proof?token={link}").status == 200)
    kernel.want(200, "GET", f"{path}/proof/page?token={link}")
    export = kernel.want(202, "POST", "/api/v1/exports", {}, token=stays).json["id"]
    kernel.want(200, "GET", "/api/v1/exports", token=stays)
    ready = kernel.until("the export", lambda: kernel.want(200, "GET", f"/api/v1/exports/{export}", token=stays).json["url"])
    kernel.want(200, "GET", re.sub("^https?://[^/]+", "", ready))
    kernel.want(200, "GET", "/api/v1/admin/offboarding", token=root)
    holds = f"/api/v1/admin/offboarding/{tenant}/holds"
    hold = kernel.want(201, "POST", holds, {"reason": "A court may ask for it."}, token=root).json["holds"][0]["id"]
    kernel.want(200, "GET", holds, token=root)
    kernel.want(200, "POST", f"{holds}/{hold}/lift", token=root)
    retention = "/api/v1/admin/retention"
    kernel.want(200, "GET", retention, token=root)
    kernel.want(200, "GET", f"{retention}/explain?kind=legal_holds&id={hold}&tenant={tenant}", token=root)
    duty = {"kind": "audit_log", "days": 2192, "why": "A law asks for six years."}
    kept = kernel.want(201, "POST", f"{retention}/{tenant}/duties", duty, token=root).json["kept_longer"][0]["id"]
    kernel.want(200, "GET", f"{retention}/{tenant}/duties", token=root)
    kernel.want(200, "DELETE", f"{retention}/{tenant}/duties/{kept}", token=root)
    kernel.want(200, "GET", "/api/v1/retention", token=stays)
    mine = kernel.want(200, "GET", "/api/v1/licenses", token=stays).json["licenses"][0]["id"]
    kernel.want(200, "GET", f"/api/v1/retention/explain?kind=licenses&id={mine}", token=stays)
    kernel.until("it is retained", lambda: kernel.call("POST", f"{path}/reactivate", token=owner).status == 200)


def rights(kernel, root):
    """People ask for what is their own; staff answers what the platform does not."""
    path, asker = "/api/v1/data-requests", kernel.member("asker@example.com")
    made = kernel.want(201, "POST", path, {"kind": "access"}, token=asker).json["id"]
    kernel.want(200, "GET", f"{path}/{made}/document", token=asker)
    kernel.want(200, "GET", path, token=asker)
    wrong = kernel.want(201, "POST", path, {"kind": "rectification", "note": "My name is King."}, token=asker).json["id"]
    kernel.want(200, "GET", f"{path}/{wrong}", token=asker)
    kernel.want(200, "GET", "/api/v1/admin/data-requests", token=root)
    answer = {"is_granted": True, "answer": "The name was corrected today."}
    kernel.want(200, "POST", f"/api/v1/admin/data-requests/{wrong}/answer", answer, token=root)
    consents = "/api/v1/users/me/consents"
    kernel.want(200, "PUT", consents, {"purpose": "product_news", "is_given": True}, token=asker)
    kernel.want(200, "GET", consents, token=asker)
    kernel.want(200, "GET", consents + "/history?purpose=product_news", token=asker)
    again = kernel.want(201, "POST", path, {"kind": "rectification"}, token=asker).json["id"]
    kernel.want(200, "POST", f"{path}/{again}/withdraw", token=asker)


def proof_token(kernel, address):
    for message in reversed(kernel.mails()):
        text = message.get_body(preferencelist=("plain",)).get_content()
        found = re.search(r"/offboarding/proof/page\?token=([A-Za-z0-9_.~-]+)", text)
        if found and address in str(message["To"]):
            return found.group(1)
    return None


def reset_token(kernel, address):
    for message in reversed(kernel.mails()):
        text = message.get_body(preferencelist=("plain",)).get_content()
        found = re.search(r"/reset\?token=([A-Za-z0-9_.~-]+)", text)
        if found and address in str(message["To"]):
            return found.group(1)
    return None


def successes(kernel):
    """Operations with at least one 2xx, from the server's own request counter."""
    text = kernel.want(200, "GET", "/metrics").body.decode()
    found = set()
    for line in text.splitlines():
        match = re.match(r"http_requests_total\{(.*)\} ([0-9.]+)", line)
        if match:
            labels = dict(re.findall(r'(\w+)="([^"]*)"', match.group(1)))
            if labels.get("status", "").startswith("2") and float(match.group(2)) > 0:
                found.add(labels.get("route"))
    return found


KNOWN = '''
import schemathesis

@schemathesis.hook
def map_body(context, body):
    if isinstance(body, dict):
        if "license_key" in body and LICENSE_KEY:
            body["license_key"] = LICENSE_KEY
    return body
'''

if __name__ == "__main__":
    main()
