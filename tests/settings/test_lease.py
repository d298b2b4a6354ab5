"""One holder at a time, told by whether a file moves and by nobody's clock."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from errors import HomeInUse, StateLost
from settings import lease as module
from settings.lease import Lease
from tests.support import await_value


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.01)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody holds it for longer than this without moving it: for tests where nobody does."""
    monkeypatch.setattr(module, "STILL_SECONDS", 0.05)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "state.db-lease"


def of(place: Path, machine: str) -> Lease:
    """A lease of a process on that machine."""
    found = Lease(place, "the state")
    found._machine = machine
    return found


@contextmanager
def held(place: Path, machine: str = "one") -> Iterator[Lease]:
    found = of(place, machine)
    found.take()
    yield found
    found.release()


def test_who_moves_it_keeps_it_and_is_named(place: Path) -> None:
    with held(place), pytest.raises(HomeInUse, match=rf"held by .* \(process {os.getpid()}\)"):
        of(place, "two").take()
    assert not place.exists()
    with held(place, "two"):
        assert list(place.parent.iterdir()) == [place], "nothing is left beside it"


def test_processes_of_one_machine_share_it_and_who_took_it_gives_it_back(place: Path) -> None:
    with held(place):
        with held(place) as shared:
            shared.confirm(shared.enter())
        assert place.exists()
    assert not place.exists()


def test_one_that_stands_still_is_taken_over_and_its_holder_writes_nothing_more(
    place: Path, soon: None
) -> None:
    gone = of(place, "one")
    gone.take()
    gone._ended.set()  # as if its machine had been stopped
    holding = gone.enter()
    with held(place, "two"):
        for ask in (lambda: gone.confirm(holding), gone.enter, gone.need):
            with pytest.raises(StateLost, match="was taken over by"):
                ask()
    gone.release()


def test_what_began_before_another_had_it_is_not_committed_after(place: Path, soon: None) -> None:
    stopped = of(place, "one")
    stopped.take()
    stopped._ended.set()
    holding = stopped.enter()
    with held(place, "two"):
        pass
    with held(place, "one"), pytest.raises(StateLost):
        stopped.confirm(holding)


def test_who_moves_it_takes_it_from_nobody_who_got_it_meanwhile(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process of the machine gave it back while the next mark was being written."""
    moving = of(place, "one")
    moving.take()
    moving._ended.set()
    assert moving._thread is not None
    moving._thread.join()
    moving._seen = moving._look()
    write = moving._write

    def slowly(since: str) -> tuple[str, Path]:
        written = write(since)
        place.unlink()
        next_one.take()
        return written

    monkeypatch.setattr(moving, "_write", slowly)
    next_one = of(place, "two")
    moving._move(module.steady())
    next_one.enter()
    next_one.release()
    assert list(place.parent.iterdir()) == []


def test_a_clock_that_differs_decides_nothing(place: Path) -> None:
    """A holder whose machine is a day behind, and one whose file claims to be of tomorrow."""
    with held(place) as holder:
        for day in (-86400, 86400):
            os.utime(place, (day + place.stat().st_mtime,) * 2)
            with pytest.raises(HomeInUse):
                of(place, "two").take()
        holder.enter()


def test_a_full_disk_moves_it_all_the_same(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with held(place) as holder:
        monkeypatch.setattr(holder, "_write", _no_room)
        before = place.stat().st_mtime_ns
        await_value(lambda: place.stat().st_mtime_ns, lambda now: now != before, "it moves")
        with pytest.raises(HomeInUse):
            of(place, "two").take()


@pytest.fixture(params=["links", "no links"])
def links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether files may have second names."""

    def refuse(*_: object) -> None:
        raise OSError(95, "not supported")

    if request.param == "no links":
        monkeypatch.setattr(os, "link", refuse)


@pytest.mark.usefixtures("links")
def test_with_and_without_second_names_for_files_one_holds_it(place: Path) -> None:
    with held(place), pytest.raises(HomeInUse):
        of(place, "two").take()


@pytest.mark.usefixtures("links")
def test_one_that_moved_in_the_last_moment_is_put_back(place: Path) -> None:
    place.write_text("as it is now")
    of(place, "two")._remove(("as it was seen", 0))
    assert [(path, path.read_text()) for path in place.parent.iterdir()] == [(place, "as it is now")]


@pytest.mark.usefixtures("links")
def test_one_that_moved_in_the_last_moment_replaces_nobody_who_took_it_since(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write_text("as it is now")
    rename = Path.rename

    def renamed(path: Path, target: Path) -> Path:
        found = rename(path, target)
        place.write_text("of another who found it gone")
        return found

    monkeypatch.setattr(Path, "rename", renamed)
    of(place, "two")._remove(("as it was seen", 0))
    assert [(path, path.read_text()) for path in place.parent.iterdir()] == [
        (place, "of another who found it gone")
    ]


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"machine": 7}'])
def test_what_cannot_be_read_is_watched_too(place: Path, text: str, soon: None) -> None:
    place.write_text(text)
    with pytest.raises(HomeInUse, match="somebody who cannot be told"):
        of(place, "one").take(wait=False)
    with held(place, "one"):
        pass


def test_a_process_that_was_killed_leaves_it_to_the_next_of_its_machine(place: Path) -> None:
    killed = of(place, "one")
    killed.take()
    killed._ended.set()
    about = json.loads(place.read_text()) | {"pid": 2**22 + 1}  # no process has such a number
    place.write_text(json.dumps(about))
    with held(place, "one"):
        pass
    assert not place.exists()


def test_a_transaction_looks_no_process_up(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[object] = []
    monkeypatch.setattr(module, "BEAT_SECONDS", 60.0)
    with held(place) as holder:
        monkeypatch.setattr(module, "process_lives", lambda *about: looked_up.append(about))
        holder.confirm(holder.enter())
        assert looked_up == []


def test_who_shares_it_with_a_process_that_is_killed_gives_it_back(place: Path) -> None:
    """Also where its own mark is in the file by then."""
    taker = of(place, "one")
    taker.take()
    with held(place, "one"):
        taker._ended.set()
        about = json.loads(place.read_text()) | {"pid": 2**22 + 1}
        place.write_text(json.dumps(about))
        await_value(
            lambda: json.loads(place.read_text())["pid"], lambda pid: pid == os.getpid(), "it is moved"
        )
    assert not place.exists()


def test_one_that_was_removed_by_hand_is_made_again(place: Path) -> None:
    with held(place) as holder:
        place.unlink()
        holder.confirm(holder.enter())
        assert place.exists()


def _no_room(*_: object) -> None:
    raise OSError(28, "no room")
