"""A process dies, or meets EIO, ENOSPC and EMFILE, at every numbered moment of the life of jobs and of files.

    python -m trials.crash_points [--json FILE]

Deaths: before and after each commit, fsync, rename, unlink, write and message. Errors: at each opening, listing, fsync,
rename, unlink and write, once each. `make test` does the same at some of these moments. Takes ten minutes of a core.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from trials import REPOSITORY, RESULTS, keep


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=RESULTS / "crash_points.json")
    options = parser.parse_args()
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="baton-crash-", dir=memory) as folder:
        ended = subprocess.run(
            [sys.executable, "-m", "tests.crash.runner", folder],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    if ended.returncode != 0:
        return 1
    parts = json.loads(ended.stdout)
    found = {
        part: {
            "moments": len(about["moments"]),
            "of_an_undisturbed_life": about["kinds"],
            "wrong": about["wrong"],
        }
        for part, about in parts.items()
    }
    keep(
        options.json,
        "a process that dies, or meets an error of the machine, at each moment, and another that goes on",
        found,
    )
    print(json.dumps(found))
    return 1 if any(about["wrong"] for about in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
