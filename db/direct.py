"""Statements that run for every job, given to SQLite's driver as it takes them.

What SQLAlchemy does around a statement costs several times what SQLite takes for it. It is done once here: the text is
rendered, and what stands for a parameter or a column is known. On a server, which is waited for longer, they go
SQLAlchemy's way. Errors are the driver's own, which `db.database_errors` names like those that SQLAlchemy wraps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import starmap
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar, cast

from sqlalchemy import Connection, Delete, Executable, Insert, Select, Update
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from db.rows import read_rows

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

#: More than there are.
_STATEMENTS = 256

Value = TypeVar("Value", bound="DataclassInstance")

_Convert = Callable[[object], object]
_Statement: TypeAlias = "Select[object] | Insert | Update | Delete"


class _Cursor(Protocol):
    rowcount: int

    def fetchall(self) -> list[tuple[object, ...]]: ...


class _Driver(Protocol):
    """What is used here of `sqlite3.Connection`."""

    def execute(self, text: str, values: list[object], /) -> _Cursor: ...


def changed(tx: Connection, statement: Executable, parameters: Mapping[str, object]) -> int:
    """Runs a statement that returns no rows. Returns how many rows it touched."""
    if tx.dialect.name != "sqlite":
        return tx.execute(statement, parameters).rowcount
    prepared = _prepared(statement, tuple(parameters), tx.dialect)
    return _driver(tx).execute(prepared.text, prepared.bound(parameters)).rowcount


def rows(
    tx: Connection, value: type[Value], statement: Executable, parameters: Mapping[str, object]
) -> list[Value]:
    """As `db.rows.read_rows`."""
    if tx.dialect.name != "sqlite":
        return read_rows(tx, value, statement, parameters)
    prepared = _prepared(statement, tuple(parameters), tx.dialect)
    found = _driver(tx).execute(prepared.text, prepared.bound(parameters)).fetchall()
    return list(starmap(value, prepared.read(found)))


def _driver(tx: Connection) -> _Driver:
    return cast("_Driver", tx.connection.driver_connection)


class _Prepared:
    """A statement with parameters of these names: its text, and what becomes of its values and of its rows."""

    def __init__(self, statement: Executable, names: tuple[str, ...], dialect: Dialect) -> None:
        assert isinstance(statement, (Select, Insert, Update, Delete))
        compiled = statement.compile(dialect=dialect, column_keys=list(names))
        assert isinstance(compiled, SQLCompiler)
        assert compiled.positiontup is not None and not compiled.insert_prefetch
        assert not compiled.update_prefetch and not compiled.post_compile_params, compiled
        self.text = str(compiled)
        known = compiled.params
        #: Of each place: the name of its parameter, None where its value is always the same; that value; its way in.
        self._places: list[tuple[str | None, object, _Convert | None]] = []
        for name in compiled.positiontup:
            convert = compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect)
            if name in names:
                self._places.append((name, None, convert))
            else:
                value = known[name]
                self._places.append((None, value if convert is None else convert(value), None))
        ways = [kind.dialect_impl(dialect).result_processor(dialect, None) for kind in _types(statement)]
        self._ways_out = [(place, way) for place, way in enumerate(ways) if way is not None]

    def bound(self, parameters: Mapping[str, object]) -> list[object]:
        return [
            value if name is None else parameters[name] if way is None else way(parameters[name])
            for name, value, way in self._places
        ]

    def read(self, found: list[tuple[object, ...]]) -> Iterator[Sequence[object]]:
        for values in found:
            row = list(values)
            for place, way in self._ways_out:
                row[place] = way(row[place])
            yield row


@lru_cache(maxsize=_STATEMENTS)
def _prepared(statement: Executable, names: tuple[str, ...], dialect: Dialect) -> _Prepared:
    return _Prepared(statement, names, dialect)


def _types(statement: _Statement) -> list[TypeEngine[object]]:
    """Of the columns that it returns."""
    told = (
        statement.column_descriptions
        if isinstance(statement, Select)
        else statement.returning_column_descriptions
    )
    return [column["type"] for column in told]
