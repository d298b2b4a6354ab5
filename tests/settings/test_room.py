"""A quota shows only when something is written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from settings.room import no_room


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.EDQUOT, True),
        (errno.ENOSPC, True),
        (errno.EFBIG, True),
        (errno.EIO, False),
        (errno.EACCES, False),
    ],
)
def test_what_keeps_a_file_from_growing(
    number: int, told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert no_room(tmp_path / "state.db") is None

    def fsync(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    assert no_room(tmp_path / "state.db") == (os.strerror(number) if told else None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_a_shortage_of_the_machine_says_nothing_of_the_disk(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it did, an error of SQLite's beside it would be taken for damage of the state."""

    def fsync(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match=os.strerror(number)):
        no_room(tmp_path / "state.db")
