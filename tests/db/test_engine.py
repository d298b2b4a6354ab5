"""Transactions and durability of commits."""

from __future__ import annotations

import errno
import os
import resource
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from db import log_sync
from db.engine import Database
from errors import DiskFull
from settings.home import Home
from tests.support import ON_SQLITE, await_value, planned, states, submit


def test_an_exception_undoes_the_whole_transaction(database: Database) -> None:
    submit(database, planned("a"))
    with pytest.raises(RuntimeError), database.write() as tx:
        tx.execute(text("update job set state = 'failed'"))
        raise RuntimeError
    assert states(database) == {"a": "ready"}


def _is_log_of(home: Home, descriptor: int) -> bool:
    """Databases of earlier tests have threads that sync logs of their own."""
    return str(Path(f"/proc/self/fd/{descriptor}").readlink()) == f"{home.state_db}-wal"


def test_writers_wait_for_each_other_and_readers_for_nobody(database: Database, home: Home) -> None:
    submit(database, planned("a"))
    other = Database(home.state)
    done = threading.Event()

    def write() -> None:
        with other.write() as tx:
            tx.execute(text("update job set error = error || ' second'"))
        done.set()

    with database.write() as tx:
        tx.execute(text("update job set error = 'first'"))
        thread = threading.Thread(target=write)
        thread.start()
        assert states(other) == {"a": "ready"}, "a reader sees the state before, at once"
        assert not done.is_set()
    thread.join()
    with database.read() as tx:
        assert tx.execute(text("select error from job")).scalar_one() == "first second"
    other.close()


@ON_SQLITE
def test_settle_waits_until_every_commit_is_on_the_disk(
    database: Database, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the disk is busy commits go on; `settle` returns only after a sync that began after the last one."""
    submit(database, planned("a"))
    database.settle()
    may_sync, syncs = threading.Event(), []
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        if _is_log_of(home, descriptor):
            syncs.append(descriptor)
            may_sync.wait()
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    for number in range(20):
        with database.write() as tx:
            tx.execute(text("update job set slices = :n"), {"n": number})
    settled = threading.Thread(target=database.settle)
    settled.start()
    await_value(lambda: len(syncs), lambda count: count == 1, "the first sync")
    assert settled.is_alive(), "nothing is on the disk yet"
    may_sync.set()
    settled.join()
    assert len(syncs) <= 2, "one sync for all that came in meanwhile"


@ON_SQLITE
def test_a_durable_commit_is_on_the_disk_when_it_returns(
    database: Database, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(database, planned("a"))
    database.settle()
    syncs: list[int] = []
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        if _is_log_of(home, descriptor):
            syncs.append(descriptor)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with database.write(durable=True) as tx:
        tx.execute(text("update job set slices = 1"))
        assert syncs == []
    assert len(syncs) == 1


@ON_SQLITE
def test_a_limit_on_the_size_of_files_is_no_damage(database: Database, home: Home) -> None:
    """SQLite says of it, and of a quota, what it says of a broken disk."""
    submit(database, planned("a"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
        with pytest.raises(DiskFull, match=r"state\.db cannot grow: .*ulimit -f"), database.write() as tx:
            tx.execute(text("update job set slices = 1, label = :long"), {"long": "x" * 50_000})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    with database.write() as tx:
        tx.execute(text("update job set slices = 2"))


@ON_SQLITE
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_one_failed_sync_is_told_and_the_next_is_tried(
    database: Database,
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    number: int,
) -> None:
    """What the kernel may have dropped goes into the database file, and nothing is believed of the log until then."""
    submit(database, planned("a"))
    database.settle()
    synced: list[str] = []
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        if _is_log_of(home, descriptor):
            synced.append("log")
            if len(synced) == 1:
                raise OSError(number, os.strerror(number))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match=os.strerror(number)), database.write(durable=True) as tx:
        tx.execute(text("update job set slices = 1"))
    assert os.strerror(number) in caplog.text
    with database.write(durable=True) as tx:
        tx.execute(text("update job set slices = 2"))
    assert synced == ["log"], "the log is not believed"
    assert "synced again" in caplog.text
    with database.write(durable=True) as tx:
        tx.execute(text("update job set slices = 3"))
    assert synced == ["log", "log"]


@ON_SQLITE
@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
@pytest.mark.parametrize("times", [3, 10**9])
def test_a_machine_without_a_free_file_is_waited_for_but_not_for_ever(
    database: Database, home: Home, monkeypatch: pytest.MonkeyPatch, times: int, number: int
) -> None:
    """Nothing of the disk failed, so nobody is told that something did; but for ever is too long."""
    monkeypatch.setattr(log_sync, "SYNC_SECONDS", 0.0)
    left = times
    sync = log_sync.sync

    def short(path: Path) -> None:
        nonlocal left
        left -= path.is_relative_to(home.root)
        if left >= 0 and path.is_relative_to(home.root):
            raise OSError(number, os.strerror(number))
        sync(path)

    monkeypatch.setattr(log_sync, "sync", short)
    submit(database, planned("a"))
    if times == 3:
        database.settle()
        return
    with pytest.raises(OSError, match=os.strerror(number)):
        database.settle()
    left = 0
    database.settle()


@ON_SQLITE
def test_a_full_disk_has_a_name_and_costs_nothing_that_was_committed(database: Database) -> None:
    """A limit on the file's pages stands for the disk's."""
    submit(database, planned("a"))
    with pytest.raises(DiskFull, match="make room"), database.write() as tx:
        pages = tx.execute(text("pragma page_count")).scalar_one()
        tx.execute(text(f"pragma max_page_count = {pages}"))
        tx.execute(text("create table ballast (bytes)"))
        tx.execute(text("insert into ballast values (zeroblob(10000000))"))
    assert states(database) == {"a": "ready"}


@pytest.mark.parametrize("name", ["?a=1", "a b", "100%41", "a#b", "a;b,c", 'it\'s "so"', "données"])
def test_the_state_is_in_its_file_whatever_the_path_is(name: str, tmp_path: Path) -> None:
    """`?` begins the options of a URL, and a path is none."""
    file = tmp_path / name / "state.db"
    file.parent.mkdir()
    database = Database(file)
    with database.write(durable=True) as tx:
        tx.execute(text("create table t (n)"))
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert {path.name for path in file.parent.iterdir()} == {"state.db", "state.db-wal", "state.db-shm"}
    database.close()
    assert file.stat().st_size > 0
