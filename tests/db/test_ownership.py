"""A store knows whose files it holds: strangers are refused, copies that parted remove nothing, homes travel."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from db import garbage, jobs, members, ownership
from db.engine import Database
from db.jobs import Seconds
from db.migrate import open_state
from db.owner import read_owner
from db.shared_store import open_store
from db.store import OWNER
from errors import InvalidInput, StoreOfAnother
from settings.elsewhere import ARTIFACTS_VARIABLE, DATABASE_VARIABLE
from settings.home import Home
from tests.support import NOW, ON_SQLITE, RETENTION, planned, start, stored, submit, worker
from tests.workshop import Workshop, dump, files_of
from trials import circumstances, removal


@pytest.fixture(scope="module")
def masters() -> Iterator[circumstances.Masters]:
    with tempfile.TemporaryDirectory() as folder, circumstances.masters_in(Path(folder)) as made:
        yield made


@pytest.mark.parametrize("circumstance", circumstances.WRONG, ids=lambda function: function.__name__)
def test_nothing_that_a_living_home_needs_goes(
    masters: circumstances.Masters, circumstance: object, tmp_path: Path
) -> None:
    assert callable(circumstance)
    case = circumstance(masters, tmp_path)
    for name in ("ablation remove", "gc", removal.AUTOMATIC):
        found = removal.attempt(masters, case, name)
        assert found.lost == [] and found.code in (0, 2), found


@pytest.mark.parametrize("circumstance", circumstances.SOUND, ids=lambda function: function.__name__)
def test_what_people_may_do_is_not_refused(
    masters: circumstances.Masters, circumstance: object, tmp_path: Path
) -> None:
    assert callable(circumstance)
    case = circumstance(masters, tmp_path)
    for name in ("ablation remove", "gc", "status"):
        found = removal.attempt(masters, case, name)
        assert found.lost == [] and found.code == 0, found


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    workshop = Workshop(tmp_path / "home")
    workshop.submit()
    workshop.finish_until("train")
    yield workshop
    workshop.close()


def test_a_refused_state_is_not_even_made(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, rows = files_of(workshop.home), dump(workshop.home)
    monkeypatch.setenv(DATABASE_VARIABLE, f"sqlite:///{tmp_path / 'other.db'}")
    with pytest.raises(StoreOfAnother, match="correct BATON_STATE_URL, or name another --home"):
        open_state(workshop.home)
    assert not (tmp_path / "other.db").exists()
    assert (files_of(workshop.home), dump(workshop.home)) == (before, rows)


def test_an_empty_file_beside_the_files_of_a_home_is_not_filled(workshop: Workshop) -> None:
    workshop.close()
    workshop.home.state_db.write_bytes(b"")
    with pytest.raises(StoreOfAnother, match=r"put their state\.db back"):
        open_state(workshop.home)
    assert workshop.home.state_db.stat().st_size == 0


def test_a_store_without_files_is_anybodys(workshop: Workshop, tmp_path: Path) -> None:
    """A state that a power cut undid, or was removed before anything was made."""
    home = Home(tmp_path / "fresh")
    home.create()
    open_state(home).close()
    first = read_owner(home)
    home.state_db.unlink()
    open_state(home).close()
    assert first is not None and read_owner(home) not in (None, first)


def test_a_home_whose_attempts_left_one_file_and_no_row_goes_on(tmp_path: Path) -> None:
    """One of before stores had owners: it works, removes nothing yet, and owns its store with its first artifact."""
    workshop = Workshop(tmp_path / "home")
    workshop.submit()
    claim = workshop.claim("ingest")
    stored(workshop.store, tmp_path, "orphan", b"of an attempt that died before its row")
    (workshop.home.artifacts / OWNER).unlink()
    again = open_state(workshop.home)
    with pytest.raises(StoreOfAnother):
        garbage.collect(again, workshop.home, RETENTION, NOW)
    workshop.finish("ingest", claim)
    assert garbage.collect(again, workshop.home, RETENTION, NOW).files == 1
    again.close()
    workshop.close()


def test_the_older_of_two_copies_removes_nothing_until_it_is_said_to_go_on(
    workshop: Workshop, tmp_path: Path
) -> None:
    workshop.leave()
    workshop.database.close()
    shutil.copy(workshop.home.state_db, tmp_path / "backup")
    newer = Workshop(workshop.home.root)
    newer.finish("train")
    newer.leave()
    ownership.note(newer.home, newer.database)
    newer.close()
    shutil.copy(tmp_path / "backup", workshop.home.state_db)
    older = open_state(workshop.home)
    before = files_of(workshop.home)
    with pytest.raises(StoreOfAnother, match="artifacts adopt"):
        garbage.collect(older, workshop.home, RETENTION, NOW)
    assert files_of(workshop.home) == before
    ownership.adopt(workshop.home, older)
    assert garbage.collect(older, workshop.home, RETENTION, NOW).files == 1
    older.close()


def test_what_only_the_state_knows_as_its_own_can_be_adopted(workshop: Workshop, tmp_path: Path) -> None:
    stranger = Database(f"sqlite:///{tmp_path / 'other.db'}")
    other = Home(tmp_path / "other")
    other.create()
    stranger = open_state(other)
    with pytest.raises(StoreOfAnother, match="names none of the files"):
        ownership.adopt(workshop.home, stranger)
    stranger.close()


def test_an_owner_file_that_cannot_be_read_is_told(workshop: Workshop) -> None:
    (workshop.home.artifacts / OWNER).unlink()
    (workshop.home.artifacts / OWNER).mkdir()
    with pytest.raises(InvalidInput, match="cannot read"):
        open_state(workshop.home)
    (workshop.home.artifacts / OWNER).rmdir()


def test_machines_with_one_state_collect_and_an_older_copy_of_it_does_not(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite and PostgreSQL, objects behind a URL: the marks are with the objects, as a machine's folder is a cache."""
    monkeypatch.setenv(ARTIFACTS_VARIABLE, f"file://{tmp_path}/network")
    homes = [Home(tmp_path / name) for name in ("here", "there")]
    stores = [open_store(home, database) for home in homes]
    submit(database, planned("train", kind="train", target_steps=9))
    claim = start(database, "train", worker(database))
    for home, store in zip(homes, stores):
        ownership.note(home, database, store.remote)
    with stores[0].publication():
        file = stored(stores[0], tmp_path, "weights", b"1", final=False)
        jobs.publish(database, claim, 1, [file], [], Seconds(), NOW)
    assert [garbage.collect(database, home, RETENTION, NOW).objects for home in homes] == [0, 0]
    remote = stores[0].remote
    assert remote is not None
    further = json.dumps([[[999, 1.0], None]]).encode()  # of a state that went further
    for noted in (further, b"no mark", b"[[1]]"):
        remote.note(noted)
        with pytest.raises(StoreOfAnother):
            garbage.collect(database, homes[1], RETENTION, NOW)
        ownership.note(homes[1], database, remote)  # a worker's start decides nothing
        with pytest.raises(StoreOfAnother):
            garbage.collect(database, homes[1], RETENTION, NOW)
        ownership.adopt(homes[1], database, remote)
        assert garbage.collect(database, homes[1], RETENTION, NOW).objects == 0


def test_a_cache_may_pass_to_another_state(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ARTIFACTS_VARIABLE, f"file://{tmp_path}/network")
    for name in ("one.db", "two.db"):
        monkeypatch.setenv(DATABASE_VARIABLE, f"sqlite:///{tmp_path / name}")
        database = open_state(home)
        stored(open_store(home, database), tmp_path, "weights", name.encode())
        database.close()


@ON_SQLITE
def test_marks_of_others_stay_and_ones_own_do_not_pile_up(database: Database, home: Home) -> None:
    for _ in range(3):
        members.leave(database, worker(database), NOW)
        ownership.note(home, database)
    owner = read_owner(home)
    assert owner is not None and owner.marks == (((3, NOW), None),)
