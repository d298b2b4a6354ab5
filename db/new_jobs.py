"""The statement by which a plan's jobs get rows."""

from __future__ import annotations

from collections.abc import Container

from sqlalchemy import ColumnElement, Connection, Insert, literal, literal_column
from sqlalchemy.sql.schema import ScalarElementColumnDefault

from db.dialect import upsert
from db.statements import job


def insert_new(tx: Connection, now: float, besides: Container[str]) -> Insert:
    """Inserts jobs that are not there. What is the same in all rows stands in its text, and is not bound row by row.

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
