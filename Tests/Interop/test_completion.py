"""Completion of `coditect` in the three shells themselves: what a person gets who presses Tab.

bash and zsh are run on a terminal of their own and typed into; fish answers for itself what it would offer.
"""

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from kernel import BUILD

COMMAND = os.path.join(BUILD, "coditect")
SHELLS = ("bash", "zsh", "fish")
# What is typed, and what Tab must offer or make of it. A single offer is typed out; of several all are shown.
CASES = [
    ("coditect ", {"activate", "borrow", "completion", "deactivate", "help", "init", "license", "login", "logout", "return", "seat", "status", "verify"}),
    ("coditect bor", {"borrow"}),
    ("coditect seat ", {"run"}),
    ("coditect license ", {"status"}),
    ("coditect borrow --", {"--hours", "--license", "--device", "--json", "--help"}),
    ("coditect activate --enc", {"--encrypt"}),
    ("coditect seat run --on", {"--on-loss"}),
    ("coditect seat run --on-loss ", {"grace", "stop", "continue"}),
    ("coditect completion ", {"bash", "zsh", "fish"}),
    ("coditect login --pass", {"--password-stdin"}),
    ("coditect verify ", {"deletion", "export"}),
    ("coditect verify export --", {"--keys", "--json", "--help"}),
]
FOREIGN = {"coditect borrow --": "--on-loss", "coditect ": "run", "coditect seat run --on-loss ": "grace-seconds"}


class Terminal:
    """A shell on a terminal of its own."""

    def __init__(self, command, environment):
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, environment)

    def read(self, until=None, seconds=20.0, quiet=0.6):
        """What it shows, until a sign or until it is quiet."""
        shown, deadline = "", time.monotonic() + seconds
        while time.monotonic() < deadline:
            ready, _, _ = select.select([self.file], [], [], quiet if until is None else 0.2)
            if not ready:
                if until is None:
                    return shown
                continue
            try:
                shown += os.read(self.file, 65536).decode(errors="replace")
            except OSError:
                return shown
            if until is not None and until in shown:
                return shown
        assert until is None, f"waited {seconds} s for {until!r}: {shown[-2000:]!r}"
        return shown

    def write(self, text):
        os.write(self.file, text.encode())

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.file)


def plain(text):
    """Without what moves the cursor, which also stands between two words."""
    return re.sub(r"\x07|\r(?!\n)", "", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]", " ", text))


def typed(shell, home, environment):
    """One terminal for all cases: a line is typed, Tab pressed, and the line thrown away."""
    script = f"{home}/{'_coditect' if shell == 'zsh' else 'coditect.bash'}"
    with open(script, "w", encoding="utf-8") as file:
        file.write(subprocess.run([COMMAND, "completion", shell], check=True, capture_output=True, text=True).stdout)
    if shell == "bash":
        terminal = Terminal(["bash", "--norc", "--noprofile", "-i"], environment)
        terminal.write(f"PS1='ready''> '; bind 'set page-completions off'; bind 'set completion-query-items 0'; source {script}\n")
    else:
        terminal = Terminal(["zsh", "-f", "-i"], environment)
        terminal.write(f"PS1='ready''> '; fpath=({home} $fpath); autoload -U compinit; compinit -u -D; LISTMAX=1000\n")
    terminal.read("ready> ")
    terminal.read()
    for line, wanted in CASES:
        terminal.write(line)
        terminal.read(quiet=0.3)
        # zsh shows at the first Tab what bash shows at the second.
        terminal.write("\t\t" if shell == "bash" else "\t")
        shown = terminal.read(quiet=1.0)
        yield line, wanted, plain(line + shown)
        terminal.write("\x15" if shell == "bash" else "\x03")
        terminal.read(quiet=0.4)
    terminal.close()


def answered(home, environment):
    with open(f"{home}/coditect.fish", "w", encoding="utf-8") as file:
        file.write(subprocess.run([COMMAND, "completion", "fish"], check=True, capture_output=True, text=True).stdout)
    for line, wanted in CASES:
        program = f"source {home}/coditect.fish; complete -C '{line}'"
        ran = subprocess.run(["fish", "--no-config", "-c", program], env=environment, check=True, capture_output=True, text=True, timeout=60)
        assert not ran.stderr, ran.stderr
        yield line, wanted, "\n".join(offer.split("\t")[0] for offer in ran.stdout.splitlines())


def main():
    checked, failed = 0, []
    for shell in sys.argv[1:] or SHELLS:
        assert shutil.which(shell), f"{shell} is not installed: Scripts/install.sh interop"
        home = tempfile.mkdtemp(prefix="completion-")
        environment = {
            "PATH": f"{BUILD}:/usr/bin:/bin", "HOME": home, "XDG_CONFIG_HOME": home, "TERM": "xterm", "LANG": "C.UTF-8", "COLUMNS": "200", "LINES": "60",
        }
        for line, wanted, shown in answered(home, environment) if shell == "fish" else typed(shell, home, environment):
            words = set(re.findall(r"[\w-]+", shown))
            checked += 1
            if not wanted <= words or FOREIGN.get(line) in words:
                failed.append((shell, line))
                print(f"completion: {shell}: '{line}' FAILED: wanted {sorted(wanted - words)}, got {shown!r}", flush=True)
        shutil.rmtree(home, ignore_errors=True)
    print(f"completion: {checked - len(failed)} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
