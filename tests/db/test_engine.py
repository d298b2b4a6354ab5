"""Transactions and durability of commits."""

from __future__ import annotations

import errno
import os
import resource
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from db import engine, jobs, log_sync
from db.engine import Database, sqlite_module
from db.jobs import Ending
from db.states import SUCCEEDED
from errors import DiskFull, StateBusy, StateLost
from settings.home import Home
from tests.support import NOW, ON_SQLITE, await_value, planned, start, states, submit, worker


def test_an_exception_undoes_the_whole_transaction(database: Database) -> None:
    submit(database, planned("a"))
    with pytest.raises(RuntimeError), database.write() as tx:
        tx.execute(text("update job set state = 'failed'"))
        raise RuntimeError
    assert states(database) == {"a": "ready"}


def _log_of(home: Home) -> Path:
    return Path(f"{home.state_db}-wal")


def _names_log_of(home: Home, path: str | Path) -> bool:
    return str(path) == str(_log_of(home))


def _syncs_of_log(home: Home, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one descriptor with each sync of the state's log from now on."""
    syncs: list[int] = []
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        if _is_log_of(home, descriptor):
            syncs.append(descriptor)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return syncs


def _is_log_of(home: Home, descriptor: int) -> bool:
    """Databases of earlier tests have threads that sync logs of their own."""
    try:  # the name may be followed by "(deleted)"
        return str(Path(f"/proc/self/fd/{descriptor}").readlink()).startswith(str(_log_of(home)))
    except FileNotFoundError:  # it was closed meanwhile
        return False


def _descriptors() -> list[int]:
    return [int(path.name) for path in Path("/proc/self/fd").iterdir()]


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
    syncs = _syncs_of_log(home, monkeypatch)
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
    database.settle()  # it opens nothing more
    monkeypatch.setattr(log_sync, "SYNC_SECONDS", 0.0)
    left = times
    open_file = os.open

    def short(path: str | Path, flags: int, *more: int) -> int:
        nonlocal left
        left -= _names_log_of(home, path)
        if left >= 0 and _names_log_of(home, path):
            raise OSError(number, os.strerror(number))
        return open_file(path, flags, *more)

    monkeypatch.setattr(os, "open", short)
    other = Database(home.state)
    submit(other, planned("a"))
    if times != 3:
        with pytest.raises(OSError, match=os.strerror(number)):
            other.settle()
        left = 0
    other.close()


@ON_SQLITE
def test_the_log_is_opened_once_for_as_long_as_it_is_the_same_file(
    database: Database, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    open_file, sync = os.open, os.fsync

    def noted_open(path: str | Path, flags: int, *more: int) -> int:
        if _names_log_of(home, path):
            done.append("open")
        return open_file(path, flags, *more)

    def noted_sync(descriptor: int) -> None:
        if _is_log_of(home, descriptor) or os.path.samestat(os.fstat(descriptor), home.root.stat()):
            done.append("sync log" if _is_log_of(home, descriptor) else "sync folder")
        sync(descriptor)

    monkeypatch.setattr(os, "open", noted_open)
    monkeypatch.setattr(os, "fsync", noted_sync)
    database.close()
    assert not _log_of(home).exists(), "SQLite removes it with its last connection"
    done.clear()
    for number in range(3):
        with database.write(durable=True) as tx:
            tx.execute(text(f"update job set slices = {number}"))
    assert done == ["open", "sync folder", "sync log", "sync log", "sync log"]


@ON_SQLITE
def test_the_log_of_a_state_that_was_moved_and_linked_is_synced(
    database: Database, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite keeps the log beside the file itself, not beside the link."""
    database.close()
    moved = Home(tmp_path / "elsewhere")
    moved.root.mkdir()
    home.state_db.rename(moved.state_db)
    home.state_db.symlink_to(moved.state_db)
    synced = _syncs_of_log(moved, monkeypatch)
    linked = Database(home.state)
    with linked.write(durable=True) as tx:
        tx.execute(text("update job set slices = 1"))
    assert len(synced) == 1
    linked.close()


@ON_SQLITE
def test_what_is_closed_holds_no_log_and_no_thread_and_may_be_used_again(
    database: Database, home: Home
) -> None:
    for _ in range(2):
        with database.write() as tx:
            tx.execute(text("update job set slices = 1"))
        database.close()
        assert not any(_is_log_of(home, descriptor) for descriptor in _descriptors())


@ON_SQLITE
def test_a_disk_that_fails_at_the_end_keeps_nothing_open(
    database: Database, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(database, planned("a"))
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        if _is_log_of(home, descriptor):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with database.write() as tx:
        tx.execute(text("update job set slices = 1"))
    with pytest.raises(OSError, match="Input/output error"):
        database.close()
    monkeypatch.undo()
    assert not any(_is_log_of(home, descriptor) for descriptor in _descriptors())
    assert not _log_of(home).exists(), "its connections are closed"
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


@ON_SQLITE
def test_a_process_that_made_the_schema_prepares_the_statements_of_jobs_once(database: Database) -> None:
    """A schema's many statements must not crowd out those that run for every job."""
    prepared: list[int] = []

    def note(action: int, *_names: str | None) -> int:
        prepared.append(action)
        return sqlite_module().SQLITE_OK

    with database.read() as tx:
        driver = tx.connection.driver_connection
        assert driver is not None
        driver.set_authorizer(note)
    submit(database, *(planned(f"{number}") for number in range(21)))  # the last one's end is the ablation's
    me = worker(database)

    def run(number: int) -> None:
        jobs.succeed(database, start(database, f"{number}", me), Ending(SUCCEEDED, 1), NOW)

    for number in range(10):
        run(number)
    prepared.clear()
    for number in range(10, 20):
        run(number)
    assert set(prepared) <= {sqlite_module().SQLITE_TRANSACTION}, "the driver's own COMMIT"


def test_a_writer_that_does_not_end_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_SECONDS", 0.01)
    one, two = Database(tmp_path / "state.db"), Database(tmp_path / "state.db")
    with one.write(), pytest.raises(StateBusy, match="run the same command again"), two.write():
        pass
    with two.write():
        pass
    one.close()
    two.close()


def test_a_state_that_is_gone_is_told(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    database = Database(home / "state.db")
    home.rename(tmp_path / "elsewhere")
    with pytest.raises(StateLost, match="it was moved or removed"), database.read():
        pass
