"""A customer that leaves, over a real server that is killed between the steps: the export and the certificate of deletion are checked with
Python's own zipfile and Debian's cryptography, `coditect verify` says the same of them, good or damaged, and no secret that was ever given out
stands in the export. Run with /usr/bin/python3."""

import base64
import glob
import hashlib
import io
import json
import os
import random
import re
import shutil
import subprocess
import tempfile
import zipfile

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from kernel import BUILD, PASSWORD, ROOT, Kernel

PATH = "/api/v1/offboarding"
CONTENT = b"The Analytical Engine weaves algebraical patterns.\n" * 40_000  # more than one piece of an export
AT_ONCE = """return {
  id = "offboarding.at-once", api = 1, summary = "Keeps nothing.",
  on_offboard = function(request)
    if request.stage == "period_end" then
      return plan{ revoke_access{}, end_billing{}, export_data{}, send_mail{ template = "offboarding_export" } }
    end
  end,
}
"""


def decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def signed(keys, key_id, prefix, document, signature):
    """Throws InvalidSignature for anything else than what was signed."""
    key = next(key for key in keys if key["kid"] == key_id)
    Ed25519PublicKey.from_public_bytes(decoded(key["x"])).verify(signature, prefix + b"\0" + document)


def refused(*words):
    try:
        signed(*words)
    except InvalidSignature:
        return True
    return False


def upload(kernel, token, project, path, content):
    # Pieces of five mebibytes: this is one.
    body = {"path": path, "content_type": "text/plain", "size_bytes": len(content), "hash": hashlib.sha256(content).hexdigest()}
    made = kernel.want(201, "POST", f"/api/v1/projects/{project}/uploads", body, token=token).json
    target = re.sub(r"^https?://[^/]+", "", made["address"]["url"])
    sent = kernel.call("PUT", target, raw=content, headers={"content-type": "application/octet-stream", **made["address"]["headers"]})
    assert sent.status in (200, 201, 204), sent


def verified(kernel, archive, tenant, keys):
    """Every file as the list says, the list as the manifest says, the manifest as it was signed."""
    files = zipfile.ZipFile(io.BytesIO(archive))
    assert files.testzip() is None
    names = files.namelist()
    assert len(names) == len(set(names)) and not [name for name in names if name.startswith("/") or ".." in name.split("/")], names
    manifest, proof = files.read("manifest.json"), json.loads(files.read("manifest.signature.json"))
    words = (keys, proof["key_id"], b"coditect:tenant-export.v1", manifest, decoded(proof["signature"]))
    signed(*words)
    assert refused(*words[:3], manifest.replace(b"tenant_export", b"tenant_expert"), words[4])
    said = json.loads(manifest)
    listed = files.read("files.jsonl")
    assert said["tenant_id"] == tenant and said["list"] == {
        "name": "files.jsonl", "bytes": len(listed), "sha256": hashlib.sha256(listed).hexdigest()}, said
    lines = [json.loads(line) for line in listed.splitlines()]
    assert said["files"] == len(lines) and {line["name"] for line in lines} | {"files.jsonl", "manifest.json", "manifest.signature.json"} == set(names)
    for line in lines:
        content = files.read(line["name"])
        assert (line["bytes"], line["sha256"]) == (len(content), hashlib.sha256(content).hexdigest()), line
        if line["name"].endswith(".jsonl"):
            assert all(isinstance(json.loads(text), dict) for text in content.splitlines()), line
    with tempfile.NamedTemporaryFile(suffix=".zip") as file:
        file.write(archive)
        file.flush()
        listing = subprocess.run(["unzip", "-tq", file.name], capture_output=True, text=True) if shutil.which("unzip") else None
        assert listing is None or listing.returncode == 0, listing.stdout
    return files


def holds(check, *words):
    """What this program says of it: nothing is wrong, or something is, wherever it came up."""
    try:
        check(*words)
        return True
    except Exception:  # whatever a damaged file brings a reader to
        return False


def judged(folder, kind, content, keys):
    """What `coditect verify` says of it."""
    paths = {name: os.path.join(folder, name) for name in ("file", "keys.json")}
    for path, text in ((paths["file"], content), (paths["keys.json"], json.dumps({"keys": keys}).encode())):
        with open(path, "wb") as file:
            file.write(text)
    command = [os.path.join(BUILD, "coditect"), "verify", kind, paths["file"], "--keys", paths["keys.json"]]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ran.returncode in (0, 65) and bool(ran.stdout) == (ran.returncode == 0), ran
    return ran.returncode == 0


def damaged(content, chance, count):
    """The same with one bit turned, somewhere."""
    for _ in range(count):
        place = chance.randrange(len(content))
        yield content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1:]


