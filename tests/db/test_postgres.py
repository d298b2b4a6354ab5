"""What only a state on a server does: waiting for it, losing it, and cutting off who stalls."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

import pytest
from sqlalchemy import text

from db import postgres as kind
from db.engine import Database
from db.migrate import open_state
from errors import EnvironmentLacks, InvalidInput, StateLost
from settings.home import Home
from tests.postgres import PostgresServer, count_up_at_once
from tests.support import ON_POSTGRESQL, await_value, planned, row, states, submit


@ON_POSTGRESQL
def test_what_is_never_acknowledged_is_given_up_as_soon_as_a_silent_connection(database: Database) -> None:
    """Keepalives rest while something is under way; TCP itself would go on for a quarter of an hour."""
    with database.read() as tx:
        session: Any = tx.connection.driver_connection
        asked = session.info.get_parameters()
    assert {name: asked[name] for name in ("keepalives_idle", "tcp_user_timeout")} == {
        "keepalives_idle": "15",
        "tcp_user_timeout": "30000",
    }


@ON_POSTGRESQL
def test_a_reader_sees_one_moment(database: Database) -> None:
    submit(database, planned("a"))
    with database.read() as tx:
        before = tx.execute(text("select slices from job")).scalar_one()
        with database.write() as other:
            other.execute(text("update job set slices = 7"))
        assert tx.execute(text("select slices from job")).scalar_one() == before
    assert row(database, "a").slices == 7


@ON_POSTGRESQL
def test_a_writer_reads_what_the_one_before_it_wrote(database: Database) -> None:
    """Read, decide, write: of many that count up by one none is lost."""
    submit(database, planned("a"))
    count_up_at_once(database, writers=4, turns=10)
    assert row(database, "a").slices == 40


@ON_POSTGRESQL
def test_a_writer_that_stalls_is_cut_off_and_changes_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(database, planned("a"))
    monkeypatch.setattr(kind, "STALLED_WRITER_SECONDS", 4)
    with pytest.raises(StateLost, match="run the same command again"), database.write() as stalled:
        stalled.execute(text("update job set slices = 1"))
        with database.write() as tx:
            tx.execute(text("update job set slices = 2"))
        stalled.execute(text("update job set slices = 3"))
    assert row(database, "a").slices == 2


@ON_POSTGRESQL
def test_a_server_that_is_restarted_is_waited_for(database: Database, postgres: PostgresServer) -> None:
    submit(database, planned("a"))
    postgres.stop()
    seen: list[dict[str, str]] = []
    reader = threading.Thread(target=lambda: seen.append(states(database)))
    reader.start()
    time.sleep(0.2)
    assert seen == []
    postgres.start()
    reader.join()
    assert seen == [{"a": "ready"}]


@ON_POSTGRESQL
def test_a_server_that_goes_away_in_a_transaction_has_a_name(
    database: Database, postgres: PostgresServer
) -> None:
    submit(database, planned("a"))
    with pytest.raises(StateLost, match="went away"), database.write() as tx:
        tx.execute(text("update job set slices = 1"))
        postgres.stop()
        tx.execute(text("update job set slices = 2"))
    postgres.start()
    assert row(database, "a").slices == 0


@ON_POSTGRESQL
def test_the_lock_of_a_publication_ends_with_its_connection(
    database: Database, postgres: PostgresServer
) -> None:
    def publish() -> None:
        with pytest.raises(StateLost), database.publication():
            begun.set()
            go_on.wait()

    begun, go_on = threading.Event(), threading.Event()
    publisher = threading.Thread(target=publish)
    publisher.start()
    begun.wait()
    postgres.stop()
    postgres.start()
    with database.standstill(0.1):
        pass
    go_on.set()
    publisher.join()


def test_processes_that_meet_a_fresh_database_make_its_tables_once(
    postgres: PostgresServer, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATON_STATE_URL", postgres.url(postgres.create()))
    opened: list[Database] = []
    threads = [threading.Thread(target=lambda: opened.append(open_state(home))) for _ in range(4)]
    for thread in threads:
        thread.start()
    await_value(lambda: len(opened), lambda count: count == 4, "all four open it")
    for database in opened:
        with database.read() as tx:
            assert tx.execute(text("select count(*) from identity")).scalar_one() == 1
        database.close()


def test_a_server_that_does_not_answer_is_named_without_its_password(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BATON_STATE_URL", "postgresql://baton:secret@127.0.0.1:1/baton")
    with pytest.raises(EnvironmentLacks, match="BATON_STATE_URL does not answer") as refused:
        open_state(home)
    assert "secret" not in str(refused.value)


def test_a_standby_is_refused(postgres_url: str, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it does not have yet would be taken for garbage."""
    monkeypatch.setenv("BATON_STATE_URL", postgres_url)
    monkeypatch.setattr(kind, "_WHO_ANSWERS", text("select pg_backend_pid(), true"))
    with pytest.raises(InvalidInput, match="BATON_STATE_URL cannot be used: it is a standby"):
        open_state(home)


def test_another_kind_of_database_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BATON_STATE_URL", "mysql://baton@db/baton")
    with pytest.raises(InvalidInput, match="postgresql:// or sqlite://"):
        open_state(home)


def test_without_the_driver_it_says_what_to_install(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.setenv("BATON_STATE_URL", "postgresql://baton@db/baton")
    with pytest.raises(EnvironmentLacks, match=r" -m pip install 'psycopg\[binary\]"):
        open_state(home)
