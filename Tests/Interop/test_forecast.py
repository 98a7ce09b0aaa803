"""The coming months of a running server's customer, as its operator looks at them: under the policies in force and under a candidate. The server goes on,
nobody is told anything, and nothing is left behind. Standard library only."""

import glob
import json
import os
import shutil
import signal
import subprocess
import tempfile

from kernel import BUILD, Kernel

passed = 0
SCRIPT = "simulation: 1\ntenants:\n  - { name: ada, life: [{ at: day 3, do: card_declines, reason: expired_card }] }\n"


def check(claim, holds, more=""):
    global passed
    assert holds, f"{claim}: {more}"
    passed += 1


def begin(kernel, *more, tenant, **pipes):
    command = [os.path.join(BUILD, "coditectd"), "simulate", "--data", kernel.data, "--tenant", tenant, "--in-force", kernel.policies, *more]
    return subprocess.Popen(command, text=True, env=kernel.env, **pipes)


def copies(process):
    return [path for place in ("/dev/shm", tempfile.gettempdir()) for path in glob.glob(f"{place}/coditect-simulation-{process.pid}-*")]


def subjects(kernel):
    return sorted(str(mail["Subject"]) for mail in kernel.mails())


def look(kernel, *more, tenant):
    process = begin(kernel, *more, tenant=tenant, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, errors = process.communicate()
    check("nothing is left behind", not copies(process), copies(process))
    return subprocess.CompletedProcess(more, process.returncode, out, errors)


def main():
    with tempfile.TemporaryDirectory() as folder, Kernel() as kernel:
        candidate = os.path.join(folder, "candidate")
        shutil.copytree(kernel.policies, candidate)
        init = os.path.join(candidate, "init.lua")
        text = open(init, encoding="utf-8").read()
        changed = text.replace('    "billing/dunning",', '    { "billing/dunning", settings = { grace_days = 21 } },')
        assert changed != text
        with open(init, "w", encoding="utf-8") as file:
            file.write(changed)
        script = os.path.join(folder, "dies.yaml")
        with open(script, "w", encoding="utf-8") as file:
            file.write(SCRIPT)

        token, other = kernel.member("ada@example.com"), kernel.member("grace@example.com")
        kernel.paid_license(token, "team", quantity=3)
        kernel.paid_license(other, "pro", quantity=1)
        tenant = kernel.want(200, "GET", "/api/v1/orgs/current", token=token).json
        tenant = (tenant.get("organization") or tenant)["id"]
        # The last mail of a sale, which comes when the workstation is there.
        mails = kernel.until("the mails of both sales", lambda: (known := subjects(kernel)).count("Everything is set up") == 2 and known)
        bought = kernel.want(200, "GET", "/api/v1/billing/subscription", token=token).json

        looked = look(kernel, "--policies", candidate, "--months", "3", "--format", "jsonl", script, tenant=tenant)
        check("it ends well", looked.returncode == 0, looked.stderr + looked.stdout[-2000:])
        lines = [json.loads(line) for line in looked.stdout.splitlines()]
        only = [(line["only"], line["what"]) for line in lines if "only" in line and "suspended" in line["what"]]
        check("under each set the subscription is suspended at another time", {side for side, _ in only} == {"in_force", "candidate"}, only)
        figures = lines[-1]
        grace = {side: figures[side]["seconds_in"].get("grace", 0) // 86_400 for side in ("in_force", "candidate")}
        check("a week of grace, and three under the candidate", grace == {"in_force": 7, "candidate": 21}, grace)
        check("the customer's own mails are told", any(x.get("kind") == "mail" and "ada@example.com" in x["what"] for x in lines))
        check("nobody else's", "grace@example.com" not in looked.stdout)

        same = look(kernel, "--policies", kernel.policies, "--months", "2", "--quiet", tenant=tenant)
        check("the same policies make no difference", same.returncode == 0 and "no difference" in same.stdout, same.stdout + same.stderr)
        alone = look(kernel, "--months", "2", "--quiet", tenant=tenant)
        check("without a candidate it is one life", alone.returncode == 0 and "days active" in alone.stdout, alone.stdout + alone.stderr)

        check("nobody had a mail of it", subjects(kernel) == mails, subjects(kernel))
        check("the server goes on", kernel.want(200, "GET", "/api/v1/billing/subscription", token=token).json == bought)
        nobody = look(kernel, tenant="0198c2f0-0000-7000-8000-000000000000")
        check("a tenant that is none is said", nobody.returncode != 0 and "there is no tenant" in nobody.stderr, nobody.stderr)

        # At whatever moment, also while it is still copying.
        for _ in range(6):
            process = begin(kernel, "--months", "120", tenant=tenant, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            kernel.until("its copy", lambda: copies(process))
            process.send_signal(signal.SIGTERM)
            check("a signal ends it", process.wait() == 128 + signal.SIGTERM, process.returncode)
            check("and its copy", not copies(process), copies(process))
    print(f"forecast: {passed} checks passed")


if __name__ == "__main__":
    main()
