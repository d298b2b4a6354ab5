"""Taking an ablation, or one arm of it, out of the state: its rows go in one transaction, and with them the jobs that
no other ablation asks for.

Bytes are no matter of this: a file that no row names any more is garbage (`db.garbage`), whether it is collected at
once or after a death in between. What is kept is whole: a job that stays keeps every job that it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypeAlias

from sqlalchemy import Connection, delete, func, select, update

from db import code, events, ownership
from db.bundle import lineage
from db.engine import Database
from db.jobs.control import hold
from db.members import BUSY, IDLE
from db.parts import in_parts
from db.remote import Remote
from db.schema import Ablation, Attempt, Identity, Job, Run, Session, Worker
from db.statements import ablation, ablation_job, artifact, attempt, dependency, job, metric, run
from db.states import QUEUED, READY, RUNNING
from errors import HomeInUse, IllegalMove
from settings.home import Home
from settings.processes import process_lives
from settings.shown import shown

#: In a message.
_RUNS_NAMED = 3
#: Puts an ablation's new plan in place, within the transaction that takes an arm out.
Relink: TypeAlias = Callable[[Connection], None]


@dataclass(frozen=True, slots=True)
class Part:
    """Jobs with what they made. files: path -> bytes, as the rows state them; of what goes, only files that no other
    row names."""

    jobs: tuple[int, ...]
    artifacts: int
    files: Mapping[str, int]

    @property
    def bytes(self) -> int:
        return sum(self.files.values())


@dataclass(frozen=True, slots=True)
class Removal:
    """What goes with an ablation, and what stays of its jobs: `others` (id, name) ask for these too."""

    ablation_id: int
    name: str
    goes: Part
    stays: Part
    others: tuple[tuple[int, str], ...]


def look(db: Database, ablation_id: int) -> Removal:
    """What `remove` would do now. Raises IllegalMove where it must not, and where there is no such ablation."""
    with db.read() as tx:
        return _look(tx, ablation_id)


def remove(db: Database, home: Home, remote: Remote | None, ablation_id: int, now: float) -> Removal:
    """Take an ablation out. All of it goes or, where anything is raised, nothing.

    Raises IllegalMove as `look`, HomeInUse where it changed meanwhile, StoreOfAnother where the state cannot say what
    the store's files are for; and OSError, also once all went, where the disk does not take the commit's log.
    """
    ownership.need_ours(home, db, remote)
    seen = look(db, ablation_id)
    with ownership.without(home, db, remote, seen.goes.jobs), db.write(durable=True) as tx:
        found = _look(tx, ablation_id)
        if found.goes.jobs != seen.goes.jobs:
            raise HomeInUse(
                f"ablation {shown(found.name)} was changed by another command meanwhile; try again"
            )
        before, attempts = lineage.facts(tx.exec_driver_sql), _attempts_of(tx, found.goes.jobs)
        tx.execute(delete(ablation_job).where(ablation_job.c.ablation_id == ablation_id))
        _delete_by_id(tx, Run, _runs_of(tx, ablation_id))
        _delete_jobs(tx, found.goes.jobs)
        _delete_by_id(tx, Ablation, [ablation_id])
        code.drop_unnamed(tx)
        for some in in_parts(found.stays.jobs):
            hold(tx, some)
        removed = lineage.Removed(
            facts_before=before, facts_after=lineage.facts(tx.exec_driver_sql), attempts=attempts
        )
        events.record(
            tx, now, lineage.ABLATION_REMOVED, f"ablation {ablation_id} ({found.name}) was removed: {_sentence(found)}",
            ablation_id=ablation_id,
            data={"name": found.name, "jobs": len(found.goes.jobs), "artifacts": found.goes.artifacts,
                  "bytes": found.goes.bytes, "kept_jobs": len(found.stays.jobs), **asdict(removed)},
        )  # fmt: skip
    return found


def drop_arm(
    db: Database,
    home: Home,
    remote: Remote | None,
    ablation_id: int,
    arm: str,
    relink: Relink,
    now: float,
) -> Part:
    """Take the runs of one arm out of an ablation, with the jobs that nobody else needs. Returns what went.

    What reads a job of the arm (the report does) is no longer asked for by this ablation either. `relink` then links
    the jobs of the plan without the arm, so that what that plan shares with the old one stays, and gives the ablation
    that plan's key and settings. All is one transaction.
    Raises IllegalMove where a job that would go is worked on, or no run of the ablation has this arm.
    """
    ownership.need_ours(home, db, remote)
    with db.read() as tx:
        asked = tuple(sorted(_with_unasked_readers(tx, _asked_only_by(tx, ablation_id, arm))))
    with ownership.without(home, db, remote, asked), db.write(durable=True) as tx:
        name = _name_of(tx, ablation_id)
        runs = _runs_of(tx, ablation_id, arm)
        if not runs:
            raise IllegalMove(f"ablation {shown(name)} has no arm {shown(arm)}")
        mine = _asked_only_by(tx, ablation_id, arm)
        before = lineage.facts(tx.exec_driver_sql)
        for some in in_parts(runs):
            tx.execute(delete(ablation_job).where(ablation_job.c.run_id.in_(some)))
        for some in in_parts(sorted(mine)):
            of_them = ablation_job.c.ablation_id == ablation_id, ablation_job.c.job_id.in_(some)
            tx.execute(delete(ablation_job).where(*of_them))
        _delete_by_id(tx, Run, runs)
        relink(tx)
        code.drop_unnamed(tx)
        going = _unneeded(tx, mine)
        if not going <= set(asked):
            raise HomeInUse(f"ablation {shown(name)} was changed by another command meanwhile; try again")
        # Its other arms go on.
        of_arm = " and ".join(f"`cancel --run {number}`" for number in runs[:_RUNS_NAMED])
        _need_idle(tx, name, going, of_arm + (" and so on" if len(runs) > _RUNS_NAMED else ""))
        goes = _part(tx, going, alone=True)
        attempts = _attempts_of(tx, goes.jobs)
        _delete_jobs(tx, goes.jobs)
        for some in in_parts(sorted(mine - going)):
            hold(tx, some)
        count = select(func.count(ablation_job.c.job_id.distinct()))
        jobs_left = count.where(ablation_job.c.ablation_id == ablation_id).scalar_subquery()
        tx.execute(update(ablation).where(ablation.c.id == ablation_id).values(job_count=jobs_left))
        removed = lineage.Removed(
            facts_before=before, facts_after=lineage.facts(tx.exec_driver_sql), attempts=attempts
        )
        events.record(
            tx, now, lineage.ARM_DROPPED, f"{name}: the arm {arm} was dropped: {_amount(goes)} went",
            ablation_id=ablation_id,
            data={"arm": arm, "jobs": len(goes.jobs), "bytes": goes.bytes, **asdict(removed)},
        )  # fmt: skip
    return goes


def _look(tx: Connection, ablation_id: int) -> Removal:
    name = _name_of(tx, ablation_id)
    linked = select(ablation_job.c.job_id).where(ablation_job.c.ablation_id == ablation_id)
    mine = set(tx.execute(linked).scalars())
    elsewhere = (
        select(ablation_job.c.job_id, ablation.c.id, ablation.c.name)
        .join(ablation, ablation.c.id == ablation_job.c.ablation_id)
        .where(ablation.c.id != ablation_id, ablation_job.c.job_id.in_(linked))
        .distinct()
    )
    shared = tx.execute(elsewhere).all()
    going = _without_needed(tx, mine - {row.job_id for row in shared})
    _need_idle(tx, name, going, "`cancel` it")
    others = tuple(sorted({(row.id, row.name) for row in shared}))
    return Removal(
        ablation_id, name, _part(tx, going, alone=True), _part(tx, mine - going, alone=False), others
    )


def _name_of(tx: Connection, ablation_id: int) -> str:
    found = tx.execute(select(ablation.c.name).where(ablation.c.id == ablation_id)).scalar()
    if found is None:
        raise IllegalMove(f"there is no ablation {ablation_id} in this home any more")
    return str(found)


def _runs_of(tx: Connection, ablation_id: int, arm: str | None = None) -> list[int]:
    statement = select(run.c.id).where(run.c.ablation_id == ablation_id)
    return list(tx.execute(statement if arm is None else statement.where(run.c.arm == arm)).scalars())


def _asked_only_by(tx: Connection, ablation_id: int, arm: str) -> set[int]:
    """Jobs of an ablation that it has for this arm alone, whatever of it reads one of those, at however many removes,
    and the jobs of no run (demonstrations) that only these read."""
    links = tx.execute(
        select(ablation_job.c.job_id, run.c.arm)
        .outerjoin(run, run.c.id == ablation_job.c.run_id)
        .where(ablation_job.c.ablation_id == ablation_id)
    ).all()
    linked = {row.job_id for row in links}
    found = linked - {row.job_id for row in links if row.arm != arm}
    of_no_run = linked - {row.job_id for row in links if row.arm is not None}
    needs = tx.execute(select(dependency.c.job_id, dependency.c.depends_on_id)).all()
    while further := {row.job_id for row in needs if row.depends_on_id in found} & linked - found:
        found |= further
    readers: dict[int, set[int]] = {}
    for row in needs:
        if row.job_id in linked:
            readers.setdefault(row.depends_on_id, set()).add(row.job_id)
    while further := {one for one in of_no_run - found if readers.get(one, linked) <= found}:
        found |= further
    return found


def _unneeded(tx: Connection, job_ids: Collection[int]) -> set[int]:
    """Those that no ablation asks for, and no job that stays needs."""
    return _without_needed(tx, set(job_ids) - _asked(tx, job_ids))


def _without_needed(tx: Connection, going: set[int]) -> set[int]:
    """`going` and what reads it without being asked for, less those that a job which stays needs, directly or through
    another."""
    left = _with_unasked_readers(tx, going)
    needs = _readers(tx, left)
    while needed := {needed for job_id, needed in needs if needed in left and job_id not in left}:
        left -= needed
    return left


def _with_unasked_readers(tx: Connection, job_ids: Collection[int]) -> set[int]:
    """With the jobs that read one of these, at however many removes, and that no ablation asks for: reports that an
    ablation had before it grew, say."""
    found = newest = set(job_ids)
    while newest:
        readers = {job_id for job_id, _ in _readers(tx, newest)} - found
        newest = readers - _asked(tx, readers)
        found = found | newest
    return found


def _readers(tx: Connection, job_ids: Collection[int]) -> list[tuple[int, int]]:
    """(job, one of `job_ids` that it needs)."""
    return [
        (row.job_id, row.depends_on_id)
        for some in in_parts(sorted(job_ids))
        for row in tx.execute(
            select(dependency.c.job_id, dependency.c.depends_on_id).where(
                dependency.c.depends_on_id.in_(some)
            )
        )
    ]


def _asked(tx: Connection, job_ids: Collection[int]) -> set[int]:
    """Those that an ablation asks for."""
    found: set[int] = set()
    for some in in_parts(sorted(job_ids)):
        linked = select(ablation_job.c.job_id).where(ablation_job.c.job_id.in_(some))
        found.update(tx.execute(linked).scalars())
    return found


def _need_idle(tx: Connection, name: str, going: Collection[int], cancel: str) -> None:
    """Raises IllegalMove where a job that would go runs, or is about to as somebody works here. An attempt whose
    process is known to be gone is none: nothing it does counts any more. cancel: how to end it, in words."""
    running = stopping = waiting = 0
    for some in in_parts(sorted(going)):
        held_by = select(
            job.c.cancel_requested, Worker.process_space, Worker.pid, Worker.pid_started_at
        ).outerjoin(Worker, Worker.id == job.c.worker_id)
        for row in tx.execute(held_by.where(job.c.id.in_(some), job.c.state == RUNNING)):
            if row.pid is None or process_lives(row.process_space, row.pid, row.pid_started_at) is not False:
                running += 1
                stopping += row.cancel_requested
        next_ones = job.c.id.in_(some), job.c.state.in_((READY, QUEUED)), job.c.held.is_(False)
        waiting += tx.execute(select(func.count()).select_from(job).where(*next_ones)).scalar_one()
    of_it = f"of ablation {shown(name)}"
    if running and running == stopping:
        verb = "stops at its" if stopping == 1 else "stop at their"
        raise IllegalMove(f"{_jobs(stopping)} {of_it} {verb} next step; try again then")
    if running:
        raise IllegalMove(f"{_jobs(running)} {of_it} {'runs' if running == 1 else 'run'}; {cancel} first")
    if waiting and _somebody_works(tx):
        verb = "is" if waiting == 1 else "are"
        raise IllegalMove(
            f"{_jobs(waiting)} {of_it} {verb} about to run, as this home is worked in; {cancel} first"
        )


def _somebody_works(tx: Connection) -> bool:
    """Whether a worker or session is there, or may be on another machine."""
    workers = select(Worker.process_space, Worker.pid, Worker.pid_started_at).where(
        Worker.state.in_((IDLE, BUSY))
    )
    sessions = select(Session.process_space, Session.pid, Session.pid_started_at).where(
        Session.ended_at.is_(None)
    )
    found = [*tx.execute(workers), *tx.execute(sessions)]
    return any(process_lives(space, pid, started_at) is not False for space, pid, started_at in found)


def _part(tx: Connection, job_ids: Collection[int], *, alone: bool) -> Part:
    """alone: leave out files that a row of another job names."""
    files: dict[str, int] = {}
    rows = 0
    for some in in_parts(sorted(job_ids)):
        of_them = select(artifact.c.path, artifact.c.bytes).where(artifact.c.job_id.in_(some))
        found = tx.execute(of_them).all()
        rows += len(found)
        files.update((row.path, row.bytes) for row in found)
    if alone:
        for some_paths in in_parts(sorted(files)):
            digests = [path.split("/")[2].split(".")[0] for path in some_paths]
            named = select(artifact.c.path, artifact.c.job_id).where(artifact.c.sha256.in_(digests))
            for row in tx.execute(named):
                if row.job_id not in job_ids:
                    files.pop(row.path, None)
    return Part(tuple(sorted(job_ids)), rows, files)


def _attempts_of(tx: Connection, job_ids: Sequence[int]) -> int:
    counts = (
        tx.execute(select(func.count()).select_from(attempt).where(attempt.c.job_id.in_(some))).scalar_one()
        for some in in_parts(job_ids)
    )
    return sum(counts)


def _delete_jobs(tx: Connection, job_ids: Sequence[int]) -> None:
    """With all that is theirs; nothing links them any more."""
    for some in in_parts(job_ids):
        for table in (artifact, metric):
            tx.execute(delete(table).where(table.c.job_id.in_(some)))
        of_them = select(attempt.c.id).where(attempt.c.job_id.in_(some))
        _delete_by_id(tx, Attempt, list(tx.execute(of_them).scalars()))
    for some in in_parts(job_ids):
        tx.execute(delete(dependency).where(dependency.c.job_id.in_(some)))
    _delete_by_id(tx, Job, job_ids)


def _delete_by_id(tx: Connection, table: type[Ablation | Attempt | Job | Run], ids: Sequence[int]) -> None:
    """No later row gets one of these ids (`db.ids`)."""
    if not ids:
        return
    for some in in_parts(ids):
        tx.execute(delete(table).where(table.id.in_(some)))
    last = getattr(Identity, f"last_{table.__tablename__}_id")
    tx.execute(update(Identity).where(last < max(ids)).values({last: max(ids)}))


def _sentence(found: Removal) -> str:
    stay = f"; {_amount(found.stays)} stay" if found.stays.jobs else ""
    return f"{_amount(found.goes)} went{stay}"


def _amount(part: Part) -> str:
    return f"{_jobs(len(part.jobs))}, {part.artifacts} artifacts and {part.bytes} bytes"


def _jobs(count: int) -> str:
    return f"{count} job{'' if count == 1 else 's'}"
