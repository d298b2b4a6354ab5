"""A shell whose working folder was removed, or mounted anew."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli import main
from db.engine import Database
from settings.home import Home

SENTENCE = "the folder that this shell is in is gone: change to another"


@pytest.fixture
def gone(tmp_path: Path) -> Iterator[None]:
    before = Path.cwd()
    (tmp_path / "gone").mkdir()
    os.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    yield
    os.chdir(before)


@pytest.mark.parametrize(
    "words",
    [
        ["plan", "--preset", "smoke"],
        ["plan", "--preset", "smoke", "--data", "x"],
        ["plan", "--config", "x.yaml"],
        ["data", "check", "x"],
        ["gaze", "x"],
    ],
)
def test_what_cannot_be_found_is_told_with_the_reason(
    words: list[str], gone: None, home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--home", str(home.root), *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and line.endswith(SENTENCE)


def test_a_home_that_is_named_by_nothing_is_told_once(gone: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 2
    assert capsys.readouterr().err.count("is gone") == 1


def test_whole_paths_work(gone: None, home: Home, database: Database) -> None:
    assert main(["--home", str(home.root), "status"]) == 0
