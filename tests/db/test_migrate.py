"""Fresh states, states of older and newer versions, and that migrations and schema agree."""

from __future__ import annotations

import stat

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from db.engine import Database
from db.migrate import open_state
from db.schema import Base
from errors import EnvironmentLacks
from settings.home import Home
from tests.support import planned, states, submit


def test_the_migrations_give_the_schema_of_the_code(database: Database) -> None:
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_only_the_owner_can_read_a_fresh_state(database: Database, home: Home) -> None:
    assert stat.S_IMODE(home.state_db.stat().st_mode) == 0o600


def test_opening_again_keeps_what_is_there(database: Database, home: Home) -> None:
    submit(database, planned("a"))
    database.close()
    again = open_state(home)
    assert states(again) == {"a": "ready"}
    again.close()


def test_a_state_of_a_newer_version_is_left_alone(database: Database, home: Home) -> None:
    with database.write() as tx:
        tx.execute(text("update alembic_version set version_num = '9999'"))
    with pytest.raises(EnvironmentLacks, match="newer Baton"):
        open_state(home)
    with database.read() as tx:
        assert tx.execute(text("select version_num from alembic_version")).scalar_one() == "9999"
