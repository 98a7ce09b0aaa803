"""Activation of this device: `license.json`, shared with `coditect` and the clients in other languages."""

from __future__ import annotations

import json
import platform as machine_platform
from typing import Any, Dict, Optional

from .device import Device, canonical_key, may_be_one
from .errors import CHECK_ADDRESS, LicenseError, refusal
from .offline import OfflineLicense, check_clock, open_encrypted, seconds, verify
from .platform import Platform
from .state import Folder

FILE = "license.json"


class Activation:
    def __init__(self, platform: Platform, folder: Folder, device: Device, public_keys: Optional[bytes] = None, encrypt: bool = False):
        self.platform, self.folder, self.device, self.public_keys, self.encrypt = platform, folder, device, public_keys, encrypt

    def activate(self, key: str, now: float) -> OfflineLicense:
        """Binds the licence to this device and keeps its signed file."""
        canonical = canonical_key(key)
        # What cannot be kept must not take a device's place.
        self.folder.probe()
        answer = self._bind(key, canonical, self.encrypt)
        held = self._held(key, canonical, answer, self.platform.get("/.well-known/coditect/license-keys.json").body)
        found = self._check(held, now)
        with self.folder.locked("license"):
            self.folder.write(FILE, held)
        return found

    def deactivate(self) -> None:
        """Frees the device's place and forgets the licence."""
        held = self.held()
        answer = self.platform.post("/api/v1/licenses/deactivate", self._body(held["key"], canonical_key(held["key"]), False))
        code = answer.body.get("error") if isinstance(answer.body, dict) else None
        if not answer.ok and code not in ("not_activated", "license_key_unknown"):
            raise refusal(answer.status, answer.body, self.platform.name)
        with self.folder.locked("license"):
            self.folder.remove(FILE)

    def held(self) -> Dict[str, Any]:
        held = self.folder.read(FILE)
        if held is None and (self.folder.path / FILE).exists():
            raise LicenseError("file_damaged", f"{self.folder.path / FILE} is damaged", "run `coditect activate KEY` again")
        if not held:
            raise LicenseError("not_activated", "this device is not activated", "run `coditect activate KEY`")
        if held.get("server") != self.platform.name:
            raise LicenseError(
                "not_activated", f"this device is activated on {held.get('server')}, not on {self.platform.name}", "run `coditect activate KEY`")
        return held

    def ours(self) -> bool:
        """Whether the activation in the folder is of this server and device."""
        held = self.folder.read(FILE) or {}
        return held.get("server") == self.platform.name and (held.get("hardware_id") or self.device.id) == self.device.id

    def judge(self, now: float) -> OfflineLicense:
        """The file, if it holds now; remembers that this device was at this moment."""
        held = self.held()
        found = self._check(held, now)
        if now - float(held.get("latest_seen", 0)) >= 240:
            with self.folder.locked("license"):
                newest = self.folder.read(FILE)
                if newest and newest.get("key") == held.get("key"):
                    newest["latest_seen"] = int(max(float(newest.get("latest_seen", 0)), now))
                    self.folder.write(FILE, newest)
        return found

    def refresh(self, now: float) -> None:
        """While the server answers, the grace is counted from about now."""
        held = self.held()
        issued = json.loads(self._plain(held))["license"]["issued_at"]
        if now - seconds(issued) < 3600:
            return
        canonical = canonical_key(held["key"])
        encrypt = self.encrypt or bool(held.get("encrypted_file"))
        answer = self.platform.post("/api/v1/licenses/validate", self._body(held["key"], canonical, encrypt))
        if not answer.ok or not (answer.body.get("file") or answer.body.get("encrypted_file")):
            return
        keys = self.platform.get("/.well-known/coditect/license-keys.json")
        fresh = self._held(
            held["key"], canonical, {**answer.body, "license": {"id": held["license_id"]}},
            keys.body if keys.ok else held["public_keys"])
        with self.folder.locked("license"):
            newest = self.folder.read(FILE)
            if newest and newest.get("key") == held["key"]:
                self.folder.write(FILE, fresh)
        # The server knows the device by what it once was; told each change, it goes on knowing it.
        if (held.get("hardware_id") or self.device.id) != self.device.id or held.get("hardware") != fresh.get("hardware"):
            self._bind(held["key"], canonical, encrypt)

    # Steps

    def _bind(self, key: str, canonical: str, encrypt: bool) -> Dict[str, Any]:
        body = {**self._body(key, canonical, encrypt), "machine_name": machine_platform.node()[:128]}
        answer = self.platform.post("/api/v1/licenses/activate", body)
        if not answer.ok:
            raise refusal(answer.status, answer.body, self.platform.name)
        if not isinstance(answer.body, dict) or not isinstance(answer.body.get("license"), dict):
            raise LicenseError("bad_answer", f"the answer of {self.platform.name} has no licence file", CHECK_ADDRESS)
        return answer.body

    def _body(self, key: str, canonical: str, encrypt: bool) -> Dict[str, Any]:
        body: Dict[str, Any] = {"license_key": key, "hardware_id": self.device.id}
        hardware = self.device.components(canonical)
        if hardware:
            body["hardware"] = hardware
        if encrypt:
            body["encrypt"] = True
        return body

    def _held(self, key: str, canonical: str, answer: Dict[str, Any], keys: Any) -> Dict[str, Any]:
        encrypted = answer.get("encrypted_file")
        if not encrypted and not answer.get("file"):
            raise LicenseError("bad_answer", f"the answer of {self.platform.name} has no licence file", CHECK_ADDRESS)
        held: Dict[str, Any] = {
            "server": self.platform.name, "key": key, "license_id": answer["license"]["id"], "public_keys": keys,
            "file": None if encrypted else answer["file"], "hardware": self.device.components(canonical) or None,
        }
        if encrypted:
            held["encrypted_file"] = encrypted
        # Beside an encrypted file nothing in the folder is to open it: the machine tells its id itself.
        if not encrypted or self.device.named:
            held["hardware_id"] = self.device.id
        held["latest_seen"] = int(seconds(json.loads(self._plain(held))["license"]["issued_at"]))
        return {name: value for name, value in held.items() if value is not None or name == "file"}

    def _plain(self, held: Dict[str, Any]) -> bytes:
        if held.get("encrypted_file"):
            return open_encrypted(held["encrypted_file"], canonical_key(held["key"]), self.device.id)
        return json.dumps(held["file"]).encode()

    def _check(self, held: Dict[str, Any], now: float) -> OfflineLicense:
        keys = self.public_keys or json.dumps(held["public_keys"]).encode()
        found = verify(self._plain(held), keys, self.device.id, now)
        # An id can be cloned with its disk.
        if not self.device.named and not may_be_one(held.get("hardware") or {}, self.device.components(canonical_key(held["key"]))):
            raise LicenseError("other_device", "the licence file was made for another device", "run `coditect activate KEY` on this one")
        check_clock(now, float(held.get("latest_seen", 0)))
        return found
