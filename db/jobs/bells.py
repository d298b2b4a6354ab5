"""ready to queued and back: what a bell was rung for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, or_, select, update

from db.engine import Database
from db.schema import WAITS
from db.statements import COUNT_OUT, RING, RINGABLE, job
from db.states import QUEUED, READY
from db.values import Versions


def ring(db: Database, resource: str, limit: int, now: float, versions: Versions = ()) -> list[Any]:
    """ready -> queued for up to `limit` jobs of `resource` that some active ablation wants and whose body is among
    `versions` (jobs that any build may run always are).

    Returns rows (id, kind, label, step, target_steps, lease_token, preferred_worker_id), in ringing order.
    """
    given = {"b_resource": resource, "b_limit": limit, "b_versions": list(versions)}
    with db.write() as tx:
        rows = tx.execute(RINGABLE, given).all()
        if rows:
            tx.execute(RING, [{"b_id": row.id, "b_now": now} for row in rows])
    return list(rows)


def waiting(db: Database) -> list[Any]:
    """Ready jobs that wait after a failed attempt: rows (id, lease_token, wait_seconds)."""
    with db.read() as tx:
        return list(
            tx.execute(
                select(job.c.id, job.c.lease_token, job.c.wait_seconds).where(job.c.state == READY, WAITS)
            ).all()
        )


def end_wait(db: Database, waited: Sequence[tuple[int, int]]) -> None:
    """Jobs (id, lease token as it was when they were seen to wait) may be rung. Those that ran since wait on."""
    if not waited:
        return
    these = or_(*(and_(job.c.id == job_id, job.c.lease_token == token) for job_id, token in waited))
    with db.write() as tx:
        tx.execute(update(job).where(job.c.state == READY, these).values(wait_seconds=0.0))


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


def count_out(db: Database) -> dict[tuple[str, str], int]:
    """How many jobs are queued, and how many run, by (resource, state)."""
    with db.read() as tx:
        return {(row.resource, row.state): row.jobs for row in tx.execute(COUNT_OUT).all()}


def queued(db: Database) -> list[Any]:
    """Jobs whose bell was rung: rows (id, resource, queued_at, preferred_worker_id)."""
    with db.read() as tx:
        return list(
            tx.execute(
                select(job.c.id, job.c.resource, job.c.queued_at, job.c.preferred_worker_id).where(
                    job.c.state == QUEUED
                )
            ).all()
        )
