"""Licences and borrowed seats at their clients, against a real server: two machines, a copied folder, no network, clocks that are wrong.

    test_licence_clients.py [NAME …]

A machine is a folder that stands for /etc, /proc and /sys; only a debug build of `coditect` can be shown one. What the clients keep is read
by Debian's python3-cryptography as well.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

from kernel import ROOT, Kernel
from test_license_files import opened, verify
from test_seat_clients import CONFIG, Customer, ended, wait_for

sys.path.insert(0, f"{ROOT}/examples/python-client/src")
from coditect_client import Client, LicenseError  # noqa: E402
from coditect_client.device import Machine  # noqa: E402
from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: E402

C_PROGRAM = r"""
#include <coditect.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failed(coditect_error *error) {
    fprintf(stderr, "%s (%s); %s\n", error->message, error->code, error->next);
    return 75;
}

int main(int count, char **arguments) {
    coditect_error error;
    coditect_options options = {.device = "c-device", .hardware = "dongle=4711\ncpu=abacus\n", .encrypts_file = 1};
    coditect_client *client = coditect_client_open(arguments[1], "c", "1", &options, &error);
    if (!client || count < 3) return 64;
    if (!strcmp(arguments[2], "borrow")) {
        int64_t end = coditect_borrow(client, 24, &error);
        if (end < 0) return failed(&error);
        printf("%lld\n", (long long)end);
    } else if (!strcmp(arguments[2], "until")) {
        int64_t end = coditect_borrowed_until(client, &error);
        if (end < 0) return failed(&error);
        printf("%lld\n", (long long)end);
    } else if (!strcmp(arguments[2], "seat")) {
        coditect_seat *seat = coditect_seat_acquire(client, 0, &error);
        if (!seat) return failed(&error);
        printf("%d\n", coditect_seat_state(seat));
        coditect_seat_release(seat);
    } else if (!strcmp(arguments[2], "return")) {
        if (coditect_return_borrowed(client, &error) < 0) return failed(&error);
    } else if (coditect_activate(client, arguments[2], &error) < 0) {
        return failed(&error);
    }
    coditect_client_close(client);
    return 0;
}
"""


def machine(number, **changes):
    """A folder that stands for a machine; `number` makes it another one."""
    root = tempfile.mkdtemp(prefix="machine-")
    files = {
        "etc/machine-id": f"{number}0123456789abcdef0123456789abcde", "proc/cpuinfo": "model name\t: Ryzen 9\n",
        "sys/class/dmi/id/product_uuid": f"uuid-{number}", "sys/class/net/eth0/address": f"02:00:5e:00:53:0{number}",
        "sys/class/net/eth0/addr_assign_type": "0", "sys/block/vda/serial": f"serial-{number}", **changes,
    }
    for path, text in files.items():
        os.makedirs(os.path.dirname(f"{root}/{path}"), exist_ok=True)
        with open(f"{root}/{path}", "w", encoding="utf-8") as file:
            file.write(text)
    for place in ("class/net/eth0", "block/vda"):
        os.makedirs(f"{root}/devices/{place}")
        os.symlink(f"{root}/devices/{place}", f"{root}/sys/{place}/device")
    return root


class Person(Customer):
    """A customer whose commands see a machine of their own."""

    def __init__(self, kernel, root, **more):
        super().__init__(kernel, **more)
        self.on(root)

    def on(self, root):
        self.root = root
        self.env["CODITECT_TEST_MACHINE"] = root
        return self

    def moved(self, root):
        """The same files, copied to another machine."""
        other = object.__new__(Person)
        other.__dict__.update(self.__dict__)
        other.home = tempfile.mkdtemp(prefix="copy-")
        shutil.copytree(f"{self.home}/coditect", f"{other.home}/coditect")
        other.env = {**self.env, "HOME": other.home, "XDG_CONFIG_HOME": other.home}
        return other.on(root)

    def python(self, **more):
        return Client(self.server, "test", folder=Path(self.home) / "coditect", machine=Machine(Path(self.root)), release_at_exit=False, **more)

    def key(self):
        return self.kernel.want(200, "GET", f"/api/v1/licenses/{self.license['id']}", token=self.token).json["license"]["key"]

    def ran(self, code, *arguments, told=(), prefix=()):
        ran = self.run(*arguments, prefix=prefix)
        assert ran.returncode == code, (arguments, ran)
        for text in told:
            assert text in ran.stdout + ran.stderr, (text, ran)
        return ran

    def devices(self):
        answer = self.kernel.want(200, "GET", f"/api/v1/licenses/{self.license['id']}/activations", token=self.token).json
        return [x["id"] for x in answer["activations"]]


def refused(code, call, *arguments):
    try:
        call(*arguments)
    except LicenseError as error:
        assert error.code == code and error.next, (error, error.next)
        return error
    raise AssertionError(f"{call} was not refused")


def own_server(case):
    def run(_):
        kernel = Kernel(config=CONFIG).start()
        try:
            case(kernel)
        finally:
            if kernel.process.poll() is None:
                kernel.kill()

    run.__name__ = case.__name__
    return run


# The cases.


@own_server
def hardware(kernel):
    """A machine is known again by its parts; its files are worth nothing on another one, online and off."""
    here = Person(kernel, machine(1), quantity=2)
    key = here.key()
    here.ran(0, "activate", key)
    first = here.devices()
    assert len(first) == 1
    # The system was installed anew: another id, one disk fewer, the same machine.
    shutil.rmtree(f"{here.root}/sys/block")
    with open(f"{here.root}/etc/machine-id", "w", encoding="utf-8") as file:
        file.write("f0123456789abcdef0123456789abcde")
    here.ran(0, "status", told=["devices   1 of 4"])
    assert here.devices() == first, "the device took a second place"
    held = json.load(open(f"{here.home}/coditect/license.json"))
    assert not {"Ryzen 9", "uuid-1", "02:00:5e:00:53:01"} & set(held["hardware"].values()) and len(held["hardware"]) == 4, held
    # Part by part, told at each step: a new card and a new board, and it is still the same device.
    for path, text in (("sys/class/net/eth0/address", "02:00:5e:00:53:09"), ("sys/class/dmi/id/product_uuid", "uuid-9")):
        with open(f"{here.root}/{path}", "w", encoding="utf-8") as file:
            file.write(text)
        here.ran(0, "status")
    assert here.devices() == first
    assert here.python().offline_license().tier == "team"

    there = here.moved(machine(2))
    there.ran(78, "status", told=["activated on another device, from which these files are a copy", "coditect activate KEY"])
    there.ran(0, "deactivate")
    assert here.devices() == first, "a copy took the licence off the machine that it was copied from"
    there = here.moved(machine(2))
    refused("other_device", there.python().offline_license)
    kernel.kill()
    there.ran(65, "status", told=["made for another device. Run `coditect activate KEY` on this one."])
    there.ran(65, "seat", "run", "--", "true", told=["made for another device"])
    # With the id as well, as a cloned disk has it.
    shutil.copy(f"{here.root}/etc/machine-id", f"{there.root}/etc/machine-id")
    there.ran(65, "status", told=["made for another device"])
    refused("other_device", there.python().offline_license)
    here.ran(0, "status", told=["Judged from the signed file"])
    kernel.start()
    there = here.moved(machine(2))
    there.ran(0, "activate", key)
    assert len(here.devices()) == 2
    for person in (here, there):
        person.ran(0, "status")
        person.close()


@own_server
def encrypted(kernel):
    """What the folder keeps tells nothing; each client opens what another kept, and so does Debian's cryptography."""
    person = Person(kernel, machine(3), quantity=2)
    key = person.key()
    person.ran(0, "activate", key, "--encrypt")
    path = f"{person.home}/coditect/license.json"
    keys = kernel.want(200, "GET", "/.well-known/coditect/license-keys.json").json["keys"]
    identity = "machine-" + hashlib.sha256(b"coditect.device.v1:30123456789abcdef0123456789abcde").hexdigest()

    def check():
        text = open(path).read()
        held = json.loads(text)
        assert held["file"] is None and "hardware_id" not in held and identity not in text and "offline_until" not in text, text
        license = verify(opened(held["encrypted_file"], held["key"], identity), keys, identity)
        assert license["license_id"] == held["license_id"]
        return held["encrypted_file"]

    first = check()
    person.ran(0, "status")
    assert check()["salt"] != first["salt"], "a file that was renewed is encrypted anew"
    client = person.python()
    assert client.offline_license().tier == "team"
    held = json.load(open(path))
    client.activation.refresh(time.time() + 7200)
    assert check()["salt"] != held["encrypted_file"]["salt"]
    person.ran(0, "deactivate")
    person.python(encrypt=True).activate(key)
    check()
    kernel.kill()
    person.ran(0, "status", told=["Judged from the signed file"])
    other = person.moved(machine(4))
    other.ran(65, "status", told=["does not open here", "Run `coditect activate KEY` on this one."])
    refused("other_device", other.python().offline_license)
    for who in (person, other):
        who.close()


