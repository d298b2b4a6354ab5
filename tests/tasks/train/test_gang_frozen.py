"""A process of an attempt over ranks that is frozen is found by its silence, at the start and beside a save too."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from errors import RanksLost
from tasks.context import Finished
from tasks.train import run as train
from tasks.train.gang import watch
from tasks.train.gang.watch import Watch
from tasks.train.gang.words import LAUNCHER, Line
from tests.tasks.train.gang_life import (
    RANKS,
    KeptContext,
    data_in,
    family,
    hearing,
    kill,
    left_of,
    spec_of,
)

pytestmark = pytest.mark.slow

#: Long enough for a process that is not frozen to be the first to be silent never, on a machine that is full.
_SECONDS = 6.0


def alive(rank: int) -> Callable[[Line], bool]:
    return lambda line: line.word == "alive" and line.whole("rank") == rank


@pytest.mark.parametrize(
    ("when", "who", "said"),
    [
        (alive(LAUNCHER), LAUNCHER, "the launcher of the ranks stands still while starting"),
        (lambda line: line.word == "ranks", 1, "rank 1 stands still while starting"),
        (lambda line: line.word == "saving", 1, "rank 1 stands still while stepping"),
    ],
    ids=["launcher", "before its first line of Python", "saving"],
)
def test_it_is_found_by_its_silence(
    when: Callable[[Line], bool], who: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bounds of stages do not count here: they are minutes."""
    for name in ("ALIVE_SECONDS", "STARTING_ALIVE_SECONDS", "LOADING_ALIVE_SECONDS"):
        monkeypatch.setattr(watch, name, _SECONDS)
    monkeypatch.setattr(watch, "LEAST_SECONDS", 600.0)
    frozen: list[int] = []

    def freeze(line: Line) -> None:
        if not frozen and when(line):
            launcher, ranks = family(os.getpid())
            while who != LAUNCHER and len(ranks) < RANKS:
                launcher, ranks = family(os.getpid())
            frozen.append(launcher if who == LAUNCHER else ranks[who])
            kill(frozen[0], signal.SIGSTOP)

    with hearing(freeze), pytest.raises(RanksLost, match=f"{said}: no sign of life for"):
        train.run(KeptContext(tmp_path, spec_of(), data_in(tmp_path / "data")))
    assert frozen and left_of(tmp_path) == []


def test_one_that_runs_is_none_though_nothing_is_heard_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a machine is so full that the thread which gives signs of life comes too late."""
    for name in ("ALIVE_SECONDS", "STARTING_ALIVE_SECONDS", "LOADING_ALIVE_SECONDS"):
        monkeypatch.setattr(watch, name, 2.5)
    monkeypatch.setattr(Watch, "moved", lambda *_: None)
    heard, alive = [], Watch.alive

    def deaf(self: Watch, rank: int) -> None:
        if rank != 1 or sys._getframe(1).f_code is Watch.feel.__code__:
            alive(self, rank)
        else:
            heard.append(rank)

    monkeypatch.setattr(Watch, "alive", deaf)
    ended = train.run(KeptContext(tmp_path, spec_of(), data_in(tmp_path / "data")))
    assert isinstance(ended, Finished) and len(heard) > 3
