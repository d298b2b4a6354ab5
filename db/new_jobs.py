"""How a plan's jobs, of which there may be tens of thousands, get rows."""

from __future__ import annotations

import json
from collections.abc import Container, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Connection, Insert, literal, literal_column
from sqlalchemy.sql.schema import ScalarElementColumnDefault

from db.dialect import insert_plain, upsert
from db.statements import job
from db.states import BLOCKED, READY
from settings.json_values import JsonObject

if TYPE_CHECKING:
    from db.plans import Dependency, PlannedJob

#: Columns of a job that a plan tells, in the order of the table.
_OWN = (
    "key", "kind", "version", "label", "spec", "resource", "devices", "priority", "fair", "state", "waiting_on",
    "target_steps",
)  # fmt: skip

#: Stands between texts that are made in one go.
_BETWEEN = "\0"


def insert_new(tx: Connection, now: float, planned: Sequence[PlannedJob]) -> None:
    """Give rows to the jobs that have none, as they are where nothing of what they need is there yet."""
    insert_plain(tx, _statement(tx, now, besides=_OWN), _OWN, _rows_of(planned))


def _statement(tx: Connection, now: float, besides: Container[str]) -> Insert:
    """What is the same in all rows stands in its text, and is not bound row by row.

    besides: columns that each row gives.
    """
    defaults = ((name, column.default) for name, column in job.c.items() if name not in besides)
    same: dict[str, object] = {
        name: each.arg for name, each in defaults if isinstance(each, ScalarElementColumnDefault)
    }
    same["created_at"] = now
    written = {
        name: str(literal(value, job.c[name].type).compile(tx.engine, compile_kwargs={"literal_binds": True}))
        for name, value in same.items()
    }
    values: dict[str, ColumnElement[object]] = {name: literal_column(text) for name, text in written.items()}
    return upsert(tx, job).values(values).on_conflict_do_nothing(index_elements=["key"])


def _rows_of(several: Sequence[PlannedJob]) -> list[tuple[int | str | None, ...]]:
    """Their `_OWN`, as drivers take them: as they are where nothing of what they need is there yet."""
    return [
        (
            planned.key, planned.kind, planned.version, planned.label, spec, planned.resource, planned.devices,
            planned.priority, planned.fair, BLOCKED if planned.needs else READY, _waits_for(planned.needs),
            planned.target_steps,
        )
        for planned, spec in zip(several, _texts([planned.spec for planned in several]), strict=True)
    ]  # fmt: skip


def _waits_for(needs: Sequence[Dependency]) -> int:
    """How many jobs; one may be needed in several roles."""
    return len(needs) if len(needs) < 2 else len({need.key for need in needs})


def _texts(several: Sequence[JsonObject]) -> list[str]:
    """Each as JSON. Made in one go and cut: beginning anew for each takes longer than all else of it."""
    parted = [part for one in several for part in (one, _BETWEEN)][:-1]
    texts = json.dumps(parted)[1:-1].split(f", {json.dumps(_BETWEEN)}, ")
    if len(texts) != len(several):  # one of them holds what stands between
        return [json.dumps(one) for one in several]
    return texts
