"""What tests of the queue share: a home, its state, and a Redis of the test's own."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from db.engine import Database
from db.migrate import open_state
from db.store import ArtifactStore
from settings.arithmetic import FIXED_VARIABLES
from settings.elsewhere import DATABASE_VARIABLE
from settings.home import Home
from tests.fresh_state import fresh_state
from tests.postgres import PostgresServer, empty, find_binaries, postgres_server
from tests.s3 import s3_server
from tests.support import FOREIGN_VARIABLES
from workers.broker import PrivateRedis, start_private

gc.disable()  # until all is collected: what that makes stays

#: The same examples each time, however slow the machine is.
settings.register_profile(
    "baton", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("baton")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long come first: begun last, one of them would run while all other processes wait."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """What importing and collecting made stays to the end: every full collection would walk it in vain."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Also in the process that hands tests to others and collects none."""
    gc.enable()


@pytest.fixture(autouse=True)
def _no_foreign_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the shell of whoever runs the tests says about homes, brokers and timing does not count."""
    for name in FOREIGN_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, text in FIXED_VARIABLES.items():
        monkeypatch.setenv(name, text)  # as every command does; put back after the test


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


@pytest.fixture
def database(home: Home) -> Iterator[Database]:
    database = fresh_state(home)
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


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running PostgreSQL; skips where there is none."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL: neither `initdb` nor `postgres` is on PATH")
    with postgres_server(binaries) as server:
        yield server


@pytest.fixture(scope="session")
def _shared_postgres_url(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with the newest schema, made once."""
    url = postgres.url(postgres.create())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(DATABASE_VARIABLE, url)
        open_state(Home(tmp_path_factory.mktemp("postgres"))).close()
    return url


@pytest.fixture
def postgres_url(_shared_postgres_url: str) -> str:
    """A database with the newest schema and without rows. The next test gets the same one, emptied."""
    empty(_shared_postgres_url)
    return _shared_postgres_url


@pytest.fixture(scope="session")
def _s3_server() -> Iterator[dict[str, str]]:
    pytest.importorskip("s3fs")
    pytest.importorskip("moto.server")
    with s3_server() as variables:
        yield variables


@pytest.fixture
def s3_variables(_s3_server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment under which `s3://baton-test` can be reached: here, and for processes."""
    for name, value in _s3_server.items():
        monkeypatch.setenv(name, value)
    return _s3_server
