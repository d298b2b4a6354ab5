"""Control steps a second of the play table: physics alone, both cameras at every step, at every fifth.

The plain alternative draws everything with both cameras at every step, as calvin_env does. Times are processor
time of this process (with all its threads), so that other work on the machine disturbs them little.

python -m benchmarks.simulator_steps [--steps 100] [--scene D] [--assets CLONE_OF_CALVIN_ENV] [--renderer egl]
                                     [--out FOLDER]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import psutil

from benchmarks.machine import describe
from benchmarks.whole_pictures import whole_pictures
from simulators.playtable.env import PlayTable
from simulators.playtable.renderers import RENDERERS, TINY

_RESULTS = Path(__file__).parent / "results"
_REPEATS = 5


def actions(steps: int) -> np.ndarray:
    """A slow circle above the table, (steps, 7)."""
    angles = np.linspace(0.0, 4 * np.pi, steps)
    moves = np.zeros((steps, 7))
    moves[:, 0], moves[:, 1], moves[:, 6] = 0.4 * np.cos(angles), 0.4 * np.sin(angles), 1.0
    return moves


def step_ms(
    sim: PlayTable,
    steps: int,
    repeats: int,
    render_every: int | None,
    draw: Callable[[], object] | None = None,
) -> float:
    """Median over repeats of the mean processor time of a control step, in ms."""
    means = []
    for _ in range(repeats):
        sim.reset(seed=0)
        sim.observe()
        started = time.process_time()
        for i, action in enumerate(actions(steps)):
            sim.step(action)
            if render_every is not None and (i + 1) % render_every == 0:
                draw() if draw is not None else sim.observe()
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
    parser.add_argument("--assets", type=Path, help="a clone of calvin_env: its own scenes")
    parser.add_argument("--renderer", default=TINY.name, choices=RENDERERS)
    parser.add_argument("--repeats", type=int, default=_REPEATS)
    parser.add_argument("--out", type=Path, default=_RESULTS)
    options = parser.parse_args()
    before_bytes = psutil.Process().memory_info().rss
    sim = PlayTable(options.scene, options.assets, options.renderer)
    sim.observe()
    world_bytes = psutil.Process().memory_info().rss - before_bytes
    plain = PlayTable(options.scene, options.assets, options.renderer, bullet_draws=True)
    rest = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
    timed = partial(step_ms, sim, options.steps, options.repeats)
    plainly = partial(whole_pictures, plain)
    milliseconds = {
        "physics_only": timed(None),
        "render_every_step": timed(1),
        "render_every_5th_step": timed(5),
        "plain_render_every_step": step_ms(plain, options.steps, options.repeats, 1, plainly),
        "reset": call_ms(sim.reset, repeats=10),
    }
    for table in (sim, plain):
        table.step(rest)
    milliseconds |= {
        "static_camera": call_ms(lambda: sim.observe(("static",))),
        "gripper_camera": call_ms(lambda: sim.observe(("gripper",))),
        "plain_both_cameras": call_ms(plainly),
    }
    description = sim.description()
    sim.close()
    plain.close()
    slow, every = milliseconds["plain_render_every_step"], milliseconds["render_every_step"]
    report = {
        "machine": describe(),
        "simulator": description,
        "world_mebibytes": round(world_bytes / 2**20),
        "milliseconds": {name: round(value, 3) for name, value in milliseconds.items()},
        "steps_per_second": {
            name: round(1000 / value, 1)
            for name, value in milliseconds.items()
            if "step" in name or "only" in name
        },
        "ratios": {
            "plain_every_step_over_every_step": round(slow / every, 2),
            "plain_every_step_over_every_5th": round(slow / milliseconds["render_every_5th_step"], 2),
            "every_step_over_every_5th": round(every / milliseconds["render_every_5th_step"], 2),
            "every_step_over_physics": round(every / milliseconds["physics_only"], 2),
        },
    }
    options.out.mkdir(exist_ok=True)
    suffix = "" if options.assets is None else "_calvin"
    suffix += "" if options.renderer == TINY.name else f"_{options.renderer}"
    (options.out / f"simulator_steps{suffix}.json").write_text(json.dumps(report, indent=2) + "\n")
    for section in ("milliseconds", "steps_per_second", "ratios"):
        for name, value in report[section].items():
            print(f"{section:18s} {name:32s} {value:>9}")


if __name__ == "__main__":
    main()
