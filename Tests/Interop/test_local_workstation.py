"""Workstations on the server's own machine: bought, entered and left again, with the server killed before and after each call of its keeper.
Standard library, and libfaketime, by which a server that starts again comes a minute later than it does. Each manner on a server of its own, side by side."""

import glob
import http.client
import os
import shutil
import signal
import sys
import tempfile
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kernel import BUILD, PASSWORD, ROOT, Kernel  # noqa: E402

KEEPER = os.path.join(BUILD, "coditect-workstation")
# Whoever took a workstation holds it for 65 s; a server that comes later finds it free.
LATER = 70
# The keeper as the plugin starts it: once for each line of `doom` it kills the server, before the call it was made for or after it.
WRAPPER = """#!/bin/sh
if [ -e DATA/doom ] && [ "$(cat DATA/doom)" = "$1 before" ]; then mv DATA/doom DATA/doomed; kill -9 "$(cat DATA/server.pid)"; exit 1; fi
KEEPER "$@"
code=$?
echo "$1 $code" >>DATA/calls
if [ -e DATA/doom ] && [ "$(cat DATA/doom)" = "$1 after" ]; then mv DATA/doom DATA/doomed; kill -9 "$(cat DATA/server.pid)"; fi
exit $code
"""


def running(data):
    """Keepers and programs of the workstations below a folder."""
    keepers, programs = [], []
    for path in glob.glob("/proc/[0-9]*"):
        try:
            with open(path + "/cmdline", "rb") as file:
                words = file.read().split(b"\0")
            with open(path + "/environ", "rb") as file:
                marks = [x for x in file.read().split(b"\0") if x.startswith(b"CODITECT_WORKSTATION=" + data.encode())]
        except OSError:
            continue
        if marks:
            programs.append(int(path[6:]))
        elif words[0].endswith(b"coditect-workstation") and words[1] == b"begin" and words[2].startswith(data.encode()):
            keepers.append(int(path[6:]))
    return keepers, programs


class House:
    """A server with local-workstation, that ends where it is told to and comes again later."""

    def __init__(self, config=""):
        # What it takes away is looked at here, not how long it is kept before: the shipped rule keeps it for a week.
        self.policies = os.path.join(tempfile.mkdtemp(prefix="leavers-"), "policies")
        shutil.copytree(os.path.join(ROOT, "policies"), self.policies)
        order = os.path.join(self.policies, "init.lua")
        with open(order, encoding="utf-8") as file:
            text = file.read()
        assert "workstation_days = 7" in text
        with open(order, "w", encoding="utf-8") as file:
            file.write(text.replace("workstation_days = 7", "workstation_days = 0"))
        self.kernel = Kernel(config="http:\n  limits_enabled: false\n" + config, policies=self.policies)
        self.data = self.kernel.data
        wrapper = os.path.join(self.data, "keeper")
        with open(wrapper, "w", encoding="utf-8") as file:
            file.write(WRAPPER.replace("DATA", self.data).replace("KEEPER", KEEPER))
        os.chmod(wrapper, 0o755)
        self.kernel.env["CODITECT_PLUGINS_LOCAL_WORKSTATION_KEEPER"] = wrapper
        self.later = 0
        self.start()

    def start(self, later=0):
        if later:
            self.later += later
            library = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")[0]
            # It changes the environment where it is loaded first, behind which Swift looks for its arguments: so it is loaded by env.
            self.kernel.prefix = ["/usr/bin/env"]
            self.kernel.env.update(LD_PRELOAD=library, FAKETIME=f"+{self.later}s", FAKETIME_DONT_FAKE_MONOTONIC="1")
        self.kernel.start()
        with open(os.path.join(self.data, "server.pid"), "w", encoding="utf-8") as file:
            file.write(str(self.kernel.process.pid))

    def stop(self):
        try:
            self.kernel.stop()
        finally:
            shutil.rmtree(self.data, ignore_errors=True)
            shutil.rmtree(os.path.dirname(self.policies), ignore_errors=True)
        # Its folder is gone, and so is what ran in it, at the keeper's next look.
        self.kernel.log = os.devnull
        self.kernel.until("the keepers to end", lambda: running(self.data) == ([], []), seconds=60)

    def again(self):
        """The server died where it was to; another takes over."""
        assert self.kernel.process.wait(120) == -signal.SIGKILL
        self.kernel.process.stdout.close()
        assert os.path.exists(os.path.join(self.data, "doomed"))
        self.start(LATER)

    def doom(self, when):
        with open(os.path.join(self.data, "doom.part"), "w", encoding="utf-8") as file:
            file.write(when)
        os.rename(os.path.join(self.data, "doom.part"), os.path.join(self.data, "doom"))

    def own(self, token):
        answer = self.kernel.call("GET", "/api/v1/workstations/own", token=token)
        return answer.json if answer.status == 200 else None

    def reaches(self, state, token):
        def probe():
            found = self.own(token)
            return found if found and found["state"] == state else None

        return self.kernel.until(f"the workstation to be {state}", probe, seconds=120)

    def ask(self, verb, token, status=202):
        return self.kernel.want(status, "POST", f"/api/v1/workstations/{self.own(token)['id']}/{verb}", token=token).json

    def enter(self, token):
        way = self.ask("enter", token, 200)
        return way["address"].removeprefix("http://").rstrip("/"), way["token"]

    def count(self, runs):
        """So many run, and there is one place for each that there is."""
        keepers, programs = running(self.data)
        assert len(keepers) == runs and (len(programs) == runs if runs else not programs), (keepers, programs)

    def colleague(self, owner):
        """A second person with a workstation, and the membership."""
        self.kernel.want(201, "POST", "/api/v1/invitations", {"email": "bob@example.com", "role": "developer"}, token=owner)
        answer = {"token": self.kernel.mail_token("bob@example.com"), "password": PASSWORD, "first_name": "Bob", "last_name": "B"}
        self.kernel.want(200, "POST", "/api/v1/invitations/accept", answer)
        members = self.kernel.want(200, "GET", "/api/v1/memberships", token=owner).json["memberships"]
        return self.kernel.login("bob@example.com")["access_token"], next(x["id"] for x in members if x["email"] == "bob@example.com")

    def places(self):
        return glob.glob(os.path.join(self.data, "workstations/*/*/disk"))


