"""Sessions and workers: who is here, until when, and who stopped answering."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
from sqlalchemy import func, insert, select, update

from db import events
from db.engine import Database
from db.jobs import job
from db.schema import Session, Worker
from db.states import RUNNING
from db.values import Lease

IDLE, BUSY, STOPPED, GONE = "idle", "busy", "stopped", "lost"

#: Two readings of one process's start differ by clock ticks at most.
_START_TOLERANCE_SECONDS = 1.0


@dataclass(frozen=True)
class Missing:
    """A worker that will not answer again, and the leases it held."""

    worker_id: int
    name: str
    reason: str
    leases: Sequence[Lease]


def open_session(db: Database, command: str, deadline: float | None, now: float) -> int:
    with db.write() as tx:
        session_id: int = tx.execute(
            insert(Session).returning(Session.id),
            {
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "command": command,
                "started_at": now,
                "deadline": deadline,
            },
        ).scalar_one()
        return session_id


def close_session(db: Database, session_id: int, reason: str, now: float) -> None:
    with db.write() as tx:
        tx.execute(update(Session).where(Session.id == session_id).values(ended_at=now, reason=reason))


def session_deadline(db: Database, session_id: int | None) -> float | None:
    """Unix time at which the session's machine goes away, or None."""
    if session_id is None:
        return None
    with db.read() as tx:
        return tx.execute(select(Session.deadline).where(Session.id == session_id)).scalar_one_or_none()


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
                "pid_started_at": psutil.Process().create_time(),
                "device": device,
                "state": IDLE,
                "started_at": now,
                "heartbeat_at": now,
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
                state=IDLE if job_id is None else BUSY,
                job_id=job_id,
                progress=dict(progress) if progress else None,
            )
        )


def living(db: Database, since: float) -> list[Any]:
    """Workers heard from since that time: rows (id, name, device, state, job_id, heartbeat_at)."""
    with db.read() as tx:
        return list(
            tx.execute(
                select(
                    Worker.id, Worker.name, Worker.device, Worker.state, Worker.job_id, Worker.heartbeat_at
                )
                .where(Worker.state.in_((IDLE, BUSY)), Worker.heartbeat_at >= since)
                .order_by(Worker.id)
            ).all()
        )


def find_missing(db: Database, lease_seconds: float, now: float) -> list[Missing]:
    """Workers whose process is gone from this host, or whose heartbeat is older than a lease.

    A job whose lease ran out is reported with its worker even when that worker still beats for others.
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
    expired = {Lease(row.id, row.lease_token) for row in held if row.lease_expires_at < now}
    for worker in workers:
        leases = [Lease(row.id, row.lease_token) for row in held if row.worker_id == worker.id]
        if worker.host == here and not process_alive(worker.pid, worker.pid_started_at):
            reason = "its process is gone"
        elif worker.heartbeat_at < now - lease_seconds:
            reason = f"silent for {now - worker.heartbeat_at:.0f} s"
        else:
            continue
        missing.append(Missing(worker.id, worker.name, reason, leases))
        expired.difference_update(leases)
    if expired:
        leases = sorted(expired, key=lambda lease: lease.job_id)
        missing.append(Missing(0, "", "lease ran out", leases))
    return missing


def heartbeats_here(db: Database) -> dict[int, float]:
    """Process number -> last sign of life of this host's workers that have not left."""
    with db.read() as tx:
        return dict(
            tx.execute(
                select(Worker.pid, func.max(Worker.heartbeat_at))
                .where(Worker.host == socket.gethostname(), Worker.state.in_((IDLE, BUSY, GONE)))
                .group_by(Worker.pid)
            ).all()
        )


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
        process = psutil.Process(pid)
        same = abs(process.create_time() - started_at) < _START_TOLERANCE_SECONDS
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def close_dead_sessions(db: Database, now: float) -> int:
    """End the sessions of this host whose process is gone. Returns how many."""
    here = socket.gethostname()
    closed = 0
    with db.read() as tx:
        rows = tx.execute(
            select(Session.id, Session.pid, Session.started_at).where(
                Session.host == here, Session.ended_at.is_(None)
            )
        ).all()
    for row in rows:
        if not _alive_since(row.pid, row.started_at):
            close_session(db, row.id, "killed", now)
            closed += 1
    return closed


def _alive_since(pid: int, moment: float) -> bool:
    """Whether a process of this number runs and began before `moment`."""
    try:
        return psutil.Process(pid).create_time() <= moment
    except psutil.NoSuchProcess:
        return False
