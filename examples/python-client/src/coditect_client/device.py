"""What identifies this device to the platform: an id, and what the device is made of, by which it is known again when its id changed."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Mapping, Optional

from .errors import LicenseError
from .state import Folder

SIGNS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_FILLERS = {
    "none", "unknown", "default string", "to be filled by o.e.m.", "to be filled by oem", "not specified", "not applicable",
    "not available", "system serial number", "base board serial number", "n/a", "na", "invalid", "empty", "0123456789",
}


def canonical_key(text: str) -> str:
    """The one form of a licence key; a typing error is found without asking anybody."""
    separators = " \t\n\r\u00a0-_\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
    signs = "".join(sign for sign in text if sign not in separators).upper().translate(str.maketrans("OILU", "011V"))
    good = len(text.encode()) <= 160 and 8 <= len(signs) <= 64 and all(sign in SIGNS for sign in signs)
    total = sum((2 * place + 1) * SIGNS.index(sign) for place, sign in enumerate(reversed(signs[:-1]))) if good else -1
    if not good or SIGNS[total % 32] != signs[-1]:
        raise LicenseError(
            "license_key_malformed", "this is not a licence key: a sign is wrong, missing or swapped", "compare it with your licence page")
    return signs


def is_filler(value: str) -> bool:
    """What makers write where they have nothing to say: it would make strangers one device."""
    return value.lower() in _FILLERS or len({sign for sign in value.lower() if sign.isalnum()}) <= 1


class Machine:
    """This machine as its own files tell it. What is read here never leaves it but as keyed digests."""

    def __init__(self, root: Path = Path("/")):
        self.root = root

    @property
    def id(self) -> Optional[str]:
        found = (self._text(path) for path in ("etc/machine-id", "var/lib/dbus/machine-id"))
        return next((text for text in found if text and len(text) >= 16), None)

    @property
    def parts(self) -> Dict[str, str]:
        parts: Dict[str, str] = {}
        seen = set()
        for name, value in (("machine", self.id), ("mac", self._mac()), ("board", self._board()), ("disk", self._disk()), ("cpu", self._cpu())):
            if value and not is_filler(value) and value.lower() not in seen:
                seen.add(value.lower())
                parts[name] = value
        return parts

    def _mac(self) -> Optional[str]:
        """The lowest permanent address of the cards that are built in."""
        found: List[str] = []
        for name in self._names("sys/class/net"):
            address = (self._text(f"sys/class/net/{name}/address") or "").lower()
            built_in = self._built_in(f"sys/class/net/{name}/device") and self._text(f"sys/class/net/{name}/addr_assign_type") == "0"
            if built_in and len(address) == 17 and not is_filler(address):
                found.append(address)
        return min(found, default=None)

    def _board(self) -> Optional[str]:
        paths = [f"sys/class/dmi/id/{name}" for name in ("product_uuid", "board_serial", "product_serial")]
        found = (self._text(path) for path in [*paths, "proc/device-tree/serial-number"])
        return next((text for text in found if text and not is_filler(text)), None)

    def _disk(self) -> Optional[str]:
        for name in self._names("sys/block"):
            if not self._built_in(f"sys/block/{name}/device") or self._text(f"sys/block/{name}/removable") == "1":
                continue
            for place in ("serial", "device/serial", "device/cid", "wwid", "device/wwid"):
                text = self._text(f"sys/block/{name}/{place}")
                if text and not is_filler(text):
                    return text
        return None

    def _cpu(self) -> Optional[str]:
        found: Dict[str, str] = {}
        for line in (self._text("proc/cpuinfo", 65_536) or "").split("\n"):
            name, colon, value = line.partition(":")
            if colon:
                found.setdefault(name.strip(), value.strip())
        if found.get("model name"):
            return found["model name"]
        arm = [found[name] for name in ("CPU implementer", "CPU variant", "CPU part") if name in found]
        return "/".join(arm) if len(arm) == 3 else None

    def _text(self, path: str, most: int = 512) -> Optional[str]:
        try:
            with open(self.root / path, "rb") as file:
                return file.read(most).decode(errors="replace").strip().strip("\0").strip() or None
        except OSError:
            return None

    def _names(self, path: str) -> List[str]:
        try:
            return sorted(entry.name for entry in (self.root / path).iterdir())
        except OSError:
            return []

    def _built_in(self, path: str) -> bool:
        link = self.root / path
        return link.exists() and "/usb" not in str(link.resolve())


def may_be_one(known: Mapping[str, str], told: Mapping[str, str]) -> bool:
    """Whether two lists may be of one machine: more than half of them are equal, or there is too little to tell."""
    if len(known) < 2 or len(told) < 2:
        return True
    return 2 * sum(1 for name, value in known.items() if told.get(name) == value) > max(len(known), len(told))


@dataclass(frozen=True)
class Device:
    id: str
    # The user named it: then its name alone counts, on whatever machine.
    named: bool
    parts: Mapping[str, str]

    def components(self, secret: str) -> Dict[str, str]:
        """What the platform and the folder are told of the parts: keyed digests, other ones under another secret."""
        if len(self.parts) < 2:
            return {}
        return {
            name: hmac.new(secret.encode(), f"coditect.hardware.v1\0{name}\0{value}".encode(), hashlib.sha256).hexdigest()
            for name, value in sorted(self.parts.items())[:8]
        }

    @staticmethod
    def find(name: Optional[str], folder: Folder, machine: Machine, hardware: Optional[Mapping[str, str]] = None) -> "Device":
        """The name given, else a hash of the machine's id, else a random id that is kept."""
        if name is not None:
            if not 1 <= len(name.encode()) <= 128 or any(ord(sign) <= 32 or ord(sign) == 127 for sign in name):
                raise LicenseError("bad_address", "a device's name has 1 to 128 signs and no spaces", "give another name, or none")
            return Device(name, True, {})
        parts = machine.parts if hardware is None else dict(hardware)
        text = machine.id
        if text:
            return Device("machine-" + hashlib.sha256(f"coditect.device.v1:{text}".encode()).hexdigest(), False, parts)
        with folder.locked("device"):
            kept = folder.read("device.json") or {}
            if isinstance(kept.get("id"), str):
                device = Device(kept["id"], False, parts)
                known = kept.get("hardware")
                if may_be_one(known if isinstance(known, dict) else {}, device.components(device.id)):
                    return device
            device = Device("device-" + secrets.token_hex(32), False, parts)
            folder.write("device.json", {"id": device.id, "hardware": device.components(device.id)})
            return device
