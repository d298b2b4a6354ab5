"""Sessions and workers: who is here, and until when. Who stopped answering: `db.missing`."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, insert, select, update

from db import events
from db.engine import Database
from db.redaction import without_passwords
from db.rows import read_rows
from db.schema import Session, Worker
from db.statements import HOLDS, job, seats
from db.states import QUEUED, READY
from db.values import Progress
from settings.clock import boot_name, steady
from settings.processes import process_space, process_start

IDLE, BUSY, STOPPED, GONE = "idle", "busy", "stopped", "lost"


@dataclass(frozen=True, slots=True)
class LivingWorker:
    """A worker that neither left nor is missed by a scheduler. `process_space`: as of `db.schema.Worker`."""

    id: int
    name: str
    process_space: str | None
    device: str
    state: str
    address: str | None = None


def open_session(
    db: Database, command: str, limit_seconds: float | None, now: float, began: float | None = None
) -> int:
    """A stay that lasts at most `limit_seconds`, from `began` (`settings.clock.steady`) or else this moment on.

    now: the time of day; people are told the same end by it.
    """
    age_seconds = 0.0 if began is None else steady() - began
    with db.write() as tx:
        session_id: int = tx.execute(
            insert(Session).returning(Session.id),
            {
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "command": without_passwords(command),
                "started_at": now,
                "deadline": None if limit_seconds is None else now + limit_seconds - age_seconds,
                "pid_started_at": process_start(os.getpid()),
                "process_space": process_space(),
                "boot": boot_name(),
                "steady_at": steady() - age_seconds,
                "limit_seconds": limit_seconds,
                "age_seconds": age_seconds,
            },
        ).scalar_one()
        return session_id


def note_age(db: Database, session_id: int, age_seconds: float) -> None:
    """What a session's own command counted; elsewhere nobody could tell it from a time of day.

    A session that was taken for gone meanwhile is there again.
    """
    with db.write() as tx:
        tx.execute(
            update(Session)
            .where(Session.id == session_id)
            .values(age_seconds=age_seconds, ended_at=None, reason=None)
        )


def close_session(
    db: Database, session_id: int, reason: str, now: float, age_seconds: float | None = None
) -> None:
    """age_seconds: where its own command closes it; of one that was killed, what it said last stands."""
    age = {} if age_seconds is None else {"age_seconds": age_seconds}
    with db.write() as tx:
        tx.execute(update(Session).where(Session.id == session_id).values(ended_at=now, reason=reason, **age))


def session_end(db: Database, session_id: int | None) -> float | None:
    """The reading of this machine's `settings.clock.steady` at which the session's machine goes away, or None.

    A process elsewhere counts from now on what the session had left when it last said so.
    """
    if session_id is None:
        return None
    with db.read() as tx:
        row = tx.execute(
            select(Session.boot, Session.steady_at, Session.limit_seconds, Session.age_seconds).where(
                Session.id == session_id
            )
        ).first()
    if row is None or row.limit_seconds is None:
        return None
    if row.boot == boot_name():
        return float(row.steady_at + row.limit_seconds)
    return steady() + float(row.limit_seconds - row.age_seconds)


def join(
    db: Database, name: str, device: str, session_id: int | None, now: float, address: str | None = None
) -> int:
    """Register this process as a worker. In a session it takes the place of an earlier one of its name. address: where
    it may compute with other machines."""
    with db.write() as tx:
        worker_id: int = tx.execute(
            insert(Worker).returning(Worker.id),
            {
                "session_id": session_id,
                "name": name,
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "pid_started_at": process_start(os.getpid()),
                "device": device,
                "state": IDLE,
                "started_at": now,
                "heartbeat_at": now,
                "process_space": process_space(),
                "boot": boot_name(),
                "steady_at": steady(),
                "address": address,
            },
        ).scalar_one()
        if session_id is not None:
            _take_seat(tx, worker_id, session_id, name)
        return worker_id


def _take_seat(tx: Connection, worker_id: int, session_id: int, name: str) -> None:
    """What is set aside is the device, whichever process has it. Where one that had died was rung for before it was
    missed, it is set aside twice: what runs counts, and the other job is rung for again."""
    before = select(Worker.id).where(Worker.session_id == session_id, Worker.name == name)
    mine = seats.c.worker_id.in_(before)
    held = select(seats.c.worker_id, seats.c.job_id).join(job, job.c.id == seats.c.job_id).where(HOLDS, mine)
    found = tx.execute(held.order_by(job.c.state == QUEUED, seats.c.worker_id.desc())).all()
    for other in found[1:]:
        again = {"state": READY, "queued_at": None}
        tx.execute(update(job).where(job.c.id == other.job_id, job.c.state == QUEUED).values(**again))
    kept = found[0].worker_id if found else None
    tx.execute(delete(seats).where(mine, seats.c.worker_id.is_distinct_from(kept)))
    tx.execute(update(seats).where(seats.c.worker_id == kept).values(worker_id=worker_id))
    # It has not come itself, which counts where each machine starts ranks of its own.
    gathers = select(job.c.id).where(job.c.nodes > 1, job.c.state == QUEUED)
    anew = seats.c.worker_id == worker_id, seats.c.job_id.in_(gathers)
    tx.execute(update(seats).where(*anew).values(visible=None))


def leave(db: Database, worker_id: int, now: float) -> None:
    with db.write() as tx:
        tx.execute(
            update(Worker).where(Worker.id == worker_id).values(state=STOPPED, stopped_at=now, job_id=None)
        )


def beat(db: Database, worker_id: int, job_id: int | None, progress: Progress | None, now: float) -> None:
    """A sign of life, with what the worker is doing."""
    with db.write() as tx:
        tx.execute(
            update(Worker)
            .where(Worker.id == worker_id)
            .values(
                heartbeat_at=now,
                steady_at=steady(),
                state=IDLE if job_id is None else BUSY,
                job_id=job_id,
                progress=dict(progress) if progress else None,
            )
        )


def living(db: Database) -> list[LivingWorker]:
    """By id."""
    columns = (
        Worker.id, Worker.name, Worker.process_space, Worker.device, Worker.state, Worker.address,
    )  # fmt: skip
    with db.read() as tx:
        return read_rows(
            tx, LivingWorker, select(*columns).where(Worker.state.in_((IDLE, BUSY))).order_by(Worker.id)
        )


def heartbeats_of(db: Database, session_id: int) -> dict[tuple[int, float], float]:
    """(process number, `process_start`) -> last sign of life of the session's workers that have not left."""
    with db.read() as tx:
        rows = tx.execute(
            select(Worker.pid, Worker.pid_started_at, func.max(Worker.steady_at).label("steady_at"))
            .where(Worker.session_id == session_id, Worker.state.in_((IDLE, BUSY, GONE)))
            .group_by(Worker.pid, Worker.pid_started_at)
        ).all()
    return {(row.pid, row.pid_started_at): row.steady_at for row in rows}


def mark_gone(db: Database, worker_id: int, reason: str, now: float) -> None:
    with db.write() as tx:
        moved = tx.execute(
            update(Worker)
            .where(Worker.id == worker_id, Worker.state.in_((IDLE, BUSY)))
            .values(state=GONE, stopped_at=now, job_id=None)
        ).rowcount
        if moved:
            events.record(tx, now, "worker_lost", f"worker {worker_id}: {reason}", worker_id=worker_id)
