"""Statements that run for every job, built once: building them takes longer than running them.

Parameters start with `b_`, so that they cannot be mistaken for columns.
"""

from __future__ import annotations

from functools import lru_cache
from typing import cast

from sqlalchemy import (
    ColumnElement,
    Executable,
    FromClause,
    Integer,
    ScalarSelect,
    Table,
    Update,
    and_,
    bindparam,
    case,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    update,
)

from db.schema import (
    OF_SEVERAL,
    WAITS,
    Ablation,
    AblationJob,
    Artifact,
    Attempt,
    Job,
    JobDependency,
    Metric,
    Run,
    Seat,
)
from db.states import BLOCKED, QUEUED, READY, RUNNING, SUCCEEDED

job = cast(Table, Job.__table__)
attempt = cast(Table, Attempt.__table__)
artifact = cast(Table, Artifact.__table__)
dependency = cast(Table, JobDependency.__table__)
metric = cast(Table, Metric.__table__)
ablation = cast(Table, Ablation.__table__)
ablation_job = cast(Table, AblationJob.__table__)
run = cast(Table, Run.__table__)
seats = cast(Table, Seat.__table__)

#: How an attempt's time is split.
SECONDS_COLUMNS = tuple(f"{use}_seconds" for use in ("useful", "replayed", "checkpoint", "load", "idle"))


def in_state(state: str) -> ColumnElement[bool]:
    """The state as part of the SQL: where a parameter may decide on the plan, as one does that a partial index of
    `db.schema` could ask for, SQLite prepares the statement anew each time.
    """
    return job.c.state == written(state)


def written(text: str) -> ColumnElement[str]:
    """A text as part of the SQL."""
    return literal_column("'" + text.replace("'", "''") + "'")


HOLDS_LEASE = (
    job.c.id == bindparam("b_id"),
    job.c.lease_token == bindparam("b_token"),
    job.c.state == RUNNING,
)

# ready -> queued
RING = (
    update(job)
    .where(job.c.id == bindparam("b_id"), job.c.state == READY)
    .values(state=QUEUED, queued_at=bindparam("b_now"))
)

COUNT_OUT = (
    select(job.c.resource, job.c.state, func.count().label("jobs"))
    .where(in_state(QUEUED) | in_state(RUNNING))
    .group_by(job.c.resource, job.c.state)
)

#: Whatever their state: SQLite would look through all that are ready instead of the few that wait.
WAITING = select(job.c.id, job.c.lease_token, job.c.wait_seconds, job.c.state).where(WAITS)
END_WAIT = (
    update(job)
    .where(job.c.id == bindparam("b_id"), job.c.lease_token == bindparam("b_token"), job.c.state == READY)
    .values(wait_seconds=0.0)
)


def _holds(of: FromClause) -> ColumnElement[bool]:
    """Whether a seat counts, of a job: the token is that of the attempt whose bell was rung, or which runs."""
    rung = and_(of.c.state == written(QUEUED), of.c.lease_token == seats.c.lease_token - literal_column("1"))
    return or_(rung, and_(of.c.state == written(RUNNING), of.c.lease_token == seats.c.lease_token))


HOLDS = _holds(job)


def _set_aside() -> ColumnElement[bool]:
    """Whether the worker is set aside for another job that wants what this one wants. What it was promised before it
    may do, unless it has come to that already."""
    other, worker = job.alias("other"), bindparam("b_worker", type_=Integer)
    keeps = seats.c.visible.is_not(None) | (
        func.coalesce(job.c.preferred_worker_id, literal_column("0")) != worker
    )
    return (
        select(literal_column("1"))
        .select_from(seats.join(other, other.c.id == seats.c.job_id))
        .where(seats.c.worker_id == worker, _holds(other), other.c.resource == job.c.resource, keeps)
        .correlate(job)
        .exists()
    )


def several_in(*states: str) -> ColumnElement[bool]:
    """Jobs of several devices that are in one of these. Few ever have several: the coalesce keeps SQLite from starting
    with all jobs by state."""
    state = func.coalesce(job.c.state, written(""))
    return and_(OF_SEVERAL, or_(*(state == written(name) for name in states)))


_OF_ONE: ColumnElement[bool] = job.c.devices == literal_column("1")


SEVERAL = select(job.c.id).where(several_in(READY, QUEUED, RUNNING))

# queued -> ready, where the bell rang at a worker that is set aside
DECLINE = (
    update(job)
    .where(job.c.id == bindparam("b_id"), in_state(QUEUED), _OF_ONE, _set_aside())
    .values(state=READY, queued_at=None, preferred_worker_id=None)
)


# queued -> running
@lru_cache
def claim(versions: tuple[tuple[str, int], ...]) -> Update:
    return claim_seated(versions).where(_OF_ONE, ~_set_aside())


@lru_cache
def claim_seated(versions: tuple[tuple[str, int], ...]) -> Update:
    """The same of a job whose workers have all come."""
    return (
        update(job)
        .where(job.c.id == bindparam("b_id"), in_state(QUEUED), _of_this_build(versions))
        .values(
            state=written(RUNNING),
            lease_token=job.c.lease_token + 1,
            lease_expires_at=bindparam("b_expires"),
            worker_id=bindparam("b_worker"),
            preferred_worker_id=None,
            queued_at=None,
        )
        .returning(
            job.c.lease_token,
            job.c.kind,
            job.c.label,
            job.c.spec,
            job.c.step,
            job.c.reached,
            job.c.target_steps,
            job.c.learned,
            job.c.failures,
            job.c.losses,
        )
    )


