"""Who stopped answering: workers, with what they held, and sessions.

A process that this one can look up (`settings.processes`) is gone when it does not run. Of every other, whatever its
machine is called, nothing is known but what it says: it is gone when it says nothing new for a lease.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select, update

from db import events
from db.engine import Database
from db.jobs import job
from db.members import BUSY, IDLE
from db.rows import names_of, read_rows
from db.schema import Session, Worker
from db.silence import Silence
from db.states import RUNNING
from db.values import Lease
from settings.clock import boot_name
from settings.processes import process_lives

#: Whoever lives on was heard within this part of a lease; who went with its worker was not.
_HEARD_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Missing:
    """A worker that will not answer again, and the leases it held.

    worker_id: 0 of leases whose worker still answers, or was missed before. with_session: its whole session went, or
    its machine where it has no session: that says nothing about the jobs.
    """

    worker_id: int
    name: str
    reason: str
    leases: Sequence[Lease]
    with_session: bool


@dataclass(frozen=True, slots=True)
class _Held:
    """A job that runs, and who holds it since when."""

    id: int
    lease_token: int
    worker_id: int
    lease_expires_at: float | None


@dataclass(frozen=True, slots=True)
class _Worker:
    id: int
    name: str
    state: str
    process_space: str | None
    pid: int
    pid_started_at: float
    heartbeat_at: float
    boot: str | None
    session_id: int | None


@dataclass(frozen=True, slots=True)
class _Session:
    id: int
    host: str
    process_space: str | None
    pid: int
    pid_started_at: float | None
    boot: str | None
    age_seconds: float | None
    ended_at: float | None


_HELD = select(*(job.c[name] for name in names_of(_Held))).where(job.c.state == RUNNING)
_WORKERS = select(*(getattr(Worker, name) for name in names_of(_Worker)))
_SESSIONS = select(*(getattr(Session, name) for name in names_of(_Session)))


def find_missing(db: Database, lease_seconds: float, silence: Silence) -> list[Missing]:
    """Workers that are gone, and jobs whose lease was not extended although their worker still beats for others.

    silence: the caller's, the same each time.
    """
    with db.read() as tx:
        held = read_rows(tx, _Held, _HELD)
        holders = [row.worker_id for row in held]
        workers = read_rows(
            tx, _Worker, _WORKERS.where(Worker.state.in_((IDLE, BUSY)) | Worker.id.in_(holders))
        )
        sessions = read_rows(
            tx,
            _Session,
            _SESSIONS.where(Session.id.in_([w.session_id for w in workers if w.session_id is not None])),
        )
    silent = silence.seconds(
        {("worker", worker.id, 0): worker.heartbeat_at for worker in workers}
        | {("lease", row.id, row.lease_token): row.lease_expires_at for row in held}
        | {("session", session.id, 0): session.age_seconds for session in sessions}
    )
    expired = {
        Lease(row.id, row.lease_token, row.lease_expires_at): row.worker_id
        for row in held
        if silent["lease", row.id, row.lease_token] > lease_seconds
    }
    went = _Went(workers, sessions, silent, lease_seconds * _HEARD_SHARE)
    missing = []
    for worker in workers:
        if worker.state not in (IDLE, BUSY):
            continue
        mine = [row for row in held if row.worker_id == worker.id]
        seconds = silent["worker", worker.id, 0]
        if process_lives(worker.process_space, worker.pid, worker.pid_started_at) is False:
            reason = "its process is gone"
            leases = [Lease(row.id, row.lease_token) for row in mine]
        elif seconds > lease_seconds:
            reason = f"silent for {seconds:.0f} s"
            leases = [Lease(row.id, row.lease_token, row.lease_expires_at) for row in mine]
        else:
            continue
        with_session = went.with_session(worker.id)
        missing.append(Missing(worker.id, worker.name, reason, leases, with_session))
        for lease in leases:
            expired.pop(lease, None)
    for with_session in (False, True):
        leases = [lease for lease, holder in expired.items() if went.with_session(holder) == with_session]
        if leases:
            leases.sort(key=lambda lease: lease.job_id)
            missing.append(Missing(0, "", "lease ran out", leases, with_session))
    return missing


class _Went:
    """Whether a worker's session went too."""

    def __init__(
        self,
        workers: Sequence[_Worker],
        sessions: Sequence[_Session],
        silent: Mapping[tuple[str, int, int], float],
        heard_seconds: float,
    ) -> None:
        self._workers = {worker.id: worker for worker in workers}
        living = {
            session.id
            for session in sessions
            if session.ended_at is None and _lives(session, silent["session", session.id, 0] <= heard_seconds)
        }
        self._living = living
        #: Starts of machines that somebody speaks from, this process among them.
        self._boots: set[str | None] = {boot_name()}
        self._boots |= {session.boot for session in sessions if session.id in living}
        self._boots |= {
            worker.boot
            for worker in workers
            if worker.state in (IDLE, BUSY) and silent["worker", worker.id, 0] <= heard_seconds
        }

    def with_session(self, worker_id: int) -> bool:
        worker = self._workers[worker_id]
        if worker.session_id is not None:
            return worker.session_id not in self._living
        return worker.boot is None or worker.boot not in self._boots


def _lives(session: _Session, heard: bool) -> bool:
    known = process_lives(session.process_space, session.pid, session.pid_started_at)
    return heard if known is None else known


def close_dead_sessions(db: Database, now: float, *, alone: bool = False) -> int:
    """End the sessions whose process is known to be gone. Returns how many.

    alone: the caller holds the home, which all sessions of its state held before it: none of them is left.
    """
    dead = [
        (session, "killed")
        for session in _open_sessions(db)
        if alone or process_lives(session.process_space, session.pid, session.pid_started_at) is False
    ]
    return _close(db, dead, now)


def close_lost_sessions(db: Database, lease_seconds: float, silence: Silence, now: float) -> int:
    """The same, and of those that nobody here can look up the ones that said nothing for a lease.

    silence: the caller's, for this alone. One that speaks again is there again (`db.members.note_age`).
    """
    sessions = _open_sessions(db)
    silent = silence.seconds({session.id: session.age_seconds for session in sessions})
    lost = []
    for session in sessions:
        lives = process_lives(session.process_space, session.pid, session.pid_started_at)
        if lives is False:
            lost.append((session, "killed"))
        elif lives is None and silent[session.id] > lease_seconds:
            lost.append((session, "lost"))
    return _close(db, lost, now)


def _open_sessions(db: Database) -> Sequence[_Session]:
    with db.read() as tx:
        return read_rows(tx, _Session, _SESSIONS.where(Session.ended_at.is_(None)))


def _close(db: Database, sessions: Sequence[tuple[_Session, str]], now: float) -> int:
    """What has spoken meanwhile stays open."""
    closed = 0
    for session, reason in sessions:
        with db.write() as tx:
            moved = tx.execute(
                update(Session)
                .where(
                    Session.id == session.id,
                    Session.ended_at.is_(None),
                    Session.age_seconds.is_not_distinct_from(session.age_seconds),
                )
                .values(ended_at=now, reason=reason)
            ).rowcount
            if moved:
                events.record(tx, now, "session_lost", f"session {session.id} on {session.host}: {reason}")
            closed += moved
    return closed
