"""The signed file that stands in for the server: verified with a public key alone."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Dict, FrozenSet, List, Optional, Tuple

from .errors import LicenseError

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


def seconds(text: Any) -> float:
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
        raise LicenseError("file_not_authentic", "the file is no licence", "run `coditect activate KEY` again")
    if license.get("hardware_id_sha256") != hashlib.sha256(hardware_id.encode()).hexdigest():
        raise LicenseError("other_device", "the licence file was made for another device", "run `coditect activate KEY` on this one")
    found = OfflineLicense(
        license["license_id"], license["tier"], license["status"], seconds(license["issued_at"]),
        seconds(license["expires_at"]) if license.get("expires_at") else None, seconds(license["offline_until"]),
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


def check_clock(now: float, seen: float) -> None:
    """A clock that stands more than five minutes before a moment at which the device was known to be, was set back."""
    if now + TOLERANCE < seen:
        raise LicenseError(
            "clock_set_back", f"the clock of this device was set back: it was {moment(seen)} already",
            "set the clock, or connect to the server once")


def verify_document(signed: Any, kind: str, public_keys: bytes) -> Dict[str, Any]:
    """The members of a signed document of that kind, if one of the keys signed it."""
    try:
        document, mark = signed["document"], signed["signature"]
        body = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (ValueError, KeyError, TypeError):
        raise LicenseError("file_damaged", "the file is damaged", "fetch it again") from None
    if not isinstance(document, dict) or not _signed(f"coditect:{kind}\0{body}".encode(), [mark], public_keys):
        raise LicenseError("file_not_authentic", "the file is not signed by the server's key", "fetch it again")
    if document.get("kind") != kind:
        raise LicenseError("file_not_authentic", "the file is something else", "fetch it again")
    return document


def open_encrypted(encrypted: Any, canonical_key: str, hardware_id: str) -> bytes:
    """The signed file inside, for `verify`."""
    try:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF
    except ImportError:
        raise LicenseError("cryptography_missing", "the licence file cannot be opened", "install coditect-client[offline]") from None
    kind = b"coditect:encrypted-license-file.v1\0"
    try:
        salt, box = bytes.fromhex(encrypted["salt"]), bytes.fromhex(encrypted["box"])
        if (encrypted["kind"], encrypted["cipher"], encrypted["key_derivation"]) != (
            "encrypted-license-file.v1", "AES-256-GCM", "HKDF-SHA256") or len(salt) != 32:
            raise ValueError("encrypted in another way")
        key = HKDF(SHA256(), 32, salt, kind + hardware_id.encode()).derive(canonical_key.encode())
        return AESGCM(key).decrypt(box[:12], box[12:], kind + salt)
    except InvalidTag:
        raise LicenseError(
            "other_device", "the licence file does not open here: it was made for another device, or was changed",
            "run `coditect activate KEY` on this one") from None
    except (ValueError, KeyError, TypeError):
        raise LicenseError("file_damaged", "the licence file is damaged", "run `coditect activate KEY` again") from None
