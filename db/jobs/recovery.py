"""What died or was damaged: jobs go back to be done (again)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, case, delete, func, select, update

from db import events
from db.engine import Database
from db.jobs.endings import note_ended
from db.jobs.facts import check, close_attempt
from db.rows import names_of, read_rows
from db.statements import (
    COUNT_WAITING,
    DEPENDENTS,
    HOLDS_LEASE,
    REBLOCK,
    SECONDS_COLUMNS,
    UNBLOCK_COUNTED,
    UNCOUNTED,
    artifact,
    attempt,
    job,
)
from db.states import BLOCKED, CANCELLED, FAILED, LOST, PREEMPTED, QUEUED, READY, RUNNING, SUCCEEDED
from db.values import Claim, Ending, Lease, Lost, Versions


@dataclass(frozen=True, slots=True)
class _Held:
    """A job that runs."""

    id: int
    lease_token: int
    step: int
    cancel_requested: bool
    label: str
    losses: int
    session_losses: int


_HELD = select(*(job.c[name] for name in names_of(_Held))).where(job.c.state == RUNNING)


def take_back(
    db: Database,
    leases: Sequence[Lease],
    reason: str,
    max_losses: int,
    now: float,
    *,
    max_session_losses: int | None = None,
) -> list[Lost]:
    """running -> ready for jobs whose worker is gone; failed (poison) after `max_losses` without progress.

    max_session_losses: given where the worker's whole session went with it. That is no loss of the job's own: after
    so many in a row without progress it is held (failed, until somebody retries it), as it may kill its machine.

    Jobs that moved on in the meantime, even to running under another lease, are left alone; so are those whose
    lease was extended since somebody saw `Lease.expires_at`.
    """
    if max_session_losses is not None:
        reason += ", with its whole session"
    taken = []
    with db.write() as tx:
        for lease in leases:
            statement = _HELD.where(job.c.id == lease.job_id, job.c.lease_token == lease.token)
            if lease.expires_at is not None:
                statement = statement.where(job.c.lease_expires_at == lease.expires_at)
            row = next(iter(read_rows(tx, _Held, statement)), None)
            if row is None:
                continue
            own = max_session_losses is None
            losses, session_losses = row.losses + own, row.session_losses + (not own)
            if row.cancel_requested:
                state, error = CANCELLED, "cancelled while its worker was gone"
            elif max_session_losses is not None and session_losses >= max_session_losses:
                state = FAILED
                error = (
                    f"held: its worker's whole session was lost {session_losses} times in a row while it ran, "
                    "without progress; it may take its machine down, and `retry` tries it again"
                )
            elif own and losses >= max_losses:
                state = FAILED
                error = f"poison: took its worker with it {losses} times without progress ({reason})"
            else:
                state, error = READY, None
            _take(
                tx, row, state, LOST, reason, now, losses=losses, session_losses=session_losses, error=error
            )
            events.record(tx, now, "job_lost", f"{row.label}: {error or reason}", job_id=lease.job_id)
            note_ended(tx, [lease.job_id], now)
            taken.append(Lost(row.label, state))
    return taken


def put_back(db: Database, worker_ids: Sequence[int], reason: str, now: float) -> int:
    """running -> ready (or cancelled, where that was asked for) for what workers held that were ended on purpose, as
    their machine goes away. Returns how many jobs.

    Neither a failure nor a loss: nothing is counted, and each goes on from its last checkpoint. Call it once their
    processes are gone, or in theirs before it ends: whatever else the attempts want to become fact is too late.
    """
    with db.write() as tx:
        rows = read_rows(tx, _Held, _HELD.where(job.c.worker_id.in_(worker_ids)))
        for row in rows:
            if row.cancel_requested:
                _take(tx, row, CANCELLED, CANCELLED, "cancelled", now)
            else:
                _take(tx, row, READY, PREEMPTED, reason, now)
        note_ended(tx, [row.id for row in rows], now)
    return len(rows)


def _take(
    tx: Connection, held: _Held, state: str, outcome: str, reason: str, now: float, **counted: object
) -> None:
    """running -> `state` for a job that its worker will not end; the attempt ends with `outcome`.

    counted: further columns of the job.
    """
    tx.execute(
        update(job)
        .where(job.c.id == held.id)
        .values(
            state=state,
            finished_at=now if state != READY else None,
            cancel_requested=False,
            lease_expires_at=None,
            # A zombie's token must be stale even before the job is claimed again.
            lease_token=job.c.lease_token + 1,
            **counted,
        )
    )
    tx.execute(REBLOCK, {"b_id": held.id})
    tx.execute(
        update(attempt)
        .where(attempt.c.job_id == held.id, attempt.c.lease_token == held.lease_token)
        .values(ended_at=now, outcome=outcome, reason=reason, step_to=held.step, **unbooked())
    )


def redo_inputs(
    db: Database,
    held: Claim,
    ending: Ending,
    damaged: Sequence[str],
    missing: Sequence[str],
    max_failures: int,
    now: float,
    versions: Versions = (),
) -> list[str]:
    """running -> blocked (or cancelled, where that was asked for) for a job whose inputs are not sound;
    succeeded -> ready for the jobs that made them.

    damaged, missing: paths of artifacts as their rows state them. Their rows go, so that nothing reads them
    again. A producer whose output keeps getting damaged fails after `max_failures`; what is missing was
    removed or left behind by a bundle, and costs nothing. A producer that wants another version of its body than
    `versions` name fails, as this build would make something else.

    Returns the labels of what will be done again. Raises LeaseLost.
    """
    unsound = [*damaged, *missing]
    redone = []
    with db.write() as tx:
        check(
            tx,
            held,
            update(job)
            .where(*HOLDS_LEASE)
            .values(
                state=case((job.c.cancel_requested, CANCELLED), else_=BLOCKED),
                finished_at=case((job.c.cancel_requested, now), else_=None),
                cancel_requested=False,
                waiting_on=UNCOUNTED,
                lease_expires_at=None,
                preferred_worker_id=None,
            ),
        )
        close_attempt(tx, held, ending, now)
        producers = tx.execute(
            select(job.c.id, job.c.label, job.c.failures, job.c.kind, job.c.version)
            .where(
                job.c.id.in_(select(artifact.c.job_id).where(artifact.c.path.in_(unsound))),
                job.c.state == SUCCEEDED,
            )
            .order_by(job.c.id)
        ).all()
        guilty = set(tx.execute(select(artifact.c.job_id).where(artifact.c.path.in_(damaged))).scalars())
        tx.execute(delete(artifact).where(artifact.c.path.in_(unsound)))
        for row in producers:
            failures = row.failures + (row.id in guilty)
            reason = _cannot_be_redone(row.kind, row.version, failures, max_failures, versions)
            tx.execute(
                update(job)
                .where(job.c.id == row.id, job.c.state == SUCCEEDED)
                .values(
                    state=FAILED if reason else READY,
                    step=_newest_step(),
                    failures=failures,
                    error=reason,
                    finished_at=now if reason else None,
                )
            )
            # Whoever has not read it yet waits for it again; who is running has, or will come here too.
            tx.execute(
                update(job)
                .where(job.c.id.in_(DEPENDENTS), job.c.state.in_((BLOCKED, READY, QUEUED)))
                .values(state=BLOCKED, waiting_on=UNCOUNTED, queued_at=None),
                {"b_id": row.id},
            )
            redone.append(row.label)
        tx.execute(COUNT_WAITING)
        tx.execute(UNBLOCK_COUNTED)
        again = f"made again by {', '.join(redone)}" if redone else "already being made again"
        events.record(
            tx, now, "artifact_damaged", f"{held.label}: {ending.reason}; {again}",
            job_id=held.job_id, attempt_id=held.attempt_id,
        )  # fmt: skip
        note_ended(tx, [held.job_id, *(row.id for row in producers)], now)
    return redone


def _cannot_be_redone(
    kind: str, version: int | None, failures: int, max_failures: int, versions: Versions
) -> str | None:
    if version is not None and (kind, version) not in versions:
        return (
            f"what it made is damaged or gone, and it was made by {kind} {version}, which this build does not "
            "have; `upgrade` does it again with this one"
        )
    return f"what it made was damaged {failures} times" if failures >= max_failures else None


def unbooked() -> dict[str, ColumnElement[float]]:
    """Where the rest of what a lost attempt said last that it took went: into work that counts for nothing, where
    it booked none at all; else it was idle. When it died and when that was found out is in no clock it had."""
    booked = sum((attempt.c[name] for name in SECONDS_COLUMNS[1:]), attempt.c[SECONDS_COLUMNS[0]])
    rest = case((attempt.c.took_seconds > booked, attempt.c.took_seconds - booked), else_=0.0)
    return {
        "replayed_seconds": attempt.c.replayed_seconds + case((booked == 0, rest), else_=0.0),
        "idle_seconds": attempt.c.idle_seconds + case((booked == 0, 0.0), else_=rest),
    }


def _newest_step() -> ColumnElement[int]:
    """The step of the newest artifact that a job still has."""
    newest = select(func.max(artifact.c.step)).where(artifact.c.job_id == job.c.id).correlate(job)
    return func.coalesce(newest.scalar_subquery(), 0)
