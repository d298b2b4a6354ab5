"""Looks at results: what had been judged when people added to an ablation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from db.states import SUCCEEDED
from experiments.reconvla.report.runs import is_closed_loop
from tasks.records import Records


def looks_of(records: Records) -> tuple[Mapping[str, int], ...]:
    """For each time that the ablation grew, how many seeds of each arm had been judged to the end by then.

    Whoever adds seeds then may have seen these results: that they were there counts as a look.
    """
    return _counted(_judged_at(records), records.grown_at)


def looks_of_all(ablations: Sequence[Records], names: Sequence[str]) -> tuple[Mapping[str, int], ...]:
    """The same of several ablations in one report, whenever one of them grew; arms are `name: arm`."""
    judged_at = [
        (f"{name}: {arm}", at)
        for records, name in zip(ablations, names, strict=True)
        for arm, at in _judged_at(records)
    ]
    grown_at = sorted({at for records in ablations for at in records.grown_at})
    return _counted(judged_at, grown_at)


def _counted(
    judged_at: Sequence[tuple[str, float]], grown_at: Iterable[float]
) -> tuple[Mapping[str, int], ...]:
    return tuple(Counter(arm for arm, at in judged_at if at < grown) for grown in grown_at)


def _judged_at(records: Records) -> list[tuple[str, float]]:
    """The arm of each model that was judged to the end, and when that was."""
    ended = {
        attempt.job_id: attempt.ended_at
        for attempt in records.attempts
        if attempt.outcome == SUCCEEDED and attempt.ended_at is not None
    }
    judged_at: list[tuple[str, float]] = []
    for run in records.runs:
        shards = [job.id for job in records.jobs if job.run_id == run.id and is_closed_loop(job)]
        if shards and all(shard in ended for shard in shards):
            judged_at.append((run.arm, max(ended[shard] for shard in shards)))
    return judged_at
