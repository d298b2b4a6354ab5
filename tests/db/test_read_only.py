"""States that are only looked at: all that was committed is seen, and nothing is made beside the file."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from db.engine import Database, sqlite_module
from db.migrate import look_at_state, open_state, upgrade
from errors import EnvironmentLacks, InvalidInput
from settings.home import Home
from tests.support import planned, states, submit

#: Files of a home that was copied while it was open.
LEFT_OVER = {"the log": ("-wal",), "the log and its index": ("-wal", "-shm")}


def listing(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def live(tmp_path: Path) -> Database:
    """A state with a row that is in its log alone."""
    database = Database(tmp_path / "live" / "state.db")
    (tmp_path / "live").mkdir()
    with database.write() as tx:
        tx.execute(text("create table t (n)"))
        tx.execute(text("insert into t values (1)"))
    return database


def rows(database: Database) -> list[int]:
    with database.read() as tx:
        return list(tx.execute(text("select n from t order by n")).scalars())


def test_a_state_that_was_closed(live: Database, tmp_path: Path) -> None:
    live.close()
    before = listing(tmp_path / "live")
    assert list(before) == ["state.db"]
    looked = Database(tmp_path / "live" / "state.db", read_only=True)
    assert rows(looked) == [1]
    assert listing(tmp_path / "live") == before
    looked.close()


@pytest.mark.parametrize("names", LEFT_OVER.values(), ids=LEFT_OVER)
def test_a_log_that_was_left_over_counts(live: Database, tmp_path: Path, names: tuple[str, ...]) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("", *names):
        shutil.copy(tmp_path / "live" / f"state.db{name}", copy)
    before = listing(copy)
    looked = Database(copy / "state.db", read_only=True)
    assert rows(looked) == rows(looked) == [1]
    looked.close()
    if names == ("-wal",):  # SQLite may set right an index that it can write
        assert listing(copy) == before
    live.close()


def test_a_killed_copys_index_that_is_not_in_order(live: Database, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("", "-wal"):
        shutil.copy(tmp_path / "live" / f"state.db{name}", copy)
    (copy / "state.db-shm").mkdir()  # nothing that SQLite could use
    looked = Database(copy / "state.db", read_only=True)
    assert rows(looked) == [1]
    looked.close()
    live.close()


def test_what_others_commit_meanwhile_is_seen(live: Database, tmp_path: Path) -> None:
    looked = Database(tmp_path / "live" / "state.db", read_only=True)
    assert rows(looked) == [1]
    with live.write() as tx:
        tx.execute(text("insert into t values (2)"))
    assert rows(looked) == [1, 2]
    live.close()
    assert rows(looked) == [1, 2], "the log is gone, and all of it is in the file"
    looked.close()


def test_a_log_that_grows_is_copied_again(live: Database, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    looked = Database(copy / "state.db", read_only=True)
    for number in (2, 3):
        with live.write() as tx:
            tx.execute(text(f"insert into t values ({number})"))
        for name in ("", "-wal"):
            shutil.copy(tmp_path / "live" / f"state.db{name}", copy)
        assert rows(looked)[-1] == number
    looked.close()
    live.close()


def test_nothing_is_written(live: Database, tmp_path: Path) -> None:
    live.close()
    looked = Database(tmp_path / "live" / "state.db", read_only=True)
    with pytest.raises(InvalidInput, match=r"cannot write .*state\.db"), looked.write():
        pytest.fail("it can be written")
    looked.close()


@pytest.fixture
def only_look(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def refuse() -> None:
        monkeypatch.setattr(Home, "obstacle", lambda *_, **__: InvalidInput("it cannot be written"))

    return refuse


def test_an_older_schema_is_brought_up_to_date_in_a_copy(home: Home, only_look: Callable[[], None]) -> None:
    old = Database(home.state)
    with old.write() as tx:
        upgrade(tx, "0001")
    old.close()
    before = listing(home.root)
    only_look()
    looked = look_at_state(home)
    assert states(looked) == {}
    looked.close()
    assert listing(home.root) == before


def test_a_newer_schema_and_no_state_at_all_are_told(home: Home, only_look: Callable[[], None]) -> None:
    open_state(home).close()
    connection = sqlite_module().connect(str(home.state_db))
    with connection:
        connection.execute("update alembic_version set version_num = '9999'")
    connection.close()
    only_look()
    with pytest.raises(EnvironmentLacks, match="newer Baton"):
        look_at_state(home)
    home.state_db.write_bytes(b"")
    with pytest.raises(InvalidInput, match="holds no tables of Baton"):
        look_at_state(home)


def test_where_it_can_be_written_looking_is_opening(home: Home) -> None:
    database = look_at_state(home)
    submit(database, planned("a"))
    assert states(database) == {"a": "ready"}
    database.close()


def test_a_state_that_was_moved_and_linked_is_looked_at_with_its_log(home: Home, tmp_path: Path) -> None:
    """The file alone, while others write, would be a part of the state."""
    moved = tmp_path / "disk" / "state.db"
    moved.parent.mkdir()
    home.state_db.symlink_to(moved)
    database = open_state(home)
    submit(database, planned("a"))
    looked = Database(home.state_db, read_only=True)
    assert states(looked) == {"a": "ready"}
    looked.close()
    database.close()
    assert moved.is_file() and (home.root / "state.db").is_symlink()
