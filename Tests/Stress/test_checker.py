"""The checker finds nothing where nothing is wrong, and each of the faults that a ledger could have. In memory, without a server."""

import multiprocessing
import os
import re
import sys

from checker import check
from history import Op
from faults import FAULTS
from simulation import Simulation

CLEAN_SEEDS, CLEAN_OPERATIONS = 20, 10_000
# A fault must show within so many operations: so many seeds, each with so many.
FAULT_SEEDS, FAULT_OPERATIONS = 20, 3_000


def clean(seed):
    violations = check(Simulation(seed, CLEAN_OPERATIONS).run())
    return f"seed {seed}", None if not violations else f"found what is not there:\n{violations[0]}"


def caught(fault):
    for seed in range(FAULT_SEEDS):
        violations = check(Simulation(seed, FAULT_OPERATIONS, fault).run())
        if violations:
            return fault, None, (seed + 1) * FAULT_OPERATIONS, violations[0].rule
    return fault, f"not caught in {FAULT_SEEDS * FAULT_OPERATIONS} operations", 0, None


def told():
    """The faults that README.md says there are."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "README.md"), encoding="utf-8") as file:
        return dict(re.findall(r"^\| `([a-z_]+)` \| (.+) \|$", file.read(), re.MULTILINE))


def survives_writing():
    """A history that was written and read again is judged the same."""
    ops = Simulation(3, 2_000, "over_grant_by_one").run()
    again = [Op.parse(op.line()) for op in ops]
    return [str(v) for v in check(ops)] == [str(v) for v in check(again)]


def main():
    failed = []
    passed = 0

    def tell(name, fault):
        nonlocal passed
        if fault:
            failed.append(name)
            print(f"checker: FAILED {name}: {fault}", flush=True)
        else:
            passed += 1

    with multiprocessing.Pool() as pool:
        cleans, faults = pool.imap_unordered(clean, range(CLEAN_SEEDS)), pool.imap(caught, FAULTS)
        for name, fault in cleans:
            tell(name, fault)
        print(f"checker: {CLEAN_SEEDS} seeds of {CLEAN_OPERATIONS} operations without a fault: nothing found", flush=True)
        for name, fault, operations, rule in faults:
            tell(name, fault)
            if rule and "-v" in sys.argv:
                print(f"checker: {name}: {rule}, within {operations} operations")
    print(f"checker: {len(FAULTS)} faults, each caught within {FAULT_SEEDS * FAULT_OPERATIONS} operations", flush=True)
    tell("the table in README.md is the one in the code", None if told() == FAULTS else f"{told()}\n is not\n{FAULTS}")
    tell("a history survives being written", None if survives_writing() else "the rounded history is judged differently")
    print(f"checker: {passed} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
