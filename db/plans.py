"""Writing a planned ablation into the state: one transaction, and the same plan twice changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import (
    Connection,
    delete,
    func,
    insert,
    select,
    update,
)

from db import code, events
from db.dialect import insert_plain, upsert
from db.engine import Database
from db.jobs.control import hold, release_counted, revive
from db.new_jobs import insert_new
from db.parts import in_parts
from db.redaction import without_passwords
from db.rows import AblationRow
from db.schema import AblationJob, Run
from db.statements import UNCOUNTED, ablation, dependency, job, run, wanted
from db.states import ACTIVE, BLOCKED, CANCELLED, PAUSED, QUEUED, READY, RUNNING
from errors import Overtaken
from settings.code_source import Source
from settings.json_values import JsonObject
from settings.uncollected import uncollected

#: Ids of ablation, job, and run or None.
Link = tuple[int, int, int | None]


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

    version: of the kind's body, which only builds that have it may run; None where any build may. devices: that it is
    divided over. nodes, elastic: as of `db.schema.Job`.
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
    devices: int = 1
    nodes: int = 1
    elastic: bool = False


@dataclass(frozen=True)
class Plan:
    """A whole ablation: its jobs in an order in which each follows what it needs.

    warnings: what whoever submits it should know, a sentence each. code: source of the user's own that its jobs run.
    open: whether more of it is planned once these jobs have ended; until then it has not ended either.
    """

    key: str
    name: str
    config: JsonObject
    jobs: Sequence[PlannedJob]
    training: Mapping[RunRef, str] = field(default_factory=dict)  # run -> key of its train job
    warnings: tuple[str, ...] = ()
    code: tuple[Source, ...] = ()
    open: bool = False


@dataclass(frozen=True)
class Submitted:
    """jobs_shared: were there already; jobs_kept: those of them that the ablation had."""

    ablation_id: int
    jobs_added: int
    jobs_shared: int
    jobs_kept: int = 0

    @property
    def told(self) -> str:
        """In the words of `plan`."""
        there = f"{self.jobs_added} jobs added, {self.jobs_shared} already there"
        others = self.jobs_shared - self.jobs_kept
        if not self.jobs_shared:
            return there
        return f"{there} ({self.jobs_kept} of this ablation, {others} shared with others)"


def submit(
    db: Database,
    plan: Plan,
    command: str,
    now: float,
    grows: AblationRow | None = None,
    what: str = "",
    first: bool = False,
    beside: AblationRow | None = None,
) -> Submitted:
    """Insert what is new of `plan`; jobs that failed, were cancelled or are about to be get another try.

    grows: the ablation that this plan is of from now on, as it was when it was planned; what it had and the plan has
    not leaves it, and stops where nothing else wants it. what: for people, of what is new. first: no ablation had this
    name when it was planned. beside: an ablation of this name that is planned otherwise, and stays. Raises Overtaken
    where such an ablation is another by now, or the name is taken.
    """
    with db.write() as tx:
        if first:
            _check_first(tx, plan)
        if beside is not None:
            _check_unchanged(tx, beside)
        return submit_in(tx, plan, command, now, grows, what)


def _check_unchanged(tx: Connection, there: AblationRow) -> None:
    """Raises Overtaken where an ablation has another plan than it had."""
    same = ablation.c.id == there.id, ablation.c.key == there.key
    if tx.execute(select(ablation.c.id).where(*same)).first() is None:
        raise Overtaken(f"ablation {there.name} was changed meanwhile; submit it again")


def _check_first(tx: Connection, plan: Plan) -> None:
    """Raises Overtaken."""
    others = ablation.c.name == plan.name, ablation.c.intent != CANCELLED, ablation.c.key != plan.key
    if tx.execute(select(ablation.c.id).where(*others)).first() is not None:
        raise Overtaken(f"an ablation {plan.name} was submitted meanwhile; submit it again")


@uncollected()
def submit_in(
    tx: Connection, plan: Plan, command: str, now: float, grows: AblationRow | None = None, what: str = ""
) -> Submitted:
    """As `submit`, in a transaction that does more."""
    code.keep(tx, plan.code, command, now)
    ablation_id, new = _ablation(tx, plan, command, now, grows)
    before = tx.execute(select(func.coalesce(func.max(job.c.id), 0))).scalar_one()
    insert_new(tx, now, plan.jobs)
    for planned in plan.jobs:
        if planned.nodes > 1:  # few are, and every column of an insert costs each job
            several = {"nodes": planned.nodes, "elastic": planned.elastic}
            new_one = job.c.key == planned.key, job.c.id > before
            tx.execute(update(job).where(*new_one).values(**several))
    # Ids grow (`db.ids`), and nobody else writes meanwhile.
    ids: dict[str, int] = dict(tx.execute(select(job.c.key, job.c.id).where(job.c.id > before)).all())
    added = len(ids)
    if added < len(plan.jobs):  # what is there already may have ended
        tx.execute(update(job).where(job.c.id > before).values(state=BLOCKED, waiting_on=UNCOUNTED))
    shared_ids: list[int] = []
    for keys in in_parts([planned.key for planned in plan.jobs if planned.key not in ids]):
        found = dict(tx.execute(select(job.c.key, job.c.id).where(job.c.key.in_(keys))).all())
        shared_ids += found.values()
        ids |= found

    edges = [
        (job_id, ids[need.key], need.role)
        for planned in plan.jobs
        for job_id in (ids[planned.key],)
        for need in planned.needs
    ]
    insert_plain(
        tx, upsert(tx, dependency).on_conflict_do_nothing(), ("job_id", "depends_on_id", "role"), edges
    )

    run_ids = _runs(tx, ablation_id, plan, ids)
    links: list[Link] = [
        (ablation_id, ids[planned.key], run_ids[reference] if reference is not None else None)
        for planned in plan.jobs
        for reference in (planned.runs or (None,))
    ]
    kept = 0 if new else len(_job_ids(tx, ablation_id).intersection(shared_ids))
    left = [] if new else _unlink(tx, ablation_id, links)
    insert_plain(tx, insert(AblationJob), ("ablation_id", "job_id", "run_id"), links)

    # What was told to stop and has not stopped yet goes on.
    stopping = select(job.c.id).where(job.c.state == RUNNING, job.c.cancel_requested)
    for job_ids in in_parts([*set(tx.execute(stopping).scalars()).intersection(shared_ids)]):
        tx.execute(update(job).where(job.c.id.in_(job_ids)).values(cancel_requested=False))
    # A job that failed or was cancelled is blocked again and counted afresh, like a new one.
    for job_ids in in_parts(shared_ids):
        revive(tx, job_ids)
    release_counted(tx)
    for job_ids in in_parts(shared_ids):
        hold(tx, job_ids)
    _stop(tx, left, now)
    submitted = Submitted(ablation_id, added, len(plan.jobs) - added, kept)
    if new:
        events.record(
            tx, now, "ablation_submitted", f"{plan.name}: {submitted.told}", ablation_id=ablation_id
        )
    elif grows is not None and grows.key != plan.key:
        events.record(
            tx, now, "ablation_grew", f"{plan.name}: {what}; {submitted.told}", ablation_id=ablation_id
        )
    return submitted


def _job_ids(tx: Connection, ablation_id: int) -> set[int]:
    """Of the jobs that an ablation has."""
    mine = select(AblationJob.job_id).where(AblationJob.ablation_id == ablation_id)
    return set(tx.execute(mine).scalars())


def in_place_of(there: AblationRow, plan: Plan, now: float, what: str) -> Callable[[Connection], None]:
    """What gives an ablation another plan, in a transaction that does more."""

    def write(tx: Connection) -> None:
        submit_in(tx, plan, there.command, now, there, what)

    return write


def planned_by(job_id: int, plan: Plan, now: float) -> Callable[[Connection], None]:
    """What gives the ablations that ask for a job the plan which that job made, in a transaction that does more. One
    that is paused stays so; one that was cancelled gets none."""

    def write(tx: Connection) -> None:
        asks = select(AblationJob.ablation_id).where(AblationJob.job_id == job_id)
        columns = (
            ablation.c[name] for name in ("id", "key", "name", "intent", "job_count", "config", "command")
        )
        for row in tx.execute(select(*columns).where(ablation.c.id.in_(asks))).all():
            there = AblationRow(*row)
            if there.intent == CANCELLED:
                continue
            submit_in(tx, plan, there.command, now, there, "its data are here")
            if there.intent == PAUSED:
                tx.execute(update(ablation).where(ablation.c.id == there.id).values(intent=PAUSED))
                tx.execute(update(run).where(run.c.ablation_id == there.id).values(intent=PAUSED))
                mine = select(AblationJob.job_id).where(AblationJob.ablation_id == there.id)
                for some in in_parts(list(tx.execute(mine).scalars())):
                    hold(tx, some)

    return write


def _ablation(
    tx: Connection, plan: Plan, command: str, now: float, grows: AblationRow | None
) -> tuple[int, bool]:
    """The id of the plan's row, and whether it is new."""
    values = {
        "key": plan.key,
        "name": plan.name,
        "config": dict(plan.config),
        "command": without_passwords(command),
        "intent": ACTIVE,
        "job_count": len(plan.jobs),
        "open": plan.open,
    }
    there = tx.execute(select(ablation.c.id).where(ablation.c.key == plan.key)).scalar()
    if there is None and grows is None:
        new: int = tx.execute(
            insert(ablation).returning(ablation.c.id), {**values, "created_at": now}
        ).scalar_one()
        return new, True
    if there is None and grows is not None:
        same = ablation.c.id == grows.id, ablation.c.key == grows.key, ablation.c.name == grows.name
        if tx.execute(update(ablation).where(*same).values(**values)).rowcount == 0:
            raise Overtaken(f"ablation {grows.name} was changed meanwhile; submit it again")
        there = grows.id
    assert there is not None
    tx.execute(update(ablation).where(ablation.c.id == there).values(intent=ACTIVE))
    tx.execute(update(run).where(run.c.ablation_id == there).values(intent=ACTIVE))
    return there, False


