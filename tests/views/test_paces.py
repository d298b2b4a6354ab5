"""What measurements tell of: jobs like those that were measured, and no others."""

from __future__ import annotations

import json
from typing import Any

import pytest

import cli
from db import plans
from db.engine import Database
from db.jobs import Ending, Seconds, succeed
from db.plans import Plan, PlannedJob
from db.states import SUCCEEDED
from settings.home import Home
from tasks.likeness import traits_of
from tests.support import NOW, planned, start, worker
from tests.training import training_spec
from views.paces import Paces
from views.status import status_document


def training(name: str, size: str = "toy", **settings: Any) -> PlannedJob:
    spec = training_spec(100, **settings)
    spec["model"]["config"] = {**spec["model"]["config"], "size": size}
    return planned(name, kind="train", spec=spec, target_steps=100)


def done(database: Database, job: PlannedJob, took: float) -> None:
    """Submit a job, and end it after so many seconds."""
    plans.submit(database, Plan(job.key, job.key, {}, [job]), "submit", NOW)
    claim = start(database, job.label, worker(database))
    succeed(database, claim, Ending(SUCCEEDED, 100, seconds=Seconds(took=took)), NOW)


UNLIKE = {
    "size": training("large", "7b"),
    "devices": training("several", devices=2),
    "batch": training("wide", batch_size=512),
    "precision": training("halves", precision="bf16"),
    "adapters": training("adapters", lora={"rank": 8, "alpha": 16, "four_bit": True}),
}


@pytest.mark.parametrize("differs", UNLIKE)
def test_what_is_unlike_in_what_a_step_takes_is_not_priced(database: Database, differs: str) -> None:
    done(database, training("measured", arm="baseline", seed=1), 10.0)
    paces, other = Paces(database, ["train"]), UNLIKE[differs]
    assert paces.of_job("train", training_spec(7, seed=5, nodes=1)) == [0.1], (
        "of another arm, seed and length"
    )
    assert paces.of_job("train", other.spec) == []
    done(database, other, 3000.0)
    assert Paces(database, ["train"]).of_job("train", other.spec) == [30.0]


def test_kinds_without_any_of_it_are_alike(database: Database) -> None:
    assert traits_of({"split": "training"}) == traits_of({})
    assert traits_of({"detector": "colour"}) != traits_of({"detector": "grounding_dino"})


def test_time_left_is_of_jobs_like_those_that_are_open(home: Home, database: Database) -> None:
    done(database, training("measured"), 10.0)
    for name, job in (("large", UNLIKE["size"]), ("again", training("again"))):
        plans.submit(database, Plan(name, name, {}, [job]), "submit", NOW)
    worker(database)
    _, large, again = status_document(home, database)["ablations"]
    assert large["time_left"]["untimed"] == ["train"] and large["time_left"]["high_seconds"] == 0
    assert again["time_left"]["untimed"] == [] and again["time_left"]["high_seconds"] > 0


def test_a_plan_is_not_priced_by_jobs_of_another_size(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--preset", "smoke", "--arms", "baseline"]
    where = ["--home", str(home.root)]
    assert cli.main([*where, "submit-ablation", *words, "--detach"]) == 0
    _end_all(database)

    def untimed(*more: str) -> list[str]:
        capsys.readouterr()
        assert cli.main([*where, "plan", *words, "--name", "other", "--seeds", "7", *more, "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert not set(document["untimed"]) & set(document["worker_seconds"]) - {"evaluate"}
        return [kind for kind in document["untimed"] if kind in ("train", "evaluate")]

    assert untimed() == []
    assert untimed("--set", "training.devices=2") == ["train"]
    assert untimed("--set", "evaluation.max_steps=360") == ["evaluate"]
    assert untimed("--set", "model.size=small") == ["evaluate", "train"]
    capsys.readouterr()
    assert (
        cli.main([*where, "plan", *words, "--name", "other", "--seeds", "7", "--set", "training.devices=2"])
        == 0
    )
    told = capsys.readouterr().out
    assert ", as such jobs took here, without what is like no job that ended here: train\n" in told


def _end_all(database: Database) -> None:
    """Every job of the home ends after a second a step."""
    from sqlalchemy import insert, select, update

    from db.schema import Attempt, Job

    who = worker(database)
    with database.write() as tx:
        tx.execute(update(Job).values(state=SUCCEEDED, step=Job.target_steps))
        for row in tx.execute(select(Job.id, Job.target_steps)).all():
            attempt = {
                "job_id": row.id,
                "worker_id": who,
                "lease_token": 1,
                "started_at": NOW,
                "ended_at": NOW,
            }
            steps = {"outcome": SUCCEEDED, "step_from": 0, "step_to": row.target_steps}
            tx.execute(insert(Attempt).values(**attempt, **steps, took_seconds=float(row.target_steps)))
