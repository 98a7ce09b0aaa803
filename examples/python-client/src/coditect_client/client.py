"""Takes seats and keeps them: carries out what the machine decides."""

from __future__ import annotations

import atexit
import platform as machine_platform
import random
import signal
import socket
import sys
import threading
import time
import uuid
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Callable, Dict, List, Mapping, Optional, Type, Union

from .activation import FILE, Activation
from .borrow import Borrower, Borrowing
from .device import Device, Machine
from .errors import CHECK_ADDRESS, SILENCE, LicenseError, lease_refusal, refusal
from .machine import Action, Event, Lease, Notice, SeatMachine
from .offline import OfflineLicense, moment
from .platform import Answer, Caller, Platform, Transport, system_transport
from .state import Folder, Holders, monotonic, standard_folder


class Client:
    """Takes floating seats for an application.

    `token`: an access token, or what answers one; else whoever ran `coditect login`. `license`: only seats of this licence.
    `device`: a name instead of the hardware id. `log`: told what happens, one notice at a time. `release_at_exit`: seats are given
    back when the process ends, and on SIGTERM and SIGHUP where the application has no handler of its own. `hardware`: what this
    device is made of, by name, instead of what is read; only keyed digests of it leave the device. `encrypt`: the licence file is kept
    encrypted. `public_keys`: PEM or the published document, built into the application; files of other signers are not believed.
    """

    def __init__(
        self, server: str, application: str, version: str = "1", *, token: Union[str, Callable[[], str], None] = None,
        license: Optional[str] = None, device: Optional[str] = None, folder: Optional[Path] = None,
        log: Callable[[Notice], None] = lambda notice: None, release_at_exit: bool = True, transport: Transport = system_transport,
        hardware: Optional[Mapping[str, str]] = None, encrypt: bool = False, public_keys: Optional[bytes] = None, machine: Machine = Machine(),
    ):
        self.platform = Platform(server, transport, f"{application}/{version}")
        self.folder = Folder(folder or standard_folder())
        self.device = Device.find(device, self.folder, machine, hardware)
        self.hardware_id = self.device.id
        given = token
        self._token: Optional[Callable[[], str]] = (lambda: given) if isinstance(given, str) else given
        self.activation = Activation(self.platform, self.folder, self.device, public_keys, encrypt)
        self._caller = Caller(self.platform, self.folder, self._token)
        self.borrower = Borrower(self._caller, self.folder, self.device, public_keys)
        self._application, self._license, self._log, self._at_exit = f"{application} {version}"[:64], license, log, release_at_exit

    def acquire(self, wait: float = 0.0) -> "Seat":
        """Takes a seat, waiting for a free one for `wait` seconds, or goes on under the signed file of this device."""
        seat = self._seat(wait)
        seat._drive(Event("start"))
        while seat._machine.state not in ("held", "offline", "ended"):
            pause = (seat._wake or 0.0) - monotonic()
            if pause > 0:
                time.sleep(min(pause, 10.0))
            if seat._wake is not None and seat._wake <= monotonic():
                seat._drive(Event("due"))
        if seat._machine.state == "ended":
            assert seat._machine.error is not None
            raise seat._machine.error
        seat._start()
        if self._at_exit:
            _ExitRelease.add(seat)
        return seat

    def offline_license(self) -> OfflineLicense:
        """The signed file of this device, if it holds now. Asks nobody."""
        return self.activation.judge(time.time())

    def activate(self, key: str) -> OfflineLicense:
        """Binds a licence to this device and keeps its signed file, for use without the network."""
        return self.activation.activate(key, time.time())

    def deactivate(self) -> None:
        """Takes the licence off this device."""
        self.activation.deactivate()

    def borrow(self, hours: int) -> Borrowing:
        """Borrows a seat for use without the network, for 1 to 168 hours: the one that this device holds, if it holds one."""
        license = self._license_id()

        def take(post: Callable[..., Answer]) -> Lease:
            asked = monotonic()
            answer = post("/api/v1/licenses/acquire", self._body(license))
            if not answer.ok or answer.status == 202:
                raise _refusal(answer, license, self.platform.name)
            return _lease(answer, asked, self.platform.name)

        return self.borrower.borrow(hours, license, self._holders(license), take, time.time())

    def return_borrowed(self) -> None:
        """Brings the borrowed seat home before its end. A device may do so once until the first file is over."""
        self.borrower.give_back(time.time())

    def borrowed(self) -> Optional[Borrowing]:
        """The seat that this device borrowed, if it holds now. Asks nobody."""
        return self.borrower.judge(time.time())

    def _license_id(self) -> Optional[str]:
        held = self.folder.read(FILE) or {}
        return self._license or (held.get("license_id") if held.get("server") == self.platform.name else None)

    def _holders(self, license: Optional[str]) -> Holders:
        return Holders(self.folder.inner(Holders.name(self.platform.name, self.hardware_id, license)))

    def _body(self, license: Optional[str]) -> Dict[str, Any]:
        body: Dict[str, Any] = {
            "hardware_id": self.hardware_id, "hostname": socket.gethostname()[:255], "os": machine_platform.system().lower()[:64] or "other",
            "version": self._application,
        }
        if license:
            body["license_id"] = license
        return body

    def _seat(self, wait: float = 0.0) -> "Seat":
        license = self._license_id()
        body = self._body(license)
        if wait > 0:  # a place in the queue, so that nobody who asks later is served earlier
            body["wait"] = True
        machine = SeatMachine(monotonic() + wait if wait > 0 else None)
        try:
            if self.borrower.judge(time.time(), license):  # nobody waits for a server in the air
                machine.first_attempts, machine.first_patience = 1, 3.0
        except LicenseError:
            pass
        return Seat(self._caller, self.activation, self.borrower, body, self._holders(license), self._log, machine)


