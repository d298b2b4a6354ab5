"""Attempts that several machines compute: what each has to know of the others, as long as the attempt lasts.

The machine whose worker came last holds the lease. On each other one the first of the seated workers starts the ranks.
Both write into their seats, which count as long as their attempt does: where to meet, and why ranks ended.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select, update

from db.engine import Database
from db.jobs.facts import lease_lost, token
from db.members import BUSY, IDLE
from db.schema import Worker
from db.statements import HOLDS, HOLDS_LEASE, job, seats
from db.states import QUEUED, RUNNING
from db.values import Claim
from settings.json_values import JsonObject


@dataclass(frozen=True, slots=True)
class Summons:
    """What a worker that is set aside is to do. lease_token: of the attempt. begun: whether that runs. told: what the
    one who holds the lease told, once it did."""

    lease_token: int
    begun: bool
    told: JsonObject | None


@dataclass(frozen=True, slots=True)
class JobOfNodes:
    """What ranks of another machine are told of their job."""

    kind: str
    label: str
    spec: JsonObject
    learned: JsonObject


@dataclass(frozen=True, slots=True)
class Word:
    """What is known of a worker that starts ranks of an attempt elsewhere. there: whether it is still the one that was
    set aside, and lives."""

    worker_id: int
    there: bool
    told: JsonObject | None


def starts_ranks(db: Database, job_id: int, worker_id: int) -> bool:
    """Whether this worker, which came for a job of several machines, is the one of its machine that starts ranks where
    another machine holds the lease."""
    with db.read() as tx:
        if tx.execute(select(job.c.nodes).where(job.c.id == job_id)).scalar() in (None, 1):
            return False
        rows = tx.execute(
            select(seats.c.worker_id, Worker.process_space)
            .join(Worker, Worker.id == seats.c.worker_id)
            .where(seats.c.job_id == job_id)
            .order_by(seats.c.worker_id)
        ).all()
    mine = {row.worker_id: row.process_space or str(row.worker_id) for row in rows}
    return worker_id in mine and worker_id == min(w for w, place in mine.items() if place == mine[worker_id])


def summons(db: Database, job_id: int, worker_id: int) -> Summons | None:
    """None where the worker is not set aside any more, or was anew and has not come: its attempt is over."""
    mine = (
        select(seats.c.lease_token, job.c.state)
        .join(job, job.c.id == seats.c.job_id)
        .where(HOLDS, seats.c.worker_id == worker_id, seats.c.job_id == job_id, seats.c.visible.is_not(None))
    )
    leaders = (
        select(seats.c.told)
        .join(job, job.c.id == seats.c.job_id)
        .where(HOLDS, job.c.id == job_id, seats.c.worker_id == job.c.worker_id, job.c.state == RUNNING)
    )
    with db.read() as tx:
        row = tx.execute(mine).first()
        if row is None:
            return None
        told = tx.execute(leaders).scalar() if row.state == RUNNING else None
    return Summons(row.lease_token, row.state != QUEUED, told)


def job_of(db: Database, job_id: int) -> JobOfNodes:
    with db.read() as tx:
        columns = (job.c.kind, job.c.label, job.c.spec, job.c.learned)
        row = tx.execute(select(*columns).where(job.c.id == job_id)).one()
    return JobOfNodes(row.kind, row.label, row.spec, row.learned or {})


def call(db: Database, held: Claim, told: JsonObject) -> None:
    """Tell the other machines of the attempt where to meet. Raises LeaseLost."""
    with db.write() as tx:
        if tx.execute(select(job.c.id).where(*HOLDS_LEASE), token(held)).first() is None:
            raise lease_lost(held)
        mine = seats.c.job_id == held.job_id, seats.c.worker_id == held.worker_id
        tx.execute(update(seats).where(*mine).values(told=dict(told)))


def tell(db: Database, job_id: int, lease_token: int, worker_id: int, told: JsonObject) -> None:
    """What a worker of another machine has to say to the one who holds the lease; nothing where that attempt is
    over."""
    mine = seats.c.worker_id == worker_id, seats.c.job_id == job_id, seats.c.lease_token == lease_token
    with db.write() as tx:
        tx.execute(update(seats).where(*mine).values(told=dict(told)))


def words(db: Database, held: Claim) -> list[Word]:
    """Of the workers that start ranks on the other machines of an attempt."""
    others = [node.worker_id for node in held.nodes[1:]]
    rows = (
        select(seats.c.worker_id, seats.c.told, Worker.state)
        .join(Worker, Worker.id == seats.c.worker_id)
        .where(seats.c.job_id == held.job_id, seats.c.lease_token == held.lease_token)
    )
    with db.read() as tx:
        found = {row.worker_id: row for row in tx.execute(rows)}
    return [
        Word(
            other,
            other in found and found[other].state in (IDLE, BUSY),
            found[other].told if other in found else None,
        )
        for other in others
    ]
