#!/usr/bin/env python3
"""Two servers behind Debian's nginx and HAProxy, over PostgreSQL behind Debian's PgBouncer in transaction mode: under load, each server is replaced by
SIGTERM one after the other, all are replaced at once (blue-green), and the pooler is restarted. No request may fail while servers are replaced.

    test_many_processes.py
"""

import http.client
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from kernel import Kernel  # noqa: E402
from test_backup import program  # noqa: E402
from test_postgres import Cluster, migrate  # noqa: E402


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, seconds=60):
    deadline = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < deadline, f"nothing listens on {port}"
            time.sleep(0.05)


class Bouncer:
    """PgBouncer on loopback, in transaction mode: fewer server connections than two servers ask for."""

    def __init__(self, cluster, size=8, more=""):
        self.folder = tempfile.mkdtemp(prefix="bouncer-", dir="/tmp")
        self.port = free_port()
        with open(os.path.join(self.folder, "users.txt"), "w") as file:
            file.write('"coditect_serve" ""\n')
        with open(os.path.join(self.folder, "pgbouncer.ini"), "w") as file:
            file.write(
                f"[databases]\ncoditect = {cluster.place} dbname=coditect\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\n"
                f"unix_socket_dir =\nauth_type = trust\nauth_file = {self.folder}/users.txt\npool_mode = transaction\n"
                f"default_pool_size = {size}\nmax_client_conn = 200\nlog_connections = 0\nlog_disconnections = 0\n{more}")
        self.identity = []
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            for path in (self.folder, *(os.path.join(self.folder, x) for x in os.listdir(self.folder))):
                os.chown(path, user.pw_uid, user.pw_gid)
            self.identity = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            self.identity + ["/usr/sbin/pgbouncer", os.path.join(self.folder, "pgbouncer.ini")], stdout=subprocess.DEVNULL,
            stderr=open(os.path.join(self.folder, "log"), "a"), cwd="/")
        wait_for(self.port)

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(20)

    def use(self, cluster):
        """Another server is the primary now."""
        path = os.path.join(self.folder, "pgbouncer.ini")
        with open(path, "r+", encoding="utf-8") as file:
            text = re.sub(r"= host=.* dbname", f"= {cluster.place} dbname", file.read())
            file.seek(0)
            file.write(text)
            file.truncate()
        self.process.send_signal(signal.SIGHUP)

    def url(self):
        return f"postgresql://coditect_serve@127.0.0.1:{self.port}/coditect"

    def close(self):
        if self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Nginx:
    name = "nginx"

    def __init__(self, folder, backends):
        self.folder, self.port = os.path.join(folder, "nginx"), free_port()
        os.makedirs(self.folder)
        self.write(backends)
        # The pid tells a reload from a start; the master waits for it to be whole.
        self.process = subprocess.Popen(self.command(), stderr=subprocess.DEVNULL)
        wait_for(self.port)

    def command(self):
        return ["/usr/sbin/nginx", "-p", self.folder, "-c", os.path.join(self.folder, "nginx.conf"), "-e", os.path.join(self.folder, "error.log")]

    def write(self, backends):
        # As docs/how-to/operate.md has it.
        servers = "".join(f"server 127.0.0.1:{port} max_fails=1 fail_timeout=1s;" for port in backends)
        with open(os.path.join(self.folder, "nginx.conf"), "w") as file:
            file.write(
                "daemon off; worker_processes 1; pid nginx.pid; user root;\nevents { worker_connections 512; }\nhttp {\n access_log off;\n"
                " client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;\n"
                f" upstream coditect {{ {servers} }}\n"
                f" server {{ listen 127.0.0.1:{self.port}; location / {{ proxy_pass http://coditect; proxy_http_version 1.1;"
                " proxy_set_header Connection close; proxy_set_header Host $http_host;"
                " proxy_next_upstream error timeout; proxy_connect_timeout 2s; } }\n}\n")

    def use(self, backends):
        self.write(backends)
        self.process.send_signal(signal.SIGHUP)

    def close(self):
        self.process.terminate()
        self.process.wait(20)