class Seat:
    """A seat that is kept until it is released. Leaving a `with` releases it."""

    def __init__(
        self, caller: Caller, activation: Activation, borrower: Borrower, body: Dict[str, Any], holders: Holders,
        tell: Callable[[Notice], None], machine: SeatMachine,
    ):
        self._caller, self._activation, self._borrower, self._body, self._holders = caller, activation, borrower, body, holders
        self._tell = tell
        self._machine = machine
        # Entered again by a handler of signals, which may come while the machine thinks.
        self._lock = threading.RLock()
        self._wake: Optional[float] = None
        self._key = ""
        self._signal = threading.Event()
        self._owed: Optional[Lease] = None
        self._file_asked = 0.0

    @property
    def state(self) -> str:
        """held, unsure (the server does not answer at the moment), offline (the signed file stands in), lost, released."""
        machine = self._machine
        if machine.state == "judging":
            return "lost" if machine.was_lost else "unsure"
        return {"asking": "unsure", "new": "unsure", "waiting": "unsure", "ended": "lost"}.get(machine.state, machine.state)

    @property
    def usable(self) -> bool:
        """Whether the application may go on."""
        return self.state in ("held", "unsure", "offline")

    @property
    def error(self) -> Optional[LicenseError]:
        """Why the seat is lost."""
        return self._machine.error if self.state == "lost" else None

    @property
    def session_id(self) -> Optional[str]:
        return self._machine.lease.session if self._machine.lease and self.state in ("held", "unsure") else None

    def release(self) -> None:
        """Gives the seat back, if no other process of this device holds it too. Harmless to repeat."""
        self._drive(Event("release"))
        if self._owed:  # a release that a signal broke off
            self._give_back(self._owed)
        self._holders.leave()  # where there was nothing to give back
        self._signal.set()
        _ExitRelease.remove(self)

    def __enter__(self) -> "Seat":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], value: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.release()

    # Carrying out

    def _start(self) -> None:
        threading.Thread(target=self._keep, name="seat", daemon=True).start()

    def _keep(self) -> None:
        while self._machine.state != "released":
            # In slices, because a wait's time stands still while the machine sleeps.
            pause = min(max((self._wake if self._wake is not None else monotonic() + 3600) - monotonic(), 0.0), 10.0)
            if pause > 0:
                self._signal.wait(pause)
            if self._wake is not None and self._wake <= monotonic():
                self._drive(Event("due"))
            self._refresh_file()

    def _drive(self, first: Event) -> None:
        events = [first]
        while events:
            event = events.pop(0)
            with self._lock:
                self._wake = None
                actions = self._machine.handle(event, monotonic(), random.random())
            for action in actions:
                following = self._perform(action)
                if following:
                    events.append(following)

    def _perform(self, action: Action) -> Optional[Event]:
        kind = action[0]
        if kind == "acquire":
            if not action[1]:
                self._key = str(uuid.uuid4())
            return self._outcome(lambda: self._acquire(action[2]))
        if kind == "beat":
            return self._outcome(lambda: self._beat(action[1], action[2]))
        if kind == "judge":
            return self._judge(time.time())
        if kind == "give_back":
            self._give_back(action[1])
        elif kind == "wake":
            self._wake = action[1]
        elif kind == "tell":
            self._tell(action[1])
        return None

    def _judge(self, now: float) -> Event:
        """A seat that this device borrowed goes before the file of its activation."""
        fault: Optional[LicenseError] = None
        try:
            seat = self._borrower.judge(now, self._body.get("license_id"))
            if seat:
                return Event("file_holds", until=moment(seat.until), left=seat.until - now, borrowed=True)
        except LicenseError as error:
            fault = error
        try:
            return Event("file_holds", until=moment(self._activation.judge(now).offline_until))
        except LicenseError as error:
            return Event("file_refused", error=fault if fault and error.code == "not_activated" else error)

    @staticmethod
    def _outcome(body: Callable[[], Event]) -> Event:
        try:
            return body()
        except LicenseError as error:
            return Event("unanswered" if error.code in SILENCE else "refused", error=error)

    def _acquire(self, patience: float) -> Event:
        with self._holders.folder.locked("lease", 10.0):
            asked = monotonic()
            answer = self._caller.post("/api/v1/licenses/acquire", self._body, self._key, patience)
            if not answer.ok or answer.status == 202:
                raise _refusal(answer, self._body.get("license_id"), self._caller.platform.name)
            lease = _lease(answer, asked, self._caller.platform.name)
            self._borrower.contacted(answer.date)
            if lease.end > monotonic():
                try:
                    self._holders.enter()
                except LicenseError:  # who cannot be counted as a holder holds none
                    if self._holders.others() == 0:
                        try:
                            self._caller.post("/api/v1/licenses/release", {"session_id": lease.session}, None, 5.0)
                        except LicenseError:
                            pass
                    raise
                try:
                    self._holders.share(lease, monotonic())
                except LicenseError:  # on a full disk each process sends heartbeats of its own, and none believes what stood there before
                    self._holders.folder.remove("lease.json")
            return Event("granted", lease)

    def _beat(self, lease: Lease, patience: float) -> Event:
        now = monotonic()
        found = self._holders.shared()
        # Another process of this device sends heartbeats for all, or had to take a new lease.
        if found and found[0].end > now + found[0].interval / 10:
            fresh = now - found[1] < found[0].interval / 2 and found[0].end > lease.end
            if found[0].session != lease.session or fresh:
                return Event("adopted", found[0])
        answer = self._caller.post("/api/v1/licenses/heartbeat", {"session_id": lease.session}, None, patience)
        if not answer.ok:
            raise lease_refusal(answer.status, answer.body, self._caller.platform.name)
        body = answer.body if isinstance(answer.body, dict) else {}
        end, epoch = now + min(max(body.get("expires_in", lease.interval), 1), 86_400), body.get("epoch", lease.epoch)
        if self._machine.state != "released":
            renewed = Lease(lease.session, lease.license, epoch, end, lease.interval, lease.used, lease.total)
            try:
                with self._holders.folder.locked("lease", 2.0):
                    self._holders.share(renewed, now)
            except LicenseError:
                pass  # each process then sends heartbeats of its own
        return Event("beaten", end=end, epoch=epoch, resurrected=bool(body.get("resurrected")))

    def _give_back(self, lease: Lease) -> None:
        """The last holder of this device gives the lease back. Failing to is harmless: it ends by itself."""
        self._owed = lease
        try:
            with self._holders.folder.locked("lease", 10.0):
                if self._holders.others() == 0:
                    found = self._holders.shared()
                    body = {"session_id": found[0].session if found else lease.session}
                    self._holders.folder.remove("lease.json")
                    # A seat that was lent to this device is given back by `return_borrowed` alone.
                    if not self._borrower.holds(body["session_id"], time.time()):
                        try:
                            self._caller.post("/api/v1/licenses/release", body, None, 5.0)
                        except LicenseError:
                            self._caller.post("/api/v1/licenses/release", body, None, 2.0)
        except LicenseError:
            pass
        self._holders.leave()
        self._owed = None

    def _refresh_file(self) -> None:
        if self._machine.state != "held" or monotonic() - self._file_asked < 3600:
            return
        self._file_asked = monotonic()
        try:
            self._activation.refresh(time.time())
        except (LicenseError, KeyError, TypeError):
            pass


