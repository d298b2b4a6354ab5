"""A process dies, or meets EIO, ENOSPC and EMFILE, at every numbered moment of the life of jobs and of files.

    python -m trials.crash_points [--json FILE] [--part "deaths of files"]...

Deaths: before and after each commit, fsync, rename, unlink, write and message. Errors: at each opening, listing, fsync,
rename, unlink and write, once each. `make test` does the same at some of these moments. Takes ten minutes of a core.
`not_reached`: moments that one life had and five others did not; lives differ in how often they sync the state's log.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from tests.crash.runner import PARTS
from trials import RESULTS, git, in_memory, keep


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=RESULTS / "crash_points.json")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this; more than once for more")
    options = parser.parse_args()
    found: dict[str, Any] = {}
    for part in options.part or PARTS:
        began = time.monotonic()
        told = in_memory("tests.crash.runner", "--part", part)
        if told is None:
            return 1
        about = told[part]
        found[part] = {
            "moments": len(about["moments"]),
            "of_an_undisturbed_life": about["kinds"],
            "wrong": about["wrong"],
            "not_reached": about["not_reached"],
            "seconds": round(time.monotonic() - began),
            "commit": git("rev-parse", "--short", "HEAD"),
        }
        # Kept at once, as the others take as long again; parts that are not run now stay as they were.
        earlier = json.loads(options.json.read_text()) if options.json.exists() else {}
        kept = {name: (earlier | found)[name] for name in PARTS if name in earlier | found}
        keep(options.json, __doc__.splitlines()[0], kept)
        print(json.dumps({part: found[part]}), flush=True)
    return 1 if any(about["wrong"] for about in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
