"""Files that appear whole or not at all: kills, full disks, two writers of one name."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from settings import files


def test_a_file_is_replaced_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "file"
    files.write(path, "old")
    path.chmod(0o640)
    files.write(path, b"new")
    assert path.read_bytes() == b"new" and path.stat().st_mode & 0o777 == 0o640
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("call", ["os.fsync", "pathlib.Path.replace"])
def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "file"
    files.write(path, "old")

    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr(call, fail)
    with pytest.raises(OSError, match="disk full"):
        files.write(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_the_file_its_name_and_its_folder_are_synced_in_that_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        seen.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    def renamed(path: Path, target: Path) -> Path:
        seen.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    files.write(tmp_path / "file", "x")
    assert seen == [".partial.file", "rename", tmp_path.name]


def test_what_a_killed_process_left_is_not_added_to(tmp_path: Path) -> None:
    left = files.aside_of(tmp_path / "secret")
    left.write_text("half of something, readable by all")
    left.chmod(0o644)
    files.write(tmp_path / "secret", "whole", mode=0o600)
    assert (tmp_path / "secret").read_text() == "whole"
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600 and not left.exists()


def test_two_writers_of_one_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second opens what the first writes, and gets its lock when that is the finished file."""
    path = tmp_path / "file"
    opened: list[int] = []

    with files.whole(path, new=True) as first:
        first.write(b"first")
        with pytest.raises(BlockingIOError), files.whole(path, wait=False):
            pytest.fail("not alone")
        opened.append(os.open(files.aside_of(path), os.O_RDWR))
    real = os.open

    def late(place: Path, flags: int, *rest: int) -> int:
        if opened and Path(place).name.startswith(".partial."):
            if flags & os.O_CREAT:
                raise FileExistsError(errno.EEXIST, "as it was a moment ago", str(place))
            return opened.pop()
        return real(place, flags, *rest)

    monkeypatch.setattr(os, "open", late)
    with pytest.raises(FileExistsError), files.whole(path, new=True, wait=False):
        pytest.fail("it is there")
    assert path.read_bytes() == b"first"


def test_one_that_came_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with pytest.raises(FileExistsError), files.whole(path, new=True) as stream:
        stream.write(b"ours")
        path.write_text("somebody's")
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("file", "somebody's")]


def test_a_library_that_makes_its_file_anew_is_still_alone(tmp_path: Path) -> None:
    path = tmp_path / "film.gif"
    with files.written_at(path) as aside:
        aside.unlink()
        aside.write_bytes(b"half")
        with pytest.raises(BlockingIOError), files.whole(path, wait=False):
            pytest.fail("not alone")
        aside.write_bytes(b"whole")
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("film.gif", b"whole")]


@pytest.mark.parametrize("fails", [False, True])
def test_what_a_library_left_half_written_is_gone(tmp_path: Path, fails: bool) -> None:
    path = tmp_path / "film.gif"
    path.write_bytes(b"old")
    path.chmod(0o640)
    files.aside_of(path).write_bytes(b"")
    files.aside_of(files.aside_of(path)).write_bytes(b"half of one that was killed")
    try:
        with files.written_at(path) as aside:
            assert aside.read_bytes() == b""
            aside.write_bytes(b"new")
            if fails:
                raise ValueError
    except ValueError:
        pass
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [
        ("film.gif", b"old" if fails else b"new")
    ]
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "file").symlink_to(tmp_path / "elsewhere" / "real")
    files.write(tmp_path / "file", "x")
    assert (tmp_path / "file").is_symlink() and (tmp_path / "elsewhere" / "real").read_text() == "x"


def test_names_as_long_as_they_may_be(tmp_path: Path) -> None:
    name = "ä" * 125 + ".png"
    with files.written_at(tmp_path / name) as aside:
        assert aside.suffix == ".png" and aside.parent == tmp_path
        aside.unlink()
        aside.write_bytes(b"made anew by a library")
    assert (tmp_path / name).read_bytes() == b"made anew by a library"


def test_what_is_written_short_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    files.write(path, "old")

    with pytest.raises(OSError, match="3 of 5 bytes"):
        monkeypatch.setattr(os, "fstat", lambda _: os.stat_result((0o100600, *[0] * 5, 3, *[0] * 3)))
        monkeypatch.setattr(files, "lies_at", lambda *_: True)
        files.write(path, "new..")
    assert path.read_text() == "old"


def test_what_is_no_file_stays_what_it_is(tmp_path: Path) -> None:
    """`--out /dev/null` of root made a file of it, for every program of the machine."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    (tmp_path / "link").symlink_to(pipe)
    files.write(tmp_path / "link", "one")
    with files.written_at(pipe) as aside:
        aside.write_bytes(b"two")
    assert os.read(reader, 100) == b"onetwo"
    os.close(reader)
    assert pipe.is_fifo() and len(list(tmp_path.iterdir())) == 2
