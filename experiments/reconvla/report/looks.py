"""Looks at results: what had been judged when people added to an ablation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from db.states import SUCCEEDED
from experiments.reconvla.report.runs import is_closed_loop
from tasks.records import Records


def looks_of(records: Records) -> tuple[Mapping[str, int], ...]:
    """For each time that the ablation grew, how many seeds of each arm had been judged to the end by then.

    Whoever adds seeds then may have seen these results: that they were there counts as a look.
    """
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
    return tuple(Counter(arm for arm, at in judged_at if at < grown) for grown in records.grown_at)