def _of_this_build(versions: tuple[tuple[str, int], ...]) -> ColumnElement[bool]:
    """Jobs whose body this build has: pairs (kind, version). Some may be run by any build.

    Spelled out, as the SQL of `(kind, version) IN` a parameter is written anew each time it is executed; and written
    into it, as binding them costs more than the claim.
    """
    pairs = (
        and_(job.c.kind == written(kind), job.c.version == literal_column(str(version)))
        for kind, version in versions
    )
    return or_(job.c.version.is_(None), *pairs)


#: No second has passed; written into the SQL, as binding six zeros costs a tenth of a claim.
OPEN_ATTEMPT = (
    insert(attempt)
    .values({name: literal_column("0.0") for name in (*SECONDS_COLUMNS, "took_seconds")})
    .returning(attempt.c.id)
)

# running -> succeeded
SUCCEED = (
    update(job)
    .where(*HOLDS_LEASE)
    .values(
        state=SUCCEEDED,
        step=bindparam("b_step"),
        result=bindparam("b_result", type_=job.c.result.type),
        lease_expires_at=None,
        finished_at=bindparam("b_now"),
        error=None,
        session_losses=0,
        cancel_requested=False,  # it was done before it could stop
    )
)

CLOSE_ATTEMPT = (
    update(attempt)
    .where(attempt.c.id == bindparam("b_attempt"))
    .values(
        ended_at=bindparam("b_now"),
        outcome=bindparam("b_outcome"),
        reason=bindparam("b_reason"),
        step_to=bindparam("b_step"),
        environment=bindparam("b_environment", type_=attempt.c.environment.type),
        save_seconds=bindparam("b_save"),
        **{name: bindparam(f"b_{name}") for name in (*SECONDS_COLUMNS, "took_seconds")},
    )
)

# blocked -> ready, one count less for each dependent of a job that succeeded
DEPENDENTS = select(dependency.c.job_id).where(dependency.c.depends_on_id == bindparam("b_id"))
COUNT_DOWN = (
    update(job).where(job.c.id.in_(DEPENDENTS), in_state(BLOCKED)).values(waiting_on=job.c.waiting_on - 1)
)
UNBLOCK = (
    update(job).where(job.c.id.in_(DEPENDENTS), in_state(BLOCKED), job.c.waiting_on == 0).values(state=READY)
)


@lru_cache
def ringable(versions: tuple[tuple[str, int], ...], several: bool = False) -> Executable:
    """Ready jobs that something active wants and that need not wait, in ringing order.

    several: those of more than one device too, which `db.jobs.gangs` rings.
    """
    limit = bindparam("b_limit", type_=Integer) + literal_column("0")  # a sum, for the reason of `in_state`
    return (
        select(
            job.c.id,
            job.c.kind,
            job.c.label,
            job.c.step,
            job.c.target_steps,
            job.c.lease_token,
            job.c.preferred_worker_id,
            job.c.devices,
        )
        .where(
            *(() if several else (_OF_ONE,)),
            in_state(READY),
            job.c.held.is_(False),
            job.c.resource == bindparam("b_resource"),
            job.c.wait_seconds == 0.0,
            _of_this_build(versions),
        )
        .order_by(job.c.priority, job.c.turn, job.c.id)
        .limit(limit)
    )


#: What a job that succeeded, or one counted afresh, still waits for.
UNCOUNTED = -1


def _open_needs() -> ScalarSelect[int]:
    other = job.alias("other")
    return (
        select(func.count(func.distinct(dependency.c.depends_on_id)))
        .select_from(dependency.join(other, other.c.id == dependency.c.depends_on_id))
        .where(dependency.c.job_id == job.c.id, other.c.state != SUCCEEDED)
        .correlate(job)
        .scalar_subquery()
    )


# blocked: a job marked UNCOUNTED learns its count
COUNT_WAITING = (
    update(job).where(job.c.state == BLOCKED, job.c.waiting_on == UNCOUNTED).values(waiting_on=_open_needs())
)
# ready -> blocked: what it needs is being made again (db.jobs.recovery)
REBLOCK = (
    update(job)
    .where(job.c.id == bindparam("b_id"), job.c.state == READY, _open_needs() > 0)
    .values(state=BLOCKED, waiting_on=_open_needs())
)
# blocked -> ready
UNBLOCK_COUNTED = update(job).where(job.c.state == BLOCKED, job.c.waiting_on == 0).values(state=READY)


def at_least(column: ColumnElement[int], value: int) -> ColumnElement[int]:
    """The larger of a column and a value, in every dialect."""
    return case((column < value, value), else_=column)


def wanted(*intents: str) -> ColumnElement[bool]:
    """Whether some ablation and run with one of these intents asks for the job."""
    return (
        select(literal(1))
        .select_from(ablation_job.join(ablation).outerjoin(run, run.c.id == ablation_job.c.run_id))
        .where(
            ablation_job.c.job_id == job.c.id,
            ablation.c.intent.in_(intents),
            run.c.id.is_(None) | run.c.intent.in_(intents),
        )
        .correlate(job)
        .exists()
    )