def _unlink(tx: Connection, ablation_id: int, links: list[Link]) -> list[int]:
    """Jobs that an ablation has no more, which are no longer linked to it. Takes out of `links` what is there."""
    mine = AblationJob.ablation_id == ablation_id
    rows = tx.execute(select(AblationJob.id, AblationJob.job_id, AblationJob.run_id).where(mine)).all()
    planned = set(links)
    gone = [row for row in rows if (ablation_id, row.job_id, row.run_id) not in planned]
    for some in in_parts([row.id for row in gone]):
        tx.execute(delete(AblationJob).where(AblationJob.id.in_(some)))
    there = {(ablation_id, row.job_id, row.run_id) for row in rows}
    links[:] = [link for link in links if link not in there]
    return [row.job_id for row in gone]


def _stop(tx: Connection, job_ids: Sequence[int], now: float) -> None:
    """Jobs that nothing wants any more are cancelled, or are told to stop."""
    for some in in_parts(job_ids):
        unwanted = job.c.id.in_(some), ~wanted(ACTIVE, PAUSED)
        tx.execute(
            update(job)
            .where(*unwanted, job.c.state.in_((BLOCKED, READY, QUEUED)))
            .values(state=CANCELLED, finished_at=now, queued_at=None, error="cancelled")
        )
        tx.execute(update(job).where(*unwanted, job.c.state == RUNNING).values(cancel_requested=True))
        hold(tx, some)


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
