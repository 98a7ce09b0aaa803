"""What decisions cost: ours in process, and the same rule asked of nginx with Lua and of Redis over loopback. Also replay and reload."""

import json
import os
import re
import resource
import shutil
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PEERS = os.path.join(ROOT, "Benchmarks", "peers")
BUILD = os.environ.get("CODITECT_BUILD", os.path.join(ROOT, ".build", "release"))
SECONDS = int(os.environ.get("BENCH_SECONDS", "6"))
REPLAYED = int(os.environ.get("BENCH_REPLAYED", "1000000"))


def verdict(holds, goal):
    return f"goal {goal}: {'holds' if holds else 'MISSED'}"


def coditectd(*arguments):
    ran = subprocess.run([os.path.join(BUILD, "coditectd"), "policy", *arguments], capture_output=True, text=True)
    if ran.returncode != 0:
        raise RuntimeError(ran.stderr.strip()[:300])
    return ran.stdout


def policies(folder, order):
    """The shipped policies in another order."""
    shutil.copytree(os.path.join(ROOT, "policies"), folder)
    with open(os.path.join(folder, "init.lua"), "w", encoding="utf-8") as file:
        file.write(order)
    return folder


def decisions(place):
    """Ours: the rule alone, as the peers have it; then the layers that run inline."""
    rows = []
    rule = '{ "seats/overdraft", settings = { overdraft_seats = 2 } }'
    cases = [
        ("the rule alone", 'return { platform = { "access/role-matrix", "seats/contractor-hours", %s }, tier = {} }' % rule),
        (
            "a policy of the platform and one of the tier, inline",
            'return { platform = { %s }, tier = { team = { "seats/device-churn" } } }' % rule,
        ),
        (
            "two of the platform and two of the tier, inline",
            'return { platform = { "access/role-matrix", "seats/contractor-hours", %s }, '
            'tier = { team = { "seats/device-churn", { "seats/overdraft", settings = { overdraft_seats = 1 } } } } }' % rule,
        ),
    ]
    own = os.path.join(place, "own")
    os.makedirs(os.path.join(own, "own", "rule"))
    with open(os.path.join(own, "init.lua"), "w", encoding="utf-8") as file:
        file.write("return { tenant = { 'own/rule' } }")
    with open(os.path.join(own, "own", "rule", "policy.lua"), "w", encoding="utf-8") as file:
        file.write("""return { id = "own.rule", api = 1, summary = "Contractors get no seat beyond the licence.",
  on_seat_request = function(request)
    if request.user.role == "contractor" then return allow { overdraft_seats = 0 } end
  end }""")
    for (name, order), tenant in [(case, None) for case in cases] + [(("those two and the tenant's own on its thread", cases[1][1]), own)]:
        folder = policies(os.path.join(place, re.sub("[^a-z]", "", name)), order)
        more = ["--tenant", tenant] if tenant else []
        for line in coditectd("bench", "--policies", folder, "--calls", "100000", "--json", *more).splitlines():
            row = json.loads(line)
            if row["hook"] != "on_seat_request":
                continue
            p50, p99, rate = row["p50"] / 1000, row["p99"] / 1000, row["per_second_and_core"]
            judged = verdict(p50 <= 40, "p50 40 us") if tenant else verdict(p50 <= 10 and p99 <= 100 and rate >= 100_000, "p50 10 us, p99 100 us, 100,000")
            judged = judged if name != cases[2][0] else "each policy more costs some 2 us"
            rows.append((f"decision, {name}", f"p50 {p50:.1f} us", f"p99 {p99:.1f} us", f"{rate:,} a second and core", judged))
    return rows


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(port, process):
    end = time.monotonic() + 10
    while time.monotonic() < end:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise RuntimeError("the peer did not start")


def cpu(pid):
    """Of the process and its children, in seconds."""
    total = 0
    for entry in [pid] + [int(p) for p in open(f"/proc/{pid}/task/{pid}/children", encoding="ascii").read().split()]:
        with open(f"/proc/{entry}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def wrk(base, connections):
    ran = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency", "-s", os.path.join(PEERS, "decide.lua"), base + "/decide"],
        capture_output=True, text=True, check=True)
    if "Non-2xx" in ran.stdout:
        raise RuntimeError("the peer refused")
    scale = {"us": 1, "ms": 1000, "s": 1_000_000}
    at = {p: float(v) * scale[u] for p, v, u in re.findall(r"(50|99)%\s+([0-9.]+)(us|ms|s)", ran.stdout)}
    return int(re.search(r"(\d+) requests in", ran.stdout).group(1)), at["50"], at["99"]


