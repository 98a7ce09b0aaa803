"""Random schedules against a real server: many clients, kill -9, freezes, stepped clocks, changed seats and policies, suspension.

What clients saw goes to the checker. Usage: stress.py [--operations N] [--seed N] [--rounds-of N] [--crowds N] [--speed N]
"""

import argparse
import os
import random
import sys
import tempfile
import time

import crowd
from checker import check
from history import World, write
from round import Round

# True time with a stepped wall clock, and all clocks faster, in turn: by the second a lease expires in seconds.
SPEEDS = (20, 1)


def play(seed, operations, speed, tell):
    name = f"seed {seed}, {operations} operations, clocks x{speed}"
    started = time.monotonic()
    print(f"stress: {name}", flush=True)
    round = Round(seed, operations, speed)
    try:
        round.run()
        faults, log = list(round.faults), round.house.kernel.log
        with open(log, encoding="utf-8", errors="replace") as file:
            errors = [line for line in file if '"level":"error"' in line]
        if errors:
            print(f"stress: the server logged {len(errors)} errors, the first: {errors[0][:400]}", flush=True)
    finally:
        round.house.close()
    played = time.monotonic() - started
    violations = check(round.ops)
    path = os.environ.get("STRESS_HISTORY") or (violations and os.path.join(tempfile.gettempdir(), f"stress-{seed}.jsonl"))
    if path:
        write(path, round.ops)
    for violation in violations[:5]:
        print(f"stress: {violation}", flush=True)
    if violations:
        again = f"stress.py --seed {seed} --operations {operations} --speed {speed}"
        faults.append(f"{len(violations)} violations; the history is {path}; once more: {again}")
    told = {}
    for op in round.ops:
        if op.client != "world":
            name_of = f"{op.op} {'lost' if op.is_lost else op.status}{'' if op.error is None else ' ' + op.error}"
            told[name_of] = told.get(name_of, 0) + 1
    print("stress: " + ", ".join(f"{what} {count}" for what, count in sorted(told.items())))
    world = ", ".join(f"{round.counts.get(what, 0)} {what}" for what in World.ALL if what != World.BEGIN)
    print(f"stress: {world}; {played:.0f} s played, {time.monotonic() - started - played:.0f} s judged", flush=True)
    tell(name, "; ".join(faults) or None)


def find(secret, rules, seed, tell):
    """The way from the wire to the verdict works: something is wrong of which the history is not told, and the checker finds it."""
    print(f"stress: with {secret} in secret", flush=True)
    round = Round(seed, 2_000, SPEEDS[0], secret=secret)
    try:
        round.run()
    finally:
        round.house.close()
    found = {violation.rule for violation in check(round.ops)}
    tell(f"{secret} is found: {', '.join(sorted(found))}", None if rules <= found else f"not found: {rules - found}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--operations", type=int, default=int(os.environ.get("STRESS_OPERATIONS", "200000")))
    parser.add_argument("--seed", type=int, default=int(os.environ.get("STRESS_SEED", random.SystemRandom().randrange(1 << 30))))
    parser.add_argument("--rounds-of", type=int, default=25_000)
    parser.add_argument("--crowds", type=int, default=9)
    parser.add_argument("--speed", type=int, choices=SPEEDS, help="plays this round alone: clocks so many times faster")
    options = parser.parse_args()
    print(f"stress: STRESS_SEED={options.seed} STRESS_OPERATIONS={options.operations}", flush=True)
    passed, failed = 0, []

    def tell(name, fault):
        nonlocal passed
        if fault:
            failed.append(name)
            print(f"stress: FAILED {name}: {fault}", flush=True)
        else:
            passed += 1
            print(f"stress: passed {name}", flush=True)

    if options.speed:
        play(options.seed, options.operations, options.speed, tell)
        options.operations = 0
    else:
        crowd.run(options.seed, options.crowds, tell)
        find("overdraft", {"over-grant"}, options.seed, tell)
        find("oblivion", {"receipt"}, options.seed, tell)
    left, number = options.operations, 0
    while left > 0:
        operations = min(left, options.rounds_of)
        play(options.seed + number, operations, SPEEDS[number % len(SPEEDS)], tell)
        left -= operations
        number += 1
    print(f"stress: {passed} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
