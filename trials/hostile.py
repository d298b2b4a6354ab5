"""The corpus of `tests/hostile`: a case ends within 5 s and takes at most 500 MB above what was held before.


python -m trials.hostile [--json FILE]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from trials import REPOSITORY, RESULTS, keep

_MOST_SECONDS, _MOST_BYTES = 5.0, 500_000_000


def cases(junit: Path) -> list[dict[str, Any]]:
    """Name, outcome, seconds and memory of each test in pytest's record."""
    found = []
    for case in ElementTree.parse(junit).getroot().iter("testcase"):
        unusual = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        grown = [entry.get("value") for entry in case.iter("property") if entry.get("name") == "grown_bytes"]
        found.append(
            {
                "test": f"{case.get('classname')}::{case.get('name')}",
                "outcome": unusual[0] if unusual else "passed",
                "seconds": round(float(case.get("time") or 0), 3),
                "grown_bytes": int(grown[0] or 0) if grown else None,
            }
        )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=RESULTS / "hostile.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        junit = Path(folder) / "junit.xml"
        command = [sys.executable, "-m", "pytest", "-q", "--junitxml", str(junit), "tests/hostile"]
        subprocess.run(command, cwd=REPOSITORY, check=False)
        found = cases(junit)
    wrong = [
        case
        for case in found
        if case["outcome"] != "passed"
        or case["seconds"] > _MOST_SECONDS
        or case["grown_bytes"] is None
        or case["grown_bytes"] > _MOST_BYTES
    ]
    about = {
        "cases": len(found),
        "wrong": wrong,
        "slowest": sorted(found, key=lambda case: -case["seconds"])[:10],
        "largest": sorted(found, key=lambda case: -(case["grown_bytes"] or 0))[:10],
    }
    keep(options.json, __doc__.splitlines()[0], about)
    print(f"{len(found)} cases, {len(wrong)} wrong")
    return 1 if wrong or not found else 0


if __name__ == "__main__":
    sys.exit(main())