def agreed_on_exports(archive, tenant, keys):
    chance, told, folder = random.Random(29), [], tempfile.mkdtemp(prefix="verify-")
    peer = lambda content: holds(verified, None, content, tenant, keys)
    assert peer(archive) and judged(folder, "export", archive, keys)
    # The end of an archive is its directory, list and manifest; what is damaged there is another thing than in a file.
    tail = min(len(archive), 60_000)
    cases = [*damaged(archive, chance, 40), *(archive[:-tail] + end for end in damaged(archive[-tail:], chance, 60))]
    cases += [archive[:cut] for cut in (0, 100, len(archive) // 2, len(archive) - 1)]
    for content in cases:
        theirs, ours = peer(content), judged(folder, "export", content, keys)
        # Python reads no more of a ZIP than it needs: it may take what `coditect` does not, and never the other way round.
        assert theirs or not ours, "coditect takes what the peer refuses"
        told.append((theirs, ours))
    assert told.count((True, False)) <= 5 and told.count((False, False)) >= 70, told
    other = [{**key, "kid": "other"} for key in keys]
    assert not holds(verified, None, archive, tenant, other) and not judged(folder, "export", archive, other)
    shutil.rmtree(folder)


def agreed_on_certificates(proof, keys):
    chance, told, folder = random.Random(31), [], tempfile.mkdtemp(prefix="verify-")
    prefix = b"coditect:deletion-certificate.v1"

    def check(content):
        said = json.loads(content)
        said = said["certificate"] if isinstance(said["certificate"], dict) else said
        signed(keys, said["key_id"], prefix, said["certificate"].encode(), decoded(said["signature"]))
        assert all(step["done_at"] for step in json.loads(said["certificate"])["steps"])

    good = json.dumps(proof).encode()
    for content in (good, json.dumps(proof["certificate"]).encode()):
        assert holds(check, content) and judged(folder, "deletion", content, keys)
    for content in [*damaged(good, chance, 80), good[:-1], b"", b"[]", b"{}"]:
        theirs, ours = holds(check, content), judged(folder, "deletion", content, keys)
        assert theirs or not ours, f"coditect takes what the peer refuses: {content}"
        told.append((theirs, ours))
    # Of its two readers Python's is the laxer one of JSON and of base64.
    assert told.count((True, False)) <= 5 and told.count((False, False)) >= 20 and (True, True) in told, told
    shutil.rmtree(folder)


def records(files, name):
    return [json.loads(line) for line in files.read(name).splitlines()]


def progress(kernel, token, state):
    def probe():
        answer = kernel.call("GET", PATH, token=token)
        return answer.json if answer.status == 200 and answer.json["state"] == state else None

    return kernel.until(f"the way out to be {state}", probe, 400)


def main():
    policies = os.path.join(tempfile.mkdtemp(prefix="leaving-"), "policies")
    shutil.copytree(os.path.join(ROOT, "policies"), policies)
    kernel = Kernel(policies=policies, config="http:\n  limits_enabled: false\n")
    kernel.start()
    try:
        owner = kernel.member()
        login = kernel.login()
        tenant = kernel.want(200, "GET", "/api/v1/orgs/current", token=owner).json["id"]
        license = kernel.paid_license(owner, "team", quantity=2)
        key = kernel.want(201, "POST", "/api/v1/api-keys", {"name": "ci", "permissions": ["licenses:read"]}, token=owner).json
        hook = kernel.want(201, "POST", "/api/v1/webhooks", {"url": "https://example.com/hook", "events": ["*"]}, token=owner).json
        kernel.want(201, "POST", "/api/v1/invitations", {"email": "grace@example.com", "role": "developer"}, token=owner)
        invitation = kernel.mail_token("grace@example.com")
        kernel.want(200, "POST", "/api/v1/invitations/accept", {
            "token": invitation, "password": PASSWORD, "first_name": "Grace", "last_name": "Hopper"})
        project = kernel.want(201, "POST", "/api/v1/projects", {"name": "Engine"}, token=owner).json["id"]
        upload(kernel, owner, project, "notes/patterns.txt", CONTENT)
        lease = kernel.want(200, "POST", "/api/v1/licenses/acquire", {
            "hardware_id": "hw-canary", "hostname": "engine", "os": "linux", "version": "1", "license_id": license["id"]}, token=owner).json
        secrets = [PASSWORD, owner, login["access_token"], login["refresh_token"], invitation, "$argon2", "hw-canary"]
        for source in (key, hook, license, lease):
            for text in re.findall(r'"(?:secret|key|license_key|token)": "([^"]{16,})"', json.dumps(source)):
                secrets.append(text)
        assert len(secrets) >= 9, "the key and the endpoint told no secret"

        # Out, with the server dying in between.
        kernel.want(201, "POST", PATH, {"reason": "other", "when": "now"}, token=owner)
        for _ in range(3):
            kernel.kill()
            kernel.start()
            kernel.call("GET", PATH, token=owner)
        left = progress(kernel, owner, "retained")
        names = [step["step"] for step in left["steps"]]
        assert names[0] == "close" and names[-1] == "export" and len(names) == len(set(names)) and all(x["done_at"] for x in left["steps"]), names
        assert left["export"]["state"] == "ready", left["export"]
        assert kernel.call("GET", "/api/v1/projects", token=owner).json["error"] == "tenant_leaving"
        target = left["export"]["url"].replace(kernel.base, "")
        archive = kernel.want(200, "GET", target).body
        assert len(archive) == left["export"]["size_bytes"]
        middle = kernel.want(206, "GET", target, headers={"Range": "bytes=1048570-1048585"}).body
        assert middle == archive[1048570:1048586]
        assert kernel.call("GET", target[:-2] + ("AA" if target[-2:] != "AA" else "BB")).json["error"] == "export_over"
        mails = [mail for mail in kernel.mails() if str(mail["Subject"]) == "Your organisation has left: take your export"]
        assert len(mails) == 1 and target in mails[0].get_body(preferencelist=("plain",)).get_content()
        assert mails[0].get_body(preferencelist=("html",)) is not None

        keys = kernel.want(200, "GET", "/.well-known/coditect/license-keys.json").json["keys"]
        files = verified(kernel, archive, tenant, keys)
        agreed_on_exports(archive, tenant, keys)
        assert files.read(f"projects/contents/{project}/notes/patterns.txt") == CONTENT
        assert {x["email"] for x in records(files, "people/users.jsonl")} == {"ada@example.com", "grace@example.com"}
        assert [x["tier"] for x in records(files, "licensing/licenses.jsonl") if x["origin"] != "free"] == ["team"]
        assert [x["url"] for x in records(files, "webhooks/endpoints.jsonl")] == ["https://example.com/hook"]
        assert any("entry" in x for x in records(files, "compliance/audit-log.jsonl"))
        assert len(records(files, "organisation/memberships.jsonl")) == 2 and records(files, "billing/subscriptions.jsonl")
        for secret in secrets:
            for info in files.infolist():
                assert secret.encode() not in files.read(info), f"{info.filename} holds a secret"
        # Sealed where it lies, in whatever file of the server's.
        for path in glob.glob(os.path.join(kernel.data, "**"), recursive=True):
            if os.path.isfile(path) and "/e/" in path:
                assert CONTENT[:200] not in open(path, "rb").read(), path

        # Back, and out again for good.
        kernel.want(200, "POST", f"{PATH}/reactivate", token=owner)
        kernel.until("everything to be back", lambda: all(
            step["done_at"] for step in kernel.want(200, "GET", PATH, token=owner).json["steps"]))
        os.makedirs(os.path.join(policies, "offboarding", "at-once"))
        with open(os.path.join(policies, "offboarding", "at-once", "policy.lua"), "w", encoding="utf-8") as file:
            file.write(AT_ONCE)
        with open(os.path.join(policies, "init.lua"), encoding="utf-8") as file:
            text = file.read()
        with open(os.path.join(policies, "init.lua"), "w", encoding="utf-8") as file:
            file.write(text.replace('"billing/dunning",', '"billing/dunning", "offboarding/at-once",', 1))
        kernel.config = "http:\n  limits_enabled: false\noffboarding:\n  retention_days: 0\n"
        kernel.kill()
        kernel.start()
        kernel.want(201, "POST", PATH, {"reason": "no_need", "when": "now"}, token=owner)
        for _ in range(3):
            kernel.kill()
            kernel.start()

        def last_mail():
            found = [m for m in kernel.mails() if str(m["Subject"]) == "Your organisation is deleted"]
            return found[0].get_body(preferencelist=("plain",)).get_content() if found else None

        text = kernel.until("the last mail", last_mail, 400)
        page = re.search(r"https?://[^/\s]+(/\S+proof/page\?token=\S+)", text).group(1)
        shown = kernel.want(200, "GET", page)
        assert b"Your organisation is deleted" in shown.body and b"purge:identity" in shown.body and b"<script" not in shown.body
        proof = kernel.want(200, "GET", page.replace("/proof/page", "/proof")).json["certificate"]
        words = (keys, proof["key_id"], b"coditect:deletion-certificate.v1", proof["certificate"].encode(), decoded(proof["signature"]))
        signed(*words)
        assert refused(*words[:3], words[3] + b" ", words[4])
        agreed_on_certificates(kernel.want(200, "GET", page.replace("/proof/page", "/proof")).json, keys)
        certificate = json.loads(proof["certificate"])
        assert certificate["tenant_id"] == tenant and all(step["done_at"] for step in certificate["steps"]), certificate
        assert {"export", "purge:identity", "scrub"} <= {step["step"] for step in certificate["steps"]}
        assert kernel.call("GET", target).json["error"] == "export_over"
        assert kernel.call("POST", "/api/v1/auth/login", {"email": "ada@example.com", "password": PASSWORD}).status == 401
        assert len([m for m in kernel.mails() if str(m["Subject"]) == "Your organisation is deleted"]) == 1
        assert not [path for path in glob.glob(os.path.join(kernel.data, "files", "**", "*"), recursive=True) if os.path.isfile(path) and tenant in path]
    finally:
        kernel.stop(keep=True)
    shutil.rmtree(kernel.data, ignore_errors=True)
    print("leaving: 1 passed, 0 failed")


if __name__ == "__main__":
    main()
