"""SOC 2 on a running server: evidence from real acts, results, gaps, and an export that Debian's cryptography verifies offline; then a journal
that was tampered with, in a copy, is seen."""

import base64
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import uuid

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from kernel import BUILD, ROOT, Kernel

PREFIX = b"coditect:compliance-export.v1\x00"
BASE = "/api/v1/compliance"
JUDGED = ["CC2.1", "CC6.1", "CC6.1-K", "CC6.2", "CC6.3", "CC8.1"]


def main():
    policies = os.path.join(tempfile.mkdtemp(prefix="compliance-"), "policies")
    shutil.copytree(os.path.join(ROOT, "policies"), policies)
    kernel = Kernel(policies=policies, config="http:\n  limits_enabled: false\ncompliance:\n  pause_seconds: 0\n")
    kernel.start()
    try:
        owner = kernel.member()
        stranger = kernel.member("grace@example.com")
        leaver = kernel.member("eve@example.com")
        root = kernel.administrator()
        tenant = kernel.want(200, "GET", "/api/v1/orgs/current", token=owner).json["id"]

        # Real acts: a key is rotated, policies of the platform and of the tenant come into force, a member is there and leaves.
        tool(kernel, "keys", "rotate", "journal")
        promoted = promote(kernel, policies)
        own_policies(kernel, owner)
        kernel.paid_license(owner, "team", quantity=3)
        join(kernel, tenant, "eve@example.com", leaver)
        seat = {"hardware_id": "hw-eve", "hostname": "engine", "os": "linux", "version": "1"}
        leaver = kernel.want(200, "POST", "/api/v1/auth/switch", {"tenant_id": tenant}, token=leaver).json["access_token"]
        kernel.want(200, "POST", "/api/v1/licenses/acquire", seat, token=leaver)

        before = results(kernel, owner)
        assert [x["control"]["id"] for x in before if x["control"]["reads"]] == JUDGED, before
        assert outcome(before, "CC6.3") == "fail" and outcome(before, "CC6.1") == "fail", before
        assert outcome(before, "CC6.1-K") == "pass" and outcome(before, "CC8.1") == "pass", before

        review(kernel, owner, stranger, leaver)
        after = results(kernel, owner)
        assert {x: outcome(after, x) for x in JUDGED} == {
            "CC2.1": "pass", "CC6.1": "fail", "CC6.1-K": "pass", "CC6.2": "pass", "CC6.3": "pass", "CC8.1": "pass"}, after
        assert all(x["result"]["missing"] for x in after if x["result"]["outcome"] == "not_evaluated")
        gaps = kernel.want(200, "GET", f"{BASE}/frameworks/soc2/gaps", token=owner).json["gaps"]
        assert gaps[0]["control"]["id"] == "CC6.1" and len(gaps) == len(after) - 5, gaps[0]
        past = kernel.want(200, "GET", f"{BASE}/frameworks/soc2/controls/CC6.3?limit=100", token=owner).json["history"]
        assert past[0]["result"]["outcome"] == "pass" and past[-1]["result"]["outcome"] == "fail", past

        platform(kernel, root, owner, promoted)
        others(kernel, stranger, tenant)
        export = kernel.want(200, "GET", f"{BASE}/frameworks/soc2/export", token=owner).json
        keys = kernel.want(200, "GET", "/.well-known/coditect/license-keys.json").json["keys"]
        verified(export, keys, tenant)
        forged(export, keys)
        beside(kernel, tenant)
        # With the owner's authenticator app the gap is closed.
        secret = kernel.want(200, "POST", "/api/v1/auth/mfa/totp", {}, token=owner).json["secret"]
        code = subprocess.run(["oathtool", "--totp", "--base32", secret], capture_output=True, text=True, check=True).stdout.strip()
        kernel.want(200, "POST", "/api/v1/auth/mfa/totp/confirm", {"code": code}, token=owner)
        assert outcome(results(kernel, owner), "CC6.1") == "pass"
    finally:
        kernel.stop(keep=True)
    tampered(kernel, tenant)
    shutil.rmtree(kernel.data, ignore_errors=True)
    print("compliance: 1 passed, 0 failed")


def tool(kernel, *words, data=None, code=0):
    command = [os.path.join(BUILD, "coditectd"), *words, "--data", data or kernel.data, "--policies", kernel.policies, "--plugins", kernel.plugins]
    ran = subprocess.run(command, capture_output=True, text=True, env=kernel.env, timeout=180)
    assert ran.returncode == code, f"{words}: {ran.returncode}\n{ran.stdout[-2000:]}\n{ran.stderr[-2000:]}"
    return ran.stdout


