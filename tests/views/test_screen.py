"""What `up` shows while it works: bars in a real terminal, lines in pipes, notebooks and CI, a word on Ctrl-C."""

from __future__ import annotations

import errno
import io
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from db import members
from db.engine import Database
from db.schema import Session
from settings.home import Home
from tests.commands.test_status import finish_all, make_ablation
from tests.processes import CLI, QUICK, environment
from tests.support import await_value
from tests.terminal import in_terminal
from views.console import Console
from views.screen import Screen


def up(home: Home) -> list[str]:
    """A session without workers: the test does the work."""
    options = ["up", "--until-done", "--cpus", "0", "--gpus", "none"]
    return [sys.executable, str(CLI), "--home", str(home.root), *options]


def work(database: Database) -> None:
    finish_all(database, members.join(database, "test", "cpu", None, time.time()))


def reasons(database: Database) -> list[str | None]:
    """Why each session ended."""
    with database.read() as tx:
        return list(tx.scalars(select(Session.reason)))


def test_a_terminal_shows_bars_and_keeps_the_last_ones(home: Home, database: Database) -> None:
    make_ablation(database)
    with in_terminal(up(home), columns=100, **QUICK) as terminal:
        await_value(lambda: terminal.text, lambda text: "recon_pretrain" in text, "the first bars")
        assert "0/100" in terminal.text
        work(database)
        assert terminal.wait() == 0, terminal.text
        kept = terminal.text.rpartition("ablation 1")[2]
        assert kept.count("100/100") == 6 and "6 succeeded" in kept
        assert "\x1b[?1049h" not in terminal.text, "what was on the terminal before stays there"


def test_a_pipe_gets_lines_and_the_end(home: Home, database: Database) -> None:
    make_ablation(database)
    process = subprocess.Popen(up(home), stderr=subprocess.PIPE, text=True, env=environment(**QUICK))
    assert process.stderr is not None
    assert process.stderr.readline().startswith("mine: 0/6 jobs")
    work(database)
    assert "mine: succeeded" in process.stderr.read().splitlines()
    assert process.wait(180) == 0


@pytest.mark.parametrize("variables", [{"JPY_PARENT_PID": "1"}, {"CI": "true"}], ids=["notebook", "CI"])
def test_pseudo_terminals_of_notebooks_and_ci_get_lines_and_a_word_on_interrupts(
    home: Home, database: Database, variables: dict[str, str]
) -> None:
    make_ablation(database)
    with in_terminal(up(home), **QUICK, **variables) as terminal:
        await_value(lambda: terminal.text, lambda text: "mine: 0/6 jobs" in text, "the first line")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.wait() == 4
        assert "interrupted: what is under way is saved" in terminal.text
        assert "stopped (interrupted): no job was under way; go on with" in terminal.text
        assert terminal.text.rstrip().endswith(" up --until-done")
        assert "\x1b[" not in terminal.text, "nothing moves the cursor"


def test_work_goes_on_when_the_terminal_is_gone(home: Home, database: Database) -> None:
    """As after `disown`, or under `setsid`: nobody is told that the window was closed."""
    make_ablation(database)
    with in_terminal(up(home), columns=100, **QUICK) as terminal:
        await_value(lambda: terminal.text, lambda text: "recon_pretrain" in text, "the first bars")
        terminal.hang_up()
        time.sleep(3.0)  # a screen or two that cannot be written
        assert terminal.process.poll() is None
        work(database)
        assert terminal.process.wait(180) == 0
    assert reasons(database) == ["done"]


@pytest.fixture
def not_under_nohup() -> Iterator[None]:
    """Tests that run under nohup hand it down to the commands they start."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("not_under_nohup")
def test_a_hang_up_ends_in_order(home: Home, database: Database) -> None:
    make_ablation(database)
    with in_terminal(up(home), columns=100, **QUICK) as terminal:
        await_value(lambda: terminal.text, lambda text: "recon_pretrain" in text, "the first bars")
        terminal.hang_up()
        terminal.process.send_signal(signal.SIGHUP)
        assert terminal.process.wait(180) == 4
    assert reasons(database) == ["interrupted"]


def test_nohup_is_heeded(home: Home, database: Database) -> None:
    make_ablation(database)
    process = subprocess.Popen(
        ["nohup", *up(home)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**QUICK),
    )
    assert process.stderr is not None
    assert process.stderr.readline().startswith("mine: 0/6 jobs")
    process.send_signal(signal.SIGHUP)
    work(database)
    assert "mine: succeeded" in process.stderr.read().splitlines()
    assert process.wait(180) == 0


class Unread(io.StringIO):
    """A pipe whose reader has gone."""

    def write(self, _text: str) -> int:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def test_who_stops_reading_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends `tee` of `up 2>&1 | tee log` too, and what the session says then is read by nobody."""
    monkeypatch.setattr(sys, "stderr", Unread())
    with Screen(dict, quiet=False) as screen:
        screen.say("interrupted: what is under way is saved")
    Console(stderr=True).print("a table that was asked for")
