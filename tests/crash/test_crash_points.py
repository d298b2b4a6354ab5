"""A process that dies at any commit, fsync, rename or message loses nothing and does nothing twice.

One moment in six of each kind, before and after; `trials/crash_points.py` dies at each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import REPOSITORY

pytestmark = pytest.mark.slow

EVERY = 6


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where that is possible: syncing costs milliseconds on a disk, and its order is what counts."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="baton-crash-", dir=place) as made:
        yield Path(made)


@pytest.mark.timeout(1800)
def test_dying_at_every_moment_of_a_jobs_life(folder: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.crash.runner", str(folder), "--every", str(EVERY)],
        cwd=REPOSITORY, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-3000:]
    report = json.loads(ended.stdout)
    kinds = Counter(json.loads(ended.stderr.splitlines()[0])["undisturbed"])
    for kind in ("commit", "fsync", "replace", "publish"):
        assert kinds[f"before {kind}"] >= 3 and kinds[f"after {kind}"] >= 3, kinds
    assert len(report["moments"]) >= 100 // EVERY
    assert report["wrong"] == {}
