"""A home whose jobs a test brings as far as it likes, with real files and rows and no processes."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from db import jobs, members
from db.engine import Database, sqlite_module
from db.jobs import Claim, Ending, Seconds
from db.plans import RunRef
from db.states import SUCCEEDED, YIELDED
from db.store import LOCK_FILES, OWNER_FILES, ArtifactStore
from settings.home import Home
from tests.fresh_state import fresh_state
from tests.support import LEASE_SECONDS, planned, row, start, stored, submit

RUN = RunRef("baseline", 0)

#: One arm of an ablation in small: two demonstrations, training of six steps, an evaluation and a report.
ABLATION = (
    planned("ingest", kind="ingest"),
    planned("gaze 1", ["ingest"], kind="gaze"),
    planned("gaze 2", ["ingest"], kind="gaze"),
    planned("index", ["ingest", "gaze 1", "gaze 2"], kind="index"),
    planned("train", ["index"], kind="train", target_steps=6),
    planned("evaluate", ["train"], kind="evaluate"),
    planned("report", ["evaluate"], kind="report"),
)

KINDS = {
    "ingest": "episode",
    "gaze 1": "gaze",
    "gaze 2": "gaze",
    "train": "checkpoint",
    "evaluate": "evaluation",
}


class Workshop:
    """Close it before another process or a bundle takes the home."""

    def __init__(self, root: Path) -> None:
        self.home = Home(root)
        self.home.create()
        self.database: Database = fresh_state(self.home)
        self.store = ArtifactStore(self.home)
        self._worker: int | None = None
        self._claims: dict[str, Claim] = {}

    def submit(self) -> None:
        submit(self.database, *ABLATION)

    def claim(self, label: str) -> Claim:
        if self._worker is None:
            self._worker = members.join(self.database, "worker", "cpu", None, time.time())
        self._claims[label] = start(self.database, label, self._worker)
        return self._claims[label]

    def stop(self, label: str) -> None:
        """The running attempt yields at its last checkpoint, and the worker goes."""
        step = row(self.database, label).step
        jobs.give_back(self.database, self._claims.pop(label), Ending(YIELDED, step, "slice"), time.time())
        self.leave()

    def leave(self) -> None:
        if self._worker is not None:
            members.leave(self.database, self._worker, time.time())
            self._worker = None

    def publish(self, claim: Claim, step: int, content: bytes | None = None) -> None:
        """A checkpoint of two files."""
        with tempfile.TemporaryDirectory(dir=self.home.root) as folder:
            files = [
                stored(self.store, Path(folder), name, content or f"{claim.label} {name} {step}".encode() * 50,
                       final=False)
                for name in ("weights", "optimizer")
            ]  # fmt: skip
            jobs.publish(self.database, claim, step, files, [], Seconds(useful=1.0), time.time())

    def finish(self, label: str, claim: Claim | None = None) -> None:
        """Run a job to its end, with one final artifact."""
        claim = claim or self.claim(label)
        with tempfile.TemporaryDirectory(dir=self.home.root) as folder:
            kind = KINDS.get(label, label)
            file = stored(self.store, Path(folder), "result", f"{label} result".encode() * 100, kind=kind)
            ending = Ending(SUCCEEDED, claim.target_steps, artifacts=[file], result={"of": label})
            jobs.succeed(self.database, claim, ending, time.time())

    def finish_until(self, label: str) -> None:
        """Every job of the ablation before `label`."""
        for job in ABLATION:
            if job.label == label:
                return
            if row(self.database, job.label).state != SUCCEEDED:
                self.finish(job.label)

    def close(self) -> None:
        self.leave()
        self.database.close()


def dump(home: Home) -> dict[str, list[Any]]:
    """Every row of every table of the state, read without writing anything."""
    connection = sqlite_module().connect(f"{home.state_db.as_uri()}?mode=ro", uri=True)
    try:
        names = [
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        ]
        return {
            name: sorted(connection.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr) for name in names
        }
    finally:
        connection.close()


def files_of(home: Home) -> dict[str, bytes]:
    """Everything under a home that is not the database, a lock or empty: path -> content."""
    besides = {*LOCK_FILES, *OWNER_FILES, "lock"}
    return {
        str(path.relative_to(home.root)): path.read_bytes()
        for path in sorted(home.root.rglob("*"))
        if path.is_file() and not path.name.startswith("state.db") and path.name not in besides
    }


__all__ = ["ABLATION", "KINDS", "LEASE_SECONDS", "Workshop", "files_of"]
