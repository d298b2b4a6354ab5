"""That an ablation has ended, told in the transaction in which its last job did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    bindparam,
    case,
    false,
    func,
    literal_column,
    select,
)

from db import direct, events
from db.statements import ablation, ablation_job, job
from db.states import ACTIVE, CANCELLED, FAILED, QUEUED, READY, RUNNING, SUCCEEDED, Counts
from settings.called import told_apart

_MINE = ablation_job.alias("mine")
#: Read by the id of each: SQLite would else begin with the jobs of all ablations that are in a state.
_STATE = select(job.c.state).where(job.c.id == _MINE.c.job_id).scalar_subquery()


def _moves(where: ColumnElement[bool], nearest: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether one of the ablation's jobs may move; the first that is found tells it."""
    in_motion = _STATE.in_([literal_column(f"'{state}'") for state in (READY, QUEUED, RUNNING)])
    mine = _MINE.c.ablation_id == ablation_job.c.ablation_id
    found = select(_MINE.c.id).where(mine, where, in_motion).order_by(nearest).limit(1)
    return found.correlate(ablation_job).scalar_subquery().is_not(None)


#: Those planned after the one that ended come first: mostly the next of them waits, however many have ended before, and
#: however many jobs of other ablations wait.
STANDS_STILL = (
    select(ablation_job.c.ablation_id)
    .distinct()
    .where(
        ablation_job.c.job_id == bindparam("b_id"),
        case(
            (_moves(_MINE.c.job_id >= bindparam("b_id"), _MINE.c.job_id.asc()), false()),
            else_=~_moves(_MINE.c.job_id < bindparam("b_id"), _MINE.c.job_id.desc()),
        ),
    )
    .order_by(ablation_job.c.ablation_id)
)


@dataclass(frozen=True, slots=True)
class _Still:
    """An ablation that no job of moves."""

    ablation_id: int


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
    still = {
        found.ablation_id
        for job_id in asked
        for found in direct.rows(tx, _Still, STANDS_STILL, {"b_id": job_id})
    }
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
