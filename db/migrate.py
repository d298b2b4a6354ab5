"""Bringing a state database to the schema of this version, with Alembic."""

from __future__ import annotations

import os
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import ArgumentError, DBAPIError

from db.engine import Database, fresh_file_mode
from errors import DiskFull, EnvironmentLacks, InvalidInput
from settings.home import STATE_URL_VARIABLE, Home

MIGRATIONS = Path(__file__).resolve().parent / "migrations"


def open_state(home: Home) -> Database:
    """The state of `home`, created or upgraded if need be.

    Raises EnvironmentLacks when a newer version of Baton wrote it, InvalidInput when it is no such state.
    """
    try:
        database = Database(home.state_url)
        if database.is_sqlite and home.state_url.endswith(str(home.state_db)) and not home.state_db.exists():
            fresh_file_mode(home.state_db)
        with database.read() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
    except (ArgumentError, DBAPIError) as error:
        if "disk is full" in str(error):
            raise DiskFull(f"no room to open the state of {home.root}; make some and try again") from None
        # The URL itself may hold a password.
        place = STATE_URL_VARIABLE if STATE_URL_VARIABLE in os.environ else home.state_db
        raise InvalidInput(f"{place} cannot be opened as Baton's state: {_first_line(error)}") from None
    head, known = revisions()
    if current == head:
        return database
    if current is not None and current not in known:
        raise EnvironmentLacks(
            f"{home.state_url} was written by a newer Baton (schema {current}, this one knows {head}); "
            "update Baton"
        )
    with database.write() as connection:
        upgrade(connection)
    return database


def _first_line(error: ArgumentError | DBAPIError) -> str:
    return str(error.orig if isinstance(error, DBAPIError) else error).splitlines()[0]


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def revisions() -> tuple[str, set[str]]:
    """The newest version of the schema, and all that this Baton knows."""
    scripts = ScriptDirectory.from_config(_config())
    head = scripts.get_current_head()
    assert head is not None
    return head, {script.revision for script in scripts.walk_revisions()}


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Another process may have upgraded while this one waited for the lock: Alembic then does nothing."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
