"""What a process leaves that had not come so far as to die with it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from settings import parent
from settings.parent import PARENT_VARIABLE, left_by, never_followed


def test_what_a_process_started_is_found_when_that_is_gone() -> None:
    """Also where it is stopped; what others started is not."""
    # It tells its number itself: only then its environment is surely its own.
    command = f"{PARENT_VARIABLE}=$$ sh -c 'echo $$; exec sleep 60 >/dev/null' &"
    gone = subprocess.Popen(["sh", "-c", command], stdout=subprocess.PIPE, text=True)
    assert gone.stdout is not None
    child = int(gone.stdout.readline())
    other = subprocess.Popen(["sleep", "60"], env={**os.environ, PARENT_VARIABLE: "1"})
    try:
        gone.wait()
        os.kill(child, signal.SIGSTOP)
        assert left_by(gone.pid) == [child]
    finally:
        os.kill(child, signal.SIGKILL)
        other.kill()
        other.wait()
        gone.stdout.close()


@pytest.fixture
def gone() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@contextmanager
def stopped(told: int, *arguments: str) -> Iterator[int]:
    """Stands for a process that was stopped before it could follow that parent."""
    process = subprocess.Popen(
        ["sh", "-c", "echo; read held", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, PARENT_VARIABLE: str(told)},
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdout.readline()  # its command is its own
    os.kill(process.pid, signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    try:
        yield process.pid
    finally:
        process.kill()
        process.communicate()


def test_one_that_never_followed_is_found_by_the_next_of_its_home(gone: int, tmp_path: Path) -> None:
    root = str(Path(parent.__file__).resolve().parent.parent)
    order = str(tmp_path / "artifacts" / "order.json")
    with (
        stopped(gone, root, order) as rank,
        stopped(gone, f"{root}/cli.py", "--home", str(tmp_path)) as worker,
    ):
        assert never_followed(tmp_path) == sorted([rank, worker])
        assert never_followed(tmp_path / "other") == []
        os.kill(rank, signal.SIGCONT)
        os.waitpid(rank, os.WCONTINUED)
        assert never_followed(tmp_path) == [worker], "whatever runs finds its parent gone itself"


@pytest.mark.parametrize("what", ["its parent lives", "it is not ours", "it is of no session"])
def test_nothing_else_is(what: str, gone: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = str(Path(parent.__file__).resolve().parent.parent)
    order = str(tmp_path / "order.json")
    if what == "it is of no session":
        monkeypatch.setattr("tests.settings.test_parent.PARENT_VARIABLE", "OTHER")
    told = os.getpid() if what == "its parent lives" else gone
    with stopped(told, "/somewhere" if what == "it is not ours" else root, order):
        assert never_followed(tmp_path) == []
