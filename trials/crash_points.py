"""A process dies at every numbered moment of the jobs' life (commit, fsync, rename, unlink, message), once each.

    python -m trials.crash_points [--json FILE]

`make test` dies at one moment in six of each kind.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
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
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    if ended.returncode != 0:
        print(ended.stderr, file=sys.stderr)
        return 1
    report = json.loads(ended.stdout)
    kinds = Counter(json.loads(ended.stderr.splitlines()[0])["undisturbed"])
    found = {"moments": len(report["moments"]), "of_an_undisturbed_life": kinds, "wrong": report["wrong"]}
    keep(
        options.json, "a process that dies at each moment of the jobs' life, and another that goes on", found
    )
    print(json.dumps(found))
    return 0 if not report["wrong"] else 1


if __name__ == "__main__":
    sys.exit(main())
