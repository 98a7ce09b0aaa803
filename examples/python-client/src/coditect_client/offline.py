"""The signed file that stands in for the server: verified with a public key alone."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Dict, FrozenSet, List, Optional, Tuple

from .errors import LicenseError
from .platform import Platform
from .state import Folder

TOLERANCE = 300.0


@dataclass(frozen=True)
class OfflineLicense:
    license: str
    tier: str
    status: str
    # Seconds since 1970.
    issued_at: float
    expires_at: Optional[float]
    offline_until: float
    features: FrozenSet[str]


def _time(text: Any) -> float:
    if not isinstance(text, str) or not text.endswith("Z"):
        raise LicenseError("file_damaged", "the licence file is damaged: a time is missing", "run `coditect activate KEY` again")
    return datetime.fromisoformat(text[:-1]).replace(tzinfo=timezone.utc).timestamp()


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M UTC")


def _once(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member stands twice")
    return found


def verify(file: bytes, public_keys: bytes, hardware_id: str, now: float) -> OfflineLicense:
    """What the file says, if one of the keys signed it for this hardware and it is in force at `now`. Asks nobody and keeps nothing.

    `public_keys` is PEM, or the JSON of /.well-known/coditect/license-keys.json.
    """
    try:
        signed = json.loads(file, object_pairs_hook=_once)
        license, marks = signed["license"], signed["signatures"]
        body = json.dumps(license, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (ValueError, KeyError, TypeError):
        raise LicenseError("file_damaged", "the licence file is damaged", "run `coditect activate KEY` again") from None
    if not _signed(b"coditect:license-file.v1\0" + body.encode(), marks, public_keys):
        raise LicenseError(
            "file_not_authentic", "the licence file is not signed by the server's key", "run `coditect activate KEY` again")
    if license.get("kind") != "license-file.v1":
        raise LicenseError("file_not_authentic", "the file is no licence")
    if license.get("hardware_id_sha256") != hashlib.sha256(hardware_id.encode()).hexdigest():
        raise LicenseError("other_device", "the licence file was made for another device", "run `coditect activate KEY` on this one")
    found = OfflineLicense(
        license["license_id"], license["tier"], license["status"], _time(license["issued_at"]),
        _time(license["expires_at"]) if license.get("expires_at") else None, _time(license["offline_until"]),
        frozenset(name for name, on in (license.get("features") or {}).items() if on is True))
    if now + TOLERANCE < found.issued_at:
        raise LicenseError(
            "clock_behind", f"the clock of this device stands before {moment(found.issued_at)}, when the licence file was made",
            "set the clock")
    if found.expires_at is not None and now >= found.expires_at:
        raise LicenseError("license_expired", f"the licence expired on {moment(found.expires_at)}", "renew it or choose a tier")
    if now >= found.offline_until:
        raise LicenseError("offline_grace_over", f"the offline grace ended on {moment(found.offline_until)}", "connect to the server once")
    return found


def _signed(message: bytes, marks: Any, public_keys: bytes) -> bool:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
    except ImportError:
        raise LicenseError(
            "cryptography_missing", "the licence file cannot be verified", "install coditect-client[offline]") from None
    if not isinstance(marks, list):
        return False
    keys: List[Tuple[Optional[str], str]]
    if b"-----BEGIN" in public_keys and b"{" not in public_keys:
        keys = [(None, public_keys.decode())]
    else:
        try:
            listed = json.loads(public_keys)["keys"]
            keys = [(key["kid"], key["pem"]) for key in listed if str(key.get("purpose", "")).startswith("license")]
        except (ValueError, KeyError, TypeError):
            return False
    scheme = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.MAX_LENGTH)
    for mark in marks[:8]:
        for kid, pem in keys:
            if kid is not None and kid != mark.get("key_id"):
                continue
            try:
                key = serialization.load_pem_public_key(pem.encode())
                signature = bytes.fromhex(mark["signature"])
                # Used as the key's own kind, whatever the signature says of itself.
                if isinstance(key, ed25519.Ed25519PublicKey) and mark["algorithm"] == "Ed25519":
                    key.verify(signature, message)
                elif isinstance(key, rsa.RSAPublicKey) and mark["algorithm"] == "RSA-4096-PSS-SHA256":
                    key.verify(signature, message, scheme, hashes.SHA256())
                else:
                    continue
                return True
            except (InvalidSignature, ValueError, KeyError, TypeError):
                continue
    return False


class Activation:
    """The licence that this device was activated under: `license.json`, shared with `coditect`."""

    FILE = "license.json"

    def __init__(self, platform: Platform, folder: Folder):
        self.platform, self.folder = platform, folder

    def held(self) -> Dict[str, Any]:
        held = self.folder.read(self.FILE)
        if not held or held.get("server") != self.platform.name:
            raise LicenseError("not_activated", "this device is not activated", "run `coditect activate KEY`")
        return held

    def judge(self, hardware: str, now: float) -> OfflineLicense:
        """The file, if it holds now; remembers that this device was at this moment."""
        held = self.held()
        found = verify(json.dumps(held["file"]).encode(), json.dumps(held["public_keys"]).encode(), hardware, now)
        seen = float(held.get("latest_seen", 0))
        if now + TOLERANCE < seen:
            raise LicenseError(
                "clock_set_back", f"the clock of this device was set back: it was {moment(seen)} already",
                "set the clock, or connect to the server once")
        if now - seen >= 240:
            with self.folder.locked("license"):
                newest = self.folder.read(self.FILE)
                if newest and newest.get("key") == held.get("key"):
                    newest["latest_seen"] = int(max(float(newest.get("latest_seen", 0)), now))
                    self.folder.write(self.FILE, newest)
        return found

    def refresh(self, now: float) -> None:
        """While the server answers, the grace is counted from about now."""
        held = self.held()
        if now - _time(held["file"]["license"]["issued_at"]) < 3600:
            return
        answer = self.platform.post(
            "/api/v1/licenses/validate", {"license_key": held["key"], "hardware_id": held["hardware_id"]})
        if not answer.ok or not answer.body.get("file"):
            return
        keys = self.platform.get("/.well-known/coditect/license-keys.json")
        with self.folder.locked("license"):
            newest = self.folder.read(self.FILE)
            if newest and newest.get("key") == held["key"]:
                newest["file"] = answer.body["file"]
                newest["latest_seen"] = int(_time(answer.body["file"]["license"]["issued_at"]))
                if keys.ok:
                    newest["public_keys"] = keys.body
                self.folder.write(self.FILE, newest)
