"""A small training run in an ablation of its own, and what it ends with when nothing disturbs it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from db import jobs, plans
from db.engine import Database
from db.jobs import Ending
from db.plans import Plan
from db.states import SUCCEEDED
from db.store import ArtifactStore
from tasks.context import Finished
from tasks.train import run as train
from tests.support import NOW, await_value, planned, row, start, stored, worker
from tests.tasks.fake_context import FakeContext, input_file

STEPS = 60


def submit_training(
    database: Database, store: ArtifactStore, files: dict[str, Path], spec: dict[str, Any]
) -> None:
    """An ablation of an index that is there already and one training run on it."""
    index = planned("index", kind="index")
    training = planned(
        "train", ["index"], kind="train", resource="accelerator", target_steps=STEPS, spec=spec, role="index"
    )
    plans.submit(database, Plan("ablation", "killed", {}, [index, training]), "test", NOW)
    claim = start(database, "index", worker(database))
    folder = next(iter(files.values())).parent
    with store.publication():
        artifacts = [
            stored(store, folder, name, path.read_bytes(), kind="index") for name, path in files.items()
        ]
        jobs.succeed(database, claim, Ending(SUCCEEDED, 1, artifacts=artifacts), NOW)


def await_step(database: Database, step: int) -> None:
    """Until the checkpoint of this step is a fact; the run must neither fail nor end on the way there."""

    def look() -> int:
        entry = row(database, "train")
        assert entry.error is None and entry.state != SUCCEEDED, (
            f"{entry.state} at step {entry.step}: {entry.error}"
        )
        return int(entry.step)

    await_value(look, lambda at: at >= step, f"step {step}")


def left_alone(folder: Path, files: dict[str, Path], spec: dict[str, Any]) -> str:
    """SHA-256 of the final weights of the same run in this process, in one piece."""
    inputs = [input_file("index", "index", name, path) for name, path in files.items()]
    result = train.run(FakeContext(folder / "alone", spec, inputs))
    assert isinstance(result, Finished)
    return hashlib.sha256(result.artifacts[0].file.read_bytes()).hexdigest()
