"""A flame graph of one server under one kind of load: starts ours, lets `wrk` ask, looks with `perf`, writes an SVG that needs no script.

    CODITECT_BUILD=.build/release Benchmarks/flame.py heartbeat docs/benchmarks/heartbeat.svg

A box is as wide as its share of the processor's time; what it calls stands on it; pointing at it tells the share. Frames below 0.4 % are left out, and
so is what carries no frame pointer (Debian's malloc, SQLite): it is told as one box.
"""

import html
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from seat_peers import Ours, settings  # noqa: E402
from bench import roomy_policies  # noqa: E402
from kernel import Kernel  # noqa: E402

SECONDS = int(os.environ.get("BENCH_SECONDS", "6"))
WIDTH, ROW, LEAST, DEEPEST = 1_200, 17, 0.004, 34
LOST = "malloc, SQLite and others without a frame"
# What stands under everything on a thread and says nothing.
DULL = re.compile(
    r"^(closure|partial apply|thunk|protocol witness|start_thread|__clone3?|\[unknown\]|swift::runJob|swift_job_run|reabstraction|dispatch thunk|"
    r"SelectableEventLoop|specialized SelectableEventLoop|NSThread|Thread\.main|0x|[0-9a-f]{8,}$|entry_SYSCALL|do_syscall|__x64_sys|x64_sys)")


class Alone(Ours):
    """One process over SQLite, with verified tokens kept."""

    def start(self, folder, policies):
        kernel = Kernel(config=settings("fast"), policies=policies).start()
        self.kernels.append(kernel)
        self.serve("ours, SQLite", "fast", kernel, [])


def stacks(text):
    """Each sample from the thread's beginning to where it was, without what says nothing."""
    for block in text.split("\n\n"):
        frames = [re.sub(r"^[0-9a-f]+\s+", "", line.strip()) for line in block.splitlines() if line[:1] in (" ", "\t")]
        if not frames:
            continue
        whole = any(frame.startswith(("start_thread", "__clone")) for frame in frames)
        named = [re.sub(r"^specialized |\(.*$|<.*$", "", frame) for frame in reversed(frames) if not DULL.match(frame)]
        yield named if whole else [LOST]


class Box:
    def __init__(self):
        self.count, self.inner = 0, {}

    def add(self, frames):
        self.count += 1
        if frames:
            self.inner.setdefault(frames[0], Box()).add(frames[1:])


def draw(box, title):
    rows, deepest = [], 0

    def place(name, box, left, depth):
        nonlocal deepest
        share = box.count / total
        if share < LEAST or depth > DEEPEST:
            return
        deepest = max(deepest, depth)
        wide = share * WIDTH
        shown = html.escape(name if len(name) * 6.2 < wide else name[: max(0, int(wide / 6.2) - 1)] + "…") if wide > 24 else ""
        colour = f"hsl({20 + sum(name.encode()) % 40}, 85%, {62 + sum(name.encode()) % 12}%)"
        rows.append((depth, left, wide, colour, f"{html.escape(name)}: {share:.1%}", shown))
        for inner, below in sorted(box.inner.items(), key=lambda pair: -pair[1].count):
            place(inner, below, left, depth + 1)
            left += below.count / total * WIDTH

    total = box.count
    place(title, box, 0, 0)
    height = (deepest + 1) * ROW
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="11">',
        f"<title>{html.escape(title)}</title>"]
    for depth, left, wide, colour, told, shown in rows:
        y = height - (depth + 1) * ROW
        out.append(
            f'<g><title>{told}</title><rect x="{left:.1f}" y="{y}" width="{max(0.4, wide - 0.4):.1f}" height="{ROW - 1}" fill="{colour}"/>'
            + (f'<text x="{left + 3:.1f}" y="{y + 12}">{shown}</text>' if shown else "") + "</g>")
    return "\n".join(out + ["</svg>", ""])


def main():
    kind, target = sys.argv[1:]
    folder = tempfile.mkdtemp(prefix="flame-")
    ours = Alone(folder, roomy_policies())
    try:
        server = ours.servers[0]
        server.take_sessions(folder)
        server.run(kind, "warm", 1)
        data = os.path.join(folder, "perf.data")
        perf = subprocess.Popen(
            ["perf", "record", "-q", "-F", "997", "--call-graph", "fp", "-o", data, "-p", str(server.pids[0]), "--", "sleep", str(SECONDS)])
        found = server.run(kind, "flame", SECONDS + 1)
        perf.wait()
    finally:
        ours.stop()
    text = subprocess.run(["perf", "script", "-i", data, "-F", "comm,ip,sym"], check=True, capture_output=True, text=True, errors="replace").stdout
    text = subprocess.run(["swift", "demangle", "--simplified"], check=True, input=text, capture_output=True, text=True).stdout
    whole = Box()
    for frames in stacks(text):
        whole.add(frames)
    os.makedirs(os.path.dirname(os.path.abspath(target)), exist_ok=True)
    with open(target, "w", encoding="utf-8") as file:
        file.write(draw(whole, f"{kind}: {whole.count:,} samples of {found['requests']:,.0f} requests"))


if __name__ == "__main__":
    main()
