"""Statements that run for every job, built once: building them takes longer than running them.

Parameters start with `b_`, so that they cannot be mistaken for columns.
"""

from __future__ import annotations

from typing import Any, cast

from sqlalchemy import Table, bindparam, func, insert, select, update

from db.schema import Ablation, AblationJob, Artifact, Attempt, Job, JobDependency, Metric
from db.states import BLOCKED, CANCELLED, QUEUED, READY, RUNNING, SUCCEEDED

job = cast(Table, Job.__table__)
attempt = cast(Table, Attempt.__table__)
artifact = cast(Table, Artifact.__table__)
dependency = cast(Table, JobDependency.__table__)
metric = cast(Table, Metric.__table__)

#: How an attempt's time is split.
SECONDS_COLUMNS = tuple(column.name for column in attempt.c if column.name.endswith("_seconds"))

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

COUNT_QUEUED = (
    select(job.c.resource, func.count().label("waiting"))
    .where(job.c.state == QUEUED)
    .group_by(job.c.resource)
)

# queued -> running
CLAIM = (
    update(job)
    .where(job.c.id == bindparam("b_id"), job.c.state == QUEUED)
    .values(
        state=RUNNING,
        lease_token=job.c.lease_token + 1,
        lease_expires_at=bindparam("b_expires"),
        worker_id=bindparam("b_worker"),
        preferred_worker_id=None,
        queued_at=None,
    )
    .returning(
        job.c.lease_token,
        job.c.key,
        job.c.kind,
        job.c.label,
        job.c.spec,
        job.c.step,
        job.c.target_steps,
        job.c.failures,
        job.c.losses,
    )
)

OPEN_ATTEMPT = insert(attempt).returning(attempt.c.id)

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
        **{name: bindparam(f"b_{name}") for name in SECONDS_COLUMNS},
    )
)

# blocked -> ready, one count less for each dependent of a job that succeeded
_DEPENDENTS = select(dependency.c.job_id).where(dependency.c.depends_on_id == bindparam("b_id"))
COUNT_DOWN = (
    update(job)
    .where(job.c.id.in_(_DEPENDENTS), job.c.state.in_((BLOCKED, CANCELLED)))
    .values(waiting_on=job.c.waiting_on - 1)
)
UNBLOCK = (
    update(job)
    .where(job.c.id.in_(_DEPENDENTS), job.c.state == BLOCKED, job.c.waiting_on == 0)
    .values(state=READY)
)


def _ringable() -> Any:
    wanted = (
        select(1)
        .select_from(AblationJob.__table__.join(Ablation.__table__))
        .where(AblationJob.job_id == job.c.id, Ablation.intent == "active")
        .correlate(job)
        .exists()
    )
    return (
        select(
            job.c.id,
            job.c.kind,
            job.c.label,
            job.c.step,
            job.c.target_steps,
            job.c.lease_token,
            job.c.preferred_worker_id,
        )
        .where(
            job.c.state == READY,
            job.c.resource == bindparam("b_resource"),
            job.c.not_before <= bindparam("b_now"),
            wanted,
        )
        .order_by(job.c.priority, job.c.slices, job.c.id)
        .limit(bindparam("b_limit"))
    )


#: Ready jobs that some active ablation wants, in ringing order.
RINGABLE = _ringable()
