"""What a candidate in the shadow costs those whom it watches: requests to servers with and without one, in turns."""

import os
import re
import shutil
import statistics
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SECONDS = int(os.environ.get("BENCH_SECONDS", "6"))
ROUNDS = int(os.environ.get("BENCH_SHADOW_ROUNDS", "9"))
BODY = {"a good one": None, "one that burns its budget": "while true do end", "one that fails": "error('no')"}


def candidate(place, policies, name, body):
    """The policies in force, and for a bad candidate one policy more that is asked first."""
    folder = shutil.copytree(policies, os.path.join(place, re.sub("[^a-z]", "", name)))
    if body:
        os.makedirs(os.path.join(folder, "bad", "rule"))
        with open(os.path.join(folder, "bad", "rule", "policy.lua"), "w", encoding="utf-8") as file:
            file.write(f"return {{ id = 'bad.rule', api = 1, summary = 'Bad.', on_seat_request = function(request) {body} end }}")
        path = os.path.join(folder, "init.lua")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("platform = {", 'platform = { "bad/rule",', 1))
    return folder


def ask(base, token, run):
    """50th and 99th percentile in microseconds of refused acquires, which write a decision and nothing else, by four connections."""
    target = "/api/v1/licenses/acquire"
    ran = subprocess.run(
        ["wrk", "-t1", "-c4", f"-d{SECONDS}s", "--latency", "-s", os.path.join(ROOT, "Benchmarks", "acquire.lua"), base + target],
        env={**os.environ, "TARGET": target, "TOKEN": token, "RUN": run}, capture_output=True, text=True, check=True)
    scale = {"us": 1, "ms": 1_000, "s": 1_000_000}
    found = re.findall(r"(50|99)%\s+([0-9.]+)(us|ms|s)", ran.stdout)
    return tuple(float(value) * scale[unit] for _, value, unit in found)


def rows(policies, kernel_class):
    place = tempfile.mkdtemp(prefix="bench-shadow-")
    servers = {}
    try:
        for name in ["none", *BODY]:
            shadow = f"policies: {{shadow: {candidate(place, policies, name, BODY[name])}}}\n" if name in BODY else ""
            kernel = kernel_class(config=f"http:\n  limits_enabled: false\n{shadow}", policies=policies)
            servers[name] = kernel
            kernel.start()
            kernel.bench = kernel.member("full@example.com")
            kernel.want(200, "POST", "/api/v1/licenses/acquire", {"hardware_id": "holder"}, token=kernel.bench)
        seen = {name: [] for name in servers}
        for number in range(ROUNDS):
            print(f"bench: round {number + 1} of {ROUNDS}: requests beside a shadow", flush=True)
            for name, kernel in servers.items():
                seen[name].append(ask(kernel.base, kernel.bench, f"s{number}"))
        # Each round against the one without a shadow of the same round: the machine's moods concern all.
        found = []
        for name in BODY:
            p99 = statistics.median(mine[1] / none[1] for mine, none in zip(seen[name], seen["none"]))
            p50 = statistics.median(mine[0] / none[0] for mine, none in zip(seen[name], seen["none"]))
            middle = statistics.median(mine[1] for mine in seen[name])
            judged = f"goal 1.05: {'holds' if p99 <= 1.05 else 'MISSED'}"
            found.append((f"request beside a candidate, {name}", f"p50 {p50:.2f} of none", f"p99 {middle / 1000:.2f} ms", f"p99 {p99:.2f} of none", judged))
        return found
    finally:
        for kernel in servers.values():
            if kernel.process and kernel.process.poll() is None:
                kernel.stop()
        shutil.rmtree(place, ignore_errors=True)
