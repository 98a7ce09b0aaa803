"""A whole sale through a payment plugin in a child process, which is killed at every step; and a server that dies takes the child along."""

import os
import signal
import time
import urllib.parse

from kernel import Kernel

SETTINGS = "plugins:\n  sandbox:\n    isolation: process\n"


def children(parent):
    """Process ids of the plugins' processes of a server."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                    rest = file.read().rsplit(")", 1)[1].split()
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    program = file.read().split(b"\0")[0]
            except OSError:
                continue
            if int(rest[1]) == parent and rest[0] != "Z" and program.endswith(b"/coditect-plugin-child"):
                found.append(int(name))
    return found


def gone(process):
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def main():
    kernel = Kernel(config=SETTINGS).start()
    try:
        def child():
            return kernel.until("the child", lambda: children(kernel.process.pid))[0]

        def kill():
            old = child()
            os.kill(old, signal.SIGKILL)
            kernel.until("the death of the child", lambda: gone(old))
            return old

        first = child()
        status = open(f"/proc/{first}/status", encoding="utf-8").read()
        assert "Seccomp:\t2" in status and "NoNewPrivs:\t1" in status and "CapEff:\t0000000000000000" in status, status
        assert open(f"/proc/{first}/environ", "rb").read() == b"", "the child has an environment"
        print("a child without environment, capabilities or system calls of its own choice: fine")

        token = kernel.member()
        # Between the steps of a sale the child is killed; whoever asks too early hears that the outcome is unknown, and asks again with the same key.
        kill()

        def session():
            answer = kernel.call(
                "POST", "/api/v1/billing/checkout", {"tier": "team", "interval": "month", "quantity": 2}, token=token,
                headers={"Idempotency-Key": "sale-1"})
            assert answer.status == 200 or answer.status >= 500, answer
            return answer.json if answer.status == 200 else None

        opened = kernel.until("a checkout after the child's death", session)
        page = kernel.base + urllib.parse.urlsplit(opened["url"]).path
        kill()
        assert kernel.call("GET", "/health").status == 200, "the server answers on"

        def shown():
            return kernel.call("GET", urllib.parse.urlsplit(opened["url"]).path).status == 200

        kernel.until("the page of the child that came back", shown)
        kernel.pay(page)
        kill()  # before or while its webhook leaves, or after
        found = kernel.until("the paid licence", lambda: [x for x in kernel.licenses(token) if x["tier"] == "team"])
        assert len(found) == 1, f"one payment made {len(found)} licences"
        print("a sale with three kills -9 in it: one licence")

        log = open(kernel.log, encoding="utf-8").read()
        assert log.count("A plugin's process died") == 3 and '"isolation":"process: ' in log, log[-3000:]
        last = child()
        kernel.kill()
        kernel.until("the end of the child with its server", lambda: gone(last), seconds=10)
        print("the child of a server that was killed: gone")

        kernel.start()
        last = child()
        kernel.stop(keep=True)
        assert gone(last), "a server that drained left its child behind"
        assert "did not stop in time" not in open(kernel.log, encoding="utf-8").read()
        print("the child of a server that drained: gone")
    finally:
        if kernel.process.poll() is None:
            kernel.kill()
    import shutil

    shutil.rmtree(kernel.data, ignore_errors=True)


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"passed in {time.monotonic() - started:.1f} s")
