"""Reading how fast the work goes and what is left of it: what `status` and its forecast are made of."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy import case, func, select

from db.engine import Database
from db.queries import ATTEMPTS, EVENTS
from db.rows import AttemptRow, EventRow, read_rows
from db.schema import Ablation, AblationJob, Attempt, Event, Job, Run, Worker
from db.states import FINAL, RUNNING, SUCCEEDED
from db.values import Progress
from settings.clock import boot_name, seconds_since
from settings.processes import process_space

#: Attempts a pace is learned from, per kind: the newest ones, as machines change.
_PACE_ATTEMPTS = 100
#: Jobs that are looked at for what the open ones of a kind are like.
_OPEN_JOBS = 20

#: Names of what lies in what, within a job's parameters.
Place: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OpenWork:
    """What is left of one kind of job beyond the last checkpoints: `steps` of all jobs together, `longest` of the one
    with most."""

    kind: str
    resource: str
    steps: int
    longest: int


@dataclass(frozen=True, slots=True)
class RunningAttempt:
    """What is being worked on now. `progress` and `took_seconds` are of the worker's last heartbeat."""

    job_id: int
    worker_id: int
    progress: Progress | None
    took_seconds: float | None
    step_from: int


@dataclass(frozen=True, slots=True)
class AttemptTotals:
    """Ended attempts of one kind with one outcome, and their seconds by use.

    None where an attempt of an earlier version has a negative one, as a clock was set back meanwhile.
    """

    kind: str
    outcome: str
    attempts: int
    useful: float | None
    replayed: float | None
    checkpoint: float | None
    load: float | None
    idle: float | None


@dataclass(frozen=True, slots=True)
class NamedRun:
    """A run with the name of its ablation."""

    ablation_id: int
    ablation: str
    arm: str
    seed: int
    train_job_id: int


@dataclass(frozen=True, slots=True)
class NamedAttempt:
    """An attempt with what people know its job and its worker by. `outcome` is None of what still runs."""

    id: int
    job_id: int
    lease_token: int
    kind: str
    label: str
    target_steps: int
    step_from: int
    step_to: int | None
    outcome: str | None
    reason: str | None
    started_at: float
    ended_at: float | None
    took_seconds: float | None
    worker: str
    host: str


def open_work(db: Database, ablation_id: int) -> list[OpenWork]:
    """What is not in a final state, by kind and resource."""
    left = Job.target_steps - Job.step
    members = select(AblationJob.job_id).where(AblationJob.ablation_id == ablation_id)
    with db.read() as tx:
        return read_rows(
            tx,
            OpenWork,
            select(
                Job.kind,
                Job.resource,
                func.sum(left).label("steps"),
                func.max(left).label("longest"),
            )
            .where(Job.id.in_(members), Job.state.not_in(FINAL))
            .group_by(Job.kind, Job.resource),
        )


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds per step of an attempt, and what its job's parameters have at the paths that were asked for."""

    seconds: float
    values: Mapping[Place, object]


def paces(db: Database, kinds: Sequence[str], paths: Sequence[Place] = ()) -> dict[str, list[Pace]]:
    """Of the newest attempts of each kind that brought a job further; newest first.

    Attempts whose time was never measured tell nothing.
    """
    values = [Job.spec[path] for path in paths]
    steps = (Attempt.step_to - Attempt.step_from).label("steps")
    seconds = Attempt.took_seconds.label("seconds")
    found: dict[str, list[Pace]] = {}
    with db.read() as tx:
        for kind in kinds:
            rows = tx.execute(
                select(seconds, steps, *values)
                .join(Job, Job.id == Attempt.job_id)
                .where(Job.kind == kind, Attempt.ended_at.is_not(None), seconds > 0, steps > 0)
                .order_by(Attempt.id.desc())
                .limit(_PACE_ATTEMPTS)
            ).all()
            found[kind] = [Pace(row[0] / row[1], dict(zip(paths, row[2:], strict=True))) for row in rows]
    return found


def open_values(
    db: Database, ablation_id: int, kinds: Sequence[str], paths: Sequence[Place]
) -> dict[str, list[Mapping[Place, object]]]:
    """What parameters of the newest jobs of an ablation that are in no final state have at these paths, by kind."""
    members = select(AblationJob.job_id).where(AblationJob.ablation_id == ablation_id)
    place = func.row_number().over(partition_by=Job.kind, order_by=Job.id.desc()).label("place")
    newest = (
        select(Job.id, place)
        .where(Job.id.in_(members), Job.kind.in_(kinds), Job.state.not_in(FINAL))
        .subquery()
    )
    values = (Job.spec[path] for path in paths)
    found: dict[str, list[Mapping[Place, object]]] = {kind: [] for kind in kinds}
    with db.read() as tx:
        rows = select(Job.kind, *values).join(newest, newest.c.id == Job.id)
        for kind, *has in tx.execute(rows.where(newest.c.place <= _OPEN_JOBS)):
            found[kind].append(dict(zip(paths, has, strict=True)))
    return found


