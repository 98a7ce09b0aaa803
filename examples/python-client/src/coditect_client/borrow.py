"""A seat that leaves the network: to its end and no longer, on this device alone."""

from __future__ import annotations

import hashlib
import json
import uuid
from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional

from .device import Device, may_be_one
from .errors import CHECK_ADDRESS, LicenseError, lease_refusal, refusal
from .machine import Lease
from .offline import TOLERANCE, check_clock, moment, seconds, verify_document
from .platform import Answer, Caller
from .state import Folder, Holders

KIND = "borrowed-seat.v1"
AGAIN = "run `coditect borrow` again"


@dataclass(frozen=True)
class Borrowing:
    license: str
    session: str
    # Seconds since 1970.
    until: float


class Borrower:
    """One file for each server and device in `borrowed/`, shared with `coditect`."""

    def __init__(self, caller: Caller, folder: Folder, device: Device, public_keys: Optional[bytes] = None):
        self._caller, self._all, self._device, self._keys = caller, folder, device, public_keys
        self._folder = folder.inner("borrowed")
        self._name = hashlib.sha256(f"{caller.platform.name}\n{device.id}".encode()).hexdigest()[:24] + ".json"

    def judge(self, now: float, license: Optional[str] = None) -> Optional[Borrowing]:
        """The seat that this device borrowed, if it holds now; None: it borrowed none, or one of another licence."""
        held = self._folder.read(self._name)
        if held is None:
            if (self._folder.path / self._name).exists():
                raise LicenseError("file_damaged", f"{self._folder.path / self._name} is damaged", AGAIN)
            return None
        if license is not None and held.get("license_id") != license:
            return None
        found = self._check(held, now)
        if now - float(held.get("latest_seen", 0)) >= 240:
            self._remember(lambda newest: max(float(newest.get("latest_seen", 0)), now))
        return found

    def holds(self, session: str, now: float) -> bool:
        """Whether giving this lease back would take a seat home that is lent."""
        held = self._folder.read(self._name)
        if not held or held.get("session_id") != session:
            return False
        try:
            self._check(held, now)
        except LicenseError as error:
            return error.code != "borrow_ended"  # what is wrong with the file or the clock does not end what was lent
        return True

    def contacted(self, date: Optional[float]) -> None:
        """The server's time is believed over what this device saw of its own clock."""
        held = self._folder.read(self._name)
        if date is not None and held and float(held.get("latest_seen", 0)) > date + TOLERANCE:
            self._remember(lambda _: date or 0.0)

    def borrow(
        self, hours: int, license: Optional[str], holders: Holders, take: Callable[[Callable[..., Answer]], Lease], now: float
    ) -> Borrowing:
        """Takes a seat, or the one that this device holds, and has it lent."""
        if not 1 <= hours <= 168:
            raise LicenseError("borrow_too_long", "a seat is borrowed for 1 to 168 hours", "ask for as many")
        self._folder.probe()
        held = self._folder.read(self._name) or {}
        if license and held.get("license_id") not in (None, license):
            try:
                other = self._check(held, now)
            except LicenseError:
                other = None
            if other:
                raise LicenseError(
                    "device_busy", f"this device has borrowed a seat of another licence until {moment(other.until)}",
                    "run `coditect return` first")
        with holders.folder.locked("lease", 10.0):
            lease = take(self._twice)
            new = held.get("session_id") != lease.session and holders.others() == 0
            try:
                return self._lend(lease.session, hours, now)
            except LicenseError:
                if new:  # what was taken for this alone goes back at once
                    try:
                        self._twice("/api/v1/licenses/release", {"session_id": lease.session})
                    except LicenseError:
                        pass
                raise

    def give_back(self, now: float) -> None:
        """Brings the seat home before its end."""
        held = self._folder.read(self._name)
        server = self._caller.platform.name
        if not held:
            raise LicenseError("not_borrowed", f"this device has borrowed no seat of {server}", "run `coditect borrow --hours N`")
        if self.holds(held["session_id"], now):
            users = Holders.users(held["session_id"], self._all)
            if users:
                raise LicenseError(
                    "device_busy", f"the borrowed seat is in use by {users} {'process' if users == 1 else 'processes'} of this device",
                    "end them, then run `coditect return`")
        try:
            answer = self._twice("/api/v1/licenses/release", {"session_id": held["session_id"]})
        except LicenseError as error:
            if error.code != "unreachable":
                raise
            raise LicenseError(
                "unreachable", error.message, "return it when the server can be reached; at its end it comes home by itself") from None
        if not answer.ok and answer.status != 404:
            raise refusal(answer.status, answer.body, server)
        with self._folder.locked("borrow"):
            self._folder.remove(self._name)

    # Steps

    def _lend(self, session: str, hours: int, now: float) -> Borrowing:
        platform = self._caller.platform
        answer = self._twice("/api/v1/licenses/borrow", {"session_id": session, "hardware_id": self._device.id, "hours": hours})
        if not answer.ok:
            raise lease_refusal(answer.status, answer.body, platform.name)
        keys = platform.get("/.well-known/coditect/license-keys.json").body
        try:
            held: Dict[str, Any] = {
                "server": platform.name, "license_id": answer.body["license_id"], "session_id": session, "file": answer.body["file"],
                "public_keys": keys, "latest_seen": int(seconds(answer.body["file"]["document"]["issued_at"])),
            }
        except (KeyError, TypeError):
            raise LicenseError("bad_answer", f"the answer of {platform.name} is no borrowed seat", CHECK_ADDRESS) from None
        if self._device.named:
            held["device"] = self._device.id
        elif self._device.components(session):
            held["hardware"] = self._device.components(session)
        found = self._check(held, now)
        with self._folder.locked("borrow"):
            self._folder.write(self._name, held)
        return found

    def _check(self, held: Dict[str, Any], now: float) -> Borrowing:
        keys = self._keys or json.dumps(held.get("public_keys")).encode()
        try:
            document = verify_document(held["file"], KIND, keys)
            issued, end = seconds(document["issued_at"]), seconds(document["expires_at"])
            license, session, hardware = document["license_id"], document["session_id"], document["hardware_id_sha256"]
        except (KeyError, TypeError, LicenseError) as error:
            if isinstance(error, LicenseError) and error.code == "cryptography_missing":
                raise
            if isinstance(error, LicenseError) and error.code == "file_not_authentic":
                raise LicenseError("file_not_authentic", "the file of the borrowed seat is not signed by the server's key", AGAIN) from None
            raise LicenseError("file_damaged", "the file of the borrowed seat is damaged", AGAIN) from None
        other = LicenseError(
            "other_device", "the seat was borrowed by another device", "run `coditect borrow` on this one, or connect to the server")
        if hardware != hashlib.sha256(self._device.id.encode()).hexdigest():
            raise other
        if now + TOLERANCE < issued:
            raise LicenseError(
                "clock_behind", f"the clock of this device stands before {moment(issued)}, when the seat was borrowed", "set the clock")
        if now >= end:
            raise LicenseError("borrow_ended", f"the borrowed seat ended on {moment(end)}", "connect to the server, or borrow again")
        if not self._device.named and not may_be_one(held.get("hardware") or {}, self._device.components(held["session_id"])):
            raise other
        check_clock(now, float(held.get("latest_seen", 0)))
        return Borrowing(license, session, end)

    def _remember(self, change: Callable[[Dict[str, Any]], float]) -> None:
        try:
            with self._folder.locked("borrow", 2.0):
                newest = self._folder.read(self._name)
                if newest:
                    newest["latest_seen"] = int(change(newest))
                    self._folder.write(self._name, newest)
        except LicenseError:
            pass

    def _twice(self, path: str, body: Dict[str, Any]) -> Answer:
        """The same request once more where the answer may have been lost."""
        key = None if path.endswith("/release") else str(uuid.uuid4())
        try:
            return self._caller.post(path, body, key)
        except LicenseError as error:
            if error.code != "unreachable":
                raise
            return self._caller.post(path, body, key)
