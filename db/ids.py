"""Ids that are given once: what an ablation's removal leaves behind (a bell, a log, an attempt that wakes up) must not
come to mean another row.

PostgreSQL's sequences do that. SQLite gives the highest id there is plus one, so the highest that was removed is kept
in the one row of `identity`.
"""

from __future__ import annotations

from sqlalchemy import Integer
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import ColumnElement


class NextId(ColumnElement[int]):
    """The default of a table's `id`, which no row has or had. `identity.last_<table>_id` is kept by `db.removal`."""

    type = Integer()
    inherit_cache = False

    def __init__(self, table: str) -> None:
        self.table = table


@compiles(NextId, "sqlite")
def _of_sqlite(element: NextId, _compiler: SQLCompiler, **_options: object) -> str:
    highest = f'SELECT max(id) FROM "{element.table}"'
    removed = f"SELECT last_{element.table}_id FROM identity"
    return f"(max(coalesce(({highest}), 0), coalesce(({removed}), 0)) + 1)"


@compiles(NextId, "postgresql")
def _of_postgresql(element: NextId, _compiler: SQLCompiler, **_options: object) -> str:
    return f"nextval(pg_get_serial_sequence('{element.table}', 'id'))"
