"""Debian's python3-cryptography, as clients in the field use it, verifies what acquire signs: RSA-4096 PSS, maximum salt."""

import json
import os

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from kernel import Kernel


def receipt(kernel, keys, told, act, kind="seat-receipt.v1"):
    """Verifies a signed document as a customer would, from the published keys alone; gives its members."""
    document, mark = told["document"], told["signature"]
    key = next(k for k in keys if k["kid"] == mark["key_id"])
    public = serialization.load_pem_public_key(key["pem"].encode())
    assert mark["algorithm"] == "Ed25519", mark
    # Whole numbers, ASCII texts and null: for such members RFC 8785 is what Python prints.
    body = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    message = b"coditect:" + kind.encode() + b"\0" + body
    public.verify(bytes.fromhex(mark["signature"]), message)
    for forged in (message + b" ", message.replace(b"receipt", b"recript").replace(b"borrowed", b"borrewed")):
        try:
            public.verify(bytes.fromhex(mark["signature"]), forged)
        except InvalidSignature:
            continue
        raise AssertionError("a changed document was accepted")
    assert document["kind"] == kind and (act is None or document["act"] == act), document
    return document


def receipts(kernel, token, license):
    """Every receipt of a licence's life verifies, and their numbers have no gap."""
    keys = kernel.want(200, "GET", "/.well-known/coditect/license-keys.json").json["keys"]
    body = {"hostname": "engine", "os": "linux", "version": "1.0", "license_id": license["id"]}
    told = []

    def acquire(device, status=200):
        return kernel.want(status, "POST", "/api/v1/licenses/acquire", dict(body, hardware_id=device), token=token).json

    first = acquire("r-1")
    told.append(receipt(kernel, keys, first["receipt"], "granted"))
    told.append(receipt(kernel, keys, acquire("r-1")["receipt"], "repeated"))
    second = acquire("r-2")
    told.append(receipt(kernel, keys, second["receipt"], "granted"))
    told.append(receipt(kernel, keys, acquire("r-3", 429)["receipt"], "refused"))
    lent = kernel.want(
        200, "POST", "/api/v1/licenses/borrow", {"session_id": first["session_id"], "hardware_id": "r-1", "hours": 2}, token=token).json
    seat = receipt(kernel, keys, lent["file"], None, "borrowed-seat.v1")
    assert seat["session_id"] == first["session_id"] and seat["expires_at"] == lent["borrowed_until"], seat
    told.append(receipt(kernel, keys, lent["receipt"], "borrowed"))
    path = f"/api/v1/sessions/{second['session_id']}/release"
    ended = kernel.want(200, "POST", path, {"reason": "needed elsewhere"}, token=token).json
    told.append(receipt(kernel, keys, ended["receipt"], "forced"))
    numbers = [document["sequence"] for document in told]
    assert numbers == list(range(numbers[0], numbers[0] + len(told))), numbers
    assert told[0]["policy_hash"] and len(told[0]["input_hash"]) == 64 and told[0]["decision_id"], told[0]
    place = kernel.want(202, "POST", "/api/v1/licenses/acquire", dict(body, hardware_id="r-5", wait=True), token=token).json \
        if acquire("r-4") else None
    assert place["position"] == 1 and place["retry_after"] >= 1, place
    return len(told) + 3


def main():
    with Kernel() as kernel:
        token = kernel.member()
        license = kernel.paid_license(token, "team", quantity=2)
        path = f"{kernel.data}/keys/license-public.pem"
        kernel.until("the RSA key, made at the first start", lambda: os.path.exists(path))
        with open(path, "rb") as file:
            public = serialization.load_pem_public_key(file.read())
        assert public.key_size == 4096, public.key_size
        body = {"hardware_id": "hw-ünïcode-1", "hostname": "engine", "os": "linux", "version": "1.0", "license_id": license["id"]}
        lease = kernel.want(200, "POST", "/api/v1/licenses/acquire", body, token=token).json
        for name in ("license_id", "session_id", "seats_used", "seats_total", "expires_at", "signature", "heartbeat_interval"):
            assert name in lease, f"{name} is missing: {lease}"
        assert lease["expires_at"].endswith("Z") and lease["seats_total"] == 2 and lease["seats_used"] == 1, lease
        signed = {name: lease[name] for name in ("expires_at", "license_id", "session_id")}
        message = json.dumps(signed, sort_keys=True).encode()
        scheme = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.MAX_LENGTH)
        assert lease["signature"] == lease["signature"].lower()
        public.verify(bytes.fromhex(lease["signature"]), message, scheme, hashes.SHA256())
        checked = 1
        for name in signed:
            other = json.dumps({**signed, name: signed[name] + "0"}, sort_keys=True).encode()
            try:
                public.verify(bytes.fromhex(lease["signature"]), other, scheme, hashes.SHA256())
            except InvalidSignature:
                checked += 1
            else:
                raise AssertionError(f"a changed {name} was accepted")
        again = kernel.want(200, "POST", "/api/v1/licenses/acquire", body, token=token).json
        assert again["session_id"] == lease["session_id"] and again["seats_used"] == 1, again
        beat = kernel.want(200, "POST", "/api/v1/licenses/heartbeat", {"session_id": lease["session_id"]}, token=token).json
        assert beat["status"] == "ok" and 0 < beat["expires_in"] <= 360, beat
        freed = kernel.want(200, "POST", "/api/v1/licenses/release", {"session_id": lease["session_id"]}, token=token).json
        assert freed["status"] == "released", freed
        late = kernel.call("POST", "/api/v1/licenses/heartbeat", {"session_id": lease["session_id"]}, token=token)
        assert late.status in (404, 409, 410), late
        checked += receipts(kernel, token, license)
        print(f"seat signature: {checked + 4} passed, 0 failed")


if __name__ == "__main__":
    main()
