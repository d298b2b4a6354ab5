"""The one writer of job state. Every move is a single guarded statement inside one transaction.

A claim raises the job's `lease_token`; whatever an attempt wants to become fact commits in a
transaction whose first statement checks that token, so an attempt that lost its job can only raise
LeaseLost. See `db/states.py` for the table of legal moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from db import events
from db.engine import Database
from db.statements import (
    CLAIM,
    CLOSE_ATTEMPT,
    COUNT_DOWN,
    COUNT_QUEUED,
    HOLDS_LEASE,
    OPEN_ATTEMPT,
    RING,
    RINGABLE,
    SUCCEED,
    UNBLOCK,
    artifact,
    attempt,
    job,
    metric,
)
from db.states import CANCELLED, FAILED, LOST, OOM, QUEUED, READY, RUNNING
from db.values import Claim, Ending, Lease, Lost, MetricPoint, Seconds, StoredArtifact
from errors import IllegalMove, LeaseLost


def claim(db: Database, job_id: int, worker_id: int, lease_seconds: float, now: float) -> Claim | None:
    """queued -> running. None when the job is not queued: another worker has it, or the bell is stale."""
    with db.write() as tx:
        row = tx.execute(
            CLAIM, {"b_id": job_id, "b_expires": now + lease_seconds, "b_worker": worker_id}
        ).first()
        if row is None:
            return None
        attempt_id = tx.execute(
            OPEN_ATTEMPT,
            {
                "job_id": job_id,
                "lease_token": row.lease_token,
                "worker_id": worker_id,
                "started_at": now,
                "step_from": row.step,
            },
        ).scalar_one()
    return Claim(
        job_id=job_id,
        attempt_id=attempt_id,
        lease_token=row.lease_token,
        worker_id=worker_id,
        key=row.key,
        kind=row.kind,
        label=row.label,
        spec=row.spec,
        step=row.step,
        target_steps=row.target_steps,
        failures=row.failures,
        losses=row.losses,
    )


def extend_lease(db: Database, held: Claim, lease_seconds: float, now: float) -> bool:
    """Heartbeat of a running job. Returns whether its cancellation was asked for; raises LeaseLost."""
    with db.write() as tx:
        row = tx.execute(
            update(job)
            .where(*HOLDS_LEASE)
            .values(lease_expires_at=now + lease_seconds)
            .returning(job.c.cancel_requested),
            _token(held),
        ).first()
    if row is None:
        raise _lease_lost(held)
    return bool(row.cancel_requested)


def publish(
    db: Database,
    held: Claim,
    step: int,
    artifacts: Sequence[StoredArtifact],
    metrics: Sequence[MetricPoint],
    seconds: Seconds,
    now: float,
) -> None:
    """Make a checkpoint a fact while the attempt goes on. Raises LeaseLost."""
    with db.write(durable=True) as tx:
        _check(tx, held, update(job).where(*HOLDS_LEASE).values(step=step, losses=0))
        _record(tx, held, step, artifacts, metrics, now)
        tx.execute(
            update(attempt)
            .where(attempt.c.id == held.attempt_id)
            .values(step_to=step, **_seconds_columns(seconds))
        )


def fall_back(db: Database, held: Claim, step: int, message: str, now: float) -> None:
    """The step goes back to that of an older checkpoint, as a newer one is damaged. Raises LeaseLost."""
    with db.write() as tx:
        _check(tx, held, update(job).where(*HOLDS_LEASE).values(step=step))
        tx.execute(update(attempt).where(attempt.c.id == held.attempt_id).values(step_from=step))
        events.record(tx, now, "checkpoint_fallback", message, job_id=held.job_id, attempt_id=held.attempt_id)


def succeed(db: Database, held: Claim, ending: Ending, now: float) -> int:
    """running -> succeeded, with its artifacts and the dependents this makes ready, in one transaction.

    Returns how many jobs became ready. Raises LeaseLost.
    """
    with db.write() as tx:
        _check(
            tx,
            held,
            SUCCEED,
            b_step=ending.step,
            b_result=dict(ending.result) if ending.result is not None else None,
            b_now=now,
        )
        _record(tx, held, ending.step, ending.artifacts, ending.metrics, now)
        _close_attempt(tx, held, ending, now)
        return _release_dependents(tx, held.job_id)


def give_back(db: Database, held: Claim, ending: Ending, now: float, *, not_before: float = 0.0) -> None:
    """running -> ready: yielded, preempted, out of memory, or failed with tries left. Raises LeaseLost.

    The outcome names the ledger it is booked in: failed spends a try, out of memory counts as a loss.
    """
    progressed = ending.step > held.step
    broke = ending.outcome in (FAILED, OOM)
    with db.write() as tx:
        _check(
            tx,
            held,
            update(job)
            .where(*HOLDS_LEASE)
            .values(
                state=READY,
                step=ending.step,
                slices=job.c.slices + 1,
                failures=job.c.failures + (ending.outcome == FAILED),
                losses=(0 if progressed else job.c.losses) + (ending.outcome == OOM),
                not_before=not_before,
                lease_expires_at=None,
                preferred_worker_id=held.worker_id if progressed else None,
                error=ending.reason if broke else None,
            ),
        )
        _record(tx, held, ending.step, ending.artifacts, ending.metrics, now)
        _close_attempt(tx, held, ending, now)
        if broke:
            events.record(
                tx, now, "attempt_failed", f"{held.label}: {ending.reason}; will be tried again",
                job_id=held.job_id, attempt_id=held.attempt_id,
            )  # fmt: skip


def end(db: Database, held: Claim, ending: Ending, now: float) -> None:
    """running -> failed or cancelled, by `ending.outcome`. Dependents stay blocked. Raises LeaseLost."""
    if ending.outcome not in (FAILED, CANCELLED):
        raise IllegalMove(f"an attempt that {ending.outcome} does not end its job")
    with db.write() as tx:
        _check(
            tx,
            held,
            update(job)
            .where(*HOLDS_LEASE)
            .values(
                state=ending.outcome,
                failures=job.c.failures + (ending.outcome == FAILED),
                lease_expires_at=None,
                finished_at=now,
                error=ending.reason,
                cancel_requested=False,
            ),
        )
        _close_attempt(tx, held, ending, now)
        events.record(
            tx, now, f"job_{ending.outcome}", f"{held.label}: {ending.reason}",
            job_id=held.job_id, attempt_id=held.attempt_id,
        )  # fmt: skip


def take_back(db: Database, leases: Sequence[Lease], reason: str, max_losses: int, now: float) -> list[Lost]:
    """running -> ready for jobs whose worker is gone; failed (poison) after `max_losses` without progress.

    Jobs that moved on in the meantime, even to running under another lease, are left alone.
    """
    taken = []
    with db.write() as tx:
        for lease in leases:
            held = (job.c.id == lease.job_id, job.c.state == RUNNING, job.c.lease_token == lease.token)
            row = tx.execute(
                select(job.c.label, job.c.losses, job.c.step, job.c.cancel_requested).where(*held)
            ).first()
            if row is None:
                continue
            losses = row.losses + 1
            if row.cancel_requested:
                state, error = CANCELLED, "cancelled while its worker was gone"
            elif losses >= max_losses:
                state = FAILED
                error = f"poison: took its worker with it {losses} times without progress ({reason})"
            else:
                state, error = READY, None
            tx.execute(
                update(job)
                .where(*held)
                .values(
                    state=state,
                    losses=losses,
                    lease_expires_at=None,
                    error=error,
                    finished_at=now if state != READY else None,
                    # A zombie's token must be stale even before the job is claimed again.
                    lease_token=job.c.lease_token + 1,
                )
            )
            tx.execute(
                update(attempt)
                .where(attempt.c.job_id == lease.job_id, attempt.c.lease_token == lease.token)
                .values(ended_at=now, outcome=LOST, reason=reason, step_to=row.step)
            )
            events.record(tx, now, "job_lost", f"{row.label}: {error or reason}", job_id=lease.job_id)
            taken.append(Lost(lease.job_id, row.label, state))
    return taken


def ring(db: Database, resource: str, limit: int, now: float) -> list[Any]:
    """ready -> queued for up to `limit` jobs of `resource` that some active ablation wants.

    Returns rows (id, kind, label, step, target_steps, lease_token, preferred_worker_id), in ringing order.
    """
    with db.write() as tx:
        rows = tx.execute(RINGABLE, {"b_resource": resource, "b_now": now, "b_limit": limit}).all()
        if rows:
            tx.execute(RING, [{"b_id": row.id, "b_now": now} for row in rows])
    return list(rows)


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


def count_queued(db: Database) -> dict[str, int]:
    """How many bells are out, by resource."""
    with db.read() as tx:
        return {row.resource: row.waiting for row in tx.execute(COUNT_QUEUED).all()}


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


def _token(held: Claim) -> dict[str, int]:
    return {"b_id": held.job_id, "b_token": held.lease_token}


def _lease_lost(held: Claim) -> LeaseLost:
    return LeaseLost(f"{held.label}: attempt {held.lease_token} no longer holds the job; its work is dropped")


def _check(tx: Connection, held: Claim, statement: Any, **parameters: Any) -> None:
    if tx.execute(statement, {**_token(held), **parameters}).rowcount != 1:
        raise _lease_lost(held)


def _record(
    tx: Connection,
    held: Claim,
    step: int,
    artifacts: Sequence[StoredArtifact],
    metrics: Sequence[MetricPoint],
    now: float,
) -> None:
    """Artifact and metric rows. A step that is done again after a fallback gives the same rows again."""
    if artifacts:
        rows = [
            {
                "sha256": a.sha256, "kind": a.kind, "name": a.name, "path": a.path, "bytes": a.bytes,
                "final": a.final, "job_id": held.job_id, "attempt_id": held.attempt_id, "step": step,
                "created_at": now,
            }
            for a in artifacts
        ]  # fmt: skip
        statement = upsert(artifact)
        changed = {
            name: statement.excluded[name]
            for name in ("sha256", "path", "bytes", "final", "attempt_id", "created_at")
        }
        tx.execute(statement.on_conflict_do_update(["job_id", "name", "step"], set_=changed), rows)
    if metrics:
        points = upsert(metric)
        tx.execute(
            points.on_conflict_do_update(["job_id", "name", "step"], set_={"value": points.excluded.value}),
            [
                {"job_id": held.job_id, "name": m.name, "step": m.step, "value": m.value, "at": now}
                for m in metrics
            ],
        )


def _close_attempt(tx: Connection, held: Claim, ending: Ending, now: float) -> None:
    tx.execute(
        CLOSE_ATTEMPT,
        {
            "b_attempt": held.attempt_id,
            "b_now": now,
            "b_outcome": ending.outcome,
            "b_reason": ending.reason,
            "b_step": ending.step,
            "b_environment": dict(ending.environment) if ending.environment is not None else None,
            **{f"b_{name}": value for name, value in _seconds_columns(ending.seconds).items()},
        },
    )


def _seconds_columns(seconds: Seconds) -> dict[str, float]:
    return {f"{name}_seconds": value for name, value in vars(seconds).items()}


def _release_dependents(tx: Connection, job_id: int) -> int:
    if tx.execute(COUNT_DOWN, {"b_id": job_id}).rowcount == 0:
        return 0
    return tx.execute(UNBLOCK, {"b_id": job_id}).rowcount
