"""Jobs of several devices: their workers are set aside together, come one by one, and the last to come claims.

A seat (`db.schema.Seat`) names the attempt that it is for by its token and counts while that attempt is rung for, or
runs. So whatever ends the attempt, a death as much as a commit, frees all its workers in the same moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, Row, Select, delete, func, insert, or_, select, update

from db.engine import Database
from db.jobs.attempts import begin
from db.jobs.bells import Rung
from db.jobs.seating import Hand, Wish, seat
from db.members import BUSY, IDLE
from db.rows import read_rows
from db.schema import Worker
from db.statements import HOLDS, RING, claim_seated, in_state, job, ringable, seats, several_in
from db.states import QUEUED, READY, RUNNING
from db.values import Claim, Node, Versions


@dataclass(frozen=True, slots=True)
class SeatedJob:
    """A job of several devices whose bell was rung. there: how many of its workers came. idle: whether nothing is
    known of what it waits for: a worker that does nothing else did not come, or all came. gone: whether one will never
    come."""

    id: int
    there: int
    idle: bool
    gone: bool


def ring_seated(
    db: Database, resource: str, hands: Sequence[Hand], now: float, versions: Versions = ()
) -> list[tuple[Rung, tuple[int, ...]]]:
    """ready -> queued for jobs of `resource` whose turn it is while a worker is free, each with the workers that its
    bell is for: one, or all that are set aside for it. In ringing order."""
    known = {hand.worker_id for hand in hands}
    with db.write() as tx:
        seated = set(
            tx.execute(select(seats.c.worker_id).join(job, job.c.id == seats.c.job_id).where(HOLDS)).scalars()
        )
        out = tx.execute(
            select(
                job.c.state, job.c.resource, job.c.devices, job.c.worker_id, job.c.preferred_worker_id
            ).where(in_state(RUNNING) | (in_state(QUEUED) & (job.c.resource == resource)))
        ).all()
        busy = {row.worker_id for row in out if row.state == RUNNING and row.resource == resource}
        elsewhere = {row.worker_id for row in out if row.state == RUNNING} - busy
        promised = [row.preferred_worker_id for row in out if row.state == QUEUED and row.devices == 1]
        free = known - seated - busy - set(promised)
        spare = len(free) - sum(worker not in known for worker in promised)
        if spare <= 0:
            return []
        parameters = {"b_resource": resource, "b_limit": len(hands) + tx.execute(_COUNT_READY).scalar_one()}
        rows = {
            row.id: row for row in read_rows(tx, Rung, ringable(tuple(versions), several=True), parameters)
        }
        apart = {row.id: row for row in tx.execute(_APART)}
        wishes = [
            Wish(row.id, row.devices, row.preferred_worker_id)
            if (on := apart.get(row.id)) is None
            else Wish(row.id, row.devices, row.preferred_worker_id, on.nodes, on.elastic and on.step > 0)
            for row in rows.values()
        ]
        idle_first = sorted(hands, key=lambda hand: hand.worker_id in elsewhere)
        given = seat(idle_first, free, seated, wishes, spare)
        for one in given:
            row = rows[one.job_id]
            tx.execute(RING, [{"b_id": row.id, "b_now": now}])
            if row.devices > 1:
                _set_aside(tx, row, one.workers)
            else:  # so that whoever finds its bell unanswered knows whom it was for
                chosen = {"preferred_worker_id": one.workers[0]}
                tx.execute(update(job).where(job.c.id == row.id).values(**chosen))
    return [(rows[one.job_id], one.workers) for one in given]


#: Jobs of several machines. One that may go on with fewer waits for all of them until it has done a step.
_APART = select(job.c.id, job.c.nodes, job.c.elastic, job.c.step).where(several_in(READY), job.c.nodes > 1)
_COUNT_READY = select(func.count()).select_from(job).where(several_in(READY))


def _set_aside(tx: Connection, row: Rung, workers: Sequence[int]) -> None:
    tx.execute(delete(seats).where(or_(seats.c.job_id == row.id, seats.c.worker_id.in_(workers))))
    tx.execute(
        insert(seats),
        [{"worker_id": worker, "job_id": row.id, "lease_token": row.lease_token + 1} for worker in workers],
    )


def is_called(db: Database, job_id: int, worker_id: int) -> bool:
    """Whether this worker is set aside for the job, whose bell was rung."""
    with db.read() as tx:
        return (
            tx.execute(_seat_of(worker_id).where(seats.c.job_id == job_id, job.c.state == QUEUED)).first()
            is not None
        )


def keeps_waiting(db: Database, worker_id: int) -> int | None:
    """The job that this worker is set aside for and has not come to."""
    with db.read() as tx:
        waits = _seat_of(worker_id).where(job.c.state == QUEUED, seats.c.visible.is_(None))
        return next(iter(tx.execute(waits).scalars()), None)


def _seat_of(worker_id: int) -> Select[int]:
    return (
        select(seats.c.job_id)
        .join(job, job.c.id == seats.c.job_id)
        .where(HOLDS, seats.c.worker_id == worker_id)
    )


def come(
    db: Database,
    job_id: int,
    worker_id: int,
    visible: str,
    lease_seconds: float,
    now: float,
    versions: Versions = (),
) -> Claim | None:
    """The device of this worker is free for the job. queued -> running where all of its workers have come, by this
    one, which holds the lease; else, and where it is not set aside for it, None.

    visible: what CUDA calls its devices, separated by commas.
    """
    with db.write() as tx:
        mine = _seat_of(worker_id).where(seats.c.job_id == job_id, job.c.state == QUEUED)
        if tx.execute(mine).first() is None:
            return None
        tx.execute(update(seats).where(seats.c.worker_id == worker_id).values(visible=visible))
        of_all = (
            select(seats.c.worker_id, seats.c.visible, Worker.process_space, Worker.address)
            .join(Worker, Worker.id == seats.c.worker_id)
            .where(seats.c.job_id == job_id)
            .order_by(seats.c.worker_id)
        )
        rows = tx.execute(of_all).all()
        if any(row.visible is None for row in rows):
            return None
        planned = tx.execute(select(job.c.devices, job.c.nodes).where(job.c.id == job_id)).one()
        nodes: tuple[Node, ...] = ()
        ranks: int | None = None
        devices = _named([row.visible for row in rows])
        if planned.nodes > 1:
            nodes = _nodes(rows, worker_id)
            devices, ranks = nodes[0].devices, planned.devices // planned.nodes * len(nodes)
        held = begin(tx, claim_seated(tuple(versions)), job_id, worker_id, lease_seconds, now, devices)
        return None if held is None else replace(held, nodes=nodes if len(nodes) > 1 else (), ranks=ranks)


def _named(visible: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for names in visible for name in names.split(",") if name)


def _nodes(
    rows: Sequence[Row[tuple[int, str | None, str | None, str | None]]], worker_id: int
) -> tuple[Node, ...]:
    """Machines of workers (id, visible, process_space, address) by id, that of `worker_id` first."""
    by_place: dict[str, list[Row[tuple[int, str | None, str | None, str | None]]]] = {}
    for row in rows:
        by_place.setdefault(row.process_space or str(row.worker_id), []).append(row)
    found = [
        Node(some[0].worker_id, some[0].address or "", _named(row.visible or "" for row in some))
        for some in by_place.values()
    ]
    mine = next(
        number
        for number, some in enumerate(by_place.values())
        if worker_id in [row.worker_id for row in some]
    )
    first = replace(found[mine], worker_id=worker_id)
    return (first, *(node for number, node in enumerate(found) if number != mine))


def rung(db: Database) -> list[SeatedJob]:
    """Jobs of several devices that wait for their workers, by id."""
    with db.read() as tx:
        waiting = list(tx.execute(select(job.c.id).where(several_in(QUEUED)).order_by(job.c.id)).scalars())
        if not waiting:
            return []
        rows = tx.execute(
            select(seats.c.job_id, seats.c.worker_id, seats.c.visible, Worker.state)
            .join(job, job.c.id == seats.c.job_id)
            .join(Worker, Worker.id == seats.c.worker_id)
            .where(HOLDS, job.c.state == QUEUED)
        ).all()
        busy = set(tx.execute(select(job.c.worker_id).where(job.c.state == RUNNING)).scalars())
    found = []
    for job_id in waiting:
        mine = [row for row in rows if row.job_id == job_id]
        missing = [row for row in mine if row.visible is None]
        found.append(
            SeatedJob(
                job_id,
                len(mine) - len(missing),
                not missing or any(row.worker_id not in busy for row in missing),
                not mine or any(row.state not in (IDLE, BUSY) for row in mine),
            )
        )
    return found
