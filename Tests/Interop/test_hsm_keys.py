"""Keys in an HSM (Debian's softhsm2) as docs/how-to/keys-in-an-hsm.md says: in without a pause, gone and back, out again.

PyJWT and Python's cryptography verify what was signed there; OpenSC's pkcs11-tool says what lies in the token.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
import time

import jwt
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from kernel import BUILD, ROOT, Kernel

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
PIN = "482916"
PAGE = os.path.join(ROOT, "docs/how-to/keys-in-an-hsm.md")
ACQUIRE = {"hardware_id": "hw-1", "hostname": "engine", "os": "linux", "version": "1.0"}


def blocks(language):
    """The page's code blocks of a language: what an operator copies."""
    with open(PAGE, encoding="utf-8") as file:
        return re.findall(rf"```{language}\n(.*?)```", file.read(), re.S)


class Bench:
    """A token in a folder of its own, a server over it, and the page's commands."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="hsm-")
        self.tokens = os.path.join(self.folder, "tokens")
        os.mkdir(self.tokens)
        self.conf = os.path.join(self.folder, "softhsm2.conf")
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
        self.pin_file = os.path.join(self.folder, "pin")
        self.write_pin(PIN)
        self.env = {"SOFTHSM2_CONF": self.conf, "PKCS11_PIN_FILE": self.pin_file, "CODITECT_HTTP_LIMITS_ENABLED": "false"}
        self.kernel = Kernel(env=self.env)

    def write_pin(self, pin):
        with open(self.pin_file, "w", encoding="utf-8") as file:
            file.write(pin + "\n")
        os.chmod(self.pin_file, 0o600)

    def shell(self, command, status=0):
        """Runs what the page says, where an operator would."""
        env = {**self.kernel.env, "DATA": self.kernel.data, "PATH": BUILD + ":" + os.environ["PATH"], "PIN": PIN}
        done = subprocess.run(["bash", "-euc", command], env=env, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == status, f"{command}\nended with {done.returncode}: {done.stdout}"
        return done.stdout

    def keys(self, *arguments, status=0):
        plugins = os.path.join(BUILD, "plugins")
        config = os.path.join(self.kernel.data, "coditect.yaml")
        more = f" --config {config}" if os.path.exists(config) else ""
        return self.shell(f"coditectd keys {' '.join(arguments)} --data {self.kernel.data} --plugins {plugins}{more}", status)

    def listed(self, purpose, state):
        rows = [json.loads(line) for line in self.keys("list", "--json").splitlines()]
        return [row for row in rows if row["purpose"] == purpose and row["state"] == state]

    def set_away(self, is_away):
        places = (self.tokens, self.tokens + ".away")
        os.rename(*(places if is_away else reversed(places)))


def jwks(kernel):
    return kernel.want(200, "GET", "/.well-known/jwks.json").json["keys"]


def verified(kernel, token):
    """PyJWT, knowing the published keys alone."""
    key = jwt.PyJWKClient(kernel.base + "/.well-known/jwks.json").get_signing_key_from_jwt(token)
    jwt.decode(token, key.key, algorithms=["ES256"])
    return jwt.get_unverified_header(token)["kid"]


def public(kernel, key_id):
    keys = kernel.want(200, "GET", "/.well-known/coditect/license-keys.json").json["keys"]
    return serialization.load_pem_public_key(next(k for k in keys if k["kid"] == key_id)["pem"].encode())


def seat(kernel, token, license):
    """A seat's answer: its RSA field signature and its Ed25519 receipt, both verified by Python's cryptography; gives the key ids."""
    told = kernel.want(200, "POST", "/api/v1/licenses/acquire", dict(ACQUIRE, license_id=license["id"]), token=token).json
    document, mark = told["receipt"]["document"], told["receipt"]["signature"]
    body = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    public(kernel, mark["key_id"]).verify(bytes.fromhex(mark["signature"]), b"coditect:seat-receipt.v1\0" + body)
    return told, mark["key_id"]


def rsa_verified(kernel, told):
    """The field signature (SPEC 9) over the answer, under the published RSA keys; gives the id of the one that made it."""
    message, signature = told
    keys = kernel.want(200, "GET", "/.well-known/coditect/license-keys.json").json["keys"]
    for key in (k for k in keys if k["kty"] == "RSA"):
        try:
            serialization.load_pem_public_key(key["pem"].encode()).verify(
                signature, message, padding.PSS(padding.MGF1(hashes.SHA256()), 478), hashes.SHA256())
            return key["kid"]
        except InvalidSignature:
            continue
    raise AssertionError("no published RSA key verifies the answer")


class Load(threading.Thread):
    """Somebody who takes a seat again and again: no answer may be worse than 200."""

    def __init__(self, kernel, token, license):
        super().__init__(daemon=True)
        self.kernel, self.token, self.license = kernel, token, license
        self.answers, self.bad, self.ending = 0, [], threading.Event()

    def run(self):
        while not self.ending.is_set():
            answer = self.kernel.call(
                "POST", "/api/v1/licenses/acquire", dict(ACQUIRE, license_id=self.license["id"]), token=self.token)
            self.answers += 1
            if answer.status != 200:
                self.bad.append(answer)

    def end(self):
        self.ending.set()
        self.join(30)
        assert not self.bad, self.bad[:3]
        return self.answers


def field_signature(lease):
    signed = {name: lease[name] for name in ("expires_at", "license_id", "session_id")}
    return json.dumps(signed, sort_keys=True).encode(), bytes.fromhex(lease["signature"])


def in_without_a_pause(bench, kernel):
    token = kernel.member()
    license = kernel.paid_license(token, "team", quantity=2)
    old, receipt_key = seat(kernel, token, license)
    old_rsa = rsa_verified(kernel, field_signature(old))
    file_key = verified(kernel, token)
    kernel.stop(keep=True)

    kernel.config = blocks("yaml")[0]
    kernel.start()
    verify_commands = blocks("sh")[1]
    kernel.until("the next keys in the HSM", lambda: all(
        any(row["home"].startswith("pkcs11-keys:") for row in bench.listed(purpose, "next"))
        for purpose in ("token", "license", "license_rsa", "journal")), seconds=60)
    said = bench.shell(verify_commands)
    assert "pkcs11-keys  answers  ES256, Ed25519, RSA-4096-PSS-SHA256" in said and "  next  there" in said, said
    coming = bench.listed("token", "next")[0]["id"]
    assert {file_key, coming} <= {key["kid"] for key in jwks(kernel)}, "the next key is not published before it signs"

    load = Load(kernel, token, license)
    load.start()
    said = bench.shell(blocks("sh")[2])
    assert said.count(" in pkcs11-keys:coditect-") == 4, said
    kernel.until("a token of the HSM", lambda: verified(kernel, kernel.login()["access_token"]) == coming)
    told, key = seat(kernel, token, license)
    kernel.until("a receipt of the HSM", lambda: seat(kernel, token, license)[1] == bench.listed("license", "active")[0]["id"])
    told, key = seat(kernel, token, license)
    assert key != receipt_key and rsa_verified(kernel, field_signature(told)) == bench.listed("license_rsa", "active")[0]["id"] != old_rsa
    answers = load.end()
    # What the file's keys signed is still believed, here and outside.
    assert verified(kernel, token) == file_key and kernel.call("GET", "/api/v1/users/me", token=token).status == 200
    assert rsa_verified(kernel, field_signature(old)) == old_rsa
    print(f"into the HSM while {answers} seats were answered: none failed, old and new signatures verify")
    return token, license


def lies_in_the_token(bench):
    said = bench.shell(blocks("sh")[3])
    secret = said.split("Private Key Object")[1:]
    # An active and a next key for three purposes; RSA was prepared once, and has signed since.
    assert len(secret) == 7, said
    for part in secret:
        part = part.split("Public Key Object")[0]
        assert "sensitive, always sensitive, never extractable" in part and "Usage:      sign\n" in part, part
    row = bench.listed("license_rsa", "active")[0]
    name = row["home"].split(":", 1)[1]
    tool = f"pkcs11-tool --module {MODULE} --token-label coditect --login --pin $PIN --read-object --label {name}"
    taken = subprocess.run(
        ["bash", "-c", tool + " --type privkey"], env={**bench.kernel.env, "PIN": PIN}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert taken.returncode != 0 or not taken.stdout, taken.stdout[:50]
    form = subprocess.run(["bash", "-c", tool + " --type pubkey"], env={**bench.kernel.env, "PIN": PIN}, stdout=subprocess.PIPE, check=True).stdout
    published = public(bench.kernel, row["id"]).public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert form == published, "pkcs11-tool reads another public key than is published"
    print(f"pkcs11-tool: {len(secret)} private keys, all sensitive, never extractable; none can be read")


def away(bench, kernel, token):
    account = {"email": "ada@example.com", "password": "maple-otter-lantern-42"}

    def refused():
        answer = kernel.call("POST", "/api/v1/auth/login", account)
        return answer if answer.status == 503 else None

    ids = [row["id"] for row in bench.listed("token", "active")]
    bench.set_away(True)
    answer = kernel.until("the 503 of a signature that cannot be made", refused)
    assert answer.json["error"] == "signing_unavailable" and answer.json["retry_after"] == 5, answer
    assert {k.lower(): v for k, v in dict(answer.headers).items()}["retry-after"] == "5", answer.headers
    assert kernel.call("GET", "/api/v1/users/me", token=token).status == 200, "what needs no signature goes on"

    def fault():
        health = kernel.want(200, "GET", "/health").json
        return next((check["fault"] for check in health["checks"] if check["name"] == "keys" and not check["ok"]), None)

    told = kernel.until("the health page's word", fault)
    assert told.startswith("pkcs11-keys: "), told
    said = bench.keys("rotate", "token", status=1)
    assert "nothing was changed: the key service pkcs11-keys cannot be used" in said, said
    assert [row["id"] for row in bench.listed("token", "active")] == ids, "a rotation without the HSM changed something"
    bench.keys("check", status=69)
    bench.set_away(False)
    again = kernel.until("signatures after its return", lambda: next(iter(
        [a.json["access_token"] for a in [kernel.call("POST", "/api/v1/auth/login", account)] if a.status == 200]), None))
    assert verified(kernel, again) in ids
    print(f"gone: 503 signing_unavailable, {told!r}; back: signed with the same key")

    kernel.stop(keep=True)
    bench.set_away(True)
    kernel.start()
    lines = [kernel.process.stdout.readline() for _ in range(7)]
    assert any("pkcs11-keys CANNOT SIGN: unavailable: the PKCS#11 module does not begin (C_Initialize" in line for line in lines), lines
    assert refused() and kernel.call("GET", "/api/v1/users/me", token=token).status == 200
    bench.set_away(False)
    kernel.until("signatures of a server that began without it", lambda: not refused())
    print("started without it, and signing since it came")


def pin(bench, kernel):
    account = {"email": "ada@example.com", "password": "maple-otter-lantern-42"}
    kernel.stop(keep=True)
    bench.write_pin("wrong-982")
    kernel.start()
    lines = "".join(kernel.process.stdout.readline() for _ in range(9))
    assert "does not take PKCS11_PIN (C_Login said CKR_PIN_INCORRECT)" in lines, lines
    answer = kernel.call("POST", "/api/v1/auth/login", account)
    assert answer.status == 503 and answer.json["error"] == "signing_unavailable", answer
    bench.write_pin(PIN)
    kernel.until("the right PIN, without a restart", lambda: kernel.call("POST", "/api/v1/auth/login", account).status == 200, seconds=60)
    with open(kernel.log, encoding="utf-8") as file:
        assert "wrong-982" not in file.read() and PIN not in open(kernel.log, encoding="utf-8").read(), "a PIN stands in the log"
    print("a wrong PIN: refused with a sentence; the right one taken up without a restart")


def out(bench, kernel, token, license):
    before = kernel.login()["access_token"]
    key = verified(kernel, before)
    load = Load(kernel, token, license)
    load.start()
    said = bench.shell(blocks("sh")[4])
    assert "in file" in said, said
    now = bench.listed("token", "active")[0]["id"]
    kernel.until("a token of the file", lambda: verified(kernel, kernel.login()["access_token"]) == now)
    answers = load.end()
    assert verified(kernel, before) == key != now and kernel.call("GET", "/api/v1/users/me", token=before).status == 200
    done = subprocess.run(
        [os.path.join(BUILD, "coditectd"), "audit", "verify", "--data", kernel.data, "--config", os.path.join(kernel.data, "coditect.yaml")],
        env=kernel.env, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0 and "intact" in done.stdout, done.stdout
    print(f"out of the HSM while {answers} seats were answered: what it signed verifies on")


def main():
    bench = Bench()
    kernel = bench.kernel
    try:
        bench.shell(blocks("sh")[0])
        kernel.start()
        token, license = in_without_a_pause(bench, kernel)
        lies_in_the_token(bench)
        away(bench, kernel, token)
        pin(bench, kernel)
        out(bench, kernel, token, license)
        kernel.stop()
    finally:
        if kernel.process and kernel.process.poll() is None:
            kernel.kill()
        shutil.rmtree(bench.folder, ignore_errors=True)
    print("keys in an HSM: all passed")


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"passed in {time.monotonic() - started:.1f} s")
