"""The seat service beside two others that do the same job, interleaved in one run: FastAPI with Redis, nginx with Lua and Redis. Loopback only.

strict: every token is verified and RSA-4096 signs; fast: verified tokens are kept and Ed25519 signs. Ours does what it does in production:
policies asked and recorded, journal, metrics; once alone over SQLite, once over PostgreSQL and Redis.

    BENCH_SECONDS=6 BENCH_ROUNDS=3 Benchmarks/seat_peers.py PYTHON_OF_THE_NEIGHBOUR
"""

import http.client
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HERE = os.path.join(ROOT, "Benchmarks", "peers", "seats")
os.environ.setdefault("CODITECT_BUILD", os.path.join(ROOT, ".build", "release"))
sys.path.insert(0, os.path.join(ROOT, "Tests", "Interop"))
sys.path.insert(0, os.path.join(ROOT, "Benchmarks"))
from bench import resident, roomy_policies  # noqa: E402
from kernel import BUILD, Kernel  # noqa: E402
from test_postgres import Cluster, migrate  # noqa: E402

SECONDS = int(os.environ.get("BENCH_SECONDS", "6"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
CONNECTIONS, SESSIONS, TOKENS, SMALL = 64, 1_000, 20, 100
SOAK = (1_000_000, 5_000_000)
MODES = ("strict", "fast")
KINDS = ("heartbeat", "acquire", "boundary")


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def tree(pid):
    """The process and everything under it."""
    found = [pid]
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
        for task in tasks:
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                for child in file.read().split():
                    found += tree(int(child))
    except FileNotFoundError:
        return []
    return found


def cpu(pids):
    ticks = 0
    for root in pids:
        for pid in tree(root):
            try:
                with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                    fields = file.read().rsplit(")", 1)[1].split()
                ticks += int(fields[11]) + int(fields[12])
            except FileNotFoundError:
                pass
    return ticks / os.sysconf("SC_CLK_TCK")


class Redis:
    def __init__(self, folder):
        self.port = free_port()
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder],
            stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if "eady to accept connections" in line:
                break
        # Nobody reads on: what it says later must not fill the pipe.
        threading.Thread(target=lambda: [None for _ in self.process.stdout], daemon=True).start()

    def say(self, *words):
        return subprocess.run(["redis-cli", "-p", str(self.port), *map(str, words)], check=True, capture_output=True, text=True).stdout.strip()

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Server:
    """A server of the API under measurement: where it is, what it costs, and who asks it."""

    def __init__(self, name, mode, base, pids, beside=()):
        self.name, self.mode, self.base, self.pids, self.beside = name, mode, base, pids, beside
        self.tokens, self.small_tokens, self.sessions = [], [], []
        self.granted = self.seats = 0

    def take_sessions(self, folder):
        host, port = self.base.removeprefix("http://").split(":")
        connection = http.client.HTTPConnection(host, int(port))
        lines = []
        for number in range(SESSIONS):
            token = self.tokens[number % len(self.tokens)]
            body = {"hardware_id": f"warm-{number}", "hostname": "bench", "os": "linux", "version": "1"}
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
            connection.request("POST", "/api/v1/licenses/acquire", json.dumps(body), headers)
            answer = connection.getresponse()
            said = json.loads(answer.read())
            assert answer.status == 200, (self.name, answer.status, said)
            lines.append(f"{said['session_id']} {token}")
        stem = os.path.join(folder, f"{self.name}-{self.mode}".replace(" ", "-"))
        self.files = {name: f"{stem}.{name}" for name in ("sessions", "tokens", "small")}
        for name, found in (("sessions", lines), ("tokens", self.tokens), ("small", self.small_tokens)):
            with open(self.files[name], "w", encoding="ascii") as file:
                file.write("\n".join(found) + "\n")

    def run(self, kind, label, seconds=SECONDS):
        target = "/api/v1/licenses/heartbeat" if kind == "heartbeat" else "/api/v1/licenses/acquire"
        began, beside = cpu(self.pids), cpu(self.beside)
        ran = subprocess.run(
            ["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", os.path.join(HERE, "load.lua"), self.base],
            env={**os.environ, "KIND": "heartbeat" if kind == "heartbeat" else "acquire", "TARGET": target, "RUN": label,
                 "SESSIONS": self.files["sessions"], "TOKENS": self.files["small" if kind == "boundary" else "tokens"]},
            capture_output=True, text=True, check=True)
        requests, duration, refused, p50, p99, broken = map(float, re.search(r"FIGURES (.*)", ran.stdout)[1].split())
        fine = requests - refused
        if kind == "boundary":
            self.granted += int(fine)
        else:
            # A refusal here is no answer to the question that was asked.
            broken += refused
        return {
            "rate": (requests if kind == "boundary" else fine) / duration * 1e6, "p50": p50, "p99": p99, "broken": broken, "requests": requests,
            "cpu": (cpu(self.pids) - began) / requests * 1e6, "beside": (cpu(self.beside) - beside) / requests * 1e6,
            "memory": sum(resident(pid) for root in self.pids for pid in tree(root))}


def keys(folder):
    def run(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True)

    for name, how in (("rsa", ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096")), ("ed25519", ("-algorithm", "ED25519")),
                      ("token", ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"))):
        run("genpkey", *how, "-out", os.path.join(folder, f"{name}.pem"))
        run("pkey", "-in", os.path.join(folder, f"{name}.pem"), "-pubout", "-out", os.path.join(folder, f"{name}.pub.pem"))


TOKEN_SCRIPT = """
import json, sys, time, uuid, jwt
key, now = open(sys.argv[1], "rb").read(), int(time.time())
for tenant in ("bench", "small"):
    print(json.dumps([jwt.encode({"sub": f"client-{n}", "tenant_id": tenant, "iat": now, "exp": now + 86400, "jti": str(uuid.uuid4())},
                                 key, algorithm="ES256") for n in range(int(sys.argv[2]))]))
"""


def wait_for(base, process):
    host, port = base.removeprefix("http://").split(":")
    for _ in range(200):
        try:
            connection = http.client.HTTPConnection(host, int(port), timeout=5)
            connection.request("GET", "/")
            connection.getresponse().read()
            return
        except OSError:
            assert process.poll() is None, f"{base}: the server left with {process.returncode}"
            time.sleep(0.05)
    raise AssertionError(f"{base}: nobody answers")


class Neighbours:
    """Both of them in both modes, each mode with tenants of its own in one Redis."""

    def __init__(self, folder, python):
        self.folder, self.processes, self.servers, self.stores = folder, [], [], []
        try:
            self.start(folder, python)
        except BaseException:
            self.stop()
            raise

    def start(self, folder, python):
        keys(folder)
        found = subprocess.run(
            [python, "-c", TOKEN_SCRIPT, os.path.join(folder, "token.pem"), str(TOKENS)], check=True, capture_output=True, text=True).stdout
        tokens, small = map(json.loads, found.splitlines())
        for mode in MODES:
            for name, start in (("FastAPI", self.fastapi), ("nginx + Lua", self.nginx)):
                store = Redis(folder)
                self.stores.append(store)
                store.say("hset", "{bench}:limits", "seats", 10**9, "seconds", 86_400)
                store.say("hset", "{small}:limits", "seats", SMALL, "seconds", 86_400)
                port = free_port()
                process = start(python, mode, port, store.port)
                self.processes.append(process)
                wait_for(f"http://127.0.0.1:{port}", process)
                server = Server(name, mode, f"http://127.0.0.1:{port}", [process.pid], [store.process.pid])
                server.tokens, server.small_tokens = tokens, small
                self.servers.append(server)

    def fastapi(self, python, mode, port, redis_port):
        command = [python, "-m", "uvicorn", "--app-dir", HERE, "app:app", "--host", "127.0.0.1", "--port", str(port), "--workers", "2",
                   "--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
        env = {**os.environ, "REDIS_PORT": str(redis_port), "KEYS": self.folder, "FAST": "1" if mode == "fast" else "0"}
        return subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)

    def nginx(self, _python, mode, port, redis_port):
        prefix = os.path.join(self.folder, f"nginx-{mode}")
        os.makedirs(prefix)
        os.symlink("/usr/lib/nginx/modules", os.path.join(prefix, "modules"))
        os.chmod(self.folder, 0o755)
        with open(os.path.join(HERE, "nginx.conf.in"), encoding="utf-8") as file:
            text = file.read()
        for name, value in (("HERE", HERE), ("KEYS", self.folder), ("REDIS_PORT", redis_port), ("PORT", port),
                            ("FAST", "true" if mode == "fast" else "false")):
            text = text.replace(f"@{name}@", str(value))
        with open(os.path.join(prefix, "nginx.conf"), "w", encoding="utf-8") as file:
            file.write(text)
        return subprocess.Popen(["nginx", "-p", prefix + "/", "-c", "nginx.conf"], stderr=subprocess.DEVNULL)

    def stop(self):
        for process in self.processes:
            process.terminate()
            process.wait()
        for store in self.stores:
            store.stop()


def settings(mode):
    return (
        "http:\n  limits_enabled: false\nseats:\n  lease_ttl_seconds: 86400\n"
        f"  signature_algorithm: {'rsa' if mode == 'strict' else 'ed25519'}\n"
        f"signing:\n  token_cache: {0 if mode == 'strict' else 8192}\n")


def members(kernel, server):
    """Two tenants: one of ten million seats, one of a hundred; each with as many tokens as the neighbours'. Their free licences ended with the purchase."""
    big = kernel.member("bench@example.com")
    kernel.paid_license(big, "team", quantity=10_000)
    small = kernel.member("small@example.com")
    kernel.paid_license(small, "pro", quantity=SMALL // 50)
    server.seats = sum(license["seats"] for license in kernel.licenses(small) if license["status"] == "active")
    assert server.seats == SMALL, server.seats
    server.tokens = [big] + [kernel.login("bench@example.com")["access_token"] for _ in range(TOKENS - 1)]
    server.small_tokens = [small] + [kernel.login("small@example.com")["access_token"] for _ in range(TOKENS - 1)]


class Ours:
    """One process over SQLite, and one over a PostgreSQL that flushes and a Redis, in both modes."""

    def __init__(self, folder, policies):
        self.kernels, self.servers, self.stores, self.clusters = [], [], [], []
        try:
            self.start(folder, policies)
        except BaseException:
            self.stop()
            raise

    def start(self, folder, policies):
        for mode in MODES:
            kernel = Kernel(config=settings(mode), policies=policies).start()
            self.kernels.append(kernel)
            self.serve("ours, SQLite", mode, kernel, [])
            store, cluster = Redis(folder), Cluster(options=())
            self.stores.append(store)
            self.clusters.append(cluster)
            prepare(cluster)
            env = {"DATABASE_URL": cluster.url("coditect_serve"), "REDIS_URL": f"redis://127.0.0.1:{store.port}"}
            grown = Kernel(config=settings(mode), policies=policies, env=env)
            migrate(cluster, grown.data, "coditect_migrate", "up")
            self.kernels.append(grown.start())
            self.serve("ours, PostgreSQL and Redis", mode, grown, [cluster.server.pid, store.process.pid])

    def serve(self, name, mode, kernel, beside):
        server = Server(name, mode, kernel.base, [kernel.process.pid], beside)
        members(kernel, server)
        self.servers.append(server)

    def stop(self):
        for kernel in self.kernels:
            kernel.stop()
        for cluster in self.clusters:
            cluster.close()
        for store in self.stores:
            store.stop()


def prepare(cluster):
    roles = subprocess.run([os.path.join(BUILD, "coditectd"), "migrate", "roles"], check=True, capture_output=True, text=True).stdout
    for statement in roles.strip().split(";\n"):
        cluster.psql(statement.rstrip(";"), database="postgres")


def soak(server):
    """Memory after so many heartbeats and after so many more."""
    done, marks = 0, []
    for goal in SOAK:
        while done < goal:
            done += server.run("heartbeat", "soak", seconds=10)["requests"]
        marks.append(sum(resident(pid) for pid in server.pids))
        print(f"bench: {done:,.0f} heartbeats: {marks[-1]:.1f} MB", flush=True)
    return marks


def middle(runs, name):
    return statistics.median(run[name] for run in runs)


GOALS = {
    ("heartbeat", "fast"): {"nginx + Lua": 0.7, "FastAPI": 5.0}, ("heartbeat", "strict"): {"nginx + Lua": 1.3, "FastAPI": 5.0},
    ("acquire", "fast"): {"nginx + Lua": 0.7, "FastAPI": 2.4},
}


def report(seen, servers, signs):
    for kind in KINDS:
        for mode in MODES:
            print(f"\n{kind}, {mode}; median of {ROUNDS} rounds of {SECONDS} s, {CONNECTIONS} connections")
            print(f"  {'':28}{'a second':>10}{'p50 ms':>9}{'p99 ms':>9}{'CPU us':>9}{'beside us':>11}{'MB':>8}{'broken':>8}   of nginx + Lua   of FastAPI")
            rates = {s.name: [run["rate"] for run in seen[s, kind]] for s in servers if s.mode == mode}
            for server in servers:
                if server.mode != mode:
                    continue
                runs = seen[server, kind]
                # Neighbours in time: the host is uneven.
                ratios = {
                    peer: statistics.median(mine / theirs for mine, theirs in zip(rates[server.name], rates[peer]))
                    for peer in ("nginx + Lua", "FastAPI")}
                goals = GOALS.get((kind, mode), {}) if server.name.startswith("ours") else {}
                told = "   ".join(
                    f"{ratio:5.2f}" + (f" ({goals[peer]}: {'holds' if ratio >= goals[peer] else 'MISSED'})" if peer in goals else "")
                    for peer, ratio in ratios.items())
                print(
                    f"  {server.name:28}{middle(runs, 'rate'):10,.0f}{middle(runs, 'p50'):9.1f}{middle(runs, 'p99'):9.1f}{middle(runs, 'cpu'):9.1f}"
                    f"{middle(runs, 'beside'):11.1f}{middle(runs, 'memory'):8.0f}{sum(run['broken'] for run in runs):8.0f}   {told}")
    print("\nseats granted to 64 connections that ask for more than there are")
    for server in servers:
        print(f"  {server.name:28}{server.mode:8}{server.granted:8} of {server.seats}: {'exact' if server.granted == server.seats else 'NOT EXACT'}")
    print(f"\nacquire, strict, beside `openssl speed rsa4096` on {os.cpu_count()} cores ({signs:,.0f} signatures a second)")
    for server in servers:
        if server.mode == "strict":
            ratio = middle(seen[server, "acquire"], "rate") / signs
            goal = f" (0.85: {'holds' if ratio >= 0.85 else 'MISSED'})" if server.name.startswith("ours") else ""
            print(f"  {server.name:28}{ratio:6.2f}{goal}")


def main():
    python = sys.argv[1]
    folder, policies = tempfile.mkdtemp(prefix="bench-peers-"), roomy_policies()
    neighbours = ours = None
    try:
        print("bench: starting two neighbours in two modes", flush=True)
        neighbours = Neighbours(folder, python)
        for server in neighbours.servers:
            server.seats = SMALL
        print("bench: starting ours, over SQLite and over PostgreSQL and Redis", flush=True)
        ours = Ours(folder, policies)
        servers = neighbours.servers + ours.servers
        for server in servers:
            print(f"bench: {server.name}, {server.mode}: taking {SESSIONS} seats", flush=True)
            server.take_sessions(folder)
        for cluster in ours.clusters:
            # What autovacuum does within its first minute: the tables are younger than that.
            cluster.psql("ANALYZE")
        seen = {}
        for number in range(ROUNDS):
            for kind in KINDS:
                for mode in MODES:
                    for server in (s for s in servers if s.mode == mode):
                        label = f"{uuid.uuid4().hex[:8]}"
                        found = server.run(kind, label)
                        print(f"bench: round {number + 1} of {ROUNDS}: {kind}, {mode}, {server.name}: {found['rate']:,.0f}/s", flush=True)
                        seen.setdefault((server, kind), []).append(found)
        said = subprocess.run(["openssl", "speed", "-seconds", "3", "-multi", str(os.cpu_count()), "rsa4096"], capture_output=True, text=True).stdout
        report(seen, servers, float(said.split("rsa 4096 bits")[-1].split()[2]))
        if os.environ.get("BENCH_SOAK", "1") == "1":
            alone = next(s for s in ours.servers if s.mode == "fast" and s.name == "ours, SQLite")
            first, last = soak(alone)
            growth = last / first - 1
            print(f"\nmemory between {SOAK[0]:,} and {SOAK[1]:,} heartbeats: {first:.1f} to {last:.1f} MB, {growth:+.1%} (2 %: {'holds' if growth < 0.02 else 'MISSED'})")
        assert all(s.granted == s.seats for s in servers), "a server granted another number of seats than it has"
    finally:
        for side in (ours, neighbours):
            if side:
                side.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
