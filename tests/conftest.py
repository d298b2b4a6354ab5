"""What tests of the queue share: a home, its state, and a Redis of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from db.engine import Database
from db.migrate import open_state
from db.store import ArtifactStore
from settings.home import Home
from tests.support import FOREIGN_VARIABLES
from workers.broker import PrivateRedis, start_private


@pytest.fixture(autouse=True)
def _no_foreign_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the shell of whoever runs the tests says about homes, brokers and timing does not count."""
    for name in FOREIGN_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


@pytest.fixture
def database(home: Home) -> Iterator[Database]:
    database = open_state(home)
    yield database
    database.close()


@pytest.fixture
def store(home: Home) -> ArtifactStore:
    return ArtifactStore(home)


@pytest.fixture
def private_redis(home: Home) -> Iterator[PrivateRedis]:
    """A running server that the test may kill."""
    server = start_private(home, home.logs / "redis.log")
    yield server
    server.process.kill()
    server.process.wait()


@pytest.fixture
def redis_url(private_redis: PrivateRedis) -> str:
    return private_redis.url
