"""An ablation's plan without an arm asks for the jobs of the others, under the keys that they have."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from db import plans, queries
from db.engine import Database
from db.plans import Plan
from db.rows import AblationRow
from db.statements import job
from errors import ConfigError
from experiments.arm_dropped import drop, plan_without
from experiments.reconvla.named_config import load_config
from experiments.reconvla.planner import Planner
from settings.home import Home
from tasks.registry import KINDS
from tests.support import NOW

ARMS = ("baseline", "recon")


def plan(*arms: str) -> Plan:
    return Planner(load_config("smoke", None, (), arms=arms, seeds=(0,))).plan()


def row_of(database: Database, planned: Plan) -> AblationRow:
    plans.submit(database, planned, "submit", NOW)
    row = queries.ablation_row(database, planned.key)
    assert row is not None
    return row


def test_the_plan_is_that_of_the_other_arms(database: Database) -> None:
    found, expected = plan_without(database, row_of(database, plan(*ARMS)), "recon"), plan("baseline")
    assert (found.key, found.jobs) == (expected.key, expected.jobs)


def test_of_what_was_dropped_nothing_stays_that_the_plan_does_not_ask_for(
    database: Database, home: Home
) -> None:
    row = row_of(database, plan(*ARMS))
    without = plan_without(database, row, "recon")
    part = drop(database, home, None, row, "recon", NOW)
    left = {job.key: job.kind for job in queries.jobs_of(database, row.id)}
    assert left == {job.key: job.kind for job in without.jobs}
    assert part.jobs and {run.arm for run in queries.runs_of(database, row.id)} == {"baseline"}
    (now,) = queries.ablation_rows(database)
    assert (now.key, now.config["arms"], now.job_count) == (without.key, ["baseline"], len(without.jobs))
    again = plans.submit(database, plan(*ARMS), "submit", NOW, now)
    assert again.ablation_id == row.id and again.jobs_added == len(part.jobs), "it comes back as work to do"


def test_rows_by_name_are_dropped_as_well(database: Database) -> None:
    rows = {"baseline": None, "chance": {"policy": {"kind": "random", "seed": 1}}}
    config = load_config("smoke", None, (), arms=rows, seeds=(0,))
    found = plan_without(database, row_of(database, Planner(config).plan()), "chance")
    assert found.config["arms"] == {"baseline": None}


def test_demonstrations_that_only_the_arm_read_go_with_it(database: Database, home: Home) -> None:
    arms = {"recon": None, "other": {"base": "recon", "set": {"data.seed": 5, "evaluation.sequences": 3}}}
    row = row_of(database, Planner(load_config("smoke", None, (), arms=arms, seeds=(0,))).plan())
    drop(database, home, None, row, "other", NOW)
    jobs = queries.jobs_of(database, row.id)
    left = {one.key for one in jobs}
    assert {one.key for one in plan("recon").jobs if one.kind != "report"} < left and len(left) == len(jobs)
    with database.read() as tx:
        assert set(tx.execute(select(job.c.key)).scalars()) == left, "nothing stays that nobody asks for"


def test_nothing_is_dropped_where_the_other_arms_would_be_done_again(
    database: Database, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = row_of(database, plan(*ARMS))
    before = queries.jobs_of(database, row.id)
    monkeypatch.setitem(KINDS, "train", replace(KINDS["train"], version=KINDS["train"].version + 1))
    monkeypatch.setattr("experiments.reconvla.run_jobs.TRAIN", KINDS["train"])
    with pytest.raises(
        ConfigError, match=r"'recon' is not dropped: \d+ jobs of its other arms would be done"
    ):
        drop(database, home, None, row, "recon", NOW)
    assert queries.jobs_of(database, row.id) == before


@pytest.mark.parametrize(
    ("arm", "says"),
    [
        ("nothing", "no arm 'nothing' in this ablation; its arms: baseline"),
        ("baselin", r"no arm 'baselin' \(did you mean 'baseline'\?\) in this ablation"),
        ("baseline", "is its only arm"),
        (" baseline", "'baseline' is its only arm"),
    ],
)
def test_an_arm_that_is_not_there_or_the_only_one(database: Database, arm: str, says: str) -> None:
    row = row_of(database, plan("baseline"))
    with pytest.raises(ConfigError, match=says):
        plan_without(database, row, arm)


def test_settings_of_another_build_are_told(database: Database) -> None:
    row = row_of(database, Plan("old", "old", {"arms": ["baseline", "recon"], "older": 1}, ()))
    with pytest.raises(ConfigError, match=r"ablation old cannot be planned without 'recon' \(older: "):
        plan_without(database, row, "recon")
