"""Works while it has a seat.   render.py SERVER [SECONDS]"""

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "src"))  # not needed once the package is installed

from coditect_client import Client, LicenseError  # noqa: E402


def main() -> int:
    client = Client(
        sys.argv[1], "render", "2.1", device=os.environ.get("RENDER_DEVICE"), log=lambda n: print(f"{n.event}: {n.message}", file=sys.stderr, flush=True))
    try:
        with client.acquire() as seat:
            print("working", flush=True)
            left = int(sys.argv[2]) if len(sys.argv) > 2 else 1
            while left > 0 and seat.usable:
                time.sleep(1)
                left -= 1
            return 0 if seat.usable else 75
    except LicenseError as error:
        print(f"render: {error} ({error.code})", file=sys.stderr)
        return 75


if __name__ == "__main__":
    sys.exit(main())
