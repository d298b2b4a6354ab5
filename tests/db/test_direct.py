"""Statements that go past SQLAlchemy say and do what they do through it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from sqlalchemy import Executable, select, update

from db import direct
from db.engine import Database, sqlite_module
from db.rows import read_rows
from db.statements import job
from errors import StateBusy
from tests.support import ON_SQLITE, planned, row, submit

SELECT = select(job.c.label, job.c.spec, job.c.held, job.c.result, job.c.priority).order_by(job.c.id)
UPDATE = update(job).values(held=True, learned={"micro": [1, None]}).returning(job.c.id, job.c.learned)


@dataclass(frozen=True)
class Selected:
    label: str
    spec: object
    held: bool
    result: object
    priority: int


@dataclass(frozen=True)
class Updated:
    id: int
    learned: object


@dataclass(frozen=True)
class Absent:
    absent: bool


@pytest.mark.parametrize(
    ("value", "statement", "count"),
    [(Selected, SELECT, 2), (Updated, UPDATE, 2), (Updated, UPDATE.where(job.c.label == "nobody"), 0)],
)
def test_rows_are_the_same(
    database: Database, value: type[Selected] | type[Updated], statement: Executable, count: int
) -> None:
    submit(database, planned("a", spec={"text": "ä", "n": 1.5}), planned("b"))
    with database.write() as tx:
        found = direct.rows(tx, value, statement, {})
        assert found == read_rows(tx, value, statement) and len(found) == count


@pytest.mark.parametrize("result", [None, {}, {"text": "ä", "list": [1, None, True]}])
def test_what_is_written_is_the_same(database: Database, result: object) -> None:
    submit(database, planned("a"), planned("b"))
    for label, how in (("a", direct.changed), ("b", lambda tx, *both: tx.execute(*both).rowcount)):
        with database.write() as tx:
            changes = update(job).where(job.c.label == label).values(result=result, held=True)
            assert how(tx, changes, {}) == 1
    first, second = row(database, "a"), row(database, "b")
    assert first.result == second.result == result and first.held is second.held is True
    with database.read() as tx:
        typed = direct.rows(tx, Absent, select(job.c.result.is_(None).label("absent")), {})
    assert [bool(entry.absent) for entry in typed] == [result is None] * 2


class Locked:
    """A driver that another writer keeps waiting."""

    def execute(self, *_told: object) -> None:
        raise sqlite_module().OperationalError("database is locked")


@ON_SQLITE
def test_what_the_driver_says_has_a_name(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct, "_driver", lambda _tx: Locked())
    with pytest.raises(StateBusy), database.write() as tx:
        direct.changed(tx, UPDATE, {})
