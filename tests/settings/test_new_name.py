"""A name that nothing has, in each of the ways that a file system may leave."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from settings import files, new_name
from settings.new_name import give_new_name

ONE_STEP, LINKED, RENAMED = "in one step", "by a link", "by a rename"


@pytest.fixture(params=[ONE_STEP, LINKED, RENAMED])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the file system knows."""

    def refuse(number: int) -> None:
        raise OSError(number, os.strerror(number))

    way = str(request.param)
    if way != ONE_STEP:
        monkeypatch.setattr(new_name, "_rename_to_nothing", lambda *_: refuse(errno.EINVAL))
    if way == RENAMED:
        monkeypatch.setattr(os, "link", lambda *_: refuse(errno.EPERM))
    return way


def content(folder: Path) -> dict[str, str]:
    return {entry.name: entry.read_text() for entry in folder.iterdir()}


def test_the_file_has_the_new_name_alone(tmp_path: Path, way: str, caplog: pytest.LogCaptureFixture) -> None:
    file, target = tmp_path / "aside", tmp_path / "file"
    file.write_text("ours")
    give_new_name(file, target)
    assert content(tmp_path) == {"file": "ours"}
    assert (f"{target}: its file system knows no links" in caplog.text) == (way == RENAMED)


@pytest.mark.usefixtures("way")
def test_what_is_there_stays(tmp_path: Path) -> None:
    file, target = tmp_path / "aside", tmp_path / "file"
    file.write_text("ours")
    target.symlink_to("nowhere")
    with pytest.raises(FileExistsError, match=str(target)):
        give_new_name(file, target)
    assert target.is_symlink() and file.read_text() == "ours"


@pytest.mark.parametrize("way", [ONE_STEP, LINKED], indirect=True)
def test_what_came_in_the_last_moment_stays(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    module, name = (new_name, "_rename_to_nothing") if way == ONE_STEP else (os, "link")
    real = getattr(module, name)

    def late(file: Path, target: Path) -> None:
        path.write_text("somebody's")
        real(file, target)

    monkeypatch.setattr(module, name, late)
    with pytest.raises(FileExistsError), files.whole(path, new=True) as stream:
        stream.write(b"ours")
    assert content(tmp_path) == {"file": "somebody's"}


@pytest.mark.parametrize("way", [LINKED], indirect=True)
@pytest.mark.usefixtures("way")
def test_an_answer_that_was_lost_does_not_hide_that_the_file_is_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client of NFS asks again, and hears of its own file."""
    link = os.link

    def linked(file: Path, target: Path) -> None:
        link(file, target)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))

    monkeypatch.setattr(os, "link", linked)
    with files.whole(tmp_path / "file", new=True) as stream:
        stream.write(b"ours")
    assert content(tmp_path) == {"file": "ours"}


def test_an_error_of_the_disk_is_raised(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        give_new_name(tmp_path / "not there", tmp_path / "file")
