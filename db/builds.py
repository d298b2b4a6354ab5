"""Which jobs of which ablations want a version of their body that a build does not have."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select, update

from db import events
from db.engine import Database
from db.jobs.control import hold
from db.statements import ablation, ablation_job, job, run
from db.states import BLOCKED, CANCELLED, QUEUED, READY, RUNNING, SUCCEEDED
from settings.json_values import JsonObject

OPEN = (BLOCKED, READY, QUEUED, RUNNING)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Jobs of one kind and version that an ablation has not finished. held: they are paused, or wanted by nothing."""

    ablation_id: int
    ablation: str
    kind: str
    version: int | None
    state: str
    held: bool
    jobs: int


def unfinished(db: Database) -> list[Unfinished]:
    """By ablation, kind, version and state, oldest ablation first. Nothing of ablations that were cancelled."""
    with db.read() as tx:
        return [Unfinished(*row) for row in tx.execute(_UNFINISHED)]


_UNFINISHED = (
    select(
        ablation.c.id, ablation.c.name, job.c.kind, job.c.version, job.c.state, job.c.held,
        func.count(job.c.id.distinct()),
    )
    .select_from(job.join(ablation_job, ablation_job.c.job_id == job.c.id).join(ablation))
    .where(job.c.state != SUCCEEDED, ablation.c.intent != "cancelled")
    .group_by(ablation.c.id, ablation.c.name, job.c.kind, job.c.version, job.c.state, job.c.held)
    .order_by(ablation.c.id, job.c.kind, job.c.version)
)  # fmt: skip


def is_queued(db: Database, job_id: int) -> bool:
    """Whether a job that this build could not claim still waits for whoever can."""
    with db.read() as tx:
        return tx.execute(select(job.c.state).where(job.c.id == job_id)).scalar() == QUEUED


def specs(db: Database, ablation_id: int, kinds: tuple[str, ...]) -> list[JsonObject]:
    """Parameters of the open jobs of these kinds."""
    mine = select(ablation_job.c.job_id).where(ablation_job.c.ablation_id == ablation_id)
    with db.read() as tx:
        statement = select(job.c.spec).where(job.c.id.in_(mine), job.c.kind.in_(kinds), job.c.state.in_(OPEN))
        return list(tx.execute(statement).scalars())


def versions_of(db: Database, ablation_id: int) -> dict[str, set[int]]:
    """By kind the versions that the jobs of an ablation want; nothing of kinds that any build may run."""
    found: dict[str, set[int]] = {}
    with db.read() as tx:
        for kind, version in tx.execute(
            select(job.c.kind, job.c.version)
            .join(ablation_job, ablation_job.c.job_id == job.c.id)
            .where(ablation_job.c.ablation_id == ablation_id, job.c.version.is_not(None))
            .distinct()
        ):
            found.setdefault(kind, set()).add(version)
    return found


def supersede(db: Database, old: int, new: int, message: str, now: float) -> None:
    """What people asked of ablation `old` (paused, a run cancelled) is asked of `new`, with an event; nothing where
    `old` was cancelled, as it is once another has its place."""
    with db.write() as tx:
        intent = tx.execute(select(ablation.c.intent).where(ablation.c.id == old)).scalar_one()
        if intent == CANCELLED:
            return
        tx.execute(update(ablation).where(ablation.c.id == new).values(intent=intent))
        asked = tx.execute(
            select(run.c.arm, run.c.seed, run.c.intent).where(
                run.c.ablation_id == old, run.c.intent != "active"
            )
        ).all()
        for row in asked:
            tx.execute(
                update(run)
                .where(run.c.ablation_id == new, run.c.arm == row.arm, run.c.seed == row.seed)
                .values(intent=row.intent)
            )
        hold(tx, select(ablation_job.c.job_id).where(ablation_job.c.ablation_id == new))
        events.record(tx, now, "ablation_planned_again", message, ablation_id=new)


def note_planned_otherwise(db: Database, ablation_id: int, message: str, now: float) -> None:
    """An event of an ablation whose settings an earlier one has, with other jobs: what is done again and why."""
    with db.write() as tx:
        events.record(tx, now, "planned_otherwise", message, ablation_id=ablation_id)


def note_once(db: Database, ablation_id: int, message: str, now: float) -> bool:
    """An event `other_build` of the ablation, unless the same was said before. Returns whether it is new."""
    with db.write() as tx:
        if events.said(tx, "other_build", message, ablation_id):
            return False
        events.record(tx, now, "other_build", message, ablation_id=ablation_id)
    return True