class HAProxy:
    name = "HAProxy"

    def __init__(self, folder, backends):
        self.folder, self.port = os.path.join(folder, "haproxy"), free_port()
        os.makedirs(self.folder)
        self.path = os.path.join(self.folder, "haproxy.cfg")
        self.write(backends)
        self.process = subprocess.Popen(["/usr/sbin/haproxy", "-W", "-f", self.path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.port)

    def write(self, backends):
        servers = "".join(f"  server s{port} 127.0.0.1:{port} check inter 200ms fall 1 rise 1\n" for port in backends)
        with open(self.path, "w") as file:
            file.write(
                "global\n  maxconn 500\ndefaults\n  mode http\n  timeout connect 2s\n  timeout client 30s\n  timeout server 30s\n  timeout check 5s\n"
                "  option redispatch 1\n  retries 3\n  retry-on conn-failure empty-response\n"
                f"frontend front\n  bind 127.0.0.1:{self.port}\n  default_backend coditect\n"
                f"backend coditect\n  balance roundrobin\n  option httpchk GET /health/ready\n  http-check send hdr Host 127.0.0.1\n"
                f"  http-reuse never\n{servers}")

    def use(self, backends):
        self.write(backends)
        self.process.send_signal(signal.SIGUSR2)

    def close(self):
        self.process.terminate()
        self.process.wait(20)


class Load:
    """Clients that take, keep and give seats back, until told to stop. Every answer counts; a client waits 10 s for each."""

    def __init__(self, port, token, license_id, clients=4):
        self.port, self.token, self.license = port, token, license_id
        self.stopping = threading.Event()
        self.answers, self.failures, self.slowest, self.lock = {}, [], 0.0, threading.Lock()
        self.threads = [threading.Thread(target=self.client, args=(n,)) for n in range(clients)]
        for thread in self.threads:
            thread.start()

    def call(self, method, path, body=None):
        began = time.monotonic()
        try:
            # A connection for each request: a proxy that is told new backends closes those that are idle, whatever stands behind it.
            line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            headers = {"Authorization": "Bearer " + self.token, "Content-Type": "application/json", "Connection": "close"}
            line.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = line.getresponse()
            status, raw = answer.status, answer.read()
            line.close()
        except (OSError, http.client.HTTPException) as fault:
            status, raw = repr(fault), b""
        took = time.monotonic() - began
        with self.lock:
            self.answers[status] = self.answers.get(status, 0) + 1
            self.slowest = max(self.slowest, took)
            if status not in (200, 204, 429, 404, 409, 410):
                self.failures.append((round(began, 2), method, path, status, raw[:200]))
        try:
            return status, json.loads(raw or b"{}")
        except ValueError:
            return status, {}

    def client(self, number):
        device = f"{number + 1:064x}"
        while not self.stopping.is_set():
            status, seat = self.call("POST", "/api/v1/licenses/acquire", {"license_id": self.license, "hardware_id": device})
            if status == 200:
                self.call("POST", "/api/v1/licenses/heartbeat", {"session_id": seat["session_id"]})
                self.call("POST", "/api/v1/licenses/release", {"session_id": seat["session_id"]})
            self.call("GET", "/api/v1/users/me")

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        return self

    @property
    def count(self):
        with self.lock:
            return sum(self.answers.values())

    def go_on(self, requests):
        """Returns when so many more were answered."""
        wanted, deadline = self.count + requests, time.monotonic() + 60
        while self.count < wanted:
            assert time.monotonic() < deadline, f"the load stands still: {self.answers} {self.failures[-3:]}"
            time.sleep(0.05)


def faults(kernels):
    """What the servers themselves say of requests that failed."""
    lines = [line for x in kernels if os.path.exists(x.log) for line in open(x.log) if "fault" in line]
    return [line[:400] for line in lines[-5:]]


CONFIG = "http: {limits_enabled: false, drain_notice_seconds: 2}\n"


def main():
    cluster, folder = Cluster(), tempfile.mkdtemp(prefix="many-")
    folders = [os.path.join(folder, f"node-{n}") for n in range(4)]
    kernels, bouncer = [], None
    try:
        for statement in program("migrate", "roles").strip().split(";\n"):
            cluster.psql(statement.rstrip(";"), database="postgres")
        os.mkdir(folders[0], 0o700)
        os.mkdir(os.path.join(folders[0], "mailbox"), 0o700)
        migrate(cluster, folders[0], "coditect_migrate", "up")
        bouncer = Bouncer(cluster)
        for other in folders[1:]:
            os.mkdir(other, 0o700)
            for name in ("keys", "mailbox"):  # any of them may send a mail
                os.symlink(os.path.join(folders[0], name), os.path.join(other, name))
        kernels = [Kernel(data=x, env={"DATABASE_URL": bouncer.url()}, config=CONFIG) for x in folders]
        for kernel in kernels[:2]:
            kernel.start()
        token = kernels[0].member()
        license_id = kernels[0].paid_license(token, quantity=6)["id"]
        print("ok  a customer's life through PgBouncer in transaction mode: signed up, paid, licensed")

        for Proxy in (HAProxy, Nginx):
            proxy = Proxy(folder, [x.port for x in kernels[:2]])
            load = Load(proxy.port, token, license_id)
            try:
                load.go_on(40)
                for kernel in kernels[:2]:
                    kernel.stop(keep=True)
                    load.go_on(20)
                    kernel.start()
                    load.go_on(20)
                rolled = load.count
                for kernel in kernels[2:]:
                    kernel.start()
                proxy.use([x.port for x in kernels[2:]])
                load.go_on(40)
                for kernel in kernels[:2]:
                    kernel.stop(keep=True)
                load.go_on(40)
                # Back again, for the next proxy.
                for kernel in kernels[:2]:
                    kernel.start()
                proxy.use([x.port for x in kernels[:2]])
                load.go_on(40)
                for kernel in kernels[2:]:
                    kernel.stop(keep=True)
                load.go_on(20)
            finally:
                load.stop()
                proxy.close()
            assert not load.failures, (len(load.failures), load.failures[:5], load.answers, faults(kernels))
            print(f"ok  {proxy.name}: rolling restart and blue-green there and back under load, {load.count} requests ({rolled} while rolling), "
                  f"0 failed; the slowest took {load.slowest:.2f} s; {load.answers}")

        load = Load(kernels[0].port, token, license_id)
        try:
            load.go_on(40)
            began = time.monotonic()
            bouncer.stop(signal.SIGKILL)
            bouncer.start()
            load.go_on(1)
            before = load.answers.get(200, 0)
            while load.answers.get(200, 0) == before:
                assert time.monotonic() < began + 30, load.answers
                time.sleep(0.02)
            back = time.monotonic() - began
            load.go_on(60)
        finally:
            load.stop()
        odd = [x for x in load.failures if x[3] not in (503,)]
        assert not odd, odd[:5]
        assert load.slowest < 10, load.slowest
        held = int(cluster.psql("SELECT count(*) FROM coditect.seat_all WHERE session_id IS NOT NULL"))
        used = int(cluster.psql("SELECT coalesce(sum(occupied), 0) FROM coditect.seat_pool_all"))
        assert held <= 6 and used <= 6, (held, used)
        print(f"ok  PgBouncer killed and started under load: answered again after {back:.2f} s, {len(load.failures)} refused meanwhile, none lost; {load.answers}")
        lines = program("audit", "verify", "--data", folders[0], env={"DATABASE_URL": bouncer.url()})
        assert "BROKEN" not in lines
        print("ok  every journal is intact")
    finally:
        for kernel in kernels:
            if kernel.process and kernel.process.poll() is None:
                kernel.stop(keep=True)
        if bouncer:
            bouncer.close()
        cluster.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
