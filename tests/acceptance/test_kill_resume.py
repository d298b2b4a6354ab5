"""A real training run whose processes are killed at random moments ends with the weights of one left alone."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import psutil
import pytest

from db.migrate import open_state
from db.states import LOST, SUCCEEDED
from db.store import ArtifactStore
from settings.home import Home
from tests.acceptance.trainings import STEPS, await_step, left_alone, submit_training
from tests.bodies import GATE_VARIABLE
from tests.processes import CLI_WITH_BODIES, QUICK, await_gone, family, of_home, running, worker_pid
from tests.support import artifacts_of_job, attempts, await_value, row
from tests.training import training_spec, write_training_index

pytestmark = pytest.mark.slow

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
    submit_training(database, ArtifactStore(home), files, spec)
    command = ["--home", str(home.root), "up", "--until-done", "--cpus", "1", "--gpus", "none"]
    log = tmp_path / "up.log"
    gated = {**QUICK, GATE_VARIABLE: str(tmp_path / str(GATE_STEP))}

    with running(command, log, CLI_WITH_BODIES, **gated) as up:
        await_step(database, 1 + chance.randrange(10))
        time.sleep(chance.uniform(0.0, 0.3))
        started = family(up)
        up.send_signal(signal.SIGKILL)
        await_gone(started)
    assert of_home(home) == [], "workers, scheduler and broker die with the command"

    with running(command, log, CLI_WITH_BODIES, **gated) as up:
        await_step(database, row(database, "train").step + 1 + chance.randrange(10))
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
    final = [a for a in artifacts_of_job(database, row(database, "train").id) if a.final]
    assert [(artifact.step, artifact.sha256) for artifact in final] == [
        (STEPS, left_alone(tmp_path, files, spec))
    ]
    database.close()
