"""Jobs of several devices that have not ended, for people: which workers they have, and what they wait for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import select

from db.engine import Database
from db.members import BUSY, IDLE
from db.schema import Worker
from db.statements import HOLDS, in_state, job, seats, several_in
from db.states import QUEUED, READY, RUNNING


@dataclass(frozen=True, slots=True)
class SeatStanding:
    """A worker that is set aside. there: whether its device is free for the job. does: the label of what it works on
    before, None where nothing is known of it."""

    worker_id: int
    worker: str
    device: str
    there: bool
    does: str | None


@dataclass(frozen=True, slots=True)
class GangStanding:
    """`state`: of the job. most: GPUs of the machine that has most; None where a processor takes any number of ranks,
    or no worker is there. nodes: machines that the devices are of; able: machines here that could have their
    part, where those are several. workers: that are there, of any machine."""

    job_id: int
    job: str
    state: str
    devices: int
    seats: tuple[SeatStanding, ...]
    most: int | None
    nodes: int = 1
    able: int = 0
    workers: int = 0


@dataclass(frozen=True, slots=True)
class Here:
    """gpus: of the machine that has most. workers: that are there, of any machine; without a GPU each is one of a
    processor."""

    gpus: int
    workers: int


def devices_here(db: Database) -> Here:
    """What workers that are there have."""
    living = select(Worker.process_space, Worker.device).where(Worker.state.in_((IDLE, BUSY)))
    with db.read() as tx:
        there = [(row.process_space, row.device) for row in tx.execute(living)]
    return Here(max(_gpus(there).values(), default=0), len(there))


def gang_standings(db: Database) -> list[GangStanding]:
    """By id; without jobs that are blocked or held."""
    open_ones = (several_in(READY, QUEUED, RUNNING), ~job.c.held | (job.c.state == RUNNING))
    with db.read() as tx:
        found = tx.execute(
            select(job.c.id, job.c.label, job.c.state, job.c.devices, job.c.nodes)
            .where(*open_ones)
            .order_by(job.c.id)
        ).all()
        if not found:
            return []
        taken = tx.execute(
            select(seats.c.job_id, seats.c.worker_id, seats.c.visible, Worker.name, Worker.device)
            .join(job, job.c.id == seats.c.job_id)
            .join(Worker, Worker.id == seats.c.worker_id)
            .where(HOLDS)
            .order_by(Worker.name, Worker.id)
        ).all()
        works = select(job.c.worker_id, job.c.label).where(in_state(RUNNING))
        does = {row.worker_id: row.label for row in tx.execute(works)}
        living = select(Worker.process_space, Worker.device, Worker.address)
        there = tx.execute(living.where(Worker.state.in_((IDLE, BUSY)))).all()
        most = _most([(row.process_space, row.device) for row in there])
        reachable = [(row.process_space, row.device) for row in there if row.address is not None]
    return [
        GangStanding(
            row.id,
            row.label,
            row.state,
            row.devices,
            tuple(
                SeatStanding(
                    seat.worker_id,
                    seat.name,
                    seat.device,
                    seat.visible is not None,
                    None if seat.visible is not None else does.get(seat.worker_id),
                )
                for seat in taken
                if seat.job_id == row.id
            ),
            most,
            row.nodes,
            0 if row.nodes == 1 else _able(reachable, row.devices // row.nodes),
            len(there),
        )
        for row in found
    ]


def _able(workers: list[tuple[str | None, str]], devices: int) -> int:
    """Machines that have so many devices, or processors where none has a GPU."""
    gpus = _gpus(workers)
    return sum(count >= devices for count in gpus.values()) if any(gpus.values()) else len(gpus)


def _most(workers: list[tuple[str | None, str]]) -> int | None:
    gpus = _gpus(workers)
    return None if not gpus or 0 in gpus.values() else max(gpus.values())


def _gpus(workers: list[tuple[str | None, str]]) -> Counter[str | None]:
    """By machine; 0 of one where there are only processors."""
    found: Counter[str | None] = Counter()
    for place, device in workers:
        found[place] += 0 if device == "cpu" else device.count("+") + 1
    return found
