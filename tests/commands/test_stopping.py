"""Signals at any moment of a command's life, and how long it waits for what saves its steps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import cli
from commands import run
from commands.run import Interrupts, Stay, leave_seconds, run_home
from commands.stopping import LEAVE, caught
from db.engine import Database
from db.states import READY
from errors import StateLost, Stopped
from settings.home import Home
from tests.processes import CLI, environment
from tests.support import planned, states, submit
from workers.supervisor import Devices


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_before_anything_is_imported_or_started_ends_with_4(
    tmp_path: Path, number: signal.Signals
) -> None:
    """The first library that a command imports is one that does not come to an end."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    (tmp_path / "click.py").write_text(f"open({str(gate)!r}).read()\n")
    command = subprocess.Popen(
        [sys.executable, str(CLI), "--home", str(tmp_path / "home"), "up"],
        stderr=subprocess.PIPE,
        text=True,
        env=environment() | {"PYTHONPATH": f"{tmp_path}:{CLI.parent}"},
    )
    with gate.open("w"):  # opens once the command has opened it, which reads until this is closed
        command.send_signal(number)
        said = command.communicate()[1]
    assert command.returncode == 4
    assert said == f"error: stopped by {number.name} while nothing was running; the same command goes on\n"
    assert not (tmp_path / "home").exists()


def test_other_commands_end_by_a_signal_as_programs_do(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    (tmp_path / "click.py").write_text(f"open({str(gate)!r}).read()\n")
    command = subprocess.Popen(
        [sys.executable, str(CLI), "status"], env=environment() | {"PYTHONPATH": f"{tmp_path}:{CLI.parent}"}
    )
    with gate.open("w"):
        command.send_signal(signal.SIGUSR1)
        assert command.wait() == -signal.SIGUSR1


def test_whoever_stops_a_command_that_keeps_nothing_is_told(
    home: Home, database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also of one that asks before it does anything, and is not told to."""
    where = ["--home", str(home.root)]

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as at_once:
        at_once.setattr("db.queries.artifacts", interrupted)
        assert cli.main([*where, "artifacts"]) == 4
    assert capsys.readouterr().err == "\nerror: stopped by SIGINT; the same command begins anew\n"
    submit(database, planned("a"), key="mine")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _: "n")
    assert cli.main([*where, "ablation", "remove", "mine"]) == 4
    assert capsys.readouterr().err.endswith("error: not confirmed, so nothing was changed\n")
    assert states(database) == {"a": READY}


def test_whoever_stops_following_a_job_has_seen_enough(
    home: Home, database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    submit(database, planned("a"))
    monkeypatch.setattr("commands.logs.time.sleep", interrupted)
    assert cli.main(["--home", str(home.root), "logs", "a", "--follow"]) == 0
    assert "SIGINT" not in capsys.readouterr().err


def test_only_a_person_who_presses_again_is_in_a_hurry() -> None:
    before = [signal.getsignal(number) for number in LEAVE]
    interrupts = Interrupts()
    with caught(interrupts.note):
        for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGTERM):  # as SLURM does
            signal.raise_signal(number)
        assert (interrupts.count, interrupts.hurry) == (3, False)
        signal.raise_signal(signal.SIGINT)
        assert interrupts.hurry
    assert [signal.getsignal(number) for number in LEAVE] == before
    again = Interrupts()
    with caught(again.note):
        signal.raise_signal(signal.SIGINT)
        assert not again.hurry
        signal.raise_signal(signal.SIGINT)
        assert again.hurry


@pytest.mark.parametrize(
    ("notice_left", "session_left", "seconds"),
    [
        (None, None, 25.0),
        (118.0, None, 115.0),
        (2.0, None, 1.0),
        (None, 4.0, 4.0),
        (None, -3.0, 1.0),
        (None, 40_000.0, 25.0),
        (118.0, 60.0, 60.0),
    ],
)
def test_as_long_as_a_notice_lasts_steps_may_be_saved(
    notice_left: float | None, session_left: float | None, seconds: float
) -> None:
    assert leave_seconds(25.0, notice_left, session_left) == seconds


@pytest.mark.parametrize(
    ("moved", "error"),
    [
        (True, FileNotFoundError(2, "No such file or directory")),
        (False, FileNotFoundError(2, "No such file or directory")),
        (True, StateLost("the state cannot be opened any more")),
        (True, TypeError("a bug, whose traceback says where")),
    ],
)
def test_a_home_that_is_moved_while_it_runs_ends_the_session_with_a_sentence(
    moved: bool, error: Exception, home: Home, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stay(*_: object) -> None:
        if moved:
            home.root.rename(home.root.with_name("elsewhere"))
        raise error

    monkeypatch.setattr(run, "_stay", stay)
    told_as_moved = moved and not isinstance(error, TypeError)
    with pytest.raises(Stopped if told_as_moved else type(error)) as told:
        run_home(home, database, Stay(Devices([], 0), None, None, 0.0), until_done=False)
    assert ("was moved or removed while it ran" in str(told.value)) == told_as_moved
    if moved:
        home.root.with_name("elsewhere").rename(home.root)
