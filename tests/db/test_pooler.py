"""PostgreSQL behind a pooler that lends a server's session for one transaction: all promises hold, or it is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from db.engine import Database
from db.migrate import open_state
from errors import EnvironmentLacks, InvalidInput, StateLost, StoreBusy
from settings.elsewhere import DATABASE_VARIABLE
from settings.home import Home
from tests.pooler import pooler, through
from tests.postgres import PostgresServer, count_up_at_once
from tests.support import planned, row, submit


@pytest.fixture(scope="module", params=["transaction", "session"])
def pool(request: pytest.FixtureRequest, postgres: PostgresServer) -> Iterator[str]:
    """Six sessions of the server, which clients take turns in."""
    with pooler(postgres, request.param, "default_pool_size = 6") as query:
        yield query


@pytest.fixture
def database(pool: str, postgres_url: str, home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setenv(DATABASE_VARIABLE, through(postgres_url, pool))
    database = open_state(home)
    yield database
    database.close()


def server_sessions(url: str, of: str) -> int:
    """How many sessions of the server are as `of` says; seen past the pooler."""
    direct = Database(url)
    with direct.read() as tx:
        found: int = tx.execute(text(f"select count(*) from {of}")).scalar_one()
    direct.close()
    return found


def test_a_fresh_state_is_made_and_nobody_loses_a_turn(
    pool: str, postgres: PostgresServer, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Statements are repeated more often than a driver waits before it prepares them."""
    monkeypatch.setenv(DATABASE_VARIABLE, through(postgres.url(postgres.create()), pool))
    database = open_state(home)
    submit(database, planned("a"))
    count_up_at_once(database, writers=3, turns=20)
    assert row(database, "a").slices == 60
    database.close()


def test_nothing_is_removed_while_somebody_publishes(database: Database, postgres_url: str) -> None:
    with database.publication():
        for _ in range(8):  # others' transactions go through every session of the pool
            with database.read():
                pass
        with pytest.raises(StoreBusy), database.standstill(0.1):
            pytest.fail("both at once")
    with database.standstill(0.1) as still:
        still()
    assert server_sessions(postgres_url, "pg_locks where locktype = 'advisory'") == 0, (
        "a lock was left behind"
    )


def test_settings_of_a_transaction_end_with_it(database: Database) -> None:
    def seen() -> set[str]:
        names = (
            "lock_timeout",
            "idle_in_transaction_session_timeout",
            "tcp_keepalives_idle",
            "tcp_user_timeout",
        )
        with database.read() as one, database.read() as other:
            return {tx.execute(text(f"show {name}")).scalar_one() for tx in (one, other) for name in names}

    before = seen()
    with database.write():
        pass
    with database.publication(), pytest.raises(StoreBusy), database.standstill(0.1):
        pass
    assert seen() == before == {"0"}


def test_a_publication_that_was_cut_off_commits_nothing(database: Database, postgres_url: str) -> None:
    """Poolers and servers end transactions that idle; others may have removed the files by then."""
    submit(database, planned("a"))
    direct = Database(postgres_url)
    with pytest.raises(StateLost), database.publication():
        with direct.write() as tx:
            tx.execute(
                text(
                    "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and mode ~ 'Share'"
                )
            )
        with direct.standstill(5.0), database.write() as tx:
            tx.execute(text("update job set slices = 7"))
    assert row(direct, "a").slices == 0
    direct.close()


def test_a_standstill_that_was_cut_off_is_known_to_be(database: Database, postgres_url: str) -> None:
    direct = Database(postgres_url)
    with pytest.raises(StateLost), database.standstill(5.0) as still:
        with direct.read() as tx:
            tx.execute(text("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'"))
        still()
        pytest.fail("it goes on removing")
    direct.close()


def test_what_was_uploaded_is_named_in_one_transaction(database: Database) -> None:
    with database.publication():
        with database.write():
            pass
        with pytest.raises(RuntimeError, match="ends with the commit"), database.write():
            pytest.fail("the lock has ended")


def test_a_pool_of_single_statements_is_refused(
    postgres: PostgresServer, postgres_url: str, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pooler(postgres, "statement") as query:
        monkeypatch.setenv(DATABASE_VARIABLE, through(postgres_url, query))
        with pytest.raises(InvalidInput, match=r"BATON_STATE_URL .* use its transaction or session mode"):
            open_state(home)


def test_a_parameter_that_a_pooler_refuses_is_told_with_the_remedy(
    pool: str, postgres_url: str, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = through(postgres_url, pool)
    monkeypatch.setenv(DATABASE_VARIABLE, f"{url}&options=-c%20extra_float_digits%3D3")
    with pytest.raises(EnvironmentLacks, match="take it out of the URL"):
        open_state(home)


def test_a_pool_without_room_is_told_with_the_remedy(
    postgres: PostgresServer, postgres_url: str, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pooler(postgres, "transaction", "max_client_conn = 1") as query:
        monkeypatch.setenv(DATABASE_VARIABLE, through(postgres_url, query))
        database = open_state(home)
        with database.read(), pytest.raises(EnvironmentLacks, match="too few connections"):
            open_state(home)
        database.close()