def _refusal(answer: Answer, license: Optional[str], server: str) -> LicenseError:
    """Why there is no seat. A licence that the account does not have is told as one that is not there."""
    if license and isinstance(answer.body, dict) and answer.body.get("error") == "not_found":
        return LicenseError(
            "no_license", f"the account that is signed in has no licence {license}",
            "run `coditect login` as a user of that licence, or name another one")
    return refusal(answer.status, answer.body, server)


def _lease(answer: Answer, asked: float, server: str) -> Lease:
    try:
        body = answer.body
        end = datetime.fromisoformat(body["expires_at"].rstrip("Z")).replace(tzinfo=timezone.utc).timestamp()
        # Measured by the server's own clock, so that this device's need not be right.
        term = min(end - (answer.date if answer.date is not None else time.time()), 86_400.0)
        return Lease(
            body["session_id"], body["license_id"], body.get("epoch", 0), asked + term,
            float(min(max(body.get("heartbeat_interval", 300), 1), 86_400)), body.get("seats_used", 0), body.get("seats_total", 0))
    except (KeyError, TypeError, ValueError):
        raise LicenseError("bad_answer", f"the answer of {server} is not a seat", CHECK_ADDRESS) from None


class _ExitRelease:
    """Gives every seat of this process back when it ends."""

    _seats: List[Seat] = []
    _ready = False

    @classmethod
    def add(cls, seat: Seat) -> None:
        cls._seats.append(seat)
        if cls._ready:
            return
        cls._ready = True
        atexit.register(cls.release_all)
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGHUP):
                if signal.getsignal(number) == signal.SIG_DFL:
                    signal.signal(number, cls._end)

    @classmethod
    def remove(cls, seat: Seat) -> None:
        if seat in cls._seats:
            cls._seats.remove(seat)

    @classmethod
    def release_all(cls) -> None:
        for seat in list(cls._seats):
            seat.release()

    @staticmethod
    def _end(number: int, _: Optional[FrameType]) -> None:
        # Unwinds like sys.exit anywhere: `with` and `finally` run, then the exit releases what is left.
        sys.exit(128 + number)
