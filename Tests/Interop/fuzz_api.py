"""schemathesis over our OpenAPI, as an owner, limits off: no 5xx, no undocumented answer, and most operations answer 2xx at least once."""

import json
import os
import re
import subprocess
import sys
import tempfile

from kernel import Kernel

CONFIG = "http:\n  limits_enabled: false\n"
GOAL = 0.9


def main():
    with Kernel(config=CONFIG) as kernel:
        token = kernel.member()
        license = kernel.paid_license(token, "team", quantity=5)
        full = kernel.want(200, "GET", f"/api/v1/licenses/{license['id']}", token=token).json
        document = kernel.want(200, "GET", "/openapi.json").json
        operations = {
            (method.upper(), path) for path, item in document["paths"].items() for method in item if method in ("get", "post", "put", "patch", "delete")
        }
        folder = tempfile.mkdtemp(prefix="schemathesis-")
        report = os.path.join(folder, "events.ndjson")
        hooks = os.path.join(folder, "known.py")
        with open(hooks, "w", encoding="utf-8") as file:
            file.write(KNOWN.replace("LICENSE_KEY", json.dumps(full.get("key") or full.get("license_key"))).replace("LICENSE_ID", json.dumps(license["id"])))
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
        reached = {operation for operation in operations if operation in fine}
        missed = sorted(f"{m} {p}" for m, p in operations - reached)
        print(f"fuzz: {len(reached)} of {len(operations)} operations answered 2xx; never: {missed}")
        if ran.returncode != 0:
            raise SystemExit(f"fuzz: schemathesis found faults (exit {ran.returncode})\n{ran.stderr[-3000:]}")
        if len(reached) < GOAL * len(operations):
            raise SystemExit(f"fuzz: fewer than {GOAL:.0%} of the operations answered 2xx")
        print(f"fuzz: {len(reached)} passed, 0 failed")


def successes(kernel):
    """Operations with at least one 2xx, from the server's own request counter."""
    text = kernel.want(200, "GET", "/metrics").body.decode()
    found = set()
    for line in text.splitlines():
        match = re.match(r"http_requests_total\{(.*)\} ([0-9.]+)", line)
        if match:
            labels = dict(re.findall(r'(\w+)="([^"]*)"', match.group(1)))
            if labels.get("status", "").startswith("2") and float(match.group(2)) > 0:
                found.add((labels.get("method"), labels.get("route")))
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
