"""How far everything is: ablations and their runs, and who works on them. What `status` shows of the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from db.engine import Database
from db.jobs import job
from db.members import BUSY, IDLE
from db.queries import select_ablations
from db.rows import AblationRow, read_rows
from db.schema import Ablation, AblationJob, Run, Session, Worker
from db.states import ACTIVE, STATES, SUCCEEDED, Counted, Counts
from settings.clock import seconds_since
from settings.json_values import JsonObject
from settings.processes import process_lives

_UNFINISHED = tuple(state for state in STATES if state != SUCCEEDED)


@dataclass(frozen=True, slots=True)
class RunStanding:
    """One arm with one seed: the state that its jobs give it, and the last step that its training committed. `jobs`:
    how many of its own are in each state."""

    id: int
    arm: str
    seed: int
    state: str
    step: int
    target_steps: int
    jobs: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class AblationStanding:
    """`state`: running, succeeded, failed, cancelled or paused. `jobs`: how many are in each state of a job."""

    id: int
    name: str
    state: str
    runs: Sequence[RunStanding]
    jobs: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class WorkerStanding:
    """A worker that has not left, on a machine that calls itself `host`. `job`: the label of what it works on,
    `progress` what it said of that last.
    """

    id: int
    name: str
    device: str
    state: str
    job: str | None
    progress: JsonObject | None
    heartbeat_age_seconds: float | None
    heartbeat_at: float
    host: str


@dataclass(frozen=True, slots=True)
class SessionStanding:
    """One stay on one machine. `left_seconds`: None of one that has ended or has no end."""

    id: int
    host: str
    started_at: float
    deadline: float | None
    ended_at: float | None
    reason: str | None
    age_seconds: float | None
    left_seconds: float | None
    lives: bool | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Oldest first, all of them."""

    ablations: Sequence[AblationStanding]
    workers: Sequence[WorkerStanding]
    sessions: Sequence[SessionStanding]


@dataclass(frozen=True, slots=True)
class _Worker:
    id: int
    name: str
    device: str
    state: str
    job_id: int | None
    progress: JsonObject | None
    heartbeat_at: float
    boot: str | None
    steady_at: float | None
    process_space: str | None
    pid: int
    pid_started_at: float
    host: str


@dataclass(frozen=True, slots=True)
class _Session:
    id: int
    host: str
    started_at: float
    deadline: float | None
    ended_at: float | None
    reason: str | None
    limit_seconds: float | None
    age_seconds: float | None
    process_space: str | None
    pid: int
    pid_started_at: float | None


@dataclass(frozen=True, slots=True)
class _Run:
    id: int
    ablation_id: int
    arm: str
    seed: int
    intent: str
    step: int
    target_steps: int


def standing(db: Database, ablation: str | int | None = None) -> Standing:
    """Of the ablations with this id, name or key, or of all; and of all workers and sessions. A number is an id alone.

    `heartbeat_age_seconds` is None of workers on other machines, and `lives` of sessions elsewhere: their clocks are
    not this one's, and whoever looks again and again may listen (`db.silence.Hearing`). Workers that can be looked up
    and are gone are left out, also while no scheduler is there to miss them.
    """
    with db.read() as tx:
        ablations = _ablations(tx, select_ablations(tx, ablation))
        workers = read_rows(tx, _Worker, _WORKERS)
        wanted = [worker.job_id for worker in workers if worker.job_id]
        labels = {
            row.id: row.label for row in tx.execute(select(job.c.id, job.c.label).where(job.c.id.in_(wanted)))
        }
        sessions = read_rows(tx, _Session, _SESSIONS)
    return Standing(
        ablations,
        [
            WorkerStanding(
                w.id, w.name, w.device, w.state, None if w.job_id is None else labels.get(w.job_id), w.progress,
                _rounded(seconds_since(w.boot, w.steady_at)), w.heartbeat_at,
                w.host,
            )
            for w in workers
            if process_lives(w.process_space, w.pid, w.pid_started_at) is not False
        ],
        [
            SessionStanding(
                s.id, s.host, s.started_at, s.deadline, s.ended_at, s.reason, _rounded(s.age_seconds), _left(s),
                _lives(s),
            )
            for s in sessions
        ],
    )  # fmt: skip


