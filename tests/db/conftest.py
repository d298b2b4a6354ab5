"""Tests of the state run on SQLite and on PostgreSQL: whatever one promises, the other must keep."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from db.engine import Database
from settings.elsewhere import DATABASE_VARIABLE
from settings.home import Home
from tests.fresh_state import fresh_state


@pytest.fixture(params=["sqlite", "postgresql"])
def database(
    request: pytest.FixtureRequest, home: Home, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Database]:
    """The state of `home`. A test of one kind alone says `@ON_SQLITE` or `@ON_POSTGRESQL`."""
    if request.param == "postgresql":
        monkeypatch.setenv(DATABASE_VARIABLE, request.getfixturevalue("postgres_url"))
    database = fresh_state(home)
    yield database
    database.close()
