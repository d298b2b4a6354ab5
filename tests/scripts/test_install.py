"""What `make` says while packages come: sizes, and that it goes on; with pip's exit code."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.install import told
from tests.support import REPOSITORY
from tests.terminal import in_terminal

PRINTED = """\
Collecting torch==2.13.0
  Downloading torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl.metadata (31 kB)
Requirement already satisfied: numpy in ./lib (2.2.0)
  Downloading https://files.example/torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl (888.1 MB)
Using cached scipy-1.15.1-cp311-cp311-manylinux.whl (37.6 MB)
Downloading sympy-1.14.0-py3-none-any.whl (6.3 MB)
Downloading nvidia_cudnn-9.1-py3-none-manylinux.whl (1.2 GB)
Installing collected packages: mpmath, sympy, torch
Successfully installed mpmath-1.3.0 sympy-1.14.0 torch-2.13.0
"""


def said(lines: list[str | None]) -> list[str]:
    out: list[str] = []
    told(iter(lines), out.append, clock=lambda: 40.0)
    return out


def test_large_files_are_named_with_their_size_and_all_are_summed_up() -> None:
    assert said([*PRINTED.splitlines()]) == [
        "  torch: 888.1 MB",
        "  scipy from pip's cache: 37.6 MB",
        "  nvidia_cudnn: 1.20 GB",
        "  downloaded 2.09 GB in all; unpacking 3 packages ...",
    ]


def test_silence_is_broken_with_what_goes_on() -> None:
    torch, *_ = [line for line in PRINTED.splitlines() if line.endswith("(888.1 MB)")]
    assert said([None, torch, None, "Installing collected packages: torch", None]) == [
        "  still looking for packages, after 0 s",
        "  torch: 888.1 MB",
        "  still downloading torch (888.1 MB), after 0 s",
        "  downloaded 888.1 MB in all; unpacking 1 package ...",
        "  still unpacking 1 package, after 0 s",
    ]


def test_where_nothing_has_to_come_that_is_said() -> None:
    here = ["Processing /wheels/six-1.17.0-py2.py3-none-any.whl", "Installing collected packages: six"]
    assert said([*here]) == ["  all of it is here; unpacking 1 package ..."]


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[Path]:
    """A pip that prints, complains, and ends with a code of its own."""
    folder = tmp_path / "pip"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "__main__.py").write_text(
        f"import sys\nprint({PRINTED!r})\nprint(sys.argv[1:], file=sys.stderr)\nsys.exit(3)\n"
    )
    yield tmp_path


def test_pips_complaints_and_exit_code_are_its_own(stand_in: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "scripts" / "install.py"), "-e", "."],
        capture_output=True, text=True, env={"PYTHONPATH": str(stand_in)}, check=False,
    )  # fmt: skip
    assert done.returncode == 3
    assert done.stderr == "['install', '--no-compile', '--progress-bar', 'off', '-e', '.']\n"
    assert done.stdout.splitlines()[0] == "  torch: 888.1 MB" and len(done.stdout.splitlines()) == 4


def test_on_a_terminal_pip_shows_its_own_bars(stand_in: Path) -> None:
    words = [sys.executable, str(REPOSITORY / "scripts" / "install.py"), "torch"]
    with in_terminal(words, PYTHONPATH=str(stand_in)) as terminal:
        assert terminal.wait() == 3
    assert "['install', '--no-compile', 'torch']" in terminal.text
    assert "Collecting torch" in terminal.text, "all that pip says"
