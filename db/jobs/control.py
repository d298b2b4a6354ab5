"""What people ask for: pause, unpause, cancel and retry an ablation, one of its runs, or a job.

Intents are rows of ablation, run and job; `job.held` is derived from them here and nowhere else, so that
ringing reads one index. Running jobs learn of it with their next heartbeat and stop at a step's end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy import ColumnElement, Connection, Select, func, select, update

from db import events
from db.engine import Database
from db.jobs.endings import note_ended
from db.statements import (
    COUNT_WAITING,
    UNBLOCK_COUNTED,
    UNCOUNTED,
    ablation,
    ablation_job,
    dependency,
    job,
    run,
    wanted,
)
from db.states import ACTIVE, BLOCKED, CANCELLED, FAILED, FINAL, PAUSED, QUEUED, READY, RUNNING, SUCCEEDED
from errors import IllegalMove

#: Ids, or what selects them.
JobIds: TypeAlias = Sequence[int] | Select[tuple[int]]


@dataclass(frozen=True)
class Target:
    """kind: ablation, run or job. name: for messages."""

    kind: str
    id: int
    name: str


@dataclass(frozen=True)
class Changed:
    """How many jobs changed at once, and how many are running still and will stop at their next step. already: whether
    the target was so before, so that nothing was written. before: what was wanted of a target that is retried."""

    jobs: int
    running: int
    already: bool = False
    before: str = ACTIVE


def pause(db: Database, target: Target, now: float) -> Changed:
    """Nothing of the target is rung any more; what runs yields with a checkpoint. Raises IllegalMove."""
    return _set_intent(db, target, PAUSED, now)


def unpause(db: Database, target: Target, now: float) -> Changed:
    """Undo `pause`. Raises IllegalMove for something that was cancelled."""
    return _set_intent(db, target, ACTIVE, now)


def cancel(db: Database, target: Target, now: float) -> Changed:
    """blocked, ready, queued -> cancelled, and soon running ones too. Jobs that others want go on."""
    with db.write() as tx:
        before = _intent(tx, target)
        _write_intent(tx, target, CANCELLED)
        mine: list[ColumnElement[bool]] = [job.c.id.in_(_jobs(target))]
        if target.kind != "job":
            mine.append(~wanted(ACTIVE, PAUSED))
        stopped = tx.execute(
            update(job)
            .where(*mine, job.c.state.in_((BLOCKED, READY, QUEUED)))
            .values(state=CANCELLED, finished_at=now, queued_at=None, error="cancelled")
            .returning(job.c.id)
        ).scalars()
        ended = list(stopped)
        told = tx.execute(
            update(job)
            .where(*mine, job.c.state == RUNNING, job.c.cancel_requested.is_(False))
            .values(cancel_requested=True)
        ).rowcount
        running = tx.execute(
            select(func.count()).select_from(job).where(*mine, job.c.state == RUNNING)
        ).scalar_one()
        hold(tx, _jobs(target))
        is_intent_new = target.kind != "job" and before != CANCELLED  # a job's cancellation is its state
        already = not (ended or told or is_intent_new)
        if not already:
            _note(tx, target, "cancelled", now)
        note_ended(tx, ended, now)
    return Changed(len(ended), running, already)


def retry(db: Database, target: Target, now: float, devices: int | None = None) -> Changed:
    """failed, cancelled -> ready or blocked, with all tries anew; also what the target needs, transitively. Whatever of
    the target was cancelled with more than it, or is cancelled within it, is asked for again (`_ask_again`).

    devices: that the target, a job, goes on over. Raises IllegalMove where it has not failed and was not cancelled.
    """
    with db.write() as tx:
        if devices is not None:
            _give_devices(tx, target, devices, now)
        before = _intent(tx, target)
        _write_intent(tx, target, ACTIVE)
        reached = select(_jobs(target).subquery().c.job_id).cte("reached", recursive=True)
        reached = reached.union(
            select(dependency.c.depends_on_id).join(reached, dependency.c.job_id == reached.c.job_id)
        )
        everything = select(reached.c.job_id)
        asked_again = _ask_again(tx, target)
        called_back = tx.execute(
            update(job).where(job.c.id.in_(everything), job.c.cancel_requested).values(cancel_requested=False)
        ).rowcount
        moved = revive(tx, everything)
        release_counted(tx)
        hold(tx, everything)
        already = before == ACTIVE and not (moved or called_back or asked_again)
        if not already:
            _note(tx, target, "retried", now)
    return Changed(moved, 0, already, before)


def states_of(db: Database, target: Target) -> set[str]:
    """Of the jobs that it stands for."""
    with db.read() as tx:
        return set(tx.execute(select(job.c.state).where(job.c.id.in_(_jobs(target)))).scalars())


def is_cancelling(db: Database, target: Target) -> bool:
    """Whether any of its jobs runs still and was told to end for good."""
    told = select(job.c.id).where(job.c.id.in_(_jobs(target)), job.c.cancel_requested, job.c.state == RUNNING)
    with db.read() as tx:
        return tx.execute(told.limit(1)).first() is not None


def is_held(db: Database, target: Target) -> bool:
    """Whether any of its jobs waits for something to be unpaused."""
    with db.read() as tx:
        held = select(job.c.id).where(job.c.id.in_(_jobs(target)), job.c.held, job.c.state.not_in(FINAL))
        return tx.execute(held.limit(1)).first() is not None


def _give_devices(tx: Connection, target: Target, devices: int, now: float) -> None:
    asked = select(job.c.state, job.c.learned, job.c.cancel_requested).where(job.c.id == target.id)
    state, learned, cancelling = tx.execute(asked).one()
    if state == SUCCEEDED:
        raise IllegalMove(f"{target.name} has succeeded: nothing of it is left to go on over other devices")
    if cancelling:
        raise IllegalMove(
            f"{target.name} is being cancelled: once it has ended, it goes on over other devices"
        )
    if state not in (FAILED, CANCELLED):
        raise IllegalMove(f"{target.name} is {state}: cancel it first, then it goes on over other devices")
    values = {**(learned or {}), "devices": devices}
    tx.execute(update(job).where(job.c.id == target.id).values(learned=values, devices=devices, nodes=1))
    message = f"{target.name} goes on over {devices} device{'s' * (devices != 1)}"
    events.record(tx, now, "job_devices", message, job_id=target.id, data={"devices": devices})


def _ask_again(tx: Connection, target: Target) -> bool:
    """Undo cancellations that would keep what is retried from being rung: of an ablation its runs', of a run its
    ablation's; of a job those of all that it is of, if nobody else wants it. Other jobs stay cancelled, as
    that is their state. Whether there were any."""
    link = ablation_job.c
    if target.kind == "ablation":
        runs, ablations = select(run.c.id).where(run.c.ablation_id == target.id), None
    elif target.kind == "run":
        runs, ablations = None, select(run.c.ablation_id).where(run.c.id == target.id)
    else:
        unwanted = select(job.c.id).where(
            job.c.id == target.id, job.c.state != SUCCEEDED, ~wanted(ACTIVE, PAUSED)
        )
        runs = select(link.run_id).where(link.job_id.in_(unwanted))
        ablations = select(link.ablation_id).where(link.job_id.in_(unwanted))
    undone = False
    # The jobs first: what is undone for one table decides which are unwanted for the other.
    chosen = [
        (table, column, list(tx.execute(ids).scalars()))
        for table, column, ids in ((run, link.run_id, runs), (ablation, link.ablation_id, ablations))
        if ids is not None
    ]
    for table, column, ids in chosen:
        cancelled = table.c.id.in_(ids), table.c.intent == CANCELLED
        if tx.execute(update(table).where(*cancelled).values(intent=ACTIVE)).rowcount:
            undone = True
            hold(tx, select(link.job_id).where(column.in_(ids)))
    return undone


def paused_by(db: Database, target: Target) -> Target | None:
    """What is paused and so holds a job of the target; the widest of several. None where nothing does."""
    mine = _jobs(target)
    links = ablation_job.c.job_id.in_(mine)
    asked = {
        "ablation": (ablation, select(ablation_job.c.ablation_id).where(links)),
        "run": (run, select(ablation_job.c.run_id).where(links)),
        "job": (job, mine),
    }
    with db.read() as tx:
        for kind, (table, ids) in asked.items():
            found = select(table.c.id).where(table.c.id.in_(ids), table.c.intent == PAUSED)
            if (first := tx.execute(found.order_by(table.c.id).limit(1)).scalar()) is not None:
                return Target(kind, first, f"{kind} {first}")
    return None


def revive(tx: Connection, job_ids: JobIds) -> int:
    """failed, cancelled -> blocked and uncounted, with all tries anew. Returns how many."""
    return tx.execute(
        update(job)
        .where(job.c.id.in_(job_ids), job.c.state.in_((FAILED, CANCELLED)))
        .values(
            state=BLOCKED, waiting_on=UNCOUNTED, failures=0, losses=0, session_losses=0, error=None,
            finished_at=None, wait_seconds=0.0, cancel_requested=False,
        )
    ).rowcount  # fmt: skip


def release_counted(tx: Connection) -> None:
    """Count what uncounted jobs wait for; blocked -> ready where nothing is missing."""
    tx.execute(COUNT_WAITING)
    tx.execute(UNBLOCK_COUNTED)


def hold(tx: Connection, job_ids: JobIds) -> None:
    """Derive `held` of these jobs afresh; those whose bell was rung are ready again when held."""
    tx.execute(
        update(job).where(job.c.id.in_(job_ids)).values(held=(job.c.intent != ACTIVE) | ~wanted(ACTIVE))
    )
    tx.execute(
        update(job)
        .where(job.c.id.in_(job_ids), job.c.held, job.c.state == QUEUED)
        .values(state=READY, queued_at=None)
    )


def _set_intent(db: Database, target: Target, intent: str, now: float) -> Changed:
    with db.write() as tx:
        before = _intent(tx, target)
        if before == CANCELLED:
            raise IllegalMove(f"{target.name} was cancelled; retry brings it back")
        if before == intent:
            return Changed(0, 0, already=True)
        mine = _jobs(target)
        held = job.c.held.is_(intent == PAUSED)
        others = set(tx.execute(select(job.c.id).where(job.c.id.in_(mine), ~held)).scalars())
        _write_intent(tx, target, intent)
        hold(tx, mine)
        changed = select(job.c.id, job.c.state).where(
            job.c.id.in_(mine), held, job.c.state.in_((BLOCKED, READY, RUNNING))
        )
        states = [state for job_id, state in tx.execute(changed) if job_id in others]
        _note(tx, target, "paused" if intent == PAUSED else "unpaused", now)
    running = states.count(RUNNING)
    return Changed(len(states) - running, running)


def _jobs(target: Target) -> Select[tuple[int]]:
    """Jobs a target stands for: a run's own jobs are those linked to it, not what all runs share."""
    if target.kind == "job":
        return select(job.c.id.label("job_id")).where(job.c.id == target.id)
    column = ablation_job.c.ablation_id if target.kind == "ablation" else ablation_job.c.run_id
    return select(ablation_job.c.job_id).where(column == target.id)


def _intent(tx: Connection, target: Target) -> str:
    if target.kind == "job":
        state, intent = tx.execute(select(job.c.state, job.c.intent).where(job.c.id == target.id)).one()
        return CANCELLED if state == CANCELLED else str(intent)
    table = ablation if target.kind == "ablation" else run
    return str(tx.execute(select(table.c.intent).where(table.c.id == target.id)).scalar_one())


def _write_intent(tx: Connection, target: Target, intent: str) -> None:
    if target.kind == "job":
        if intent != CANCELLED:  # a job's cancellation is its state
            tx.execute(update(job).where(job.c.id == target.id).values(intent=intent))
        return
    table = ablation if target.kind == "ablation" else run
    tx.execute(update(table).where(table.c.id == target.id).values(intent=intent))


def _note(tx: Connection, target: Target, what: str, now: float) -> None:
    events.record(
        tx, now, f"{target.kind}_{what}", f"{target.name} was {what}",
        ablation_id=target.id if target.kind == "ablation" else None,
        job_id=target.id if target.kind == "job" else None,
    )  # fmt: skip
