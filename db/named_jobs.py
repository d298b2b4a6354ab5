"""What people call a job: its id, or its label, which others may have too, so that its ablation may stand before it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, func, select

from db.engine import Database
from db.jobs import job
from db.queries import STANDING, ablation_rows, find_jobs
from db.rows import AblationRow, JobStanding, read_rows
from db.schema import Ablation, AblationJob
from settings.names import tidy
from settings.shown import cut
from settings.whole_numbers import whole_number

#: An unclear name is answered with at most this many of the jobs it may mean.
_NAMED = 5


def jobs_named(db: Database, wanted: str, *, beginning: bool = False) -> list[JobStanding]:
    """Jobs whose id is `wanted`, or else whose label is, or else whose label is what follows an ablation's name or id
    there; by id. beginning: or else whose label begins so."""
    if (found := find_jobs(db, wanted)) or whole_number(wanted) is not None:
        return found
    parts = within(db, wanted)
    if found := _members(db, ((row, job.c.label == label) for row, label in parts)):
        return found
    if not beginning:
        return []
    with db.read() as tx:
        begun = job.c.label.startswith(wanted, autoescape=True)
        found = read_rows(tx, JobStanding, select(*STANDING).where(begun).order_by(job.c.id))
    return found or _members(
        db, ((row, job.c.label.startswith(label, autoescape=True)) for row, label in parts)
    )


def with_ablations(db: Database, found: Sequence[JobStanding]) -> str:
    """`30 (train recon seed 0 of smoke (1)), 70 (train recon seed 0 of mine (2)) and 4 more`."""
    first = found[:_NAMED]
    asked_by = _ablations_of(db, [row.id for row in first])
    named = (f"{row.id} ({cut(row.label)}{_of(asked_by.get(row.id, []))})" for row in first)
    return ", ".join(named) + (f" and {len(found) - _NAMED} more" if len(found) > _NAMED else "")


def a_name(db: Database, found: Sequence[JobStanding]) -> str:
    """What the first of them that has a name of its own can be called besides its id; that where none has."""
    names = own_names(db)
    return next((name for row in found if (name := names.get(row.id, row.label))), str(found[0].id))


def own_names(db: Database) -> dict[int, str]:
    """Of jobs whose label others have too: label after an ablation that asks for it, as `jobs_named` reads it; empty
    where another of that ablation has it as well."""
    several = select(job.c.label).group_by(job.c.label).having(func.count() > 1)
    with db.read() as tx:
        rows = tx.execute(
            select(AblationJob.ablation_id, job.c.id, job.c.label)
            .join(job, job.c.id == AblationJob.job_id)
            .where(job.c.label.in_(several))
            .distinct()
            .order_by(AblationJob.ablation_id.desc(), job.c.id)
        ).all()
    called = {row.id: row.name for row in ablation_rows(db)}
    count = Counter(map(tidy, called.values()))
    ids: dict[tuple[int, str], set[int]] = defaultdict(set)
    for ablation_id, job_id, label in rows:
        ids[ablation_id, label].add(job_id)
    names = {job_id: "" for _, job_id, _ in rows}
    for ablation_id, job_id, label in rows:  # the oldest ablation last
        if len(ids[ablation_id, label]) == 1:
            name = called[ablation_id]
            is_own = count[tidy(name)] == 1 and whole_number(name) is None
            names[job_id] = f"{name if is_own else ablation_id} {label}"
    return names


def within(db: Database, wanted: str) -> list[tuple[AblationRow, str]]:
    """(ablation, what follows it) of each whose name or id `wanted` begins with, as words; oldest first."""
    words = tidy(wanted)
    return [
        (row, words[len(called) + 1 :])
        for row in ablation_rows(db)
        for called in dict.fromkeys((tidy(row.name), str(row.id)))
        if words.startswith(f"{called} ")
    ]


def _ablations_of(db: Database, ids: Iterable[int]) -> dict[int, list[str]]:
    """Job -> `name (id)` of all ablations that ask for it, oldest first."""
    asked_by: dict[int, list[str]] = {}
    with db.read() as tx:
        for job_id in ids:
            rows = tx.execute(
                select(Ablation.id, Ablation.name)
                .where(Ablation.id.in_(select(AblationJob.ablation_id).where(AblationJob.job_id == job_id)))
                .order_by(Ablation.id)
            )
            asked_by[job_id] = [f"{cut(row.name)} ({row.id})" for row in rows]
    return asked_by


def _of(ablations: Sequence[str]) -> str:
    return f" of {' and '.join(ablations)}" if ablations else ""


def _members(db: Database, wanted: Iterable[tuple[AblationRow, ColumnElement[bool]]]) -> list[JobStanding]:
    """Jobs of each ablation that match what goes with it, by id."""
    found: dict[int, JobStanding] = {}
    with db.read() as tx:
        for row, matches in wanted:
            of_it = select(AblationJob.job_id).where(AblationJob.ablation_id == row.id)
            rows = read_rows(tx, JobStanding, select(*STANDING).where(matches, job.c.id.in_(of_it)))
            found.update((one.id, one) for one in rows)
    return [found[number] for number in sorted(found)]
