"""A run over two ranks is killed and frozen at random moments: it ends with the bits of one that nobody disturbed.

    python -m trials.gang_kills [--json FILE] [--kills 100] [--seed 0]

Each attempt is disturbed once, at a moment drawn anew: a rank, all of them, the launcher or the attempt's process is
killed, or a rank is frozen; from its start to its end, so while it loads, steps and saves. After each, processes of the
attempt and sockets that listen are counted. Takes half a minute of a core a kill.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
from trials import REPOSITORY, disturbed

WAYS = ("a rank", "all ranks", "a frozen rank", "the launcher", "the attempt")
#: An attempt that is not disturbed again ends in this time; a machine that is full takes long.
_LONGEST_SECONDS = 900.0


def main() -> int:
    wrong = ("other_digests", "left_processes", "left_ports", "steps_lost")
    return disturbed(__doc__.splitlines()[0], "gang_kills", 100, _trial, wrong)


def _trial(place: Path, chance: random.Random, kills: int) -> dict[str, Any]:
    data_in(place / "data")
    usual = _alone(place / "undisturbed", place / "data")
    return _disturbed(place, usual, chance, kills)


def _start(folder: Path, data: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.tasks.train.gang_life", str(folder), str(data)]
    return subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.DEVNULL)


def _alone(folder: Path, data: Path) -> float:
    """Seconds of an attempt that nobody disturbs."""
    began = time.monotonic()
    if _start(folder, data).wait(_LONGEST_SECONDS):
        raise SystemExit("an undisturbed run failed")
    return time.monotonic() - began


def _disturbed(place: Path, usual: float, chance: random.Random, kills: int) -> dict[str, Any]:
    expected = (place / "undisturbed" / "digest").read_text()
    ways: Counter[str] = Counter()
    stages: Counter[str] = Counter()
    runs = others = processes = ports = lost = 0
    folder = place / "run-0"
    while sum(ways.values()) < kills:
        before = _published(folder)
        attempt = _start(folder, place / "data")
        held: set[str] = set()
        if not _ended(attempt, chance.uniform(0.0, usual)):
            way = chance.choice(WAYS)
            stages[_stage(folder)] += 1
            held = _disturb(attempt, way, chance)
            ways[way] += 1
        attempt.wait(_LONGEST_SECONDS)
        processes += not gone_within(folder, 10.0)
        ports += 0 if closed_within(held, 10.0) else len(held & listening())
        lost += _published(folder) < before
        if (folder / "digest").exists():
            runs, others = runs + 1, others + ((folder / "digest").read_text() != expected)
            folder = place / f"run-{runs}"
    while not (folder / "digest").exists():  # the last one goes on to its end
        _start(folder, place / "data").wait(_LONGEST_SECONDS)
    others += (folder / "digest").read_text() != expected
    return {
        "kills": dict(sorted(ways.items())), "while": dict(sorted(stages.items())), "runs": runs + 1,
        "steps_of_each": STEPS, "other_digests": others, "left_processes": processes, "left_ports": ports,
        "steps_lost": lost, "undisturbed_seconds": round(usual, 1),
    }  # fmt: skip


def _ended(attempt: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        attempt.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _disturb(attempt: subprocess.Popen[bytes], way: str, chance: random.Random) -> set[str]:
    """Sockets that the attempt's processes had open."""
    try:
        launcher, ranks = family(attempt.pid)
    except (ValueError, OSError, StopIteration):  # none yet, or none any more
        launcher, ranks = attempt.pid, []
    held = sockets([launcher, *ranks])
    chosen: Sequence[int] = [launcher]
    if way == "the attempt" or not ranks:
        chosen = [attempt.pid]
    elif way == "all ranks":
        chosen = ranks
    elif way != "the launcher":
        chosen = [chance.choice(ranks)]
    for pid in chosen:
        try:
            kill(pid, signal.SIGSTOP if way == "a frozen rank" and ranks else signal.SIGKILL)
        except ProcessLookupError:
            continue
    return held


def _published(folder: Path) -> int:
    try:
        return int(json.loads((folder / "state.json").read_text())["step"])
    except FileNotFoundError:
        return 0


def _stage(folder: Path) -> str:
    scratch = folder / "scratch"
    if any(scratch.glob("*checkpoint-*")):
        return "saving or publishing"
    return "stepping" if (folder / "progress").exists() else "loading"


if __name__ == "__main__":
    sys.exit(main())
