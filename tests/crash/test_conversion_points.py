"""A conversion that dies at a write is gone on with and ends with the same bytes; a torn one never has its name.

At some moments of each kind; `trials/conversion_points.py` at all of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.test_crash_points import folder as folder
from tests.support import REPOSITORY

pytestmark = pytest.mark.slow

#: With every way of writing once: `trials/conversion_points.py` takes them all.
FORMS = ("v3.0 film float32", "v2.1 png float64", "calvin")
KINDS = {"write of a stream", "before fsync", "after replace", "before rename", "after rename", "removal"}


@pytest.mark.timeout(1800)
def test_deaths_at_some_moments_of_each_kind(folder: Path) -> None:
    chosen = [word for form in FORMS for word in ("--form", form)]
    ended = subprocess.run(
        [sys.executable, "-m", "tests.crash.conversions", str(folder), "--every", "400", *chosen],
        cwd=REPOSITORY, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-3000:]
    forms = json.loads(ended.stdout)
    assert {form: found["wrong"] for form, found in forms.items() if found["wrong"]} == {}
    assert set(forms) == set(FORMS) and "frame" in forms["calvin"]["kinds"]
    for found in forms.values():
        assert found["kinds"].keys() >= KINDS
        assert found["tried"] >= len(found["kinds"])