@own_server
def borrowed(kernel):
    """A seat goes along: used by each client without the server, to its end, on its machine, by a clock that only goes on; then home."""
    here = Person(kernel, machine(5))
    ran = here.ran(0, "borrow", "--hours", "24", "--json")
    until = json.loads(ran.stdout)["until"]
    session = here.sessions()[0]
    assert session["borrowed_until"] == until, (session, until)
    # What was kept, by other eyes.
    [name] = [x for x in os.listdir(f"{here.home}/coditect/borrowed") if x.endswith(".json")]
    path = f"{here.home}/coditect/borrowed/{name}"
    held = json.load(open(path))
    document, mark = held["file"]["document"], held["file"]["signature"]
    identity = "machine-" + hashlib.sha256(b"coditect.device.v1:50123456789abcdef0123456789abcde").hexdigest()
    assert document["expires_at"] == until and document["hardware_id_sha256"] == hashlib.sha256(identity.encode()).hexdigest()
    key = next(k for k in held["public_keys"]["keys"] if k["kid"] == mark["key_id"])
    body = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    load_pem_public_key(key["pem"].encode()).verify(bytes.fromhex(mark["signature"]), b"coditect:borrowed-seat.v1\0" + body)

    # Online it is an ordinary seat, and the end of a program does not bring it home; nor does another client's.
    here.ran(0, "seat", "run", "--", "true")
    with here.python().acquire() as seat:
        assert seat.state == "held" and seat.session_id == session["session_id"]
    assert [x["session_id"] for x in here.sessions()] == [session["session_id"]]
    run = here.seat()
    here.ran(75, "return", told=["in use by 1 process of this device", "end them, then run `coditect return`"])
    run.terminate()
    ended(run, 143)
    refused("not_borrowed", here.python(device="other").return_borrowed)

    kernel.kill()
    fake = lambda offset: ("faketime", "-f", offset)  # noqa: E731
    started = time.monotonic()
    here.ran(0, "seat", "run", "--", "true", told=["running under the borrowed seat, which ends on"])
    assert time.monotonic() - started < 5, "a borrowed seat waits long for a server that is away"
    told = []
    with here.python(log=lambda notice: told.append(notice.event)).acquire() as seat:
        assert seat.state == "offline" and told == ["borrowed"], (seat.state, told)
    here.ran(0, "status", told=["borrowed  a seat until", "when the borrowed seat is over, the server is needed"])
    here.ran(69, "return", told=["at its end it comes home by itself"])
    there = here.moved(machine(6))
    there.ran(69, "seat", "run", "--", "true")
    shutil.copy(f"{here.root}/etc/machine-id", f"{there.root}/etc/machine-id")
    there.ran(65, "seat", "run", "--", "true", told=["the seat was borrowed by another device"])
    refused("other_device", there.python().borrowed)
    early = here.moved(here.root)
    early.ran(78, "seat", "run", "--", "true", prefix=fake("-1h"), told=["stands before", "set the clock"])
    late = here.moved(here.root)
    late.ran(0, "seat", "run", "--", "true", prefix=fake("+23h"))
    late.ran(78, "seat", "run", "--", "true", prefix=fake("+1h"), told=["was set back"])
    refused("clock_set_back", late.python().borrowed)
    late.ran(69, "seat", "run", "--", "true", prefix=fake("+25h"), told=["the borrowed seat ended on", "connect to the server"])
    with open(path, encoding="utf-8") as file:
        good = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(good.replace(until, "2999-01-01T00:00:00Z"))
    here.ran(65, "seat", "run", "--", "true", told=["not signed by the server's key"])
    with open(path, "w", encoding="utf-8") as file:
        file.write(good)

    kernel.start()
    assert [x["session_id"] for x in here.sessions()] == [session["session_id"]], "a crash forgot what was lent"
    here.ran(75, "seat", "run", "--device", "another", "--", "true", told=["no seat free"])
    here.ran(0, "return", told=["The seat is home."])
    assert here.sessions() == [] and here.python().borrowed() is None
    assert here.python().borrow(2).until > time.time() + 7000
    here.ran(0, "status", told=["borrowed  a seat until"])
    here.ran(75, "return", told=["returned a borrowed seat early once", "comes home by itself"])
    refused("borrow_returned_before", here.python().return_borrowed)
    for who in (here, there, early, late):
        who.close()


