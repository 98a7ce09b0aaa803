#!/usr/bin/env python3
"""Takes the README's tour as a newcomer would: every command is run, every page is used, every output is compared.

    tour.py README.md

Between `<!-- tour -->` and `<!-- /tour -->` the README has two kinds of thing, taken in order:

* fenced `console` blocks: a line with `$ ` is a command, what follows is its output, in which `…` stands for anything
  (alone on a line: for any lines); `console hold` keeps the command running, as in a terminal of its own;
* tables with the columns *do* and *see*: `open`, `follow`, `fill … with …`, `choose`, `press`, `wait for …`, parted by `;`.
"""

import os
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
from tiny_browser import Browser  # noqa: E402
from walk import Walk, steps  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATIENCE = 600


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Held:
    """A command that goes on running while the tour goes on; its output is gathered as it comes."""

    def __init__(self, command, env, cwd):
        self.process = subprocess.Popen(
            ["bash", "-c", command], env=env, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        self.lines = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()


def pattern(expected):
    """Expected lines as one regular expression."""
    out = ""
    for line in expected:
        if line.strip() == "…":
            out += r"(?:.*\n)*?"
        else:
            out += ".*?".join(re.escape(part) for part in line.rstrip().split("…")) + r"[ \t]*\n"
    return re.compile(out)


class Tour:
    def __init__(self, readme):
        text = open(readme, encoding="utf-8").read()
        parts = re.findall(r"<!-- tour -->(.*?)<!-- /tour -->", text, re.S)
        if not parts:
            raise SystemExit("tour: the README has no tour")
        self.port = free_port()
        self.text = "\n".join(parts).replace("127.0.0.1:8080", f"127.0.0.1:{self.port}")
        self.home = tempfile.mkdtemp(prefix="tour-")
        self.policies = os.path.join(self.home, "policies")
        shutil.copytree(os.path.join(ROOT, "policies"), self.policies)
        self.env = dict(
            os.environ, HOME=self.home, XDG_CONFIG_HOME=os.path.join(self.home, "config"), XDG_STATE_HOME=os.path.join(self.home, "state"),
            XDG_RUNTIME_DIR=self.home, DATA=os.path.join(self.home, "data"), PORT=str(self.port), POLICIES=self.policies, NO_COLOR="1",
            CODITECT_SERVER=f"http://127.0.0.1:{self.port}",
        )
        self.walk = Walk(Browser())
        self.held, self.done = [], 0

    def fill_in(self, text):
        return self.walk.fill_in(text).replace("--data data", f"--data {self.env['DATA']}").replace("policies/", self.policies + "/")

    def run(self):
        try:
            for kind, body in steps(self.text):
                if kind == "table":
                    self.done += self.walk.table(body)
                else:
                    self.console(body, hold="hold" in kind)
        finally:
            for held in reversed(self.held):
                held.stop()
            shutil.rmtree(self.home, ignore_errors=True)
        print(f"tour: {self.done} steps, all as the README says")
        print(f"tour: {self.done} passed, 0 failed")

    def console(self, block, hold):
        commands = []
        for line in block:
            if line.startswith("$ "):
                commands.append([line[2:], []])
            elif commands and not line.startswith("#"):
                commands[-1][1].append(line)
        for command, expected in commands:
            command = self.fill_in(command)
            wanted = pattern([self.fill_in(line) for line in expected])
            print(f"  $ {command}", flush=True)
            if hold:
                held = Held(command, self.env, ROOT)
                self.held.append(held)
                self.wait(lambda: wanted.search("\n".join(held.lines) + "\n"), lambda: "\n".join(held.lines), command)
            else:
                ran = subprocess.run(
                    ["bash", "-c", command], env=self.env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE
                )
                if not wanted.search(ran.stdout + "\n"):
                    raise SystemExit(f"tour: '{command}' answered (exit {ran.returncode})\n{ran.stdout}\ninstead of\n" + "\n".join(expected))
                if command.startswith("export PATH="):
                    self.env["PATH"] = os.path.join(ROOT, ".build/debug") + ":" + self.env["PATH"]
            self.done += 1

    def wait(self, ready, show, what):
        deadline = time.monotonic() + PATIENCE
        while not ready():
            if time.monotonic() > deadline:
                raise SystemExit(f"tour: waited {PATIENCE} s for '{what}'; so far:\n{show()}")
            if self.held and any(h.process.poll() not in (None, 0) for h in self.held[-1:]) and not ready():
                raise SystemExit(f"tour: '{what}' ended early:\n{show()}")
            time.sleep(0.1)


if __name__ == "__main__":
    Tour(sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "README.md")).run()
