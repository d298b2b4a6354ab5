"""The one statement SQLite and PostgreSQL spell alike but SQLAlchemy keeps apart: INSERT ... ON CONFLICT."""

from __future__ import annotations

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def upsert(tx: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An insert into `table` with `on_conflict_do_nothing` and `on_conflict_do_update`."""
    return postgresql.insert(table) if tx.dialect.name == "postgresql" else sqlite.insert(table)
