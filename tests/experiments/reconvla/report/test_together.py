"""One report of several ablations has every row of each, and what two of them share once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from db import jobs
from db.engine import Database
from db.plans import Plan, PlannedJob, RunRef, submit
from db.states import SUCCEEDED
from db.values import Ending
from experiments.reconvla.report.together import gather_together
from settings.json_values import JsonObject
from tests.job_specs import result_of, spec_of
from tests.support import NOW, start, worker
from workers.records import records_of

SLOW, FAST = {"max_steps": 20}, {"max_steps": 10}


def planned(key: str, kind: str, arm: str, **spec: Any) -> PlannedJob:
    return PlannedJob(key, kind, key, spec_of(kind, spec), "cpu", 1, 1, (), (RunRef(arm, 0),))


def ablation(
    database: Database, name: str, rows: Sequence[tuple[str, str, JsonObject]], **settings: Any
) -> None:
    """rows: an arm, the job that trains it, and how it is judged."""
    listed: dict[str, PlannedJob] = {}
    for arm, train, judged in rows:
        shard = f"{train} judged {judged}"
        for job in (
            planned(train, "train", arm),
            planned(shard, "evaluate", arm, mode="closed_loop", first=0, last=2, **judged),
        ):
            known = listed.get(job.key)
            runs = (*known.runs, *job.runs) if known else job.runs
            listed[job.key] = PlannedJob(job.key, job.kind, job.label, job.spec, job.resource, 1, 1, (), runs)
    training = {RunRef(arm, 0): train for arm, train, _ in rows}
    submit(
        database, Plan(name, name, {"name": name, **settings}, list(listed.values()), training), "submit", NOW
    )


def finish_all(database: Database) -> None:
    me = worker(database)
    from sqlalchemy import select

    with database.read() as tx:
        found = tx.execute(select(jobs.job.c.label, jobs.job.c.kind).order_by(jobs.job.c.id)).all()
    for label, kind in found:
        result: JsonObject = {"steps": 1}
        if kind == "evaluate":
            result = result_of("evaluate", results=[{"sequence": i, "done": 1} for i in range(2)])
        jobs.succeed(database, start(database, label, me), Ending(SUCCEEDED, 1, result=result), NOW + 10)


def arms(database: Database, *names: str) -> list[str]:
    return [run.arm for run in gather_together([records_of(database, name) for name in names]).runs]


@pytest.mark.parametrize(
    "judged",
    [(FAST, SLOW), ({"precision": "fp32"}, {"precision": "bf16"}), ({"scene": "D"}, {"scene": "A"})],
)
def test_rows_of_one_training_that_are_judged_otherwise_are_rows(
    database: Database, judged: tuple[JsonObject, JsonObject]
) -> None:
    ablation(database, "a", [("fast", "weights", judged[0]), ("slow", "weights", judged[1])])
    ablation(database, "b", [("recon", "weights", judged[1]), ("baseline", "others", judged[1])])
    finish_all(database)
    assert arms(database, "a", "b") == ["a: fast", "a: slow", "b: baseline"], "b: recon is a: slow"
    assert arms(database, "b", "a") == ["b: recon", "b: baseline", "a: fast"]


def test_rows_of_one_ablation_all_stay(database: Database) -> None:
    ablation(database, "a", [("one", "weights", SLOW), ("other", "weights", SLOW)])
    ablation(database, "b", [("recon", "weights", SLOW)])
    finish_all(database)
    assert arms(database, "a", "b") == ["a: one", "a: other"]


def test_a_row_that_is_not_judged_yet_is_no_reason_to_leave_it_out(database: Database) -> None:
    ablation(database, "a", [("fast", "weights", FAST)])
    ablation(database, "b", [("slow", "weights", SLOW)])
    assert arms(database, "a", "b") == ["a: fast", "b: slow"]


def test_an_ablation_without_a_result_yet_hides_none_of_the_others(database: Database) -> None:
    ablation(database, "a", [("fast", "weights", FAST)])
    finish_all(database)
    ablation(database, "b", [("other", "others", FAST)])
    for names in (("a", "b"), ("b", "a")):
        found = gather_together([records_of(database, name) for name in names])
        assert {run.arm: run.results for run in found.runs} == {"a: fast": (1, 1), "b: other": None}
        assert found.closed_loop_reason is None
        assert found.closed_loop_warning == (
            "Of the 2 sequences that all have. Not judged in closed loop yet: b."
        )


def test_what_is_said_of_adaptive_seeds_is_their_own_reports(database: Database) -> None:
    adaptive = {"adaptive": {"max": 9, "margin": 0.5}}
    rows = [("baseline", "weights", SLOW), ("recon", "others", SLOW)]
    ablation(database, "a", rows, seeds=adaptive)
    ablation(database, "b", [("baseline", "more", SLOW)])
    finish_all(database)
    told, alone = (
        gather_together([records_of(database, name) for name in names]).closed_loop_warning or ""
        for names in (("a", "b"), ("b",))
    )
    assert "Seeds of a were added as looks asked" in told and "says too much" not in alone
    assert "looks" not in alone
