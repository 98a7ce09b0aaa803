"""A failing set is rolled back for good and a fit candidate goes live by itself, on a real server that is killed in between."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kernel import BUILD, ROOT, Kernel  # noqa: E402


def operator(kernel, *arguments):
    ran = subprocess.run(
        [os.path.join(BUILD, "coditectd"), *arguments, "--data", kernel.data, "--policies", kernel.policies], capture_output=True, text=True)
    assert ran.returncode == 0, f"{arguments} ended with {ran.returncode}: {ran.stderr[-2000:]}"
    return ran.stdout


def sets(kernel):
    return operator(kernel, "policy", "sets").splitlines()


def journal(kernel, action):
    lines = [json.loads(line) for line in operator(kernel, "audit", "export", "platform").splitlines()]
    return [line for line in lines if action in json.dumps(line)]


def log(kernel):
    with open(kernel.log, encoding="utf-8") as file:
        return file.read()


def write(folder, path, text):
    os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
    with open(os.path.join(folder, path), "w", encoding="utf-8") as file:
        file.write(text)


def order(folder, before, after):
    path = os.path.join(folder, "init.lua")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert before in text
    with open(path, "w", encoding="utf-8") as file:
        file.write(text.replace(before, after, 1))


def sign_up(kernel, number):
    body = {"email": f"user{number}@example.com", "password": "maple-otter-lantern-42", "first_name": "Ada", "last_name": "Lovelace", "organization": f"House {number}"}
    return kernel.call("POST", "/api/v1/auth/signup", body)


def believed(policies):
    """What has passed is not tried again by the next process; what has changed is."""
    write(policies, "init.lua", open(os.path.join(policies, "init.lua"), encoding="utf-8").read() + "-- another text\n")
    with Kernel(policies=policies) as kernel:
        passed = os.path.join(kernel.data, "policies", "passed")
        first = os.path.getsize(passed)
        assert first >= 32 * 10, first
        kernel.stop(keep=True)
        kernel.start()
        assert os.path.getsize(passed) == first, (first, os.path.getsize(passed))
        kernel.kill()
        write(policies, "contracts.lua", open(os.path.join(policies, "contracts.lua"), encoding="utf-8").read() + "-- another text\n")
        kernel.start()
        assert os.path.getsize(passed) > first


def rolled_back(policies):
    """A set that refuses everybody by a mistake: three failures, and it is gone, also after kill -9."""
    with Kernel(policies=policies, config="http:\n  limits_enabled: false\npolicies:\n  probation_failures: 2\n") as kernel:
        assert sign_up(kernel, 1).status == 201
        good = sets(kernel)[0].split()[0]
        write(policies, "test/slip/policy.lua", 'return {\n  id = "test.slip", api = 1,\n  on_signup = function(request)\n    local limits = nil\n    return limits.most\n  end,\n}\n')
        order(policies, '"signup/pilot-cap",', '"signup/pilot-cap", "test/slip",')
        kernel.process.send_signal(signal.SIGHUP)
        bad = sets(kernel)[0].split()[0]
        assert bad != good
        kernel.until("the new set", lambda: bad[:12] in log(kernel))
        failed = [sign_up(kernel, 10 + number) for number in range(3)]
        assert [(answer.status, answer.json.get("reason")) for answer in failed] == [(403, "policy_failed")] * 3, failed
        assert sign_up(kernel, 2).status == 201, "the set before is live again at once"
        first = sets(kernel)[0]
        assert f"not in force: rolled back to {good[:12]}" in first and "test/slip/policy.lua:5" in first, first
        assert "policies rolled back" in log(kernel)
        entries = kernel.until("the journal", lambda: journal(kernel, "policies.rolled_back"))
        assert len(entries) == 1 and bad in json.dumps(entries) and "system:policies" in json.dumps(entries), entries

        kernel.kill()
        kernel.start()
        assert sign_up(kernel, 3).status == 201, "after a restart too"
        assert len(journal(kernel, "policies.rolled_back")) == 1
        kernel.process.send_signal(signal.SIGHUP)
        assert sign_up(kernel, 4).status == 201

        write(policies, "test/slip/policy.lua", 'return { id = "test.slip", api = 1, on_signup = function(request) end }\n')
        mended = sets(kernel)[0]
        assert "not in force" not in mended
        kernel.until("the mended set", lambda: mended[:12] in log(kernel))
        assert sign_up(kernel, 5).status == 201


def promoted(policies):
    """A candidate that only lends a seat more: asked beside the set in force, found fit, live."""
    candidate = policies + "-candidate"
    shutil.copytree(policies, candidate)
    order(candidate, "overdraft_seats = 0", "overdraft_seats = 1")
    config = f"http:\n  limits_enabled: false\npolicies:\n  shadow: {candidate}\n  promote_shadow: true\n  shadow_decisions: 20\n"
    with Kernel(policies=policies, config=config) as kernel:
        before = sets(kernel)[0].split()[0]
        token = kernel.member()
        for _ in range(25):
            kernel.want(200, "GET", "/api/v1/licenses", token=token)
        kernel.until("the promotion", lambda: "the candidate was promoted" in log(kernel))
        after = sets(kernel)[0].split()[0]
        assert after != before
        entries = kernel.until("the journal", lambda: journal(kernel, "policies.promoted"))
        assert len(entries) == 1 and after in json.dumps(entries) and before in json.dumps(entries), entries
        with open(os.path.join(policies, "init.lua"), encoding="utf-8") as file:
            assert "overdraft_seats = 1" in file.read()
        # What it was is a command away.
        operator(kernel, "policy", "promote", before[:12], "--replaces", after[:12])
        assert sets(kernel)[0].split()[0] == before


def main():
    place = tempfile.mkdtemp(prefix="trials-")
    try:
        for trial in (believed, rolled_back, promoted):
            policies = os.path.join(place, trial.__name__)
            shutil.copytree(os.path.join(ROOT, "policies"), policies)
            trial(policies)
            print(f"test_policy_trials: {trial.__name__}: as it should be")
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
