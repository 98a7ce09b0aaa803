"""The clients in examples/, each as its user would build and run it, against one real server.

    test_examples.py [c] [python] [swift]
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time

from kernel import BUILD, ROOT, Kernel
from test_seat_clients import CONFIG, Customer, Proxy, ended, wait_for

PYTHON = "/usr/bin/python3"  # with Debian's cryptography


def build_c():
    out = tempfile.mkdtemp(prefix="c-client-")
    subprocess.run([f"{ROOT}/Scripts/build-c-client.sh", "debug", out], check=True, stdout=subprocess.DEVNULL)
    program = f"{out}/render"
    flags = ["-Wall", "-Wextra", "-Werror", "-std=c11", f"-I{out}/include", f"-L{out}/lib", "-lcoditect-client", f"-Wl,-rpath,{out}/lib"]
    subprocess.run(["gcc", f"{ROOT}/examples/c-client/render.c", *flags, "-o", program], check=True)
    # The header is C++ as well.
    subprocess.run(["gcc", "-fsyntax-only", "-x", "c++", "-Wall", "-Werror", f"{out}/include/coditect.h"], check=True)
    return [program]


def build_swift():
    scratch = f"{ROOT}/.build-examples"
    env = {**os.environ, "CODITECT_ROOMS": "LicenseClient"}
    command = ["swift", "build", "--package-path", f"{ROOT}/examples/swift-client", "--scratch-path", scratch]
    subprocess.run(command, check=True, env=env, stdout=subprocess.DEVNULL)
    return [f"{scratch}/debug/render"]


LANGUAGES = {"c": build_c, "python": lambda: [PYTHON, f"{ROOT}/examples/python-client/render.py"], "swift": build_swift}


def working(customer, command, seconds, device=None):
    process = customer.start(customer.server, str(seconds), command=command, env={"RENDER_DEVICE": device} if device else None)
    line = process.stdout.readline()
    assert line == "working\n", (line, process.wait(10), process.told())
    return process


def takes_and_gives_back(customer, command):
    """At the end of the program, at SIGTERM, and never for a second process of the device."""
    run = working(customer, command, 1)
    assert len(customer.sessions()) == 1
    ended(run, 0)
    assert customer.sessions() == [], "the end of the program did not give the seat back"
    run = working(customer, command, 300)
    other = working(customer, command, 300)
    assert len(customer.sessions()) == 1
    run.send_signal(signal.SIGTERM)
    assert run.wait(30) in (-signal.SIGTERM, 128 + signal.SIGTERM), run.returncode
    assert len(customer.sessions()) == 1, "one process took the seat of another along"
    refused = customer.start(customer.server, command=command, env={"RENDER_DEVICE": "another"})
    ended(refused, 75, "no seat free: 1 of 1 in use", "no_seats_available")
    other.send_signal(signal.SIGTERM)
    assert other.wait(30) in (-signal.SIGTERM, 128 + signal.SIGTERM)
    assert customer.sessions() == [], "SIGTERM did not give the seat back"
    killed = working(customer, command, 300)
    killed.kill()
    killed.wait()
    ended(working(customer, command, 1), 0)
    assert customer.sessions() == [], "a killed process was counted"


def shares_with_coditect(customer, command):
    """A process of `coditect` and one of this language are one device."""
    run = customer.seat()
    other = working(customer, command, 300)
    assert len(customer.sessions()) == 1
    assert json.loads(customer.run("status", "--json").stdout)["seat_holders"] == 2
    run.terminate()
    ended(run, 143)
    assert len(customer.sessions()) == 1, "coditect took the seat along"
    other.send_signal(signal.SIGTERM)
    other.wait(30)
    assert customer.sessions() == []


def survives(kernel, customer, command, proxy):
    """Lost answers and a server that dies: the same lease. A server that stays away: the signed file."""
    proxy.cuts = {"/api/v1/licenses/acquire": 1, "/api/v1/licenses/heartbeat": 1}
    run = working(customer, command, 300)
    session = customer.sessions()[0]["session_id"]
    assert len(proxy.lost) == 1
    wait_for("the good news", lambda: run.told().count("the server is back") == 1)
    assert [x["session_id"] for x in customer.sessions()] == [session]
    return run, session


def offline(customer, command):
    """The server is gone: the file of this device alone lets the program begin."""
    ended(working(customer, command, 1), 0, "running under the offline licence")
    refused = customer.start(customer.server, command=command, env={"RENDER_DEVICE": "another"})
    ended(refused, 75, "made for another device", "other_device")


def main():
    chosen = sys.argv[1:] or list(LANGUAGES)
    failed, lock = [], threading.Lock()
    commands = {}
    for language in chosen:
        started = time.monotonic()
        commands[language] = LANGUAGES[language]()
        print(f"examples: {language}: built, {time.monotonic() - started:.0f} s", flush=True)
    kernel = Kernel(config=CONFIG).start()
    customers, held = {}, {}

    def each(case):
        def take(language):
            try:
                case(language)
            except BaseException as error:
                with lock:
                    failed.append(language)
                    print(f"examples: {language}: {case.__name__} FAILED: {type(error).__name__}: {error}", flush=True)

        threads = [threading.Thread(target=take, args=(language,)) for language in chosen if language not in failed]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def online(language):
        proxy = Proxy(kernel.port)
        customer = customers[language] = Customer(kernel, server=proxy.base)
        takes_and_gives_back(customer, commands[language])
        customer.activate()
        shares_with_coditect(customer, commands[language])
        held[language] = survives(kernel, customer, commands[language], proxy)

    def after_the_crash(language):
        customer, (run, session) = customers[language], held[language]
        wait_for("a heartbeat after the crash", lambda: run.poll() is not None or run.told().count("the server is back") == 2)
        assert [x["session_id"] for x in customer.sessions()] == [session], "the lease did not live on"
        run.send_signal(signal.SIGTERM)
        run.wait(30)
        assert customer.sessions() == [], f"SIGTERM did not give the seat back: {run.returncode}, {run.told()}"

    def without_the_server(language):
        offline(customers[language], commands[language])

    try:
        each(online)
        kernel.kill()
        for language in held:
            wait_for("the warning", lambda language=language: held[language][0].told().count("the seat is kept for") == 2)
        kernel.start()
        each(after_the_crash)
        kernel.kill()
        each(without_the_server)
    finally:
        if kernel.process.poll() is None:
            kernel.kill()
        for customer in customers.values():
            customer.close()
    good = [language for language in chosen if language not in failed]
    print(f"examples: {', '.join(good) or 'none'}: as their users want them")
    print(f"examples: {len(good)} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
