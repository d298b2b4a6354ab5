"""What SQLite and PostgreSQL do alike but SQLAlchemy keeps apart, or does row by row in Python."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Insert, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.compiler import SQLCompiler


def upsert(tx: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An insert into `table` with `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return postgresql.insert(table) if tx.dialect.name == "postgresql" else sqlite.insert(table)


def insert_plain(
    tx: Connection, statement: Insert, columns: Sequence[str], rows: Sequence[tuple[int | str | None, ...]]
) -> None:
    """Many rows of numbers and texts, which drivers take as they are: by SQLAlchemy's way they cost twice as much."""
    if not rows:
        return
    compiled = statement.inline().compile(tx.engine, column_keys=list(columns))
    assert isinstance(compiled, SQLCompiler)
    if compiled.positiontup is None:
        tx.exec_driver_sql(str(compiled), [dict(zip(columns, row, strict=True)) for row in rows])
    else:
        assert compiled.positiontup == list(columns)
        tx.exec_driver_sql(str(compiled), list(rows))
