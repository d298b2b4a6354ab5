"""Work in a state whose file other machines see too: one machine at a time, without a log, and nothing is lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import text

from db.bundle.export import export
from db.bundle.receive import receive
from db.engine import Database, sqlite_module
from db.identity import namespace
from db.migrate import look_at_state, open_state
from errors import HomeInUse, InvalidInput, StateLost
from settings import lease, watching
from settings.home import Home
from tests.db.bundle.conftest import Trusting
from tests.db.network_homes import NETWORK, journal_mode, listing, opened
from tests.db.network_homes import _quick as _quick
from tests.db.network_homes import asked_for as asked_for
from tests.db.network_homes import homes as homes
from tests.db.network_homes import mounts as mounts
from tests.support import NOW, ON_SQLITE, RETENTION, planned, states, submit


@NETWORK
def test_it_has_no_log_and_one_machine_at_a_time(homes: list[Home]) -> None:
    _, one, two = homes
    database = opened(one)
    submit(database, planned("a"))
    again = open_state(one)  # another process of that machine
    submit(again, planned("b"), key="b")
    again.close()
    assert journal_mode(database) == "delete"
    assert not {name for name in listing(one) if name.startswith("state.db-")}
    with pytest.raises(
        HomeInUse, match=r"is held by .* \(process \d+\): on a network file system one machine"
    ):
        open_state(two)
    for home in (one, two):
        looked = look_at_state(home)
        assert states(looked) == {"a": "ready", "b": "ready"}
        with pytest.raises(InvalidInput, match="cannot write"), looked.write():
            pytest.fail("it only looks")
        looked.close()
    assert namespace(database).startswith("baton-")
    database.close()
    opened(two).close()
    assert not (one.root / "state.db-lease").exists()


@NETWORK
def test_a_transaction_is_seen_whole_from_elsewhere(homes: list[Home]) -> None:
    _, one, two = homes
    database = opened(one)
    submit(database, planned("a"))
    looked = look_at_state(two)
    with database.write() as tx:
        tx.execute(text("update job set label = 'half'"))
        assert states(looked) == {"a": "ready"}
    assert states(looked) == {"half": "ready"}
    looked.close()
    database.close()


@NETWORK
def test_a_journal_of_a_killed_process_is_rolled_back_in_the_copy(homes: list[Home], tmp_path: Path) -> None:
    """Files as they are in the middle of a commit: the journal on the disk, and pages of the file changed."""
    _, one, two = homes
    database = opened(one)
    submit(database, planned("a"))
    database.close()
    connection = sqlite_module().connect(str(one.state_db), isolation_level=None)
    connection.execute("PRAGMA cache_size=1")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("CREATE TABLE filler AS SELECT zeroblob(4000) AS b FROM job, job, job")
    connection.execute("INSERT INTO filler SELECT zeroblob(100000) FROM filler, (VALUES (1), (2), (3))")
    connection.execute("UPDATE job SET label = 'half'")
    stopped = Home(one.root.with_name("stopped"))
    stopped.root.mkdir()
    for name in ("state.db", "state.db-journal"):
        shutil.copy(one.root / name, stopped.root / name)
    connection.close()
    assert (stopped.root / "state.db-journal").stat().st_size
    seen = Home(two.root.with_name("stopped"))
    before = listing(seen)
    looked = look_at_state(seen)
    assert states(looked) == {"a": "ready"}
    looked.close()
    assert listing(seen) == before
    opened(stopped).close()
    assert not (stopped.root / "state.db-journal").exists()


@NETWORK
def test_a_log_that_came_along_is_folded_in(homes: list[Home], monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed home's, moved to a network file system; nobody writes it any more."""
    disk, one, _ = homes
    live = Home(disk.root.with_name("live"))
    database = opened(live)
    submit(database, planned("a"))
    disk.root.mkdir()
    for name in ("state.db", "state.db-wal"):
        shutil.copy(live.root / name, disk.root / name)
    database.close()
    monkeypatch.setattr(lease, "STILL_SECONDS", 0.05)
    found = opened(one)
    assert states(found) == {"a": "ready"}
    assert journal_mode(found) == "delete"
    found.close()
    assert not {name for name in listing(disk) if name.startswith("state.db-")}
    local = open_state(disk)
    assert journal_mode(local) == "wal", "moved back to a disk"
    local.close()


