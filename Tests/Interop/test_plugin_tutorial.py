"""Takes docs/tutorials/first-plugin.md as an integrator would, in an empty folder outside the tree: files are written, commands run, pages used,
and what they show is compared. It ends with a payment that the new plugin took on a real server."""

import os
import re
import shutil
import subprocess
import tempfile
import time

from kernel import BUILD, ROOT
from tiny_browser import Browser
from tour import Held, free_port, pattern
from walk import Walk

PAGE = os.path.join(ROOT, "docs/tutorials/first-plugin.md")
PATIENCE = 600


def pieces(text):
    """(kind, words, lines) of each fenced block and each table, in order."""
    lines = iter(text.split("\n"))
    for line in lines:
        if line.startswith("```"):
            block = []
            for inner in lines:
                if inner.startswith("```"):
                    break
                block.append(inner)
            words = line[3:].split()
            yield words[0], words[1:], block
        elif line.startswith("| do"):
            rows = [line]
            for inner in lines:
                if not inner.startswith("|"):
                    break
                rows.append(inner)
            yield "table", [], rows[2:]


class Tutorial:
    def __init__(self, folder):
        self.folder = folder
        with open(PAGE, encoding="utf-8") as file:
            self.text = file.read()
        for port in ("8080", "9099"):
            self.text = self.text.replace(port, str(free_port()))
        kept = ("PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")
        self.env = {name: value for name, value in os.environ.items() if name in kept}
        self.env.update(HOME=folder, PATH=f"{BUILD}:{os.environ['PATH']}", NO_COLOR="1")
        shutil.copytree(os.path.join(ROOT, "policies"), os.path.join(folder, "policies"))
        self.walk, self.held, self.done = Walk(Browser()), [], 0

    def take(self):
        try:
            for kind, words, lines in pieces(self.text):
                if kind == "table":
                    self.done += self.walk.table(lines)
                elif kind == "console":
                    self.console(lines, "hold" in words)
                elif words:
                    path = os.path.join(self.folder, words[0])
                    os.makedirs(os.path.dirname(path), exist_ok=True)
                    with open(path, "w", encoding="utf-8") as file:
                        file.write("\n".join(lines) + "\n")
        finally:
            for held in reversed(self.held):
                held.stop()

    def console(self, lines, hold):
        commands = []
        for line in lines:
            if line.startswith("$ "):
                commands.append((line[2:], []))
            else:
                commands[-1][1].append(line)
        for command, expected in commands:
            print(f"  $ {command}", flush=True)
            wanted = pattern(expected)
            if hold:
                self.hold(command, wanted)
            elif command.startswith("export "):
                told = subprocess.run(["bash", "-c", f"{command} && env -0"], env=self.env, cwd=self.folder, stdout=subprocess.PIPE, check=True)
                self.env = dict(part.split("=", 1) for part in told.stdout.decode().split("\0") if "=" in part)
            else:
                ran = subprocess.run(
                    ["bash", "-c", command], env=self.env, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                    timeout=PATIENCE)
                if not wanted.search(ran.stdout + "\n"):
                    raise SystemExit(f"tutorial: '{command}' answered (exit {ran.returncode})\n{ran.stdout[-6000:]}\ninstead of\n" + "\n".join(expected))
            self.done += 1

    def hold(self, command, wanted):
        held = Held(command, self.env, self.folder)
        self.held.append(held)
        deadline = time.monotonic() + 60
        while not wanted.search("\n".join(held.lines) + "\n"):
            if time.monotonic() > deadline or held.process.poll() is not None:
                raise SystemExit(f"tutorial: '{command}' said\n" + "\n".join(held.lines))
            time.sleep(0.1)


def main():
    folder = tempfile.mkdtemp(prefix="first-plugin-")
    try:
        tutorial = Tutorial(folder)
        tutorial.take()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    assert tutorial.done > 30 and re.search(r"Team active", tutorial.walk.browser.page.text)
    print(f"tutorial: {tutorial.done} steps, all as the page says")
    print(f"tutorial: {tutorial.done} passed, 0 failed")


if __name__ == "__main__":
    main()
