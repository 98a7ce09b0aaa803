"""Judges kept histories again: judge.py HISTORY.jsonl …"""

import sys

from checker import check
from history import read


def main():
    found = 0
    for path in sys.argv[1:]:
        ops = read(path)
        violations = check(ops)
        found += len(violations)
        print(f"judge: {path}: {len(ops)} operations, {len(violations)} violations")
        for violation in violations[:20]:
            print(f"judge: {violation}")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
