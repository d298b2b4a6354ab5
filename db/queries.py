"""Reading the state: what status, artifacts, events and the report show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import func, null, select

from db.engine import Database
from db.jobs import job
from db.jobs.control import ACTIVE, PAUSED
from db.members import BUSY, IDLE
from db.schema import Ablation, AblationJob, Artifact, Attempt, Event, Metric, Run, Session, Worker
from db.statements import dependency
from db.states import BLOCKED, CANCELLED, FAILED, QUEUED, READY, RUNNING, STATES, SUCCEEDED
from settings.clock import seconds_since
from settings.processes import process_lives
from settings.whole_numbers import whole_number

_UNFINISHED = tuple(state for state in STATES if state != SUCCEEDED)


def status(db: Database, ablation: str | None = None) -> dict[str, Any]:
    """The document of `status --json` without `home` (CONTRACT: JSON). `ablation`: id or name, or all.

    `heartbeat_age_seconds` is None of workers on other machines, and `lives` of sessions elsewhere: their clocks are
    not this one's, and whoever looks again and again may listen (`db.silence.Hearing`). Workers that can be looked up
    and are gone are left out, also while no scheduler is there to miss them.
    """
    with db.read() as tx:
        ablations = _ablations(tx, _select_ablations(tx, ablation))
        workers = tx.execute(select(Worker).where(Worker.state.in_((IDLE, BUSY))).order_by(Worker.id)).all()
        labels = dict(
            tx.execute(
                select(job.c.id, job.c.label).where(job.c.id.in_([w.job_id for w in workers if w.job_id]))
            ).all()
        )
        sessions = tx.execute(select(Session).order_by(Session.id)).all()
    workers = [w for w in workers if process_lives(w.process_space, w.pid, w.pid_started_at) is not False]
    return {
        "ablations": ablations,
        "workers": [
            {
                "id": w.id,
                "name": w.name,
                "device": w.device,
                "state": w.state,
                "job": labels.get(w.job_id),
                "progress": w.progress,
                "heartbeat_age_seconds": _rounded(seconds_since(w.boot, w.steady_at)),
                "heartbeat_at": w.heartbeat_at,
            }
            for w in workers
        ],
        "sessions": [
            {
                "id": s.id,
                "host": s.host,
                "started_at": s.started_at,
                "deadline": s.deadline,
                "ended_at": s.ended_at,
                "reason": s.reason,
                "age_seconds": _rounded(s.age_seconds),
                "left_seconds": _left(s),
                "lives": _lives(s),
            }
            for s in sessions
        ],
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _lives(session: Any) -> bool | None:
    """Whether its command runs; None of one that cannot be looked up from here."""
    if session.ended_at is not None:
        return False
    return process_lives(session.process_space, session.pid, session.pid_started_at)


def _left(session: Any) -> float | None:
    """Until a session's end, as far as it counted; None of one that has ended or has no end."""
    if session.ended_at is not None or session.limit_seconds is None:
        return None
    return _rounded(max(0.0, session.limit_seconds - session.age_seconds))


def open_ablations(db: Database) -> list[dict[str, Any]]:
    """Ablations that workers can still bring further: the entries of `status` whose state is running."""
    with db.read() as tx:
        documents = _ablations(tx, _select_ablations(tx, None))
    return [document for document in documents if document["state"] == "running"]


def ablation_row(db: Database, wanted: str | None) -> Any:
    """The newest ablation, or the one with this id, name or key; None when there is none."""
    with db.read() as tx:
        rows = _select_ablations(tx, wanted)
    return rows[-1] if rows else None


def ablation_rows(db: Database) -> list[Any]:
    """All ablations, oldest first: rows as `ablation_row`."""
    with db.read() as tx:
        return _select_ablations(tx, None)


def jobs_of(db: Database, ablation_id: int) -> list[Any]:
    """Job rows of an ablation with `run_id`, `arm` and `seed` (null where shared by all runs)."""
    with db.read() as tx:
        return list(
            tx.execute(
                select(job, AblationJob.run_id, Run.arm, Run.seed)
                .join(AblationJob, AblationJob.job_id == job.c.id)
                .outerjoin(Run, Run.id == AblationJob.run_id)
                .where(AblationJob.ablation_id == ablation_id)
                .order_by(job.c.id)
            ).all()
        )


def dependencies_of(db: Database, ablation_id: int) -> list[tuple[int, int, str]]:
    """(job, the job it depends on, role) of all jobs of an ablation."""
    with db.read() as tx:
        mine = select(AblationJob.job_id).where(AblationJob.ablation_id == ablation_id)
        rows = tx.execute(
            select(dependency.c.job_id, dependency.c.depends_on_id, dependency.c.role)
            .where(dependency.c.job_id.in_(mine))
            .order_by(dependency.c.job_id, dependency.c.depends_on_id)
        ).all()
    return [(row.job_id, row.depends_on_id, row.role) for row in rows]


