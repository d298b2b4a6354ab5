"""Taking back whatever runs in a copy of the state that leaves for another machine."""

from __future__ import annotations

from sqlalchemy import Connection, case, delete, select, update

from db.jobs.recovery import unbooked
from db.statements import attempt, job, seats
from db.states import CANCELLED, PREEMPTED, QUEUED, READY, RUNNING


def hand_over(tx: Connection, reason: str, now: float) -> int:
    """running, queued -> ready (or cancelled, where that was asked for). Returns how many were running.

    Only for a copy: in the home itself the attempts go on. For the copy this is a preemption, not a loss, so
    nobody's losses or failures are counted, and a zombie's token is stale.
    """
    cancelling = attempt.c.job_id.in_(select(job.c.id).where(job.c.state == RUNNING, job.c.cancel_requested))
    tx.execute(
        update(attempt)
        .where(attempt.c.ended_at.is_(None))
        .values(
            ended_at=now,
            outcome=case((cancelling, CANCELLED), else_=PREEMPTED),
            reason=case((cancelling, "cancelled"), else_=reason),
            step_to=case((attempt.c.step_to.is_(None), attempt.c.step_from), else_=attempt.c.step_to),
            **unbooked(),
        )
    )
    running = tx.execute(
        update(job)
        .where(job.c.state == RUNNING)
        .values(
            state=case((job.c.cancel_requested, CANCELLED), else_=READY),
            finished_at=case((job.c.cancel_requested, now), else_=None),
            cancel_requested=False,
            slices=job.c.slices + 1,
            turn=case((job.c.fair, job.c.turn + 1), else_=job.c.turn),
            lease_token=job.c.lease_token + 1,
            lease_expires_at=None,
        )
    ).rowcount
    tx.execute(update(job).where(job.c.state == QUEUED).values(state=READY))
    tx.execute(delete(seats))
    # What was to wait for the old machine's deadline, its workers or its broker need not wait here.
    bound = (
        job.c.queued_at.is_not(None) | job.c.preferred_worker_id.is_not(None) | (job.c.wait_seconds != 0.0)
    )
    tx.execute(update(job).where(bound).values(queued_at=None, preferred_worker_id=None, wait_seconds=0.0))
    return running
