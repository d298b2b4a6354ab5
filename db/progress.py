"""Reading how fast the work goes and what is left of it: what `status` and its forecast are made of."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import case, func, select

from db.engine import Database
from db.schema import Ablation, AblationJob, Attempt, Event, Job, Run, Worker
from db.states import FINAL, RUNNING, SUCCEEDED
from settings.clock import boot_name, seconds_since
from settings.processes import process_space
from settings.whole_numbers import whole_number

#: Attempts a pace is learned from, per kind: the newest ones, as machines change.
_PACE_ATTEMPTS = 100


def open_work(db: Database, ablation_id: int) -> list[Any]:
    """Rows (kind, resource, jobs, steps, longest) of what is not in a final state.

    `steps` is what is left of all those jobs beyond their last checkpoints, `longest` of the one with most.
    """
    left = Job.target_steps - Job.step
    members = select(AblationJob.job_id).where(AblationJob.ablation_id == ablation_id)
    with db.read() as tx:
        return list(
            tx.execute(
                select(
                    Job.kind,
                    Job.resource,
                    func.count().label("jobs"),
                    func.sum(left).label("steps"),
                    func.max(left).label("longest"),
                )
                .where(Job.id.in_(members), Job.state.not_in(FINAL))
                .group_by(Job.kind, Job.resource)
            ).all()
        )


def paces(db: Database, kinds: list[str]) -> dict[str, list[float]]:
    """Seconds per step of the newest attempts of each kind that brought a job further; newest first.

    Attempts whose time was never measured tell nothing.
    """
    steps = (Attempt.step_to - Attempt.step_from).label("steps")
    seconds = Attempt.took_seconds.label("seconds")
    found: dict[str, list[float]] = {}
    with db.read() as tx:
        for kind in kinds:
            rows = tx.execute(
                select(seconds, steps)
                .join(Job, Job.id == Attempt.job_id)
                .where(Job.kind == kind, Attempt.ended_at.is_not(None), seconds > 0, steps > 0)
                .order_by(Attempt.id.desc())
                .limit(_PACE_ATTEMPTS)
            ).all()
            found[kind] = [row.seconds / row.steps for row in rows]
    return found


def running_attempts(db: Database) -> list[Any]:
    """Rows (job_id, kind, worker_id, progress, took_seconds, step_from) of what is being worked on now.

    progress and took_seconds are of the worker's last heartbeat.
    """
    with db.read() as tx:
        return list(
            tx.execute(
                select(
                    Job.id.label("job_id"),
                    Job.kind,
                    Job.worker_id,
                    Worker.progress,
                    Attempt.took_seconds,
                    Attempt.step_from,
                )
                .join(
                    Attempt,
                    (Attempt.job_id == Job.id) & (Attempt.lease_token == Job.lease_token),
                )
                .join(Worker, (Worker.id == Job.worker_id) & (Worker.job_id == Job.id))
                .where(Job.state == RUNNING)
                .order_by(Job.id)
            ).all()
        )


def train_jobs(db: Database) -> dict[int, int]:
    """Run id -> id of its training job."""
    with db.read() as tx:
        return {row.id: row.train_job_id for row in tx.execute(select(Run.id, Run.train_job_id)).all()}


def jobs_named(db: Database, wanted: str) -> list[Any]:
    """Job rows whose id is `wanted`, or else whose label is, or else whose label begins so; by id."""
    with db.read() as tx:
        if (number := whole_number(wanted)) is not None:
            return list(tx.execute(select(*Job.__table__.c).where(Job.id == number)).all())
        exact = list(tx.execute(select(*Job.__table__.c).where(Job.label == wanted).order_by(Job.id)).all())
        if exact:
            return exact
        begins = Job.label.startswith(wanted, autoescape=True)
        return list(tx.execute(select(*Job.__table__.c).where(begins).order_by(Job.id)).all())


def attempts_of_job(db: Database, job_id: int) -> list[Any]:
    """Attempt rows of a job with their worker's name and host, oldest first."""
    with db.read() as tx:
        return list(
            tx.execute(
                select(*Attempt.__table__.c, Worker.name.label("worker"), Worker.host)
                .join(Worker, Worker.id == Attempt.worker_id)
                .where(Attempt.job_id == job_id)
                .order_by(Attempt.id)
            ).all()
        )


