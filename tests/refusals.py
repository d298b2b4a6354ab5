"""A small CALVIN folder, a home that is not there, and commands that must be refused: for tests of the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import cli
from tests.calvin.samples import make_episode
from tests.calvin.writing import write_split


@pytest.fixture(scope="module")
def _sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("calvin")
    write_split(root, "training", [make_episode(100, 6), make_episode(200, 6, task="close_drawer")])
    write_split(root, "validation", [make_episode(300, 6, split="validation")])
    return root


@pytest.fixture
def data(_sound: Path, tmp_path: Path) -> Path:
    """A small CALVIN folder that the test may damage."""
    return Path(shutil.copytree(_sound, tmp_path / "data"))


@pytest.fixture
def at(tmp_path: Path) -> Path:
    """A home that does not exist."""
    return tmp_path / "home"


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str], code: int = 2) -> str:
    """Run a command that must fail with `code` and one sentence on standard error. Returns the sentence."""
    capsys.readouterr()
    assert cli.main(arguments) == code
    output = capsys.readouterr()
    assert output.out == ""
    (line,) = output.err.splitlines()
    assert line.startswith("error: ")
    assert "Traceback" not in line
    return line


def submit(at: Path, *arguments: str) -> list[str]:
    return ["--home", str(at), "submit-ablation", "--preset", "smoke", "--detach", *arguments]


def content(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
