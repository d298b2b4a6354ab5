"""What the workers of a session were at when it ends, and what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select, update

from db import jobs
from db.engine import Database
from db.members import BUSY, IDLE, STOPPED
from db.rows import read_rows
from db.schema import Worker
from db.statements import attempt, job


@dataclass(frozen=True, slots=True)
class AttemptEnding:
    """How an attempt ended (None: it did not); `step` is where its job goes on from."""

    id: int
    label: str
    outcome: str | None
    step_from: int
    step_to: int | None
    step: int


def under_way(db: Database, session_id: int) -> dict[int, int]:
    """Attempts of the session's workers that have not ended: id -> number of the worker's process."""
    with db.read() as tx:
        rows = tx.execute(
            select(attempt.c.id, Worker.pid)
            .join(Worker, Worker.id == attempt.c.worker_id)
            .where(Worker.session_id == session_id, attempt.c.ended_at.is_(None))
            .order_by(attempt.c.id)
        ).all()
    return {row.id: row.pid for row in rows}


def put_away(db: Database, session_id: int, pids: Sequence[int], reason: str, now: float) -> None:
    """Put back what workers held that their session ended, and note that they stopped. Their processes are gone."""
    ended = [Worker.session_id == session_id, Worker.pid.in_(pids), Worker.state.in_((IDLE, BUSY))]
    with db.read() as tx:
        workers = tx.execute(select(Worker.id).where(*ended)).scalars().all()
    jobs.put_back(db, workers, reason, now)
    with db.write() as tx:
        tx.execute(
            update(Worker).where(Worker.id.in_(workers)).values(state=STOPPED, stopped_at=now, job_id=None)
        )


def endings(db: Database, attempt_ids: Sequence[int]) -> list[AttemptEnding]:
    """Of these attempts, by id."""
    columns = (
        attempt.c.id,
        job.c.label,
        attempt.c.outcome,
        attempt.c.step_from,
        attempt.c.step_to,
        job.c.step,
    )
    with db.read() as tx:
        return read_rows(
            tx,
            AttemptEnding,
            select(*columns)
            .join(job, job.c.id == attempt.c.job_id)
            .where(attempt.c.id.in_(attempt_ids))
            .order_by(attempt.c.id),
        )
