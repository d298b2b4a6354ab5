"""A whole ablation on PostgreSQL and S3, on two machines of which one dies, ends as on one machine alone.

    python -m trials.two_machines [--json FILE]

`make test` does the same with one training.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from trials import REPOSITORY, RESULTS, keep

TEST = "tests/acceptance/test_two_machines.py"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=RESULTS / "two_machines.json")
    options = parser.parse_args()
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-m", "trial", TEST]
    code = subprocess.run(command, cwd=REPOSITORY, check=False).returncode
    found = {"exit_code": code, "seconds": round(time.monotonic() - began, 1)}
    keep(
        options.json,
        "artifacts of an ablation on two machines, one killed, and of one alone: equal with 0",
        found,
    )
    return code


if __name__ == "__main__":
    sys.exit(main())