def open_ablations(db: Database) -> list[AblationStanding]:
    """Ablations that workers can still bring further."""
    with db.read() as tx:
        found = _ablations(tx, select_ablations(tx, None))
    return [ablation for ablation in found if ablation.state == "running"]


_WORKERS = (
    select(
        Worker.id, Worker.name, Worker.device, Worker.state, Worker.job_id, Worker.progress, Worker.heartbeat_at,
        Worker.boot, Worker.steady_at, Worker.process_space, Worker.pid, Worker.pid_started_at, Worker.host,
    )
    .where(Worker.state.in_((IDLE, BUSY)))
    .order_by(Worker.id)
)  # fmt: skip

_SESSIONS = select(
    Session.id, Session.host, Session.started_at, Session.deadline, Session.ended_at, Session.reason,
    Session.limit_seconds, Session.age_seconds, Session.process_space, Session.pid, Session.pid_started_at,
).order_by(Session.id)  # fmt: skip


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)


def _lives(session: _Session) -> bool | None:
    """Whether its command runs; None of one that cannot be looked up from here."""
    if session.ended_at is not None:
        return False
    return process_lives(session.process_space, session.pid, session.pid_started_at)


def _left(session: _Session) -> float | None:
    """Until a session's end, as far as it counted; None of one that has ended or has no end."""
    if session.ended_at is not None or session.limit_seconds is None or session.age_seconds is None:
        return None
    return _rounded(max(0.0, session.limit_seconds - session.age_seconds))


def _ablations(tx: Connection, rows: Sequence[AblationRow]) -> list[AblationStanding]:
    """Only jobs that have not succeeded are counted one by one."""
    ids = [row.id for row in rows]
    counts: dict[int, list[Counted]] = {row.id: [] for row in rows}
    for ablation_id, state, held, count in tx.execute(
        _UNFINISHED_OF_ABLATIONS.where(AblationJob.ablation_id.in_(ids))
    ):
        counts[ablation_id].append((state, held, count))
    totals: dict[int, int] = {
        run_id: count for run_id, count in tx.execute(_JOBS_OF_RUNS) if run_id is not None
    }
    of_runs: dict[int, list[Counted]] = {run_id: [] for run_id in totals}
    for run_id, state, held, count in tx.execute(_UNFINISHED_OF_RUNS):
        of_runs[run_id].append((state, held, count))
    runs: dict[int, list[_Run]] = {row.id: [] for row in rows}
    for run in read_rows(tx, _Run, _RUNS.where(Run.ablation_id.in_(ids))):
        runs[run.ablation_id].append(run)
    standings = []
    open_ids = set(tx.execute(select(Ablation.id).where(Ablation.open)).scalars())
    for row in rows:
        whole = Counts(row.job_count, counts[row.id])
        runs_here = []
        for run in runs[row.id]:
            own = Counts(totals.get(run.id, 0), of_runs.get(run.id, ()))
            state = own.state(run.intent if row.intent == ACTIVE else row.intent)
            runs_here.append(
                RunStanding(run.id, run.arm, run.seed, state, run.step, run.target_steps, own.by_state)
            )
        standings.append(
            AblationStanding(
                row.id, row.name, whole.state(row.intent, row.id in open_ids), runs_here, whole.by_state
            )
        )
    return standings


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

#: Run's id, and how many jobs are its own.
_JOBS_OF_RUNS = (
    select(AblationJob.run_id, func.count(AblationJob.job_id.distinct()))
    .where(AblationJob.run_id.is_not(None))
    .group_by(AblationJob.run_id)
)

_RUNS = (
    select(Run.id, Run.ablation_id, Run.arm, Run.seed, Run.intent, job.c.step, job.c.target_steps)
    .join(job, job.c.id == Run.train_job_id)
    .order_by(Run.id)
)
