"""Ablations that are planned round by round: which wait for a decision, and a decision with the jobs that follow."""

from __future__ import annotations

from sqlalchemy import Connection, exists, select

from db import events, plans
from db.engine import Database
from db.jobs.endings import note_whether_ended
from db.plans import Plan
from db.queries import select_ablations
from db.rows import AblationRow
from db.schema import Ablation, AblationJob
from db.statements import job
from db.states import ACTIVE, SUCCEEDED
from errors import Overtaken
from settings.json_values import JsonObject

_UNFINISHED = exists(
    select(AblationJob.id)
    .join(job, job.c.id == AblationJob.job_id)
    .where(AblationJob.ablation_id == Ablation.id, job.c.state != SUCCEEDED)
)
_WAITING = select(Ablation.id).where(Ablation.open, Ablation.intent == ACTIVE, ~_UNFINISHED)


def waiting(db: Database) -> list[AblationRow]:
    """Ablations that go on once somebody has decided how, as all of their jobs have succeeded; oldest first."""
    with db.read() as tx:
        return [row for id_ in _ids(tx) for row in select_ablations(tx, id_)]


def decided(
    db: Database, there: AblationRow, plan: Plan, looks: list[tuple[str, JsonObject]], now: float
) -> None:
    """The plan that follows of a decision takes the place of that of `there`, and the decision is told in events, all
    in one transaction. looks: sentence and data of each.

    Raises Overtaken where somebody decided first, or a job of it is to be done again.
    """
    with db.write() as tx:
        if there.id not in _ids(tx):
            raise Overtaken(f"ablation {there.name} does not wait for a decision any more")
        plans.submit_in(tx, plan, there.command, now, there, "another round" if plan.open else "decided")
        for message, data in looks:
            events.record(tx, now, "look", message, ablation_id=there.id, data=data)
        note_whether_ended(tx, there.id, now)


def note_trouble(db: Database, there: AblationRow, message: str, now: float) -> None:
    """Tell why no decision was taken; once for each reason."""
    with db.write() as tx:
        if not events.said(tx, "round_failed", message, there.id):
            events.record(tx, now, "round_failed", message, ablation_id=there.id)


def _ids(tx: Connection) -> list[int]:
    return list(tx.execute(_WAITING.order_by(Ablation.id)).scalars())
