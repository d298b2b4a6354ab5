"""How long attempts took, for planning the next one against a deadline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from sqlalchemy import ColumnElement, Connection, func, select

from db.engine import Database
from db.rows import names_of, read_rows
from db.statements import attempt, job
from db.states import PREEMPTED, SUCCEEDED, YIELDED
from settings.json_values import JsonObject

#: Attempts looked at, the newest first: of a job or its kind, and of all kinds together.
_RECENT = 8
_RECENT_OF_ALL = 256


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds, as measured by workers. A part that no attempt measured is 0; `whole` is that of attempts that
    succeeded."""

    load: float
    step: float
    save: float
    whole: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """What planning needs to know of a job before it is claimed."""

    kind: str
    spec: JsonObject
    timing: Timing | None


def waiting(db: Database, job_id: int) -> Waiting | None:
    """A job's parameters and the timing of its own attempts, or else of its kind's; None: no such job."""
    with db.read() as tx:
        row = tx.execute(select(job.c.kind, job.c.spec).where(job.c.id == job_id)).first()
        if row is None:
            return None
        own = _attempts(tx, attempt.c.job_id == job_id)
        rows = own or _attempts(tx, job.c.kind == row.kind)
    return Waiting(row.kind, row.spec, timing_of(rows))


@dataclass(frozen=True, slots=True)
class Measured:
    """One attempt: how it ended, the steps from and to which it brought its job, and its seconds."""

    outcome: str
    step_from: int
    step_to: int | None
    useful_seconds: float
    replayed_seconds: float
    load_seconds: float
    save_seconds: float | None
    took_seconds: float | None


def timing_of(rows: Sequence[Measured]) -> Timing | None:
    """Medians over attempts. None without any."""
    if not rows:
        return None
    steps = [
        (row.useful_seconds + row.replayed_seconds) / (row.step_to - row.step_from)
        for row in rows
        if row.step_to is not None and row.step_to > row.step_from
    ]
    saves = [row.save_seconds for row in rows if row.save_seconds is not None]
    whole = [row.took_seconds for row in rows if row.outcome == SUCCEEDED and row.took_seconds is not None]
    return Timing(
        load=median(row.load_seconds for row in rows),
        step=median(steps) if steps else 0.0,
        save=max(saves, default=0.0),
        whole=median(whole) if whole else 0.0,
    )


def seconds_by_kind(db: Database) -> dict[str, float]:
    """Seconds that the newest attempts took, their mean by kind of job; those that did not succeed count,
    too. Kinds that have not been at work of late are left out."""
    newest = select(attempt.c.job_id, attempt.c.took_seconds, attempt.c.outcome).order_by(attempt.c.id.desc())
    recent = newest.limit(_RECENT_OF_ALL).subquery()
    with db.read() as tx:
        rows = tx.execute(
            select(job.c.kind, func.avg(recent.c.took_seconds))
            .join(job, job.c.id == recent.c.job_id)
            .where(recent.c.outcome.is_not(None))
            .group_by(job.c.kind)
        ).all()
    return {kind: seconds for kind, seconds in rows if seconds is not None}


def _attempts(tx: Connection, which: ColumnElement[bool]) -> list[Measured]:
    ended = attempt.c.outcome.in_((SUCCEEDED, YIELDED, PREEMPTED))
    return read_rows(
        tx,
        Measured,
        select(*(attempt.c[name] for name in names_of(Measured)))
        .join(job, job.c.id == attempt.c.job_id)
        .where(which, ended)
        .order_by(attempt.c.id.desc())
        .limit(_RECENT),
    )
