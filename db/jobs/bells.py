"""ready to queued and back: what a bell was rung for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select, update

from db.engine import Database
from db.rows import read_rows
from db.statements import COUNT_OUT, END_WAIT, RING, SEVERAL, WAITING, job, ringable
from db.states import QUEUED, READY
from db.values import Versions


@dataclass(frozen=True, slots=True)
class Rung:
    """A job whose bell is to be sent, to the preferred worker if that still lives."""

    id: int
    kind: str
    label: str
    step: int
    target_steps: int
    lease_token: int
    preferred_worker_id: int | None
    devices: int = 1


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """A job whose bell was rung, and when (Unix seconds). devices: that it is divided over."""

    id: int
    resource: str
    queued_at: float | None
    preferred_worker_id: int | None
    devices: int


@dataclass(frozen=True, slots=True)
class WaitingJob:
    """A ready job that waits so long after a failed attempt."""

    id: int
    lease_token: int
    wait_seconds: float


def ring(
    db: Database,
    resource: str,
    limit: int,
    now: float,
    versions: Versions = (),
    chosen: Callable[[list[Rung]], list[Rung]] | None = None,
) -> list[Rung]:
    """ready -> queued for up to `limit` jobs of one device and of `resource` that some active ablation wants and whose
    body is among `versions` (jobs that any build may run always are). chosen: which of these; the others stay ready.

    Returns them in ringing order.
    """
    with db.write() as tx:
        rows = read_rows(tx, Rung, ringable(tuple(versions)), {"b_resource": resource, "b_limit": limit})
        if chosen is not None:
            rows = chosen(rows)
        if rows:
            tx.execute(RING, [{"b_id": row.id, "b_now": now} for row in rows])
    return rows


@dataclass(frozen=True, slots=True)
class Outlook:
    """Before anything is rung. out: how many jobs are queued, and how many run, by (resource, state). several: whether
    jobs of several devices are ready, queued or running."""

    out: Mapping[tuple[str, str], int]
    waiting: Sequence[WaitingJob]
    several: bool


def outlook(db: Database) -> Outlook:
    with db.read() as tx:
        out = {(row.resource, row.state): row.jobs for row in tx.execute(COUNT_OUT).all()}
        waiting = [
            WaitingJob(row.id, row.lease_token, row.wait_seconds)
            for row in tx.execute(WAITING)
            if row.state == READY
        ]
        several = tx.execute(SEVERAL.limit(1)).first() is not None
    return Outlook(out, waiting, several)


def end_wait(db: Database, waited: Sequence[tuple[int, int]]) -> None:
    """Jobs (id, lease token as it was when they were seen to wait) may be rung. Those that ran since wait on."""
    if not waited:
        return
    with db.write() as tx:
        tx.execute(END_WAIT, [{"b_id": job_id, "b_token": token} for job_id, token in waited])


def unring(db: Database, job_ids: Sequence[int]) -> int:
    """queued -> ready, for jobs whose bell the broker lost. Returns how many moved."""
    if not job_ids:
        return 0
    with db.write() as tx:
        moved = 0
        for job_id in job_ids:
            moved += tx.execute(
                update(job)
                .where(job.c.id == job_id, job.c.state == QUEUED)
                .values(state=READY, queued_at=None, preferred_worker_id=None)
            ).rowcount
    return moved


def queued(db: Database) -> list[QueuedJob]:
    """Jobs whose bell was rung."""
    columns = (job.c.id, job.c.resource, job.c.queued_at, job.c.preferred_worker_id, job.c.devices)
    with db.read() as tx:
        return read_rows(tx, QueuedJob, select(*columns).where(job.c.state == QUEUED))