def find_jobs(db: Database, wanted: str) -> list[Any]:
    """Jobs with this id, or with this label: rows (id, label, key, kind, state)."""
    matches = job.c.label == wanted
    if (number := whole_number(wanted)) is not None:
        matches = job.c.id == number
    with db.read() as tx:
        columns = (job.c.id, job.c.label, job.c.key, job.c.kind, job.c.state)
        return list(tx.execute(select(*columns).where(matches).order_by(job.c.id)).all())


def run_label(db: Database, run_id: int) -> str | None:
    """`arm seed N` of a run, or None."""
    with db.read() as tx:
        row = tx.execute(select(Run.arm, Run.seed).where(Run.id == run_id)).first()
    return None if row is None else f"{row.arm} seed {row.seed}"


def runs_of(db: Database, ablation_id: int) -> list[Any]:
    with db.read() as tx:
        return list(tx.execute(select(Run).where(Run.ablation_id == ablation_id).order_by(Run.id)).all())


def attempts_of(db: Database, ablation_id: int) -> list[Any]:
    """Attempt rows of all jobs of an ablation, each once, with the job's kind and the worker's host."""
    jobs_here = select(AblationJob.job_id).where(AblationJob.ablation_id == ablation_id)
    with db.read() as tx:
        return list(
            tx.execute(
                select(Attempt, job.c.kind, Worker.host)
                .join(job, job.c.id == Attempt.job_id)
                .join(Worker, Worker.id == Attempt.worker_id)
                .where(Attempt.job_id.in_(jobs_here))
                .order_by(Attempt.id)
            ).all()
        )


def metrics_of(db: Database, job_id: int) -> list[Any]:
    with db.read() as tx:
        return list(
            tx.execute(
                select(Metric.name, Metric.step, Metric.value, Metric.at)
                .where(Metric.job_id == job_id)
                .order_by(Metric.name, Metric.step)
            ).all()
        )


def took_in_a_bundle(db: Database) -> bool:
    """Whether rows of this state came in a bundle, as an event with data says (`db.bundle.receive`)."""
    imports = select(Event.id).where(Event.kind == "bundle", Event.data.is_not(null())).limit(1)
    with db.read() as tx:
        return tx.execute(imports).first() is not None


def artifacts_of_job(db: Database, job_id: int) -> list[Any]:
    with db.read() as tx:
        return list(tx.execute(select(Artifact).where(Artifact.job_id == job_id).order_by(Artifact.id)).all())


def artifacts(db: Database, kind: str | None = None, run: int | None = None) -> list[dict[str, Any]]:
    """The document of `artifacts --json`: one entry per artifact and run that it serves."""
    serves = select(AblationJob.job_id, func.min(AblationJob.run_id).label("run_id"))
    if run is not None:
        serves = serves.where(AblationJob.run_id == run)
    links = serves.group_by(AblationJob.job_id).subquery()
    statement = (
        select(Artifact, links.c.run_id, job.c.label)
        .join(job, job.c.id == Artifact.job_id)
        .join(links, links.c.job_id == Artifact.job_id, isouter=run is None)
        .order_by(Artifact.id)
    )
    if kind is not None:
        statement = statement.where(Artifact.kind == kind)
    with db.read() as tx:
        rows = tx.execute(statement).all()
    return [
        {
            "sha256": row.sha256,
            "kind": row.kind,
            "name": row.name,
            "path": row.path,
            "bytes": row.bytes,
            "run": row.run_id,
            "job": row.label,
            "step": row.step,
            "final": row.final,
            "created_at": row.created_at,
        }
        for row in rows
    ]


def events(db: Database, after: int = 0, limit: int = 1000) -> list[dict[str, Any]]:
    """The newest `limit` events with an id above `after`, oldest first."""
    with db.read() as tx:
        rows = tx.execute(select(Event).where(Event.id > after).order_by(Event.id.desc()).limit(limit)).all()
    return [dict(row._mapping) for row in reversed(rows)]


def _select_ablations(tx: Any, wanted: str | None) -> list[Any]:
    statement = select(Ablation.id, Ablation.key, Ablation.name, Ablation.intent, Ablation.job_count, Ablation.config,
                       Ablation.command, Ablation.created_at).order_by(Ablation.id)  # fmt: skip
    if wanted is not None:
        matches = (Ablation.name == wanted) | (Ablation.key == wanted)
        if (number := whole_number(wanted)) is not None:
            matches = matches | (Ablation.id == number)
        statement = statement.where(matches)
    return list(tx.execute(statement).all())


