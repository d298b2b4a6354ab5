"""How much of the time goes into steps that count, on machines that get taken away.

    python -m benchmarks.goodput [--minutes 6] [--every 60]

Measured: one toy run on two workers, of which the one that trains gets SIGKILL every `--every` seconds;
goodput is the useful time in the database's ledger over the wall time from the first attempt to the end.
Replayed: the times just measured (load, step, checkpoint, being noticed and started again) through the
planning code of `workers.retries` with a clock of its own, for sessions of 12 hours with one kill in each, in
slices of two hours. Beside both, the notebook's habit: `torch.save` every two hours, started again by hand.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import describe
from db.timings import Timing
from settings.queue import QueueSettings
from tasks.kind import Spec
from workers import deadlines

ROOT = Path(__file__).resolve().parent.parent
CLI = [sys.executable, str(ROOT / "cli.py")]
RESULT = ROOT / "benchmarks" / "results" / "goodput.json"

HOUR = 3600.0

#: The notebook's cycle: a person looks after it this often.
_BY_HAND_SECONDS = 600.0


@dataclass(frozen=True)
class Times:
    """Seconds, as measured. blocked: what a checkpoint costs the loop; away: from a kill to the next attempt."""

    load: float
    step: float
    save: float
    blocked: float
    away: float


@dataclass(frozen=True)
class Habit:
    """How work is put away. slice_seconds None: one attempt until the end of the session."""

    name: str
    checkpoint_seconds: float
    slice_seconds: float | None
    away: float
    save_blocks: bool


@dataclass(frozen=True)
class _Sliced(Spec):
    seconds: float

    @property
    def time_slice(self) -> float:
        return self.seconds


def replay(times: Times, habit: Habit, kills: Sequence[float], session_seconds: float, total: float) -> float:
    """Goodput over `total` seconds: sessions of fixed length, killed at the given moments (seconds).

    Attempts begin and end as `workers.retries` plans them for a session with that deadline.
    """
    settings = QueueSettings()
    timing = Timing(times.load, times.step, times.save, 0.0)
    blocked = times.save if habit.save_blocks else times.blocked
    spec = _Sliced(habit.slice_seconds or session_seconds)
    queue = sorted(kills)
    clock, saved_steps = 0.0, 0
    while clock < total:
        deadline = (clock // session_seconds + 1) * session_seconds
        must_end = deadlines.latest_end(clock, deadline, spec, timing, settings)
        if must_end is None:  # nothing can progress: the next session
            clock = deadline
            continue
        slice_end = deadlines.slice_end(clock, spec.time_slice)
        assert slice_end is not None
        end = min(must_end, slice_end, total)
        killed_at = queue[0] if queue and queue[0] < end + times.save else None
        now, steps, saved_at = clock + times.load, 0, clock + times.load
        kept = 0
        while now < end and (killed_at is None or now < killed_at):
            now += times.step
            steps += 1
            if now - saved_at >= habit.checkpoint_seconds:
                now += blocked
                # Written beside the work: it counts once it is on the disk.
                if killed_at is None or now + (0.0 if habit.save_blocks else times.save) < killed_at:
                    kept = steps
                saved_at = now
        if killed_at is not None:
            queue.pop(0)
            saved_steps += kept
            clock = killed_at + habit.away
        else:
            saved_steps += steps
            clock = now + times.save
    return saved_steps * times.step / clock


def measure(folder: Path, minutes: float, every: float, preset: str) -> tuple[dict[str, Any], Times]:
    """Train under kills. Returns figures of the run, and the times for the replay."""
    home = folder / "home"
    command = [*CLI, "--home", str(home), "submit-ablation", "--preset", preset, "--arms", "baseline",
               "--set", "evaluation.random_baseline=false", "--set", "evaluation.sequences=1",
               "--set", "evaluation.max_steps=5"]  # fmt: skip
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    calm = [*command, "--set", "training.steps=60", "--set", "training.slice_seconds=600", "--name", "calm"]
    subprocess.run(calm, check=True, **quiet)
    step = _rows(home, "select useful_seconds / step_to from attempt join job on job.id = job_id"
                       " where kind = 'train' and outcome = 'succeeded'")[0][0]  # fmt: skip
    steps = int(minutes * 60 / step)
    print(
        f"a step takes {step * 1000:.0f} ms; training {steps} steps under a kill every {every:.0f} s",
        flush=True,
    )
    submit = [*command, "--set", f"training.steps={steps}", "--set", "training.slice_seconds=7200",
              "--set", "training.checkpoint_seconds=3", "--name", "killed", "--detach"]  # fmt: skip
    subprocess.run(submit, check=True, **quiet)
    up = subprocess.Popen(
        [*CLI, "--home", str(home), "up", "--until-done", "--cpus", "2", "--gpus", "none"], **quiet
    )
    job = f"(select id from job where kind = 'train' and target_steps = {steps})"
    while not _rows(home, f"select 1 from attempt where job_id = {job}"):
        time.sleep(0.2)
    next_kill = time.monotonic() + every
    while _rows(home, f"select state from job where id = {job}") != [("succeeded",)]:
        time.sleep(0.2)
        if time.monotonic() >= next_kill:
            next_kill += every
            holder = (
                f"select worker.pid from worker join job on job.worker_id = worker.id where job.id = {job}"
            )
            for (pid,) in _rows(home, holder + " and job.state = 'running'"):
                os.kill(pid, signal.SIGKILL)
    up.wait()
    columns = ", ".join(
        ("started_at", "ended_at", "outcome", "step_from", "step_to", "useful_seconds", "replayed_seconds",
         "checkpoint_seconds", "load_seconds", "idle_seconds", "save_seconds")
    )  # fmt: skip
    attempts = _rows(home, f"select {columns} from attempt where job_id = {job} order by id")
    wall = attempts[-1][1] - attempts[0][0]
    useful = sum(a[5] for a in attempts)
    saves = _rows(home, f"select count(distinct step) from artifact where job_id = {job}")[0][0]
    killed_at = [a[1] for a in attempts if a[2] == "lost"]
    starts = [a[0] for a in attempts[1:]]
    # From the last sign of life the ledger has (what it booked) to the next attempt's first moment.
    away = [
        start - (a[0] + sum(a[5:9])) for a, start in zip(attempts, starts, strict=False) if a[2] == "lost"
    ]
    times = Times(
        load=max(a[8] for a in attempts),
        step=step,
        save=max((a[10] for a in attempts if a[10]), default=0.0),
        blocked=sum(a[7] for a in attempts) / max(1, saves),
        away=max(away, default=0.0),
    )
    names = ("useful", "replayed", "checkpoint", "load", "idle")
    figures = {
        "steps": steps, "kills": len(killed_at), "wall_seconds": round(wall, 1), "goodput": round(useful / wall, 4),
        "seconds": {name: round(sum(a[5 + i] for a in attempts), 2) for i, name in enumerate(names)},
    }  # fmt: skip
    return figures, times


def _rows(home: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(f"file:{home / 'state.db'}?mode=ro", uri=True, timeout=30)) as state:
        return state.execute(query).fetchall()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=6.0, help="of undisturbed training")
    parser.add_argument("--every", type=float, default=60.0, help="seconds between kills")
    parser.add_argument("--preset", default="smoke")
    parser.add_argument("--sessions", type=int, default=200, help="12-hour sessions that are replayed")
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the replayed kills")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="baton-goodput-"))
    figures, times = measure(folder, options.minutes, options.every, options.preset)
    shutil.rmtree(folder)

    ours = Habit("Baton", 60.0, 2 * HOUR, times.away, save_blocks=False)
    notebook = Habit("notebook", 2 * HOUR, None, _BY_HAND_SECONDS, save_blocks=True)
    chance = random.Random(options.seed)
    total = options.sessions * 12 * HOUR
    rare = [(n + chance.random()) * 12 * HOUR for n in range(options.sessions)]
    often = [n * options.every for n in range(1, int(2 * HOUR / options.every))]
    table = {
        f"a kill every {options.every:.0f} s": {
            "Baton, measured": figures["goodput"],
            "Baton, replayed": round(replay(times, ours_at(ours, 3.0), often, 12 * HOUR, 2 * HOUR), 4),
            "notebook, replayed": round(replay(times, notebook, often, 12 * HOUR, 2 * HOUR), 4),
        },
        "one kill in 12 hours, 2-hour slices": {
            "Baton, replayed": round(replay(times, ours, rare, 12 * HOUR, total), 4),
            "notebook, replayed": round(replay(times, notebook, rare, 12 * HOUR, total), 4),
        },
    }
    print(json.dumps(figures, indent=1))
    for row, cells in table.items():
        print(row + ": " + ", ".join(f"{name} {value:.3f}" for name, value in cells.items()))
    document = {"machine": describe(), "command": sys.argv[1:], "measured": figures, "times": asdict(times),
                "by_hand_seconds": _BY_HAND_SECONDS, "goodput": table}  # fmt: skip
    RESULT.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0


def ours_at(habit: Habit, checkpoint_seconds: float) -> Habit:
    """The same with checkpoints as often as the measured run had them."""
    return Habit(habit.name, checkpoint_seconds, habit.slice_seconds, habit.away, habit.save_blocks)


if __name__ == "__main__":
    sys.exit(main())
