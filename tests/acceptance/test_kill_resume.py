"""A real training run whose processes are killed at random moments ends with the weights of one left alone."""

from __future__ import annotations

import hashlib
import random
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from db import jobs, plans, queries
from db.engine import Database
from db.jobs import Ending
from db.migrate import open_state
from db.plans import Plan
from db.states import LOST, SUCCEEDED
from db.store import ArtifactStore
from settings.home import Home
from tasks import train
from tasks.context import Finished
from tests.bodies import GATE_VARIABLE
from tests.processes import CLI_WITH_BODIES, QUICK, await_gone, family, of_home, running, worker_pid
from tests.support import NOW, attempts, await_value, planned, row, start, stored, worker
from tests.tasks.fake_context import FakeContext, input_file
from tests.training import training_spec, write_training_index

STEPS = 60

#: Where training waits for the tests, however slow they are.
GATE_STEP = 45


@pytest.mark.timeout(1800)
def test_killed_anywhere_it_ends_with_the_same_weights(tmp_path: Path) -> None:
    """First the command alone is killed, then a worker alone, then everything at once, the broker too."""
    chance = random.Random(20240607)
    spec = training_spec(STEPS, checkpoint_seconds=0.2) | {"slice_seconds": 1.0}
    files = write_training_index(tmp_path)
    home = Home(tmp_path / "home")
    home.create()
    database = open_state(home)
    _submit(database, ArtifactStore(home), files, spec)
    command = ["--home", str(home.root), "up", "--until-done", "--cpus", "1", "--gpus", "none"]
    log = tmp_path / "up.log"
    gated = {**QUICK, GATE_VARIABLE: str(tmp_path / str(GATE_STEP))}

    with running(command, log, CLI_WITH_BODIES, **gated) as up:
        _await_step(database, 1 + chance.randrange(10))
        time.sleep(chance.uniform(0.0, 0.3))
        started = family(up)
        up.send_signal(signal.SIGKILL)
        await_gone(started)
    assert of_home(home) == [], "workers, scheduler and broker die with the command"

    with running(command, log, CLI_WITH_BODIES, **gated) as up:
        _await_step(database, row(database, "train").step + 1 + chance.randrange(10))
        time.sleep(chance.uniform(0.0, 0.3))
        victim, killed = worker_pid(family(up)), attempts(database, "train")[-1].worker_id
        psutil.Process(victim).send_signal(signal.SIGKILL)
        await_value(
            lambda: attempts(database, "train")[-1],
            lambda found: found.worker_id != killed and found.ended_at is None,
            "another attempt after the worker was killed",
        )
        assert up.is_running()
    assert of_home(home) == [], "everything was killed at once"
    assert row(database, "train").step < STEPS, "killed before its end, or this test shows nothing"

    with running(command, log, **QUICK) as up:
        assert up.wait(timeout=400) == 0, log.read_text()
    assert of_home(home) == []
    assert row(database, "train").state == SUCCEEDED
    outcomes = [attempt.outcome for attempt in attempts(database, "train")]
    assert LOST in outcomes, "a kill may fall between two slices, but not each of them"
    assert row(database, "train").failures == 0
    final = [a for a in queries.artifacts_of_job(database, row(database, "train").id) if a.final]
    assert [(artifact.step, artifact.sha256) for artifact in final] == [
        (STEPS, _left_alone(tmp_path, files, spec))
    ]
    database.close()


def _submit(database: Database, store: ArtifactStore, files: dict[str, Path], spec: dict[str, Any]) -> None:
    """An ablation of an index that is there already and one training run on it."""
    index = planned("index", kind="index")
    training = planned(
        "train", ["index"], kind="train", resource="accelerator", target_steps=STEPS, spec=spec, role="index"
    )
    plans.submit(database, Plan("ablation", "killed", {}, [index, training]), "test", NOW)
    claim = start(database, "index", worker(database))
    folder = next(iter(files.values())).parent
    artifacts = [stored(store, folder, name, path.read_bytes(), kind="index") for name, path in files.items()]
    jobs.succeed(database, claim, Ending(SUCCEEDED, 1, artifacts=artifacts), NOW)


def _await_step(database: Database, step: int) -> None:
    """Until the checkpoint of this step is a fact; the run must neither fail nor end on the way there."""

    def look() -> int:
        entry = row(database, "train")
        assert entry.error is None and entry.state != SUCCEEDED, (
            f"{entry.state} at step {entry.step}: {entry.error}"
        )
        return int(entry.step)

    await_value(look, lambda at: at >= step, f"step {step}")


def _left_alone(folder: Path, files: dict[str, Path], spec: dict[str, Any]) -> str:
    """SHA-256 of the final weights of the same run in this process, in one piece."""
    inputs = [input_file("index", "index", name, path) for name, path in files.items()]
    result = train.run(FakeContext(folder / "alone", {**spec, "slice_seconds": None}, inputs))
    assert isinstance(result, Finished)
    return hashlib.sha256(result.artifacts[0].file.read_bytes()).hexdigest()
