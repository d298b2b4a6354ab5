"""A training run carried to another home in the middle, while it runs, ends with the weights of one left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

import cli
from db import verification
from db.migrate import open_state
from db.states import LOST, PREEMPTED, SUCCEEDED
from db.store import ArtifactStore
from settings.home import Home
from tests.acceptance.test_kill_resume import GATE_STEP
from tests.acceptance.trainings import STEPS, await_step, left_alone, submit_training
from tests.bodies import GATE_VARIABLE
from tests.processes import CLI_WITH_BODIES, QUICK, of_home, running
from tests.support import RETENTION, artifacts_of_job, attempts, row
from tests.training import training_spec, write_training_index

pytestmark = pytest.mark.slow


@pytest.mark.timeout(1800)
def test_carried_in_a_bundle_it_ends_with_the_same_weights(tmp_path: Path) -> None:
    """The bundle is made while the worker trains and publishes; then the old machine is gone."""
    spec = training_spec(STEPS, checkpoint_seconds=0.2) | {"slice_seconds": 1.0}
    files = write_training_index(tmp_path)
    old, new, bundle = Home(tmp_path / "old"), Home(tmp_path / "far" / "new"), tmp_path / "one.bundle"
    old.create()
    database = open_state(old)
    submit_training(database, ArtifactStore(old), files, spec)
    options = ["up", "--until-done", "--cpus", "1", "--gpus", "none"]
    gated = {**QUICK, GATE_VARIABLE: str(tmp_path / str(GATE_STEP))}
    with running(["--home", str(old.root), *options], tmp_path / "old.log", CLI_WITH_BODIES, **gated):
        await_step(database, 5)
        assert cli.main(["--home", str(old.root), "bundle", "export", str(bundle)]) == 0
        assert row(database, "train").state != SUCCEEDED, (
            "exported before its end, or this test shows nothing"
        )
    database.close()

    assert cli.main(["--home", str(new.root), "bundle", "import", str(bundle)]) == 0
    with running(["--home", str(new.root), *options], tmp_path / "new.log", **QUICK) as up:
        assert up.wait(timeout=400) == 0, (tmp_path / "new.log").read_text()
    assert of_home(new) == []
    database = open_state(new)
    ended = row(database, "train")
    assert (ended.state, ended.failures, ended.losses) == (SUCCEEDED, 0, 0)
    outcomes = [attempt.outcome for attempt in attempts(database, "train")]
    assert LOST not in outcomes and outcomes.count(PREEMPTED) <= 1
    final = [a for a in artifacts_of_job(database, ended.id) if a.final]
    assert [(artifact.step, artifact.sha256) for artifact in final] == [
        (STEPS, left_alone(tmp_path, files, spec))
    ]
    assert {e.state for e in verification.verify(database, ArtifactStore(new), RETENTION)} <= {
        verification.OK,
        verification.LEFT_BEHIND,
    }
    database.close()
