"""Ten million operations against the ledger alone: several shards, each a ledger in its own process, judged as they go.

Usage: marathon.py [--operations N] [--seed N] [--shards N]. The faults of the schedule, the checker and its rules are those of stress.py.
"""

import argparse
import collections
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
import traceback

from chapter import Story
from desk import Desk
from history import World, write

PROGRAM = os.environ.get("SEAT_DESK", ".build-stress/release/seat-desk")
# A chapter is judged whole; a book, a licence with its database, is as many chapters.
CHAPTER, BOOK = 2_000, 50


def shard(number, seed, operations, reports):
    """Plays its part; tells of each chapter: (shard, operations, disturbances, kinds of answers, a fault or None)."""
    done = 0
    while done < operations:
        folder = tempfile.mkdtemp(prefix="marathon-")
        desk = Desk(folder, PROGRAM)
        try:
            story = Story(desk, seed)
            for _ in range(BOOK):
                size = min(CHAPTER, operations - done)
                if size <= 0:
                    break
                before, kinds = dict(story.counts), dict(story.kinds)
                ops, violations = story.play(size)
                asked = sum(1 for op in ops if op.client != "world")
                done += asked
                fault = None
                if violations:
                    path = os.path.join(tempfile.gettempdir(), f"marathon-{seed}-{done}.jsonl")
                    write(path, ops)
                    fault = f"{len(violations)} violations in the book of seed {seed}; the history is {path}\n{violations[0]}"
                errors = desk.errors()
                if errors:
                    fault = f"{fault or ''}\nthe process of seed {seed} complained: {errors[:1_000]}"
                    open(os.path.join(folder, "errors"), "w").close()
                reports.put((number, asked, less(story.counts, before), less(story.kinds, kinds), fault))
                if violations:
                    break  # what it leaves behind is not to be trusted
        except Exception:
            reports.put((number, 0, {}, {}, f"seed {seed}: {traceback.format_exc()}\n{desk.errors()[-1_000:]}"))
            break
        finally:
            desk.close()
            shutil.rmtree(folder, ignore_errors=True)
        seed += 1
    reports.put((number, None, {}, {}, None))


def find(secret, seed):
    """The way from the pipe to the verdict works: something is wrong of which the history is not told, and the checker finds it."""
    for seed in range(seed, seed + 5):
        folder = tempfile.mkdtemp(prefix="marathon-")
        desk = Desk(folder, PROGRAM)
        try:
            story = Story(desk, seed, secret)
            for _ in range(3):
                _, violations = story.play(CHAPTER)
                if violations:
                    return {violation.rule for violation in violations}
        finally:
            desk.close()
            shutil.rmtree(folder, ignore_errors=True)
    return set()


def less(now, before):
    return {name: count - before.get(name, 0) for name, count in now.items() if count > before.get(name, 0)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--operations", type=int, default=int(os.environ.get("STRESS_OPERATIONS", "10000000")))
    parser.add_argument("--seed", type=int, default=int(os.environ.get("STRESS_SEED", random.SystemRandom().randrange(1 << 30))))
    parser.add_argument("--shards", type=int, default=max(1, os.cpu_count() or 1))
    options = parser.parse_args()
    print(f"marathon: STRESS_SEED={options.seed} STRESS_OPERATIONS={options.operations}, {options.shards} shards", flush=True)
    for secret in ("overdraft", "oblivion"):
        found = find(secret, options.seed)
        print(f"marathon: with {secret} in secret, found: {', '.join(sorted(found)) or 'nothing'}", flush=True)
        if not found:
            sys.exit(1)
    reports, started = multiprocessing.Queue(), time.monotonic()
    parts = [options.operations // options.shards + (n < options.operations % options.shards) for n in range(options.shards)]
    shards = [multiprocessing.Process(target=shard, args=(n, options.seed + 1_000_000 * n, part, reports), daemon=True)
              for n, part in enumerate(parts)]
    for process in shards:
        process.start()
    done, running, shown, faults = 0, len(shards), started, []
    counts, kinds = collections.Counter(), collections.Counter()
    while running:
        number, asked, disturbed, told, fault = reports.get()
        if asked is None:
            running -= 1
            continue
        done += asked
        counts.update(disturbed)
        kinds.update(told)
        if fault:
            faults.append(fault)
            print(f"marathon: FAILED {fault}", flush=True)
        now = time.monotonic()
        if now - shown >= 5:
            shown, rate = now, done / (now - started)
            left = max(0, options.operations - done) / rate
            print(f"marathon: {done:,} of {options.operations:,}, {rate:,.0f}/s, {left / 60:.0f} min left, {counts[World.KILL]} kills, "
                  f"{len(faults)} faults", flush=True)
    seconds = time.monotonic() - started
    told = ", ".join(f"{op} {'lost' if status is None else status}{'' if error is None else ' ' + error} {count:,}"
                     for (op, status, error), count in sorted(kinds.items(), key=str))
    print(f"marathon: {told}")
    print(f"marathon: {', '.join(f'{count:,} {what}' for what, count in sorted(counts.items()))}")
    print(f"marathon: {done:,} operations in {seconds:,.0f} s, {done / seconds:,.0f}/s, {len(faults)} faults: "
          f"{'FAILED' if faults or done < options.operations else 'nothing found'}")
    sys.exit(1 if faults or done < options.operations else 0)


if __name__ == "__main__":
    main()