def is_any_of(db: Database, ablation_id: int, job_ids: Sequence[int]) -> bool:
    """Whether an ablation wants one of these jobs."""
    if not job_ids:
        return False
    mine = select(AblationJob.id).where(
        AblationJob.ablation_id == ablation_id, AblationJob.job_id.in_(job_ids)
    )
    with db.read() as tx:
        return tx.execute(mine.limit(1)).first() is not None


def running_attempts(db: Database) -> list[RunningAttempt]:
    """By job."""
    with db.read() as tx:
        return read_rows(
            tx,
            RunningAttempt,
            select(
                Job.id.label("job_id"),
                Job.worker_id,
                Worker.progress,
                Attempt.took_seconds,
                Attempt.step_from,
            )
            .join(Attempt, (Attempt.job_id == Job.id) & (Attempt.lease_token == Job.lease_token))
            .join(Worker, (Worker.id == Job.worker_id) & (Worker.job_id == Job.id))
            .where(Job.state == RUNNING)
            .order_by(Job.id),
        )


def train_jobs(db: Database) -> dict[int, int]:
    """Run id -> id of its training job."""
    with db.read() as tx:
        return {row.id: row.train_job_id for row in tx.execute(select(Run.id, Run.train_job_id))}


def attempts_of_job(db: Database, job_id: int) -> list[AttemptRow]:
    """Oldest first."""
    with db.read() as tx:
        return read_rows(tx, AttemptRow, ATTEMPTS.where(Attempt.job_id == job_id))


def events_of_job(db: Database, job_id: int) -> list[EventRow]:
    """The events about a job, oldest first."""
    with db.read() as tx:
        return read_rows(tx, EventRow, EVENTS.where(Event.job_id == job_id).order_by(Event.id))


def attempt_totals(db: Database) -> list[AttemptTotals]:
    """By kind and outcome."""
    columns = [
        case((func.min(column) >= 0.0, func.sum(column))).label(column.key.removesuffix("_seconds"))
        for column in (
            Attempt.useful_seconds,
            Attempt.replayed_seconds,
            Attempt.checkpoint_seconds,
            Attempt.load_seconds,
            Attempt.idle_seconds,
        )
    ]
    with db.read() as tx:
        return read_rows(
            tx,
            AttemptTotals,
            select(Job.kind, Attempt.outcome, func.count().label("attempts"), *columns)
            .join(Job, Job.id == Attempt.job_id)
            .where(Attempt.outcome.is_not(None))
            .group_by(Job.kind, Attempt.outcome)
            .order_by(Job.kind, Attempt.outcome),
        )


def event_totals(db: Database) -> dict[str, int]:
    """How many events there are of each kind."""
    with db.read() as tx:
        counted = select(Event.kind, func.count().label("events")).group_by(Event.kind).order_by(Event.kind)
        return {row.kind: row.events for row in tx.execute(counted)}


def runs_with_ablations(db: Database) -> list[NamedRun]:
    """All runs, oldest first."""
    with db.read() as tx:
        return read_rows(
            tx,
            NamedRun,
            select(Run.ablation_id, Ablation.name.label("ablation"), Run.arm, Run.seed, Run.train_job_id)
            .join(Ablation, Ablation.id == Run.ablation_id)
            .order_by(Run.id),
        )


def workers_here(db: Database, within_seconds: float) -> list[str]:
    """Names of the workers of this machine (this container of it, where it is one) that were heard from in so long."""
    with db.read() as tx:
        rows = tx.execute(
            select(Worker.name, Worker.boot, Worker.steady_at).where(
                Worker.process_space.is_not_distinct_from(process_space()),
                Worker.stopped_at.is_(None),
                Worker.boot == boot_name(),
            )
        ).all()
    ages = [(row.name, seconds_since(row.boot, row.steady_at)) for row in rows]
    return [name for name, age in ages if age is not None and age <= within_seconds]


def newest_job(db: Database, kind: str) -> int | None:
    """The id of the newest job of a kind that has succeeded, or None."""
    with db.read() as tx:
        return tx.execute(
            select(Job.id).where(Job.kind == kind, Job.state == SUCCEEDED).order_by(Job.id.desc()).limit(1)
        ).scalar()


def attempts_since(db: Database, above: int, open_ids: Collection[int], limit: int) -> list[NamedAttempt]:
    """Attempts with an id above `above`, the newest `limit` of them, and those of `open_ids`; by id."""
    newest = select(Attempt.id).where(Attempt.id > above).order_by(Attempt.id.desc()).limit(limit)
    with db.read() as tx:
        return read_rows(
            tx,
            NamedAttempt,
            select(
                Attempt.id, Attempt.job_id, Attempt.lease_token, Job.kind, Job.label, Job.target_steps,
                Attempt.step_from, Attempt.step_to, Attempt.outcome, Attempt.reason, Attempt.started_at,
                Attempt.ended_at, Attempt.took_seconds, Worker.name.label("worker"), Worker.host,
            )
            .join(Job, Job.id == Attempt.job_id)
            .join(Worker, Worker.id == Attempt.worker_id)
            .where(Attempt.id.in_(newest.scalar_subquery()) | Attempt.id.in_(list(open_ids)))
            .order_by(Attempt.id),
        )  # fmt: skip
