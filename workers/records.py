"""Rows as the records that reports are made of."""

from __future__ import annotations

from db import queries
from db.engine import Database
from db.states import SUCCEEDED
from tasks.kind import JobResult, Spec
from tasks.records import JobRecord
from tasks.registry import kind_named


def job_records(database: Database, ablation_id: int) -> list[JobRecord]:
    """All jobs of an ablation, in their order. Raises InvalidInput for parameters that nothing can be made of."""
    read: dict[int, tuple[Spec, JobResult | None]] = {}
    found = []
    for row in queries.jobs_of(database, ablation_id):
        if row.id not in read:
            kind = kind_named(row.kind)
            ended = row.result if row.state == SUCCEEDED else None
            read[row.id] = kind.spec_of(row.spec), None if ended is None else kind.result_of(ended)
        spec, result = read[row.id]
        found.append(
            JobRecord(
                row.id, row.kind, row.label, row.state, row.step, spec, result, row.run_id, row.arm, row.seed
            )
        )
    return found
