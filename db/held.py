"""Which running jobs serve which ablations and runs, which worker holds each, and whether that one is there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from db.doing import doing, those_there
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


@dataclass(frozen=True)
class Attendance:
    """held: all running jobs. there: ids of the workers that are there. starting: whether a session is about to start
    workers."""

    held: Sequence[HeldJob]
    there: Collection[int]
    starting: bool = False

    def doing(self, state: str, jobs: Mapping[str, int], ablation_id: int, run_id: int | None = None) -> str:
        """`db.doing.doing` of an ablation, or of one of its runs; jobs: of that, by state."""
        mine = (one for one in self.held if one.ablation_id == ablation_id and run_id in (None, one.run_id))
        return doing(state, jobs, {one.worker_id for one in mine}, self.there, starting=self.starting)

    def interrupted(self, ablation_id: int) -> int:
        """How many of its running jobs have lost their worker."""
        mine = (one for one in self.held if one.ablation_id == ablation_id)
        return len({one.job_id for one in mine if one.worker_id not in self.there})

    def has_somebody(self, job_id: int) -> bool:
        """Whether the worker of this running job is there."""
        return any(one.job_id == job_id and one.worker_id in self.there for one in self.held)


def attendance(
    db: Database, ages: Mapping[int, float | None], lease_seconds: float, *, starting: bool = False
) -> Attendance:
    """ages: of workers by id, as `db.doing.those_there` has them."""
    return Attendance(held_jobs(db), those_there(ages, lease_seconds), starting)


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
