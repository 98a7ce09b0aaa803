"""Licence files as a customer's own program reads them: Debian's python3-cryptography opens and verifies, in clear and encrypted."""

import hashlib
import json

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from kernel import Kernel

KIND = b"coditect:encrypted-license-file.v1\0"
DESK = {"cpu": "Ryzen 9", "board": "b-1", "disk": "d-1", "mac": "02:00:5e:00:53:01"}


def verify(file, keys, hardware_id):
    """The members of a signed file for this device, from the published keys alone."""
    body = json.dumps(file["license"], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    mark = file["signatures"][0]
    key = next(k for k in keys if k["kid"] == mark["key_id"])
    public = load_pem_public_key(key["pem"].encode())
    public.verify(bytes.fromhex(mark["signature"]), b"coditect:license-file.v1\0" + body)
    assert file["license"]["hardware_id_sha256"] == hashlib.sha256(hardware_id.encode()).hexdigest(), file["license"]
    return file["license"]


def opened(encrypted, license_key, hardware_id):
    assert (encrypted["kind"], encrypted["cipher"], encrypted["key_derivation"]) == (
        "encrypted-license-file.v1", "AES-256-GCM", "HKDF-SHA256"), encrypted
    signs = "".join(c for c in license_key.upper() if c.isalnum()).translate(str.maketrans("OILU", "011V"))
    salt, box = bytes.fromhex(encrypted["salt"]), bytes.fromhex(encrypted["box"])
    key = HKDF(SHA256(), 32, salt, KIND + hardware_id.encode()).derive(signs.encode())
    return json.loads(AESGCM(key).decrypt(box[:12], box[12:], KIND + salt))


def refused(error, call, *arguments):
    try:
        call(*arguments)
    except error:
        return 1
    raise AssertionError(f"{call.__name__} took what it should refuse: {arguments!r:.200}")


def ask(kernel, what, key, hardware_id, status=200, **more):
    body = dict(more, license_key=key, hardware_id=hardware_id)
    return kernel.want(status, "POST", f"/api/v1/licenses/{what}", body).json


def encrypted(kernel, keys, key):
    """Only who has both opens the file, and what is inside is what stands in the clear one."""
    first = ask(kernel, "activate", key, "hw-ünïcode", encrypt=True)
    assert first["file"] is None, first
    told = first["encrypted_file"]
    inside = opened(told, key, "hw-ünïcode")
    verify(inside, keys, "hw-ünïcode")
    clear = ask(kernel, "validate", key, "hw-ünïcode")
    assert "encrypted_file" not in clear and clear["code"] == "valid", clear
    same = {k: v for k, v in clear["file"]["license"].items() if k not in ("issued_at", "offline_until")}
    assert same.items() <= inside["license"].items(), (same, inside["license"])
    checked = 3
    assert first["license"]["id"] not in json.dumps(told) and opened(told, key.lower().replace("-", " "), "hw-ünïcode") == inside
    checked += refused(InvalidTag, opened, told, key, "hw-2")
    checked += refused(InvalidTag, opened, told, key[:-1] + ("0" if key[-1] != "0" else "1"), "hw-ünïcode")
    for name in ("salt", "box"):
        for place in (0, len(told[name]) // 2, len(told[name]) - 1):
            digit = "0" if told[name][place] != "0" else "1"
            checked += refused(InvalidTag, opened, dict(told, **{name: told[name][:place] + digit + told[name][place + 1:]}), key, "hw-ünïcode")
    again = ask(kernel, "validate", key, "hw-ünïcode", encrypt=True)["encrypted_file"]
    assert again["salt"] != told["salt"] and again["box"][:24] != told["box"][:24], "a salt or a nonce came twice"
    forged = json.loads(json.dumps(inside))
    forged["license"]["seats"] += 1
    return checked + 1 + refused(InvalidSignature, verify, forged, keys, "hw-ünïcode")


def hardware(kernel, keys, key, places):
    """A device whose id changed is known by its parts: one place, a file bound to the new id, nothing merged that is not one."""
    first = ask(kernel, "activate", key, "desk-1", hardware=DESK)
    used = first["license"]["activations"]
    disk = dict(DESK, disk="d-2")
    asked = ask(kernel, "validate", key, "desk-2", hardware=disk)
    assert asked["code"] == "valid", asked
    assert verify(asked["file"], keys, "desk-2")["activation_id"] == first["activation"]["id"]
    moved = ask(kernel, "activate", key, "desk-2", hardware=disk, encrypt=True)
    assert moved["activation"]["id"] == first["activation"]["id"] and moved["license"]["activations"] == used, moved
    verify(opened(moved["encrypted_file"], key, "desk-2"), keys, "desk-2")
    # The file that the device had stays good for its id until its offline grace ends.
    verify(first["file"], keys, "desk-1")
    other = {"cpu": DESK["cpu"], "board": "b-9", "disk": "d-9", "mac": "m-9"}
    code = ask(kernel, "validate", key, "desk-3", hardware=other)["code"]
    assert code == ("not_activated" if used < places else "activation_limit_reached"), code
    for bad in ({}, {"cpu": "x"}, dict(DESK, cpu=""), {"cpu": "unknown", "mac": "unknown"}, {"CPU": "x", "mac": "y"}, "x", None):
        problem = ask(kernel, "validate", key, "desk-3", status=422, hardware=bad)
        assert problem["fields"][0]["field"].startswith("hardware"), problem
    off = ask(kernel, "deactivate", key, "desk-4", hardware=dict(disk, mac="m-3"))
    assert off["activation"]["id"] == first["activation"]["id"] and off["license"]["activations"] == used - 1, off
    return 15


def main():
    with Kernel() as kernel:
        token = kernel.member()
        license = kernel.paid_license(token, "team", quantity=2)
        key = kernel.want(200, "GET", f"/api/v1/licenses/{license['id']}", token=token).json["license"]["key"]
        keys = kernel.want(200, "GET", "/.well-known/coditect/license-keys.json").json["keys"]
        checked = encrypted(kernel, keys, key) + hardware(kernel, keys, key, 4)
        print(f"licence files: {checked} passed, 0 failed")


if __name__ == "__main__":
    main()
