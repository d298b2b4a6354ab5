"""How often early stopping ends runs that still gain what is worth them, and runs that do not, by how long noise lasts.

    python -m benchmarks.early_stopping

writes benchmarks/results/early_stopping.json (two minutes). Noise of the held-out losses is of the first order: a
measurement's is `rho` times that of the one before, and the rest new. `ended_as_before`: where it counts as
independent.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from settings import files
from tasks.train.early_stopping import comparisons, decide_of

RESULT = Path(__file__).parent / "results" / "early_stopping.json"

STEPS, EVERY, WINDOW, MIN_GAIN, DEMONSTRATIONS = 3000, 100, 3, 0.01, 27
MEASUREMENTS = (STEPS - 1) // EVERY
RHOS = (0.0, 0.3, 0.5, 0.8)
#: How much a demonstration moves against the others from one measurement to the next, and how much all together.
NOISES = ((0.01, 0.003), (0.02, 0.01), (0.02, 0.03))
PAYS = "falls by 1 % a window"
#: Of a whole run, by name; a window of the first is worth just `MIN_GAIN`.
SHAPES = {
    PAYS: (1 - MIN_GAIN) ** (np.arange(MEASUREMENTS) / WINDOW),
    "plateau": np.ones(MEASUREMENTS),
    "steep, then a plateau": 1 + 2 * np.exp(-np.arange(MEASUREMENTS) / 2),
}


def simulated(
    random: np.random.Generator,
    shape: NDArray[np.float64],
    demonstrations: int,
    apart: float,
    together: float,
    rho: float = 0.0,
) -> NDArray[np.float64]:
    """Held-out losses of a run, (measurements, demonstrations); these differ by 30 %."""
    of_each = np.exp(random.normal(0, 0.3, demonstrations))
    count = len(shape)
    noise = apart * _lasting(random, (count, demonstrations), rho) + together * _lasting(
        random, (count, 1), rho
    )
    return np.asarray(of_each * shape[:, None] * np.exp(noise))


def _lasting(random: np.random.Generator, shape: tuple[int, int], rho: float) -> NDArray[np.float64]:
    noise = random.standard_normal(shape)
    for step in range(1, len(noise)):
        noise[step] = rho * noise[step - 1] + math.sqrt(1 - rho**2) * noise[step]
    return noise


def ends(losses: NDArray[np.float64], *, lasting_noise: bool = True) -> bool:
    """Whether the run is ended early."""
    planned = comparisons(STEPS, EVERY, WINDOW)
    found = (
        decide_of(losses[:count], WINDOW, MIN_GAIN, planned, lasting_noise=lasting_noise)
        for count in range(2 * WINDOW, len(losses) + 1, WINDOW)
    )
    return any(one is not None and one.stop for one in found)


def cell(shape: str, noise: tuple[float, float], rho: float, runs: int, seed: int) -> dict[str, Any]:
    random = np.random.default_rng([seed, list(SHAPES).index(shape), int(1000 * rho), int(1000 * noise[1])])
    made = [simulated(random, SHAPES[shape], DEMONSTRATIONS, *noise, rho) for _ in range(runs)]
    found: dict[str, Any] = {"run": shape, "apart": noise[0], "together": noise[1], "rho": rho}
    found["ended"] = _share(sum(map(ends, made)), runs)
    if shape == PAYS:
        found["ended_as_before"] = _share(sum(ends(losses, lasting_noise=False) for losses in made), runs)
    return found


def _share(count: int, of: int) -> dict[str, float]:
    """With its exact two-sided 95 % bounds."""
    bounds = stats.binomtest(count, of).proportion_ci(0.95)
    return {"share": count / of, "low": float(bounds.low), "high": float(bounds.high), "of": of}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="simulated runs of a cell")
    parser.add_argument("--seed", type=int, default=27)
    parser.add_argument("--out", type=Path, default=RESULT)
    asked = parser.parse_args()
    cells = [
        cell(shape, noise, rho, asked.runs, asked.seed)
        for shape in SHAPES
        for noise in NOISES
        for rho in RHOS
    ]
    document = {
        "command": f"python -m benchmarks.early_stopping --runs {asked.runs} --seed {asked.seed}",
        "steps": STEPS, "every_steps": EVERY, "window": WINDOW, "min_gain": MIN_GAIN,
        "demonstrations": DEMONSTRATIONS, "cells": cells,
    }  # fmt: skip
    files.write(asked.out, json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
