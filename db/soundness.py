"""Whether the file of a state is what SQLite and Baton wrote there. Looking changes nothing, not even its log.

SQLite itself tells damage only where it comes across it, and folds a write-ahead log that was left lying into
whatever file has the name: so this looks before anything is opened for writing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from db.database_errors import damage_sentence, refuses, tells_damage
from db.engine import read_only_file, sqlite_module
from db.network_file import is_shared
from db.states import OUTCOMES, STATES
from errors import StateDamaged
from settings.home import Home
from settings.regular import UnfitFile, need_regular

if TYPE_CHECKING:
    from sqlite3 import Connection

#: Declared type of a column -> SQLite's storage classes that its values may have.
STORAGE = {
    "INTEGER": ("integer",), "BOOLEAN": ("integer",), "VARCHAR": ("text",), "JSON": ("text",),
    "DOUBLE": ("real", "integer"), "BIGINT": ("integer",),
}  # fmt: skip

#: A state of this size is looked through in a moment; a larger one only by commands that ask for it.
_SMALL_BYTES = 32 << 20

#: What other machines see may be a copy of two moments; clients look for changes every few seconds.
_AGAIN_SECONDS = 3.0


def need_sound(path: Path, *, thorough: bool = False) -> None:
    """Raises StateDamaged. Nothing is said of a file that is not there, or cannot be opened.

    thorough: look at every value, and through a file of any size.
    """
    said = damage_of(path, thorough=thorough)
    if said is None:
        return
    if _has_log(path) and _is_sound_alone(path):
        raise StateDamaged(
            f"{path} does not fit its write-ahead log ({said}), and is sound without: if it was copied here, move "
            f"{path.name}-wal and {path.name}-shm away; nothing was changed (docs/bundles.md, Copies and damage)"
        )
    raise StateDamaged(damage_sentence(path, said))


def need_sound_state(home: Home) -> None:
    """`need_sound` of a home's state, thoroughly; nothing where that is a server's. Raises StateDamaged."""
    file = home.state_file
    if file is not None:
        need_sound(file, thorough=True)


def damage_of(path: Path, *, thorough: bool = False) -> str | None:
    """What is wrong with the file, in SQLite's words or ours; None where it is sound."""
    try:
        need_regular(path)
        size = path.stat().st_size
    except UnfitFile as error:
        return str(error)
    except OSError:
        return None
    if size == 0:
        return "it is empty, and its write-ahead log is not" if _has_log(path) else None
    if not thorough and size > _SMALL_BYTES:
        return None
    if is_shared(path):
        if _damage_of_copy(path, thorough) is None:
            return None
        time.sleep(_AGAIN_SECONDS)
        return _damage_of_copy(path, thorough)
    if not _has_log(path):
        if _look(path, thorough, alone=True) is None:
            return None
        if not _log(path).exists():  # else somebody began to write meanwhile, and may have ended it again
            return _look(path, thorough, alone=True)
    return _look(path, thorough, alone=False)


def _damage_of_copy(path: Path, thorough: bool) -> str | None:
    """Where other machines see the file too it is not opened for this, as SQLite would touch what lies beside it."""
    with closing(read_only_file(path)) as file:
        try:
            return _look(file.copy(), thorough, alone=False)
        except sqlite_module().OperationalError:  # others write all the time: nothing is known
            return None


def check_values(connection: Connection) -> str | None:
    """SQLite lets any value into any column; code that reads rows relies on their types. What is wrong, or None."""
    tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    for (table,) in tables:
        columns = connection.execute("SELECT name, type FROM pragma_table_info(?)", (table,)).fetchall()
        tests = ", ".join(
            f"count(CASE WHEN {_wrong(name, declared)} THEN 1 END)" for name, declared in columns
        )
        counts = connection.execute(f'SELECT {tests} FROM "{table}"').fetchone()
        for (name, declared), count in zip(columns, counts):
            if count:
                return f"a value in {table}.{name} that is no {declared}"
    return None


def check_file(connection: Connection, *, indexes: bool = True) -> str | None:
    """What SQLite finds wrong with its file and with references between rows, or None."""
    pragma = "integrity_check" if indexes else "quick_check"
    ((result,), *_) = connection.execute(f"PRAGMA {pragma}(1)").fetchall()
    if result != "ok":
        return " ".join(str(result).split())
    broken = connection.execute("PRAGMA foreign_key_check").fetchone()
    return None if broken is None else f"a row of {broken[0]} refers to none of {broken[2]}"


def _look(path: Path, thorough: bool, alone: bool) -> str | None:
    """alone: read the file without its log, making no other file."""
    module = sqlite_module()
    try:
        with _opened(path, alone) as connection:
            found = check_file(connection)
            if found is None and thorough:
                found = check_values(connection) or _check_words(connection)
            return found
    except module.OperationalError as error:
        # Rights, locks, a quota and the like: whoever opens it says so.
        damage = tells_damage(str(error)) and refuses(path, str(error)) is None
        return str(error) if damage else None
    except module.DatabaseError as error:
        return str(error)


@contextmanager
def _opened(path: Path, alone: bool) -> Iterator[Connection]:
    uri = f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if alone else ''}"
    connection = sqlite_module().connect(uri, uri=True)
    try:
        connection.text_factory = lambda text: text.decode(errors="replace")
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute("PRAGMA cell_size_check=ON")
        yield connection
    finally:
        connection.close()


def _check_words(connection: Connection) -> str | None:
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table, column, known in (("job", "state", STATES), ("attempt", "outcome", OUTCOMES)):
        if table in names:
            found = {word for (word,) in connection.execute(f"SELECT DISTINCT {column} FROM {table}")}
            if found - {*known, None}:
                return f"a value in {table}.{column} that Baton never writes"
    return None


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _has_log(path: Path) -> bool:
    return _log(path).exists() and _log(path).stat().st_size > 0


def _is_sound_alone(path: Path) -> bool:
    return path.stat().st_size > 0 and _look(path, True, alone=True) is None


def _wrong(column: str, declared: str) -> str:
    """SQL condition for a value that a column of this type must not hold."""
    storage = STORAGE.get(declared.partition("(")[0].upper())
    if storage is None:
        return "0"
    allowed = ", ".join(f"'{name}'" for name in ("null", *storage))
    condition = f'typeof("{column}") NOT IN ({allowed})'
    if declared == "JSON":
        condition += f' OR NOT json_valid("{column}")'
    if declared == "BOOLEAN":
        condition += f' OR "{column}" NOT IN (0, 1)'
    return condition