def events_of_job(db: Database, job_id: int) -> list[Any]:
    """Rows (at, kind, message) of the events about a job, oldest first."""
    with db.read() as tx:
        return list(
            tx.execute(
                select(Event.at, Event.kind, Event.message).where(Event.job_id == job_id).order_by(Event.id)
            ).all()
        )


def attempt_totals(db: Database) -> list[Any]:
    """Rows (kind, outcome, attempts, useful, replayed, checkpoint, load, idle): ended attempts, seconds by use.

    None where an attempt of an earlier version has a negative one, as a clock was set back meanwhile.
    """
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
        return list(
            tx.execute(
                select(Job.kind, Attempt.outcome, func.count().label("attempts"), *columns)
                .join(Job, Job.id == Attempt.job_id)
                .where(Attempt.outcome.is_not(None))
                .group_by(Job.kind, Attempt.outcome)
                .order_by(Job.kind, Attempt.outcome)
            ).all()
        )


def event_totals(db: Database) -> list[Any]:
    """Rows (kind, events)."""
    with db.read() as tx:
        counted = select(Event.kind, func.count().label("events")).group_by(Event.kind).order_by(Event.kind)
        return list(tx.execute(counted).all())


def runs_with_ablations(db: Database) -> list[Any]:
    """Rows (ablation_id, ablation, arm, seed, train_job_id) of all runs."""
    with db.read() as tx:
        return list(
            tx.execute(
                select(Run.ablation_id, Ablation.name.label("ablation"), Run.arm, Run.seed, Run.train_job_id)
                .join(Ablation, Ablation.id == Run.ablation_id)
                .order_by(Run.id)
            ).all()
        )


def workers_here(db: Database, within_seconds: float) -> list[Any]:
    """Rows (id, name, boot, steady_at) of the workers of this machine (this container of it, where it is one) that
    were heard from in so long."""
    with db.read() as tx:
        rows = tx.execute(
            select(Worker.id, Worker.name, Worker.boot, Worker.steady_at).where(
                Worker.process_space.is_not_distinct_from(process_space()),
                Worker.stopped_at.is_(None),
                Worker.boot == boot_name(),
            )
        ).all()
    ages = [(row, seconds_since(row.boot, row.steady_at)) for row in rows]
    return [row for row, age in ages if age is not None and age <= within_seconds]


def newest_job(db: Database, kind: str) -> Any:
    """The row (id, label) of the newest job of a kind that has succeeded, or None."""
    with db.read() as tx:
        return tx.execute(
            select(Job.id, Job.label)
            .where(Job.kind == kind, Job.state == SUCCEEDED)
            .order_by(Job.id.desc())
            .limit(1)
        ).first()


def attempts_since(db: Database, above: int, open_ids: Collection[int], limit: int) -> list[Any]:
    """Attempts with an id above `above`, the newest `limit` of them, and those of `open_ids`; by id.

    Rows (id, job_id, lease_token, kind, label, target_steps, step_from, step_to, outcome, reason, started_at,
    ended_at, took_seconds, worker, host); `outcome` is None of what still runs.
    """
    newest = select(Attempt.id).where(Attempt.id > above).order_by(Attempt.id.desc()).limit(limit)
    with db.read() as tx:
        return list(
            tx.execute(
                select(
                    Attempt.id,
                    Attempt.job_id,
                    Attempt.lease_token,
                    Job.kind,
                    Job.label,
                    Job.target_steps,
                    Attempt.step_from,
                    Attempt.step_to,
                    Attempt.outcome,
                    Attempt.reason,
                    Attempt.started_at,
                    Attempt.ended_at,
                    Attempt.took_seconds,
                    Worker.name.label("worker"),
                    Worker.host,
                )
                .join(Job, Job.id == Attempt.job_id)
                .join(Worker, Worker.id == Attempt.worker_id)
                .where(Attempt.id.in_(newest.scalar_subquery()) | Attempt.id.in_(list(open_ids)))
                .order_by(Attempt.id)
            ).all()
        )