@own_server
def in_c(kernel):
    """The same by the header for C."""
    from test_examples import build_c

    out = os.path.dirname(build_c()[0])
    source = f"{out}/borrow.c"
    with open(source, "w", encoding="utf-8") as file:
        file.write(C_PROGRAM)
    flags = ["-Wall", "-Wextra", "-Werror", "-std=c11", f"-I{out}/include", f"-L{out}/lib", "-lcoditect-client", f"-Wl,-rpath,{out}/lib"]
    subprocess.run(["gcc", source, *flags, "-o", f"{out}/borrow"], check=True)
    person = Person(kernel, machine(7))

    def c(code, *arguments, told=""):
        run = person.start(person.server, *arguments, command=(f"{out}/borrow",))
        printed = run.stdout.read().strip()
        ended(run, code, told)
        return printed

    assert c(0, "until") == "0"
    c(75, "return", told="not_borrowed")
    end = c(0, "borrow")
    assert int(end) > time.time() + 80_000 and c(0, "until") == end
    person.ran(0, "status", told=["borrowed  a seat as c-device until"])
    c(0, person.key())
    assert "encrypted-license-file.v1" in open(f"{person.home}/coditect/license.json").read()
    assert c(0, "seat") == "0"
    kernel.kill()
    assert c(0, "seat") == "2", "not offline"
    kernel.start()
    c(0, "return")
    assert c(0, "until") == "0" and person.sessions() == []
    person.close()


