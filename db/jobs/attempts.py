"""The life of one attempt: claim, heartbeats, checkpoints, and how it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, Executable, case, select, update

from db import direct, events, statements
from db.engine import Database
from db.jobs.endings import note_ended
from db.jobs.facts import check, close_attempt, lease_lost, record, seconds_columns, token
from db.statements import (
    HOLDS_LEASE,
    OPEN_ATTEMPT,
    REBLOCK,
    at_least,
    attempt,
    job,
)
from db.states import CANCELLED, FAILED, LOST, OOM, READY, YIELDED
from db.values import Claim, Ending, MetricPoint, Seconds, StoredArtifact, Versions
from errors import IllegalMove
from settings.json_values import JsonObject

#: What people asked of a running job, as its heartbeat learns it.
CANCEL_ASKED, PAUSE_ASKED = "cancelled", "paused"

CANCEL_REQUESTED = select(job.c.cancel_requested).where(*HOLDS_LEASE)


@dataclass(frozen=True, slots=True)
class _Taken:
    """What `db.statements.claim` returns."""

    lease_token: int
    kind: str
    label: str
    spec: JsonObject
    step: int
    reached: int
    target_steps: int
    learned: JsonObject | None
    failures: int
    losses: int


@dataclass(frozen=True, slots=True)
class _Opened:
    id: int


def claim(
    db: Database,
    job_id: int,
    worker_id: int,
    lease_seconds: float,
    now: float,
    versions: Versions = (),
) -> Claim | None:
    """queued -> running, for a job of one device (`db.jobs.gangs` has the others). None when the job is not queued:
    another worker has it, or the bell is stale; when it wants another version of its kind's body than `versions` name;
    or when the worker is set aside, and the job is ready again."""
    with db.write() as tx:
        return claim_in(tx, job_id, worker_id, lease_seconds, now, versions)


def claim_in(
    tx: Connection, job_id: int, worker_id: int, lease_seconds: float, now: float, versions: Versions = ()
) -> Claim | None:
    """As `claim`, in a transaction that does more."""
    held = begin(tx, statements.claim(tuple(versions)), job_id, worker_id, lease_seconds, now)
    if held is None:
        tx.execute(statements.DECLINE, {"b_id": job_id, "b_worker": worker_id})
    return held


def begin(
    tx: Connection,
    statement: Executable,
    job_id: int,
    worker_id: int,
    lease_seconds: float,
    now: float,
    devices: Sequence[str] = (),
) -> Claim | None:
    """queued -> running by the statement. devices: CUDA's names of those that the attempt has, where its workers told
    them."""
    given = {"b_id": job_id, "b_expires": now + lease_seconds, "b_worker": worker_id}
    row = next(iter(direct.rows(tx, _Taken, statement, given)), None)
    if row is None:
        return None
    begun = {
        "job_id": job_id,
        "lease_token": row.lease_token,
        "worker_id": worker_id,
        "started_at": now,
        "step_from": row.step,
    }
    (opened,) = direct.rows(tx, _Opened, OPEN_ATTEMPT, begun)
    return Claim(
        job_id=job_id,
        attempt_id=opened.id,
        lease_token=row.lease_token,
        worker_id=worker_id,
        kind=row.kind,
        label=row.label,
        spec=row.spec,
        step=row.step,
        reached=row.reached,
        target_steps=row.target_steps,
        learned=row.learned or {},
        failures=row.failures,
        losses=row.losses,
        devices=tuple(devices),
    )


def extend_lease(
    db: Database, held: Claim, lease_seconds: float, step: int, seconds: Seconds, now: float
) -> str | None:
    """Heartbeat of a running job: how far it is and what its time went into. Raises LeaseLost.

    Returns what people asked for meanwhile: `cancelled`, `paused`, or None.
    """
    with db.write() as tx:
        row = tx.execute(
            update(job)
            .where(*HOLDS_LEASE)
            .values(lease_expires_at=now + lease_seconds, reached=at_least(job.c.reached, step))
            .returning(job.c.cancel_requested, job.c.held),
            token(held),
        ).first()
        if row is None:
            raise lease_lost(held)
        tx.execute(update(attempt).where(attempt.c.id == held.attempt_id).values(**seconds_columns(seconds)))
    if row.cancel_requested:
        return CANCEL_ASKED
    return PAUSE_ASKED if row.held else None


def publish(
    db: Database,
    held: Claim,
    step: int,
    artifacts: Sequence[StoredArtifact],
    metrics: Sequence[MetricPoint],
    seconds: Seconds,
    now: float,
    environment: JsonObject | None = None,
) -> None:
    """Make a checkpoint a fact while the attempt goes on. Raises LeaseLost.

    environment: on what it was computed; an attempt that is killed later says it too.
    """
    told = {"environment": dict(environment)} if environment is not None else {}
    with db.write(durable=True) as tx:
        check(
            tx,
            held,
            update(job)
            .where(*HOLDS_LEASE)
            .values(step=step, reached=at_least(job.c.reached, step), losses=0, session_losses=0),
        )
        record(tx, held, step, artifacts, metrics, now)
        tx.execute(
            update(attempt)
            .where(attempt.c.id == held.attempt_id)
            .values(step_to=step, **seconds_columns(seconds), **told)
        )


def fall_back(db: Database, held: Claim, step: int, message: str, now: float) -> None:
    """The step goes back to that of an older checkpoint, as a newer one is damaged. Raises LeaseLost."""
    with db.write() as tx:
        check(tx, held, update(job).where(*HOLDS_LEASE).values(step=step))
        tx.execute(update(attempt).where(attempt.c.id == held.attempt_id).values(step_from=step))
        events.record(tx, now, "checkpoint_fallback", message, job_id=held.job_id, attempt_id=held.attempt_id)


def give_back(db: Database, held: Claim, ending: Ending, now: float, *, wait_seconds: float = 0.0) -> None:
    """running -> ready: yielded, preempted, out of memory, or failed with tries left. Raises LeaseLost.

    wait_seconds: whoever rings counts so many first, by a clock of its own.

    The outcome names the ledger it is booked in: failed spends a try; lost counts as a loss, as out of memory does
    unless something was learned from it. A job whose cancellation was asked for meanwhile is cancelled instead.
    """
    with db.write() as tx:
        _give_back(tx, held, ending, now, wait_seconds)


def _give_back(tx: Connection, held: Claim, ending: Ending, now: float, wait_seconds: float) -> None:
    progressed = ending.step > held.step
    broke = ending.outcome in (FAILED, LOST, OOM)
    keeps = progressed or bool(ending.artifacts)
    stays_lost = ending.outcome == LOST or (ending.outcome == OOM and ending.learned is None)
    values: dict[str, object] = {
        "state": case((job.c.cancel_requested, CANCELLED), else_=READY),
        "finished_at": case((job.c.cancel_requested, now), else_=None),
        "cancel_requested": False,
        "step": ending.step,
        "reached": at_least(job.c.reached, ending.step),
        "slices": job.c.slices + 1,
        "turn": case((job.c.fair, job.c.turn + 1), else_=job.c.turn),
        "failures": job.c.failures + int(ending.outcome == FAILED),
        "losses": (0 if keeps else job.c.losses) + int(stays_lost),
        "session_losses": 0 if keeps else job.c.session_losses,
        "wait_seconds": wait_seconds,
        "lease_expires_at": None,
        "preferred_worker_id": held.worker_id if progressed else None,
        "error": ending.reason if broke else None,
    }
    if ending.learned is not None:
        values["learned"] = dict(ending.learned)
    check(tx, held, update(job).where(*HOLDS_LEASE).values(**values))
    tx.execute(REBLOCK, {"b_id": held.job_id})
    record(tx, held, ending.step, ending.artifacts, ending.metrics, now)
    close_attempt(tx, held, ending, now)
    if broke:
        events.record(
            tx, now, "attempt_failed", f"{held.label}: {ending.reason}; will be tried again",
            job_id=held.job_id, attempt_id=held.attempt_id,
        )  # fmt: skip
    note_ended(tx, [held.job_id], now)  # where its cancellation had been asked for


def end(db: Database, held: Claim, ending: Ending, now: float) -> None:
    """running -> failed or cancelled, by `ending.outcome`. Dependents stay blocked. Raises LeaseLost.

    Where the cancellation was revoked (retry, the same submitted again) before the attempt stopped, the job is
    given back.
    """
    if ending.outcome not in (FAILED, CANCELLED):
        raise IllegalMove(f"an attempt that {ending.outcome} does not end its job")
    with db.write() as tx:
        if ending.outcome == CANCELLED and not tx.execute(CANCEL_REQUESTED, token(held)).scalar():
            _give_back(tx, held, replace(ending, outcome=YIELDED), now, 0.0)
            return
        check(
            tx,
            held,
            update(job)
            .where(*HOLDS_LEASE)
            .values(
                state=ending.outcome,
                failures=job.c.failures + int(ending.outcome == FAILED),
                lease_expires_at=None,
                finished_at=now,
                error=ending.reason,
                cancel_requested=False,
            ),
        )
        close_attempt(tx, held, ending, now)
        events.record(
            tx, now, f"job_{ending.outcome}", f"{held.label}: {ending.reason}",
            job_id=held.job_id, attempt_id=held.attempt_id,
        )  # fmt: skip
        note_ended(tx, [held.job_id], now)
