"""Writing a planned ablation into the state: one transaction, and the same plan twice changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, insert, select, update

from db import events
from db.dialect import upsert
from db.engine import Database
from db.jobs.control import hold, release_counted, revive
from db.parts import in_parts
from db.redaction import without_passwords
from db.schema import AblationJob, Run
from db.statements import UNCOUNTED, ablation, dependency, job, run
from db.states import BLOCKED, RUNNING
from settings.json_values import JsonObject


@dataclass(frozen=True)
class Dependency:
    """Another planned job, by key, and the role its artifacts play."""

    key: str
    role: str


@dataclass(frozen=True)
class RunRef:
    arm: str
    seed: int


@dataclass(frozen=True)
class PlannedJob:
    """A job before it has a row. `key` decides identity: an existing job with it is used as it is.

    version: of the kind's body, which only builds that have it may run; None where any build may.
    """

    key: str
    kind: str
    label: str
    spec: JsonObject
    resource: str
    priority: int
    target_steps: int = 1
    needs: Sequence[Dependency] = ()
    runs: Sequence[RunRef] = ()
    fair: bool = True
    version: int | None = None


@dataclass(frozen=True)
class Plan:
    """A whole ablation: its jobs in an order in which each follows what it needs.

    warnings: what whoever submits it should know, a sentence each.
    """

    key: str
    name: str
    config: JsonObject
    jobs: Sequence[PlannedJob]
    training: Mapping[RunRef, str] = field(default_factory=dict)  # run -> key of its train job
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Submitted:
    ablation_id: int
    jobs_added: int
    jobs_shared: int


def submit(db: Database, plan: Plan, command: str, now: float) -> Submitted:
    """Insert what is new of `plan`; jobs that failed, were cancelled or are about to be get another try."""
    with db.write() as tx:
        row = tx.execute(select(ablation.c.id).where(ablation.c.key == plan.key)).first()
        new = row is None
        if row is None:
            ablation_id: int = tx.execute(
                insert(ablation).returning(ablation.c.id),
                {
                    "key": plan.key,
                    "name": plan.name,
                    "config": dict(plan.config),
                    "command": without_passwords(command),
                    "intent": "active",
                    "job_count": len(plan.jobs),
                    "created_at": now,
                },
            ).scalar_one()
        else:
            ablation_id = row.id
            tx.execute(update(ablation).where(ablation.c.id == ablation_id).values(intent="active"))
            tx.execute(update(run).where(run.c.ablation_id == ablation_id).values(intent="active"))

        before = tx.execute(select(func.count()).select_from(job)).scalar_one()
        for some_jobs in in_parts(plan.jobs):
            tx.execute(
                upsert(tx, job).on_conflict_do_nothing(index_elements=["key"]),
                [
                    {
                        "key": planned.key,
                        "kind": planned.kind,
                        "version": planned.version,
                        "label": planned.label,
                        "spec": dict(planned.spec),
                        "resource": planned.resource,
                        "priority": planned.priority,
                        "target_steps": planned.target_steps,
                        "fair": planned.fair,
                        "state": BLOCKED,
                        "waiting_on": UNCOUNTED,  # set below, once the dependencies have rows
                        "created_at": now,
                    }
                    for planned in some_jobs
                ],
            )
        added = tx.execute(select(func.count()).select_from(job)).scalar_one() - before

        ids: dict[str, int] = {}
        for keys in in_parts([planned.key for planned in plan.jobs]):
            ids.update(tx.execute(select(job.c.key, job.c.id).where(job.c.key.in_(keys))).all())

        edges = [
            {"job_id": ids[planned.key], "depends_on_id": ids[need.key], "role": need.role}
            for planned in plan.jobs
            for need in planned.needs
        ]
        for some_edges in in_parts(edges):
            tx.execute(upsert(tx, dependency).on_conflict_do_nothing(), some_edges)

        run_ids = _runs(tx, ablation_id, plan, ids)
        links = [
            {
                "ablation_id": ablation_id,
                "job_id": ids[planned.key],
                "run_id": run_ids[reference] if reference is not None else None,
            }
            for planned in plan.jobs
            for reference in (planned.runs or (None,))
        ]
        if new:
            for some_links in in_parts(links):
                tx.execute(insert(AblationJob), some_links)

        # What was told to stop and has not stopped yet goes on.
        stopping = select(job.c.id).where(job.c.state == RUNNING, job.c.cancel_requested)
        for job_ids in in_parts([*set(tx.execute(stopping).scalars()).intersection(ids.values())]):
            tx.execute(update(job).where(job.c.id.in_(job_ids)).values(cancel_requested=False))
        # A job that failed or was cancelled is blocked again and counted afresh, like a new one.
        for job_ids in in_parts(list(ids.values())):
            revive(tx, job_ids)
        release_counted(tx)
        for job_ids in in_parts(list(ids.values())):
            hold(tx, job_ids)
        if new:
            events.record(
                tx, now, "ablation_submitted",
                f"{plan.name}: {added} jobs added, {len(plan.jobs) - added} shared with earlier work",
                ablation_id=ablation_id,
            )  # fmt: skip
    return Submitted(ablation_id, added, len(plan.jobs) - added)


def _runs(tx: Connection, ablation_id: int, plan: Plan, ids: Mapping[str, int]) -> dict[RunRef, int]:
    if plan.training:
        tx.execute(
            upsert(tx, run).on_conflict_do_nothing(index_elements=["ablation_id", "arm", "seed"]),
            [
                {"ablation_id": ablation_id, "arm": ref.arm, "seed": ref.seed, "train_job_id": ids[key]}
                for ref, key in plan.training.items()
            ],
        )
    rows = tx.execute(select(Run.arm, Run.seed, Run.id).where(Run.ablation_id == ablation_id)).all()
    return {RunRef(row.arm, row.seed): row.id for row in rows}
