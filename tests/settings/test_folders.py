"""Folders that appear whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from settings.files import aside_of
from settings.folders import continued_folder, forget_aside, give_folder_name, whole_folder


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_folder_is_there_with_all_that_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    monkeypatch.setattr("settings.folders.sync", lambda path: synced.append(path.name))
    target = tmp_path / "deep" / "made"
    with whole_folder(target) as aside:
        (aside / "a").write_text("a")
        (aside / "in").mkdir()
        (aside / "in" / "b").write_text("b")
        assert not target.exists()
    assert names(target) == ["a", "in"] and (target / "in" / "b").read_text() == "b"
    assert synced == ["a", "in", "b"] and names(target.parent) == ["made"]


def test_an_empty_folder_is_replaced_and_a_full_one_is_not(tmp_path: Path) -> None:
    target = tmp_path / "made"
    target.mkdir()
    with whole_folder(target) as aside:
        (aside / "a").write_text("new")
    with pytest.raises(FileExistsError), whole_folder(target):
        pass
    file = tmp_path / "file"
    file.write_text("kept")
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "nowhere")
    for taken in (file, dangling):
        with pytest.raises(FileExistsError), whole_folder(taken):
            pass
    with pytest.raises(NotADirectoryError), whole_folder(file / "below"):
        pass
    assert names(tmp_path) == ["dangling", "file", "made"] and (target / "a").read_text() == "new"


@pytest.mark.parametrize("is_file", [False, True])
def test_what_came_meanwhile_is_not_replaced(tmp_path: Path, is_file: bool) -> None:
    target = tmp_path / "made"
    with pytest.raises(FileExistsError), whole_folder(target) as aside:
        (aside / "a").write_text("ours")
        if is_file:
            target.write_text("theirs")
        else:
            target.mkdir()
            (target / "b").write_text("theirs")
    assert names(tmp_path) == ["made"]
    assert (target if is_file else target / "b").read_text() == "theirs"


def test_what_fails_or_was_killed_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "made"
    with pytest.raises(OSError, match="full"), whole_folder(target) as aside:
        (aside / "a").write_text("half")
        raise OSError(errno.ENOSPC, "full")
    assert names(tmp_path) == []
    left = aside_of(target)
    (left / "in").mkdir(parents=True)
    (left / "in" / "b").write_text("of a killed process")
    with whole_folder(target) as aside:
        assert names(aside) == []
    assert names(tmp_path) == ["made"]


def test_two_do_not_fill_one_folder(tmp_path: Path) -> None:
    target = tmp_path / "made"
    with whole_folder(target) as aside:
        (aside / "a").write_text("first")
        with pytest.raises(BlockingIOError), whole_folder(target):
            pass
        assert names(aside) == ["a"]
    assert names(target) == ["a"]


def test_a_continued_folder_stays_with_what_is_in_it_until_it_gets_its_name(tmp_path: Path) -> None:
    target = tmp_path / "made"
    with pytest.raises(KeyboardInterrupt), continued_folder(target) as aside:
        (aside / "set").mkdir()
        (aside / "set" / "a").write_text("half")
        raise KeyboardInterrupt
    assert names(tmp_path) == [".partial.made"]
    with continued_folder(target) as aside:
        with pytest.raises(BlockingIOError), continued_folder(target):
            pass
        assert (aside / "set" / "a").read_text() == "half"
        give_folder_name(aside / "set", target)
    assert names(tmp_path) == ["made"] and names(target) == ["a"]
    with pytest.raises(FileExistsError), continued_folder(target):
        pass
    with pytest.raises(KeyboardInterrupt), continued_folder(tmp_path / "nothing"):
        raise KeyboardInterrupt
    aside_of(target).mkdir()
    (aside_of(target) / "left").write_text("of a process that was killed behind its end")
    forget_aside(target)
    forget_aside(target)
    assert names(tmp_path) == ["made"]
