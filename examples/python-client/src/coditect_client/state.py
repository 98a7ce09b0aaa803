"""Files that clients share, in whatever language: docs/explanation/clients.md tells their formats."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import secrets
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

from .errors import LicenseError
from .machine import Lease


def monotonic() -> float:
    """Goes on while the machine sleeps, and is the same in all its processes."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def standard_folder() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(base) if base.startswith("/") else Path(os.environ.get("HOME") or Path.home()) / ".config") / "coditect"


class Folder:
    """Files that only their owner reads, each replaced as a whole, under locks that end with their process."""

    def __init__(self, path: Path):
        self.path = path

    def inner(self, name: str) -> "Folder":
        return Folder(self.path / name)

    def prepare(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise _fault("use", self.path, error) from None

    def read(self, name: str) -> Optional[Dict[str, Any]]:
        try:
            found = json.loads((self.path / name).read_bytes())
            return found if isinstance(found, dict) else None
        except (OSError, ValueError):
            return None

    def write(self, name: str, value: Dict[str, Any]) -> None:
        self.prepare()
        target = self.path / name
        draft = self.path / f"{name}.{os.getpid()}.{secrets.randbelow(1 << 32)}"
        try:
            file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(file, "wb") as out:
                out.write(json.dumps(value, indent=2, sort_keys=True).encode())
                out.flush()
                os.fsync(out.fileno())
            os.rename(draft, target)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise _fault("write", target, error) from None

    def probe(self) -> None:
        """Raises where a file of the usual size could not be written: before anything is asked for that is to be kept."""
        name = f"probe-{os.getpid()}-{secrets.randbelow(1 << 32)}"
        self.write(name, {"room": "0" * 16_384})
        self.remove(name)

    def remove(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)

    @contextmanager
    def locked(self, name: str, patience: float = 20.0) -> Iterator[None]:
        """A process that was stopped while it held the lock holds others up for `patience` at most."""
        self.prepare()
        path = self.path / f"{name}.lock"
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise _fault("lock", path, error) from None
        try:
            start = monotonic()
            while not _lock(file):
                if monotonic() - start > patience:
                    raise LicenseError(
                        "device_busy", f"another process of this device holds {path} and does not go on", "end or continue that process")
                time.sleep(0.02)
            yield
        finally:
            os.close(file)


def _fault(verb: str, path: Path, error: OSError) -> LicenseError:
    return LicenseError("storage", f"cannot {verb} {path}: {error.strerror}", "make room and the folder writable, or set XDG_CONFIG_HOME")


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EINTR):
            return False
        raise


class Holders:
    """The processes of one user on this device that hold one lease together, each by a file that it keeps locked."""

    def __init__(self, folder: Folder):
        self.folder = folder
        self._own: Optional[Tuple[str, int]] = None

    @staticmethod
    def name(server: str, hardware: str, license: Optional[str]) -> str:
        return "seats/" + hashlib.sha256(f"{server}\n{hardware}\n{license or ''}".encode()).hexdigest()[:24]

    @staticmethod
    def users(session: str, folder: Folder) -> int:
        """How many live holders of this device use that lease, whatever they asked for."""
        places = [Folder(path) for path in (folder.path / "seats").glob("*")]
        return sum(Holders(place).others() for place in places if (place.read("lease.json") or {}).get("session_id") == session)

    @staticmethod
    def boot() -> str:
        try:
            return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            return ""

    def enter(self) -> None:
        """To be called under the lock `lease`, as `others`."""
        if self._own:
            return
        self.folder.prepare()
        name = f"holder-{os.getpid()}-{secrets.randbelow(1 << 32)}"
        try:
            file = os.open(self.folder.path / name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            _lock(file)
        except OSError as error:
            raise _fault("lock", self.folder.path / name, error) from None
        self._own = (name, file)

    def leave(self) -> None:
        if self._own:
            (name, file), self._own = self._own, None
            self.folder.remove(name)
            os.close(file)

    def others(self) -> int:
        """How many holders live but this one; removes what the dead left."""
        living: List[str] = []
        for path in self.folder.path.glob("holder-*"):
            if self._own and path.name == self._own[0]:
                continue
            try:
                file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            except OSError:
                continue
            try:
                if _lock(file):
                    path.unlink(missing_ok=True)
                else:
                    living.append(path.name)
            finally:
                os.close(file)
        return len(living)

    def shared(self) -> Optional[Tuple[Lease, float]]:
        """The lease that a process of this device renewed last, and when."""
        found = self.folder.read("lease.json")
        if not found or found.get("boot") != self.boot():
            return None
        try:
            lease = Lease(
                found["session_id"], found["license_id"], int(found["epoch"]), found["end_ms"] / 1000, float(found["interval_seconds"]),
                int(found["seats_used"]), int(found["seats_total"]))
            return lease, found["renewed_ms"] / 1000
        except (KeyError, TypeError, ValueError):
            return None

    def share(self, lease: Lease, now: float) -> None:
        self.folder.write(
            "lease.json",
            {
                "session_id": lease.session, "license_id": lease.license, "epoch": lease.epoch, "interval_seconds": int(lease.interval),
                "seats_used": lease.used, "seats_total": lease.total, "boot": self.boot(), "end_ms": int(lease.end * 1000),
                "renewed_ms": int(now * 1000),
            })
