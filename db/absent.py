"""What to say of an ablation or a job that is not in this home, with the one that may be meant."""

from __future__ import annotations

from sqlalchemy import select

from db.engine import Database
from db.naming import called_before
from db.queries import ablation_rows
from db.statements import job
from settings.shown import moment, shown
from settings.suggestions import meant
from settings.typed import typed


def no_ablation(database: Database, wanted: str | int) -> str:
    for row, until in called_before(database, str(wanted)):
        return (
            f"there is no ablation {shown(wanted)} in this home: ablation {row.id} was called so until {moment(until)} "
            f"and is called {shown(row.name)} now"
        )
    near = meant(str(wanted), {row.name for row in ablation_rows(database)})
    return f"there is no ablation {shown(wanted)}{near} in this home; `status` lists them"


def nothing_submitted(database: Database) -> str:
    return f"nothing was submitted yet; do it with: {typed('submit-ablation', database.home)}"


def no_job(database: Database, wanted: str) -> str:
    with database.read() as tx:
        labels = set(tx.execute(select(job.c.label)).scalars())
    near = meant(wanted, labels)
    return f"there is no job {shown(wanted)}{near} in this home; `status` and `artifacts` name jobs, an id works too"
