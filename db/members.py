"""Sessions and workers: who is here, until when, and who stopped answering."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import func, insert, select, update

from db import events
from db.engine import Database
from db.jobs import job
from db.redaction import without_passwords
from db.schema import Session, Worker
from db.silence import Silence
from db.states import RUNNING
from db.values import Lease
from settings.clock import boot_name, steady

IDLE, BUSY, STOPPED, GONE = "idle", "busy", "stopped", "lost"


@dataclass(frozen=True)
class Missing:
    """A worker that will not answer again, and the leases it held."""

    worker_id: int
    name: str
    reason: str
    leases: Sequence[Lease]


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
                "boot": boot_name(),
                "steady_at": steady() - age_seconds,
                "limit_seconds": limit_seconds,
                "age_seconds": age_seconds,
            },
        ).scalar_one()
        return session_id


def note_age(db: Database, session_id: int, age_seconds: float) -> None:
    """What a session's own command counted; elsewhere nobody could tell it from a time of day."""
    with db.write() as tx:
        tx.execute(update(Session).where(Session.id == session_id).values(age_seconds=age_seconds))


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


def join(db: Database, name: str, device: str, session_id: int | None, now: float) -> int:
    """Register this process as a worker."""
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
                "boot": boot_name(),
                "steady_at": steady(),
            },
        ).scalar_one()
        return worker_id


def leave(db: Database, worker_id: int, now: float) -> None:
    with db.write() as tx:
        tx.execute(
            update(Worker).where(Worker.id == worker_id).values(state=STOPPED, stopped_at=now, job_id=None)
        )


def beat(
    db: Database, worker_id: int, job_id: int | None, progress: Mapping[str, Any] | None, now: float
) -> None:
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


def living(db: Database) -> list[Any]:
    """Workers that neither left nor are missed by a scheduler (`find_missing`): rows (id, name, host, device, state,
    job_id)."""
    with db.read() as tx:
        return list(
            tx.execute(
                select(
                    Worker.id,
                    Worker.name,
                    Worker.host,
                    Worker.device,
                    Worker.state,
                    Worker.job_id,
                )
                .where(Worker.state.in_((IDLE, BUSY)))
                .order_by(Worker.id)
            ).all()
        )


def find_missing(db: Database, lease_seconds: float, silence: Silence) -> list[Missing]:
    """Workers whose process is gone from this host, or that said nothing for longer than a lease.

    A job whose lease was not extended is reported even when its worker still beats for others.
    silence: the caller's, the same each time.
    """
    here = socket.gethostname()
    with db.read() as tx:
        workers = tx.execute(
            select(Worker.id, Worker.name, Worker.host, Worker.pid, Worker.pid_started_at, Worker.heartbeat_at)
            .where(Worker.state.in_((IDLE, BUSY)))
        ).all()  # fmt: skip
        held = tx.execute(
            select(job.c.id, job.c.lease_token, job.c.worker_id, job.c.lease_expires_at).where(
                job.c.state == RUNNING
            )
        ).all()
    missing = []
    silent = silence.seconds(
        {("worker", worker.id, 0): worker.heartbeat_at for worker in workers}
        | {("lease", row.id, row.lease_token): row.lease_expires_at for row in held}
    )
    expired = {
        Lease(row.id, row.lease_token, row.lease_expires_at)
        for row in held
        if silent["lease", row.id, row.lease_token] > lease_seconds
    }
    for worker in workers:
        mine = [row for row in held if row.worker_id == worker.id]
        seconds = silent["worker", worker.id, 0]
        if worker.host == here and not process_alive(worker.pid, worker.pid_started_at):
            reason = "its process is gone"
            leases = [Lease(row.id, row.lease_token) for row in mine]
        elif seconds > lease_seconds:
            reason = f"silent for {seconds:.0f} s"
            leases = [Lease(row.id, row.lease_token, row.lease_expires_at) for row in mine]
        else:
            continue
        missing.append(Missing(worker.id, worker.name, reason, leases))
        expired.difference_update(leases)
    if expired:
        missing.append(Missing(0, "", "lease ran out", sorted(expired, key=lambda lease: lease.job_id)))
    return missing


def heartbeats_here(db: Database) -> dict[tuple[int, float], float]:
    """(process number, `process_start`) -> last sign of life of this host's workers that have not left."""
    mine = Worker.host == socket.gethostname(), Worker.boot == boot_name()
    with db.read() as tx:
        rows = tx.execute(
            select(Worker.pid, Worker.pid_started_at, func.max(Worker.steady_at).label("steady_at"))
            .where(*mine, Worker.state.in_((IDLE, BUSY, GONE)))
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


def process_alive(pid: int, started_at: float) -> bool:
    """Whether that very process runs on this host (its number may since belong to another)."""
    try:
        return process_start(pid) == started_at and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def process_start(pid: int) -> float:
    """A number that tells a process from others that had its number, whatever is done to the clock.

    On Linux the seconds from the machine's start to the process's (field 22 of proc(5)'s /proc/PID/stat): the
    time of day at which it started changes whenever the clock is set. Raises psutil.NoSuchProcess.
    """
    if not sys.platform.startswith("linux"):
        return psutil.Process(pid).create_time()
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        raise psutil.NoSuchProcess(pid) from None
    after_name = fields.rpartition(")")[2].split()  # from field 3 on: a name may hold blanks
    return int(after_name[22 - 3]) / os.sysconf("SC_CLK_TCK")


def close_dead_sessions(db: Database, now: float) -> int:
    """End the sessions of this host whose process is gone. Returns how many."""
    here = socket.gethostname()
    closed = 0
    with db.read() as tx:
        rows = tx.execute(
            select(Session.id, Session.pid, Session.pid_started_at, Session.boot).where(
                Session.host == here, Session.ended_at.is_(None)
            )
        ).all()
    for row in rows:
        # Sessions of before these columns ran no longer when the state was brought up to date.
        if row.boot != boot_name() or not process_alive(row.pid, row.pid_started_at):
            close_session(db, row.id, "killed", now)
            closed += 1
    return closed