@NETWORK
def test_a_log_that_grows_is_another_machines(homes: list[Home], monkeypatch: pytest.MonkeyPatch) -> None:
    disk, one, _ = homes
    database = opened(disk)
    submit(database, planned("a"))

    def work(_seconds: float) -> None:
        submit(database, planned("b"), key="b")

    monkeypatch.setattr(watching.time, "sleep", work)
    with pytest.raises(HomeInUse, match="has a log that another machine writes"):
        open_state(one)
    monkeypatch.undo()
    assert states(database) == {"a": "ready", "b": "ready"}
    database.close()


@NETWORK
def test_the_machine_with_the_disk_honours_the_lease(homes: list[Home]) -> None:
    disk, one, _ = homes
    database = opened(one)
    submit(database, planned("a"))
    with pytest.raises(HomeInUse):
        open_state(disk)
    looked = look_at_state(disk)
    assert states(looked) == {"a": "ready"}
    looked.close()
    assert journal_mode(database) == "delete"
    database.close()
    open_state(disk).close()


@NETWORK
def test_who_lost_the_lease_commits_nothing(homes: list[Home], monkeypatch: pytest.MonkeyPatch) -> None:
    _, one, two = homes
    database = opened(one)
    submit(database, planned("a"))
    assert database._lease is not None
    database._lease._ended.set()  # its machine stands still
    monkeypatch.setattr(lease, "STILL_SECONDS", 0.05)
    with pytest.raises(StateLost, match="was taken over by"), database.write() as tx:
        other = open_state(two)
        tx.execute(text("update job set label = 'late'"))
    assert states(other) == {"a": "ready"}
    with pytest.raises(StateLost), database.read():
        pytest.fail("what it sees counts no more")
    database.close()
    submit(other, planned("b"), key="b")
    other.close()


@NETWORK
@ON_SQLITE
def test_a_bundle_comes_and_goes(homes: list[Home], home: Home, database: Database, tmp_path: Path) -> None:
    _, one, two = homes
    submit(database, planned("a"))
    export(database, home, RETENTION, tmp_path / "first.bundle", None, NOW)
    receive(one, tmp_path / "first.bundle", NOW, Trusting())
    assert not (one.root / "state.db-lease").exists()
    looked = look_at_state(one, hold_if_free=True)
    assert states(looked) == {"a": "ready"}
    assert export(looked, one, RETENTION, tmp_path / "second.bundle", None, NOW).recorded
    with pytest.raises(HomeInUse):
        receive(two, tmp_path / "first.bundle", NOW, Trusting())
    looked.close()


@NETWORK
def test_who_ends_takes_the_lease_from_nobody_on_the_same_machine(
    homes: list[Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`submit-ablation --detach` took it, and ends while `up` is in a transaction, or about to begin one."""
    _, home, _ = homes
    first, staying = opened(home), opened(home)
    with staying.write() as tx:
        first.close()
        tx.execute(text("UPDATE identity SET key = 'one'"))

    first, held = opened(home), staying._lease
    assert first._lease is not None and held is not None
    first._lease._mine = True  # as if it were the one that took it
    held._ended.set()
    asked: list[str] = []

    def ask() -> str:
        asked.append(enter())
        if len(asked) == 1:
            first.close()
        return asked[-1]

    enter = held.enter
    monkeypatch.setattr(held, "enter", ask)
    with staying.write() as tx:
        assert tx.execute(text("SELECT key FROM identity")).scalar_one() == "one"
        tx.execute(text("UPDATE identity SET key = 'two'"))
    assert asked[0] != asked[1], "it was given back meanwhile"
    staying.close()
