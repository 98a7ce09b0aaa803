"""Measures ours and its yardsticks in one run, interleaved, and prints ratios. Loopback only, bounded in time."""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
os.environ.setdefault("CODITECT_BUILD", os.path.join(ROOT, ".build", "release"))
sys.path.insert(0, os.path.join(ROOT, "Tests", "Interop"))
sys.path.insert(0, os.path.join(ROOT, "Benchmarks"))
import decisions  # noqa: E402
import shadows  # noqa: E402
from kernel import BUILD, Kernel  # noqa: E402

SECONDS = int(os.environ.get("BENCH_SECONDS", "6"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
SESSIONS = 1_000


def wrk(script, base, target, refused=False, **env):
    """Answers per second that were 2xx (or, for `refused`, that were not), and the p99 in milliseconds."""
    ran = subprocess.run(
        ["wrk", "-t2", "-c64", f"-d{SECONDS}s", "--latency", "-s", os.path.join(ROOT, "Benchmarks", script), base + target],
        env={**os.environ, "TARGET": target, **env}, capture_output=True, text=True, check=True)
    rate = float(re.search(r"Requests/sec:\s+([0-9.]+)", ran.stdout).group(1))
    total = int(re.search(r"(\d+) requests in", ran.stdout).group(1))
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", ran.stdout)
    fine = total - (int(bad.group(1)) if bad else 0)
    if refused:
        fine = total - fine
    p99, unit = re.search(r"99%\s+([0-9.]+)(us|ms|s)", ran.stdout).groups()
    return rate * fine / max(1, total), float(p99) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def config(algorithm):
    return ("http:\n  limits_enabled: false\nseats:\n  lease_ttl_seconds: 86400\n" f"  signature_algorithm: {algorithm}\n")


def roomy_policies():
    """The shipped policies, with a team tier of a thousand seats a unit: no run may end because the seats do."""
    import tempfile

    folder = os.path.join(tempfile.mkdtemp(prefix="bench-"), "policies")
    shutil.copytree(os.path.join(ROOT, "policies"), folder)
    path = os.path.join(folder, "tiers.lua")
    with open(path, encoding="utf-8") as file:
        head, team = file.read().split('id = "team"', 1)
    with open(path, "w", encoding="utf-8") as file:
        file.write(head + 'id = "team"' + team.replace("seats_per_unit = 1,", "seats_per_unit = 1000,", 1))
    return folder


def tokens_and_sessions(kernel, sessions):
    token = kernel.member("bench@example.com")
    license = kernel.paid_license(token, "team", quantity=10_000)
    ids = []
    for number in range(sessions):
        body = {"hardware_id": f"warm-{number}", "hostname": "bench", "os": "linux", "version": "1"}
        ids.append(kernel.want(200, "POST", "/api/v1/licenses/acquire", body, token=token).json["session_id"])
    return token, license, ids


MILLION = 1_000_000


def grow(data, seats):
    """Writes live leases straight into the database of a stopped server, like its newest one, until the licence has so many."""
    import sqlite3

    database = next(os.path.join(data, name) for name in os.listdir(data) if name.endswith((".db", ".sqlite")))
    with sqlite3.connect(database) as db:
        tenant, license, highest = db.execute("SELECT tenant_id, license_id, max(slot) FROM seat_all").fetchone()
        db.create_function("current_tenant", 0, lambda: tenant)
        columns = [row[1] for row in db.execute("PRAGMA table_info(seat_all)")]
        last = dict(zip(columns, db.execute("SELECT * FROM seat_all WHERE slot = ?", (highest,)).fetchone()))

        def rows():
            for slot in range(highest + 1, seats + 1):
                mark = slot.to_bytes(16, "big")
                yield [*{**last, "slot": slot, "session_id": mark, "device": mark + mark, "ceiling": seats * 10}.values()]

        db.executemany(f"INSERT INTO seat_all VALUES ({', '.join('?' * len(columns))})", rows())
        db.execute("UPDATE seat_pool_all SET highest = ?, occupied = ? WHERE license_id = ?", (seats, seats, license))


def scale(policies):
    """What an acquire, a refusal and a heartbeat cost beside 1,000 live leases and beside 1,000,000, by the server's CPU time."""
    small, large = (Kernel(config=config("ed25519"), policies=policies) for _ in range(2))
    try:
        for kernel in (small, large):
            kernel.start()
            kernel.bench = tokens_and_sessions(kernel, 1_000)
        before = resident(large.process.pid)
        large.stop(keep=True)
        print("bench: writing a million leases", flush=True)
        grow(large.data, MILLION)
        large.start()
        costs = {"acquire": {}, "heartbeat": {}}
        for round_number in range(ROUNDS):
            for name, kernel in (("1,000", small), ("1,000,000", large)):
                token, _, ids = kernel.bench
                listing = os.path.join(kernel.data, "sessions.txt")
                with open(listing, "w", encoding="ascii") as file:
                    file.write("\n".join(ids) + "\n")
                for what, run in (
                    ("acquire", lambda: wrk("acquire.lua", kernel.base, "/api/v1/licenses/acquire", TOKEN=token, RUN=f"s{round_number}")),
                    ("heartbeat", lambda: wrk("heartbeat.lua", kernel.base, "/api/v1/licenses/heartbeat", SESSIONS=listing, TOKEN=token)),
                ):
                    print(f"bench: round {round_number + 1} of {ROUNDS}: {what} beside {name} leases", flush=True)
                    began = cpu(kernel.process.pid)
                    rate, _ = run()
                    costs[what].setdefault(name, []).append((cpu(kernel.process.pid) - began) / (rate * SECONDS) * 1e6)
        rows = []
        for what, found in costs.items():
            few, many = statistics.median(found["1,000"]), statistics.median(found["1,000,000"])
            rows.append((f"{what}, 1,000,000 leases", f"{many:.0f} us CPU", "", f"{many / few:.2f} of 1,000 leases ({few:.0f} us)", verdict(many / few <= 1.2, 1.2)))
        grown = resident(large.process.pid)
        rows.append(("memory per 10,000 leases", f"{max(0, grown - before) / (MILLION / 10_000):.2f} MB", "", "leases stand on disk; the page cache is bounded", ""))
        return rows
    finally:
        for kernel in (small, large):
            if kernel.process and kernel.process.poll() is None:
                kernel.stop()


def cpu(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1)) / 1024


def main():
    rows = []
    floor = subprocess.Popen([os.path.join(BUILD, "bench-floor")], stdout=subprocess.PIPE, text=True)
    floor_base = floor.stdout.readline().split()[-1]
    policies = roomy_policies()
    rsa, fast = (Kernel(config=config(name), policies=policies) for name in ("rsa", "ed25519"))
    try:
        with rsa, fast:
            idle = resident(fast.process.pid)
            print("bench: taking seats for the heartbeats", flush=True)
            token, license, ids = tokens_and_sessions(fast, SESSIONS)
            full_token = fast.member("full@example.com")
            fast.want(200, "POST", "/api/v1/licenses/acquire", {"hardware_id": "holder"}, token=full_token)
            slow_token, _, _ = tokens_and_sessions(rsa, 8)
            listing = os.path.join(fast.data, "sessions.txt")
            with open(listing, "w", encoding="ascii") as file:
                file.write("\n".join(ids) + "\n")
            key = fast.want(200, "GET", f"/api/v1/licenses/{license['id']}", token=token).json["license"]["key"]
            jobs = {
                "floor": lambda n: wrk("heartbeat.lua", floor_base, "/beat", SESSIONS=listing, TOKEN="none"),
                "heartbeat": lambda n: wrk("heartbeat.lua", fast.base, "/api/v1/licenses/heartbeat", SESSIONS=listing, TOKEN=token),
                "validate": lambda n: wrk("validate.lua", fast.base, "/api/v1/licenses/validate", KEY=key),
                "acquire (Ed25519)": lambda n: wrk("acquire.lua", fast.base, "/api/v1/licenses/acquire", TOKEN=token, RUN=f"f{n}"),
                "acquire, refused": lambda n: wrk(
                    "acquire.lua", fast.base, "/api/v1/licenses/acquire", refused=True, TOKEN=full_token, RUN=f"d{n}"),
                "acquire (RSA-4096)": lambda n: wrk("acquire.lua", rsa.base, "/api/v1/licenses/acquire", TOKEN=slow_token, RUN=f"r{n}"),
            }
            seen = {name: [] for name in jobs}
            for number in range(ROUNDS):
                for name, job in jobs.items():
                    print(f"bench: round {number + 1} of {ROUNDS}: {name}", flush=True)
                    seen[name].append(job(number))
            middle = {name: (statistics.median(r for r, _ in v), statistics.median(p for _, p in v)) for name, v in seen.items()}
        base_rate = middle["floor"][0]
        goals = {"heartbeat": 0.7, "acquire (Ed25519)": 0.5}
        for name, (rate, p99) in middle.items():
            ratio = rate / base_rate
            rows.append((name, f"{rate:,.0f}/s", f"{p99:.1f} ms", f"{ratio:.2f} of the bare route", verdict(ratio >= goals[name], goals[name]) if name in goals else ""))
        signs = float(subprocess.run(["openssl", "speed", "-seconds", "3", "-multi", "2", "rsa4096"], capture_output=True, text=True).stdout.split("rsa 4096 bits")[-1].split()[2])
        ratio = middle["acquire (RSA-4096)"][0] / signs
        rows.append(("acquire (RSA-4096)", f"{middle['acquire (RSA-4096)'][0]:,.0f}/s", "", f"{ratio:.2f} of openssl speed ({signs:,.0f}/s)", verdict(ratio >= 0.85, 0.85)))
        rows.append(("idle memory", f"{idle:.0f} MB", "", "", verdict(idle < 80, "under 80 MB")))
    finally:
        floor.terminate()
        floor.wait()
    rows.extend(scale(policies))
    rows.append(start_time())
    rows.extend(hook_calls())
    rows.extend(boundary())
    rows.extend(decisions.rows())
    rows.extend(shadows.rows(policies, Kernel))
    width = [max(len(str(r[i])) for r in rows) for i in range(5)]
    print()
    for row in rows:
        print("  ".join(str(cell).ljust(width[i]) for i, cell in enumerate(row)))


def verdict(holds, goal):
    return f"goal {goal}: {'holds' if holds else 'MISSED'}"


def start_time():
    """Median time from exec to the first 200 of /health/ready on existing data."""
    import tempfile

    data = tempfile.mkdtemp(prefix="start-")
    times = []
    for number in range(6):
        kernel = Kernel(data=data)
        began = time.monotonic()
        kernel.start()
        kernel.until("readiness", lambda: kernel.call("GET", "/health/ready").status == 200)
        if number:
            times.append((time.monotonic() - began) * 1000)
        kernel.stop()
    shutil.rmtree(data, ignore_errors=True)
    value = statistics.median(times)
    return ("start to ready", f"{value:.0f} ms", "", "", verdict(value < 300, "under 300 ms"))


def boundary():
    """A call of a plugin, in process and in a child, as ratios to a plain call and to an echo over a Unix socket."""
    print("bench: the boundary to a plugin", flush=True)
    ran = subprocess.run([os.path.join(BUILD, "bench-boundary"), os.path.join(BUILD, "bench-plugins")], capture_output=True, text=True)
    if ran.returncode != 0:
        return [("plugin call", "not measured", "", (ran.stdout + ran.stderr).strip()[-120:], "")]
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    plain, echo = (next(row["nanoseconds"] for row in found if row["name"] == name) for name in ("a plain Swift call", "echo over a Unix socket"))
    return [
        (f"{row['name']}, {row['in_flight']} in flight", f"{row['nanoseconds'] / 1000:,.2f} us", "",
         f"{row['nanoseconds'] / plain:,.1f} of plain, {row['nanoseconds'] / echo:,.2f} of the echo", "")
        for row in found
    ]


def hook_calls():
    ran = subprocess.run([os.path.join(BUILD, "coditectd"), "policy", "bench", "--policies", os.path.join(ROOT, "policies"), "--json"], capture_output=True, text=True)
    if ran.returncode != 0:
        return [("hook call", "not measured", "", ran.stderr.strip()[:80], "")]
    found = []
    for line in ran.stdout.splitlines():
        row = json.loads(line)
        found.append((f"hook {row['hook']}", f"{row['nanoseconds']:,} ns", "", "budget and record included", verdict(row["nanoseconds"] < 5_000, "under 5,000 ns")))
    return found


if __name__ == "__main__":
    main()
