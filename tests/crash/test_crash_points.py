"""Deaths and errors of the machine, anywhere in the life of jobs and of files, lose nothing and do nothing twice.

A process dies at a commit, fsync, rename, unlink, write or message, or meets EIO, ENOSPC or EMFILE as it opens, lists,
syncs, renames, unlinks or writes a file: at some of the moments of each kind, and each kind of file meets each error;
`trials/crash_points.py` at all of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import REPOSITORY

pytestmark = pytest.mark.slow

#: Moments of each part, at the least.
LEAST = {"deaths of jobs": 10, "deaths of files": 10, "faults of jobs": 20, "faults of files": 24}

#: Kinds of files that meet every error: in either life, and in one of them.
IN_BOTH = {"home.yaml", "state.db-wal", "artifacts", "artifacts/.lock", "artifacts/.scratch"}
FILES = {
    "jobs": {
        "home.yaml",
        "state.db-wal",
        "artifacts",
        *(f"artifacts/.{name}" for name in ("lock", "owner", "scratch")),
    },
    "files": {
        "home.yaml",
        "state.db-wal",
        "artifacts",
        "artifacts/.lock",
        "artifacts/.scratch",
        "asked",
        "run",
    },
}


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where that is possible: syncing costs milliseconds on a disk, and its order is what counts."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="baton-crash-", dir=place) as made:
        yield Path(made)


@pytest.mark.timeout(1800)
def test_deaths_and_faults_at_some_moments_of_each_kind(folder: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.crash.runner", str(folder), "--some"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-3000:]
    parts = json.loads(ended.stdout)
    assert {name: part["wrong"] for name, part in parts.items() if part["wrong"]} == {}
    assert {name: part["not_reached"] for name, part in parts.items() if part["not_reached"]} == {}
    deaths, faults = ("commit", "fsync", "replace"), ("open", "open for reading", "fsync", "replace")
    for life, own in (("jobs", ["publish"]), ("files", ["unlink", "write"])):
        of_deaths, of_faults = parts[f"deaths of {life}"]["kinds"], parts[f"faults of {life}"]["kinds"]
        for kind in (*deaths, *own):
            assert of_deaths[f"before {kind}"] >= 3 and of_deaths[f"after {kind}"] >= 3, of_deaths
        for kind in faults:
            assert of_faults[kind] >= 3, of_faults
    for name, least in LEAST.items():
        assert len(parts[name]["moments"]) >= least, f"{name}: {parts[name]['moments']}"
    for life, files in FILES.items():
        met = parts[f"faults of {life}"]["files"]
        assert (
            all(numbers == ["EIO", "EMFILE", "ENOSPC"] for numbers in met.values())
            and set(met) >= IN_BOTH | files
        ), met
