"""schemathesis over our OpenAPI, as an owner, limits off: no 5xx, no undocumented answer, and most operations answer 2xx at least once."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

from kernel import BUILD, PASSWORD, Kernel
from tiny_browser import Browser

CONFIG = "http:\n  limits_enabled: false\n"
GOAL = 0.9


def main():
    own = shutil.copytree(os.path.join(BUILD, "plugins"), os.path.join(tempfile.mkdtemp(prefix="fuzz-"), "plugins"))
    with Kernel(config=CONFIG, plugins=own) as kernel:
        root = kernel.administrator()
        plugins(kernel, root)
        token = kernel.member()
        license = kernel.paid_license(token, "team", quantity=5)
        full = kernel.want(200, "GET", f"/api/v1/licenses/{license['id']}", token=token).json
        key = full["license"]["key"]
        live(kernel, token, license["id"], key)
        money(kernel, token, root)
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
            "--exclude-path-regex", r"/(logout|deactivate|health/live)$|/auth/password/change$|/auth/sessions",
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
    done = kernel.want(200, "POST", base + "subscription/change", {"quantity": 6}, token=token).json
    kernel.want(200, "POST", base + "subscription/cancel", {}, token=token)
    kernel.want(200, "POST", base + "subscription/resume", {}, token=token)
    kernel.want(200, "GET", base + "operations/" + done["operation"]["id"], token=token)
    kernel.want(200, "GET", base + "invoices/" + paid["id"], token=token)

    org = kernel.want(200, "GET", "/api/v1/orgs/current", token=token).json
    tenant = "/api/v1/admin/tenants/" + (org.get("org") or org.get("tenant") or org)["id"]
    kernel.want(200, "GET", tenant + "/invoices", token=root)
    body = {"invoice_id": paid["id"], "amount_minor": 100, "reason": "duplicate", "note": "twice"}
    kernel.want(200, "POST", tenant + "/refunds", body, token=root)
    kernel.want(204, "POST", f"{tenant}/subscriptions/{done['subscription']['id']}/release", {}, token=root)
    events = kernel.want(200, "GET", "/api/v1/admin/payments/events", token=root).json["events"]
    kernel.want(202, "POST", f"/api/v1/admin/payments/events/{events[0]['id']}/replay", {}, token=root)
    kernel.want(202, "POST", "/api/v1/admin/payments/reconcile", {}, token=root)
    reports = "/api/v1/admin/payments/reconciliations"
    first = kernel.until("a report", lambda: kernel.want(200, "GET", reports, token=root).json["reconciliations"])[0]
    kernel.want(200, "GET", f"{reports}/{first['id']}", token=root)


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
