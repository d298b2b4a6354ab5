"""That an ablation has ended, told in the transaction in which its last job did."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, exists, func, or_, select

from db import events
from db.statements import ablation, ablation_job, in_state, job
from db.states import ACTIVE, CANCELLED, FAILED, QUEUED, READY, RUNNING, SUCCEEDED, Counts
from settings.called import told_apart

_MINE = ablation_job.alias("mine")

#: Of an ablation that goes on the first job that is found tells it.
_GOES_ON = exists(
    select(job.c.id).where(
        or_(in_state(READY), in_state(QUEUED), in_state(RUNNING)),
        exists(_MINE.c.id)
        .where(_MINE.c.job_id == job.c.id, _MINE.c.ablation_id == ablation_job.c.ablation_id)
        .correlate(job, ablation_job),
    )
)
_STANDS_STILL = (
    select(ablation_job.c.ablation_id)
    .distinct()
    .where(ablation_job.c.job_id == bindparam("b_id"), ~_GOES_ON)
    .order_by(ablation_job.c.ablation_id)
)

_OF_JOB = select(ablation_job.c.ablation_id).where(ablation_job.c.job_id == bindparam("b_id"))

_ABLATIONS = select(ablation.c.id, ablation.c.name, ablation.c.intent, ablation.c.open)

_COUNTED = (
    select(job.c.state, job.c.held, func.count(job.c.id.distinct()))
    .select_from(ablation_job.join(job, job.c.id == ablation_job.c.job_id))
    .where(ablation_job.c.ablation_id == bindparam("b_ablation"))
    .group_by(job.c.state, job.c.held)
)


def note_ended(tx: Connection, job_ids: Sequence[int], now: float) -> None:
    """Call it after these jobs have changed their states. Each of their ablations is looked at once."""
    asked = set(job_ids)
    if len(asked) > 1:  # one of each ablation tells of it
        asked = set(
            {
                of: job_id for job_id in asked for of in tx.execute(_OF_JOB, {"b_id": job_id}).scalars()
            }.values()
        )
    still = {found for job_id in asked for found in tx.execute(_STANDS_STILL, {"b_id": job_id}).scalars()}
    for ablation_id in sorted(still):
        note_whether_ended(tx, ablation_id, now)


def note_whether_ended(tx: Connection, ablation_id: int, now: float) -> None:
    """One that was paused, is to be planned further, or was cancelled as a whole, which an event says, is left out."""
    counted = [(state, held, jobs) for state, held, jobs in tx.execute(_COUNTED, {"b_ablation": ablation_id})]
    rows = {row.id: row for row in tx.execute(_ABLATIONS)}
    here = rows[ablation_id]
    counts = Counts(sum(jobs for *_, jobs in counted), [entry for entry in counted if entry[0] != SUCCEEDED])
    state = counts.state(here.intent, here.open)
    if state not in (SUCCEEDED, FAILED) and not (state == CANCELLED and here.intent == ACTIVE):
        return
    name = told_apart((row.id, row.name) for row in rows.values())[ablation_id]
    jobs = ", ".join(f"{count} {of}" for of, count in counts.by_state.items() if count)
    events.record(tx, now, f"ablation_{state}", f"{name} ended: {jobs} jobs", ablation_id=ablation_id)
