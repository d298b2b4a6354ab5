"""Bringing a state database to the schema of this version, with Alembic."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from db.engine import Database, fresh_file_mode
from errors import EnvironmentLacks
from settings.home import Home

MIGRATIONS = Path(__file__).resolve().parent / "migrations"


def open_state(home: Home) -> Database:
    """The state of `home`, created or upgraded if need be.

    Raises EnvironmentLacks when a newer version of Baton wrote it.
    """
    database = Database(home.state_url)
    if database.is_sqlite and home.state_url.endswith(str(home.state_db)) and not home.state_db.exists():
        fresh_file_mode(home.state_db)
    with database.read() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    head, known = _revisions()
    if current == head:
        return database
    if current is not None and current not in known:
        raise EnvironmentLacks(
            f"{home.state_url} was written by a newer Baton (schema {current}, this one knows {head}); "
            "update Baton"
        )
    with database.write() as connection:
        _upgrade(connection)
    return database


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def _revisions() -> tuple[str, set[str]]:
    scripts = ScriptDirectory.from_config(_config())
    head = scripts.get_current_head()
    assert head is not None
    return head, {script.revision for script in scripts.walk_revisions()}


def _upgrade(connection: Connection) -> None:
    """Another process may have upgraded while this one waited for the lock: Alembic then does nothing."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
