"""An ablation on PostgreSQL and S3, on two machines of which one dies, ends as on one machine alone.

A machine is a home folder of its own with its own scheduler and worker: nothing but the database, the objects and
the broker is shared.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from db import queries
from db.engine import Database
from db.migrate import open_state
from db.schema import Attempt, Job, Worker
from db.shared_store import open_store
from db.states import LOST, RUNNING, SUCCEEDED
from settings.home import Home
from tests.acceptance.trainings import STEPS, await_step, left_alone, submit_training
from tests.bodies import GATE_VARIABLE
from tests.processes import CLI, CLI_WITH_BODIES, QUICK, environment, kill_all, running
from tests.support import artifacts_of_job, await_value, row
from tests.training import training_spec, write_training_index

pytestmark = pytest.mark.slow

#: The smoke ablation with one arm that has every kind of job, and slices in the middle of which one can kill.
SMOKE = [
    "--preset", "smoke", "--arms", "recon_pretrain",
    "--set", "training.slice_seconds=600", "--set", "training.checkpoint_seconds=0.5",
    "--set", "pretraining.steps=2", "--set", "evaluation.sequences=1", "--set", "evaluation.max_steps=5",
    "--set", "attention.frames=4",
]  # fmt: skip

TASKS = ("move_slider_right", "open_drawer", "turn_on_led", "push_pink_block_left", "lift_pink_block_table")

#: Where the first machine's training waits to be killed; it has 20 steps.
GATE_STEP = 10

UP = ["up", "--until-done", "--cpus", "1", "--gpus", "none"]


@pytest.fixture
def cluster(postgres_url: str, s3_variables: dict[str, str], redis_url: str) -> dict[str, str]:
    """Variables of every process: all that the machines share."""
    return {
        **QUICK,
        **s3_variables,
        "BATON_STATE_URL": postgres_url,
        "BATON_ARTIFACTS_URL": "s3://baton-test/acceptance",
        "REDIS_URL": redis_url,
    }


@pytest.mark.timeout(900)
def test_a_training_whose_machine_died_ends_on_another_with_the_weights_of_one(
    tmp_path: Path, cluster: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in cluster.items():
        monkeypatch.setenv(name, value)
    spec = training_spec(STEPS, checkpoint_seconds=0.2)
    files = write_training_index(tmp_path)
    first, second = Home(tmp_path / "first"), Home(tmp_path / "second")
    database = open_state(first)
    store = open_store(first, database)
    submit_training(database, store, files, spec)
    gated = {**cluster, GATE_VARIABLE: str(tmp_path / str(GATE_STEP))}
    with running(
        ["--home", str(first.root), *UP], tmp_path / "first.log", CLI_WITH_BODIES, **gated
    ) as machine:
        await_step(database, 1)
        kill_all(machine)
    left = row(database, "train")
    assert left.state != SUCCEEDED, "killed before its end, or this test shows nothing"
    with running(["--home", str(second.root), *UP], tmp_path / "second.log", **cluster) as machine:
        assert machine.wait(timeout=480) == 0, (tmp_path / "second.log").read_text()
    ended = training_attempts(database)
    assert ended[0].outcome == LOST and len({attempt.session_id for attempt in ended}) == 2
    went_on = next(attempt for attempt in ended if attempt.session_id != ended[0].session_id)
    assert went_on.step_from == left.step > 0, "from the other machine's checkpoint, which came through S3"
    (weights,) = [a for a in artifacts_of_job(database, left.id) if a.final]
    assert (weights.step, weights.sha256) == (STEPS, left_alone(tmp_path, files, spec))
    database.close()


@pytest.mark.trial
@pytest.mark.timeout(1800)
def test_two_machines_one_killed_end_with_the_weights_of_one(
    tmp_path: Path, postgres_url: str, cluster: dict[str, str]
) -> None:
    """Every kind of job, and results too: `trials/two_machines.py`."""
    first, second = Home(tmp_path / "first"), Home(tmp_path / "second")
    # Recorded once: the scripted expert would solve its tasks anew in every home.
    data = str(tmp_path / "data")
    baton(first, ["data", "generate", data, "--demonstrations-per-task", "1", "--tasks", ",".join(TASKS)])
    smoke = [*SMOKE, "--set", f"data.root={data}"]
    baton(first, ["submit-ablation", *smoke, "--detach"], **cluster)
    database = Database(postgres_url)
    gated = {**cluster, GATE_VARIABLE: str(tmp_path / str(GATE_STEP))}
    with running(
        ["--home", str(first.root), *UP], tmp_path / "first.log", CLI_WITH_BODIES, **gated
    ) as machine:
        await_value(
            lambda: training(database),
            lambda job: job.state == RUNNING and job.step > 0,
            "a checkpoint of the first machine",
        )
        kill_all(machine)
    left = training(database)
    assert left.state != SUCCEEDED, "killed before its end, or this test shows nothing"

    with running(["--home", str(second.root), *UP], tmp_path / "second.log", **cluster) as machine:
        assert machine.wait(timeout=480) == 0, (tmp_path / "second.log").read_text()

    assert set(job_states(database)) == {SUCCEEDED}
    attempts = training_attempts(database)
    assert len({attempt.session_id for attempt in attempts}) == 2, "each machine did a part of the training"
    assert LOST in {attempt.outcome for attempt in attempts}
    went_on = next(a for a in attempts if a.session_id != attempts[0].session_id)
    assert went_on.step_from == left.step > 0, "from the other machine's checkpoint, which came through S3"
    assert not first.state_db.exists() and not second.state_db.exists()
    together = results(database)
    database.close()

    third = Home(tmp_path / "third")
    verified = json.loads(baton(third, ["artifacts", "verify", "--json"], **cluster))
    assert verified["checked"] == verified["ok"] + verified["left_behind"] > 0
    report = json.loads(baton(third, ["report", "--json"], **cluster))
    assert "recon_pretrain" in [arm["arm"] for arm in report["arms"]]

    alone = Home(tmp_path / "alone")
    baton(alone, ["submit-ablation", *smoke, "--cpus", "2", "--gpus", "none"])
    local = open_state(alone)
    assert together == results(local)
    local.close()


def baton(home: Home, arguments: list[str], **variables: str) -> str:
    """A command in a process of its own, which must succeed. Returns what it printed."""
    done = subprocess.run(
        [sys.executable, str(CLI), "--home", str(home.root), *arguments],
        env=environment(**variables),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def training(database: Database) -> Any:
    """Row (step, state) of the training job."""
    with database.read() as tx:
        return tx.execute(select(Job.step, Job.state).where(Job.kind == "train")).one()


def job_states(database: Database) -> list[str]:
    with database.read() as tx:
        return list(tx.execute(select(Job.state)).scalars())


def training_attempts(database: Database) -> list[Any]:
    """Rows (outcome, step_from, session_id) of the training job, oldest first."""
    with database.read() as tx:
        statement = (
            select(Attempt.outcome, Attempt.step_from, Worker.session_id)
            .join(Job, Job.id == Attempt.job_id)
            .join(Worker, Worker.id == Attempt.worker_id)
            .where(Job.kind == "train")
            .order_by(Attempt.id)
        )
        return list(tx.execute(statement).all())


def results(database: Database) -> dict[tuple[str, str], str]:
    """(job, name) -> digest of every checkpoint and evaluation at its job's end."""
    return {
        (entry.job, entry.name): entry.sha256
        for kind in ("checkpoint", "evaluation")
        for entry in queries.artifacts(database, kind)
        if entry.final
    }
