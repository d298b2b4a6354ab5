"""Superseded checkpoints stay while there is room, and go when there is not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from db import garbage, jobs
from db.engine import Database
from db.jobs import Seconds
from db.store import ArtifactStore
from errors import DiskFull
from settings.home import Home
from tests.support import Clock, artifacts_of_job, planned, row, start, stored, submit, worker
from workers import space as module
from workers.space import LOW_SHARE, Space, free_share_of


def test_the_two_newest_checkpoints_are_kept_when_the_disk_gets_tight(
    database: Database, home: Home, store: ArtifactStore, tmp_path: Path
) -> None:
    submit(database, planned("train", kind="train", target_steps=9))
    claim = start(database, "train", worker(database), time.time())
    for step in range(1, 5):
        files = [stored(store, tmp_path, "weights", b"%d" % step, final=False)]
        jobs.publish(database, claim, step, files, [], Seconds(), time.time())
    share, now = 0.5, 0.0
    space = Space(database, home, lambda _home: share, lambda: now)

    def steps() -> list[int]:
        return [a.step for a in artifacts_of_job(database, row(database, "train").id)]

    assert space.check() is None and steps() == [1, 2, 3, 4]
    share = LOW_SHARE / 2
    assert space.check() is None, "it looked a moment ago"
    now = 31.0
    removed = space.check()
    assert removed is not None and removed.files == 2
    assert steps() == [3, 4]
    now = 62.0
    assert space.check() is None, "what is needed is not looked through again at once"


def test_a_disk_that_is_full_already_is_looked_at_again_soon(
    database: Database, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state cannot be written either; the session goes on and waits for room."""
    tries: list[float] = []

    def collect(*_: object, **__: object) -> None:
        tries.append(clock.now)
        raise DiskFull("the disk that holds the state is full")

    monkeypatch.setattr(garbage, "collect", collect)
    clock = Clock()
    space = Space(database, home, lambda _home: LOW_SHARE / 2, clock)
    for _ in range(3):
        assert space.check() is None
        clock.now += 31.0
    assert tries == [100.0, 131.0, 162.0]


def test_what_could_not_be_removed_while_files_were_published_is_removed_later(
    database: Database, home: Home, store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export lasts minutes. Files whose rows had gone already would lie there for ever."""
    monkeypatch.setattr(module, "_WAIT_SECONDS", 0.0)
    submit(database, planned("train", kind="train", target_steps=9))
    claim = start(database, "train", worker(database), time.time())
    for step in range(1, 5):
        files = [stored(store, tmp_path, "weights", b"%d" % step, final=False)]
        jobs.publish(database, claim, step, files, [], Seconds(), time.time())
    clock = Clock()
    space = Space(database, home, lambda _home: LOW_SHARE / 2, clock)
    with store.publication():
        assert space.check() is None
    clock.now += 31.0
    removed = space.check()
    assert removed is not None and (removed.rows, removed.files) == (2, 2)


def test_the_share_is_that_of_the_homes_disk(home: Home) -> None:
    assert 0.0 <= free_share_of(home) <= 1.0


def test_what_no_row_names_is_left_to_people(
    database: Database, home: Home, store: ArtifactStore, tmp_path: Path
) -> None:
    submit(database, planned("train", kind="train", target_steps=9))
    claim = start(database, "train", worker(database), time.time())
    for step in range(1, 4):
        files = [stored(store, tmp_path, "weights", b"%d" % step, final=False)]
        jobs.publish(database, claim, step, files, [], Seconds(), time.time())
    orphan = stored(store, tmp_path, "orphan", b"nobody named this yet")
    removed = Space(database, home, lambda _home: LOW_SHARE / 2, Clock()).check()
    assert removed is not None and (removed.rows, removed.files) == (1, 1)
    assert store.path(orphan.path).exists()