def promote(kernel, policies):
    """Another set, by the operator's tool; the journal says what came into force, and what it had passed."""
    before = tool(kernel, "policy", "sets").split()[0]
    candidate = os.path.join(tempfile.mkdtemp(prefix="candidate-"), "policies")
    shutil.copytree(policies, candidate)
    with open(os.path.join(candidate, "roles.lua"), "a", encoding="utf-8") as file:
        file.write("-- reviewed\n")
    kernel.process.poll()
    command = [os.path.join(BUILD, "coditectd"), "policy", "promote", candidate, "--replaces", before[:12], "--data", kernel.data, "--policies", policies]
    ran = subprocess.run(command, capture_output=True, text=True, env=kernel.env, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr

    def journalled():
        lines = tool(kernel, "audit", "export", "platform").splitlines()
        found = [json.loads(line)["entry"] for line in lines if '"action":"policies.live"' in line]
        return found[-1]["details"] if len(found) > 1 else None
    return kernel.until("the promotion in the journal", journalled)


def own_policies(kernel, owner):
    path = "/api/v1/orgs/current/policies"
    rule = "return { id = 'own.rule', api = 1, on_role_check = function() end }"
    asked = "user = { role = 'viewer' }, permission = 'projects:read', tenant = { kind = 'organization' }"
    tests = f"return {{ {{ name = 'anybody may', hook = 'on_role_check', input = {{ {asked} }}, expect = {{ outcome = 'abstain' }} }} }}"
    files = {"init.lua": "return { tenant = { 'own/rule' } }", "own/rule/policy.lua": rule, "own/rule/policy_test.lua": tests}
    answer = kernel.call("POST", path, {"files": files}, token=owner)
    assert answer.status == 201, answer
    version = answer.json["policy_hash"]
    kernel.want(200, "POST", f"{path}/activate", {"policy_hash": version, "replaces": ""}, token=owner)


def join(kernel, tenant, address, token):
    """As an invitation would: there is no other way in yet."""
    me = kernel.want(200, "GET", "/api/v1/users/me", token=token).json
    user = uuid.UUID((me.get("user") or me)["id"]).bytes
    with sqlite3.connect(os.path.join(kernel.data, "coditect.db"), timeout=20) as db:
        own = uuid.UUID(tenant).bytes
        db.create_function("current_tenant", 0, lambda: own)
        db.execute("INSERT INTO member_directory (user_id, tenant_id) VALUES (?, ?)", (user, own))
        now = db.execute("SELECT max(created_at) FROM user_account").fetchone()[0]
        db.execute(
            "INSERT INTO membership_all (tenant_id, membership_id, user_id, role, standing, origin, created_at, changed_at) "
            "VALUES (?, ?, ?, 'developer', 'active', 'invitation', ?, ?)", (own, uuid.uuid4().bytes, user, now, now))


def results(kernel, token, run=True, base=BASE):
    if run:
        kernel.want(201, "POST", f"{base}/frameworks/soc2/run", {}, token=token)
    return kernel.want(200, "GET", f"{base}/frameworks/soc2/controls", token=token).json["controls"]


def outcome(found, control):
    return next(x["result"]["outcome"] for x in found if x["control"]["id"] == control)


def review(kernel, owner, stranger, leaver):
    path = f"{BASE}/access-reviews"
    assert kernel.call("POST", path, {}, token=leaver).status == 403
    opened = kernel.want(201, "POST", path, {}, token=owner).json
    here = f"{path}/{opened['id']}"
    assert kernel.call("GET", here, token=stranger).status == 404
    assert kernel.want(409, "POST", path, {}, token=owner).json["review_id"] == opened["id"]
    assert kernel.want(409, "POST", f"{here}/sign-off", {}, token=owner).json["undecided"] == 2
    for item in opened["items"]:
        decision = "confirmed" if item["role"] == "owner" else "removed"
        kernel.want(200, "POST", f"{here}/decisions", {"membership_id": item["membership_id"], "decision": decision}, token=owner)
    assert kernel.call("GET", "/api/v1/users/me", token=leaver).status == 401, "the leaver's session goes on"
    signed = kernel.want(200, "POST", f"{here}/sign-off", {}, token=owner).json
    assert signed["signed_off_at"] and {x["decision"] for x in signed["items"]} == {"confirmed", "removed"}, signed
    assert kernel.call("POST", f"{here}/sign-off", {}, token=owner).json["error"] == "access_review_signed_off"


def platform(kernel, root, owner, promoted):
    base = "/api/v1/admin/compliance"
    assert kernel.call("GET", f"{base}/frameworks", token=owner).status == 403
    found = results(kernel, root, base=base)
    assert outcome(found, "CC8.1") == "pass" and promoted["tests_passed"] > 0, (found, promoted)
    assert outcome(found, "CC6.3") == "not_evaluated" and outcome(found, "CC6.1") == "fail"


def others(kernel, stranger, tenant):
    """Another tenant sees its own, which nobody has run yet."""
    controls = kernel.want(200, "GET", f"{BASE}/frameworks/soc2/controls", token=stranger).json
    assert "run" not in controls and all("result" not in x for x in controls["controls"])
    assert kernel.call("GET", f"{BASE}/frameworks/soc2/export", token=stranger).json["error"] == "compliance_never_evaluated"
    assert kernel.call("GET", f"{BASE}/frameworks/nothing/controls", token=stranger).json["error"] == "framework_unknown"
    assert tenant not in json.dumps(controls)


def public(keys, wanted):
    key = next(x for x in keys if x["kid"] == wanted)
    return Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(key["x"] + "=" * (-len(key["x"]) % 4)))


