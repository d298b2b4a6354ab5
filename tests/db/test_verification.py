"""Damage and absence are found, told apart from what may be absent, and the job that would redo it is named."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from db import verification
from db.verification import DAMAGED, LEFT_BEHIND, MISSING, OK, Checked
from tests.db.test_store import damage
from tests.support import RETENTION
from tests.workshop import Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    workshop = Workshop(tmp_path / "home")
    workshop.submit()
    yield workshop
    workshop.close()


def check(workshop: Workshop) -> dict[tuple[str, str, int], Checked]:
    return {
        (e.job, e.name, e.step): e for e in verification.verify(workshop.database, workshop.store, RETENTION)
    }


def test_a_sound_store(workshop: Workshop) -> None:
    workshop.finish_until("train")
    seen: list[tuple[int, int]] = []
    checked = verification.verify(
        workshop.database, workshop.store, RETENTION, lambda done, total: seen.append((done, total))
    )
    assert {entry.state for entry in checked} == {OK} and len(checked) == 4
    total = sum(entry.bytes for entry in checked)
    assert seen[-1] == (total, total)


def test_a_damaged_checkpoint_goes_back_to_the_sound_one_before(workshop: Workshop) -> None:
    workshop.finish_until("train")
    claim = workshop.claim("train")
    for step in (2, 4, 5):
        workshop.publish(claim, step)
    damage(workshop.store.path(check(workshop)[("train", "weights", 5)].path))
    damage(workshop.store.path(check(workshop)[("train", "optimizer", 4)].path))
    found = check(workshop)
    assert [(key[1:], e.redo_from) for key, e in found.items() if e.state == DAMAGED] == [
        (("optimizer", 4), 2),
        (("weights", 5), 2),
    ]
    assert all(e.state == OK for e in found.values() if e.job != "train" or e.step == 2)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN])
def test_a_machine_short_of_something_says_nothing_of_files(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    workshop.finish("ingest")
    monkeypatch.setattr(workshop.store, "digest", fails(number, 10**9))
    with pytest.raises(OSError, match=os.strerror(number)):
        check(workshop)


@pytest.mark.parametrize(("times", "found"), [(1, OK), (10**9, DAMAGED)])
def test_a_file_that_the_disk_does_not_give_back_is_damaged_once_it_was_looked_at_again(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, times: int, found: str
) -> None:
    workshop.finish("ingest")
    monkeypatch.setattr(workshop.store, "digest", fails(errno.EIO, times, workshop.store.digest))
    assert {entry.state for entry in check(workshop).values()} == {found}


def fails(number: int, times: int, then: Callable[..., Any] | None = None) -> Callable[..., Any]:
    left = times

    def call(*args: Any) -> Any:
        nonlocal left
        left -= 1
        if left >= 0:
            raise OSError(number, os.strerror(number))
        assert then is not None
        return then(*args)

    return call


def test_a_file_cut_short_and_a_link_are_damage(workshop: Workshop, tmp_path: Path) -> None:
    workshop.finish_until("train")
    paths = {e.job: workshop.store.path(e.path) for e in check(workshop).values()}
    paths["index"].chmod(0o600)
    paths["index"].write_bytes(paths["index"].read_bytes()[:-1])
    elsewhere = tmp_path / "same bytes"
    elsewhere.write_bytes(paths["ingest"].read_bytes())
    paths["ingest"].unlink()
    paths["ingest"].symlink_to(elsewhere)
    assert {e.job for e in check(workshop).values() if e.state == DAMAGED} == {"index", "ingest"}


def test_absence_is_bad_only_where_something_needs_the_bytes(workshop: Workshop) -> None:
    workshop.finish_until("train")
    index = check(workshop)[("index", "result", 1)]
    workshop.store.path(index.path).unlink()
    assert check(workshop)[("index", "result", 1)].state == MISSING
    workshop.finish("train")
    assert check(workshop)[("index", "result", 1)].state == LEFT_BEHIND


def test_rows_that_share_bytes_read_them_once(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    workshop.finish_until("train")
    claim = workshop.claim("train")
    workshop.publish(claim, 1, b"equal bytes")
    workshop.publish(claim, 2, b"equal bytes")
    hashed: list[str] = []
    original = workshop.store.digest
    monkeypatch.setattr(workshop.store, "digest", lambda path: hashed.append(path) or original(path))
    checked = [
        e for e in verification.verify(workshop.database, workshop.store, RETENTION) if e.job == "train"
    ]
    assert len(checked) == 4 and len({e.path for e in checked}) == 1
    assert len(hashed) == len(set(hashed))
