"""What takes hours: matrices, kill counts, engines. `make trials`; each keeps its last result as JSON."""

from __future__ import annotations

import argparse
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
RESULTS = Path(__file__).resolve().parent / "results"


def git(*words: str) -> str:
    """What git prints in this repository. Raises CalledProcessError."""
    done = subprocess.run(["git", *words], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def keep(place: Path, what: str, found: Mapping[str, Any]) -> None:
    """Write what a trial found, with the commit and the machine it was run on."""
    from workers.environment import attempt_environment

    document = {
        "what": what,
        "commit": git("rev-parse", "--short", "HEAD"),
        "machine": dict(attempt_environment("cpu")),
        **found,
    }
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def disturbed(
    what: str,
    name: str,
    kills: int,
    trial: Callable[[Path, random.Random, int], dict[str, Any]],
    none_of: Sequence[str],
) -> int:
    """A trial that kills at random as a command: its exit code, 1 where an entry of `none_of` is not 0.

    trial: given an empty folder, where chance comes from and how often to kill; gives what it found. kills: unless the
    command line says otherwise."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--json", type=Path, default=RESULTS / f"{name}.json")
    parser.add_argument("--kills", type=int, default=kills)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"baton-{name}-") as folder:
        found = trial(Path(folder), random.Random(options.seed), options.kills)
    found |= {"seed": options.seed, "seconds": round(time.monotonic() - began)}
    keep(options.json, what, found)
    print(json.dumps(found, indent=1))
    return int(any(found[entry] for entry in none_of))


def in_memory(module: str, *words: str) -> Any:
    """The JSON that a module which writes into a folder prints, run in one that no disk slows down; None where it could
    not run."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="baton-crash-", dir=memory) as folder:
        ended = subprocess.run(
            [sys.executable, "-m", module, folder, *words],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    return json.loads(ended.stdout) if ended.returncode == 0 else None


def rows(state: Path, statement: str) -> list[Any]:
    """What a query of a home's state.db gives while others work on it; nothing while it is being made."""
    try:
        with closing(sqlite3.connect(f"{state.as_uri()}?mode=ro", uri=True, timeout=30)) as connection:
            return connection.execute(statement).fetchall()
    except sqlite3.OperationalError:
        return []


def final_artifacts(state: Path) -> dict[str, str]:
    """`job/name` -> digest of what a finished ablation has, without reports, which show the time."""
    statement = (
        "SELECT job.label, artifact.name, artifact.sha256 FROM artifact JOIN job ON job.id = artifact.job_id "
        "WHERE artifact.final AND job.kind != 'report'"
    )
    return {f"{label}/{name}": digest for label, name, digest in rows(state, statement)}