def check(export, keys):
    signature = base64.urlsafe_b64decode(export["signature"] + "=" * (-len(export["signature"]) % 4))
    public(keys, export["key_id"]).verify(signature, PREFIX + export["manifest"].encode())
    manifest = json.loads(export["manifest"])
    assert {x["name"] for x in manifest["files"]} == set(export["files"]), "another list of files"
    for entry in manifest["files"]:
        text = export["files"][entry["name"]].encode()
        assert len(text) == entry["bytes"] and hashlib.sha256(text).hexdigest() == entry["sha256"], entry["name"]
    return manifest


def verified(export, keys, tenant):
    manifest = check(export, keys)
    assert manifest["scope"] == tenant and manifest["framework"] == "soc2"
    evidence = json.loads(export["files"]["evidence.json"])
    assert {x["kind"] for x in evidence} == {"access_review", "second_factor", "audit_chain", "policy_changes", "key_ages", "leavers"}
    for piece in evidence:
        digest = piece.pop("digest")
        body = json.dumps(piece, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert hashlib.sha256(body.encode()).hexdigest() == digest, piece["kind"]
    everything = json.dumps(export)
    assert "@" not in everything and "Lovelace" not in everything, "personal data in an export"
    left = next(x for x in evidence if x["kind"] == "leavers")["facts"]
    assert left["ended"] == 1 and left["with_access"] == 0 and left["leavers"][0]["revoked_at"], left


def forged(export, keys):
    for change in (
        lambda x: x["files"].update({"results.json": x["files"]["results.json"].replace('"fail"', '"pass"')}),
        lambda x: x.update(manifest=x["manifest"].replace('"version":1', '"version":2')),
        lambda x: x["files"].pop("evidence.json"),
        lambda x: x["files"].update(more="{}"),
    ):
        other = json.loads(json.dumps(export))
        change(other)
        try:
            check(other, keys)
        except (AssertionError, InvalidSignature):
            continue
        raise SystemExit("a forged export was taken")


def beside(kernel, tenant):
    """The operator's tool, while the server runs."""
    assert "soc2" in tool(kernel, "compliance", "list", "--tenant", tenant)
    assert "CC6.1  fail" in tool(kernel, "compliance", "show", "soc2", "--gaps", "--tenant", tenant)
    file = os.path.join(kernel.data, "export.json")
    tool(kernel, "compliance", "export", "soc2", "--tenant", tenant, "--output", file)
    with open(file, encoding="utf-8") as text:
        check(json.load(text), kernel.want(200, "GET", "/.well-known/coditect/license-keys.json").json["keys"])
    assert "never evaluated" in tool(kernel, "compliance", "show", "soc2", "--tenant", str(uuid.uuid4()))


def tampered(kernel, tenant):
    copy = os.path.join(tempfile.mkdtemp(prefix="tampered-"), "data")
    shutil.copytree(kernel.data, copy)
    with sqlite3.connect(os.path.join(copy, "coditect.db")) as db:
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'journal_entry%'").fetchall():
            db.execute(f"DROP TRIGGER {name}")
        changed = db.execute(
            "UPDATE journal_entry_all SET actor = 'user:nobody' WHERE tenant_id = ? AND action = 'membership.ended'", (uuid.UUID(tenant).bytes,))
        assert changed.rowcount == 1, changed.rowcount
    tool(kernel, "compliance", "run", "soc2", "--tenant", tenant, data=copy)
    shown = tool(kernel, "compliance", "show", "soc2", "--gaps", "--tenant", tenant, data=copy)
    assert "CC2.1  fail" in shown and "Checking the journal found" in shown, shown
    shutil.rmtree(os.path.dirname(copy))


if __name__ == "__main__":
    main()
