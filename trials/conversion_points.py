"""A conversion dies wherever it writes, in every form, and another process goes on: the same bytes, nothing torn.

    python -m trials.conversion_points [--json FILE] [--form calvin]...

`make test` does the same at some of these moments. Takes some three minutes of a core.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from tests.crash.conversions import FORMS
from trials import RESULTS, in_memory, keep


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=RESULTS / "conversion_points.json")
    parser.add_argument("--form", choices=FORMS, action="append", help="only this; more than once for more")
    options = parser.parse_args()
    found: dict[str, Any] = {}
    for form in options.form or FORMS:
        began = time.monotonic()
        told = in_memory("tests.crash.conversions", "--form", form)
        if told is None:
            return 1
        about = told[form]
        found[form] = {**about, "seconds": round(time.monotonic() - began)}
        keep(options.json, __doc__.splitlines()[0], found)  # the others take as long again
        print(json.dumps({form: found[form]}), flush=True)
    return 1 if any(about["wrong"] for about in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