def revoked(kernel):
    """Revoked while a seat is held: the next heartbeat ends it, validate says so first, and nothing brings the licence back."""
    person = Person(kernel, machine(8))
    key = person.key()
    person.ran(0, "activate", key)
    run = person.seat("--on-loss", "stop")
    path = f"/api/v1/licenses/{person.license['id']}/revoke"
    assert kernel.call("POST", path, {"reason": "x"}).status == 401
    answer = kernel.want(200, "POST", path, {"reason": "the key leaked"}, token=person.token).json
    assert answer["license"]["status"] == "revoked", answer
    ended(run, 75, "the licence was revoked", "stopping the command", seconds=60)
    assert person.sessions() == []
    person.ran(77, "status", told=["The licence was revoked; ask support."])
    person.ran(77, "seat", "run", "--", "true", told=["the licence was revoked", "ask support"])
    person.ran(77, "borrow", "--hours", "1", told=["the licence was revoked"])
    person.ran(77, "activate", key, told=["the licence was revoked"])
    assert kernel.want(200, "POST", path, {"reason": "again"}, token=person.token).json == answer
    kernel.until("the mail", lambda: any("A licence has ended" in str(m["Subject"]) and person.email in str(m["To"]) for m in kernel.mails()))
    person.close()


def shared(kernel):
    """Two processes of one device that borrow at once, and one that runs meanwhile: one seat, one file, all of it good."""
    person = Person(kernel, machine(9), quantity=2)
    run = person.seat()
    both = [person.start("borrow", "--hours", str(hours)) for hours in (24, 48)]
    for process in both:
        ended(process, 0)
    assert len(person.sessions()) == 1
    held = json.loads(person.ran(0, "status", "--json").stdout)
    assert held["borrowed"][0]["until"] == person.sessions()[0]["borrowed_until"], held
    run.terminate()
    ended(run, 143)
    assert len(person.sessions()) == 1
    wait_for("the seat to be home", lambda: person.run("return").returncode == 0, 20)
    assert person.sessions() == []
    person.close()


