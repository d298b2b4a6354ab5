"""Several ablations in one report: every row once, on the sequences that all have, and none compared with others'."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from errors import InvalidInput
from experiments.reconvla.report.together import gather_together
from reports.data import ReportData
from reports.summary import summarise
from tasks.records import AblationRecord, Records, RunRecord
from tests.experiments.reconvla.report.test_sequences import shard
from tests.job_specs import record

#: Of an arm: id of its training, and its shards as (contents, done, fields of the job's parameters).
Arm = tuple[int, list[tuple[str, tuple[int, ...], dict[str, Any]]]]


def ablation(number: int, arms: Mapping[str, Arm]) -> Records:
    runs, jobs = [], []
    for place, (arm, (train, shards)) in enumerate(arms.items()):
        run = number * 100 + place
        runs.append(RunRecord(run, arm, 0, train))
        mine: dict[str, Any] = {"run_id": run, "arm": arm, "seed": 0}
        jobs.append(record("train", id=train, **mine))
        for contents, done, fields in shards:
            jobs.append(replace(shard(0, tuple(contents), done, **fields), id=1000 + len(jobs), **mine))
    config = {"name": "one", "arms": {name: {"base": "recon"} for name in arms}}
    return Records(
        AblationRecord(number, f"abl{number}", config, "cli.py", "succeeded", {}), runs, jobs, (), (), (), {}, {}
    )  # fmt: skip


def unfinished(records: Records, arm: str) -> Records:
    jobs = [
        replace(job, result=None) if job.arm == arm and job.kind == "evaluate" else job
        for job in records.jobs
    ]
    return replace(records, jobs=jobs)


def figures(report: ReportData) -> dict[str, tuple[int, ...] | None]:
    return {run.arm: run.results for run in report.runs}


def test_rows_are_judged_on_what_all_have_and_shared_runs_shown_once() -> None:
    report = gather_together([
        ablation(1, {"a": (1, [("pqrs", (1, 2, 3, 4), {})]), "b": (2, [("pqrs", (0, 0, 5, 5), {})])}),
        ablation(2, {"a": (1, [("pq", (1, 2), {})]), "c": (3, [("pq", (5, 4), {})])}),
    ])  # fmt: skip
    assert figures(report) == {"abl1: a": (1, 2), "abl1: b": (0, 0), "abl2: c": (5, 4)}
    assert report.closed_loop_warning == "Of the 2 sequences that all have."


def test_the_same_weights_that_are_judged_otherwise_are_a_row_of_their_own() -> None:
    short = {"max_steps": 6}
    report = gather_together([
        ablation(1, {"a": (1, [("pq", (1, 2), {})]), "short": (1, [("pq", (0, 0), short)])}),
        ablation(2, {"c": (3, [("pq", (5, 4), {})])}),
    ])  # fmt: skip
    assert figures(report) == {"abl1: a": (1, 2), "abl1: short": (0, 0), "abl2: c": (5, 4)}
    assert [arm.comparable for arm in summarise(report).arms] == [True, False, True]


def test_a_row_of_another_list_leaves_the_others_theirs() -> None:
    first = ablation(1, {"a": (1, [("pqr", (1, 2, 3), {})]), "own": (2, [("qxyz", (5, 5, 5, 5), {})])})
    report = gather_together([first, ablation(2, {"c": (3, [("pqr", (5, 4, 3), {})])})])
    assert figures(report) == {"abl1: a": (1, 2, 3), "abl1: own": (5, 5, 5, 5), "abl2: c": (5, 4, 3)}
    summary = summarise(report)
    assert [arm.comparable for arm in summary.arms] == [True, False, True]
    assert [pair.main is not None for pair in summary.comparisons] == [False, True]
    assert report.closed_loop_warning == "Of the 3 sequences that all rows without a mark have."
    with pytest.raises(InvalidInput, match="share no sequence"):
        gather_together(
            [ablation(1, {"a": (1, [("pq", (1, 2), {})])}), ablation(2, {"c": (3, [("xy", (1, 2), {})])})]
        )


def test_a_shared_run_is_shown_where_it_was_judged_to_the_end() -> None:
    first = unfinished(ablation(1, {"a": (1, [("pq", (1, 2), {})]), "b": (2, [("pq", (3, 3), {})])}), "a")
    report = gather_together([first, ablation(2, {"a": (1, [("pq", (1, 2), {})])})])
    assert figures(report) == {"abl1: b": (3, 3), "abl2: a": (1, 2)}
