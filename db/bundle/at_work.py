"""Whether anybody works in a home that a bundle shall replace."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from db.engine import Database
from db.members import BUSY, IDLE
from db.rows import names_of, read_rows
from db.schema import Worker
from errors import HomeInUse
from settings.clock import seconds_since
from settings.processes import process_lives
from settings.queue import queue_settings
from settings.watching import watched

#: How often workers elsewhere are listened for.
_LISTEN_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class _Worker:
    id: int
    name: str
    host: str
    pid: int
    pid_started_at: float
    heartbeat_at: float
    boot: str | None
    steady_at: float | None
    process_space: str | None


def check_nobody_works(database: Database) -> None:
    """Raises HomeInUse where a worker is there.

    Workers of a cluster do not hold the home's lock. One that cannot be looked up from here is listened for, a lease
    long: when it was last heard is a time of day of another machine.
    """
    lease = queue_settings().lease_seconds
    elsewhere: dict[int, float] = {}
    for worker in _workers(database):
        age = seconds_since(worker.boot, worker.steady_at)  # a container of this machine has its clock
        lives = process_lives(worker.process_space, worker.pid, worker.pid_started_at)
        if lives:
            raise _at_work(worker)
        if lives is None and (age is None or age <= lease):
            elsewhere[worker.id] = worker.heartbeat_at
    if not elsewhere:
        return

    def heard() -> _Worker | None:
        answers = (w for w in _workers(database) if w.heartbeat_at != elsewhere.get(w.id, w.heartbeat_at))
        return next(answers, None)

    answering = watched(heard, None, lease, _LISTEN_SECONDS)
    if answering is not None:
        raise _at_work(answering)


def _workers(database: Database) -> list[_Worker]:
    """Those that neither left nor were missed."""
    columns = (getattr(Worker, name) for name in names_of(_Worker))
    with database.read() as tx:
        return read_rows(tx, _Worker, select(*columns).where(Worker.state.in_((IDLE, BUSY))))


def _at_work(worker: _Worker) -> HomeInUse:
    return HomeInUse(f"worker {worker.name} on {worker.host} is at work in this home; stop it first")
