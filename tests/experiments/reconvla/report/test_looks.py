"""What had been judged when people added to an ablation counts as a look."""

from __future__ import annotations

from dataclasses import replace

from experiments.reconvla.report.looks import looks_of, looks_of_all
from tasks.records import AblationRecord, AttemptRecord, Records, RunRecord
from tests.experiments.reconvla.report.test_sequences import shard


def attempt(job: int, ended_at: float | None, outcome: str | None = "succeeded") -> AttemptRecord:
    return AttemptRecord(
        job, "evaluate", "here", 0.0, ended_at, outcome, 0, 1, None, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0
    )


def test_seeds_that_were_judged_by_then_are_counted_by_arm() -> None:
    """Arm a: seeds judged at 10 and 30; b: one at 12, one whose second shard ended at 25, one that failed."""
    runs = [RunRecord(n, arm, n, 100 + n) for n, arm in enumerate(("a", "a", "b", "b", "b"))]
    ends = [(0, 10.0), (1, 30.0), (2, 12.0), (3, 11.0), (3, 25.0)]
    jobs, attempts = [], []
    for number, (run, at) in enumerate(ends):
        jobs.append(replace(shard(0, ("p",), (1,)), id=number, run_id=run))
        attempts.append(attempt(number, at))
    jobs.append(replace(shard(0, ("p",), (1,)), id=9, run_id=4))
    attempts.append(attempt(9, 5.0, "failed"))
    ablation = AblationRecord(1, "x", {}, "", "running", {})
    records = Records(ablation, runs, jobs, attempts, (), (), {}, {}, grown_at=(5.0, 20.0, 40.0))
    two = replace(records, grown_at=(26.0,))
    assert looks_of_all([records, two], ["x", "y"])[2] == {"x: a": 1, "x: b": 2, "y: a": 1, "y: b": 2}
    assert len(looks_of_all([records, two], ["x", "y"])) == 4
    assert looks_of(records) == ({}, {"a": 1, "b": 1}, {"a": 2, "b": 2})
