"""Every test marked `trial`: the whole matrices and ablations of which `make test` holds a representative.

python -m trials.matrices [--json FILE] [tests/... ]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from trials import REPOSITORY, RESULTS, keep


def outcomes(junit: Path) -> list[dict[str, object]]:
    """Name, outcome and seconds of each test in pytest's record."""
    found = []
    for case in ElementTree.parse(junit).getroot().iter("testcase"):
        unusual = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        name = f"{case.get('classname')}::{case.get('name')}"
        seconds = round(float(case.get("time") or 0), 1)
        found.append({"test": name, "outcome": unusual[0] if unusual else "passed", "seconds": seconds})
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tests", nargs="*", default=["tests"])
    parser.add_argument("--json", type=Path, default=RESULTS / "matrices.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        junit = Path(folder) / "junit.xml"
        command = [sys.executable, "-m", "pytest", "-m", "trial", "--junitxml", str(junit), *options.tests]
        code = subprocess.run(command, cwd=REPOSITORY, check=False).returncode
        tests = outcomes(junit) if junit.exists() else []
    found = {"exit_code": code, "counts": dict(Counter(str(t["outcome"]) for t in tests)), "tests": tests}
    keep(options.json, "tests marked `trial`; exit code 0 is all passed", found)
    return code


if __name__ == "__main__":
    sys.exit(main())
