"""What `make` says and does while it sets up an environment, with a Python that only writes down what it is asked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.terminal import in_terminal
from tests.test_docs import REPOSITORY

#: Its environments have pip once they are whole.
_STAND_IN = """#!/bin/sh
here=$(dirname "$(dirname "$0")")
echo "$*" >> {log}
case "$*" in
    "-c "*) exec {python} -c "import sys; sys.version_info = ({version}, 0); $2" ;;
    "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && touch "$3/has_pip" ;;
    "-m pip --version") test -e "$here/has_pip" ;;
esac
"""


class Setup:
    def __init__(self, folder: Path, version: str) -> None:
        self.venv, self.log, python = folder / "venv", folder / "log", folder / "python"
        text = _STAND_IN.format(log=self.log, python=sys.executable, version=version)
        python.write_text(text)
        python.chmod(0o755)
        stamp = f"{self.venv}/.installed"
        self.words = ["make", "--no-print-directory", stamp, f"VENV={self.venv}", f"PYTHON={python}"]

    def __call__(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.words, cwd=REPOSITORY, capture_output=True, text=True)

    @property
    def asked(self) -> list[str]:
        return self.log.read_text().splitlines()


def test_a_log_gets_a_line_for_each_step(tmp_path: Path) -> None:
    setup = Setup(tmp_path, "3, 11")
    done = setup()
    assert done.returncode == 0, done.stderr
    made, torch, others = done.stdout.splitlines()
    assert made.startswith(f"Making {setup.venv} with ")
    assert torch.startswith("Installing PyTorch: ") and others.startswith("Installing Baton ")
    installed = [words.split() for words in setup.asked if "install" in words]
    assert [words[0] for words in installed] == ["scripts/install.py"] * 3, "which says what comes"
    assert [words[-1] for words in installed] == ["pip>=25", "torch==2.13.0", "."]
    assert setup().stdout.endswith("is up to date.\n")


def test_on_a_terminal_pip_shows_itself(tmp_path: Path) -> None:
    setup = Setup(tmp_path, "3, 11")
    with in_terminal([*setup.words, "-C", str(REPOSITORY)]) as terminal:
        assert terminal.wait() == 0, terminal.text
    assert not any("--quiet" in words for words in setup.asked)
    assert sum(words.startswith("scripts/install.py") for words in setup.asked) == 3


def test_what_was_broken_off_is_made_again(tmp_path: Path) -> None:
    setup = Setup(tmp_path, "3, 11")
    assert setup().returncode == 0
    (setup.venv / "has_pip").unlink()
    (setup.venv / ".installed-torch").unlink()
    assert setup().stdout.startswith("Making ")


@pytest.mark.parametrize("version", ["3, 9", "3, 13"])
def test_another_python_is_told_before_anything_is_fetched(version: str, tmp_path: Path) -> None:
    setup = Setup(tmp_path, version)
    done = setup()
    assert done.returncode == 2 and not setup.venv.exists()
    told, _ = done.stderr.splitlines()
    python = tmp_path / "python"
    number = version.replace(", ", ".")
    assert told == (
        f"Baton needs Python 3.10, 3.11 or 3.12, and {python} is {number}: make PYTHON=python3.12 ..."
    )
