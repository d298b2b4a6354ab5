"""What to say of an ablation or a job that is not in this home, with the one that may be meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import select

from db.engine import Database
from db.named_jobs import within
from db.naming import called_before
from db.queries import ablation_rows, jobs_of
from db.statements import job
from settings.shown import moment, shown
from settings.suggestions import listed, meant, nearest
from settings.typed import typed
from settings.whole_numbers import whole_number

#: Part of a label is looked for from so many letters on, and so many labels that have it are told.
_LEAST_LETTERS, _NAMED = 3, 3

#: Where no label is near, so many are told, of different kinds.
_KINDS = 6


def no_ablation(database: Database, wanted: str | int) -> str:
    for row, until in called_before(database, str(wanted)):
        return (
            f"there is no ablation {shown(wanted)} in this home: ablation {row.id} was called so until {moment(until)} "
            f"and is called {shown(row.name)} now"
        )
    near = meant(str(wanted), {row.name for row in ablation_rows(database)})
    return f"there is no ablation {shown(wanted)}{near} in this home; {told_by_status(database)}"


def told_by_status(database: Database) -> str:
    """Where names and ids of ablations and runs are looked up, the end of a sentence."""
    return f"those that there are: {typed('status', database.home)}"


def nothing_submitted(database: Database) -> str:
    return f"nothing was submitted yet; do it with: {typed('submit-ablation', database.home)}"


def no_job(database: Database, wanted: str) -> str:
    """Of a label the beginning may be meant, or any of its words; where nothing is near, what labels are like. A number
    is an id, to which no label is near."""
    with database.read() as tx:
        found = [
            (row.kind, row.label) for row in tx.execute(select(job.c.kind, job.c.label).order_by(job.c.id))
        ]
    near = ""
    if whole_number(wanted) is None:
        near = _near_within(database, wanted) or _near(wanted, [label for _, label in found])
    begun = f"there is no job {shown(wanted)}{near} in this home"
    if near:
        return begun
    one_of_a_kind = {kind: shown(label) for kind, label in reversed(found)}  # the first
    if not one_of_a_kind:
        return f"{begun}: {nothing_submitted(database)}"
    some = listed(list(one_of_a_kind.values())[::-1], _KINDS)
    return f"{begun}; jobs are named by an id, or a label such as {some}"


def _near_within(database: Database, wanted: str) -> str:
    """As `_near`, of the jobs of an ablation that `wanted` begins with, each by the ablation's id and its label."""
    for row, part in within(database, wanted):
        labels = [entry.label for entry in jobs_of(database, row.id)]
        if near := _near(part, labels, f"{row.id} "):
            return near
    return ""


def _near(wanted: str, labels: Iterable[str], begin: str = "") -> str:
    labels = list(dict.fromkeys(labels))
    part = wanted.strip().casefold()
    having = [
        shown(f"{begin}{label}")
        for label in labels
        if len(part) >= _LEAST_LETTERS and part in label.casefold()
    ]
    if having:
        return f" (did you mean {listed(having, _NAMED)}?)"
    near = nearest(wanted, {*labels, *_parts(labels, len(part.split()))})
    return "" if near is None else f" (did you mean {shown(begin + near)}?)"


def _parts(labels: Iterable[str], words: int) -> Iterator[str]:
    """So many words of each that follow each other."""
    for label in labels:
        parts = label.split()
        yield from (" ".join(parts[first : first + words]) for first in range(len(parts) - words + 1))
