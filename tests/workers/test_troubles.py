"""What is told of a session that cannot work: last lines, disks, and for as long as the session lives."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from settings.home import Home
from workers import troubles
from workers.troubles import cap_log, forget_troubles, last_line, room_trouble, tell_troubles, troubles_of


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"first\nValueError: '4,1'\n\n", "ValueError: '4,1'"),
        (b"", "no output"),
        (b"\xff\n", "\ufffd"),
        (b"x" * 9000, "x" * 300),
    ],
)
def test_the_last_line(content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(content)
    assert last_line(tmp_path / "log") == told
    assert last_line(tmp_path / "none") == "no output"


@pytest.mark.parametrize(
    ("blocks", "files", "free_files", "told"),
    [(0, 10, 10, "is full"), (10**6, 10, 0, "inodes"), (10**6, 10, 10, None), (10**6, 0, 0, None)],
)
def test_a_disk_without_room(
    blocks: int, files: int, free_files: int, told: str | None, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = SimpleNamespace(f_bavail=blocks, f_frsize=4096, f_files=files, f_favail=free_files)
    monkeypatch.setattr(os, "statvfs", lambda _place: room)
    said = room_trouble(home)
    assert said is None if told is None else said is not None and told in said


def test_a_log_is_cut_while_it_is_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(troubles, "LOG_BYTES", 10)
    log = tmp_path / "worker.log"
    with log.open("ab", buffering=0) as stream:
        stream.write(b"short\n")
        cap_log(log)
        assert log.read_bytes() == b"short\n"
        stream.write(b"and long\n")
        cap_log(log)
        stream.write(b"new\n")
    assert log.read_bytes() == b"new\n"
    assert (tmp_path / "worker.log.1").read_bytes() == b"short\nand long\n"


def test_troubles_are_told_while_whoever_tells_them_lives(home: Home) -> None:
    assert troubles_of(home) == []
    tell_troubles(home, ["redis is away"])
    tell_troubles(home, ["fails alike"], who="worker/../cpu0")
    assert sorted(troubles_of(home)) == ["fails alike", "redis is away"]
    tell_troubles(home, [], who="worker/../cpu0")
    note = home.run / "troubles-session.json"
    note.write_text(note.read_text().replace(f'"pid": {os.getpid()}', '"pid": 1'))
    assert troubles_of(home) == [], "another process has this number now"
    note.write_text("{")
    assert troubles_of(home) == []
    tell_troubles(home, ["still there"], who="alone")
    forget_troubles(home)
    assert not note.exists() and troubles_of(home) == ["still there"]
    tell_troubles(home, [], who="alone")
    assert not list(home.run.glob("troubles*"))
