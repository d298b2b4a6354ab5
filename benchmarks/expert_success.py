"""How often the scripted expert solves each task, judged by CALVIN's conditions.

python -m benchmarks.expert_success --scene D --seeds 20 [--tasks open_drawer,close_drawer]
                                    [--assets CLONE_OF_CALVIN_ENV] [--starts rest|varied] [--out FOLDER]
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np

from benchmark.tasks import TASKS
from benchmarks.machine import describe
from calvin.oracle import TaskOracle
from simulators.demonstrations import Failed, perform
from simulators.playtable.env import PlayTable
from simulators.starts import STARTS

_RESULTS = Path(__file__).parent / "results"


def measure(sim: PlayTable, task: str, seeds: int, starts: str) -> dict[str, object]:
    """Tries, successes, steps until success (mean and largest) and how the others failed."""
    oracle = TaskOracle()
    steps, failures = [], Counter[str]()
    for seed in range(seeds):
        outcome = perform(
            sim, task, seed, lambda start, end: task in oracle.solved(start, end, [task]), starts=starts
        )
        if isinstance(outcome, Failed):
            failures[outcome.reason] += 1
        else:
            steps.append(outcome.success_step)
    return {
        "tries": seeds,
        "solved": len(steps),
        "mean_steps": round(float(np.mean(steps)), 1) if steps else None,
        "max_steps": max(steps, default=None),
        "failures": dict(failures),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scene", default="D")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--assets", type=Path, help="a clone of calvin_env: its own scenes")
    parser.add_argument("--starts", default="rest", choices=STARTS)
    parser.add_argument("--out", type=Path, default=_RESULTS)
    options = parser.parse_args()
    sim = PlayTable(options.scene, options.assets)
    description = sim.description()
    results = {}
    for task in options.tasks.split(","):
        results[task] = measure(sim, task, options.seeds, options.starts)
        row = results[task]
        print(
            f"{task:28s} {row['solved']:>4}/{row['tries']} steps {row['mean_steps']} {row['failures']}",
            flush=True,
        )
    sim.close()
    report = {"machine": describe(), "simulator": description, "starts": options.starts, "tasks": results}
    options.out.mkdir(exist_ok=True)
    whose = "" if options.assets is None else "calvin_"
    suffix = "" if options.starts == "rest" else f"_{options.starts}"
    path = options.out / f"expert_success_{whose}{options.scene}{suffix}.json"
    path.write_text(json.dumps(report, indent=2) + "\n")
    print(
        f"{sum(row['solved'] for row in results.values())} of {len(results) * options.seeds} solved; {path.name}"
    )


if __name__ == "__main__":
    main()
