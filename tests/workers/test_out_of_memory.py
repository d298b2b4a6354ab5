"""A run that runs out of memory goes on with smaller micro-batches, and its weights are those of such a run."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch

from db import jobs, plans
from db.engine import Database
from db.jobs import Ending
from db.plans import Plan
from db.states import OOM, SUCCEEDED
from db.store import ArtifactStore
from models.reconvla import ReconVLA
from tasks.context import Finished
from tasks.train import run as train
from tests.support import NOW, artifacts_of_job, attempts, planned, row, start, stored, worker
from tests.tasks.fake_context import FakeContext, input_file
from tests.training import training_spec, write_training_index
from tests.workers.conftest import Bench

STEPS = 5


def test_the_micro_batch_halves_and_the_weights_are_those_of_that_schedule(
    bench: Bench, database: Database, store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From step 2 on the device holds one sample only."""
    files = write_training_index(tmp_path)
    spec = {**training_spec(STEPS, checkpoint_seconds=1e-9, operations=None), "slice_seconds": 3600.0}
    index = planned("index", kind="index")
    training = planned("train", ["index"], kind="train", target_steps=STEPS, spec=spec, role="index")
    plans.submit(database, Plan("one", "one", {}, [index, training]), "test", NOW)
    claim = start(database, "index", worker(database))
    artifacts = [
        stored(store, tmp_path, name, path.read_bytes(), kind="index") for name, path in files.items()
    ]
    jobs.succeed(database, claim, Ending(SUCCEEDED, 1, artifacts=artifacts), NOW)

    forward, steps = ReconVLA.forward, []

    def crowded(self: ReconVLA, batch: object, draws: object) -> object:
        size = len(batch)  # type: ignore[arg-type]
        if len(steps) >= 2 and size > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        steps.append(size)
        return forward(self, batch, draws)  # type: ignore[arg-type]

    monkeypatch.setattr(ReconVLA, "forward", crowded)
    while row(database, "train").state != SUCCEEDED:
        outcome = bench.run("train", train.run)
        assert not outcome.startswith("failed"), outcome
    monkeypatch.undo()

    learned = row(database, "train").learned
    first, second = attempts(database, "train")
    assert (first.outcome, second.outcome) == (OOM, SUCCEEDED)
    assert first.step_to in (1, 2), "a checkpoint is left out while the one before is still written"
    assert learned == {"micro_batch": [[first.step_to, 1]]}
    assert (row(database, "train").failures, row(database, "train").losses) == (0, 0)

    inputs = [input_file("index", "index", name, path) for name, path in files.items()]
    alone = train.run(FakeContext(tmp_path / "alone", spec, inputs, learned=learned))
    assert isinstance(alone, Finished)
    final = [a for a in artifacts_of_job(database, row(database, "train").id) if a.final]
    assert [a.sha256 for a in final] == [hashlib.sha256(alone.artifacts[0].file.read_bytes()).hexdigest()]
