"""Which running jobs serve which ablations and runs, and which worker holds each."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from db.engine import Database
from db.rows import read_rows
from db.schema import AblationJob
from db.statements import in_state, job
from db.states import RUNNING


@dataclass(frozen=True, slots=True)
class HeldJob:
    """`run_id`: None where the job is shared by the runs of its ablation. `worker_id`: None of nobody's."""

    job_id: int
    ablation_id: int
    run_id: int | None
    worker_id: int | None


def held_jobs(db: Database) -> list[HeldJob]:
    """One for each ablation and run that a running job serves. Its worker may be gone by now: rows do not know."""
    with db.read() as tx:
        return read_rows(tx, HeldJob, _HELD)


_HELD = (
    select(job.c.id.label("job_id"), AblationJob.ablation_id, AblationJob.run_id, job.c.worker_id)
    .join(AblationJob, AblationJob.job_id == job.c.id)
    .where(in_state(RUNNING))
    .order_by(job.c.id)
)
