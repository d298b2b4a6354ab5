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
    or no worker is there."""

    job_id: int
    job: str
    state: str
    devices: int
    seats: tuple[SeatStanding, ...]
    most: int | None


def gang_standings(db: Database) -> list[GangStanding]:
    """By id; without jobs that are blocked or held."""
    open_ones = (several_in(READY, QUEUED, RUNNING), ~job.c.held | (job.c.state == RUNNING))
    with db.read() as tx:
        found = tx.execute(
            select(job.c.id, job.c.label, job.c.state, job.c.devices).where(*open_ones).order_by(job.c.id)
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
        living = select(Worker.process_space, Worker.device).where(Worker.state.in_((IDLE, BUSY)))
        most = _most([(place, device) for place, device in tx.execute(living)])
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
        )
        for row in found
    ]


def _most(workers: list[tuple[str | None, str]]) -> int | None:
    gpus: Counter[str | None] = Counter()
    for place, device in workers:
        gpus[place] += 0 if device == "cpu" else device.count("+") + 1
    return None if not gpus or 0 in gpus.values() else max(gpus.values())
