"""A conversion dies at every write, in every form, and another process goes on: the same bytes, nothing torn.

    python -m trials.conversion_points [--json FILE] [--form calvin]...

`make test` does the same at some of these moments. Takes a quarter of an hour of a core.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.crash.conversions import FORMS
from trials import REPOSITORY, RESULTS, keep


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=RESULTS / "conversion_points.json")
    parser.add_argument("--form", choices=FORMS, action="append", help="only this; more than once for more")
    options = parser.parse_args()
    found: dict[str, Any] = {}
    for form in options.form or FORMS:
        began = time.monotonic()
        about = _run(form)
        if about is None:
            return 1
        found[form] = {**about, "seconds": round(time.monotonic() - began)}
        keep(options.json, __doc__.splitlines()[0], found)  # the others take as long again
        print(json.dumps({form: found[form]}), flush=True)
    return 1 if any(about["wrong"] for about in found.values()) else 0


def _run(form: str) -> dict[str, Any] | None:
    """What the runner found; None where it could not run."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="baton-crash-", dir=memory) as folder:
        ended = subprocess.run(
            [sys.executable, "-m", "tests.crash.conversions", folder, "--form", form],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    about: dict[str, Any] | None = json.loads(ended.stdout)[form] if ended.returncode == 0 else None
    return about


if __name__ == "__main__":
    sys.exit(main())
