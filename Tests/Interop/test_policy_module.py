"""A policy module on a real server: the example refuses a listed device, its answer is recorded, explained and replayed, and a broken one lets nobody in."""

import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kernel import BUILD, ROOT, Kernel  # noqa: E402
from test_isolated_plugin import children, gone  # noqa: E402

passed = 0


def tell(what, holds, why=""):
    global passed
    if not holds:
        raise SystemExit(f"module: FAILED {what}: {why}")
    passed += 1
    print(f"module: {what}", flush=True)


def operator(kernel, *arguments):
    ran = subprocess.run([os.path.join(BUILD, "coditectd"), *arguments, "--data", kernel.data, "--policies", kernel.policies], capture_output=True, text=True)
    assert ran.returncode == 0, f"{arguments} ended with {ran.returncode}: {ran.stderr[-2000:]}"
    return ran.stdout


def decisions(kernel, hook):
    found = []
    for path in sorted(glob.glob(os.path.join(kernel.data, "decisions", "**", "*.jsonl"), recursive=True)):
        with open(path, encoding="utf-8") as file:
            found += [json.loads(line) for line in file]
    return [decision for decision in found if decision["hook"] == hook]


def main():
    place = tempfile.mkdtemp(prefix="module-")
    plugins = os.path.join(place, "plugins")
    shutil.copytree(os.path.join(BUILD, "plugins"), plugins)
    subprocess.run(
        [os.path.join(ROOT, "Scripts", "build-plugins.sh"), os.path.basename(BUILD.rstrip("/")), plugins, os.path.join(ROOT, "examples", "device-denylist")],
        check=True, stdout=subprocess.DEVNULL)
    listing = os.path.join(place, "list")
    with open(listing, "w", encoding="utf-8") as file:
        file.write("# nobody yet\n")
    config = f"http:\n  limits_enabled: false\nplugins:\n  device-denylist:\n    list: {listing}\n"
    kernel = Kernel(plugins=plugins, config=config)
    try:
        kernel.start()
        token = kernel.member("ada@example.com")
        kernel.paid_license(token, "team", 3)

        def granted(device):
            # Whoever does not answer within 50 ms lets nobody in, and a busy machine is slow: what matters is that it is let in.
            return kernel.until(f"the seat of {device}", lambda: seat(device).status == 200)

        def seat(device):
            return kernel.call("POST", "/api/v1/licenses/acquire", {"hardware_id": device, "hostname": device}, token=token)

        tell("a device that is not listed has its seat", granted("laptop-7"))
        first = next(d for d in reversed(decisions(kernel, "on_seat_request")) if d["outcome"] != "deny")
        tell("the module's silence is recorded, with its build", first["answers"][0]["at"].startswith("plugin:device-denylist@") and first["answers"][0]["answer"] == "abstain", first["answers"])

        kernel.stop(keep=True)
        with open(listing, "a", encoding="utf-8") as file:
            file.write(first["input"]["device"]["id"] + "\n")
        kernel.start()
        refused = seat("laptop-7")
        tell("the listed device is refused, with the reason", refused.status == 403 and "device_listed" in json.dumps(refused.json), f"{refused.status} {refused.json}")
        tell("another one is not", granted("laptop-8"))
        last = next(d for d in reversed(decisions(kernel, "on_seat_request")) if d["outcome"] == "deny" and d["reason"] == "device_listed")
        tell("the refusal is the module's in the record", last["policy"] == "device-denylist" and last["reason"] == "device_listed", last)
        explained = operator(kernel, "policy", "explain", last["id"])
        tell("explain names the module and its answer", "device-denylist  deny device_listed" in explained and "because a plugin answered" in explained, explained)

        # Nobody vouches for the example, so it answers from a process of its own. That is killed, then stopped in the middle of a hook.
        def child():
            return (children(kernel.process.pid) or [None])[0]

        mine = kernel.until("the module's process", child)
        os.kill(mine, signal.SIGKILL)
        kernel.until("its death", lambda: gone(mine))
        back = kernel.until("the module's next process", child)
        kernel.until("its answer", lambda: "device_listed" in json.dumps(seat("laptop-7").json))
        tell("a module that was killed answers again, from another process", back != mine)

        def halted():
            """Its process, stopped, and an answer that was asked for meanwhile; None where another one had taken its place."""
            one = child()
            if one is None:
                return None
            os.kill(one, signal.SIGSTOP)
            answer = seat("laptop-7")
            return (one, answer) if one in children(kernel.process.pid) or "device_listed" not in json.dumps(answer.json) else None

        back, held = kernel.until("a module stopped while it is asked", halted)
        tell("a module that hangs in the middle of a hook lets nobody in", held.status in (403, 503) and "device_listed" not in json.dumps(held.json), f"{held.status} {held.json}")
        silent = decisions(kernel, "on_seat_request")[-1]
        tell("the record says that it did not answer in time", "did not answer within 50 ms" in json.dumps(silent), silent)
        kernel.until("the end of the one that hung", lambda: gone(back))
        kernel.until("the answer of the next", lambda: "device_listed" in json.dumps(seat("laptop-7").json))
        tell("another one is let in by its next self", granted("laptop-8"))
        def listed():
            return subprocess.run(
                [os.path.join(BUILD, "coditectd"), "plugin", "list", "--data", kernel.data, "--plugins", plugins], capture_output=True, text=True).stdout

        shown = r"process   working, \d+, 2 restarts, breaker closed; ended last: .*signal 9"
        kernel.until("the list to show its process, its restarts and how it ended", lambda: re.search(shown, listed()))

        # Its settings broken, it is refused at start; its hook then lets nobody in rather than everybody.
        kernel.stop(keep=True)
        kernel.config = config.replace(listing, "/nowhere/list")
        kernel.start()
        shut = seat("laptop-9")
        tell("with the module refused, its hook fails closed", shut.status in (403, 503) and shut.json.get("code") != "device_listed", f"{shut.status} {shut.json}")
        tell("the record says why", "The list /nowhere/list cannot be read" in decisions(kernel, "on_seat_request")[-1]["reason"])
        tell("the rest of the server goes on", kernel.call("GET", "/api/v1/licenses", token=token).status == 200)

        # Without its folder nobody asks it any more.
        kernel.stop(keep=True)
        shutil.rmtree(os.path.join(plugins, "device-denylist"))
        kernel.start()
        tell("without the plugin the device has its seat again", seat("laptop-7").status == 200)
        kernel.stop(keep=True)
        count = len(decisions(kernel, "on_seat_request"))
        replayed = operator(kernel, "policy", "replay")
        asked, same = (int(re.search(rf"(\d+) {what}", replayed).group(1)) for what in ("decisions asked again", "the same bytes and fuel"))
        tell(f"all of {asked} decisions, {count} of them about seats, are replayed byte by byte, without the plugin", asked == same >= count, replayed[:600])
    finally:
        kernel.stop()
        shutil.rmtree(place, ignore_errors=True)
    print(f"module: {passed} passed, 0 failed")


if __name__ == "__main__":
    main()
