"""Bringing a state database to the schema of this version, with Alembic.

A state that has it already, as every process of a session but the first finds it, is opened without: Alembic and what
it imports take half as long as SQLAlchemy.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from sqlalchemy import Connection, inspect
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from db import ownership
from db.database_errors import first_line
from db.engine import Database, fresh_file_mode
from db.network_file import give_back, hold, is_shared
from db.postgres import check_server, hint
from db.soundness import need_sound
from errors import DiskFull, EnvironmentLacks, HomeInUse, InvalidInput
from settings.home import Home
from settings.ownership import READ, refusal

#: The version of the schema since which a state has a key of its own.
FIRST_WITH_KEY = "0004"

MIGRATIONS = Path(__file__).resolve().parent / "migrations"

#: Where Alembic writes the version down.
_VERSION_TABLE = "alembic_version"
_VERSION = f"SELECT version_num FROM {_VERSION_TABLE}"


def open_state(
    home: Home,
    *,
    thorough: bool = False,
    check_owner: bool = True,
    check_new: bool = True,
    wait: bool = True,
) -> Database:
    """The state of `home`, created or upgraded if need be, once it is known to be sound and its store to be its own.

    thorough: look through all of the file (`db.soundness`). check_owner, check_new: False for who decides by itself
    whose the store's files are (`db.ownership`). wait: where other machines see the file too, and one of them has its
    lease (`db.network_file`), to see whether it still moves. Raises HomeInUse where it does; EnvironmentLacks when a
    newer version of Baton wrote it, or a server does not answer; InvalidInput when it is no such state, or cannot be
    written by this user; StateDamaged; StoreOfAnother.
    """
    if home.state_in_home:
        refused = home.obstacle(only_state=True)
    else:
        refused = home.network_obstacle()
    if refused is not None:
        raise refused
    file = home.state_file
    lease = hold(file, wait=wait) if file is not None and is_shared(file) else None
    try:
        with _named_errors(home):
            database = Database(home.state, lease=lease)
        _prepare(home, thorough, check_new)
    except BaseException:
        if lease is not None and file is not None:
            give_back(file, lease)
        raise
    try:
        current = schema_of(home, database)
        head, known = revisions()
        if current is not None and current not in known:
            raise _newer(home, current, head)
        if check_new and current is None:
            ownership.check_new(home)
        if check_owner and current is not None and current >= FIRST_WITH_KEY:
            ownership.admit(home, database)  # nothing of a stranger's is changed
        if current != head:
            with database.write() as connection:
                upgrade(connection)
            if check_owner:
                ownership.admit(home, database)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(home: Home, thorough: bool, check_new: bool) -> None:
    """What there is to know of a file before SQLite opens it."""
    file = home.state_file
    if file is None:
        return
    need_sound(file, thorough=thorough)
    if check_new and not (file.exists() and file.stat().st_size):
        ownership.check_new(home)  # before SQLite makes a file
    with _named_errors(home):
        if home.state_in_home and not home.state_db.exists():
            fresh_file_mode(home.state_db)


def schema_of(home: Home, database: Database) -> str | None:
    """The version of the schema that a state has, None before it has any. Raises as `open_state`; changes nothing."""
    if not database.is_sqlite:
        _check_server(home, database)
    with _named_errors(home), database.read() as connection:
        found: str | None = None
        if inspect(connection).has_table(_VERSION_TABLE):
            found = connection.exec_driver_sql(_VERSION).scalar_one_or_none()
        if found is None and database.is_sqlite and (tables := inspect(connection).get_table_names()):
            raise InvalidInput(f"{home.state_place} is another program's database: it holds {min(tables)!r}")
        return found


def _check_server(home: Home, database: Database) -> None:
    try:
        with _named_errors(home), database.read() as connection:
            check_server(connection)
    except InvalidInput as error:
        raise InvalidInput(f"the database named in {home.state_place} cannot be used: {error}") from None


def look_at_state(home: Home, *, thorough: bool = False, hold_if_free: bool = False) -> Database:
    """The state of `home` for a command that only looks: as `open_state` where it can be written, else read as it is,
    and so where other machines see it too: whoever looks keeps nobody from working.

    An older schema is then brought up to date in a copy. thorough: as there. hold_if_free: for a command that would
    leave a note: open it there too, if this machine has the lease or nobody has. Raises as `open_state`, and
    InvalidInput where the state cannot be read.
    """
    file = home.state_file
    if file is None:
        return open_state(home, thorough=thorough)
    if not is_shared(file) and not (home.state_in_home and home.obstacle(only_state=True)):
        return open_state(home, thorough=thorough)
    if hold_if_free and home.obstacle(only_state=True) is None:
        with suppress(HomeInUse):
            return open_state(home, thorough=thorough, wait=False)
    if home.state_in_home:
        for path in home.state_files:
            if path.exists() and not os.access(path, READ):
                raise refusal("read", path)
    need_sound(file, thorough=thorough)
    head, known = revisions()
    with _named_errors(home):
        database = Database(file, read_only=True)
    try:
        current = schema_of(home, database)
        if current is None or current not in known:
            with _named_errors(home):
                raise _newer(home, current, head) if current else ArgumentError("it holds no tables of Baton")
        if current != head:
            assert database.read_only is not None
            copy = Database(database.read_only.keep_copy())
            with copy.write() as connection:
                upgrade(connection)
            copy.close()
        ownership.check(home, database)
    except BaseException:
        database.close()
        raise
    return database


def _newer(home: Home, current: str, head: str) -> EnvironmentLacks:
    return EnvironmentLacks(
        f"{home.state_place} was written by a newer Baton (schema {current}, this one knows {head}); update Baton"
    )


def server_version(home: Home) -> str:
    """What holds the state of `home`, where that is a server. Changes nothing. Raises as `open_state`."""
    with _named_errors(home):
        database = Database(home.state)
        with database.read() as connection:
            found = connection.exec_driver_sql("SHOW server_version").scalar_one()
        database.close()
    return f"PostgreSQL {found}"


@contextmanager
def _named_errors(home: Home) -> Iterator[None]:
    try:
        yield
    except DiskFull:
        raise DiskFull(f"no room to open the state of {home.root}; make some and try again") from None
    except (ArgumentError, DBAPIError) as error:
        said = first_line(error) if isinstance(error, DBAPIError) else str(error)
        if not home.state_in_home:
            said += hint(str(error))
        if isinstance(error, OperationalError) and not home.state_in_home:
            raise EnvironmentLacks(
                f"the database named in {home.state_place} does not answer: {said}"
            ) from None
        raise InvalidInput(f"{home.state_place} cannot be opened as Baton's state: {said}") from None


def revisions() -> tuple[str, frozenset[str]]:
    """The newest version of the schema, and all that this Baton knows."""
    return _revisions_in(MIGRATIONS)


@lru_cache(maxsize=1)
def _revisions_in(folder: Path) -> tuple[str, frozenset[str]]:
    """Each script is of one version and names the one before; none is run."""
    before: dict[str, str | None] = {}
    for script in sorted((folder / "versions").glob("*.py")):
        named = _assigned(ast.parse(script.read_bytes()))
        earlier = named["down_revision"]
        before[str(named["revision"])] = None if earlier is None else str(earlier)
    (head,) = before.keys() - set(before.values())
    return head, frozenset(before)


def _assigned(script: ast.Module) -> dict[str, object]:
    """What its names are set to, where that is written out."""
    found: dict[str, object] = {}
    for statement in script.body:
        if not isinstance(statement, ast.Assign):
            continue
        target = statement.targets[0]
        with suppress(ValueError):  # it is computed
            value = ast.literal_eval(statement.value)
            if isinstance(target, ast.Tuple):
                found |= zip(map(ast.unparse, target.elts), value, strict=True)
            else:
                found[ast.unparse(target)] = value
    return found


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Another process may have upgraded while this one waited for the lock: Alembic then does nothing."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
