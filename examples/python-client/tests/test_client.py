"""Without network and time: the machine's rules, lost answers, sharing between processes. Standard library only."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from coditect_client import Client, LicenseError, client as client_module  # noqa: E402
from coditect_client.device import Device, Machine, canonical_key, may_be_one  # noqa: E402
from coditect_client.machine import Event, Lease, SeatMachine, back_off  # noqa: E402
from coditect_client.platform import Answer  # noqa: E402
from coditect_client.state import Folder, Holders  # noqa: E402

AWAY = LicenseError("unreachable", "away", "wait")
FULL = LicenseError("no_seats_available", "no seat free", "wait", retry_after=200)
FORCED = LicenseError("lease_ended_by_operator", "an operator released the seat: demo", "wait")
OVER = LicenseError("lease_ended", "the lease expired", "wait")
NO_FILE = LicenseError("not_activated", "this device is not activated", "activate it")


def lease(end, session="s-1"):
    return Lease(session, "l", 1, end, 300.0, 1, 2)


class MachineTests(unittest.TestCase):
    """What happens, and what the machine does about it; chance is always one half."""

    def play(self, *steps, waits_until=None):
        machine = SeatMachine(waits_until)
        for number, (at, event, wanted) in enumerate(steps):
            told = [a[1].event if a[0] == "tell" else a[0] if a[0] != "wake" else ("wake", round(a[1], 3)) for a in machine.handle(event, at, 0.5)]
            self.assertEqual(told, wanted, f"step {number + 1}, {event.kind}, leaves {machine.state}")
        return machine

    START = (0, Event("start"), ["acquire"])
    TAKEN = (0, Event("granted", lease(360)), ["held", ("wake", 270.0)])

    def test_a_short_outage_costs_nothing(self):
        self.play(
            self.START, self.TAKEN, (270, Event("due"), ["beat"]), (270, Event("unanswered", error=AWAY), ["unsure", ("wake", 270.75)]),
            (271, Event("due"), ["beat"]), (271, Event("beaten", end=631, epoch=1), ["answered", ("wake", 541.0)]),
            (600, Event("release"), ["give_back", "released"]), (601, Event("due"), []))

    def test_the_file_takes_over_at_the_end_of_the_lease(self):
        self.play(
            self.START, self.TAKEN, (360, Event("due"), ["beat"]), (360, Event("unanswered", error=AWAY), ["judge"]),
            (360, Event("file_holds", until="then"), ["offline", ("wake", 361.5)]), (362, Event("due"), ["beat"]),
            (362, Event("refused", error=OVER), ["asking", "acquire"]), (362, Event("granted", lease(722, "s-2")), ["regained", ("wake", 632.0)]))

    def test_without_a_file_the_seat_is_lost_and_told_once(self):
        self.play(
            self.START, self.TAKEN, (360, Event("due"), ["beat"]), (360, Event("unanswered", error=AWAY), ["judge"]),
            (360, Event("file_refused", error=NO_FILE), ["lost", ("wake", 361.5)]), (362, Event("due"), ["beat"]),
            (362, Event("unanswered", error=AWAY), ["judge"]), (362, Event("file_refused", error=NO_FILE), [("wake", 365.0)]))

    def test_who_was_frozen_asks_first(self):
        self.play(
            self.START, self.TAKEN, (900, Event("due"), ["beat"]),
            (900, Event("beaten", end=1260, epoch=2, resurrected=True), ["revived", ("wake", 1170.0)]))

    def test_what_an_operator_took_is_not_asked_for_again(self):
        self.play(self.START, self.TAKEN, (270, Event("due"), ["beat"]), (270, Event("refused", error=FORCED), ["lost"]), (400, Event("due"), []))

    def test_a_repeated_request_told_of_a_dead_lease_is_made_anew(self):
        self.play(self.START, (400, Event("granted", lease(360)), ["acquire"]))

    def test_waiting_asks_at_least_each_17_seconds_and_gives_up_in_time(self):
        self.play(
            self.START, (0, Event("refused", error=FULL), ["waiting", ("wake", 15.75)]), (32, Event("due"), ["acquire"]),
            (32, Event("refused", error=FULL), ["refused"]), waits_until=40)

    def test_back_off_is_half_chance_and_has_a_cap(self):
        self.assertEqual((back_off(1, 1, 30, 0), back_off(9, 1, 30, 0), back_off(99, 1, 30, 1)), (0.5, 15, 30))


class World:
    """A server without a network, and time moved by hand."""

    def __init__(self, case):
        self.folder = Path(tempfile.mkdtemp())
        case.addCleanup(lambda: subprocess.run(["rm", "-rf", str(self.folder)], check=True))
        self.now, self.asked, self.told, self.lose, self.answers = 1000.0, [], [], 0, {}
        patch = mock.patch.object(client_module, "monotonic", lambda: self.now)
        patch.start()
        case.addCleanup(patch.stop)

    def transport(self, method, url, headers, body, timeout):
        path = url.rsplit("/", 1)[1]
        self.asked.append((path, headers.get("Idempotency-Key"), body))
        if self.lose > 0:
            self.lose -= 1
            raise OSError("lost")
        if path in self.answers:
            return self.answers[path]
        if path == "acquire":
            return Answer(200, {
                "license_id": "l", "session_id": "s-1", "seats_used": 1, "seats_total": 1, "expires_at": "2027-01-15T08:06:00Z",
                "heartbeat_interval": 300, "epoch": 1, "signature": "00"}, 1_800_000_000.0)
        return Answer(200, {"status": "ok", "expires_in": 360, "epoch": 1})

    def seat(self):
        client = Client(
            "https://example.com", "test", token="t", device="hw", folder=self.folder, transport=self.transport,
            log=lambda notice: self.told.append(notice.event), release_at_exit=False)
        seat = client._seat()
        seat._drive(Event("start"))
        return seat

    def run(self, seconds, *seats):
        end = self.now + seconds
        while True:
            due = [seat for seat in seats if seat._wake is not None and seat._wake <= end]
            if not due:
                break
            first = min(due, key=lambda seat: seat._wake)
            self.now = max(self.now, first._wake)
            first._drive(Event("due"))
        self.now = end

    def count(self, path):
        return sum(1 for asked in self.asked if asked[0] == path)


class ClientTests(unittest.TestCase):
    def test_a_lost_answer_is_asked_for_again_as_the_same_request(self):
        world = World(self)
        world.lose = 2
        seat = world.seat()
        world.run(5, seat)
        self.assertEqual(world.told, ["held"])
        self.assertEqual(len({asked[1:] for asked in world.asked}), 1)

    def test_processes_of_one_device_share_heartbeats_and_the_last_gives_the_seat_back(self):
        world = World(self)
        first, second = world.seat(), world.seat()
        world.run(7200, first, second)
        self.assertLessEqual(world.count("heartbeat"), 30)
        first.release()
        self.assertEqual(world.count("release"), 0)
        second.release()
        self.assertEqual(world.count("release"), 1)

    def test_a_holder_that_was_killed_is_not_counted(self):
        world = World(self)
        folder = Folder(world.folder).inner(Holders.name("https://example.com", "hw", None))
        program = (
            f"import sys; sys.path[:0] = {sys.path!r}\nfrom pathlib import Path\nfrom coditect_client.state import Folder, Holders\nimport os, signal\n"
            f"holders = Holders(Folder(Path({str(folder.path)!r})))\nholders.enter()\nprint('in', flush=True)\nsignal.pause()")
        child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        self.assertEqual(child.stdout.readline(), "in\n")
        self.assertEqual(Holders(folder).others(), 1)
        child.kill()
        child.wait()
        child.stdout.close()
        self.assertEqual(Holders(folder).others(), 0)
        self.assertEqual(list(folder.path.glob("holder-*")), [])

    def test_refusals_have_codes_and_say_what_to_do(self):
        world = World(self)
        world.answers["acquire"] = Answer(429, {"error": "no_seats_available", "seats_used": 1, "seats_total": 1, "retry_after": 312})
        seat = world.seat()
        self.assertEqual(seat.state, "lost")
        self.assertEqual((seat.error.code, seat.error.next, seat.error.retry_after), ("no_seats_available", "try again in 312 s", 312))

    def test_a_borrowed_seat_ends_at_its_moment_whatever_the_pauses_between_attempts(self):
        machine = SeatMachine(first_attempts=1, first_patience=3.0)
        self.assertEqual(machine.handle(Event("start"), 0, 0.5), [("acquire", False, 3.0)])
        self.assertEqual(machine.handle(Event("unanswered", error=AWAY), 0, 0.5), [("judge",)])
        notice, wake = machine.handle(Event("file_holds", until="then", left=0.2, borrowed=True), 0, 0.5)
        self.assertEqual((notice[1].event, wake), ("borrowed", ("wake", 0.2)))

    def test_plain_http_is_for_this_machine_only(self):
        with self.assertRaises(LicenseError) as caught:
            Client("http://example.com", "test", folder=Path(os.devnull))
        self.assertEqual(caught.exception.code, "bad_address")


class DeviceTests(unittest.TestCase):
    def machine(self):
        root = Path(tempfile.mkdtemp())
        self.addCleanup(lambda: subprocess.run(["rm", "-rf", str(root)], check=True))
        for path, text in {
            "etc/machine-id": "10123456789abcdef0123456789abcde\n", "proc/cpuinfo": "processor\t: 0\nmodel name\t: Ryzen 9\n",
            "sys/class/dmi/id/product_uuid": "To Be Filled By O.E.M.\n", "sys/class/net/eth0/address": "02:00:5E:00:53:01\n",
            "sys/class/net/eth0/addr_assign_type": "0\n", "sys/class/net/veth1/address": "02:00:00:00:00:01\n",
            "sys/block/vda/serial": "serial-1\n",
        }.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        for place in ("net/eth0", "block/vda"):
            (root / "devices" / place).mkdir(parents=True)
        (root / "sys/class/net/eth0/device").symlink_to(root / "devices/net/eth0")
        (root / "sys/block/vda/device").symlink_to(root / "devices/block/vda")
        return root

    def test_the_machine_is_read_as_its_files_tell_it(self):
        self.assertEqual(Machine(self.machine()).parts, {
            "machine": "10123456789abcdef0123456789abcde", "mac": "02:00:5e:00:53:01", "disk": "serial-1", "cpu": "Ryzen 9"})

    def test_what_is_told_of_it_is_what_the_swift_client_tells(self):
        told = Device.find(None, Folder(Path(os.devnull)), Machine(self.machine())).components("KEY1")
        self.assertEqual(told["cpu"], "88f8b9ec132e203362754c10470db55f311c26d055fef3efbb71f31e5f55f621")
        self.assertFalse({"Ryzen 9", "serial-1"} & set(told.values()))
        self.assertEqual(Device.find("demo", Folder(Path(os.devnull)), Machine(self.machine())).components("KEY1"), {})

    def test_a_folder_that_was_copied_gets_another_random_id(self):
        here, there = self.machine(), self.machine()
        for root in (here, there):
            (root / "etc/machine-id").unlink()
        for path, text in (("sys/block/vda/serial", "serial-2"), ("sys/class/net/eth0/address", "02:00:5e:00:53:02")):
            (there / path).write_text(text)
        folder = Folder(here / "state")
        first = Device.find(None, folder, Machine(here)).id
        self.assertEqual(Device.find(None, folder, Machine(here)).id, first)
        self.assertNotEqual(Device.find(None, folder, Machine(there)).id, first)

    def test_half_is_no_machine(self):
        known = {"a": "1", "b": "2", "c": "3", "d": "4"}
        self.assertTrue(may_be_one(known, {**known, "d": "9"}))
        self.assertFalse(may_be_one(known, {**known, "c": "9", "d": "9"}))
        self.assertTrue(may_be_one(known, {"a": "9"}))

    def test_a_mistyped_key_is_found_without_asking_anybody(self):
        with self.assertRaises(LicenseError) as caught:
            Client("https://example.com", "test", folder=Path(os.devnull), device="hw", transport=None).activate("CODITECT-0000-0000-0000-0000-0001")
        self.assertEqual(caught.exception.code, "license_key_malformed")
        self.assertEqual(len(canonical_key(KEY.lower().replace("-", " "))), len(KEY.replace("-", "")))


# As the platform makes them.
KEY = "CODITECT-7K3M-9QW2-X4YZ-6A8B-CD1E"


if __name__ == "__main__":
    unittest.main()
