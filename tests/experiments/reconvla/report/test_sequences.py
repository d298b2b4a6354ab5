"""Rows are judged sequence by sequence: in one order, whoever numbered them, and only with their like."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from errors import InvalidInput
from experiments.reconvla.report.sequences import Sequences, judged_by
from tasks.records import JobRecord
from tasks.registry import EVALUATE
from tests.job_specs import spec_of


def shard(first: int, contents: tuple[str, ...] | None, done: tuple[int, ...], **fields: Any) -> JobRecord:
    last = first + len(done)
    spec = replace(
        EVALUATE.spec_of(spec_of("closed_loop")), first=first, last=last, contents=contents, **fields
    )
    results = [{"sequence": first + place, "done": count} for place, count in enumerate(done)]
    result = EVALUATE.result_of({"mode": "closed_loop", "results": results, "scene": "D", "simulator": "playtable",
                                 "success": [0.0] * 5, "avg_len": 0.0})  # fmt: skip
    return JobRecord(first, "evaluate", "shard", "succeeded", 0, spec, result)


def done(jobs: list[JobRecord], everything: list[JobRecord]) -> list[int]:
    found = Sequences(everything).results(jobs)
    assert found is not None
    return [entry.done for entry in found.values()]


def test_results_are_paired_by_what_a_sequence_is() -> None:
    mine = [shard(0, ("a", "b"), (1, 2)), shard(2, ("c",), (3,))]
    theirs = [shard(7, ("c", "a", "b"), (5, 4, 0))]  # a job of an ablation with another list
    assert done(mine, mine + theirs) == [1, 2, 3]
    assert done(theirs, mine + theirs) == [4, 0, 5]
    assert judged_by(mine) == judged_by(theirs)


def test_jobs_of_earlier_versions_are_paired_by_place() -> None:
    mine, theirs = [shard(1, None, (2,)), shard(0, None, (1,))], [shard(0, None, (4, 5))]
    assert done(mine, mine + theirs) == [1, 2]
    assert judged_by(mine) == judged_by(theirs) != judged_by([shard(0, None, (4, 5), drawn=11)])


@pytest.mark.parametrize(
    "other",
    [
        {"contents": ("a", "x")}, {"max_steps": 6}, {"renderer": "egl"}, {"scene": "A"}, {"simulator": "calvin"},
        {"assets_digest": "1"},
    ],
)  # fmt: skip
def test_others_are_not_comparable(other: dict[str, Any]) -> None:
    fields = {"contents": ("a", "b"), "done": (1, 2)} | other
    alike = judged_by([shard(0, ("a", "b"), (1, 2))])
    assert judged_by([shard(0, **fields)]) != alike
    assert judged_by([shard(3, ("a", "b"), (5, 5), policy_batch=4, threads=3)]) == alike


def test_results_of_no_sequence_of_the_job_are_refused() -> None:
    wrong = shard(0, ("a", "b"), (1, 2))
    moved = replace(wrong, spec=shard(5, ("a", "b"), (1, 2)).spec)
    with pytest.raises(InvalidInput, match="results of sequence 0, which is none of 5 to 6"):
        Sequences([]).results([moved])
