"""A run over two ranks is killed and frozen at any moment of its own progress: it ends with the bits of one that nobody
disturbed.

    python -m trials.gang_kills [--json FILE] [--kills 100] [--seed 0]

Each attempt is disturbed once: a rank, all of them, the launcher or the attempt's process, as a worker has it, is
killed, or a rank is frozen. When is chosen by what the attempt hears of its ranks: while they start, while they load,
in a step, while a checkpoint is written beside the steps, while it is published, at the end; every way meets every
moment. After each, processes of the attempt and sockets that listen are counted. Attempts are forks of this process,
which has imported what they need.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import random
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tests.tasks.train import gang_life
from tests.tasks.train.gang_life import (
    STEPS,
    closed_within,
    data_in,
    family,
    gone_within,
    kill,
    listening,
    sockets,
)
from trials import disturbed

WAYS = ("a rank", "all ranks", "a frozen rank", "the launcher", "the attempt")
#: An attempt that is not disturbed again ends in this time; a machine that is full takes long.
_LONGEST_SECONDS = 900.0
_LOOK_SECONDS = 0.002
#: With fewer steps to go an attempt is disturbed at its end.
_LAST = 4


@dataclass(frozen=True)
class Moment:
    """After the attempt has heard `line` for the n-th time (1 to `times`), up to `seconds` later."""

    name: str
    line: str
    seconds: float
    times: int = 1


MOMENTS = (
    Moment("starting", "alive", 3.0),
    Moment("loading", "stage loading", 1.0),
    Moment("in a step", "step", 0.2, 3),
    Moment("while a checkpoint is written", "saving", 0.2, 2),
    Moment("while one is published", "saved", 0.1, 2),
    Moment("at the end", "stage ending", 0.1),
)


def main() -> int:
    wrong = ("other_digests", "left_processes", "left_ports", "steps_lost")
    return disturbed(" ".join(__doc__.split("\n\n")[0].split()), "gang_kills", 100, _trial, wrong)


def _trial(place: Path, chance: random.Random, kills: int) -> dict[str, Any]:
    trial, began = _Trial(place, chance), time.monotonic()
    while sum(trial.ways.values()) < kills:
        print(f"{time.monotonic() - began:.0f} s: {trial.attempt()}", file=sys.stderr, flush=True)
    return trial.ended()


def _start(folder: Path, data: Path) -> BaseProcess:
    process = multiprocessing.get_context("fork").Process(target=_attempt, args=(folder, data))
    process.start()
    return process


def _attempt(folder: Path, data: Path) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    gang_life.main(folder, data)


class _Trial:
    """Runs one behind the other, and what was found of them."""

    def __init__(self, place: Path, chance: random.Random) -> None:
        self._place, self._chance = place, chance
        self._data = place / "data"
        data_in(self._data)
        undisturbed, began = place / "undisturbed", time.monotonic()
        _wait(_start(undisturbed, self._data))
        self._usual = time.monotonic() - began
        self._expected = (undisturbed / "digest").read_text()
        self._turns = list[tuple[str, Moment]]()
        self._was_at_end = False  # then the run is left alone, or it would have none
        self._folder = place / "run-0"
        self.ways: Counter[str] = Counter()
        self._moments: Counter[str] = Counter()
        self._runs = self._others = self._processes = self._ports = self._lost = self._alone = 0

    def attempt(self) -> str:
        """Of the run under way; one that is over before its moment came is no kill. Returns what was done, and when."""
        before = _published(self._folder)
        can_end = before >= STEPS - _LAST
        turn = None if self._was_at_end else self._next(can_end)
        self._was_at_end = can_end
        (self._folder / "heard").unlink(missing_ok=True)
        attempt, held, done = _start(self._folder, self._data), set[str](), "none"
        if turn is not None and _comes(attempt, self._folder / "heard", turn[1], self._chance):
            way, held = _disturb(attempt, turn[0], self._chance)
            self.ways[way] += 1
            self._moments[turn[1].name] += 1
            done = f"{way}, {turn[1].name}"
        else:
            self._alone += 1
        _wait(attempt)
        self._processes += not gone_within(self._folder, 10.0)
        self._ports += 0 if closed_within(held, 10.0) else len(held & listening())
        self._lost += _published(self._folder) < before
        if (self._folder / "digest").exists():
            self._compare()
        return done

    def _next(self, can_end: bool) -> tuple[str, Moment]:
        """Every way meets every moment once before any does again, as far as the moment comes in this attempt."""
        while True:
            for number, (_, moment) in enumerate(self._turns):
                if can_end is (moment is MOMENTS[-1]):
                    return self._turns.pop(number)
            pairs = list(itertools.product(WAYS, MOMENTS))
            self._turns += self._chance.sample(pairs, len(pairs))

    def ended(self) -> dict[str, Any]:
        """The last run goes on to its end."""
        while _published(self._folder) and not (self._folder / "digest").exists():
            _wait(_start(self._folder, self._data))
        if (self._folder / "digest").exists():
            self._compare()
        return {
            "kills": dict(sorted(self.ways.items())),
            "while": {moment.name: self._moments[moment.name] for moment in MOMENTS},
            "attempts_not_disturbed": self._alone, "runs": self._runs, "steps_of_each": STEPS,
            "other_digests": self._others, "left_processes": self._processes, "left_ports": self._ports,
            "steps_lost": self._lost, "undisturbed_seconds": round(self._usual, 1),
        }  # fmt: skip

    def _compare(self) -> None:
        self._others += (self._folder / "digest").read_text() != self._expected
        self._runs += 1
        self._was_at_end = False
        self._folder = self._place / f"run-{self._runs}"


def _wait(attempt: BaseProcess) -> None:
    attempt.join(_LONGEST_SECONDS)
    if attempt.exitcode is None:
        raise SystemExit(f"an attempt is not over after {_LONGEST_SECONDS:.0f} s")


def _comes(attempt: BaseProcess, heard: Path, moment: Moment, chance: random.Random) -> bool:
    """Whether that moment came; it is now."""
    times = chance.randint(1, moment.times)
    while attempt.exitcode is None:
        if heard.exists() and _heard(heard).count(moment.line) >= times:
            attempt.join(chance.uniform(0.0, moment.seconds))
            return attempt.exitcode is None
        time.sleep(_LOOK_SECONDS)
    return False


def _heard(file: Path) -> list[str]:
    return [line.strip() for line in file.read_text().splitlines()]


def _disturb(attempt: BaseProcess, way: str, chance: random.Random) -> tuple[str, set[str]]:
    """(what was done, sockets that the attempt's processes had open). The launcher stands for ranks that it has not
    started yet, and the attempt for a launcher."""
    assert attempt.pid is not None
    try:
        launcher, ranks = family(attempt.pid)
    except (ValueError, OSError, StopIteration):  # none yet, or none any more
        launcher, ranks = None, []
    there = [attempt.pid] if launcher is None else [launcher, *ranks]
    held, chosen = sockets(there), [attempt.pid]
    if launcher is None or way == "the attempt":
        way = "the attempt"
    elif way == "the launcher" or not ranks:
        way, chosen = "a frozen launcher" if way == "a frozen rank" else "the launcher", [launcher]
    else:
        chosen = ranks if way == "all ranks" else [chance.choice(ranks)]
    for pid in chosen:
        with suppress(ProcessLookupError):
            kill(pid, signal.SIGSTOP if "frozen" in way else signal.SIGKILL)
    return way, held


def _published(folder: Path) -> int:
    try:
        return int(json.loads((folder / "state.json").read_text())["step"])
    except FileNotFoundError:
        return 0


if __name__ == "__main__":
    sys.exit(main())