def nginx(place):
    folder = os.path.join(place, "nginx")
    os.makedirs(folder)
    port = free_port()
    with open(os.path.join(folder, "nginx.conf"), "w", encoding="utf-8") as file:
        file.write(f"""
load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  log_format decision escape=none '$request_id $request_body $decision';
  access_log {folder}/decisions.log decision; keepalive_requests 100000000;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port}; location = /decide {{ set $decision ''; content_by_lua_file {PEERS}/rule.lua; }} }}
}}
""")
    process = subprocess.Popen(["nginx", "-p", folder, "-c", os.path.join(folder, "nginx.conf"), "-e", os.path.join(folder, "error.log")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(port, process)
        _, p50, p99 = wrk(f"http://127.0.0.1:{port}", 1)
        before = cpu(process.pid)
        count, _, _ = wrk(f"http://127.0.0.1:{port}", 64)
        each = (cpu(process.pid) - before) / count
        return ("the rule in nginx with Lua", f"p50 {p50:.0f} us", f"p99 {p99:.0f} us", f"{1 / each:,.0f} a second and core", "one HTTP call on loopback, access log")
    finally:
        process.terminate()
        process.wait()


def redis(place):
    folder = os.path.join(place, "redis")
    os.makedirs(folder)
    port = free_port()
    process = subprocess.Popen(
        ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", folder, "--save", "", "--appendonly", "yes", "--appendfsync", "no"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(port, process)
        with open(os.path.join(PEERS, "rule_redis.lua"), encoding="utf-8") as file:
            digest = subprocess.run(["redis-cli", "-p", str(port), "script", "load", file.read()], capture_output=True, text=True, check=True).stdout.strip()
        question = ["evalsha", digest, "1", "decisions", "developer", "1", "9", "30", "x" * 400]
        said = subprocess.run(["redis-cli", "-p", str(port), *question], capture_output=True, text=True, check=True).stdout
        if '"outcome":"allow"' not in said:
            raise RuntimeError(f"Redis said {said[:200]}")

        def run(connections, count):
            ran = subprocess.run(["redis-benchmark", "-p", str(port), "-c", str(connections), "-n", str(count), "--csv", *question], capture_output=True, text=True, check=True)
            head, row = [[cell.strip('"') for cell in line.split('","')] for line in ran.stdout.splitlines()[-2:]]
            return dict(zip(head, row))

        alone = run(1, 20_000 * SECONDS)
        before = cpu(process.pid)
        count = 60_000 * SECONDS
        run(64, count)
        each = (cpu(process.pid) - before) / count
        return ("the rule as EVALSHA of Redis", f"p50 {float(alone['p50_latency_ms']) * 1000:.0f} us", f"p99 {float(alone['p99_latency_ms']) * 1000:.0f} us", f"{1 / each:,.0f} a second and core", "one call on loopback, append-only file")
    finally:
        process.terminate()
        process.wait()


def timed(body):
    """Its output, seconds on the wall, seconds of processor time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    out = body()
    took = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return out, took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def replay(place):
    folder = policies(os.path.join(place, "replayed"), open(os.path.join(ROOT, "policies", "init.lua"), encoding="utf-8").read())
    log = os.path.join(place, "log")
    # Two hooks, and a tenth of the calls to warm up.
    coditectd("bench", "--policies", folder, "--calls", str(-(-REPLAYED * 10 // 22)), "--people", "1000", "--log", log)
    out, took, spent = timed(lambda: coditectd("replay", "--policies", folder, "--log", log))
    count = int(re.search(r"(\d+) decisions asked again", out).group(1))
    same = int(re.search(r"(\d+) the same bytes and fuel", out).group(1))
    if count != same:
        raise RuntimeError(f"{count - same} of {count} decisions came out otherwise")
    seconds = took * 1_000_000 / count
    return (f"replay of {count:,} decisions", f"{took:.1f} s", f"{spent:.1f} s CPU", "all the same bytes and fuel", verdict(seconds <= 15, "15 s a million"))


def reload(place):
    folder = os.path.join(place, "many")
    shutil.copytree(os.path.join(ROOT, "policies"), folder)
    for number in range(10_000):
        policy = os.path.join(folder, "many", f"p{number}")
        os.makedirs(policy)
        with open(os.path.join(policy, "policy.lua"), "w", encoding="utf-8") as file:
            file.write(f"""-- Small, and no two alike.
return {{
  id = "many.p{number}", api = 1, summary = "Number {number}.",
  settings = {{ from_hour = {{ type = "integer", min = 0, max = 23, default = {number % 24}, summary = "When." }} }},
  on_seat_request = function(request, settings)
    if request.user.role == "contractor" and request.now.hour < settings.from_hour then
      return deny("outside_hours", {{ retry_after_seconds = {number + 60} }})
    end
  end,
}}
""")
        with open(os.path.join(policy, "policy_test.lua"), "w", encoding="utf-8") as file:
            file.write("""return {
  { name = "gives seats to others", hook = "on_seat_request", expect = { outcome = "abstain" },
    input = { user = { id = "u", role = "owner", recent_devices = 1 }, device = { id = "d" }, purpose = "interactive",
      license = { id = "l", tier = "pro", status = "active", seats = 1, seats_used = 0 } } },
}
""")
    first, again = [json.loads(line) for line in coditectd("bench", "--policies", folder, "--reload", "--json").splitlines()]
    return (
        "reload of 10,000 policies", f"{again['milliseconds']} ms", f"{again['processor_milliseconds']} ms CPU",
        f"compiled and checked, tests known; {first['milliseconds']} ms with every test", verdict(again["milliseconds"] <= 1_000, "1 s"))


def rows():
    place = tempfile.mkdtemp(prefix="bench-decisions-")
    found = []
    try:
        for name, job in (("decisions", decisions), ("nginx", nginx), ("Redis", redis), ("replay", replay), ("reload", reload)):
            print(f"bench: {name}", flush=True)
            try:
                got = job(place)
                found += got if isinstance(got, list) else [got]
            except (RuntimeError, OSError, subprocess.CalledProcessError) as why:
                found.append((name, "not measured", "", str(why)[:120], ""))
        return found
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    for row in rows():
        print("  ".join(str(cell) for cell in row))