def mishaps(kernel):
    """What goes wrong around the client alone: each is told in a sentence that says what to do, with the exit code of its kind."""
    person = Person(kernel, machine(1))
    key = person.key()
    folder = f"{person.home}/coditect"

    def says(code, text, *arguments, **more):
        ran = person.run(*arguments, **more)
        told = ran.stderr.strip() or ran.stdout.strip()
        assert ran.returncode == code and text in told, (arguments, ran)
        assert "; " in told or "Run `" in told or "Usage:" in told, f"says nothing of what to do: {told}"

    for bad in ("A" * 5000, key * 50, key[:-1], "ключ", "-"):
        says(65, "this is not a licence key", "activate", bad, input="")
    for address in ("ftp://x", "https://", "https://127.0.0.1:99999", "https://a b", "http://example.com", "https://u:p@x", "nonsense"):
        says(64, address, "activate", key, "--server", address)
    says(69, "it does not speak TLS", "activate", key, "--server", kernel.base.replace("http:", "https:"))
    says(69, "has nothing at the address that was asked", "activate", key, "--server", f"{kernel.base}/somewhere")
    assert person.devices() == []
    person.ran(0, "activate", key)
    for bad in ("", "{", "[]", '{"server": 1}', "\0" * 100):
        for name, wanted in (("license.json", (65, "is damaged; run `coditect activate KEY` again", "status")),
                             ("account.json", (78, "is damaged; run `coditect login`", "seat", "run", "--", "true"))):
            with open(f"{folder}/{name}", encoding="utf-8") as file:
                good = file.read()
            with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                file.write(bad)
            says(*wanted)
            with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                file.write(good)
    somebody = "00000000-0000-4000-8000-000000000000"
    for command in (("seat", "run", "--license", somebody, "--", "true"), ("borrow", "--hours", "1", "--license", somebody)):
        says(77, f"has no licence {somebody}", *command)
    says(64, "--license is an id", "seat", "run", "--license", "nonsense", "--", "true")
    says(64, "--hours is from 1 to 168", "borrow", "--hours", "169")
    # A disk that is full for what is written, not for what is there.
    short = ("sh", "-c", 'trap "" XFSZ; ulimit -f 8; exec "$@"', "sh")
    says(74, "File too large; make room", "borrow", "--hours", "1", prefix=short)
    says(74, "File too large; make room", "activate", key, prefix=short)
    assert person.sessions() == [], "a seat was taken that could not be kept"
    with open(f"{person.home}/file", "w", encoding="utf-8"):
        pass
    person.env["XDG_CONFIG_HOME"] = f"{person.home}/file"
    says(74, "cannot make", "activate", key)
    person.env["XDG_CONFIG_HOME"] = person.home
    person.ran(0, "seat", "run", "--device", "büro-Ω", "--", "true")
    person.ran(0, "status")
    assert person.sessions() == [] and len(person.devices()) == 1
    person.close()


CASES = [mishaps, hardware, encrypted, borrowed, in_c, revoked, shared]


def main():
    wanted = [case for case in CASES if not sys.argv[1:] or case.__name__ in sys.argv[1:]]
    failed = []
    with Kernel(config=CONFIG) as kernel:

        def take(case):
            started = time.monotonic()
            try:
                case(kernel)
                print(f"licence clients: {case.__name__}: as it should be, {time.monotonic() - started:.0f} s", flush=True)
            except BaseException:
                failed.append(case.__name__)
                print(f"licence clients: {case.__name__} FAILED\n{traceback.format_exc()}", flush=True)

        threads = [threading.Thread(target=take, args=(case,)) for case in wanted]
        for thread in threads:
            thread.start()
            time.sleep(1)
        for thread in threads:
            thread.join()
    print(f"licence clients: {len(wanted) - len(failed)} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
