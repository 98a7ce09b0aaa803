"""Decisions recorded by one process come out of another to the same bytes and the same fuel: killed by budgets, failed, denied, allowed.

Usage: test_replay.py [decisions], 20,000 unless told. Standard library only."""

import collections
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("CODITECT_BUILD", os.path.join(ROOT, ".build", "debug"))
PROGRAM = os.path.join(BUILD, "coditectd")

# Every way in which a decision can end, chosen by the decision's own seed.
DICE = """return {
  id = "test.dice", api = 1,
  on_seat_request = function(request)
    local n = math.random(1, 200)
    if n <= 2 then while true do end end
    if n <= 4 then local s = "x" while true do s = s .. s end end
    if n <= 6 then local text = ("a"):rep(40) for i = 1, 1000000 do text:find("(a*)*b") end end
    if n <= 8 then return nil .. request.user.id end
    if n <= 10 then error({ "no text" }) end
    if n <= 12 then return allow{ overdraft_seats = "many" } end
    if n <= 60 then return deny("planted_" .. n, { retry_after_seconds = n + request.now.minute }) end
    if n <= 70 then return deny('with "quotes", \\\\ and \\u{e9}') end
    if n <= 90 then return end
    local names = {}
    for index = 1, n do names[index] = request.user.id .. math.random(1, 1000) end
    table.sort(names)
    return allow{ overdraft_seats = #table.concat(names) % 1000, lease_ttl_seconds = 300 + n }
  end,
  on_role_check = function(request)
    if math.random(1, 4) == 1 then return deny("one_in_four") end
  end,
}
"""


def run(*arguments, code=0):
    ran = subprocess.run([PROGRAM, "policy", *arguments], capture_output=True, text=True)
    if ran.returncode != code:
        raise SystemExit(f"policy {' '.join(arguments)} ended with {ran.returncode}, not {code}:\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}")
    return ran.stdout


def expect(holds, what):
    if not holds:
        raise SystemExit(f"test_replay: {what}")


def main():
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    place = tempfile.mkdtemp(prefix="replay-")
    try:
        policies, log = os.path.join(place, "policies"), os.path.join(place, "log")
        shutil.copytree(os.path.join(ROOT, "policies"), policies)
        os.makedirs(os.path.join(policies, "test", "dice"))
        with open(os.path.join(policies, "test", "dice", "policy.lua"), "w", encoding="utf-8") as file:
            file.write(DICE)
        os.remove(os.path.join(policies, "contracts.lua"))
        with open(os.path.join(policies, "init.lua"), "w", encoding="utf-8") as file:
            file.write('return { platform = { "access/role-matrix", "test/dice" }, tier = { team = { { "seats/overdraft", settings = { overdraft_seats = 7 } } } } }')

        # Two hooks, and a tenth of the calls to warm up.
        run("bench", "--policies", policies, "--calls", str(-(-wanted * 10 // 22)), "--people", "500", "--log", log)
        ends = collections.Counter()
        segments = sorted(os.listdir(log))
        for name in segments:
            with open(os.path.join(log, name), encoding="utf-8") as file:
                for line in file:
                    record = json.loads(line)
                    ends["all"] += 1
                    why = record.get("reason", "") if record["outcome"] == "failed" else ""
                    ends[record["outcome"]] += 1
                    for part in ("budget of instructions", "budget of memory", "attempt to concatenate a nil value", "raised a table value", "allow in on_seat_request"):
                        ends[part] += part in why
                    ends["terms"] += "terms" in record
        count = ends["all"]
        expect(count >= wanted, f"{count} decisions were recorded, not {wanted}")
        for part, least in (
            ("allow", 0.2), ("deny", 0.2), ("terms", 0.2), ("failed", 0.02), ("budget of instructions", 0.005), ("budget of memory", 0.002),
            ("attempt to concatenate a nil value", 0.002), ("raised a table value", 0.002), ("allow in on_seat_request", 0.002)):
            expect(ends[part] >= least * count, f"only {ends[part]} of {count} decisions ended with: {part}")

        told = run("replay", "--policies", policies, "--log", log)
        expect(f": {count} decisions asked again" in told, told)
        expect(f"  {count} the same bytes and fuel, 0 the same answer by another way, 0 answered otherwise" in told, told)

        # The same check fails where one sign of one record is another.
        path = os.path.join(log, segments[0])
        with open(path, encoding="utf-8") as file:
            text = file.read()
        edited = re.sub(r'"fuel":(\d+),"micro', lambda found: f'"fuel":{int(found.group(1)) + 1},"micro', text, count=1)
        expect(edited != text, "nothing to edit")
        with open(path, "w", encoding="utf-8") as file:
            file.write(edited)
        expect("1 by this very set and yet not the same" in run("replay", "--policies", policies, "--log", log, code=65), "an edit went unseen")
        print(f"test_replay: {count} decisions, {ends['failed']} of them failed, came out of another process to the same bytes and fuel")
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    main()
