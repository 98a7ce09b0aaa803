"""The ledger alone, in a process of its own over a real database: requests and answers as lines, clocks as numbers. See Tests/SeatDesk."""

import glob
import json
import os
import select
import shutil
import signal
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TTL, WINDOW, GAP, CLAIM, QUEUE_LIMIT, LOW_WATER = 60, 20, 5, 30, 3, 50
SETTINGS = {
    "lease_ttl_seconds": TTL, "revive_window_seconds": WINDOW, "longest_tick_gap_seconds": GAP, "claim_timeout_seconds": CLAIM,
    "queue_limit": QUEUE_LIMIT, "borrow_low_water_percent": LOW_WATER}


class Silent(Exception):
    """The process said nothing for a minute, or ended by itself."""


class Desk:
    """Times are microseconds of the schedule's monotonic clock."""

    def __init__(self, folder, program):
        self.folder, self.program, self.process, self.rest, self.starts = folder, program, None, b"", 0
        self.output = []  # whole lines that came and were not taken

    def start(self, seed, moment, offset, terms):
        self.starts += 1
        words = [self.program, self.folder, str(seed + 1_000_003 * self.starts), str(moment), str(offset)] + [str(x) for x in terms]
        words += [f"seats.{name}={value}" for name, value in SETTINGS.items()]
        with open(os.path.join(self.folder, "errors"), "ab") as errors:
            self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, bufsize=0)
        self.rest, self.output = b"", []
        self.lines(60)
        if self.output != [b"ready"]:
            raise Silent(f"instead of ready: {self.output}")
        self.output = []

    def send(self, lines):
        try:
            self.process.stdin.write(("\n".join(lines) + "\n").encode())
        except BrokenPipeError as error:
            raise Silent("the process is gone") from error

    def lines(self, seconds):
        """Waits until a line has come."""
        while not self.output:
            ready, _, _ = select.select([self.process.stdout], [], [], seconds)
            more = os.read(self.process.stdout.fileno(), 1 << 16) if ready else b""
            if not more:
                raise Silent("no answer")
            self._cut(more)

    def _cut(self, more):
        *whole, self.rest = (self.rest + more).split(b"\n")
        self.output += whole

    def take(self):
        """Answers that came: (number, status, body)."""
        found, self.output = self.output, []
        for line in found:
            body = json.loads(line)
            yield body.pop("id"), body.pop("status_code"), body

    def kill(self):
        """kill -9; what it had said before its death is still there to be taken."""
        self.process.kill()
        while more := os.read(self.process.stdout.fileno(), 1 << 16):
            self._cut(more)
        self.close()

    def forget(self):
        """A disk that loses what was written to it: the database of one restart comes back at the next."""
        kept = os.path.join(self.folder, "kept")
        for source, target in ((kept, self.folder), (self.folder, kept)) if os.path.exists(kept) else ((self.folder, kept),):
            os.makedirs(target, exist_ok=True)
            for path in glob.glob(os.path.join(target, "desk.db*")):
                os.unlink(path)
            for path in glob.glob(os.path.join(source, "desk.db*")):
                shutil.copy(path, target)

    def pause(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def close(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
            self.process = None

    def errors(self):
        with open(os.path.join(self.folder, "errors"), encoding="utf-8", errors="replace") as file:
            return file.read()
