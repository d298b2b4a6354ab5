"""What lies beside a file or folder that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from errors import ConfigError
from settings.near_files import near_place
from settings.regular import text_of


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("one.bundle").write_text("")
    Path("ckpt").mkdir()
    return tmp_path


def test_a_file_is_told_as_its_folder_was_written(folder: Path) -> None:
    assert near_place(Path("one.bundel")) == "; did you mean one.bundle?"
    assert near_place(folder / "one.bundel") == f"; did you mean {folder}/one.bundle?"


def test_files_and_folders_are_not_taken_for_each_other() -> None:
    assert near_place(Path("cktp")) == near_place(Path("one.bundel"), folders=True) == ""
    assert near_place(Path("cktp"), folders=True) == "; did you mean ckpt?"


@pytest.mark.parametrize(
    "name", ["one.bundle", "xyz", "nowhere/one.bundle", "one.bundle/one.bundel", "", "x" * 300]
)
def test_nothing_is_told_where_nothing_is_near(name: str) -> None:
    assert near_place(Path(name)) == ""


def test_what_moves_a_terminal_is_escaped(folder: Path) -> None:
    (folder / "two\x1b[2J.yaml").write_text("")
    assert "\x1b" not in near_place(Path("two.[2J.yaml"))
    assert near_place(Path("two.[2J.yaml")).startswith("; did you mean two\\x1b")


def test_a_text_that_is_not_there_is_told_with_what_lies_beside_it() -> None:
    Path("grid.yaml").write_text("")
    with pytest.raises(
        ConfigError, match=r"^gird.yaml cannot be read: No such file .*; did you mean grid.yaml\?$"
    ):
        text_of(Path("gird.yaml"), ConfigError)