def _ablations(tx: Any, rows: Sequence[Any]) -> list[dict[str, Any]]:
    """Entries of `status` for ablation rows. Only jobs that have not succeeded are counted one by one."""
    ids = [row.id for row in rows]
    counts: dict[int, list[Any]] = {row.id: [] for row in rows}
    for ablation_id, state, held, count in tx.execute(
        _UNFINISHED_OF_ABLATIONS.where(AblationJob.ablation_id.in_(ids))
    ):
        counts[ablation_id].append((state, held, count))
    totals = dict(
        tx.execute(
            select(AblationJob.run_id, func.count(AblationJob.job_id.distinct()))
            .where(AblationJob.run_id.is_not(None))
            .group_by(AblationJob.run_id)
        ).all()
    )
    of_runs: dict[int, list[Any]] = {run_id: [] for run_id in totals}
    for run_id, state, held, count in tx.execute(_UNFINISHED_OF_RUNS):
        of_runs[run_id].append((state, held, count))
    runs: dict[int, list[Any]] = {row.id: [] for row in rows}
    for run in tx.execute(
        select(Run.id, Run.ablation_id, Run.arm, Run.seed, Run.intent, job.c.step, job.c.target_steps)
        .join(job, job.c.id == Run.train_job_id)
        .where(Run.ablation_id.in_(ids))
        .order_by(Run.id)
    ):
        runs[run.ablation_id].append(run)
    entries = []
    for row in rows:
        whole = _Counts(row.job_count, counts[row.id])
        entries.append(
            {
                "id": row.id,
                "name": row.name,
                "state": whole.state(row.intent),
                "runs": [
                    {
                        "id": run.id,
                        "arm": run.arm,
                        "seed": run.seed,
                        "state": _Counts(totals.get(run.id, 0), of_runs.get(run.id, ())).state(
                            run.intent if row.intent == ACTIVE else row.intent
                        ),
                        "step": run.step,
                        "target_steps": run.target_steps,
                    }
                    for run in runs[row.id]
                ],
                "jobs": whole.by_state,
            }
        )
    return entries


#: Ablation's id, state, held, count of its jobs that have not succeeded.
_UNFINISHED_OF_ABLATIONS = (
    select(AblationJob.ablation_id, job.c.state, job.c.held, func.count(job.c.id.distinct()))
    .select_from(job)
    .join(AblationJob, AblationJob.job_id == job.c.id)
    .where(job.c.state.in_(_UNFINISHED))
    .group_by(AblationJob.ablation_id, job.c.state, job.c.held)
)

#: The same of runs. Few jobs are a run's own: the coalesce keeps SQLite from starting with all jobs by state.
_UNFINISHED_OF_RUNS = (
    select(AblationJob.run_id, job.c.state, job.c.held, func.count(job.c.id.distinct()))
    .select_from(AblationJob)
    .join(job, AblationJob.job_id == job.c.id)
    .where(AblationJob.run_id.is_not(None), func.coalesce(job.c.state, "") != SUCCEEDED)
    .group_by(AblationJob.run_id, job.c.state, job.c.held)
)


class _Counts:
    """How many jobs are in each state, and the state of the whole that follows from it."""

    def __init__(self, total: int, rows: Iterable[Any]) -> None:
        """rows: (state, held, count) of the jobs that have not succeeded; `total` is of all."""
        self.by_state = dict.fromkeys(STATES, 0)
        self._held_back = 0
        self._moving = 0
        for state, held, count in rows:
            self.by_state[state] += count
            self._moving += count * (state == RUNNING or (state in (READY, QUEUED) and not held))
            self._held_back += count * (held and state in (BLOCKED, READY, QUEUED))
        self.by_state[SUCCEEDED] = total - sum(self.by_state.values())

    def state(self, intent: str) -> str:
        """failed or cancelled once something has and nothing else can move; succeeded when all has."""
        counts = self.by_state
        if counts[SUCCEEDED] == sum(counts.values()) and counts[SUCCEEDED]:
            return SUCCEEDED
        if intent != ACTIVE:
            return intent
        if self._moving:
            return "running"
        if self._held_back:
            return PAUSED
        if counts[FAILED]:
            return FAILED
        return CANCELLED if counts[CANCELLED] else "running"


def failures(db: Database, ablation_id: int) -> list[tuple[str, str]]:
    """(label, reason) of each failed job."""
    return [(row.label, row.error) for row in jobs_of(db, ablation_id) if row.state == FAILED]
