"""Control steps a second of the play table: physics alone, both cameras at every step, at every fifth.

Times are processor time of this process (everything runs in one thread), so that other work on the machine
disturbs them little.

python -m benchmarks.simulator_steps [--steps 100] [--scene D]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.machine import describe
from simulators.playtable.cameras import whole_static_picture
from simulators.playtable.env import PlayTable

_RESULTS = Path(__file__).parent / "results"
_REPEATS = 5


def actions(steps: int) -> np.ndarray:
    """A slow circle above the table, (steps, 7)."""
    angles = np.linspace(0.0, 4 * np.pi, steps)
    moves = np.zeros((steps, 7))
    moves[:, 0], moves[:, 1], moves[:, 6] = 0.4 * np.cos(angles), 0.4 * np.sin(angles), 1.0
    return moves


def step_ms(sim: PlayTable, steps: int, render_every: int | None) -> float:
    """Median over repeats of the mean processor time of a control step, in ms."""
    means = []
    for _ in range(_REPEATS):
        sim.reset(seed=0)
        sim.observe()
        started = time.process_time()
        for i, action in enumerate(actions(steps)):
            sim.step(action)
            if render_every is not None and (i + 1) % render_every == 0:
                sim.observe(boxes=True)
        means.append((time.process_time() - started) * 1000 / steps)
    return statistics.median(means)


def call_ms(call: Callable[[], object], repeats: int = 40) -> float:
    """Median processor time of one call, in ms."""
    times = []
    for _ in range(repeats):
        started = time.process_time()
        call()
        times.append((time.process_time() - started) * 1000)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scene", default="D")
    parser.add_argument("--steps", type=int, default=100)
    options = parser.parse_args()
    sim = PlayTable(options.scene)
    milliseconds = {
        "physics_only": step_ms(sim, options.steps, None),
        "render_every_step": step_ms(sim, options.steps, 1),
        "render_every_5th_step": step_ms(sim, options.steps, 5),
        "reset": call_ms(sim.reset, repeats=10),
        "static_camera": call_ms(lambda: sim.observe(("static",))),
        "static_camera_without_backdrop": call_ms(lambda: whole_static_picture(sim._client)),
        "gripper_camera": call_ms(lambda: sim.observe(("gripper",))),
    }
    sim.close()
    every = milliseconds["render_every_step"]
    report = {
        "machine": describe(),
        "scene": options.scene,
        "milliseconds": {name: round(value, 3) for name, value in milliseconds.items()},
        "steps_per_second": {
            name: round(1000 / milliseconds[name], 1)
            for name in ("physics_only", "render_every_step", "render_every_5th_step")
        },
        "ratios": {
            "every_step_over_every_5th": round(every / milliseconds["render_every_5th_step"], 2),
            "every_step_over_physics": round(every / milliseconds["physics_only"], 2),
        },
    }
    _RESULTS.mkdir(exist_ok=True)
    (_RESULTS / "simulator_steps.json").write_text(json.dumps(report, indent=2) + "\n")
    for section in ("milliseconds", "steps_per_second", "ratios"):
        for name, value in report[section].items():
            print(f"{section:18s} {name:32s} {value:>9}")


if __name__ == "__main__":
    main()
