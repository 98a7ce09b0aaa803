#!/usr/bin/env python3
"""A server on SQLite whose disk runs full under it: every write is refused cleanly, nothing that was answered is lost, and it goes on once there is room.
The disk is a small file system in memory, in a mount namespace of its own: run it by `unshare -m` (and -r where one is not root).

    full_disk.py
"""

import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "Interop"))
from drill import Acts  # noqa: E402
from kernel import Kernel  # noqa: E402
from test_backup import program  # noqa: E402
from test_postgres import acquire  # noqa: E402


def fill(path):
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 20, 4096, 512, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass


def main():
    disk = tempfile.mkdtemp(prefix="full-disk-")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "none", disk], check=True)
    kernel = Kernel(data=os.path.join(disk, "data"), config="http: {limits_enabled: false}\n", plugins=sys.argv[1])
    os.mkdir(kernel.data, 0o700)
    kernel.log = os.path.join(tempfile.mkdtemp(prefix="full-disk-log-"), "log")
    try:
        kernel.start()
        acts = Acts(kernel, 60)
        acts.do(5)
        ballast = os.path.join(disk, "ballast")
        fill(ballast)
        seen = []
        # What was preallocated may still take a few.
        for number in range(40):
            answer = acquire(kernel, acts.token, acts.license, f"{500 + number:064x}")
            seen.append(answer.status)
            if answer.status == 200:
                acts.done.append(answer.json["session_id"].replace("-", "").lower())
            if seen.count(503) >= 6:
                break
            fill(ballast + str(number))
        assert set(seen) <= {200, 503} and seen[-1] == 503, (seen, open(kernel.log).read()[-2000:])
        # What asks policy is refused, too: a decision that cannot be recorded is not used.
        looked = kernel.call("GET", "/api/v1/licenses", token=acts.token)
        assert looked.status in (200, 503), looked
        began = time.monotonic()
        for name in os.listdir(disk):
            if name.startswith("ballast"):
                os.unlink(os.path.join(disk, name))
        acts.do(1)
        back = time.monotonic() - began
        shown = kernel.call("GET", f"/api/v1/sessions?license_id={acts.license}&limit=100", token=acts.token)
        held = {x["session_id"].replace("-", "").lower() for x in shown.json["sessions"]}
        assert set(acts.done) == held, (len(acts.done), len(held))
        kernel.stop(keep=True)
        assert "BROKEN" not in program("audit", "verify", "--data", kernel.data)
        print(f"{seen.count(503)} refused, {len(acts.done)} granted and all there; once there is room: {back:.2f}")
    finally:
        if kernel.process and kernel.process.poll() is None:
            kernel.kill()


if __name__ == "__main__":
    main()