def statuses(way):
    """What a visitor gets with the token, without, and with another."""
    place, token = way
    host, port = place.split(":")
    assert host.endswith(".localhost") and len(token) == 64, way
    said = []
    for path in (f"/?token={token}", "/", f"/?token={token[:-1]}"):
        line = http.client.HTTPConnection("127.0.0.1", int(port), timeout=60)
        line.request("GET", path, headers={"Host": place})
        said.append(line.getresponse().status)
        line.close()
    return said


def life(doom):
    """One life; `doom` is the place in it and the call of the keeper at which the server dies, or None."""
    house = House()

    def meets(place):
        if doom and doom[0] == place:
            house.doom(doom[1])

    def died(place):
        if doom and doom[0] == place:
            house.again()

    try:
        meets("making")
        owner = house.kernel.member()
        checkout = house.kernel.checkout(owner)
        try:
            house.kernel.pay(checkout["url"])
        except OSError:
            pass  # the server died while its page was being answered
        died("making")
        owner = house.kernel.login()["access_token"]
        house.reaches("running", owner)
        house.count(1)
        first = house.enter(owner)
        assert statuses(first) == [200, 403, 403]
        with open(house.places()[0] + "/kept", "w", encoding="utf-8") as file:
            file.write("work")

        if not doom:
            # A restart in order finds it at work, at the same address and with the same token.
            before = running(house.data)
            house.kernel.stop(keep=True)
            house.start()
            owner = house.kernel.login()["access_token"]
            assert running(house.data) == before and house.enter(owner) == first

        meets("stopping")
        try:
            house.ask("stop", owner)
        except OSError:
            pass
        died("stopping")
        owner = house.kernel.login()["access_token"]
        house.reaches("stopped", owner)
        house.count(0)
        house.ask("start", owner)
        house.reaches("running", owner)
        house.count(1)
        assert house.enter(owner)[1] != first[1] and statuses(house.enter(owner)) == [200, 403, 403]
        assert os.path.exists(house.places()[0] + "/kept")

        if doom is None or doom[0] == "leaving":
            bob, membership = house.colleague(owner)
            house.reaches("running", bob)
            house.count(2)
            meets("leaving")
            try:
                house.kernel.want(204, "DELETE", f"/api/v1/memberships/{membership}", token=owner)
            except OSError:
                pass
            died("leaving")
            owner = house.kernel.login()["access_token"]
            house.kernel.until("nothing to be left of the one who left", lambda: len(house.places()) == 1 and len(running(house.data)[0]) == 1, seconds=120)
            house.kernel.until("what was taken away to be gone", lambda: not os.listdir(house.data + "/workstations/.leaving"), seconds=120)
            assert house.own(owner)["state"] == "running"
        house.count(1)
    finally:
        house.stop()


DOOMS = [None] + [
    (place, f"{verb} {when}") for place, verbs in (("making", ("used", "begin")), ("stopping", ("end",)), ("leaving", ("end", "remove")))
    for verb in verbs for when in ("before", "after")]


def main():
    faults = {}

    def live(doom):
        try:
            life(doom)
        except BaseException as error:  # of a thread, told below
            faults[doom] = error

    threads = [threading.Thread(target=live, args=(doom,)) for doom in DOOMS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for doom in DOOMS:
        print(f"{'FAILED' if doom in faults else 'fine  '}  {'killed while ' + doom[0] + ', ' + doom[1] + ' it' if doom else 'no fault'}" + (f": {faults[doom]!r}"[:1500] if doom in faults else ""))
    raise SystemExit(1 if faults else 0)


if __name__ == "__main__":
    main()
