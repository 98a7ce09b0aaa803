"""Kill -9 between any two steps of checkout → licence → seat; start again on the same data: nothing lost, nothing twice."""

import random
import threading
import time
import urllib.parse

from kernel import Kernel


def settle(kernel, token):
    """One licence for the payment, exactly; then its key, for comparison."""
    found = kernel.until("the paid licence", lambda: [x for x in kernel.licenses(token) if x["tier"] == "team"])
    assert len(found) == 1, f"one payment made {len(found)} licences: {found}"
    return found[0]


def life(step, delay):
    """Runs the life with a kill -9 at `step`, `delay` seconds after the step's request was sent."""
    kernel = Kernel().start()
    try:

        def crash_at(number, action):
            """Kills the server while or after `action` runs when it is the step to crash at, and repeats the action after the restart."""
            if number != step:
                return action()
            killer = threading.Timer(delay, kernel.kill)
            killer.start()
            try:
                action()
            except Exception:  # the connection breaks: what a client sees of a crash
                pass
            killer.join()
            kernel.start()
            return action()

        crash_at(0, lambda: kernel.call("POST", "/api/v1/auth/signup", {
            "email": "ada@example.com", "password": "maple-otter-lantern-42", "first_name": "Ada", "last_name": "L", "organization": "AE"}))
        token_of_mail = kernel.mail_token("ada@example.com")
        crash_at(1, lambda: kernel.call("POST", "/api/v1/auth/verify-email", {"token": token_of_mail}))
        token = crash_at(2, lambda: kernel.login())["access_token"]
        key = "checkout-1"
        session = crash_at(3, lambda: kernel.checkout(token, "team", quantity=2, key=key))
        again = kernel.checkout(token, "team", quantity=2, key=key)
        assert again["session_id"] == session["session_id"], "a repeated checkout opened a second session"
        paid = []

        def pay():
            if not paid or step == 4:
                # The address names the port of the server that made it; the page is the same after a restart.
                kernel.pay(kernel.base + urllib.parse.urlsplit(session["url"]).path)
                paid.append(True)

        crash_at(4, pay)
        if step == 5:
            time.sleep(delay)
            kernel.kill()
            kernel.start()
        license = settle(kernel, token)
        body = {"hardware_id": "hw-1", "hostname": "engine", "os": "linux", "version": "1", "license_id": license["id"]}
        lease = crash_at(6, lambda: kernel.want(200, "POST", "/api/v1/licenses/acquire", body, token=token).json)
        assert lease["seats_used"] == 1, f"a crash left a second seat: {lease}"
        beat = crash_at(7, lambda: kernel.want(200, "POST", "/api/v1/licenses/heartbeat", {"session_id": lease["session_id"]}, token=token))
        assert beat.json["status"] == "ok"
        second = dict(body, hardware_id="hw-2")
        other = kernel.want(200, "POST", "/api/v1/licenses/acquire", second, token=token).json
        assert other["seats_used"] == 2, other
        third = kernel.call("POST", "/api/v1/licenses/acquire", dict(body, hardware_id="hw-3"), token=token)
        assert third.status == 429 and third.json["error"] == "no_seats_available", third
        crash_at(8, lambda: kernel.call("POST", "/api/v1/licenses/release", {"session_id": lease["session_id"]}, token=token))
        kernel.want(200, "POST", "/api/v1/licenses/acquire", dict(body, hardware_id="hw-3"), token=token)
        sessions = kernel.want(200, "GET", "/api/v1/sessions", token=token).json["sessions"]
        assert len(sessions) == 2, f"two seats, {len(sessions)} live leases"
        time.sleep(0.3)
        settle(kernel, token)
        # Two licences make two mails, each naming its tier; a sign-up repeated after the crash tells that there is an account.
        mails = [(str(m["Subject"]), m.get_body(preferencelist=("plain",)).get_content()) for m in kernel.mails()]
        assert len(mails) == len(set(mails)), f"a mail came twice: {[subject for subject, _ in mails]}"
        kernel.stop(keep=True)
        verify(kernel)
    finally:
        if kernel.process.poll() is None:
            kernel.process.kill()


def verify(kernel):
    import os
    import shutil
    import subprocess

    from kernel import BUILD

    ran = subprocess.run([os.path.join(BUILD, "coditectd"), "audit", "verify", "--data", kernel.data], capture_output=True, text=True)
    shutil.rmtree(kernel.data, ignore_errors=True)
    assert ran.returncode == 0, f"audit verify: {ran.stdout}{ran.stderr}"


def main():
    seed = random.randrange(1 << 30)
    print(f"crash: seed {seed}")
    rng = random.Random(seed)
    runs = 0
    for step in range(9):
        for delay in (0.0, rng.uniform(0.001, 0.02), rng.uniform(0.02, 0.25)):
            life(step, delay)
            runs += 1
            print(f"crash: step {step} after {delay * 1000:.0f} ms: nothing lost, nothing twice", flush=True)
    print(f"crash: {runs} passed, 0 failed")


if __name__ == "__main__":
    main()
